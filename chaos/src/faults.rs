//! How the world begins, what breaks in it, and clients, who do not give up.

use std::collections::BTreeMap;

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::replica::{MemoryLog, Replica};
use fruitnode_coordinator::state::ClusterState;

use crate::events::{Event, Wish};
use crate::member::Member;
use crate::plan::Time;
use crate::world::{Node, World};

/// Time until a client asks again.
const ASK_AGAIN: Time = 3_000;
/// Time after the calm when a node may leave for ever: all have come back by then.
const ABANDON_AFTER: Time = 30_000;

impl World {
    pub(crate) fn begin(&mut self) {
        let founder = NodeId(1);
        for id in (1..=self.plan.nodes).map(NodeId) {
            let node = Node {
                life: 0,
                up: false,
                paused_until: 0,
                disk: MemoryLog::new(),
                replica: None,
                stepping: false,
                questions: BTreeMap::new(),
                leading: None,
                member: Member::default(),
                buried: false,
            };
            self.nodes.insert(id, node);
            self.schedule(id.0, Event::Start(id));
        }
        let mut disk = MemoryLog::new();
        if Replica::found(&mut disk, founder, &ClusterState::default()).is_ok() {
            self.node(founder).disk = disk;
        }
        for (job, plan) in self.plan.jobs.clone().into_iter().enumerate() {
            self.schedule(plan.submit_at, Event::Ask { job, wish: Wish::Submit });
            if let Some(cancel_at) = plan.cancel_at {
                self.schedule(cancel_at, Event::Ask { job, wish: Wish::Cancel });
            }
        }
        self.schedule_around(self.plan.crash_mean, Event::Crash);
        self.schedule_around(self.plan.pause_mean, Event::Pause);
        self.schedule_around(self.plan.partition_mean, Event::Cut);
        self.schedule_around(self.plan.drop_mean, Event::Drop);
        if self.plan.drain {
            let at = self.dice.between(10_000, self.plan.calm_at.max(10_000));
            self.schedule(at, Event::Drain);
        }
        if self.plan.remove && self.plan.nodes > u64::from(self.plan.voters) {
            let at = self.dice.between(10_000, self.plan.calm_at.max(10_000));
            self.schedule(at, Event::Remove);
        }
        self.schedule(self.plan.calm_at, Event::Calm);
    }

    pub(crate) fn start(&mut self, id: NodeId) {
        let now = self.now;
        let node = self.node(id);
        if node.up || node.buried {
            return;
        }
        node.life += 1;
        (node.up, node.stepping, node.paused_until) = (true, false, now);
        let life = node.life;
        self.note(format_args!("{id} starts, life {life}"));
        self.open_replica(id);
        let phase = self.dice.between(1, 100);
        self.schedule(phase, Event::Tick(id, life));
        self.schedule(phase, Event::Seek(id, life));
        self.schedule(phase, Event::Beat(id, life));
        if self.violation.is_none() {
            self.wake(id);
        }
    }

    /// The process is gone, and with it whatever was not durable.
    pub(crate) fn crash(&mut self, id: NodeId) {
        let down_max = self.plan.down_max;
        let node = self.node(id);
        if !node.up {
            return;
        }
        let life = node.life;
        node.up = false;
        node.stepping = false;
        node.leading = None;
        node.questions.clear();
        node.member = Member::default();
        if let Some(replica) = node.replica.take() {
            node.disk = replica.into_store();
            node.disk.crash();
        }
        self.note(format_args!("{id} is down"));
        self.count("process died");
        let ends = |stream: &crate::world::Stream| {
            !stream.broken && (stream.member == (id, life) || stream.leader == (id, life))
        };
        let streams: Vec<_> =
            self.streams.iter().filter(|(_, at)| ends(at)).map(|(at, _)| *at).collect();
        for stream in streams {
            self.break_stream(stream);
        }
        let after = self.dice.between(100, down_max);
        self.schedule(after, Event::Start(id));
    }

    fn pick_node(&mut self) -> NodeId {
        let all: Vec<_> = self.nodes.keys().copied().collect();
        self.dice.pick(&all)
    }

    pub(crate) fn on_crash(&mut self) {
        let id = self.pick_node();
        self.crash(id);
        // Now and then everybody goes at once.
        if self.dice.chance(50) {
            for id in self.nodes.keys().copied().collect::<Vec<_>>() {
                self.crash(id);
            }
        }
        self.schedule_around(self.plan.crash_mean, Event::Crash);
    }

    pub(crate) fn on_pause(&mut self) {
        let (id, now, pause_max) = (self.pick_node(), self.now, self.plan.pause_max);
        // Never earlier than it was: what waits already would be overtaken.
        let until = (now + self.dice.between(100, pause_max)).max(self.node(id).paused_until);
        if !self.calm {
            self.note(format_args!("{id} is stopped until {until}"));
            self.count("process stopped");
            self.node(id).paused_until = until;
        }
        self.schedule_around(self.plan.pause_mean, Event::Pause);
    }

    /// Some cannot reach others, in one direction or in both.
    pub(crate) fn on_cut(&mut self) {
        let all: Vec<_> = self.nodes.keys().copied().collect();
        let some: Vec<_> = all.iter().copied().filter(|_| self.dice.chance(400)).collect();
        let both_ways = !(self.plan.one_way && self.dice.chance(500));
        for from in &all {
            for to in &all {
                if some.contains(from) && !some.contains(to) {
                    self.blocked.insert((*from, *to));
                    if both_ways {
                        self.blocked.insert((*to, *from));
                    }
                }
            }
        }
        let way = if both_ways { "cut both ways" } else { "cut one way" };
        self.note(format_args!("{some:?}: {way}"));
        self.count(way);
        let after = self.dice.between(500, self.plan.partition_max);
        self.schedule(after, Event::Heal);
    }

    pub(crate) fn on_heal(&mut self) {
        self.blocked.clear();
        self.note(format_args!("the network is whole"));
        self.schedule_around(self.plan.partition_mean, Event::Cut);
    }

    pub(crate) fn on_drain(&mut self) {
        let id = self.pick_node();
        self.propose_by_anybody(Command::DrainNode { node: id, undo: false });
    }

    /// A node is thrown out. Another one is there to decide in its place.
    pub(crate) fn on_remove(&mut self) {
        let id = self.pick_node();
        self.propose_by_anybody(Command::RemoveNode { node: id });
    }

    pub(crate) fn on_calm(&mut self) {
        self.note(format_args!("nothing goes wrong from now on"));
        self.calm = true;
        self.plan.still();
        self.blocked.clear();
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.schedule(1, Event::Start(id));
        }
        if self.plan.leave_dead {
            self.schedule(ABANDON_AFTER, Event::Abandon);
        }
    }

    /// One node goes for ever, if those that decide can do without it.
    pub(crate) fn on_abandon(&mut self) {
        let statuses = self.nodes.values().filter_map(|node| node.replica.as_ref());
        let can_do = statuses
            .map(Replica::status)
            .all(|status| status.voters.is_empty() || status.voters.len() >= 3 && !status.changing);
        let id = self.pick_node();
        if can_do {
            self.note(format_args!("{id} goes for ever"));
            self.count("node gone for ever");
            self.crash(id);
            self.node(id).buried = true;
        }
    }

    pub(crate) fn on_ask(&mut self, job: usize, wish: Wish) {
        if self.answered.contains(&(job, wish)) || self.checks.has_ended(&self.plan.jobs[job].id) {
            return;
        }
        let (to, delay) = (self.pick_node(), self.delay());
        self.schedule(delay, Event::Asked { to, job, wish });
        self.schedule(ASK_AGAIN, Event::Ask { job, wish });
    }

    pub(crate) fn on_answer(&mut self, job: usize, wish: Wish) {
        self.note(format_args!("client of job {job} hears that {wish:?} is done"));
        self.answered.insert((job, wish));
    }
}
