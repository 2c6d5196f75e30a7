//! How a listing is cut: consecutive keys in key order, so that the cut depends on nothing else.

use std::ops::Range;

use crate::ids::PartitionId;

/// Keys of one partition unless the user says otherwise.
pub const ROWS_PER_PART_DEFAULT: u32 = 1_024;

/// Partitions of a job. Each takes about a hundred bytes of every voter's memory.
pub const PARTITIONS_MAX: u32 = 1_000_000;

/// Number of partitions of a listing. `None` when there are more than
/// [`PARTITIONS_MAX`].
pub fn count(keys: u64, rows_per_part: u32) -> Option<u32> {
    let count = u32::try_from(keys.div_ceil(u64::from(rows_per_part.max(1)))).ok()?;
    (count <= PARTITIONS_MAX).then_some(count)
}

/// Positions in the listing of the keys of one partition.
pub fn keys(partition: PartitionId, keys: u64, rows_per_part: u32) -> Range<u64> {
    let rows = u64::from(rows_per_part.max(1));
    let first = (u64::from(partition.0) * rows).min(keys);
    first..(first + rows).min(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_consecutive_and_cover_every_key_once() {
        for (total, rows) in [(0, 4), (1, 4), (4, 4), (5, 4), (1_000, 7), (3, 1)] {
            let mut next = 0;
            for p in 0..count(total, rows).expect("few keys") {
                let range = keys(PartitionId(p), total, rows);
                assert_eq!(range.start, next);
                assert!(!range.is_empty());
                next = range.end;
            }
            assert_eq!(next, total);
        }
    }

    #[test]
    fn more_partitions_than_a_voter_should_keep_are_refused() {
        assert_eq!(count(1 << 40, 1), None);
        assert_eq!(count(u64::from(PARTITIONS_MAX) * 7, 7), Some(PARTITIONS_MAX));
        assert_eq!(count(u64::from(PARTITIONS_MAX) * 7 + 1, 7), None);
    }
}
