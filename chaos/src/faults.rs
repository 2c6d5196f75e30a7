//! How the world begins, what breaks in it, and clients, who do not give up.

use std::collections::BTreeSet;

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::control::{member, voter};
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_replica::{MemoryLog, Replica};

use crate::book::Book;
use crate::bug::Bug;
use crate::events::{Event, Wish};
use crate::leading::founding;
use crate::node::{Node, Process, Voting};
use crate::operation::Operation;
use crate::time::Time;
use crate::within::Mistake;
use crate::world::World;

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
                paused_until: 0,
                disk: MemoryLog::new(),
                has_log: id == founder,
                has_key: id == founder,
                book: Book::default(),
                process: None,
                buried: false,
                gone: false,
                mistake: None,
            };
            self.nodes.insert(id, node);
        }
        let mut disk = MemoryLog::new();
        let mut state = ClusterState::default();
        state.apply(1, 0, &founding(self.plan.voters));
        if Replica::found(&mut disk, founder, &state).is_ok() {
            let nodes = BTreeSet::from([founder]);
            let (members, voters) = (nodes.clone(), nodes);
            let node = self.node(founder);
            node.book = Book { members, voters, ..Book::default() };
            node.disk = disk;
        }
        self.schedule(1, Event::Start(founder));
        for (job, plan) in self.plan.jobs.clone().into_iter().enumerate() {
            self.schedule(plan.submit_at, Event::Ask { job, wish: Wish::Submit });
            if let Some(cancel_at) = plan.cancel_at {
                self.schedule(cancel_at, Event::Ask { job, wish: Wish::Cancel });
            }
        }
        if let Some(at) = self.plan.power_cut_at {
            self.schedule(at, Event::PowerCut);
        }
        self.schedule_around(self.plan.crash_mean, Event::Crash);
        self.schedule_around(self.plan.pause_mean, Event::Pause);
        self.schedule_around(self.plan.partition_mean, Event::Cut);
        self.schedule_around(self.plan.drop_mean, Event::Drop);
        for (at, operation) in self.plan.operations.clone() {
            self.schedule(at, Event::Operate(operation));
        }
        for (at, mistake) in self.plan.within.mistakes.clone() {
            self.schedule(at, Event::Mistake(mistake));
        }
        self.schedule(self.plan.calm_at, Event::Calm);
    }

    pub(crate) fn start(&mut self, id: NodeId) {
        let now = self.now;
        let node = self.node(id);
        // One that was not let in yet has nothing to start with.
        if node.up() || node.buried || node.book.voters.is_empty() {
            return;
        }
        node.life += 1;
        node.paused_until = now;
        node.process = Some(Process::new(id));
        let life = node.life;
        let votes = node.has_log && node.has_key;
        let alone = node.book.voters.iter().all(|voter| *voter == id);
        self.note(format_args!("{id} starts, life {life}"));
        let phase = self.dice.between(1, 100);
        self.schedule(phase, Event::Tick(id, life));
        self.voter_step(id, voter::Input::Start { votes, alone });
    }

    /// A node was let in, unless it was before: it knows who lets it in, and starts.
    pub(crate) fn let_in(&mut self, id: NodeId, book: &Book) {
        if self.nodes.get(&id).is_some_and(|node| node.book.voters.is_empty()) {
            self.node(id).book.take(book.clone());
            let after = self.dice.between(10, 500);
            self.schedule(after, Event::Start(id));
        }
    }

    /// The process is gone, and with it whatever was not durable.
    pub(crate) fn crash(&mut self, id: NodeId) {
        let down_max = self.plan.down_max;
        let life = self.node(id).life;
        let replica = self.take_voting(id);
        let node = self.node(id);
        let Some(process) = node.process.take() else { return };
        if let Some(replica) = replica {
            node.disk = replica.into_store();
            node.disk.crash();
        }
        self.reached.extend(process.reached());
        self.note(format_args!("{id} is down"));
        self.count("process died");
        let ends = |stream: &crate::world::Stream| {
            !stream.broken && (stream.member == (id, life) || stream.leader == (id, life))
        };
        let wires: Vec<_> =
            self.wires.iter().filter(|(_, at)| ends(at)).map(|(at, _)| *at).collect();
        for wire in wires {
            self.break_wire(wire);
        }
        let after = self.dice.between(100, down_max);
        self.schedule(after, Event::Start(id));
    }

    /// Takes note of the branches that the machines of living processes have taken.
    pub(crate) fn take_notes(&mut self) {
        for process in self.nodes.values().filter_map(|node| node.process.as_ref()) {
            self.reached.extend(process.reached());
            let leader = process.voting.as_ref().map(|voting| voting.leader.reached().names());
            self.reached.extend(leader.into_iter().flatten());
        }
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

    pub(crate) fn on_power_cut(&mut self) {
        self.count("all died at once after a change of voters");
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.crash(id);
        }
    }

    pub(crate) fn on_pause(&mut self) {
        let (mut id, now, pause_max) = (self.pick_node(), self.now, self.plan.pause_max);
        if self.more.chance(self.plan.within.pause_leader) {
            let leads = |node: &Node| node.voting().is_some_and(Voting::serves);
            let leader = self.nodes.iter().find(|(_, node)| leads(node));
            id = leader.map_or(id, |(leader, _)| *leader);
        }
        // Never earlier than it was: what waits already would be overtaken.
        let until = (now + self.dice.between(100, pause_max)).max(self.node(id).paused_until);
        if !self.calm {
            self.note(format_args!("{id} is stopped until {until}"));
            self.count("process stopped");
            self.node(id).paused_until = until;
        }
        self.schedule_around(self.plan.pause_mean, Event::Pause);
    }

    /// A node is started anew, and not as it was. Of one that may vote no old copy is started: what
    /// it had promised others would be forgotten.
    pub(crate) fn on_mistake(&mut self, mistake: Mistake) {
        let fit = |node: &&Node| {
            let votes = node.has_log || node.has_key;
            node.up() && node.mistake.is_none() && (mistake == Mistake::OtherStore || !votes)
        };
        let fit: Vec<_> =
            self.nodes.iter().filter(|(_, node)| fit(node)).map(|(id, _)| *id).collect();
        if self.calm || fit.is_empty() {
            return;
        }
        let id = self.more.pick(&fit);
        self.note(format_args!("{id} is started anew: {mistake:?}"));
        self.count("node that was mixed up");
        self.crash(id);
        self.node(id).mistake = Some(mistake);
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

    /// People drain a node, take that back, or have one leave for ever. Somebody is to stay, or the
    /// last two ask at once.
    pub(crate) fn on_operation(&mut self, operation: Operation) {
        let states = self.nodes.values().filter_map(Node::voting);
        let Some(newest) = states.max_by_key(|voting| voting.replica.status().applied) else {
            return;
        };
        let members = newest.replica.state().membership().members();
        let present = members.filter(|(_, member)| !member.removed && !member.leaving);
        // One that does not attend may never find those again who stay.
        let attends = |node: &NodeId| {
            let process = self.nodes.get(node).and_then(|at| at.process.as_ref());
            process.is_some_and(|process| process.member.attends().is_some())
        };
        let asked = &self.sent_away;
        let belongs =
            present.map(|(node, member)| (node, member.draining || asked.contains(&node)));
        let belongs: Vec<_> = belongs.collect();
        // One that is drained, or away and never comes back, is nobody who stays.
        let last_two = belongs.len() == 2 && belongs.iter().all(|(_, drains)| !drains);
        let present: Vec<_> = belongs.into_iter().filter(|(node, _)| attends(node)).collect();
        let of = |draining: bool| {
            let some = present.iter().filter(|(_, drains)| *drains == draining);
            some.map(|(node, _)| *node).collect::<Vec<_>>()
        };
        let (staying, drained) = (of(false), of(true));
        let two = last_two && staying.len() == 2;
        let everybody: Vec<_> = present.iter().map(|(node, _)| *node).collect();
        let among = match operation {
            Operation::Drain if staying.len() > 1 => staying,
            Operation::Undo if !drained.is_empty() => drained,
            // In the calm somebody is to lead at every moment.
            Operation::Stop if !self.calm && !everybody.is_empty() => everybody,
            Operation::Leave if staying.len() > 1 => everybody,
            _ => return,
        };
        let at_once = operation == Operation::Leave && two && self.dice.chance(500);
        let node = self.dice.pick(&among);
        let also = among.into_iter().filter(|other| at_once && *other != node);
        let also: Vec<_> = also.collect();
        match operation {
            Operation::Undo => _ = self.sent_away.remove(&node),
            Operation::Stop => {
                self.note(format_args!("somebody stops {node}"));
                self.count("process told to end");
                self.member_step(node, member::Input::Leave);
                return;
            }
            // What was asked for may not have come to pass yet.
            Operation::Drain | Operation::Leave => _ = self.sent_away.insert(node),
        }
        self.note(format_args!("somebody has {node} {operation:?}"));
        self.count(match operation {
            Operation::Drain => "node drained",
            Operation::Undo => "node drained no longer",
            Operation::Leave => "node leaves",
            Operation::Stop => "process told to end",
        });
        let (undo, leaving) = (operation == Operation::Undo, operation == Operation::Leave);
        let command = match leaving && self.has(Bug::RemoveAtOnce) {
            true => Command::RemoveNode { node },
            false => Command::DrainNode { node, undo, leaving },
        };
        self.propose_by_anybody(command);
        for node in also {
            self.note(format_args!("and {node} with it"));
            self.count("the last two leave at once");
            self.propose_by_anybody(Command::DrainNode { node, undo, leaving });
        }
        if leaving {
            self.leave_untimely();
        }
    }

    pub(crate) fn on_calm(&mut self) {
        self.note(format_args!("nothing goes wrong from now on"));
        self.calm = true;
        self.plan.still();
        self.blocked.clear();
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            if self.node(id).mistake.is_some() {
                self.crash(id);
                self.node(id).mistake = None;
            }
            self.schedule(1, Event::Start(id));
        }
        if self.plan.leave_dead {
            self.schedule(ABANDON_AFTER, Event::Abandon);
        }
    }

    /// One node goes for ever, if those that decide can do without it.
    pub(crate) fn on_abandon(&mut self) {
        let mut statuses = self.nodes.values().filter_map(Node::status);
        let can_do = statuses
            .all(|status| status.voters.is_empty() || status.voters.len() >= 3 && !status.changing);
        let id = self.pick_node();
        let can_do = can_do && self.others_stay(id);
        if can_do && self.node(id).up() {
            self.note(format_args!("{id} goes for ever"));
            self.count("node gone for ever");
            self.crash(id);
            self.node(id).buried = true;
        }
    }

    /// Whether there is somebody else who is there and takes leases.
    fn others_stay(&self, id: NodeId) -> bool {
        let states = self.nodes.values().filter_map(Node::voting);
        let newest = states.max_by_key(|voting| voting.replica.status().applied);
        newest.is_some_and(|voting| {
            let mut members = voting.replica.state().membership().members();
            members.any(|(node, member)| {
                let up = self.nodes.get(&node).is_some_and(Node::up);
                node != id && up && !member.draining && !member.removed
            })
        })
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
