//! Every operation beside the log in memory.

use super::super::RedbLog;
use super::super::tail::Tail;
use super::{Draws, STORAGE, content, entry, place, snapshot, write};
use fruitnode_coordinator::replica::{LogStore, MemoryLog, Vote};

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
                assert_eq!(content(&log), content(&model), "seed {seed}, reopened");
            }
        }
    }
}

#[test]
fn what_is_older_than_the_tail_comes_from_the_file() {
    let (_folder, path) = place();
    let mut log = RedbLog::create(&path, STORAGE).unwrap();
    let mut model = MemoryLog::new();
    let entries: Vec<_> = (2..32).map(|index| entry(index, 3, 600_000)).collect();
    let vote = Some(Vote { term: 3, vote: 1, commit: 1 });
    log.install(&snapshot(1, 1, 10), None).unwrap();
    log.append(&entries, vote).unwrap();
    model.install(&snapshot(1, 1, 10), None).unwrap();
    model.append(&entries, vote).unwrap();
    assert!(log.tail.get(31).is_some() && log.tail.get(2).is_none(), "the tail is bounded");
    assert_eq!(content(&log), content(&model));
    for bytes in [0, 600_000, 3_000_000] {
        assert_eq!(log.entries(2, 32, bytes).unwrap(), model.entries(2, 32, bytes).unwrap());
    }
    log.tail = Tail::default();
    assert_eq!(content(&log), content(&model), "without any tail");
}
