//! A member's stream, as the leader knows it.

use crate::command::Command;
use crate::control::message::StreamId;

/// A stream that is open.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) stream: StreamId,
    pub(super) incarnation: u64,
    /// Effects up to this index are part of the greeting. `None` before it is sent.
    pub(super) told: Option<u64>,
    /// Whether the member asked to go.
    pub(super) leaving: bool,
    /// What the log is told then: this process takes nothing more. The next one does.
    pub(super) last_offer: Command,
}
