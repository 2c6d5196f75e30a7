//! Sees to it that there are as many voters as there should be, and that each of them takes part.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::voters::{self, Candidate, VoterChange, VoterStep, VotersNow};
use fruitnode_proto::v1;

use crate::actors::leader::{Admission, Leader, LeaderMsg};
use crate::actors::spawn::spawn;

impl Leader {
    pub(super) async fn see_to_voters(&mut self) {
        let Some(admission) = self.parts.admission.clone() else { return };
        let Some(leading) = self.leading.as_ref() else { return };
        if leading.voting.load(Ordering::Acquire) {
            return;
        }
        let status = self.parts.consensus.status().borrow().clone();
        let (tick, attendance) = (leading.tick, leading.attendance.clone());
        let admissions = leading.admissions.clone();
        let now = VotersNow {
            leader: status.id,
            voters: status.voters.iter().copied().collect(),
            learners: status.learners.iter().copied().collect(),
            matched: status.matched.clone(),
            applied: status.applied,
            busy: false,
        };
        let read = self.parts.consensus.read(move |state| {
            let members = state.membership().members().map(|(node, member)| Candidate {
                node,
                silent_ticks: match attendance.silent_ticks(node, tick) {
                    _ if node == now.leader => 0,
                    Some(ticks) => ticks,
                    // Not heard by this leader yet: as long as it leads.
                    None => tick,
                },
                leaving: member.draining || member.removed,
                unfit: admissions.is_unfit(node, tick),
            });
            let members: Vec<_> = members.collect();
            voters::next_step(&now, &members, state.membership().voters_wanted())
        });
        match read.await {
            Ok(Some(VoterStep::Change(change))) => self.change_voters(admission, change).await,
            Ok(Some(VoterStep::Transfer(to))) => {
                tracing::info!(%to, "another node is to be the coordinator");
                self.parts.consensus.transfer(to);
            }
            Ok(None) => self.see_to_mute(&admission),
            Err(_) => {}
        }
    }

    async fn change_voters(&mut self, admission: Admission, change: VoterChange) {
        let Some(leading) = self.leading.as_mut() else { return };
        let voting = Arc::clone(&leading.voting);
        voting.store(true, Ordering::Release);
        // Voters hear of those that come before raft does: as soon as it knows them they speak.
        leading.coming.clone_from(&change.add_learners);
        let term = leading.term;
        self.tell_roster().await;
        let (parts, mailbox) = (self.parts.clone(), self.mailbox.clone());
        spawn("voters", async move {
            tracing::info!(?change, "changing the voters");
            let roster = v1::Roster::from(&*parts.book.now());
            match admit_all(&admission, &change.add_learners, &roster).await {
                Ok(()) => {
                    if let Err(error) = parts.consensus.change_voters(change).await {
                        tracing::info!(%error, "the voters were not changed; it is tried again");
                    }
                }
                Err(node) => {
                    let _ = mailbox.send(LeaderMsg::NotAdmitted { node, term }).await;
                }
            }
            voting.store(false, Ordering::Release);
        });
    }

    /// Gives a node that has the log, and attends, but takes no part in it once more what it needs
    /// for that.
    fn see_to_mute(&mut self, admission: &Admission) {
        let status = self.parts.consensus.status().borrow().clone();
        let Some(leading) = self.leading.as_mut() else { return };
        let (tick, term) = (leading.tick, leading.term);
        let others = status.voters.iter().chain(&status.learners).copied();
        let others = others.filter(|node| *node != status.id && self.sessions.contains_key(node));
        let Some(node) = leading.admissions.mute(others, &status.recent_active, tick) else {
            return;
        };
        tracing::warn!(%node, "a voter attends, but takes no part in the log: it is asked to");
        let (parts, mailbox, admission) =
            (self.parts.clone(), self.mailbox.clone(), admission.clone());
        spawn("voter", async move {
            let roster = v1::Roster::from(&*parts.book.now());
            if let Err(node) = admit_all(&admission, &[node], &roster).await {
                let _ = mailbox.send(LeaderMsg::NotAdmitted { node, term }).await;
            }
        });
    }

    /// Takes note of a node that cannot vote, so that another one is asked.
    pub(super) fn not_admitted(&mut self, node: NodeId, term: u64) {
        if let Some(leading) = self.leading.as_mut().filter(|leading| leading.term == term) {
            leading.admissions.refused(node, leading.tick);
        }
    }
}

/// Hands what a voter needs to those that are to become one; or which of them did not take it.
async fn admit_all(
    admission: &Admission,
    nodes: &[NodeId],
    roster: &v1::Roster,
) -> Result<(), NodeId> {
    for node in nodes {
        let authority_key = admission.authority_key.to_vec();
        let request = v1::AdmitRequest { roster: Some(roster.clone()), authority_key };
        if let Err(error) = admission.peers.admit(*node, request).await {
            tracing::warn!(%node, %error, "a node cannot become a voter yet");
            return Err(*node);
        }
    }
    Ok(())
}
