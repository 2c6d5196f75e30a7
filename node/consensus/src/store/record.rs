//! The bytes of the log's records. Each carries a sum of its own, over its place too: a page that
//! the disk exchanged is not taken for another.

use sha2::{Digest, Sha256};

use fruitnode_replica::{LogEntry, Snapshot, Vote};

/// Bytes of a sum: the first of a SHA-256. It is there for accidents, not for attackers.
const SUM_BYTES: usize = 8;

/// Bytes of a part of a snapshot. With redb's own header it fills 16 pages, which its allocator
/// gives in powers of two.
const PART_BYTES: usize = (64 << 10) - 512;

/// What the log holds, in one record that every write replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Head {
    /// Writes since the log was made.
    pub(super) sequence: u64,
    /// Raft's hard state.
    pub(super) vote: Vote,
    /// Index of the first entry, or of the next one after the snapshot.
    pub(super) first: u64,
    /// Index of the last entry, or of the snapshot.
    pub(super) last: u64,
    /// Index of the snapshot, 0 without one.
    pub(super) snapshot_index: u64,
    /// Term of the snapshot.
    pub(super) snapshot_term: u64,
}

impl Head {
    /// Bytes of the record.
    pub(super) fn pack(&self) -> Vec<u8> {
        let vote = self.vote;
        let fields = [self.sequence, vote.term, vote.vote, vote.commit];
        let places = [self.first, self.last, self.snapshot_index, self.snapshot_term];
        let fields: Vec<u8> = fields.iter().chain(&places).flat_map(|f| f.to_le_bytes()).collect();
        [&sum("head", &[], &fields), &fields[..]].concat()
    }

    /// The record in these bytes, if they are what was written.
    pub(super) fn unpack(bytes: &[u8]) -> Option<Self> {
        let (stored, fields) = bytes.split_at_checked(SUM_BYTES)?;
        let [sequence, term, vote, commit, first, last, snapshot_index, snapshot_term] =
            numbers::<8>(fields)?;
        (stored == sum("head", &[], fields)).then_some(Self {
            sequence,
            vote: Vote { term, vote, commit },
            first,
            last,
            snapshot_index,
            snapshot_term,
        })
    }
}

/// Bytes of an entry's record.
pub(super) fn pack_entry(entry: &LogEntry) -> Vec<u8> {
    let sum = sum("entry", &[entry.index, entry.term], &entry.bytes);
    [&sum, &entry.term.to_le_bytes(), &entry.bytes[..]].concat()
}

/// The entry in the record at `index`, if it is what was written there.
pub(super) fn unpack_entry(index: u64, record: &[u8]) -> Option<LogEntry> {
    let (stored, rest) = record.split_at_checked(SUM_BYTES)?;
    let (term, bytes) = rest.split_at_checked(8)?;
    let [term] = numbers::<1>(term)?;
    let kept = stored == sum("entry", &[index, term], bytes);
    kept.then(|| LogEntry { index, term, bytes: bytes.to_vec() })
}

/// Records of a snapshot, in order.
pub(super) fn pack_snapshot(snapshot: &Snapshot) -> Vec<Vec<u8>> {
    let conf_bytes = snapshot.conf.len() as u64;
    let head = [snapshot.index, snapshot.term, conf_bytes].map(u64::to_le_bytes).concat();
    let whole = [&head, &snapshot.conf[..], &snapshot.state].concat();
    let sum = sum("snapshot", &[], &whole);
    [&sum, &whole[..]].concat().chunks(PART_BYTES).map(<[u8]>::to_vec).collect()
}

/// The snapshot whose records, joined, are these bytes, if they are what was written.
pub(super) fn unpack_snapshot(joined: &[u8]) -> Option<Snapshot> {
    let (stored, whole) = joined.split_at_checked(SUM_BYTES)?;
    if stored != sum("snapshot", &[], whole) {
        return None;
    }
    let (head, rest) = whole.split_at_checked(24)?;
    let [index, term, conf_bytes] = numbers::<3>(head)?;
    let (conf, state) = rest.split_at_checked(usize::try_from(conf_bytes).ok()?)?;
    Some(Snapshot { index, term, conf: conf.to_vec(), state: state.to_vec() })
}

/// Sum of a record of this kind, at this place.
pub(super) fn sum(kind: &str, place: &[u64], bytes: &[u8]) -> [u8; SUM_BYTES] {
    let mut hash = Sha256::new();
    hash.update(kind);
    place.iter().for_each(|number| hash.update(number.to_le_bytes()));
    hash.update(bytes);
    let mut sum = [0; SUM_BYTES];
    sum.copy_from_slice(&hash.finalize()[..SUM_BYTES]);
    sum
}

fn numbers<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    let (words, rest) = bytes.as_chunks::<8>();
    let words: &[[u8; 8]; N] = words.try_into().ok().filter(|_| rest.is_empty())?;
    Some(words.map(u64::from_le_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_comes_back_and_no_flipped_bit_passes() {
        let head = Head { sequence: 9, first: 3, last: 7, ..Head::default() };
        let entry = LogEntry { index: 5, term: 2, bytes: b"what was proposed".to_vec() };
        let snapshot =
            Snapshot { index: 4, term: 2, conf: b"who".to_vec(), state: vec![7; 2 * PART_BYTES] };
        let packed = head.pack();
        assert_eq!(Head::unpack(&packed), Some(head));
        flips(&packed, |bytes| Head::unpack(bytes).is_some());
        let packed = pack_entry(&entry);
        assert_eq!(unpack_entry(5, &packed), Some(entry));
        assert_eq!(unpack_entry(6, &packed), None, "an entry at another's place");
        flips(&packed, |bytes| unpack_entry(5, bytes).is_some());
        let parts = pack_snapshot(&snapshot);
        assert_eq!(parts.len(), 3);
        assert_eq!(unpack_snapshot(&parts.concat()), Some(snapshot));
        assert_eq!(unpack_snapshot(&parts[..2].concat()), None, "a snapshot without its end");
    }

    fn flips(packed: &[u8], passes: impl Fn(&[u8]) -> bool) {
        for bit in 0..packed.len() * 8 {
            let mut bytes = packed.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!passes(&bytes), "bit {bit}");
        }
        for end in 0..packed.len() {
            assert!(!passes(&packed[..end]), "cut at {end}");
        }
    }
}
