//! The member's side: attends, takes leases, reports, and holds moments.

use std::collections::BTreeMap;

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{Digest, JobId, NodeId};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::story::AttemptFacts;
use fruitnode_coordinator::task::{Task, TaskResult};
use fruitnode_coordinator::tree::TreeNode;

use crate::bug::Bug;
use crate::events::{Down, Event, Key, Lease, Life, StreamId, Up};
use crate::plan::Time;
use crate::world::World;

/// Time between two beats.
const BEAT: Time = 1_000;
/// Time after which whoever has not welcomed is given up.
const WELCOME_MAX: Time = 3_000;
/// What a slow task takes longer.
const SLOW_MAX: Time = 150_000;

/// What one process of a node remembers.
#[derive(Default)]
pub(crate) struct Member {
    pub(crate) stream: Option<StreamId>,
    pub(crate) welcomed: bool,
    pub(crate) running: BTreeMap<Key, Running>,
    pub(crate) held: BTreeMap<(JobId, TreeNode), Digest>,
    /// Reports of attempts that may not have been heard of.
    pub(crate) done: BTreeMap<Key, Command>,
    opened_at: Time,
    hint: Option<NodeId>,
    term: u64,
}

/// An attempt that is under way.
pub(crate) struct Running {
    pub(crate) lease: Lease,
    pub(crate) stage: u32,
    pub(crate) fails: Option<FailureReason>,
    /// What the node says of it: how often it has, while the task does not hang.
    progress: u64,
    hangs: bool,
}

impl World {
    pub(crate) fn on_seek(&mut self, id: NodeId, life: Life) {
        if !self.lives(id, life) {
            return;
        }
        let now = self.now;
        let member = &mut self.node(id).member;
        if let Some(stream) = member.stream {
            if member.welcomed || now < member.opened_at + WELCOME_MAX {
                return;
            }
            self.break_stream(stream);
        }
        let all: Vec<_> = self.nodes.keys().copied().collect();
        let anybody = self.dice.pick(&all);
        let whom = self.node(id).member.hint.take().unwrap_or(anybody);
        let stream = self.open(id, whom);
        let incarnation = id.0 * 1_000 + life;
        let slots = self.plan.slots;
        let member = &mut self.node(id).member;
        (member.stream, member.welcomed, member.opened_at) = (Some(stream), false, now);
        self.say_up(stream, Up::Hello { incarnation, slots });
        self.schedule(WELCOME_MAX, Event::Seek(id, life));
    }

    pub(crate) fn on_beat(&mut self, id: NodeId, life: Life) {
        if self.lives(id, life) {
            self.schedule(BEAT, Event::Beat(id, life));
            let running = self.node(id).member.running.iter_mut().map(|(key, running)| {
                running.progress += u64::from(!running.hangs);
                (key.clone(), running.progress)
            });
            let running = running.collect();
            self.report(id, Up::Beat(running));
        }
    }

    /// Says something, if there is somebody to hear it.
    fn report(&mut self, id: NodeId, said: Up) {
        let member = &self.node(id).member;
        if let Some(stream) = member.stream.filter(|_| member.welcomed) {
            self.say_up(stream, said);
        }
    }

    pub(crate) fn on_down(&mut self, stream: StreamId, said: Down) {
        let Some((id, _)) = self.ends(stream) else {
            return;
        };
        if self.node(id).member.stream != Some(stream) || self.is_stale(id, &said) {
            return;
        }
        match said {
            Down::Elsewhere { hint } => {
                self.break_stream(stream);
                let life = self.node(id).life;
                let member = &mut self.node(id).member;
                (member.stream, member.hint) = (None, hint);
                let after = self.dice.between(100, 500);
                self.schedule(after, Event::Seek(id, life));
            }
            Down::Welcome { term, attempts, held } => {
                self.node(id).member.term = term;
                self.on_welcome(id, &attempts, &held);
            }
            Down::Lease(lease) => self.on_lease(id, *lease),
            Down::Cancel { key, .. } => {
                let member = &mut self.node(id).member;
                member.running.remove(&key);
                member.done.remove(&key);
            }
            Down::GiveUp { key, .. } => self.give_up(id, &key),
            Down::Release { job, tree_node, .. } => {
                self.node(id).member.held.remove(&(job, tree_node));
            }
            Down::Forget { job } => {
                let member = &mut self.node(id).member;
                member.running.retain(|key, _| key.0 != job);
                member.done.retain(|key, _| key.0 != job);
                member.held.retain(|held, _| held.0 != job);
            }
        }
    }

    /// What a coordinator of the past says is not heeded.
    fn is_stale(&mut self, id: NodeId, said: &Down) -> bool {
        let term = match said {
            Down::Welcome { term, .. } | Down::Cancel { term, .. } => *term,
            Down::Release { term, .. } | Down::GiveUp { term, .. } => *term,
            Down::Lease(lease) => lease.term,
            Down::Elsewhere { .. } | Down::Forget { .. } => return false,
        };
        term < self.node(id).member.term && !self.has(Bug::DeposedLeader)
    }

    /// What is not named is void; what is named and not there is said to be gone.
    fn on_welcome(&mut self, id: NodeId, attempts: &[Key], held: &[(JobId, TreeNode)]) {
        let (silent, stale) = (self.has(Bug::DropSilently), self.has(Bug::AcceptStale));
        let member = &mut self.node(id).member;
        member.welcomed = true;
        let void = member.running.keys().filter(|key| !attempts.contains(key)).count();
        member.running.retain(|key, _| stale || attempts.contains(key));
        member.done.retain(|key, _| stale || attempts.contains(key));
        let made: Vec<_> = member.done.keys().filter_map(product).collect();
        member.held.retain(|name, _| held.contains(name) || made.contains(name));
        let again: Vec<_> = member.done.values().cloned().collect();
        // Moments that an unheard-of report promises may have been let go of since.
        let named = held.iter().chain(&made);
        let gone: Vec<_> = named.filter(|name| !member.held.contains_key(name)).cloned().collect();
        if void > 0 {
            self.count("attempt void at the welcome");
        }
        for report in again {
            self.report(id, Up::Report(report));
        }
        for (job, tree_node) in gone.into_iter().filter(|_| !silent) {
            self.report(id, Up::Report(Command::DropMoments { job, tree_node, node: id }));
        }
    }

    fn on_lease(&mut self, id: NodeId, lease: Lease) {
        let member = &self.node(id).member;
        if let Some(report) = member.done.get(&lease.key).cloned() {
            self.report(id, Up::Report(report));
            return;
        }
        if member.running.contains_key(&lease.key) {
            return;
        }
        let (life, key) = (self.node(id).life, lease.key.clone());
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
        let running = Running { lease, stage: 0, fails, progress: 0, hangs };
        self.node(id).member.running.insert(key.clone(), running);
        if hangs {
            self.count("task that hung");
        } else {
            self.schedule(takes, Event::Work { node: id, life, key });
        }
    }

    /// Ends what makes no progress, or says again how it ended.
    fn give_up(&mut self, id: NodeId, key: &Key) {
        match self.node(id).member.done.get(key).cloned() {
            Some(report) => self.report(id, Up::Report(report)),
            None => {
                self.count("task given up");
                self.failed(id, key, FailureReason::Stalled);
            }
        }
    }

    pub(crate) fn done(&mut self, id: NodeId, key: &Key, result: TaskResult) {
        let (job, task, attempt) = key.clone();
        let facts = AttemptFacts::default();
        let report = Command::Accept { job, task, attempt, result, facts };
        self.end_attempt(id, key, report);
    }

    pub(crate) fn failed(&mut self, id: NodeId, key: &Key, reason: FailureReason) {
        let (job, task, attempt) = key.clone();
        let (detail, facts) = ("as planned".to_owned(), AttemptFacts::default());
        self.end_attempt(id, key, Command::Fail { job, task, attempt, reason, detail, facts });
    }

    fn end_attempt(&mut self, id: NodeId, key: &Key, report: Command) {
        let member = &mut self.node(id).member;
        member.running.remove(key);
        member.done.insert(key.clone(), report.clone());
        self.report(id, Up::Report(report));
    }

    /// Some node lets go of something that it holds.
    pub(crate) fn on_drop(&mut self) {
        let holders: Vec<_> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.up && !node.member.held.is_empty())
            .map(|(id, _)| *id)
            .collect();
        let number = self.dice.below(1 << 32);
        if !holders.is_empty() {
            let id = self.dice.pick(&holders);
            let held = &mut self.node(id).member.held;
            let at = number as usize % held.len();
            if let Some(name) = held.keys().nth(at).cloned() {
                held.remove(&name);
                let (job, tree_node) = name;
                self.note(format_args!("{id} lets go of {job} {tree_node}"));
                self.count("moments let go of");
                let dropped = Command::DropMoments { job, tree_node, node: id };
                self.report(id, Up::Report(dropped));
            }
        }
        self.schedule_around(self.plan.drop_mean, Event::Drop);
    }
}

/// The moments that an attempt leaves in its node's memory.
fn product(key: &Key) -> Option<(JobId, TreeNode)> {
    let tree_node = match key.1 {
        Task::Extract(partition) | Task::Remake(partition) => TreeNode::leaf(partition.0),
        Task::Merge(tree_node) | Task::Rebuild(tree_node) => tree_node,
        Task::List | Task::ListRange(_) | Task::Gather => return None,
        Task::Fit | Task::Project(_) | Task::Publish => return None,
    };
    Some((key.0.clone(), tree_node))
}
