//! One member's stream to the coordinator, as the coordinator sees it.

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_proto::v1;
use fruitnode_proto::v1::from_member::Hello;
use tokio::sync::mpsc;

use crate::actors::envelope;
use crate::actors::leader::offer;
use crate::mesh::error::Refusal;

/// Messages that wait for a member. One that takes none for so long is let go of; it comes back and
/// is told anew what there is.
pub(super) const MESSAGES_WAITING_MAX: usize = 4_096;

/// Tells the streams of one member apart: it may come back before the old one is seen to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId(pub(super) u64);

/// A stream that is open.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) incarnation: u64,
    pub(super) release: String,
    pub(super) beat: v1::from_member::Beat,
    /// By how much its clock is ahead of the one here, milliseconds.
    pub(super) clock_ahead_ms: i64,
    /// Effects up to this index are part of the greeting. `None` before it is sent.
    pub(super) told: Option<u64>,
    /// Whether the member asked to go.
    pub(super) leaving: bool,
    /// What the log is told then: this process takes nothing more. The next one does.
    pub(super) last_offer: Command,
    out: mpsc::Sender<Result<v1::ToMember, Refusal>>,
}

impl Session {
    /// A new stream, and its other end.
    pub(super) fn new(
        id: SessionId,
        node: NodeId,
        hello: Hello,
    ) -> (Self, mpsc::Receiver<Result<v1::ToMember, Refusal>>) {
        let (out, stream) = mpsc::channel(MESSAGES_WAITING_MAX);
        let beat = v1::from_member::Beat::default();
        let (incarnation, release) = (hello.incarnation, hello.release.clone());
        let last_offer = offer(node, Hello { slots: 0, ..hello });
        let (told, leaving, clock_ahead_ms) = (None, false, 0);
        let session =
            Self { id, incarnation, release, beat, clock_ahead_ms, told, leaving, last_offer, out };
        (session, stream)
    }

    /// Sends a message; whether the member can still be reached.
    pub(super) fn send(&self, node: NodeId, message: v1::ToMember) -> bool {
        for part in envelope::in_parts(message) {
            if let Err(error) = self.out.try_send(Ok(part)) {
                tracing::info!(%node, %error, "a member takes no messages: its stream is ended");
                return false;
            }
        }
        true
    }
}
