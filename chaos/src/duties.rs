//! The coordinator's duties of its own accord: who is lost, who votes, who is given what; and its
//! proposals.

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{Digest, NodeId};
use fruitnode_coordinator::leases;
use fruitnode_coordinator::replica::ProposeError;
use fruitnode_coordinator::schedule;
use fruitnode_coordinator::voters::{Candidate, VoterStep, VotersNow, next_step};

use crate::bug::Bug;
use crate::events::{Down, Wish};
use crate::leader::Proposal;
use crate::world::World;

/// Ticks between two looks at the voters, and at the attempts that are out.
const LOOK_TICKS: u64 = 10;
const TOKEN: &str = "token";

impl World {
    pub(crate) fn leader_tick(&mut self, id: NodeId) {
        let forgets = self.has(Bug::ForgetLost);
        let Some(leading) = self.node(id).leading.as_mut().filter(|leading| leading.ready) else {
            return;
        };
        leading.tick += 1;
        let tick = leading.tick;
        for (node, incarnation) in leading.attendance.lost(tick) {
            if !forgets {
                leading.queue.push_back((Command::LoseNode { node, incarnation }, None));
            }
        }
        self.found(id);
        if tick.is_multiple_of(LOOK_TICKS) {
            self.look_at_voters(id);
            self.look_at_leases(id);
        }
    }

    /// Notices attempts that make no progress, for the next grants.
    fn look_at_leases(&mut self, id: NodeId) {
        let forgives = self.has(Bug::NeverExpire);
        let node = self.node(id);
        let (Some(leading), Some(replica)) = (&mut node.leading, &node.replica) else {
            return;
        };
        leading.leases.watch(leases::granted(replica.state()), leading.tick);
        let overdue = leading.leases.overdue(leading.tick);
        leading.overdue = overdue.iter().map(|late| late.name.clone()).collect();
        if forgives {
            leading.overdue.clear();
        }
        self.check_overdue(id, &overdue);
    }

    /// The first leader makes the cluster and lets everybody in; the next one goes on with it.
    fn found(&mut self, id: NodeId) {
        let nodes = self.plan.nodes;
        let voters_wanted = self.plan.voters;
        let node = self.node(id);
        let (Some(leading), Some(replica)) = (&mut node.leading, &node.replica) else {
            return;
        };
        if !leading.queue.is_empty() || !leading.proposed.is_empty() {
            return;
        }
        let membership = replica.state().membership();
        let key = |node: u64| Digest([node as u8; 32]);
        let place = |node: u64| (format!("host-{node}:7400"), format!("storage-{node}"));
        let mut wanted = Vec::new();
        if !membership.is_founded() {
            let (address, storage) = place(1);
            wanted.push(Command::FoundCluster {
                cluster: "ab12cd34".to_owned(),
                name: "orchard".to_owned(),
                voters_wanted,
                address,
                storage,
                key: key(1),
                certificate_life_ms: 0,
            });
        }
        let here = membership.members().count() as u64;
        if here < nodes && membership.tokens().next().is_none() {
            let (uses, expires_ms) = (100, u64::MAX >> 8);
            let (id, hash) = (TOKEN.to_owned(), Digest([7; 32]));
            wanted.push(Command::CreateToken { id, hash, uses, expires_ms });
        }
        for node in here.max(1) + 1..=nodes {
            let (address, storage) = place(node);
            let token = TOKEN.to_owned();
            wanted.push(Command::Enroll { token, key: key(node), address, storage });
        }
        leading.queue.extend(wanted.into_iter().map(|command| (command, None)));
    }

    fn look_at_voters(&mut self, id: NodeId) {
        let wanted = self.plan.voters;
        let node = self.node(id);
        let (Some(leading), Some(replica)) = (&mut node.leading, &mut node.replica) else {
            return;
        };
        let status = replica.status();
        let silent = |node: NodeId| match leading.attendance.silent_ticks(node, leading.tick) {
            _ if node == id => 0,
            Some(ticks) => ticks,
            None => leading.tick,
        };
        let candidates: Vec<_> = replica
            .state()
            .membership()
            .members()
            .map(|(node, member)| Candidate {
                node,
                silent_ticks: silent(node),
                leaving: member.draining || member.removed,
                unfit: false,
            })
            .collect();
        let now = VotersNow {
            leader: id,
            voters: status.voters.into_iter().collect(),
            learners: status.learners.into_iter().collect(),
            matched: status.matched,
            applied: status.applied,
            busy: status.changing,
        };
        let step = next_step(&now, &candidates, wanted);
        let words = match &step {
            None => return,
            Some(VoterStep::Change(change)) => match replica.change_voters(change) {
                Ok(_) => {
                    self.count("voters changed");
                    format!("{id} changes voters: {change:?}")
                }
                Err(why) => format!("{id} cannot change voters: {why}"),
            },
            Some(VoterStep::Transfer(to)) => {
                replica.transfer(*to);
                format!("{id} hands over to {to}")
            }
        };
        self.note(format_args!("{words}"));
    }

    /// One assignment at a time: the next one is made from a state that knows the last.
    pub(crate) fn offer_grants(&mut self, id: NodeId) {
        let now = self.now;
        let node = self.node(id);
        let (Some(leading), Some(replica)) = (&mut node.leading, &node.replica) else {
            return;
        };
        let waits = leading.proposed.values().any(|proposal| proposal.is_grant)
            || leading.queue.iter().any(|(command, _)| is_grant(command));
        if leading.ready && !waits {
            let overdue = std::mem::take(&mut leading.overdue);
            let turn = schedule::turn_at(replica.state(), &overdue, now);
            let stuck: Vec<_> = overdue.iter().map(|(job, task, _)| (job, task)).collect();
            let again = |grant: &&Command| match grant {
                Command::Grant { job, task, .. } => stuck.contains(&(job, task)),
                _ => false,
            };
            let again = turn.grants.iter().filter(again).count();
            let asked = turn.give_up.iter().filter_map(|(key, node)| {
                let down = Down::GiveUp { term: leading.term, key: key.clone() };
                Some((*leading.streams.get(node)?, down))
            });
            let asked: Vec<_> = asked.collect();
            leading.queue.extend(turn.grants.into_iter().map(|grant| (grant, None)));
            (0..again).for_each(|_| self.count("task granted again"));
            for (stream, down) in asked {
                self.say_down(stream, down);
            }
        }
    }

    /// Proposes what waits, in order. What cannot be taken waits on.
    pub(crate) fn flush(&mut self, id: NodeId) -> bool {
        let (now, early) = (self.now, self.has(Bug::AckEarly));
        let mut answers = Vec::new();
        let mut proposed_any = false;
        let node = self.node(id);
        let (Some(leading), Some(replica)) = (&mut node.leading, &mut node.replica) else {
            return false;
        };
        while let Some((command, client)) = leading.queue.front() {
            let proposed = match replica.propose(command, now) {
                Ok(proposed) => proposed,
                Err(ProposeError::NotLeader { .. } | ProposeError::Busy) => break,
                Err(why) => {
                    self.violate(format!("PROPOSE: {why}"));
                    return false;
                }
            };
            if early {
                answers.extend(*client);
            }
            let proposal =
                Proposal { term: proposed.term, client: *client, is_grant: is_grant(command) };
            leading.proposed.insert(proposed.index, proposal);
            leading.queue.pop_front();
            proposed_any = true;
        }
        for (job, wish) in answers {
            self.answer(job, wish);
        }
        proposed_any
    }

    pub(crate) fn on_asked(&mut self, to: NodeId, job: usize, wish: Wish) {
        let plan = self.plan.jobs[job].clone();
        let node = self.node(to);
        let up = node.up;
        if let Some(leading) = node.leading.as_mut().filter(|leading| up && leading.ready) {
            let command = match wish {
                Wish::Submit => Command::SubmitJob { job: plan.id, spec: plan.spec },
                Wish::Cancel => Command::CancelJob { job: plan.id },
            };
            leading.queue.push_back((command, Some((job, wish))));
            self.wake(to);
        }
    }

    /// Whoever leads proposes this for somebody who does not care whether it comes to pass.
    pub(crate) fn propose_by_anybody(&mut self, command: Command) {
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            let up = self.node(id).up;
            if let Some(leading) = self.node(id).leading.as_mut().filter(|at| up && at.ready) {
                leading.queue.push_back((command, None));
                return;
            }
        }
    }
}

fn is_grant(command: &Command) -> bool {
    matches!(command, Command::Grant { .. })
}
