//! Takes leases and carries them out, each in a task of its own. The actor itself only starts,
//! stops, reports and lets go, so that its mailbox is always emptied at once.
//!
//! A report may be lost with the coordinator it was sent to. So each is kept until the coordinator
//! says what it believes ([`ToWorker::Reconcile`]), and is sent again if it still waits for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use fruitnode_coordinator::ids::{Attempt, JobId};
use fruitnode_coordinator::job::JobSpec;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::task::{Task, TaskResult};
use fruitnode_coordinator::tree::TreeNode;
use tokio::sync::{OnceCell, mpsc};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use crate::actors::messages::{Report, ToWorker};
use crate::actors::spawn::spawn;
use crate::env::Moment;
use crate::failure::Failure;
use crate::tasks::meter::measured;
use crate::tasks::{self, AttemptFacts, JobContext, Lease, NodeContext};

/// Messages that wait for a worker.
pub const MAILBOX_MESSAGES_MAX: usize = 256;

/// Reports that wait for whoever hands them on.
pub const MAILBOX_REPORTS_MAX: usize = 256;

/// Reports kept for a coordinator that did not hear them. Of an attempt whose report is no longer
/// kept the lease is carried out again.
const REPORTS_KEPT_MAX: usize = 1_024;

type Key = (JobId, Task, Attempt);

/// A job's context, opened by the first lease that comes so far. While it is being opened the other
/// leases wait; when that fails the next of them tries.
type Opening = Arc<OnceCell<Arc<JobContext>>>;

/// Starts the worker of a node. It stops when its mailbox is closed.
pub fn start(
    node: Arc<NodeContext>,
    reports: mpsc::Sender<Report>,
    inbox: mpsc::Receiver<ToWorker>,
) {
    let worker = Worker {
        node,
        running: JoinSet::new(),
        keys: BTreeMap::new(),
        jobs: BTreeMap::new(),
        ended: VecDeque::new(),
        outbox: VecDeque::new(),
    };
    spawn("worker", worker.run(reports, inbox));
}

struct Worker {
    node: Arc<NodeContext>,
    running: JoinSet<Report>,
    keys: BTreeMap<Key, AbortHandle>,
    jobs: BTreeMap<JobId, Opening>,
    /// Reports that nobody acknowledged, the oldest first.
    ended: VecDeque<(Key, Report)>,
    /// Reports that wait for their turn.
    outbox: VecDeque<Report>,
}

impl Worker {
    async fn run(mut self, reports: mpsc::Sender<Report>, mut inbox: mpsc::Receiver<ToWorker>) {
        let node = Arc::clone(&self.node);
        loop {
            tokio::select! {
                biased;
                Some(ended) = self.running.join_next_with_id() => self.ended(ended),
                message = inbox.recv() => match message {
                    Some(message) => self.receive(message),
                    None => return,
                },
                () = node.moments.dropped() => self.tell_dropped(),
                Ok(turn) = reports.reserve(), if !self.outbox.is_empty() => {
                    if let Some(report) = self.outbox.pop_front() {
                        turn.send(report);
                    }
                }
            }
        }
    }

    fn receive(&mut self, message: ToWorker) {
        match message {
            ToWorker::Start(lease) => self.begin(*lease),
            ToWorker::Cancel { job, task, attempt } => self.cancel(&(job, task, attempt)),
            ToWorker::GiveUp { job, task, attempt } => self.give_up((job, task, attempt)),
            ToWorker::Release { job, tree_node } => self.node.moments.release(&job, tree_node),
            ToWorker::Forget { job } => self.forget(&job),
            ToWorker::Abandon { job, spec } => {
                self.forget(&job);
                spawn("abandon", abandon(Arc::clone(&self.node), job, spec));
            }
            ToWorker::Reconcile { attempts, held } => self.reconcile(&attempts, &held),
        }
    }

    /// Begins a lease, unless it was begun before. Nothing is waited for here, the opening of its
    /// job included.
    fn begin(&mut self, lease: Lease) {
        let key = (lease.job.clone(), lease.task, lease.attempt);
        if self.keys.contains_key(&key) || self.ended.iter().any(|(ended, _)| *ended == key) {
            return;
        }
        let opening = Arc::clone(self.jobs.entry(lease.job.clone()).or_default());
        let handle = self.running.spawn(carry_out(Arc::clone(&self.node), opening, lease));
        self.keys.insert(key, handle);
    }

    fn cancel(&mut self, key: &Key) {
        if let Some(running) = self.keys.remove(key) {
            running.abort();
        }
        self.ended.retain(|(ended, _)| ended != key);
        // What it held is held for nobody, unless another attempt holds it too.
        if let Some(made) = made_by(key.1)
            && !self.attempts().any(|(job, task, _)| *job == key.0 && made_by(*task) == Some(made))
        {
            self.node.moments.release(&key.0, made);
        }
    }

    /// Ends an attempt that makes no progress, so that its task can be offered anew. One whose end
    /// was reported already is reported again: it was not heard.
    fn give_up(&mut self, key: Key) {
        if let Some((_, report)) = self.ended.iter().find(|(ended, _)| *ended == key) {
            self.outbox.push_back(report.clone());
            return;
        }
        self.cancel(&key);
        let (job, task, attempt) = key.clone();
        tracing::warn!(%job, %task, %attempt, "an attempt made no progress and is given up");
        let words = format!("{task} made no progress on {} and was given up", self.node.id);
        let failure = Failure::new(FailureReason::Stalled, words);
        self.node.story.ended(self.node.id, (task, attempt), Moment::now(), Some(&failure));
        let facts = AttemptFacts::default();
        let report = Report::Failed { job, task, attempt, failure, facts };
        self.keep(key, report);
    }

    /// Reports the end of an attempt, and keeps the report until it is known to be heard.
    fn keep(&mut self, key: Key, report: Report) {
        self.outbox.push_back(report.clone());
        self.ended.push_back((key, report));
        if self.ended.len() > REPORTS_KEPT_MAX {
            self.ended.pop_front();
        }
    }

    fn forget(&mut self, job: &JobId) {
        self.keys.retain(|(of, _, _), running| {
            if of == job {
                running.abort();
            }
            of != job
        });
        self.ended.retain(|((of, _, _), _)| of != job);
        self.jobs.remove(job);
        self.node.moments.forget(job);
        self.node.rows.end(job);
    }

    /// Lets go of whatever the coordinator does not name, and tells it again what it did not hear.
    fn reconcile(&mut self, attempts: &BTreeSet<Key>, held: &BTreeSet<(JobId, TreeNode)>) {
        self.keys.retain(|key, running| {
            let wanted = attempts.contains(key);
            if !wanted {
                running.abort();
            }
            wanted
        });
        self.ended.retain(|(key, _)| attempts.contains(key));
        let made: BTreeSet<(JobId, TreeNode)> = self
            .attempts()
            .filter_map(|(job, task, _)| Some((job.clone(), made_by(*task)?)))
            .collect();
        let moments = &self.node.moments;
        moments.keep(|job, tree_node| {
            let name = (job.clone(), tree_node);
            held.contains(&name) || made.contains(&name)
        });
        let named: BTreeSet<&JobId> =
            attempts.iter().map(|key| &key.0).chain(held.iter().map(|(job, _)| job)).collect();
        self.jobs.retain(|job, _| named.contains(job));
        // Nothing older is of use: what was dropped is not held, and what ended is said again.
        moments.take_dropped();
        self.outbox = self.ended.iter().map(|(_, report)| report.clone()).collect();
        let said = self.ended.iter().filter_map(|(_, report)| claims(report));
        let believed = held.iter().cloned().chain(said);
        let lost = believed.filter(|(job, tree_node)| !moments.holds(job, *tree_node));
        let lost: Vec<Report> =
            lost.map(|(job, tree_node)| Report::Dropped { job, tree_node }).collect();
        self.outbox.extend(lost);
    }

    /// Attempts that run here or whose end is kept.
    fn attempts(&self) -> impl Iterator<Item = &Key> {
        self.keys.keys().chain(self.ended.iter().map(|(key, _)| key))
    }

    fn tell_dropped(&mut self) {
        let dropped = self.node.moments.take_dropped().into_iter();
        self.outbox.extend(dropped.map(|(job, tree_node)| Report::Dropped { job, tree_node }));
    }

    fn ended(&mut self, ended: Result<(Id, Report), JoinError>) {
        let (id, ended) = match ended {
            Ok((id, report)) => (id, Ok(report)),
            Err(error) => (error.id(), Err(error)),
        };
        // One that was called back is no longer here, whatever became of it.
        let found = self.keys.iter().find(|(_, run)| run.id() == id);
        let Some(key) = found.map(|(key, _)| key.clone()) else { return };
        self.keys.remove(&key);
        let report = match ended {
            Ok(report) => report,
            Err(error) if error.is_panic() => self.panicked(&key),
            Err(_) => return,
        };
        // What it found missing is told before that it failed.
        self.tell_dropped();
        self.keep(key, report);
    }

    fn panicked(&self, (job, task, attempt): &Key) -> Report {
        let words = format!("{task} panicked; this is a bug in fruitnode: report it");
        let failure = Failure::new(FailureReason::Panic, words);
        self.node.story.ended(self.node.id, (*task, *attempt), Moment::now(), Some(&failure));
        let facts = AttemptFacts::default();
        Report::Failed { job: job.clone(), task: *task, attempt: *attempt, failure, facts }
    }
}

/// Opens the job of a lease, if nobody has, and does what it asks for.
async fn carry_out(node: Arc<NodeContext>, opening: Opening, lease: Lease) -> Report {
    let began = Moment::now();
    let (job, task, attempt) = (lease.job.clone(), lease.task, lease.attempt);
    let name = (job.clone(), task, attempt);
    let (outcome, facts) = measured(&node.running, name, async {
        let opened = opening.get_or_try_init(|| Box::pin(node.open(&lease))).await;
        let context = Arc::clone(opened?);
        tasks::carry_out(&node, &context, lease).await
    })
    .await;
    node.story.ended(node.id, (task, attempt), began, outcome.as_ref().err());
    match outcome {
        Ok(result) => Report::Done { job, task, attempt, result, facts },
        Err(failure) => {
            let (code, words) = (failure.reason.code(), &failure.words);
            tracing::warn!(%job, %task, %attempt, code, words, "attempt failed");
            Report::Failed { job, task, attempt, failure, facts }
        }
    }
}

async fn abandon(node: Arc<NodeContext>, job: JobId, spec: Box<JobSpec>) {
    match tasks::abandon(&node, &job, &spec).await {
        Ok(()) => tracing::info!(%job, "cleared away what the job left"),
        Err(failure) => {
            let (code, words) = (failure.reason.code(), failure.words);
            tracing::warn!(%job, code, words, "what the job left could not be cleared away");
        }
    }
}

/// The moments that a task leaves in the memory of its node.
fn made_by(task: Task) -> Option<TreeNode> {
    match task {
        Task::Extract(partition) | Task::Remake(partition) => Some(TreeNode::leaf(partition.0)),
        Task::Merge(tree_node) | Task::Rebuild(tree_node) => Some(tree_node),
        Task::List | Task::ListRange(_) | Task::Gather => None,
        Task::Fit | Task::Project(_) | Task::Publish => None,
    }
}

/// The moments that are held, by a report.
fn claims(report: &Report) -> Option<(JobId, TreeNode)> {
    let Report::Done { job, task, result, .. } = report else { return None };
    let holds = match result {
        TaskResult::Extracted { moments, .. } => moments.is_some(),
        TaskResult::Held { .. } => true,
        _ => false,
    };
    holds.then(|| Some((job.clone(), made_by(*task)?))).flatten()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use fruitnode_coordinator::ids::{Digest, NodeId, PartitionId};
    use fruitnode_coordinator::task::Inputs;

    use super::*;
    use crate::story::Story;
    use crate::tasks::NodeOptions;

    fn job(name: &str) -> JobId {
        JobId(name.to_owned())
    }

    /// A lease whose job cannot be opened.
    fn lease(name: &str, attempt: u32) -> Lease {
        let spec = JobSpec {
            from: "from".to_owned(),
            to: "to".to_owned(),
            rows_per_part: 1,
            pca: false,
            given_fit: false,
            compute_class: String::new(),
            fit_class: String::new(),
            max_bad: None,
            options: b"no options".to_vec(),
        };
        let (task, inputs) = (Task::List, Inputs::List);
        Lease { job: job(name), spec, task, attempt: Attempt(attempt), inputs }
    }

    struct Member {
        node: Arc<NodeContext>,
        orders: mpsc::Sender<ToWorker>,
        reports: mpsc::Receiver<Report>,
    }

    impl Member {
        fn start() -> Self {
            let story = Arc::new(Story::begin(Moment::now(), 0));
            let options = NodeOptions { threads: NonZeroUsize::MIN, batch: NonZeroUsize::MIN };
            let node = NodeContext::start(NodeId(7), options, story).unwrap();
            let (node, (orders, inbox)) = (Arc::new(node), mpsc::channel(16));
            let (told, reports) = mpsc::channel(16);
            start(Arc::clone(&node), told, inbox);
            Self { node, orders, reports }
        }

        async fn order(&self, order: ToWorker) {
            self.orders.send(order).await.unwrap();
        }

        async fn reconcile(&self, attempts: &[(&str, u32)], held: &[(&str, u32)]) {
            let named = |(name, attempt): &(&str, u32)| (job(name), Task::List, Attempt(*attempt));
            let leaf = |(name, leaf): &(&str, u32)| (job(name), TreeNode::leaf(*leaf));
            let attempts = attempts.iter().map(named).collect();
            self.order(ToWorker::Reconcile { attempts, held: held.iter().map(leaf).collect() })
                .await;
        }

        async fn failed(&mut self) -> (String, u32) {
            match self.reports.recv().await.unwrap() {
                Report::Failed { job, attempt, .. } => (job.0, attempt.0),
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_report_that_was_lost_is_sent_again_if_it_is_still_waited_for() {
        let mut member = Member::start();
        for attempt in [1, 2] {
            member.order(ToWorker::Start(Box::new(lease("a", attempt)))).await;
            assert_eq!(member.failed().await, ("a".to_owned(), attempt));
        }
        member.reconcile(&[("a", 2)], &[]).await;
        assert_eq!(member.failed().await, ("a".to_owned(), 2));
        // The lease comes again after what the coordinator believes: it is not carried out again,
        // and the one that nobody waits for is forgotten.
        member.order(ToWorker::Start(Box::new(lease("a", 2)))).await;
        member.order(ToWorker::Start(Box::new(lease("a", 1)))).await;
        assert_eq!(member.failed().await, ("a".to_owned(), 1));
        let stages = member.node.story.stages();
        assert_eq!(stages["list"].failed, 3, "{stages:?}");
    }

    #[tokio::test]
    async fn what_is_to_be_given_up_is_reported_as_stalled_even_if_it_never_arrived() {
        let mut member = Member::start();
        let (task, attempt) = (Task::List, Attempt(4));
        let give_up = || ToWorker::GiveUp { job: job("a"), task, attempt };
        // The second time it is reported again: the first report may have been lost.
        for _ in 0..2 {
            member.order(give_up()).await;
            match member.reports.recv().await.unwrap() {
                Report::Failed { attempt: Attempt(4), failure, .. } => {
                    assert_eq!(failure.reason, FailureReason::Stalled);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn moments_that_nobody_believes_in_go_and_those_that_are_not_here_are_told() {
        use fruitnode_coordinator::moments::Moments;

        let mut member = Member::start();
        let hold = |name, leaf| {
            let moments = Moments::of_rows(&[1.0], 1);
            let held = &member.node.moments;
            assert!(held.hold_leaf(&job(name), 8, leaf, Digest::default(), moments));
        };
        hold("a", 0);
        hold("a", 1);
        hold("b", 0);
        member.reconcile(&[], &[("a", 0), ("a", 5)]).await;
        match member.reports.recv().await.unwrap() {
            Report::Dropped { job: of, tree_node } => {
                assert_eq!((of, tree_node), (job("a"), TreeNode::leaf(5)));
            }
            other => panic!("{other:?}"),
        }
        let holds = |name, leaf| member.node.moments.holds(&job(name), TreeNode::leaf(leaf));
        assert!(holds("a", 0) && !holds("a", 1) && !holds("b", 0));
    }

    #[test]
    fn what_a_report_claims_is_what_its_task_leaves_in_memory() {
        let done = |task, result| Report::Done {
            job: job("a"),
            task,
            attempt: Attempt(1),
            result,
            facts: AttemptFacts::default(),
        };
        let held = TaskResult::Held { digest: Digest::default() };
        let merge = TreeNode::Block { level: 1, index: 0 };
        assert_eq!(claims(&done(Task::Merge(merge), held)), Some((job("a"), merge)));
        let leaf = TreeNode::leaf(3);
        assert_eq!(claims(&done(Task::Remake(PartitionId(3)), held)), Some((job("a"), leaf)));
        let published = TaskResult::Published { digest: Digest::default() };
        assert_eq!(claims(&done(Task::Publish, published)), None);
    }
}
