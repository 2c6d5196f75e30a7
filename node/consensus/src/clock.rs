//! When to tick.

use std::time::Duration;

/// Ticks that are made up for at once. A process that was stopped for a minute does not age by a
/// minute in one moment: what others sent meanwhile would come too late to be heard.
const LATE_TICKS_MAX: u32 = 3;

/// Counts ticks against time that passes.
#[derive(Debug)]
pub(super) struct Clock {
    tick: Duration,
    ticked: Duration,
}

impl Clock {
    /// A clock whose first tick is due after one interval.
    pub(super) fn new(tick: Duration) -> Self {
        Self { tick, ticked: Duration::ZERO }
    }

    /// Time until the next tick is due.
    pub(super) fn wait(&self, elapsed: Duration) -> Duration {
        (self.ticked + self.tick).saturating_sub(elapsed)
    }

    /// Ticks that are due now. Those beyond [`LATE_TICKS_MAX`] are forgotten.
    pub(super) fn due(&mut self, elapsed: Duration) -> u32 {
        let mut due = 0;
        while self.wait(elapsed).is_zero() {
            if due == LATE_TICKS_MAX {
                self.ticked = elapsed;
                break;
            }
            self.ticked += self.tick;
            due += 1;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn ticks_that_are_a_little_late_are_made_up_for() {
        let mut clock = Clock::new(100 * MS);
        assert_eq!((clock.due(99 * MS), clock.wait(99 * MS)), (0, MS));
        assert_eq!(clock.due(100 * MS), 1);
        assert_eq!(clock.due(330 * MS), 2);
        assert_eq!(clock.wait(330 * MS), 70 * MS);
    }

    #[test]
    fn a_process_that_was_stopped_does_not_age_at_once() {
        let mut clock = Clock::new(100 * MS);
        assert_eq!(clock.due(60_000 * MS), LATE_TICKS_MAX);
        assert_eq!(clock.due(60_000 * MS), 0);
        assert_eq!(clock.wait(60_000 * MS), 100 * MS);
    }
}
