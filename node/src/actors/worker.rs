//! Carries out what the worker's machine says: each lease in a task of its own. The actor itself
//! only starts, stops, reports and lets go, so that its mailbox is always emptied at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tokio::sync::{OnceCell, mpsc};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use fruitnode_coordinator::control::message::{MomentsName, Order, Report};
use fruitnode_coordinator::control::worker::{Attempts, Input, Output};
use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::JobId;
use fruitnode_coordinator::leases::LeaseName;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_env::Moment;

use crate::actors::spawn::spawn;
use crate::tasks::meter::measured;
use crate::tasks::{self, AttemptFacts, JobContext, Lease, NodeContext};

/// Messages that wait for a worker.
pub(crate) const MAILBOX_MESSAGES_MAX: usize = 256;

/// Reports that wait for whoever hands them on.
pub(crate) const MAILBOX_REPORTS_MAX: usize = 256;

/// A job's context, opened by the first lease that comes so far. While it is being opened the other
/// leases wait; when that fails the next of them tries.
type Opening = Arc<OnceCell<Arc<JobContext>>>;

/// Starts the worker of a node. It stops when its mailbox is closed.
pub(crate) fn start(
    node: Arc<NodeContext>,
    reports: mpsc::Sender<Report>,
    inbox: mpsc::Receiver<Order>,
) {
    let worker = Worker {
        node,
        machine: Attempts::default(),
        running: JoinSet::new(),
        handles: BTreeMap::new(),
        jobs: BTreeMap::new(),
        outbox: VecDeque::new(),
    };
    spawn("worker", worker.run(reports, inbox));
}

struct Worker {
    node: Arc<NodeContext>,
    machine: Attempts,
    running: JoinSet<Report>,
    handles: BTreeMap<LeaseName, AbortHandle>,
    jobs: BTreeMap<JobId, Opening>,
    /// Reports that wait for their turn.
    outbox: VecDeque<Report>,
}

impl Worker {
    async fn run(mut self, reports: mpsc::Sender<Report>, mut inbox: mpsc::Receiver<Order>) {
        let node = Arc::clone(&self.node);
        loop {
            tokio::select! {
                biased;
                Some(ended) = self.running.join_next_with_id() => self.ended(ended),
                order = inbox.recv() => match order {
                    Some(order) => self.step(Input::Order(order)),
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

    fn step(&mut self, input: Input) {
        let node = Arc::clone(&self.node);
        let holds = |(job, tree_node): &MomentsName| node.moments.holds(job, *tree_node);
        for output in self.machine.step(node.id, &holds, input) {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Begin(lease) => self.begin(*lease),
            Output::Abort(name) => {
                if let Some(running) = self.handles.remove(&name) {
                    running.abort();
                }
            }
            Output::Report(report) => self.outbox.push_back(report),
            Output::ForgetReports => {
                self.node.moments.take_dropped();
                self.outbox.clear();
            }
            Output::Release((job, tree_node)) => self.node.moments.release(&job, tree_node),
            Output::Keep(kept) => self.keep_moments(&kept),
            Output::KeepJobs(jobs) => self.jobs.retain(|job, _| jobs.contains(job)),
            Output::Forget(job) => {
                self.jobs.remove(&job);
                self.node.moments.forget(&job);
                self.node.rows.end(&job);
            }
            Output::Abandon { job, spec } => {
                spawn("abandon", abandon(Arc::clone(&self.node), job, spec));
            }
            Output::GivenUp((job, task, attempt)) => {
                tracing::warn!(
                    %job, %task, %attempt,
                    "giving up an attempt that made no progress"
                );
                let words = format!("{task} made no progress on {} and was given up", self.node.id);
                let failure = Failure::new(FailureReason::Stalled, words);
                let (node, ended) = (self.node.id, Moment::now());
                self.node.story.ended(node, (task, attempt), ended, Some(&failure));
            }
        }
    }

    /// Begins a lease. Nothing is waited for here, the opening of its job included.
    fn begin(&mut self, lease: Lease) {
        let name = lease.name();
        let opening = Arc::clone(self.jobs.entry(lease.job.clone()).or_default());
        let handle = self.running.spawn(carry_out(Arc::clone(&self.node), opening, lease));
        self.handles.insert(name, handle);
    }

    fn keep_moments(&mut self, kept: &BTreeSet<MomentsName>) {
        self.node.moments.keep(|job, tree_node| kept.contains(&(job.clone(), tree_node)));
        // What goes now is not believed in.
        self.node.moments.take_dropped();
    }

    fn tell_dropped(&mut self) {
        let dropped = self.node.moments.take_dropped();
        self.step(Input::Dropped(dropped));
    }

    fn ended(&mut self, ended: Result<(Id, Report), JoinError>) {
        let (id, ended) = match ended {
            Ok((id, report)) => (id, Ok(report)),
            Err(error) => (error.id(), Err(error)),
        };
        // One that was called back is no longer here, whatever became of it.
        let found = self.handles.iter().find(|(_, run)| run.id() == id);
        let Some(name) = found.map(|(name, _)| name.clone()) else { return };
        self.handles.remove(&name);
        let report = match ended {
            Ok(report) => report,
            Err(error) if error.is_panic() => self.panicked(&name),
            Err(_) => return,
        };
        // What it found missing is told before that it failed.
        self.tell_dropped();
        self.step(Input::Ended(report));
    }

    fn panicked(&self, name: &LeaseName) -> Report {
        let (_, task, attempt) = name;
        let detail = format!("{task} panicked; this is a bug in fruitnode, please report it");
        let failure = Failure::new(FailureReason::Panic, detail.clone());
        self.node.story.ended(self.node.id, (*task, *attempt), Moment::now(), Some(&failure));
        let (reason, facts) = (FailureReason::Panic, AttemptFacts::default());
        Report::Failed { name: name.clone(), reason, detail, facts }
    }
}

/// Opens the job of a lease, if nobody has, and does what it asks for.
async fn carry_out(node: Arc<NodeContext>, opening: Opening, lease: Lease) -> Report {
    let (began, name) = (Moment::now(), lease.name());
    let (outcome, facts) = measured(&node.running, name.clone(), async {
        let opened = opening.get_or_try_init(|| Box::pin(node.open(&lease))).await;
        let context = Arc::clone(opened?);
        tasks::carry_out(&node, &context, lease).await
    })
    .await;
    let (job, task, attempt) = &name;
    node.story.ended(node.id, (*task, *attempt), began, outcome.as_ref().err());
    match outcome {
        Ok(result) => Report::Done { name, result, facts },
        Err(Failure { reason, words }) => {
            tracing::warn!(%job, %task, %attempt, code = reason.code(), words, "attempt failed");
            Report::Failed { name, reason, detail: words, facts }
        }
    }
}

async fn abandon(node: Arc<NodeContext>, job: JobId, spec: Box<JobSpec>) {
    match tasks::abandon(&node, &job, &spec).await {
        Ok(()) => tracing::info!(%job, "removed the leftovers of the job"),
        Err(failure) => {
            let (code, words) = (failure.reason.code(), failure.words);
            tracing::warn!(%job, code, words, "cannot remove the leftovers of the job");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use fruitnode_coordinator::ids::{Attempt, Digest, NodeId};
    use fruitnode_coordinator::inputs::Inputs;
    use fruitnode_coordinator::task::Task;
    use fruitnode_coordinator::tree::TreeNode;
    use fruitnode_result::story::Story;

    use super::*;
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
        orders: mpsc::Sender<Order>,
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

        async fn order(&self, order: Order) {
            self.orders.send(order).await.unwrap();
        }

        async fn reconcile(&self, attempts: &[(&str, u32)], held: &[(&str, u32)]) {
            let named = |(name, attempt): &(&str, u32)| (job(name), Task::List, Attempt(*attempt));
            let leaf = |(name, leaf): &(&str, u32)| (job(name), TreeNode::leaf(*leaf));
            let attempts = attempts.iter().map(named).collect();
            self.order(Order::Reconcile { attempts, held: held.iter().map(leaf).collect() }).await;
        }

        async fn failed(&mut self) -> (String, u32) {
            match self.reports.recv().await.unwrap() {
                Report::Failed { name: (job, _, attempt), .. } => (job.0, attempt.0),
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_report_that_was_lost_is_sent_again_if_it_is_still_waited_for() {
        let mut member = Member::start();
        for attempt in [1, 2] {
            member.order(Order::Start(Box::new(lease("a", attempt)))).await;
            assert_eq!(member.failed().await, ("a".to_owned(), attempt));
        }
        member.reconcile(&[("a", 2)], &[]).await;
        assert_eq!(member.failed().await, ("a".to_owned(), 2));
        // The lease comes again after what the coordinator believes: it is not carried out again,
        // its end is said again, and the one that nobody waits for is forgotten.
        member.order(Order::Start(Box::new(lease("a", 2)))).await;
        assert_eq!(member.failed().await, ("a".to_owned(), 2));
        member.order(Order::Start(Box::new(lease("a", 1)))).await;
        assert_eq!(member.failed().await, ("a".to_owned(), 1));
        let stages = member.node.story.stages();
        assert_eq!(stages["list"].failed, 3, "{stages:?}");
    }

    #[tokio::test]
    async fn what_is_to_be_given_up_is_reported_as_stalled_even_if_it_never_arrived() {
        let mut member = Member::start();
        let (task, attempt) = (Task::List, Attempt(4));
        let give_up = || Order::GiveUp((job("a"), task, attempt));
        // The second time it is reported again: the first report may have been lost.
        for _ in 0..2 {
            member.order(give_up()).await;
            match member.reports.recv().await.unwrap() {
                Report::Failed { name: (_, _, Attempt(4)), reason, .. } => {
                    assert_eq!(reason, FailureReason::Stalled);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn moments_that_nobody_believes_in_go_and_those_that_are_not_here_are_told() {
        use fruitnode_pca::moments::Moments;

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
            Report::Dropped((of, tree_node)) => {
                assert_eq!((of, tree_node), (job("a"), TreeNode::leaf(5)));
            }
            other => panic!("{other:?}"),
        }
        let holds = |name, leaf| member.node.moments.holds(&job(name), TreeNode::leaf(leaf));
        assert!(holds("a", 0) && !holds("a", 1) && !holds("b", 0));
    }
}
