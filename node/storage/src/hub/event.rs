//! How far a pull is, for whoever waits for it.

use std::time::Duration;

/// What whoever waits may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Another process fetches the same.
    Waiting,
    /// This much is here.
    At {
        /// Bytes.
        bytes: u64,
        /// Bytes of the whole, if they are known.
        total: Option<u64>,
    },
    /// An attempt failed, and another follows.
    Again {
        /// Why.
        why: String,
        /// In how long.
        after: Duration,
    },
}
