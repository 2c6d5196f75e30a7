//! What an attempt takes: bytes, and the time it fetches, computes and writes. For the story of a
//! job alone; no byte of a result depends on it.
//!
//! It is also how an attempt is seen to live: everything that is done counts as a step, whatever
//! kind of task it belongs to, and an attempt whose steps no longer grow has stalled.
//!
//! The counts belong to the attempt whose task does the work, so that nothing has to be handed
//! through every call; work outside an attempt is not counted.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::leases::LeaseName;
use fruitnode_env::{Moment, wall_ms};

use crate::tasks::AttemptFacts;

tokio::task_local! {
    static METER: Arc<Meter>;
}

/// Sums over one attempt. Work that runs side by side is added up.
#[derive(Debug, Default)]
pub(super) struct Meter {
    bytes: AtomicU64,
    fetch_us: AtomicU64,
    compute_us: AtomicU64,
    write_us: AtomicU64,
    steps: AtomicU64,
    /// Who holds what was needed and was not reached; 0 is nobody.
    unreached: AtomicU64,
}

/// The attempts that run on a node, and how far each is.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<BTreeMap<LeaseName, Arc<Meter>>>);

/// An attempt among those that run, until it ends or is dropped.
struct Entered<'a> {
    running: &'a Running,
    name: LeaseName,
}

impl Running {
    /// Steps that each attempt has done so far.
    pub(crate) fn steps(&self) -> Vec<(LeaseName, u64)> {
        let running = self.lock();
        let steps = running.iter();
        steps.map(|(name, meter)| (name.clone(), meter.steps.load(Ordering::Relaxed))).collect()
    }

    fn enter(&self, name: LeaseName, meter: &Arc<Meter>) -> Entered<'_> {
        self.lock().insert(name.clone(), Arc::clone(meter));
        Entered { running: self, name }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LeaseName, Arc<Meter>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.running.lock().remove(&self.name);
    }
}

impl Meter {
    /// That of the attempt that runs in this task; one that nobody reads elsewhere.
    pub(super) fn here() -> Arc<Self> {
        METER.try_with(Arc::clone).unwrap_or_default()
    }

    /// Bytes came, after so long.
    pub(super) fn fetched(&self, bytes: usize, took: Duration) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        add(&self.fetch_us, took);
        self.step();
    }

    /// A compute thread was busy for so long.
    pub(super) fn computed(&self, took: Duration) {
        add(&self.compute_us, took);
        self.step();
    }

    /// An object was written in this time.
    pub(super) fn wrote(&self, took: Duration) {
        add(&self.write_us, took);
        self.step();
    }

    /// A node that holds what the attempt needs cannot be reached from here: not for people alone,
    /// since another node is asked next.
    pub(super) fn unreached(&self, holder: NodeId) {
        self.unreached.store(holder.0, Ordering::Relaxed);
    }

    /// Something was done that takes part of a longer time, or that nothing else counts: a
    /// photograph of a batch, a page of a listing, a copy of an object.
    pub(super) fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }
}

/// Carries an attempt out, which is among those that run meanwhile, and says what it took.
pub(crate) async fn measured<F: Future>(
    running: &Running,
    name: LeaseName,
    attempt: F,
) -> (F::Output, AttemptFacts) {
    let (meter, began_ms, began) = (Arc::new(Meter::default()), wall_ms(), Moment::now());
    let _entered = running.enter(name, &meter);
    let output = METER.scope(Arc::clone(&meter), attempt).await;
    let whole = |sum: &AtomicU64| millis(Duration::from_micros(sum.load(Ordering::Relaxed)));
    let unreached = meter.unreached.load(Ordering::Relaxed);
    let facts = AttemptFacts {
        began_ms,
        took_ms: millis(began.elapsed()),
        bytes: meter.bytes.load(Ordering::Relaxed),
        fetch_ms: whole(&meter.fetch_us),
        compute_ms: whole(&meter.compute_us),
        write_ms: whole(&meter.write_us),
        unreached: (unreached > 0).then_some(NodeId(unreached)),
    };
    (output, facts)
}

fn add(sum: &AtomicU64, took: Duration) {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    sum.fetch_add(micros, Ordering::Relaxed);
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use fruitnode_coordinator::ids::{Attempt, JobId};
    use fruitnode_coordinator::task::Task;

    use super::*;

    fn name() -> LeaseName {
        (JobId("j".to_owned()), Task::List, Attempt(1))
    }

    #[tokio::test]
    async fn an_attempt_is_told_of_while_it_runs_and_everything_it_does_is_a_step() {
        let running = Running::default();
        let attempt = async {
            assert_eq!(running.steps(), [(name(), 0)]);
            let meter = Meter::here();
            meter.fetched(0, Duration::ZERO);
            meter.computed(Duration::ZERO);
            meter.wrote(Duration::ZERO);
            meter.step();
            assert_eq!(running.steps(), [(name(), 4)]);
        };
        measured(&running, name(), attempt).await;
        assert_eq!(running.steps(), []);
        // One that is called back is dropped where it stands.
        let hangs = measured(&running, name(), std::future::pending::<()>());
        let hangs = tokio::time::timeout(Duration::ZERO, hangs);
        assert!(hangs.await.is_err());
        assert_eq!(running.steps(), []);
    }

    #[tokio::test]
    async fn what_an_attempt_does_is_added_up_and_what_others_do_is_not() {
        let work = async |bytes| {
            let meter = Meter::here();
            meter.fetched(bytes, Duration::from_millis(3));
            meter.computed(Duration::from_micros(1_500));
            meter.wrote(Duration::from_millis(7));
        };
        let attempt = async {
            work(10).await;
            work(20).await;
        };
        let running = Running::default();
        let ((), facts) = measured(&running, name(), attempt).await;
        work(1_000).await;
        assert_eq!((facts.bytes, facts.fetch_ms, facts.compute_ms, facts.write_ms), (30, 6, 3, 14));
        let ((), facts) = measured(&running, name(), async {}).await;
        assert_eq!(
            facts,
            AttemptFacts {
                began_ms: facts.began_ms,
                took_ms: facts.took_ms,
                ..AttemptFacts::default()
            }
        );
        let behind_a_wall = async { Meter::here().unreached(NodeId(3)) };
        let ((), facts) = measured(&running, name(), behind_a_wall).await;
        assert_eq!(facts.unreached, Some(NodeId(3)));
    }
}
