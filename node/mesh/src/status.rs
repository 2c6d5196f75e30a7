//! Refusals as gRPC carries them: a code, words, and for `NotLeader` a trailer.

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use fruitnode_coordinator::ids::NodeId;

use crate::error::{Refusal, RefusalKind};

/// The trailer that names the coordinator: its id and its address, or [`NO_LEADER`].
pub(super) const LEADER_TRAILER: &str = "x-fruitnode-leader";

/// What the trailer says when there is no coordinator.
const NO_LEADER: &str = "none";

/// Longest words that are sent, in bytes: they travel as a header.
const WORDS_BYTES_MAX: usize = 2_000;

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal.kind {
            RefusalKind::NotLeader { .. } | RefusalKind::Unavailable => Code::Unavailable,
            RefusalKind::Denied => Code::PermissionDenied,
            RefusalKind::NotFound => Code::NotFound,
            RefusalKind::Conflict => Code::FailedPrecondition,
            RefusalKind::Invalid => Code::InvalidArgument,
            RefusalKind::Exhausted => Code::ResourceExhausted,
            RefusalKind::Failed => Code::Internal,
            RefusalKind::Unimplemented => Code::Unimplemented,
        };
        let mut status = Self::new(code, cut(refusal.words));
        if let RefusalKind::NotLeader { leader } = refusal.kind {
            let text = leader.map(|(node, address)| format!("{} {address}", node.0));
            let text = text.unwrap_or_else(|| NO_LEADER.to_owned());
            let none = || MetadataValue::from_static(NO_LEADER);
            let value = MetadataValue::try_from(text).unwrap_or_else(|_| none());
            status.metadata_mut().insert(LEADER_TRAILER, value);
        }
        status
    }
}

/// What the other side refused. Of the codes that tonic itself makes, those of a broken connection
/// are to be sorted out before.
pub(super) fn refusal(status: &Status) -> Refusal {
    let leader = status.metadata().get(LEADER_TRAILER);
    let kind = match (status.code(), leader) {
        (Code::Unavailable, Some(text)) => {
            RefusalKind::NotLeader { leader: text.to_str().ok().and_then(leader_of) }
        }
        (Code::PermissionDenied | Code::Unauthenticated, _) => RefusalKind::Denied,
        (Code::NotFound, _) => RefusalKind::NotFound,
        (Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted, _) => {
            RefusalKind::Conflict
        }
        (Code::InvalidArgument, _) => RefusalKind::Invalid,
        (Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded, _) => {
            RefusalKind::Unavailable
        }
        (Code::ResourceExhausted | Code::OutOfRange, _) => RefusalKind::Exhausted,
        (Code::Unimplemented, _) => RefusalKind::Unimplemented,
        _ => RefusalKind::Failed,
    };
    Refusal::new(kind, status.message())
}

fn leader_of(text: &str) -> Option<(NodeId, String)> {
    let (node, address) = text.split_once(' ')?;
    Some((NodeId(node.parse().ok()?), address.to_owned()))
}

fn cut(mut words: String) -> String {
    words.truncate(words.floor_char_boundary(WORDS_BYTES_MAX));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_survives_the_wire() {
        let leader = Some((NodeId(3), "10.0.0.3:7401".to_owned()));
        for kind in [
            RefusalKind::NotLeader { leader },
            RefusalKind::NotLeader { leader: None },
            RefusalKind::Denied,
            RefusalKind::NotFound,
            RefusalKind::Conflict,
            RefusalKind::Invalid,
            RefusalKind::Unavailable,
            RefusalKind::Exhausted,
            RefusalKind::Failed,
            RefusalKind::Unimplemented,
        ] {
            let sent = Refusal::new(kind, "job `a` – gone");
            assert_eq!(refusal(&Status::from(sent.clone())), sent);
        }
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let status = Status::from(Refusal::failed("é".repeat(5_000)));
        assert!(status.message().len() <= WORDS_BYTES_MAX);
    }
}
