//! What workers pretend to have done, and what they tell of it: numbers of the size that they have
//! with photographs of a hundred kilobytes.

use fruitnode_coordinator::control::message::{Lease, Report};
use fruitnode_coordinator::ids::Digest;
use fruitnode_coordinator::partition::ROWS_PER_PART_DEFAULT;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::story::AttemptFacts;
use fruitnode_coordinator::task::{Task, TaskKind, TaskResult};

use crate::dice::Dice;
use crate::time::Time;

/// One attempt of so many fails.
const FAILS_EVERY: u64 = 500;

/// One partition of so many has a quarantine.
const QUARANTINE_EVERY: u32 = 100;

/// How long an attempt takes, milliseconds.
pub(crate) fn takes(task: Task, dice: &mut Dice) -> Time {
    match task.kind() {
        TaskKind::Merge => dice.between(5, 200),
        TaskKind::Extract => dice.between(20_000, 60_000),
        _ => dice.between(1_000, 5_000),
    }
}

/// How an attempt ends that took so long and ends now.
pub(crate) fn report(
    lease: &Lease,
    partitions: u32,
    (took, now): (Time, Time),
    dice: &mut Dice,
) -> Report {
    let name = lease.name();
    let facts = facts(lease.task, took, now, dice);
    let may_fail = matches!(lease.task, Task::Extract(_) | Task::Project(_));
    if dice.below(FAILS_EVERY) == 0 && may_fail {
        let (reason, detail) = (FailureReason::Panic, "it was to fail".to_owned());
        return Report::Failed { name, reason, detail, facts };
    }
    let digest = || Digest([0x5a; 32]);
    let rows = ROWS_PER_PART_DEFAULT;
    let result = match lease.task {
        Task::List | Task::ListRange(_) | Task::Gather => {
            let keys = u64::from(partitions) * u64::from(rows);
            TaskResult::Listed { keys, bytes: keys * 100_000, partitions, digest: digest() }
        }
        Task::Extract(partition) => {
            let bad = u32::from(partition.0.is_multiple_of(QUARANTINE_EVERY));
            TaskResult::Extracted {
                good: rows - bad,
                bad,
                features: digest(),
                quarantine: (bad > 0).then(digest),
                moments: Some(digest()),
                gets: rows,
                inferences: rows,
            }
        }
        Task::Remake(_) | Task::Rebuild(_) | Task::Merge(_) => {
            TaskResult::Held { digest: digest() }
        }
        Task::Fit => TaskResult::Fitted { digest: digest(), components: 64 },
        Task::Project(_) => TaskResult::Projected { rows, scores: digest(), csv: digest() },
        Task::Publish => TaskResult::Published { digest: digest() },
    };
    Report::Done { name, result, facts }
}

fn facts(task: Task, took: Time, now: Time, dice: &mut Dice) -> AttemptFacts {
    let took_ms = took as u32;
    let (bytes, threads) = match task.kind() {
        TaskKind::Extract => (dice.between(90_000_000, 110_000_000), 8),
        TaskKind::Merge => (dice.between(3_000_000, 3_400_000), 1),
        _ => (dice.between(4_000_000, 5_300_000), 2),
    };
    let share = |dice: &mut Dice| (threads * dice.between(took / 8, took / 3)) as u32;
    AttemptFacts {
        began_ms: now - took,
        took_ms,
        bytes,
        fetch_ms: share(dice),
        compute_ms: share(dice),
        write_ms: dice.between(0, took / 20) as u32,
        unreached: None,
    }
}
