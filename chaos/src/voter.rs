//! The thread that drives a replica: one step at a time, and death between any two.

use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::replica::{MemoryLog, Replica, ReplicaConfig, Role, Step};

use crate::bug::Bug;
use crate::events::{Event, Life};
use crate::world::World;

/// A tick of a replica, milliseconds.
const TICK: u64 = 100;

impl World {
    /// Opens the node's log. A log that cannot be opened was lost by somebody.
    pub(crate) fn open_replica(&mut self, id: NodeId) {
        let config = ReplicaConfig {
            compact_entries: self.plan.compact_entries,
            keep_entries: self.plan.compact_entries / 2,
            ..ReplicaConfig::new(id)
        };
        let lazy = self.has(Bug::SkipFsync) || self.has(Bug::SendBeforePersist);
        let mut disk: MemoryLog = std::mem::take(&mut self.node(id).disk);
        disk.set_failing(false);
        disk.set_lazy(lazy);
        match Replica::open(config, disk) {
            Ok(replica) => self.node(id).replica = Some(replica),
            Err(why) => self.violate(format!("RAFT: {id} cannot open its log: {why}")),
        }
    }

    pub(crate) fn on_tick(&mut self, id: NodeId, life: Life) {
        if !self.lives(id, life) {
            return;
        }
        self.schedule(TICK, Event::Tick(id, life));
        let fails = self.dice.chance(self.plan.disk_fails) && self.dice.chance(50);
        if let Some(replica) = &mut self.node(id).replica {
            replica.tick();
            if fails {
                replica.store_mut().set_failing(true);
            }
        }
        self.leader_tick(id);
        self.ask_to_read(id);
        self.wake(id);
    }

    /// Lets the thread go on, if it waits.
    pub(crate) fn wake(&mut self, id: NodeId) {
        let node = self.node(id);
        if !node.stepping && node.up && node.replica.is_some() {
            node.stepping = true;
            let life = node.life;
            self.on_step(id, life);
        }
    }

    pub(crate) fn on_step(&mut self, id: NodeId, life: Life) {
        while self.lives(id, life) && self.violation.is_none() {
            let dies = self.dice.below(100_000) < self.plan.crash_step;
            if dies {
                self.note(format_args!("{id} dies between two steps"));
                self.count("death between two steps");
                self.crash(id);
                return;
            }
            let Some(replica) = &mut self.node(id).replica else {
                return;
            };
            match replica.next() {
                Ok(Some(step)) => self.take_step(id, step),
                Ok(None) => {
                    self.node(id).stepping = false;
                    if !self.leader_turn(id) {
                        return;
                    }
                    self.node(id).stepping = true;
                    continue;
                }
                Err(why) => {
                    self.note(format_args!("{id} gives up: {why}"));
                    self.count("disk that failed");
                    self.crash(id);
                    return;
                }
            }
            let disk_max = self.plan.disk_max;
            if disk_max > 0 && self.dice.chance(300) {
                let after = self.dice.between(1, disk_max);
                self.schedule(after, Event::Step(id, life));
                return;
            }
        }
    }

    fn take_step(&mut self, id: NodeId, step: Step) {
        match step {
            Step::Send(messages) => self.send_raft(id, messages),
            Step::Applied(entries) => {
                for entry in &entries {
                    self.check_entry(id, entry);
                }
                self.check_state(id);
                for entry in entries {
                    self.leader_applied(id, entry);
                }
            }
            Step::Installed { index } => {
                self.note(format_args!("{id} installs a snapshot up to {index}"));
                self.count("snapshot installed");
                self.check_state(id);
            }
            Step::Advanced => {
                // The mistake is in the order alone: at the end of a round all is durable.
                if self.has(Bug::SendBeforePersist)
                    && let Some(replica) = &mut self.node(id).replica
                {
                    replica.store_mut().sync();
                }
            }
            Step::Compacted => self.count("log compacted"),
            Step::Confirmed(answers) => {
                answers.into_iter().for_each(|answer| self.answer_read(id, answer));
            }
            Step::Persisted => {}
        }
    }

    /// The role and the term of a node's replica.
    pub(crate) fn role(&self, id: NodeId) -> Option<(Role, u64)> {
        let replica = self.nodes.get(&id)?.replica.as_ref()?;
        let status = replica.status();
        Some((status.role, status.term))
    }
}
