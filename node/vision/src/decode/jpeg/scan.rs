//! Whether the one scan of a baseline picture holds all of it: its entropy-coded data are read to
//! the last block (ITU-T T.81, F.2.2), and nothing is computed from them.
//!
//! The decoder invents what a scan does not hold that ends early, or that lost a restart marker.

use super::super::error::DecodeError;
use super::frame::{Frame, corrupt};
use super::table::{AT_ONCE_BITS, Scan, Table};

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
