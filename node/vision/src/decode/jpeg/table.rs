//! Huffman tables as a file defines them (ITU-T T.81, B.2.4.2 and C), and what a scan names of
//! them.

/// Codes of this length or less are found at once.
pub(super) const AT_ONCE_BITS: u32 = 9;

/// A Huffman table: lengths of codes and what they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// Length and symbol by the next [`AT_ONCE_BITS`] bits; 0 bits where the code is longer.
    pub(super) at_once: Vec<(u8, u8)>,
    /// Of each length, the code after its last one, as 16 bits; and how a code becomes a position.
    pub(super) ends: [u32; 17],
    pub(super) offsets: [i32; 17],
    pub(super) symbols: Vec<u8>,
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
