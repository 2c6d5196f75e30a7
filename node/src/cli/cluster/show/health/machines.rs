//! Certificates that end and clocks that are wrong.

use fruitnode_proto::v1::{ClusterStatus, NodeStatus};

use super::nodes::{names, plural, present};
use super::notice::{Notice, State};
use crate::cli::cluster::show::node;
use crate::cli::cluster::show::table::span;

/// How long before its end a certificate is warned of, milliseconds; a quarter of its life, where
/// that is less.
const CERTIFICATE_WARNED_MS: u64 = 7 * 24 * 3_600_000;

/// How far clocks may be apart before it is warned of, milliseconds: certificates are dated back by
/// more.
const CLOCK_WARNED_MS: u64 = 60_000;

/// Both.
pub(super) fn notice(status: &ClusterStatus, notices: &mut Vec<Notice>) {
    let members = present(status);
    let ending = members.iter().filter(|node| is_ending(status, node)).map(|node| node.node);
    let ending: Vec<_> = ending.collect();
    if !ending.is_empty() {
        let names = names(ending.iter().copied());
        let (s, are) = (plural(ending.len()), if ending.len() == 1 { "is" } else { "are" });
        let was = if ending.len() == 1 { "was" } else { "were" };
        let words = format!(
            "the certificate{s} of {names} {are} about to expire and {was} not renewed: check the \
             log{s} there, and the clocks"
        );
        let brief = format!("certificate{s} of {names} about to expire");
        let notice = Notice::of("certificate_ends", State::Degraded, brief);
        notices.push(notice.about(ending).saying(words));
    }
    let wrong = |node: &&&NodeStatus| node.clock_ahead_ms.unsigned_abs() > CLOCK_WARNED_MS;
    notices.extend(members.iter().filter(wrong).map(|node| clock(node)));
}

/// What to do about a clock that is wrong.
fn clock(node: &NodeStatus) -> Notice {
    let by = span(node.clock_ahead_ms.unsigned_abs());
    let side = if node.clock_ahead_ms > 0 { "ahead of" } else { "behind" };
    let id = node::id(node.node);
    let words = format!(
        "the clock of {id} is {by} {side} the coordinator's: synchronise the clocks (chrony, \
         ntpd), because certificates and tokens depend on them"
    );
    let notice = Notice::of("clock", State::Degraded, format!("clock of {id} wrong"));
    notice.about([node.node]).saying(words)
}

/// Whether a node's certificate should have been renewed long ago.
fn is_ending(status: &ClusterStatus, node: &NodeStatus) -> bool {
    let warned = CERTIFICATE_WARNED_MS.min(status.certificate_life_ms / 4);
    node::certificate_ends_ms(node).is_some_and(|ends| ends < status.now_ms + warned)
}
