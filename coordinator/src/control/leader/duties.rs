//! What the leader does as time goes by: it declares silent members lost, notices attempts that
//! make no progress, tells members that it lives and who there is, and lets those go who may.

use std::sync::Arc;

use crate::command::Command;
use crate::control::leader::{Happening, Leader, Output, Voting};
use crate::control::message::{Roster, ToMember};
use crate::ids::NodeId;
use crate::leases;
use crate::state::ClusterState;
use crate::status::Status;

/// Ticks between two signs of life, and between two looks at everything.
const BEAT_TICKS: u64 = 10;

/// Bits of a roster's number below that of an entry, for what changes without one.
const ROSTER_BITS: u32 = 8;

impl Leader {
    pub(super) fn tick(&mut self, state: &ClusterState, status: &Status) {
        let Some(tenure) = self.tenure.as_mut() else { return };
        tenure.tick += 1;
        let tick = tenure.tick;
        tenure.admissions.answers(&status.recent_active, tick);
        for (node, incarnation) in tenure.attendance.lost(tick) {
            self.lose(node, incarnation);
        }
        if !tick.is_multiple_of(BEAT_TICKS) {
            return;
        }
        for session in self.sessions.values() {
            self.out.push(Output::Say(session.stream, ToMember::Beat));
        }
        self.see_to_sessions(state);
        self.see_to_leases(state);
        self.let_go(state);
        self.see_to_leaving(state, status);
        self.tell_roster(state, status);
        self.see_to_voters(state, status);
    }

    fn lose(&mut self, node: NodeId, incarnation: u64) {
        self.reached.at("leader: a member is lost");
        self.tell(Happening::Lost(node));
        if let Some(tenure) = &mut self.tenure {
            tenure.attendance.forget(node);
        }
        if let Some(session) = self.sessions.remove(&node) {
            self.streams.remove(&session.stream);
            self.out.push(Output::End(session.stream));
        }
        self.propose(Command::LoseNode { node, incarnation });
    }

    /// Ends the streams of greeted members that the log does not have: nothing would be granted to
    /// them, and they would wait for it. They come back, and are taken anew.
    fn see_to_sessions(&mut self, state: &ClusterState) {
        let greeted = self.sessions.iter().filter(|(_, session)| session.told.is_some());
        let strays = greeted.filter(|(node, session)| {
            state.node(**node).is_none_or(|known| known.incarnation != session.incarnation)
        });
        let strays: Vec<_> = strays.map(|(node, session)| (*node, session.stream)).collect();
        for (node, stream) in strays {
            self.reached.at("leader: a member attends that the log does not have");
            self.tell(Happening::Stray(node));
            self.end(stream);
        }
    }

    /// Notices attempts that make no progress, for the next grants.
    fn see_to_leases(&mut self, state: &ClusterState) {
        let Some(tenure) = self.tenure.as_mut() else { return };
        tenure.leases.watch(leases::granted(state), tenure.tick);
        let overdue = tenure.leases.overdue(tenure.tick);
        tenure.look = !overdue.is_empty();
        tenure.changed |= tenure.look;
        let before = std::mem::replace(&mut tenure.overdue, overdue.clone());
        for late in overdue {
            if !before.iter().any(|known| known.name == late.name) {
                self.reached.at("leader: an attempt is overdue");
                self.tell(Happening::Overdue { name: late.name, node: late.node });
            }
        }
    }

    /// Members that asked to go and have nothing left to do are lost in good order.
    fn let_go(&mut self, state: &ClusterState) {
        let leaving = self.sessions.iter().filter(|(_, session)| session.leaving);
        let busy =
            |node: NodeId| state.live_jobs().any(|job| job.granted_to(node).next().is_some());
        let free = leaving.filter(|(node, _)| !busy(**node));
        let free: Vec<_> =
            free.map(|(node, session)| (*node, session.stream, session.incarnation)).collect();
        for (node, stream, incarnation) in free {
            self.reached.at("leader: a member goes with its work done");
            self.tell(Happening::Left(node));
            // The end of a stream alone does not mean that: a leader that resigns ends all.
            self.say(node, ToMember::Go);
            self.propose(Command::LoseNode { node, incarnation });
            self.sessions.remove(&node);
            self.streams.remove(&stream);
        }
    }

    /// Removes members that leave for ever, once the voters have agreed without them: until then
    /// they may be needed for that very decision.
    fn see_to_leaving(&mut self, state: &ClusterState, status: &Status) {
        let Some(tenure) = self.tenure.as_mut() else { return };
        tenure.removing.retain(|node| state.membership().leaving().any(|leaves| leaves == *node));
        if status.changing || tenure.voting != Voting::Idle {
            self.reached.at("leader: nobody is removed while the voters change");
            return;
        }
        let votes = |node: &NodeId| {
            *node == status.id || status.voters.contains(node) || status.learners.contains(node)
        };
        let free = state.membership().leaving().filter(|node| !votes(node));
        let free: Vec<_> = free.filter(|node| !tenure.removing.contains(node)).collect();
        tenure.removing.extend(&free);
        for node in free {
            self.reached.at("leader: a member without a vote is removed");
            self.tell(Happening::Removed(node));
            self.propose(Command::RemoveNode { node });
        }
    }

    /// Tells everybody who there is, when that has changed; and says it here. The number grows with
    /// every change, whoever leads: by the log, which a change of voters and a new term lengthen,
    /// and beyond what was heard here before.
    pub(super) fn tell_roster(&mut self, state: &ClusterState, status: &Status) -> Roster {
        let Some(tenure) = self.tenure.as_mut() else { return Roster::default() };
        let coming = match &tenure.voting {
            Voting::Admitting { change, .. } => change.add_learners.as_slice(),
            Voting::Idle | Voting::Changing => &[],
        };
        let voters = status.voters.iter().chain(&status.learners).chain(coming).copied().collect();
        let (membership, told) = (state.membership(), &tenure.roster);
        let same = told.index > 0 && told.members.index == membership.roster_index();
        if same && told.voters == voters {
            return tenure.roster.clone();
        }
        let members = if same { told.members.clone() } else { Arc::new(membership.roster()) };
        let index = (status.applied << ROSTER_BITS).max(self.heard_roster.max(told.index) + 1);
        let roster = Roster { index, members, voters };
        tenure.roster.clone_from(&roster);
        self.out.push(Output::Roster(roster.clone()));
        for session in self.sessions.values() {
            let roster = ToMember::Roster(Box::new(roster.clone()));
            self.out.push(Output::Say(session.stream, roster));
        }
        roster
    }
}
