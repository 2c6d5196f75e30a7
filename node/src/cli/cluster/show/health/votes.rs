//! Nodes that are lost, go or come, and what that means for those that decide.

use fruitnode_proto::v1::{ClusterStatus, NodeStatus};

use super::nodes::{answers, names, place, plural, present, votes};
use super::notice::{Notice, State};
use crate::cli::cluster::show::node;
use crate::cli::cluster::show::table::{count, span};

/// What becomes of the voters once some nodes are gone for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct After {
    /// How many decide then.
    pub voters: usize,
    /// How many of them may be lost; none of a cluster in which nobody is left that could decide.
    pub may_be_lost: Option<usize>,
    /// Nodes that get a vote then.
    pub heirs: Vec<u64>,
}

/// What the coordinator makes of the voters once these nodes are gone, and those that leave
/// already: as many as are wanted, an odd number, rather fewer than so many dead ones that nothing
/// can be decided.
pub(crate) fn after(status: &ClusterStatus, gone: &[u64]) -> After {
    let stays = |node: &&NodeStatus| !node.leaving && !gone.contains(&node.node);
    let members: Vec<_> = present(status).into_iter().filter(stays).collect();
    let (living, dead): (Vec<_>, Vec<_>) =
        members.iter().copied().filter(|node| votes(node)).partition(|node| answers(node));
    let spares: Vec<_> = members
        .iter()
        .filter(|node| !votes(node) && node.state == "ready" && answers(node))
        .map(|node| node.node)
        .collect();
    let (able, wanted) = (living.len() + spares.len(), status.voters_wanted as usize);
    let mut voters = odd(wanted.min(able + dead.len()));
    while voters > 1 && able.min(voters) * 2 <= voters {
        voters -= 2;
    }
    let (deciding, majority) = (able.min(voters), voters / 2 + 1);
    let heirs = voters.saturating_sub(living.len()).min(spares.len());
    After { voters, may_be_lost: deciding.checked_sub(majority), heirs: spares[..heirs].to_vec() }
}

/// The largest number of voters that is not above this one.
fn odd(nodes: usize) -> usize {
    match nodes {
        0..=2 => 1,
        3 | 4 => 3,
        5.. => 5,
    }
}

/// What is wrong with nodes and votes while there is a coordinator.
pub(super) fn notice(status: &ClusterStatus, notices: &mut Vec<Notice>) {
    let members = present(status);
    let of_state = |state: &'static str| {
        members.iter().copied().filter(move |node| node.state == state && !node.leaving)
    };
    notices.extend(of_state("lost").map(|node| lost(status, node)));
    notices.extend(of_state("joined").map(joined));
    let mute = members.iter().filter(|node| node.state != "lost" && !answers(node));
    notices.extend(mute.map(|node| silent(node)));
    let learners = members.iter().filter(|node| node.role == "learner" && answers(node));
    notices.extend(learners.map(|node| learning(node)));
    notices.extend(members.iter().filter(|node| node.leaving).map(|node| leaving(status, node)));
    notices.extend(of_state("draining").map(draining));
    let ready = of_state("ready").count();
    if ready == 0 {
        let words = "no node accepts leases, so jobs are waiting: undo a drain (`fruitnode node \
                     drain ID --undo`), or join another node";
        let notice = Notice::of("none_ready", State::Degraded, "no node is ready");
        notices.push(notice.saying(words));
    }
    notices.extend(numbers(status, &members, ready));
}

fn lost(status: &ClusterStatus, node: &NodeStatus) -> Notice {
    let (id, place) = (node::id(node.node), place(node));
    let notice = |code| Notice::of(code, State::Degraded, format!("{id} lost")).about([node.node]);
    // Where it runs and does not find the others, it has to be told where they are.
    let ask = status.nodes.iter().find(|node| node.node == status.leader);
    let ask = ask.filter(|node| !node.address.is_empty());
    let ask = ask.map(|node| {
        format!(" (with `--ask {}` if it is running but does not find the cluster)", node.address)
    });
    let again = "start it again with `fruitnode start` on its machine";
    let again = format!("{again}{}", ask.unwrap_or_default());
    if !votes(node) {
        return notice("node_lost").saying(format!(
            "{place} is lost: {again}, or remove it for good with `fruitnode node remove {id}`"
        ));
    }
    let then = consequence(&after(status, &[node.node]));
    notice("voter_lost").saying(format!(
        "{place} is a voter and is lost: {again}, or remove it for good with `fruitnode node \
         remove {id}`; after that, {then}"
    ))
}

/// A node that belongs to the cluster, and of which no process has attended yet.
fn joined(node: &NodeStatus) -> Notice {
    let id = node::id(node.node);
    Notice::of("not_started", State::Degraded, format!("{id} not started yet"))
        .about([node.node])
        .saying(format!(
            "{} has joined but is not running yet: start it with `fruitnode start` on its machine, \
             or remove it for good with `fruitnode node remove {id}`",
            place(node)
        ))
}

/// What follows for the votes, as half a sentence.
pub(crate) fn consequence(after: &After) -> String {
    let voters = after.voters;
    let may = match after.may_be_lost {
        None => return "no majority of voters remains".to_owned(),
        Some(0) => "none".to_owned(),
        Some(more) => more.to_string(),
    };
    let votes = if after.heirs.len() == 1 { "becomes a voter" } else { "become voters" };
    let heirs = names(after.heirs.iter().copied());
    match (after.heirs.is_empty(), voters) {
        (true, 1) => "1 voter remains, which must not be lost".to_owned(),
        (true, _) => format!("{voters} voters remain, of which {may} may be lost"),
        (false, 1) => format!("{heirs} {votes}, the only one, which must not be lost"),
        (false, _) => format!("{heirs} {votes}: of {voters} voters, {may} may be lost"),
    }
}

/// A node that attends, and takes no part in the log although it should.
fn silent(node: &NodeStatus) -> Notice {
    let (id, place, for_ms) = (node::id(node.node), place(node), node.log_silent_ms);
    let role = if votes(node) { "is a voter" } else { "is becoming a voter" };
    Notice::of("voter_silent", State::Degraded, format!("{id} silent in the log"))
        .about([node.node])
        .lasting(for_ms)
        .saying(format!(
            "{place} {role} and has not answered in the log for {}: check that the coordinator can \
             reach its port, and check its output; if that does not help, restart it",
            span(for_ms)
        ))
}

/// A node that gets the log, to vote once it has it.
fn learning(node: &NodeStatus) -> Notice {
    let id = node::id(node.node);
    let behind = match node.log_behind {
        0 => String::new(),
        entries => format!(": {} more entries", count(entries)),
    };
    Notice::of("learner", State::Degraded, format!("{id} becoming a voter"))
        .about([node.node])
        .saying(format!(
            "{} is receiving the log, and becomes a voter once it has it{behind}",
            place(node)
        ))
}

/// Whom a node that leaves waits for.
fn leaving(status: &ClusterStatus, node: &NodeStatus) -> Notice {
    let id = node::id(node.node);
    let lost = if node.state == "lost" { ", which is lost," } else { "" };
    let wait = waits_for(status, node);
    Notice::of("leaving", State::Degraded, format!("{id} leaving"))
        .about([node.node])
        .saying(format!("{}{lost} is leaving for good, on its own: {wait}", place(node)))
}

/// What a node that leaves waits for, as half a sentence.
pub(crate) fn waits_for(status: &ClusterStatus, node: &NodeStatus) -> String {
    if !votes(node) {
        return "its work is being handed over".to_owned();
    }
    let learners = present(status).into_iter().filter(|other| other.role == "learner");
    let learners: Vec<_> = learners.map(|other| other.node).collect();
    let heirs = if learners.is_empty() { after(status, &[]).heirs } else { learners };
    match heirs.as_slice() {
        [] => "it remains a voter until the others have agreed to continue without it".to_owned(),
        [heir] => format!("it remains a voter until {} has taken its place", node::id(*heir)),
        heirs => {
            format!(
                "it remains a voter until one of {} has taken its place",
                names(heirs.iter().copied())
            )
        }
    }
}

fn draining(node: &NodeStatus) -> Notice {
    let id = node::id(node.node);
    // What offers no slots was told to stop.
    let (brief, words) = match node.slots {
        0 => (
            format!("{id} stopping"),
            format!(
                "{} is handing over its work and stopping: `fruitnode start` on its machine brings \
                 it back",
                place(node)
            ),
        ),
        _ => (
            format!("{id} draining"),
            format!(
                "{} is drained and gets no leases: `fruitnode node drain {id} --undo` resumes them",
                place(node)
            ),
        ),
    };
    Notice::of("draining", State::Healthy, brief).about([node.node]).saying(words)
}

/// Whether as many decide as could.
fn numbers(status: &ClusterStatus, members: &[&NodeStatus], ready: usize) -> Option<Notice> {
    let wanted = status.voters_wanted as usize;
    let voters: Vec<_> = members.iter().filter(|node| votes(node)).collect();
    let staying = voters.iter().filter(|node| !node.leaving);
    let living = staying.filter(|node| answers(node)).count();
    if living >= wanted {
        return None;
    }
    let possible = odd(wanted.min(ready));
    let state = match living < possible || living < voters.len() {
        true => State::Degraded,
        // With fewer nodes than voters wanted, that is how the cluster was meant so far.
        false => State::Healthy,
    };
    let majority = voters.len() / 2 + 1;
    let answering = voters.iter().filter(|node| answers(node)).count();
    let may = match answering.saturating_sub(majority) {
        0 => "the cluster stops when one more is lost".to_owned(),
        more => format!("{more} more may be lost"),
    };
    let next = match (living < possible, wanted.saturating_sub(ready)) {
        (true, _) => "; other nodes are becoming voters".to_owned(),
        (false, 0) => String::new(),
        (false, more) => format!("; join {more} more node{}", plural(more)),
    };
    let brief = format!("{living} of {wanted} voters");
    let words = format!("{living} of {wanted} voters: {may}{next}");
    Some(Notice::of("few_voters", state, brief).saying(words))
}
