//! A member's side of its work: it looks for the leader, says who it is, hears what its worker is
//! to do, brings back reports, and begins anew whenever the stream breaks.

mod signals;

use std::collections::{BTreeMap, VecDeque};

use crate::control::Reached;
use crate::control::message::{FromMember, Order, StreamId, ToMember};
use crate::ids::NodeId;
pub use signals::{Input, Known, Output, Standing, Turned};

/// Ticks between two signs of life.
pub(crate) const BEAT_TICKS: u64 = 10;

/// Ticks after which a leader that is silent is looked for elsewhere: 4 s at ten a second.
pub(crate) const SILENCE_TICKS_MAX: u64 = 40;

/// Ticks for a stream to open.
const OPENING_TICKS_MAX: u64 = 50;

/// Ticks after which the next voter is asked as well: one that neither answers nor refuses costs a
/// moment, not its time-out. (RFC 8305 does so with the addresses of one host.)
const STAGGER_TICKS: u64 = 3;

/// Ticks before the voters are asked again who the leader is.
const LOOK_AGAIN_TICKS: u64 = 5;

/// Ticks before the node is asked that another one named: two that name each other are not asked
/// without a pause.
const FOLLOW_TICKS: u64 = 1;

/// Rounds in which the voters alone are asked: after that they may all be others than was heard,
/// and whoever attends somewhere can tell.
const VOTERS_ROUNDS_MAX: u32 = 5;

/// Looks that a process is told in one go that another one is this node before it gives up: for
/// longer than the leader waits for one that has died without a word.
const TWIN_LOOKS_MAX: u32 = 20;

/// Ticks for which a node that is to leave looks for a leader to hand its work over to: an election
/// takes less, and a majority that is gone does not come back for it.
const HEIR_TICKS: u64 = 100;

/// In place of the term, for orders that say none: a job that is over stays so, whoever leads.
pub const ANY_TERM: u64 = u64::MAX;

/// The machine.
#[derive(Debug)]
pub struct Member {
    tick: u64,
    phase: Phase,
    /// Term of the leader that greeted the node last: nobody else gives orders.
    term: u64,
    /// Who was named as the leader.
    named: Option<NodeId>,
    /// Whose turn it is to be asked.
    turn: usize,
    /// Rounds of questions since a leader was found last.
    rounds: u32,
    streams: u64,
    /// Looks at which another process was this node.
    twin_looks: u32,
    leave: bool,
    /// Since when a node that is to leave has found nobody.
    heirless: Option<u64>,
    /// Whether there was nothing left to do at the last look.
    was_idle: bool,
    idle: bool,
    out: Vec<Output>,
    reached: Reached,
}

#[derive(Debug)]
enum Phase {
    /// Until this tick.
    Resting(u64),
    Looking(Look),
    Following(Following),
    Over,
}

/// One round of questions.
#[derive(Debug, Default)]
struct Look {
    /// Those that are still to be asked, and from which tick the next one is.
    waiting: VecDeque<NodeId>,
    next_at: u64,
    /// Streams that are being opened, with the tick at which each is given up.
    opening: BTreeMap<StreamId, (NodeId, u64)>,
    asked: Vec<NodeId>,
    turned: Vec<Turned>,
}

/// A stream that was taken.
#[derive(Debug)]
struct Following {
    node: NodeId,
    stream: StreamId,
    /// When something was heard last.
    heard: u64,
    greeted: bool,
    asked_to_leave: bool,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            tick: 0,
            phase: Phase::Resting(0),
            term: 0,
            named: None,
            turn: 0,
            rounds: 0,
            streams: 0,
            twin_looks: 0,
            leave: false,
            heirless: None,
            was_idle: false,
            idle: false,
            out: Vec::new(),
            reached: Reached::default(),
        }
    }
}

impl Member {
    /// Takes one input. The first look begins with the first tick.
    pub fn step(&mut self, known: Known<'_>, input: Input) -> Vec<Output> {
        if !matches!(self.phase, Phase::Over) {
            self.take(known, input);
        }
        std::mem::take(&mut self.out)
    }

    /// Whether reports are taken now; they wait with the worker until then.
    pub fn takes_reports(&self) -> bool {
        matches!(&self.phase, Phase::Following(at) if at.greeted)
    }

    /// At whom the node attends, once it was greeted, and on which stream.
    pub fn attends(&self) -> Option<(NodeId, StreamId)> {
        match &self.phase {
            Phase::Following(at) if at.greeted => Some((at.node, at.stream)),
            _ => None,
        }
    }

    /// Branches that were taken so far.
    pub fn reached(&self) -> &Reached {
        &self.reached
    }

    fn take(&mut self, known: Known<'_>, input: Input) {
        match input {
            Input::Tick { idle } => {
                self.tick += 1;
                self.idle = idle;
                self.tick(known);
            }
            Input::Opened(stream) => self.opened(stream),
            Input::Ended(stream, why) => self.ended(known, stream, why),
            Input::Said(stream, said) => self.heard(stream, said),
            Input::Report(report) => {
                if let Phase::Following(at) = &self.phase {
                    self.out.push(Output::Say(at.stream, FromMember::Report(report)));
                }
            }
            Input::Leave => self.leave = true,
        }
    }

    fn tick(&mut self, known: Known<'_>) {
        match &mut self.phase {
            Phase::Resting(until) if self.tick >= *until => self.look(known),
            Phase::Looking(look) => {
                let late = look.opening.iter().filter(|(_, (_, until))| *until <= self.tick);
                let late: Vec<_> = late.map(|(stream, (node, _))| (*stream, *node)).collect();
                for (stream, node) in late {
                    self.reached.at("member: a node does not answer");
                    self.out.push(Output::Close(stream));
                    self.turned(known, stream, Turned::Away(format!("{node} does not answer")));
                }
                self.ask_next(known);
            }
            Phase::Following(at) => {
                if self.tick >= at.heard + SILENCE_TICKS_MAX {
                    self.reached.at("member: the leader is silent");
                    let (words, stream) =
                        (format!("{} has stopped responding", at.node), at.stream);
                    self.out.push(Output::Close(stream));
                    self.over(known, Turned::Away(words));
                    return;
                }
                if self.tick.is_multiple_of(BEAT_TICKS) {
                    self.out.push(Output::Beat(at.stream));
                }
                if self.leave && at.greeted && !at.asked_to_leave {
                    self.reached.at("member: asks to leave");
                    at.asked_to_leave = true;
                    self.out.push(Output::Say(at.stream, FromMember::Leave));
                }
            }
            Phase::Resting(_) | Phase::Over => {}
        }
    }

    /// Asks the node that was named, and all voters, another one first each time. One that was
    /// removed may vote until the others have agreed on that, and is not to be spoken to.
    fn look(&mut self, known: Known<'_>) {
        let mut voters: Vec<NodeId> = known.voters.difference(known.removed).copied().collect();
        self.turn = self.turn.wrapping_add(1);
        if let Some(first) = self.turn.checked_rem(voters.len()) {
            voters.rotate_left(first);
        }
        let named = self.named.take().filter(|named| !known.removed.contains(named));
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds > VOTERS_ROUNDS_MAX {
            self.reached.at("member: asks those who do not vote");
            let others = (known.members)().into_iter();
            let skipped =
                |node: &NodeId| known.voters.contains(node) || known.removed.contains(node);
            voters.extend(others.filter(|node| !skipped(node)));
        }
        voters.retain(|voter| Some(*voter) != named);
        let waiting: VecDeque<_> = named.into_iter().chain(voters).collect();
        self.phase = Phase::Looking(Look { waiting, ..Look::default() });
        self.ask_next(known);
    }

    /// Asks the next node, once the one before has turned the member away or has had its moment.
    /// The look is over when nobody is left.
    fn ask_next(&mut self, known: Known<'_>) {
        let Phase::Looking(look) = &mut self.phase else { return };
        if !look.opening.is_empty() && self.tick < look.next_at {
            return;
        }
        let Some(node) = look.waiting.pop_front() else {
            if look.opening.is_empty() {
                let look = std::mem::take(look);
                self.found_nobody(known, look);
            }
            return;
        };
        self.streams += 1;
        let stream = StreamId(self.streams);
        look.next_at = self.tick + STAGGER_TICKS;
        look.opening.insert(stream, (node, self.tick + OPENING_TICKS_MAX));
        look.asked.push(node);
        self.out.push(Output::Open(stream, node));
    }

    fn opened(&mut self, stream: StreamId) {
        let Phase::Looking(look) = &mut self.phase else {
            self.reached.at("member: a stream opens that is wanted no longer");
            self.out.push(Output::Close(stream));
            return;
        };
        let Some((node, _)) = look.opening.remove(&stream) else { return };
        for other in std::mem::take(&mut look.opening).into_keys() {
            self.reached.at("member: two nodes were asked at a time");
            self.out.push(Output::Close(other));
        }
        self.twin_looks = 0;
        let (heard, greeted, asked_to_leave) = (self.tick, false, false);
        self.phase = Phase::Following(Following { node, stream, heard, greeted, asked_to_leave });
    }

    fn ended(&mut self, known: Known<'_>, stream: StreamId, why: Turned) {
        match &self.phase {
            Phase::Looking(_) => self.turned(known, stream, why),
            Phase::Following(at) if at.stream == stream => {
                self.reached.at("member: the stream ends");
                self.over(known, why);
            }
            _ => {}
        }
    }

    /// A node that was asked has turned the member away.
    fn turned(&mut self, known: Known<'_>, stream: StreamId, why: Turned) {
        let Phase::Looking(look) = &mut self.phase else { return };
        if look.opening.remove(&stream).is_none() {
            return;
        }
        if let Turned::Denied(words) = why {
            let others = std::mem::take(&mut look.opening);
            self.out.extend(others.into_keys().map(Output::Close));
            self.refused(words);
            return;
        }
        look.turned.push(why);
        self.ask_next(known);
    }

    /// None of those that were asked leads.
    fn found_nobody(&mut self, known: Known<'_>, look: Look) {
        let twin = look.turned.iter().find_map(|why| match why {
            Turned::Twin(words) => Some(words.clone()),
            _ => None,
        });
        self.twin_looks = if twin.is_some() { self.twin_looks + 1 } else { 0 };
        if let Some(words) = twin {
            self.reached.at("member: another process is this node");
            match self.twin_looks > TWIN_LOOKS_MAX {
                true => self.refused(words),
                false => self.rest(known, Turned::Away(words)),
            }
            return;
        }
        let named = look.turned.iter().find_map(|why| match why {
            Turned::NotLeader(leader) => leader.filter(|leader| !look.asked.contains(leader)),
            _ => None,
        });
        match named {
            Some(leader) => {
                self.reached.at("member: follows who was named");
                self.rest(known, Turned::NotLeader(Some(leader)));
            }
            None => {
                let last = look.turned.into_iter().next_back();
                let words = match last {
                    Some(Turned::Away(words)) => words,
                    _ => "there is no coordinator at the moment".to_owned(),
                };
                self.rest(known, Turned::Away(words));
            }
        }
    }

    /// The stream that was followed is no more.
    fn over(&mut self, known: Known<'_>, why: Turned) {
        match why {
            Turned::Denied(words) => self.refused(words),
            Turned::Twin(words) => self.rest(known, Turned::Away(words)),
            why => self.rest(known, why),
        }
    }

    fn heard(&mut self, stream: StreamId, said: ToMember) {
        let Phase::Following(at) = &mut self.phase else { return };
        if at.stream != stream {
            self.reached.at("member: words on a stream that is wanted no longer");
            return;
        }
        at.heard = self.tick;
        match said {
            ToMember::Beat => {}
            ToMember::Roster(roster) => self.out.push(Output::Roster(roster)),
            ToMember::Welcome(welcome) => {
                // Never that of an earlier term than the last one's. Who greets has seen the hello
                // committed in its term, and a majority that has elected somebody in a later term
                // commits nothing in an earlier one: that leader was elected before it greeted, it
                // greeted before this stream began, and the hello came after.
                self.term = welcome.term;
                self.rounds = 0;
                at.greeted = true;
                self.heirless = None;
                let leader = at.node;
                let order = Order::Reconcile { attempts: welcome.attempts, held: welcome.held };
                self.out.push(Output::Roster(Box::new(welcome.roster)));
                self.out.push(Output::Order(Box::new(order)));
                self.out.push(Output::Standing(Standing::Attending { leader }));
            }
            ToMember::Order { term, order } => {
                if !at.greeted || ![self.term, ANY_TERM].contains(&term) {
                    self.reached.at("member: an order of another term");
                    return;
                }
                self.out.push(Output::Order(order));
            }
            ToMember::Go => {
                self.reached.at("member: may go");
                self.out.push(Output::Close(stream));
                self.end(Standing::Left);
            }
        }
    }

    /// Waits a moment before it looks again; or not at all any more, if it is to leave, and nobody
    /// is there to take its work, or nothing of it is left.
    fn rest(&mut self, known: Known<'_>, why: Turned) {
        match why {
            Turned::NotLeader(Some(leader)) if !known.removed.contains(&leader) => {
                self.named = Some(leader);
                self.phase = Phase::Resting(self.tick + FOLLOW_TICKS);
                return;
            }
            Turned::Away(words) | Turned::Denied(words) | Turned::Twin(words) => {
                self.out.push(Output::Standing(Standing::Looking { words }));
            }
            Turned::NotLeader(_) => {
                let words = "there is no coordinator at the moment".to_owned();
                self.out.push(Output::Standing(Standing::Looking { words }));
            }
        }
        self.phase = Phase::Resting(self.tick + LOOK_AGAIN_TICKS);
        if !self.leave {
            return;
        }
        let since = *self.heirless.get_or_insert(self.tick);
        // What was just done may be about to be reported: it is looked at twice.
        let nothing_left = self.idle && self.was_idle;
        self.was_idle = self.idle;
        if nothing_left || self.tick >= since + HEIR_TICKS {
            self.reached.at("member: leaves without an heir");
            self.end(Standing::Left);
        }
    }

    fn refused(&mut self, words: String) {
        self.reached.at("member: the cluster refuses it");
        self.end(Standing::Refused { words });
    }

    fn end(&mut self, standing: Standing) {
        self.phase = Phase::Over;
        self.out.push(Output::Standing(standing));
    }
}

#[cfg(test)]
mod tests;
