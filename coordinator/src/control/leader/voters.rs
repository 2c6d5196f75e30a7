//! Sees to it that there are as many voters as there should be, and that each of them takes part.

use std::collections::BTreeSet;

use crate::control::leader::{Happening, Leader, Output, Voting};
use crate::ids::NodeId;
use crate::state::ClusterState;
use crate::status::Status;
use crate::voters::{self, Candidate, VoterChange, VoterStep, VotersNow};

/// Ticks for a node to take what it needs to vote: 5 s at ten a second.
const ADMISSION_TICKS_MAX: u64 = 50;

impl Leader {
    pub(super) fn see_to_voters(&mut self, state: &ClusterState, status: &Status) {
        let Some(tenure) = self.tenure.as_mut() else { return };
        let tick = tenure.tick;
        if let Voting::Admitting { left, until, .. } = &tenure.voting
            && tick >= *until
        {
            self.reached.at("leader: a node does not say whether it can vote");
            let silent = left.clone();
            silent.into_iter().for_each(|node| tenure.admissions.refused(node, tick));
            tenure.voting = Voting::Idle;
        }
        if tenure.voting != Voting::Idle {
            self.reached.at("leader: a change of voters is on its way");
            return;
        }
        let admissions = &mut tenure.admissions;
        for node in &status.learners {
            if admissions.silence(*node, tick) >= voters::LOST_TICKS {
                self.reached.at("leader: a learner takes no part in the log");
                admissions.refused(*node, tick);
            }
        }
        let has_log =
            |node: &NodeId| status.voters.contains(node) || status.learners.contains(node);
        let silent = |node: NodeId| match tenure.attendance.silent_ticks(node, tick) {
            _ if node == status.id => 0,
            Some(ticks) => ticks,
            // Not heard by this leader yet: as long as it leads. Nobody else is asked unheard.
            None if has_log(&node) => tick,
            None => u64::MAX,
        };
        let members = state.membership().members().map(|(node, member)| Candidate {
            node,
            silent_ticks: silent(node),
            leaving: member.draining || member.removed,
            unfit: tenure.admissions.is_unfit(node, tick),
        });
        let members: Vec<_> = members.collect();
        let others = status.voters.iter().chain(&status.learners).copied();
        let others = others.filter(|node| *node != status.id);
        let now = VotersNow {
            leader: status.id,
            voters: status.voters.iter().copied().collect(),
            learners: status.learners.iter().copied().collect(),
            matched: status.matched.clone(),
            log_silence: others.map(|node| (node, tenure.admissions.silence(node, tick))).collect(),
            applied: status.applied,
            busy: status.changing,
        };
        match voters::next_step(&now, &members, state.membership().voters_wanted()) {
            Some(VoterStep::Change(change)) => self.change_voters(state, status, change),
            Some(VoterStep::Transfer(to)) => {
                self.reached.at("leader: hands over");
                self.tell(Happening::HandedOver(to));
                self.out.push(Output::Transfer(to));
            }
            None => self.see_to_mute(status),
        }
    }

    fn change_voters(&mut self, state: &ClusterState, status: &Status, change: VoterChange) {
        let Some(tenure) = self.tenure.as_mut() else { return };
        let (term, left) = (tenure.term, change.add_learners.iter().copied().collect());
        let until = tenure.tick + ADMISSION_TICKS_MAX;
        tenure.voting = Voting::Admitting { change: change.clone(), left, until };
        self.tell(Happening::Changing(change.clone()));
        // Voters hear of those that come before raft does: as soon as it knows them they speak.
        self.tell_roster(state, status);
        for node in change.add_learners {
            self.out.push(Output::Admit { node, term });
        }
        self.propose_change();
    }

    /// Proposes the change that waits, once everybody has what it takes.
    fn propose_change(&mut self) {
        let Some(tenure) = self.tenure.as_mut() else { return };
        let Voting::Admitting { change, left, .. } = &tenure.voting else { return };
        if left.is_empty() {
            let (change, term) = (change.clone(), tenure.term);
            tenure.voting = Voting::Changing;
            self.out.push(Output::Change { change, term });
        }
    }

    /// Takes note of who can vote now, and of who cannot, so that another one is asked.
    pub(super) fn admitted(&mut self, node: NodeId, term: u64, taken: bool) {
        let Some(tenure) = self.tenure.as_mut().filter(|tenure| tenure.term == term) else {
            self.reached.at("leader: an admission of another term");
            return;
        };
        if !taken {
            self.reached.at("leader: a node cannot vote yet");
            tenure.admissions.refused(node, tenure.tick);
            if matches!(&tenure.voting, Voting::Admitting { left, .. } if left.contains(&node)) {
                tenure.voting = Voting::Idle;
            }
            self.tell(Happening::NotAdmitted(node));
            return;
        }
        tenure.admissions.admitted(node, tenure.tick);
        if let Voting::Admitting { left, .. } = &mut tenure.voting {
            left.remove(&node);
        }
        self.propose_change();
    }

    /// Gives a node that has the log, and attends, but takes no part in it once more what it needs
    /// for that.
    fn see_to_mute(&mut self, status: &Status) {
        let attends = |node: &NodeId| self.sessions.contains_key(node);
        let others = status.voters.iter().chain(&status.learners).copied();
        let others: BTreeSet<_> =
            others.filter(|node| *node != status.id && attends(node)).collect();
        let Some(tenure) = self.tenure.as_mut() else { return };
        let (tick, term) = (tenure.tick, tenure.term);
        if let Some(node) = tenure.admissions.mute(&others, tick) {
            self.reached.at("leader: a voter attends without taking part");
            self.tell(Happening::Mute(node));
            self.out.push(Output::Admit { node, term });
        }
    }
}
