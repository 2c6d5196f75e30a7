//! Time of a storm: what has passed since it began.

use std::time::{Duration, Instant};

/// Time since the storm began.
pub(crate) type Time = Duration;

/// A clock that never goes back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "real processes are stormed in real time")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    #[allow(clippy::disallowed_methods, reason = "real processes are stormed in real time")]
    pub(crate) fn now(self) -> Time {
        Instant::now().duration_since(self.0)
    }
}
