//! What an attempt takes: bytes, and the time it fetches, computes and writes. For the story of a
//! job alone; no byte of a result depends on it.
//!
//! The counts belong to the attempt whose task does the work, so that nothing has to be handed
//! through every call; work outside an attempt is not counted.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::env::{Moment, wall_ms};
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
    }

    /// A compute thread was busy for so long.
    pub(super) fn computed(&self, took: Duration) {
        add(&self.compute_us, took);
    }

    /// An object was written in this time.
    pub(super) fn wrote(&self, took: Duration) {
        add(&self.write_us, took);
    }
}

/// Carries an attempt out, and says what it took.
pub async fn measured<F: Future>(attempt: F) -> (F::Output, AttemptFacts) {
    let (meter, began_ms, began) = (Arc::new(Meter::default()), wall_ms(), Moment::now());
    let output = METER.scope(Arc::clone(&meter), attempt).await;
    let whole = |sum: &AtomicU64| millis(Duration::from_micros(sum.load(Ordering::Relaxed)));
    let facts = AttemptFacts {
        began_ms,
        took_ms: millis(began.elapsed()),
        bytes: meter.bytes.load(Ordering::Relaxed),
        fetch_ms: whole(&meter.fetch_us),
        compute_ms: whole(&meter.compute_us),
        write_ms: whole(&meter.write_us),
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
    use super::*;

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
        let ((), facts) = measured(attempt).await;
        work(1_000).await;
        assert_eq!((facts.bytes, facts.fetch_ms, facts.compute_ms, facts.write_ms), (30, 6, 3, 14));
        let ((), facts) = measured(async {}).await;
        assert_eq!((facts.bytes, facts.fetch_ms), (0, 0));
    }
}
