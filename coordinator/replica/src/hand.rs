//! How far a round of raft has come.

use raft::{LightReady, Ready};

/// The round in hand.
#[derive(Debug)]
pub(super) enum Hand {
    /// Before it is said to be stored.
    First(Box<Ready>, First),
    /// After.
    Then(Box<LightReady>, Then),
}

/// What comes next before.
#[derive(Debug, Clone, Copy)]
pub(super) enum First {
    Reads,
    Messages,
    Snapshot,
    Entries,
    Promises,
    Apply,
    Advance,
}

/// What comes next after.
#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    Commit,
    Messages,
    Apply,
    Finish,
}
