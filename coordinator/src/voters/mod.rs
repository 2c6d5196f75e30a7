//! Who decides: which change to the set of voters is next.
//!
//! The number of voters is odd and at most the wanted one; a member receives the log before it has
//! a vote; who is lost is replaced and never just dropped, since it may come back; who is drained
//! or removed has to go. Newcomers get votes, and leavers lose theirs, in one joint change.

mod admissions;

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::NodeId;
pub use admissions::Admissions;
#[cfg(test)]
pub(crate) use admissions::UNFIT_TICKS;

/// Ticks without a word after which a voter is replaced: 10 s at ten a second.
pub const LOST_TICKS: u64 = 100;

/// Ticks within which a member must have been heard to be made a voter.
pub(crate) const PRESENT_TICKS_MAX: u64 = 20;

/// Entries that a learner may be behind when it gets its vote.
pub const LAG_ENTRIES_MAX: u64 = 256;

/// Ticks within which a learner must have answered in the log to get its vote, and a voter to be
/// handed the office: raft tells of answers for two seconds.
pub(crate) const ANSWERS_TICKS_MAX: u64 = 30;

/// Ticks without an answer in the log after which a voter is replaced though it attends: 20 s. By
/// then it was asked twice to take part.
pub(crate) const MUTE_LOST_TICKS: u64 = 200;

/// One change to the set of voters, made in one step: by a joint configuration where voters come
/// and go together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VoterChange {
    /// Members that begin to receive the log, without a vote.
    pub add_learners: Vec<NodeId>,
    /// Learners that get a vote.
    pub promote: Vec<NodeId>,
    /// Voters and learners that receive the log no longer.
    pub remove: Vec<NodeId>,
}

/// What the leader does next about the voters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VoterStep {
    /// Propose this.
    Change(VoterChange),
    /// Hand the leadership over: the leader has to go, and another one is to say so.
    Transfer(NodeId),
}

/// The set of voters as the leader sees it.
#[derive(Debug, Clone, Default)]
pub struct VotersNow {
    /// The leader itself.
    pub leader: NodeId,
    /// Who decides.
    pub voters: BTreeSet<NodeId>,
    /// Who receives the log without a vote.
    pub learners: BTreeSet<NodeId>,
    /// Last entry that each of them is known to have; 0 of one that has never answered.
    pub matched: BTreeMap<NodeId, u64>,
    /// Ticks since each of the others last answered in the log.
    pub log_silence: BTreeMap<NodeId, u64>,
    /// Last entry that the leader has applied.
    pub applied: u64,
    /// A change or a transfer is under way: nothing is begun meanwhile.
    pub busy: bool,
}

impl VotersNow {
    fn log_silence(&self, node: NodeId) -> u64 {
        self.log_silence.get(&node).copied().unwrap_or(0)
    }

    /// Whether a node has answered this leader in the log, and lately. One that has not is known to
    /// have nothing, whatever it has.
    fn answers(&self, node: NodeId) -> bool {
        let matched = self.matched.get(&node).copied().unwrap_or(0);
        matched > 0 && self.log_silence(node) <= ANSWERS_TICKS_MAX
    }
}

/// A member as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The member.
    pub node: NodeId,
    /// Ticks since its last word of whatever kind; 0 of the leader itself.
    pub silent_ticks: u64,
    /// It is drained or removed: it must not decide any longer.
    pub leaving: bool,
    /// It could not be made a voter a while ago: another one is taken, if there is one.
    pub unfit: bool,
}

/// The next step towards the wanted number of voters. `None` when all is well, or when there is
/// nothing to do but wait.
pub fn next_step(now: &VotersNow, members: &[Candidate], wanted: u32) -> Option<VoterStep> {
    if now.busy {
        return None;
    }
    let target = target(now, members, wanted);
    // One that has not answered has nothing yet, however short the log is.
    let caught_up = |node: &NodeId| {
        let matched = now.matched.get(node).copied().unwrap_or(0);
        now.answers(*node) && matched.saturating_add(LAG_ENTRIES_MAX) >= now.applied
    };
    // A leader that has to go hands over before anything is changed: with it and its heir alone
    // left, the loss of either would be the end.
    if !target.contains(&now.leader) {
        let heirs = target.intersection(&now.voters).copied().filter(caught_up);
        let matched = |node: &NodeId| now.matched.get(node).copied().unwrap_or(0);
        if let Some(heir) = heirs.max_by_key(|node| (matched(node), std::cmp::Reverse(*node))) {
            return Some(VoterStep::Transfer(heir));
        }
    }
    let newcomers: BTreeSet<NodeId> = target.difference(&now.voters).copied().collect();
    let strangers: Vec<NodeId> = newcomers.difference(&now.learners).copied().collect();
    let unwanted: Vec<NodeId> = now.learners.difference(&target).copied().collect();
    if !strangers.is_empty() || !unwanted.is_empty() {
        let change =
            VoterChange { add_learners: strangers, remove: unwanted, ..VoterChange::default() };
        return Some(VoterStep::Change(change));
    }
    if !newcomers.iter().all(caught_up) {
        return None;
    }
    // The leader stays until another one leads.
    let stays = |node: &NodeId| target.contains(node) || *node == now.leader;
    let (kept, remove): (Vec<NodeId>, Vec<NodeId>) =
        now.voters.iter().partition(|node| stays(node));
    if newcomers.is_empty() && remove.is_empty() {
        return None;
    }
    // What would leave no majority that answers waits: whoever is silent comes back, or is lost.
    let answers = |node: &NodeId| {
        let heard = members.iter().any(|member| {
            member.node == *node && member.silent_ticks <= PRESENT_TICKS_MAX + ANSWERS_TICKS_MAX
        });
        *node == now.leader || heard && now.answers(*node)
    };
    let after: Vec<NodeId> = kept.into_iter().chain(newcomers.iter().copied()).collect();
    if after.iter().filter(|node| answers(node)).count() * 2 <= after.len() {
        return None;
    }
    let promote = newcomers.into_iter().collect();
    Some(VoterStep::Change(VoterChange { promote, remove, ..VoterChange::default() }))
}

/// Who should decide.
fn target(now: &VotersNow, members: &[Candidate], wanted: u32) -> BTreeSet<NodeId> {
    let wanted = odd(wanted as usize);
    let known = |node: NodeId| members.iter().find(|member| member.node == node);
    let has_to_go = |node: NodeId| known(node).is_none_or(|member| member.leaving);
    let is_lost = |node: NodeId| {
        let lost = |member: &Candidate| {
            let mute = now.log_silence(node) >= MUTE_LOST_TICKS;
            member.unfit || mute || member.silent_ticks >= LOST_TICKS
        };
        node != now.leader && known(node).is_none_or(lost)
    };
    let (going, staying): (Vec<NodeId>, Vec<NodeId>) =
        now.voters.iter().partition(|node| has_to_go(**node));
    let (lost, mut keepers): (Vec<NodeId>, Vec<NodeId>) =
        staying.into_iter().partition(|node| is_lost(*node));
    let quiet = |node: NodeId| {
        let member = known(node).map_or(u64::MAX, |member| member.silent_ticks);
        member > ANSWERS_TICKS_MAX || !now.answers(node)
    };
    keepers.sort_by_key(|node| (*node != now.leader, *node != now.leader && quiet(*node), *node));
    let mut spares: Vec<NodeId> = members
        .iter()
        .filter(|member| !member.leaving && !now.voters.contains(&member.node))
        .filter(|member| !member.unfit)
        // One that receives the log already is given more patience.
        .filter(|member| match now.learners.contains(&member.node) {
            true => member.silent_ticks < LOST_TICKS,
            false => member.silent_ticks < PRESENT_TICKS_MAX,
        })
        .map(|member| member.node)
        .collect();
    spares.sort_by_key(|node| (!now.learners.contains(node), *node));

    let living = keepers.len() + spares.len();
    let mut size = if going.is_empty() {
        odd(wanted.min(living)).max(odd(wanted.min(now.voters.len())))
    } else {
        odd(wanted.min(living + lost.len()))
    };
    // Fewer must be left rather than so many dead ones that nothing can be decided.
    while size > 1 && living.min(size) * 2 <= size {
        size -= 2;
    }
    keepers.into_iter().chain(spares).chain(lost).take(size).collect()
}

/// The largest possible number of voters that is not above this one.
fn odd(count: usize) -> usize {
    match count {
        0..=2 => 1,
        3 | 4 => 3,
        5.. => 5,
    }
}

#[cfg(test)]
mod tests;
