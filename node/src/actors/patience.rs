//! How long attempts may make no progress before somebody else is to do their tasks.

use fruitnode_coordinator::leases::Terms;

/// For tests: the term of every kind of task, in ticks of a tenth of a second.
pub const LEASE_TICKS: &str = "FRUITNODE_TEST_LEASE_TICKS";

/// What each kind of task needs, unless a test says less.
pub(crate) fn terms() -> Terms {
    let ticks = std::env::var(LEASE_TICKS).ok().and_then(|ticks| ticks.parse().ok());
    ticks.map_or_else(Terms::default, Terms::uniform)
}
