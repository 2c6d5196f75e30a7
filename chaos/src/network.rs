//! What is said, and whether it arrives.

use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::replica::{Outgoing, StepError};

use crate::events::{Down, Event, StreamId, Up};
use crate::plan::Time;
use crate::world::{Stream, World};

/// Time within which an end learns that its stream is broken.
const BREAK_SEEN_MAX: Time = 3_000;
/// How much later a late message comes.
const LATE_MAX: Time = 3_000;

impl World {
    pub(crate) fn delay(&mut self) -> Time {
        let delay_max = self.plan.delay_max.max(2);
        self.dice.between(1, delay_max)
    }

    /// Whether something said now would arrive.
    pub(crate) fn reaches(&self, from: NodeId, to: NodeId) -> bool {
        !self.blocked.contains(&(from, to))
    }

    /// Messages of raft are lost, doubled and overtaken.
    pub(crate) fn send_raft(&mut self, from: NodeId, messages: Vec<Outgoing>) {
        let life = self.node(from).life;
        for Outgoing { to, bytes, snapshot } in messages {
            let lost = self.dice.chance(self.plan.loss) || !self.reaches(from, to);
            let doubled = self.dice.chance(self.plan.duplicate);
            for _ in 0..1 + u64::from(doubled) {
                let mut delay = self.delay();
                if self.dice.chance(self.plan.late) {
                    delay += self.dice.between(1, LATE_MAX);
                }
                if !lost && self.nodes.contains_key(&to) {
                    let bytes = bytes.clone();
                    self.schedule(delay, Event::Raft { from, to, bytes, snapshot });
                }
            }
            if snapshot && lost {
                let fate = Event::SnapshotFate { at: from, life, to, arrived: false };
                self.schedule(500, fate);
            }
        }
    }

    pub(crate) fn on_raft(&mut self, from: NodeId, to: NodeId, bytes: &[u8], snapshot: bool) {
        let sender = self.node(from).life;
        let node = self.node(to);
        let replica = node.replica.as_mut().filter(|_| node.up);
        let taken = replica.map(|replica| replica.step(from, bytes));
        if snapshot {
            let arrived = matches!(taken, Some(Ok(())));
            let delay = self.delay();
            let fate = Event::SnapshotFate { at: from, life: sender, to, arrived };
            self.schedule(delay, fate);
        }
        match taken {
            None => {}
            Some(Ok(()) | Err(StepError::Stranger { .. })) => self.wake(to),
            Some(Err(why)) => self.violate(format!("RAFT: {to} refuses: {why}")),
        }
    }

    pub(crate) fn on_snapshot_fate(&mut self, at: NodeId, life: u64, to: NodeId, arrived: bool) {
        if self.lives(at, life)
            && let Some(replica) = &mut self.node(at).replica
        {
            replica.snapshot_sent(to, arrived);
            self.wake(at);
        }
    }

    /// A member calls somebody whom it takes for the coordinator.
    pub(crate) fn open(&mut self, member: NodeId, leader: NodeId) -> StreamId {
        self.streams_opened += 1;
        let id = self.streams_opened;
        let ends = [member, leader].map(|node| (node, self.node(node).life));
        let [member, leader] = ends;
        self.streams.insert(id, Stream { member, leader, broken: false, last: [0; 2] });
        id
    }

    pub(crate) fn say_up(&mut self, stream: StreamId, said: Up) {
        if !matches!(said, Up::Beat(_)) {
            self.note(format_args!("stream {stream} up: {said:?}"));
        }
        if let Some(delay) = self.through(stream, 0) {
            self.schedule(delay, Event::Up { stream, said });
        }
    }

    pub(crate) fn say_down(&mut self, stream: StreamId, said: Down) {
        self.note(format_args!("stream {stream} down: {said:?}"));
        if let Some(delay) = self.through(stream, 1) {
            self.schedule(delay, Event::Down { stream, said });
        }
    }

    /// How long it takes through a stream; `None` if that breaks.
    fn through(&mut self, id: StreamId, way: usize) -> Option<Time> {
        let (delay, breaks) = (self.delay(), self.dice.chance(self.plan.break_stream));
        let stream = self.streams.get(&id).filter(|stream| !stream.broken)?;
        let (member, leader) = (stream.member, stream.leader);
        let (from, to) = if way == 0 { (member, leader) } else { (leader, member) };
        if breaks || !self.reaches(from.0, to.0) || !self.lives(to.0, to.1) {
            self.break_stream(id);
            return None;
        }
        let now = self.now;
        let stream = self.streams.get_mut(&id)?;
        let at = (now + delay).max(stream.last[way]);
        stream.last[way] = at;
        Some(at - now)
    }

    /// Nothing arrives any more, and both ends come to know it.
    pub(crate) fn break_stream(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.broken) else {
            return;
        };
        stream.broken = true;
        let ends = (stream.member, stream.leader);
        self.note(format_args!("stream {id} from {} to {} breaks", ends.0.0, ends.1.0));
        for (at, life) in [ends.0, ends.1] {
            let after = self.dice.between(1, BREAK_SEEN_MAX);
            self.schedule(after, Event::Broken { stream: id, at, life });
        }
    }

    /// Both ends of what is said over a stream, if it arrives.
    pub(crate) fn ends(&self, id: StreamId) -> Option<(NodeId, NodeId)> {
        let stream = self.streams.get(&id).filter(|stream| !stream.broken)?;
        let (member, leader) = (stream.member, stream.leader);
        let both = self.lives(member.0, member.1) && self.lives(leader.0, leader.1);
        both.then_some((member.0, leader.0))
    }

    pub(crate) fn on_broken(&mut self, stream: StreamId, at: NodeId, life: u64) {
        if !self.lives(at, life) {
            return;
        }
        if self.node(at).member.stream == Some(stream) {
            self.node(at).member.stream = None;
            self.schedule(50, Event::Seek(at, life));
        }
        self.leader_lost_stream(at, stream);
    }
}
