//! A cluster without a coordinator: who must come back for one to be elected.

use fruitnode_proto::v1::{ClusterStatus, NodeStatus};

use super::nodes::{answers, names, place, present, votes};
use super::notice::{Notice, State};
use crate::cli::cluster::show::node;
use crate::cli::cluster::show::table::span;
use crate::cli::plain::plain;
use crate::member::{ELSEWHERE_MS, SILENT_MS};

/// What keeps the cluster from deciding, as far as the nodes that answered know.
pub(super) fn notice(status: &ClusterStatus, notices: &mut Vec<Notice>) {
    let members = present(status);
    let voters: Vec<_> = members.iter().copied().filter(|node| votes(node)).collect();
    let majority = voters.len() / 2 + 1;
    let by = node::id(status.answered_by);
    let none = || Notice::of("no_coordinator", State::Stopped, "no coordinator");
    if let Some(leader) = members.iter().find(|node| node.node == status.leader) {
        notices.push(none().about([leader.node]).saying(format!(
            "{by} considers {} the coordinator, which does not answer here: if it has just died, a \
             new one is elected within seconds; if it is running, open its port to this machine",
            place(leader)
        )));
        return;
    }
    let since = match status.leaderless_ms {
        0 => String::new(),
        ms => format!(" for {}", span(ms)),
    };
    let needed = format!(
        "there has been no coordinator{since}, as far as {by} knows: nothing can be decided until \
         a majority of the voters ({majority} of {}) is running and connected",
        voters.len()
    );
    let why = match status.looking.is_empty() {
        true => String::new(),
        false => format!(" ({})", plain(&status.looking)),
    };
    notices.push(none().lasting(status.leaderless_ms).saying(format!("{needed}{why}")));
    let silent: Vec<_> = voters.iter().copied().filter(|voter| voter.state == "silent").collect();
    for voter in &silent {
        notices.push(silence(voter));
    }
    let answering = voters.iter().filter(|voter| voter.state == "answers");
    let apart: Vec<_> = answering.clone().filter(|voter| !answers(voter)).copied().collect();
    for voter in apart {
        notices.push(unheard(voter, &by));
    }
    notices.extend(way_on(status, &silent, majority.saturating_sub(answering.count())));
}

/// A voter that answers neither the node nor the caller.
fn silence(voter: &NodeStatus) -> Notice {
    let id = node::id(voter.node);
    let (since, place) = (since(voter), place(voter));
    Notice::of("voter_silent", State::Stopped, format!("{id} does not answer"))
        .about([voter.node])
        .lasting(voter.log_silent_ms)
        .saying(format!(
            "{place} is a voter and has not answered{since}: start it with `fruitnode start` on \
             its machine"
        ))
}

/// A voter that answers the caller, and not the node.
fn unheard(voter: &NodeStatus, by: &str) -> Notice {
    let id = node::id(voter.node);
    Notice::of("voter_unheard", State::Stopped, format!("{by} does not hear {id}"))
        .about([voter.node])
        .lasting(voter.log_silent_ms)
        .saying(format!(
            "{} answers here, but {by} has not heard from it{}: open its port to the other voters",
            place(voter),
            since(voter)
        ))
}

fn since(voter: &NodeStatus) -> String {
    match voter.log_silent_ms {
        0..SILENT_MS => String::new(),
        ms => format!(" for {}", span(ms)),
    }
}

/// What brings a coordinator back, with so many voters missing for a majority.
fn way_on(status: &ClusterStatus, silent: &[&NodeStatus], missing: usize) -> Option<Notice> {
    let is_new = status.leaderless_ms < 2 * SILENT_MS;
    let notice = |code, brief: &str| Notice::of(code, State::Stopped, brief.to_owned());
    if missing == 0 {
        let words = match is_new {
            true => "enough voters answer: an election takes a few seconds".to_owned(),
            false => "enough voters answer, but none was elected: check that they can reach each \
                      other's ports, and check their logs"
                .to_owned(),
        };
        return Some(notice("election", "enough voters answer").saying(words));
    }
    if silent.len() < missing {
        return None;
    }
    let silent: Vec<_> = silent.iter().map(|voter| voter.node).collect();
    let elsewhere = match status.leaderless_ms {
        0..ELSEWHERE_MS => String::new(),
        _ => format!(
            " If they left the cluster while {0} was off, and it continues on other nodes (check \
             with `fruitnode status --host HOST:PORT`), restart {0} with `fruitnode start --ask \
             HOST:PORT` of one of those.",
            node::id(status.answered_by)
        ),
    };
    let words = format!(
        "start {missing} of {} again, and nothing is lost.{elsewhere} Only if a majority of the \
         voters is lost for good, see `fruitnode recover --help`",
        names(silent.iter().copied())
    );
    Some(notice("majority_missing", "a majority is missing").about(silent).saying(words))
}
