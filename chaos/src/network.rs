//! What is said, and whether it arrives.

use fruitnode_coordinator::control::member::{Input, Turned};
use fruitnode_coordinator::control::message::StreamId;
use fruitnode_coordinator::control::{leader, voter::Opening};
use fruitnode_coordinator::ids::NodeId;
use fruitnode_replica::{Outgoing, StepError};

use crate::bug::Bug;
use crate::events::{Down, Event, Life, Up, Wire};
use crate::time::Time;
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
            let known = self.node(from).book.members.contains(&to) || from == to;
            let lost = self.dice.chance(self.plan.loss) || !self.reaches(from, to) || !known;
            let doubled = self.dice.chance(self.plan.duplicate);
            for _ in 0..1 + u64::from(doubled) {
                let mut delay = self.delay();
                if self.dice.chance(self.plan.late) {
                    delay += self.dice.between(1, LATE_MAX);
                }
                if !lost && self.nodes.contains_key(&to) {
                    let bytes = bytes.clone();
                    self.schedule(delay, Event::Raft { from: (from, life), to, bytes, snapshot });
                }
            }
            if snapshot && lost {
                let fate = Event::SnapshotFate { at: from, life, to, arrived: false };
                self.schedule(500, fate);
            }
        }
    }

    pub(crate) fn on_raft(
        &mut self,
        from: (NodeId, Life),
        to: NodeId,
        bytes: &[u8],
        snapshot: bool,
    ) {
        let taken = match self.opening_for(from, to) {
            None => None,
            Some(opening) => {
                let voting = self.node(to).voting_mut();
                let voting = voting.filter(|voting| voting.opening == opening);
                voting.map(|voting| voting.replica.step(from.0, bytes))
            }
        };
        if snapshot {
            let arrived = matches!(taken, Some(Ok(())));
            let delay = self.delay();
            let fate = Event::SnapshotFate { at: from.0, life: from.1, to, arrived };
            self.schedule(delay, fate);
        }
        match taken {
            None => {}
            Some(Ok(()) | Err(StepError::Stranger { .. })) => self.wake(to),
            Some(Err(why)) => self.violate(format!("RAFT: {to} refuses: {why}")),
        }
    }

    /// To which opening of its log a message belongs that has come to a node: whichever there is
    /// now. The stream by which it comes stays open meanwhile.
    fn opening_for(&mut self, from: (NodeId, Life), to: NodeId) -> Option<Opening> {
        let stale = self.has(Bug::StaleOpening);
        let node = self.node(to);
        if node.book.removed.contains(&from.0) {
            return None;
        }
        let process = node.process.as_mut()?;
        let now = process.voter.takes_messages();
        // Where nobody takes it the stream is refused, and opened anew with the next message.
        let bound = *process.exchanges.entry(from).or_insert(now);
        if bound.is_none() {
            process.exchanges.remove(&from);
        }
        if stale { bound } else { now }
    }

    pub(crate) fn on_snapshot_fate(&mut self, at: NodeId, life: u64, to: NodeId, arrived: bool) {
        if self.lives(at, life)
            && let Some(voting) = self.node(at).voting_mut()
        {
            voting.replica.snapshot_sent(to, arrived);
            self.wake(at);
        }
    }

    /// A member calls somebody whom it takes for the leader.
    pub(crate) fn open(&mut self, member: NodeId, stream: StreamId, leader: NodeId) -> Wire {
        self.wires_opened += 1;
        let id = self.wires_opened;
        let ends = [member, leader].map(|node| (node, self.node(node).life));
        let [member, leader] = ends;
        let wire = Stream { member, stream, leader, broken: false, last: [0; 2] };
        self.wires.insert(id, wire);
        id
    }

    pub(crate) fn say_up(&mut self, wire: Wire, said: Up) {
        if !matches!(said, Up::Said(fruitnode_coordinator::control::message::FromMember::Beat(_))) {
            self.note(format_args!("stream {wire} up: {said:?}"));
        }
        if let Some(delay) = self.through(wire, 0) {
            self.schedule(delay, Event::Up { wire, said });
        }
    }

    pub(crate) fn say_down(&mut self, wire: Wire, said: Down) {
        if !matches!(said, Down::Said(fruitnode_coordinator::control::message::ToMember::Beat)) {
            self.note(format_args!("stream {wire} down: {said:?}"));
        }
        if let Some(delay) = self.through(wire, 1) {
            self.schedule(delay, Event::Down { wire, said });
        }
    }

    /// How long it takes through a stream; `None` if that breaks.
    fn through(&mut self, id: Wire, way: usize) -> Option<Time> {
        let (delay, breaks) = (self.delay(), self.dice.chance(self.plan.break_stream));
        let stream = self.wires.get(&id).filter(|stream| !stream.broken)?;
        let (member, leader) = (stream.member, stream.leader);
        let (from, to) = if way == 0 { (member, leader) } else { (leader, member) };
        if breaks || !self.reaches(from.0, to.0) || !self.lives(to.0, to.1) {
            self.break_wire(id);
            return None;
        }
        let now = self.now;
        let stream = self.wires.get_mut(&id)?;
        let at = (now + delay).max(stream.last[way]);
        stream.last[way] = at;
        Some(at - now)
    }

    /// Nothing arrives any more, and both ends come to know it.
    pub(crate) fn break_wire(&mut self, id: Wire) {
        let Some(stream) = self.wires.get_mut(&id).filter(|stream| !stream.broken) else {
            return;
        };
        stream.broken = true;
        let ends = (stream.member, stream.leader);
        self.note(format_args!("stream {id} from {} to {} breaks", ends.0.0, ends.1.0));
        for (at, life) in [ends.0, ends.1] {
            let after = self.dice.between(1, BREAK_SEEN_MAX);
            self.schedule(after, Event::Broken { wire: id, at, life });
        }
    }

    /// Both ends of what is said over a stream, if it arrives.
    pub(crate) fn ends(&self, id: Wire) -> Option<(NodeId, NodeId)> {
        let stream = self.wires.get(&id).filter(|stream| !stream.broken)?;
        let (member, leader) = (stream.member, stream.leader);
        let both = self.lives(member.0, member.1) && self.lives(leader.0, leader.1);
        both.then_some((member.0, leader.0))
    }

    pub(crate) fn on_broken(&mut self, wire: Wire, at: NodeId, life: u64) {
        if !self.lives(at, life) {
            return;
        }
        let Some(stream) = self.wires.get(&wire).map(|wire| wire.stream) else { return };
        let Some(process) = &mut self.node(at).process else { return };
        if process.wires.get(&stream) == Some(&wire) {
            process.wires.remove(&stream);
            let words = "the stream broke".to_owned();
            self.tell_member(at, Input::Ended(stream, Turned::Away(words)));
        }
        self.mail(at, leader::Input::Broken(StreamId(wire)));
    }
}
