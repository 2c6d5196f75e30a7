//! Every operation beside the log in memory.

use fruitnode_replica::{LogStore, MemoryLog};

use super::super::{FILE_BYTES_MAX, RedbLog};
use super::{Draws, STORAGE, content, entry, is_same, place, snapshot, write};

#[test]
fn whatever_is_written_reads_as_in_memory_also_after_a_restart() {
    for seed in 0..4 {
        let (_folder, path) = place();
        let mut log = RedbLog::create(&path, STORAGE).unwrap();
        let mut model = MemoryLog::new();
        for step in 0..60 {
            let seed = seed * 1_000 + step;
            write(&mut model, &mut Draws(seed)).unwrap();
            write(&mut log, &mut Draws(seed)).unwrap();
            assert_eq!(content(&log), content(&model), "seed {seed}");
            let (mut draws, first, last) =
                (Draws(seed), model.first().unwrap(), model.last().unwrap());
            for _ in 0..5 {
                let from = first + draws.below(last + 2 - first);
                let (to, bytes) = (from + draws.below(12), draws.below(9_000));
                let (found, expected) =
                    (log.entries(from, to, bytes), model.entries(from, to, bytes));
                assert_eq!(found.unwrap(), expected.unwrap(), "{from}..{to} in {bytes}");
            }
            if step % 3 == 0 {
                drop(log);
                log = RedbLog::open(&path, STORAGE).unwrap();
                let (found, expected) = (content(&log), content(&model));
                assert!(is_same(&found, &expected), "seed {seed}, reopened: {found:?}");
            }
        }
    }
}

#[test]
fn a_file_that_grew_is_small_again_after_the_log_is_compacted() {
    let (_folder, path) = place();
    let mut log = RedbLog::create(&path, STORAGE).unwrap();
    log.install(&snapshot(1, 1, 10), None).unwrap();
    for index in 2..42 {
        log.append(&[entry(index, 1, 1_000_000)], None).unwrap();
    }
    let grown = log.file_bytes();
    assert!(grown > FILE_BYTES_MAX, "{grown}");
    log.compact(&snapshot(41, 1, 100_000), 39).unwrap();
    let shrunk = log.file_bytes();
    assert!(shrunk < 6 << 20, "{shrunk} of {grown}");
    let before = content(&log);
    drop(log);
    assert_eq!(content(&RedbLog::open(&path, STORAGE).unwrap()), before);
}
