//! The world: nodes, streams, objects, one clock and one queue of events.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::io;

use fruitnode_coordinator::control::message::StreamId;
use fruitnode_coordinator::ids::NodeId;

use crate::bug::Bug;
use crate::dice::Dice;
use crate::events::{Event, Life, Wire, Wish};
use crate::known::Checks;
use crate::node::Node;
use crate::objects::Objects;
use crate::plan::Plan;
use crate::time::Time;

/// Virtual time that a healed cluster has to end every job.
const LIVENESS_MAX: Time = 5 * 60_000;
/// Virtual time that goes on after the last job, so that what is late arrives.
const AFTERMATH: Time = 60_000;
/// Events of one run; more are a loop.
const EVENTS_MAX: u64 = 5_000_000;

/// What is wrong, in words. The first one ends the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) String);

/// One stream. What is said over it arrives in order, or it breaks.
pub(crate) struct Stream {
    pub(crate) member: (NodeId, Life),
    /// By the member's own number.
    pub(crate) stream: StreamId,
    pub(crate) leader: (NodeId, Life),
    pub(crate) broken: bool,
    /// Nothing arrives before what was said before: up and down.
    pub(crate) last: [Time; 2],
}

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) plan: Plan,
    pub(crate) dice: Dice,
    /// For what was added later, so that it does not shift the rest.
    pub(crate) more: Dice,
    /// For what was added later still.
    pub(crate) latest: Dice,
    pub(crate) bug: Option<Bug>,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    pub(crate) wires: BTreeMap<Wire, Stream>,
    pub(crate) objects: Objects,
    pub(crate) blocked: BTreeSet<(NodeId, NodeId)>,
    pub(crate) checks: Checks,
    /// Wishes that were answered.
    pub(crate) answered: BTreeSet<(usize, Wish)>,
    pub(crate) calm: bool,
    pub(crate) violation: Option<Violation>,
    pub(crate) events: u64,
    /// How often each kind of thing happened.
    pub(crate) seen: BTreeMap<&'static str, u64>,
    queue: BTreeMap<(Time, u64), Event>,
    scheduled: u64,
    pub(crate) wires_opened: u64,
    /// Admissions that were answered.
    pub(crate) admissions: BTreeSet<((NodeId, Life), NodeId, u64)>,
    /// Nodes that somebody drained or had leave, be it applied or not.
    pub(crate) sent_away: BTreeSet<NodeId>,
    /// When somebody was in office last.
    pub(crate) led: Time,
    /// Branches of the machines that were taken.
    pub(crate) reached: BTreeSet<&'static str>,
    /// Questions to leaders so far: their numbers.
    pub(crate) questions: u64,
    done_since: Option<Time>,
    trace: Trace,
}

impl World {
    pub(crate) fn new(
        plan: Plan,
        chance: (Dice, Dice, Dice),
        bug: Option<Bug>,
        show: bool,
    ) -> Self {
        let (dice, more, latest) = chance;
        let mut world = Self {
            now: 0,
            checks: Checks::new(&plan),
            plan,
            dice,
            more,
            latest,
            bug,
            nodes: BTreeMap::new(),
            wires: BTreeMap::new(),
            objects: Objects::default(),
            blocked: BTreeSet::new(),
            answered: BTreeSet::new(),
            calm: false,
            violation: None,
            events: 0,
            seen: BTreeMap::new(),
            queue: BTreeMap::new(),
            scheduled: 0,
            wires_opened: 0,
            admissions: BTreeSet::new(),
            sent_away: BTreeSet::new(),
            led: 0,
            reached: BTreeSet::new(),
            questions: 0,
            done_since: None,
            trace: Trace { hash: 0xcbf2_9ce4_8422_2325, show },
        };
        world.begin();
        world
    }

    /// To the end, or to the first violation.
    pub(crate) fn run(&mut self) {
        while self.violation.is_none() {
            let Some(((at, number), event)) = self.queue.pop_first() else {
                self.violate("nothing is left to happen");
                return;
            };
            self.now = at;
            if let Some(awake_at) = self.sleeps_until(&event) {
                // Under its old number: what came first stays first.
                self.queue.insert((awake_at, number), event);
                continue;
            }
            self.events += 1;
            self.happen(event);
            if self.is_over() {
                return;
            }
        }
    }

    pub(crate) fn schedule(&mut self, after: Time, event: Event) {
        self.scheduled += 1;
        self.queue.insert((self.now + after, self.scheduled), event);
    }

    /// After a random time around `mean`; never, if that is 0.
    pub(crate) fn schedule_around(&mut self, mean: Time, event: Event) {
        let after = self.dice.between(mean / 4, mean + mean / 2 + 1);
        if mean > 0 {
            self.schedule(after, event);
        }
    }

    pub(crate) fn violate(&mut self, words: impl Into<String>) {
        let words = words.into();
        self.note(format_args!("VIOLATION {words}"));
        self.violation.get_or_insert(Violation(words));
    }

    /// Every event leaves a line: shown if wanted, and in the hash of the run in any case.
    pub(crate) fn note(&mut self, line: fmt::Arguments<'_>) {
        let now = self.now;
        self.trace.line(now, line);
    }

    /// Counts something that is worth having been there.
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub(crate) fn trace_hash(&self) -> u64 {
        self.trace.hash
    }

    pub(crate) fn node(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(&id).expect("ids come from the plan")
    }

    /// Whether this process of the node runs.
    pub(crate) fn lives(&self, id: NodeId, life: Life) -> bool {
        self.nodes.get(&id).is_some_and(|node| node.up() && node.life == life)
    }

    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// When the node wakes up that the event is for, if it is paused.
    fn sleeps_until(&self, event: &Event) -> Option<Time> {
        let id = match event {
            Event::Up { wire, .. } => self.wires.get(wire)?.leader.0,
            Event::Down { wire, .. } => self.wires.get(wire)?.member.0,
            other => other.needs()?,
        };
        let node = self.nodes.get(&id)?;
        (node.up() && node.paused_until > self.now).then_some(node.paused_until)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick(id, life) => self.on_tick(id, life),
            Event::Step(id, life) => self.on_step(id, life),
            Event::Mail(id, life) => self.on_mail(id, life),
            Event::Inbox(id, life) => self.on_inbox(id, life),
            Event::End(id, life, comes_back) => self.on_end(id, life, comes_back),
            Event::Mistake(mistake) => self.on_mistake(mistake),
            Event::Raft { from, to, bytes, snapshot } => self.on_raft(from, to, &bytes, snapshot),
            Event::SnapshotFate { at, life, to, arrived } => {
                self.on_snapshot_fate(at, life, to, arrived);
            }
            Event::Admit { to, asker, term, roster } => self.on_admit((to, roster), asker, term),
            Event::Admitted { asker, node, term, taken } => {
                self.on_admitted(asker, node, (term, taken));
            }
            Event::LogOpen(id, life, opening) => self.on_log_open(id, life, opening),
            Event::LogClosed(id, life) => self.on_log_closed(id, life),
            Event::Up { wire, said } => self.on_up(wire, said),
            Event::Down { wire, said } => self.on_down(wire, said),
            Event::Broken { wire, at, life } => self.on_broken(wire, at, life),
            Event::Work { node, life, name } => self.on_work(node, life, name),
            Event::Ask { job, wish } => self.on_ask(job, wish),
            Event::Asked { to, job, wish } => self.on_asked(to, job, wish),
            Event::Answer { job, wish } => self.on_answer(job, wish),
            Event::Crash => self.on_crash(),
            Event::PowerCut => self.on_power_cut(),
            Event::Start(id) => self.start(id),
            Event::Pause => self.on_pause(),
            Event::Cut => self.on_cut(),
            Event::Heal => self.on_heal(),
            Event::Drop => self.on_drop(),
            Event::Operate(operation) => self.on_operation(operation),
            Event::Calm => self.on_calm(),
            Event::Abandon => self.on_abandon(),
        }
    }

    /// The run is over some time after all jobs are, or when they should have been.
    fn is_over(&mut self) -> bool {
        if self.events > EVENTS_MAX {
            self.violate("the run does not end");
        }
        if self.violation.is_some() {
            return true;
        }
        let last = self.plan.operations.last().map_or(0, |(at, _)| *at);
        if self.done_since.is_none() && self.calm && self.all_done() && self.now > last {
            self.done_since = Some(self.now);
            self.note(format_args!("all jobs are over"));
        }
        match self.done_since {
            Some(since) if self.now > since + AFTERMATH => {
                self.check_the_end();
                true
            }
            None if self.now > self.plan.calm_at + LIVENESS_MAX => {
                let words = self.what_hangs();
                self.violate(format!("LIVE: {words}"));
                true
            }
            _ => false,
        }
    }
}

struct Trace {
    hash: u64,
    show: bool,
}

impl Trace {
    fn line(&mut self, now: Time, line: fmt::Arguments<'_>) {
        write!(self, "{now} {line}").expect("hashing does not fail");
        if self.show {
            show(now, line);
        }
    }
}

/// Whoever reads may have read enough.
fn show(now: Time, line: fmt::Arguments<'_>) {
    let (seconds, rest) = (now / 1_000, now % 1_000);
    drop(io::Write::write_fmt(&mut io::stdout(), format_args!("{seconds:>8}.{rest:03} {line}\n")));
}

impl fmt::Write for Trace {
    /// FNV-1a: it tells two runs apart, and nobody has a reason to forge it.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
