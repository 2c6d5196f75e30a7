//! Leases that come, end, are called back, and come again.

use super::*;
use crate::ids::{Attempt, Digest, PartitionId};
use crate::inputs::Inputs;
use crate::task::{Task, TaskResult};
use crate::tree::TreeNode;

const NODE: NodeId = NodeId(7);

fn job(name: &str) -> JobId {
    JobId(name.to_owned())
}

fn name(task: Task, attempt: u32) -> LeaseName {
    (job("a"), task, Attempt(attempt))
}

fn remake(partition: u32, attempt: u32) -> LeaseName {
    name(Task::Remake(PartitionId(partition)), attempt)
}

fn leaf(partition: u32) -> MomentsName {
    (job("a"), TreeNode::leaf(partition))
}

fn lease((job, task, attempt): LeaseName) -> Order {
    let spec = JobSpec {
        from: "from".to_owned(),
        to: "to".to_owned(),
        rows_per_part: 1,
        pca: true,
        given_fit: false,
        compute_class: String::new(),
        fit_class: String::new(),
        max_bad: None,
        options: Vec::new(),
    };
    Order::Start(Box::new(Lease { job, spec, task, attempt, inputs: Inputs::List }))
}

fn held(name: LeaseName) -> Report {
    let result = TaskResult::Held { digest: Digest::default() };
    Report::Done { name, result, facts: AttemptFacts::default() }
}

/// A worker whose node holds these moments.
#[derive(Default)]
struct Room {
    attempts: Attempts,
    held: BTreeSet<MomentsName>,
}

impl Room {
    fn step(&mut self, input: Input) -> Vec<Output> {
        self.attempts.step(NODE, &|name| self.held.contains(name), input)
    }

    fn order(&mut self, order: Order) -> Vec<Output> {
        self.step(Input::Order(order))
    }

    fn begin(&mut self, name: LeaseName) {
        let outputs = self.order(lease(name));
        assert!(matches!(outputs[..], [Output::Begin(_)]), "{outputs:?}");
    }

    /// Reports of a greeting that names these.
    fn greet(&mut self, attempts: &[LeaseName], moments: &[MomentsName]) -> Vec<Report> {
        let attempts = attempts.iter().cloned().collect();
        let outputs =
            self.order(Order::Reconcile { attempts, held: moments.iter().cloned().collect() });
        let reports = outputs.into_iter().filter_map(|output| match output {
            Output::Report(report) => Some(report),
            _ => None,
        });
        reports.collect()
    }
}

#[test]
fn a_report_that_was_lost_is_said_again_if_it_is_still_waited_for() {
    let mut room = Room::default();
    let (first, second) = (remake(0, 1), remake(1, 2));
    for name in [&first, &second] {
        room.begin(name.clone());
        let report = held(name.clone());
        assert_eq!(room.step(Input::Ended(report.clone())), [Output::Report(report)]);
    }
    room.held = BTreeSet::from([leaf(1)]);
    assert_eq!(room.greet(std::slice::from_ref(&second), &[]), [held(second.clone())]);
    // It comes again: it is not carried out again. The one that nobody waits for is.
    assert_eq!(room.order(lease(second.clone())), [Output::Report(held(second))]);
    room.begin(first);
}

#[test]
fn moments_that_a_report_promised_and_that_are_gone_are_told_to_be() {
    let mut room = Room::default();
    let name = remake(0, 1);
    room.begin(name.clone());
    room.step(Input::Ended(held(name.clone())));
    let reports = room.greet(std::slice::from_ref(&name), &[leaf(5)]);
    assert_eq!(reports, [held(name), Report::Dropped(leaf(0)), Report::Dropped(leaf(5))]);
}

#[test]
fn a_lease_that_runs_is_not_begun_twice_and_one_called_back_is_not_reported() {
    let mut room = Room::default();
    let name = remake(0, 1);
    room.begin(name.clone());
    assert_eq!(room.order(lease(name.clone())), []);
    let outputs = room.order(Order::Cancel(name.clone()));
    assert_eq!(outputs, [Output::Abort(name.clone()), Output::Release(leaf(0))]);
    assert_eq!(room.step(Input::Ended(held(name))), []);
    assert!(room.attempts.is_idle());
}

#[test]
fn moments_stay_that_another_attempt_holds_too() {
    let mut room = Room::default();
    let (first, second) = (remake(0, 1), remake(0, 2));
    room.begin(first.clone());
    room.begin(second);
    assert_eq!(room.order(Order::Cancel(first.clone())), [Output::Abort(first)]);
}

#[test]
fn what_is_given_up_is_reported_as_stalled_though_it_never_came_and_again() {
    let mut room = Room::default();
    let name = name(Task::List, 4);
    for _ in 0..2 {
        let outputs = room.order(Order::GiveUp(name.clone()));
        let stalled = outputs.iter().any(|output| {
            let Output::Report(Report::Failed { name: of, reason, .. }) = output else {
                return false;
            };
            *of == name && *reason == FailureReason::Stalled
        });
        assert!(stalled, "{outputs:?}");
    }
}

#[test]
fn what_a_greeting_does_not_name_is_stopped_and_the_end_of_a_job_stops_all_of_it() {
    let mut room = Room::default();
    let (kept, void) = (remake(0, 1), remake(1, 2));
    room.begin(kept.clone());
    room.begin(void.clone());
    let attempts = BTreeSet::from([kept.clone()]);
    let outputs = room.order(Order::Reconcile { attempts, held: BTreeSet::from([leaf(3)]) });
    assert_eq!(outputs.first(), Some(&Output::Abort(void)));
    // What is being made is kept as well as what is believed in.
    let last = Output::Keep(BTreeSet::from([leaf(0), leaf(3)]));
    assert_eq!(outputs.last(), Some(&last));
    assert!(outputs.contains(&Output::KeepJobs(BTreeSet::from([job("a")]))));
    let outputs = room.order(Order::Forget(job("a")));
    assert_eq!(outputs, [Output::Abort(kept), Output::Forget(job("a"))]);
}

#[test]
fn reports_that_nobody_heard_are_kept_up_to_a_limit() {
    let mut room = Room::default();
    for attempt in 0..=REPORTS_KEPT_MAX as u32 {
        room.begin(name(Task::List, attempt));
        let name = name(Task::List, attempt);
        let report = Report::Failed {
            name,
            reason: FailureReason::Panic,
            detail: String::new(),
            facts: AttemptFacts::default(),
        };
        room.step(Input::Ended(report));
    }
    assert!(!room.attempts.knows(&name(Task::List, 0)), "the oldest is forgotten");
    assert!(room.attempts.knows(&name(Task::List, 1)));
}
