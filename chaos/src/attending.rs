//! Around a member's machine and its worker's: streams, attempts and moments.

use std::collections::BTreeSet;

use fruitnode_coordinator::control::leader::Refusal;
use fruitnode_coordinator::control::member::{Input, Output, Standing, Turned};
use fruitnode_coordinator::control::message::{FromMember, Hello, Lease, Report};
use fruitnode_coordinator::control::{voter, worker};
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::leases::LeaseName;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::story::AttemptFacts;
use fruitnode_coordinator::task::TaskResult;

use crate::book::Book;
use crate::bug::Bug;
use crate::events::{Down, Event, Life, Up, Wire};
use crate::leading::{address, storage};
use crate::node::Running;
use crate::within::Mistake;
use crate::world::World;

/// When a process is started again that was told to end, milliseconds.
const RESTART_AFTER: u64 = 1_000;

/// What a slow task takes longer, milliseconds.
const SLOW_MAX: u64 = 150_000;

impl World {
    pub(crate) fn member_tick(&mut self, id: NodeId) {
        let Some(process) = &mut self.node(id).process else { return };
        for running in process.running.values_mut() {
            running.progress += u64::from(!running.hangs);
        }
        let idle = process.running.is_empty() && process.outbox.is_empty();
        self.member_step(id, Input::Tick { idle });
    }

    pub(crate) fn member_step(&mut self, id: NodeId, input: Input) {
        let node = self.node(id);
        let Some(process) = &mut node.process else { return };
        let outputs = process.step_member(&node.book, input);
        for output in outputs {
            self.do_for_member(id, output);
        }
        self.hand_on(id);
    }

    fn do_for_member(&mut self, id: NodeId, output: Output) {
        match output {
            Output::Open(stream, to) => {
                let wire = self.open(id, stream, to);
                let Some(process) = &mut self.node(id).process else { return };
                process.wires.insert(stream, wire);
                let hello = self.hello(id);
                self.say_up(wire, Up::Hello(hello));
            }
            Output::Close(stream) => {
                let Some(process) = &mut self.node(id).process else { return };
                if let Some(wire) = process.wires.remove(&stream) {
                    self.break_wire(wire);
                }
            }
            Output::Say(stream, said) => self.say_on(id, stream, said),
            Output::Beat(stream) => {
                let Some(process) = &self.node(id).process else { return };
                let running = process.running.iter();
                let running = running.map(|(name, at)| (name.clone(), at.progress)).collect();
                self.say_on(id, stream, FromMember::Beat(running));
            }
            Output::Order(order) => self.worker_step(id, worker::Input::Order(*order)),
            Output::Roster(roster) => self.hear(id, Book::from(&*roster)),
            Output::Standing(standing) => self.stands(id, standing),
        }
    }

    fn say_on(
        &mut self,
        id: NodeId,
        stream: fruitnode_coordinator::control::message::StreamId,
        said: FromMember,
    ) {
        let process = self.node(id).process.as_ref();
        if let Some(wire) = process.and_then(|process| process.wires.get(&stream).copied()) {
            self.say_up(wire, Up::Said(said));
        }
    }

    fn hello(&mut self, id: NodeId) -> Hello {
        let (life, mistake) = (self.node(id).life, self.node(id).mistake);
        let starts = match mistake {
            Some(Mistake::OldCopy) => life.saturating_sub(2).max(1),
            _ => life,
        };
        let mut storage = storage(id.0);
        if mistake == Some(Mistake::OtherStore) {
            storage.push_str("-of-others");
        }
        Hello {
            incarnation: id.0 * 1_000 + life,
            starts,
            slots: self.plan.slots,
            compute_class: "cpu".to_owned(),
            fit_class: "fit".to_owned(),
            address: address(id.0),
            storage,
            release: "0.1.0".to_owned(),
        }
    }

    fn stands(&mut self, id: NodeId, standing: Standing) {
        self.note(format_args!("{id} stands: {standing:?}"));
        let (is_final, comes_back) = (standing.is_final(), standing == Standing::Left);
        if let Some(process) = &mut self.node(id).process {
            process.standing = standing;
        }
        if is_final {
            self.count("process that the cluster let go");
            match self.more.below(self.plan.within.end_max + 1) {
                0 => self.end(id, comes_back),
                after => {
                    let life = self.node(id).life;
                    self.schedule(after, Event::End(id, life, comes_back));
                }
            }
        }
    }

    pub(crate) fn on_end(&mut self, id: NodeId, life: Life, comes_back: bool) {
        if self.lives(id, life) {
            self.end(id, comes_back);
        }
    }

    /// A process ends in good order.
    fn end(&mut self, id: NodeId, comes_back: bool) {
        self.voter_step(id, voter::Input::Stop);
        self.crash(id);
        // One that was only told to end is started again some day, and so is one whose people see
        // what they have mixed up.
        let node = self.node(id);
        let comes_back = node.mistake.take().is_some() || comes_back;
        (node.buried, node.gone) = (!comes_back, !comes_back);
        if comes_back {
            self.schedule(RESTART_AFTER, Event::Start(id));
        }
    }

    /// Takes note of who there is. Streams of those that were removed end.
    pub(crate) fn hear(&mut self, id: NodeId, book: Book) {
        self.node(id).book.take(book);
        let removed = self.node(id).book.removed.clone();
        let wires = self.wires.iter().filter(|(_, wire)| {
            !wire.broken && wire.leader.0 == id && removed.contains(&wire.member.0)
        });
        for wire in wires.map(|(wire, _)| *wire).collect::<Vec<_>>() {
            self.refuse(wire, Refusal::NoMember);
        }
    }

    /// The last word on a stream.
    fn refuse(&mut self, wire: Wire, refusal: Refusal) {
        self.say_down(wire, Down::Refused(refusal));
    }

    pub(crate) fn on_down(&mut self, wire: Wire, said: Down) {
        let Some((id, _)) = self.ends(wire) else {
            return;
        };
        let Some(stream) = self.wires.get(&wire).map(|wire| wire.stream) else { return };
        match said {
            Down::Taken => self.tell_member(id, Input::Opened(stream)),
            Down::Said(message) => self.tell_member(id, Input::Said(stream, message)),
            Down::Refused(refusal) => {
                self.break_wire(wire);
                self.tell_member(id, Input::Ended(stream, turned(refusal)));
            }
        }
    }

    /// Leaves something that came on a stream in the mailbox of the member's actor, which may have
    /// given up the stream when it turns to it.
    pub(crate) fn tell_member(&mut self, id: NodeId, input: Input) {
        if self.plan.within.inbox_max == 0 {
            return self.member_step(id, input);
        }
        let after = self.more.below(self.plan.within.inbox_max);
        let life = self.node(id).life;
        let Some(process) = &mut self.node(id).process else { return };
        process.inbox.push_back(input);
        if process.inbox.len() == 1 {
            self.schedule(after, Event::Inbox(id, life));
        }
    }

    pub(crate) fn on_inbox(&mut self, id: NodeId, life: Life) {
        while self.lives(id, life) {
            let Some(process) = &mut self.node(id).process else { return };
            let Some(input) = process.inbox.pop_front() else { return };
            self.member_step(id, input);
        }
    }

    pub(crate) fn worker_step(&mut self, id: NodeId, input: worker::Input) {
        let reconciles = matches!(
            input,
            worker::Input::Order(fruitnode_coordinator::control::message::Order::Reconcile { .. })
        );
        let Some(process) = &mut self.node(id).process else { return };
        let held = &process.held;
        let outputs = process.attempts.step(id, &|name| held.contains_key(name), input);
        for output in outputs {
            self.do_for_worker(id, output, reconciles);
        }
        self.hand_on(id);
    }

    fn do_for_worker(&mut self, id: NodeId, output: worker::Output, reconciles: bool) {
        let (silent, stale) = (self.has(Bug::DropSilently), self.has(Bug::AcceptStale));
        let Some(process) = &mut self.node(id).process else { return };
        match output {
            worker::Output::Begin(lease) => self.begin_work(id, *lease),
            worker::Output::Abort(name) => match process.running.get_mut(&name) {
                Some(running) if stale && reconciles => running.void = true,
                _ => drop(process.running.remove(&name)),
            },
            worker::Output::Report(Report::Dropped(_)) if silent && reconciles => {}
            worker::Output::Report(report) => process.outbox.push_back(report),
            worker::Output::ForgetReports => process.outbox.clear(),
            worker::Output::Release(name) => drop(process.held.remove(&name)),
            worker::Output::Keep(kept) => process.held.retain(|name, _| kept.contains(name)),
            worker::Output::Forget(job) => process.held.retain(|(of, _), _| *of != job),
            worker::Output::GivenUp(_) => self.count("task given up"),
            worker::Output::KeepJobs(_) | worker::Output::Abandon { .. } => {}
        }
    }

    /// Reports go to the leader, while one has greeted the node.
    fn hand_on(&mut self, id: NodeId) {
        loop {
            let Some(process) = &mut self.node(id).process else { return };
            if !process.member.takes_reports() {
                return;
            }
            let Some(report) = process.outbox.pop_front() else { return };
            let node = self.node(id);
            let Some(process) = &mut node.process else { return };
            let outputs = process.step_member(&node.book, Input::Report(report));
            outputs.into_iter().for_each(|output| self.do_for_member(id, output));
        }
    }

    fn begin_work(&mut self, id: NodeId, lease: Lease) {
        let (life, name) = (self.node(id).life, lease.name());
        let task_max = self.plan.task_max.max(2);
        let mut takes = self.dice.between(1, task_max);
        let (slow, hangs) = (self.plan.task_slow, self.plan.task_hangs);
        if self.dice.chance(slow) {
            takes += self.dice.between(SLOW_MAX / 5, SLOW_MAX);
            self.count("task that was slow");
        }
        let hangs = self.dice.chance(hangs);
        let fails = self.dice.chance(self.plan.task_fails).then(|| {
            let reasons = [FailureReason::Panic, FailureReason::StorageUnavailable];
            self.dice.pick(&reasons)
        });
        let running = Running { lease, stage: 0, fails, progress: 0, hangs, void: false };
        if let Some(process) = &mut self.node(id).process {
            process.running.insert(name.clone(), running);
        }
        self.check_room(id);
        if hangs {
            self.count("task that hung");
            if self.more.chance(self.plan.within.hang_ends) {
                let after = self.more.between(29_000, 34_000);
                self.schedule(after, Event::Work { node: id, life, name });
            }
        } else {
            self.schedule(takes, Event::Work { node: id, life, name });
        }
    }

    pub(crate) fn done(&mut self, id: NodeId, name: &LeaseName, result: TaskResult) {
        let (name, facts) = (name.clone(), AttemptFacts::default());
        self.end_attempt(id, Report::Done { name, result, facts });
    }

    pub(crate) fn failed(&mut self, id: NodeId, name: &LeaseName, reason: FailureReason) {
        self.failed_with(id, name, (reason, AttemptFacts::default()));
    }

    pub(crate) fn failed_with(
        &mut self,
        id: NodeId,
        name: &LeaseName,
        (reason, facts): (FailureReason, AttemptFacts),
    ) {
        let (name, detail) = (name.clone(), "as planned".to_owned());
        self.end_attempt(id, Report::Failed { name, reason, detail, facts });
    }

    fn end_attempt(&mut self, id: NodeId, report: Report) {
        let (Report::Done { name, .. } | Report::Failed { name, .. }) = &report else { return };
        let Some(process) = &mut self.node(id).process else { return };
        let running = process.running.remove(name);
        if running.is_some_and(|running| running.void) {
            process.outbox.push_back(report);
            self.hand_on(id);
            return;
        }
        self.worker_step(id, worker::Input::Ended(report));
    }

    /// Some node lets go of something that it holds.
    pub(crate) fn on_drop(&mut self) {
        let holds = |node: &crate::node::Node| {
            node.process.as_ref().is_some_and(|process| !process.held.is_empty())
        };
        let holders = self.nodes.iter().filter(|(_, node)| holds(node));
        let holders: Vec<_> = holders.map(|(id, _)| *id).collect();
        let number = self.dice.below(1 << 32);
        if !holders.is_empty() {
            let id = self.dice.pick(&holders);
            let Some(process) = &mut self.node(id).process else { return };
            let at = number as usize % process.held.len();
            if let Some(name) = process.held.keys().nth(at).cloned() {
                process.held.remove(&name);
                self.note(format_args!("{id} lets go of {} {}", name.0, name.1));
                self.count("moments let go of");
                self.worker_step(id, worker::Input::Dropped(BTreeSet::from([name])));
            }
        }
        self.schedule_around(self.plan.drop_mean, Event::Drop);
    }
}

/// What a refusal means to the member.
fn turned(refusal: Refusal) -> Turned {
    match refusal {
        Refusal::NotLeader(leader) => Turned::NotLeader(leader),
        Refusal::NoMember => Turned::Denied("it is no member any more".to_owned()),
        Refusal::OtherStore => Turned::Denied("it comes back with another store".to_owned()),
        Refusal::OldCopy => Turned::Denied("its folder is an old copy".to_owned()),
        Refusal::Twin => Turned::Twin("another process is this node".to_owned()),
    }
}
