//! What the coordinator does as time goes by: it declares silent members lost, notices attempts
//! that make no progress, and tells members that it lives and who there is.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::leases;
use fruitnode_proto::v1;

use crate::actors::envelope;
use crate::actors::leader::Leader;
use crate::env::wall_ms;
use crate::mesh::roster::Roster;

/// Ticks between two signs of life, and between two looks at who votes.
const BEAT_EVERY: u64 = 10;

impl Leader {
    pub(super) async fn tick(&mut self) {
        let Some(leading) = self.leading.as_mut() else { return };
        leading.tick += 1;
        let tick = leading.tick;
        leading.changed |= leading.wake_ms.is_some_and(|due_ms| due_ms <= wall_ms());
        for (node, incarnation) in leading.attendance.lost(tick) {
            tracing::warn!(%node, "a member is not heard of: what it held is made again by others");
            leading.attendance.forget(node);
            self.sessions.remove(&node);
            self.proposer.give(Command::LoseNode { node, incarnation });
        }
        if !tick.is_multiple_of(BEAT_EVERY) {
            return;
        }
        let silent: Vec<_> = self
            .sessions
            .iter()
            .filter(|(node, session)| !session.send(**node, envelope::beat()))
            .map(|(node, session)| (*node, session.id))
            .collect();
        silent.into_iter().for_each(|(node, id)| self.gone(node, id));
        self.see_to_sessions().await;
        self.see_to_leases().await;
        self.let_go().await;
        self.tell_roster().await;
        self.see_to_voters().await;
    }

    /// Ends the streams of greeted members that the log does not have: nothing would be granted to
    /// them, and they would wait for it. They come back, and are taken anew.
    async fn see_to_sessions(&mut self) {
        let greeted = self.sessions.iter().filter(|(_, session)| session.told.is_some());
        let greeted: Vec<_> =
            greeted.map(|(node, session)| (*node, session.incarnation, session.id)).collect();
        let read = self.parts.consensus.read(move |state| {
            let unknown = |node: NodeId, incarnation: u64| {
                state.node(node).is_none_or(|known| known.incarnation != incarnation)
            };
            let strays = greeted.into_iter().filter(|(node, process, _)| unknown(*node, *process));
            strays.map(|(node, _, id)| (node, id)).collect::<Vec<_>>()
        });
        for (node, id) in read.await.unwrap_or_default() {
            tracing::warn!(%node, "the log does not have a member that attends: it comes anew");
            self.gone(node, id);
        }
    }

    /// Notices attempts that make no progress, for the next grants.
    async fn see_to_leases(&mut self) {
        let Ok(granted) = self.parts.consensus.read(leases::granted).await else { return };
        let Some(leading) = self.leading.as_mut() else { return };
        leading.leases.watch(granted, leading.tick);
        let overdue = leading.leases.overdue(leading.tick);
        for late in &overdue {
            if !leading.overdue.iter().any(|known| known.name == late.name) {
                let (node, (job, task, attempt)) = (late.node, &late.name);
                tracing::warn!(%node, %job, %task, %attempt, "an attempt makes no progress");
            }
        }
        leading.look = !overdue.is_empty();
        leading.changed |= leading.look;
        leading.overdue = overdue;
    }

    /// Members that asked to go and have nothing left to do are lost in good order.
    async fn let_go(&mut self) {
        let leaving: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.leaving)
            .map(|(node, session)| (*node, session.incarnation))
            .collect();
        if leaving.is_empty() {
            return;
        }
        let read = self.parts.consensus.read(move |state| {
            let busy = |node: NodeId| {
                state.jobs().any(|job| job.granted().any(|(_, _, lessee)| lessee == node))
            };
            leaving.into_iter().filter(|(node, _)| !busy(*node)).collect::<Vec<_>>()
        });
        for (node, incarnation) in read.await.unwrap_or_default() {
            tracing::info!(%node, "a member leaves with its work done");
            self.proposer.give(Command::LoseNode { node, incarnation });
            // The end of a stream alone does not mean that: a coordinator that resigns ends all.
            if let Some(session) = self.sessions.remove(&node) {
                session.send(node, envelope::go());
            }
        }
    }

    /// Tells everybody who there is, when that has changed.
    pub(super) async fn tell_roster(&mut self) {
        let status = self.parts.consensus.status().borrow().clone();
        let read = self.parts.consensus.read(|state| state.membership().roster());
        let Ok(roster) = read.await else { return };
        let Some(leading) = self.leading.as_mut() else { return };
        let coming: &[NodeId] = match leading.voting.load(Ordering::Acquire) {
            true => &leading.coming,
            false => &[],
        };
        let voters: BTreeSet<u64> =
            status.voters.iter().chain(&status.learners).chain(coming).map(|node| node.0).collect();
        let known = v1::Roster::from(&*self.parts.book.now());
        let next = Roster::listed(roster, known.index, voters.into_iter().collect());
        if next != known || leading.roster_told == 0 {
            // The number grows with every change, whoever leads: by the log, changes of voters
            // included, and beyond what was known here.
            let next = v1::Roster { index: status.applied.max(known.index + 1), ..next };
            leading.roster_told = next.index;
            self.parts.book.take(next.clone());
            for (node, session) in &self.sessions {
                session.send(*node, envelope::roster(next.clone()));
            }
        }
    }
}
