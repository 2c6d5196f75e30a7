//! Whether the one scan of a baseline picture holds all of it: its entropy-coded data are read to
//! the last block (ITU-T T.81, F.2.2), and nothing is computed from them.
//!
//! The decoder invents what a scan does not hold that ends early, or that lost a restart marker.

use super::super::error::DecodeError;
use super::frame::{Frame, corrupt};

/// Codes of this length or less are found at once.
const AT_ONCE_BITS: u32 = 9;

/// A Huffman table: lengths of codes and what they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// Length and symbol by the next [`AT_ONCE_BITS`] bits; 0 bits where the code is longer.
    at_once: Vec<(u8, u8)>,
    /// Of each length, the code after its last one, as 16 bits; and how a code becomes a position.
    ends: [u32; 17],
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    /// From the 16 counts of a table and its symbols; nothing of one that is none.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            at_once: vec![(0, 0); 1 << AT_ONCE_BITS],
            ends: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut position) = (0u32, 0u32);
        for bits in 1..=16u32 {
            let count = u32::from(counts[bits as usize - 1]);
            table.offsets[bits as usize] = position as i32 - code as i32;
            for _ in 0..count {
                if code >= 1 << bits {
                    return None;
                }
                let symbol = *symbols.get(position as usize)?;
                if bits <= AT_ONCE_BITS {
                    let first = (code << (AT_ONCE_BITS - bits)) as usize;
                    let last = first + (1 << (AT_ONCE_BITS - bits));
                    table.at_once[first..last].fill((bits as u8, symbol));
                }
                code += 1;
                position += 1;
            }
            table.ends[bits as usize] = if count > 0 { code << (16 - bits) } else { 0 };
            code <<= 1;
        }
        Some(table)
    }
}

/// The bits of entropy-coded data up to the next marker.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
    /// Bits that are there no more, and were read all the same.
    over: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, held: 0, count: 0, over: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 48 {
            let byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                (Some(0xff), _) | (None, _) => {
                    self.over += 8;
                    0
                }
                (Some(byte), _) => {
                    self.at += 1;
                    *byte
                }
            };
            self.held = self.held << 8 | u64::from(byte);
            self.count += 8;
        }
    }

    fn peek16(&mut self) -> u32 {
        if self.count < 32 {
            self.fill();
        }
        (self.held >> (self.count - 16)) as u32 & 0xffff
    }

    /// The next symbol; nothing where no code of the table stands.
    fn symbol(&mut self, table: &Table) -> Option<u8> {
        let next = self.peek16();
        let (bits, symbol) = table.at_once[(next >> (16 - AT_ONCE_BITS)) as usize];
        if bits > 0 {
            self.count -= u32::from(bits);
            return Some(symbol);
        }
        let bits = (AT_ONCE_BITS + 1..=16).find(|bits| next < table.ends[*bits as usize])?;
        self.count -= bits;
        let code = (next >> (16 - bits)) as i32;
        table.symbols.get((code + table.offsets[bits as usize]) as usize).copied()
    }

    fn skip(&mut self, bits: u32) {
        if self.count < bits {
            self.fill();
        }
        self.count -= bits;
    }

    /// Whether more was read than there is.
    fn is_over(&self) -> bool {
        self.over > self.count
    }

    /// Goes on after the restart marker with this number, if that is what comes.
    fn restart(&mut self, number: u8) -> Option<()> {
        let mut at = self.at;
        while self.bytes.get(at) == Some(&0xff) && self.bytes.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        let is_it = self.bytes.get(at..at + 2) == Some(&[0xff, 0xd0 + number]);
        is_it.then(|| *self = Self::new(self.bytes, at + 2))
    }
}

/// What a scan is read with: the tables of each of its components, and how often it restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Where its data begin.
    pub(super) data_at: usize,
    /// By their destination, of DC coefficients.
    pub(super) dc: [Option<Table>; 4],
    /// The same, of AC coefficients.
    pub(super) ac: [Option<Table>; 4],
    /// Of each component its identifier and its two destinations.
    pub(super) selectors: Vec<(u8, u8, u8)>,
    /// Units between two restarts; 0 where there are none.
    pub(super) restart_every: u32,
}

/// Reads the whole scan of a picture that has one alone.
///
/// # Errors
/// When it ends before its last block, or lacks a restart marker or a table.
pub(super) fn check(bytes: &[u8], frame: &Frame, scan: &Scan) -> Result<(), DecodeError> {
    let mut blocks = Vec::new();
    let single = frame.components.len() == 1;
    for component in &frame.components {
        let selector = scan.selectors.iter().find(|selector| selector.0 == component.id);
        let (_, dc, ac) = selector.ok_or_else(|| corrupt("a component without a scan"))?;
        let table = |tables: &'_ [Option<Table>; 4], at: u8| tables.get(usize::from(at)).cloned();
        let (Some(Some(dc)), Some(Some(ac))) = (table(&scan.dc, *dc), table(&scan.ac, *ac)) else {
            return Err(corrupt("a huffman table is missing"));
        };
        let count = match single {
            true => 1,
            false => u32::from(component.horizontal) * u32::from(component.vertical),
        };
        blocks.push((count, dc, ac));
    }
    let most = |side: fn(&super::frame::Component) -> u8| {
        if single { 1 } else { frame.components.iter().map(side).max().map_or(1, u32::from) }
    };
    let (wide, high) = (8 * most(|c| c.horizontal), 8 * most(|c| c.vertical));
    let units = u32::from(frame.width).div_ceil(wide) * u32::from(frame.height).div_ceil(high);
    let mut bits = Bits::new(bytes, scan.data_at);
    let mut restarts = 0u32;
    for unit in 0..units {
        if scan.restart_every > 0 && unit > 0 && unit % scan.restart_every == 0 {
            let number = (restarts % 8) as u8;
            bits.restart(number).ok_or_else(|| corrupt("a restart marker is missing"))?;
            restarts += 1;
        }
        for (count, dc, ac) in &blocks {
            for _ in 0..*count {
                block(&mut bits, dc, ac).ok_or_else(|| corrupt("a code that means nothing"))?;
            }
        }
        if bits.is_over() {
            return Err(corrupt("a scan that ends before the picture does"));
        }
    }
    Ok(())
}

/// Passes over one block.
fn block(bits: &mut Bits<'_>, dc: &Table, ac: &Table) -> Option<()> {
    let size = bits.symbol(dc)?;
    (size <= 16).then_some(())?;
    bits.skip(size.into());
    let mut coefficient = 1;
    while coefficient < 64 {
        let symbol = bits.symbol(ac)?;
        let (run, size) = (symbol >> 4, symbol & 15);
        match (run, size) {
            (15, 0) => coefficient += 16,
            (_, 0) => return Some(()),
            _ => {
                coefficient += u32::from(run) + 1;
                bits.skip(size.into());
            }
        }
    }
    Some(())
}
