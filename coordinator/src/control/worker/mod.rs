//! The attempts of one process: what runs, what ended and was perhaps not heard of, what was said
//! to be held.
//!
//! A report may be lost with the leader it was sent to. So each is kept until the leader says what
//! it believes ([`Order::Reconcile`]), and is sent again if it still waits for it.

use std::collections::{BTreeSet, VecDeque};

use crate::control::Reached;
use crate::control::message::{Lease, MomentsName, Order, Report, made_by};
use crate::ids::{JobId, NodeId};
use crate::leases::LeaseName;
use crate::retry::FailureReason;
use crate::spec::JobSpec;
use crate::story::AttemptFacts;

/// Reports kept for a leader that did not hear them. Of an attempt whose report is no longer kept
/// the lease is carried out again.
const REPORTS_KEPT_MAX: usize = 1_024;

/// What a worker takes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Of the leader.
    Order(Order),
    /// An attempt has ended.
    Ended(Report),
    /// Moments were let go of to stay within the memory of the node, or were found missing.
    Dropped(BTreeSet<MomentsName>),
}

/// What a worker wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Begin this.
    Begin(Box<Lease>),
    /// Stop this: it is not among those that run any more.
    Abort(LeaseName),
    /// Report this.
    Report(Report),
    /// Forget every report that waits to be sent: what is still of use follows.
    ForgetReports,
    /// Let go of these moments.
    Release(MomentsName),
    /// Let go of all moments but these.
    Keep(BTreeSet<MomentsName>),
    /// Close all jobs but these.
    KeepJobs(BTreeSet<JobId>),
    /// Let go of everything that belongs to a job.
    Forget(JobId),
    /// Clear away what a job left at its target.
    Abandon {
        /// The job.
        job: JobId,
        /// What the user asked for.
        spec: Box<JobSpec>,
    },
    /// An attempt that made no progress was given up.
    GivenUp(LeaseName),
}

/// The machine.
#[derive(Debug, Default)]
pub struct Attempts {
    running: BTreeSet<LeaseName>,
    /// Reports that nobody acknowledged, the oldest first.
    ended: VecDeque<(LeaseName, Report)>,
    out: Vec<Output>,
    reached: Reached,
}

impl Attempts {
    /// Takes one input of the worker of this node. `holds` says whether moments are in the node's
    /// memory once what was ordered before is done.
    pub fn step(
        &mut self,
        node: NodeId,
        holds: &dyn Fn(&MomentsName) -> bool,
        input: Input,
    ) -> Vec<Output> {
        match input {
            Input::Order(Order::Start(lease)) => self.begin(lease),
            Input::Order(Order::Cancel(name)) => self.cancel(&name),
            Input::Order(Order::GiveUp(name)) => self.give_up(node, name),
            Input::Order(Order::Release(moments)) => self.out.push(Output::Release(moments)),
            Input::Order(Order::Forget(job)) => self.forget(&job),
            Input::Order(Order::Abandon { job, spec }) => {
                self.forget(&job);
                self.out.push(Output::Abandon { job, spec });
            }
            Input::Order(Order::Reconcile { attempts, held }) => {
                self.reconcile(&attempts, held, holds);
            }
            Input::Ended(report) => self.ended(report),
            Input::Dropped(names) => {
                let reports = names.into_iter().map(|name| Output::Report(Report::Dropped(name)));
                self.out.extend(reports);
            }
        }
        std::mem::take(&mut self.out)
    }

    /// Whether an attempt runs here.
    pub fn runs(&self, name: &LeaseName) -> bool {
        self.running.contains(name)
    }

    /// Whether an attempt runs here, or has ended here and its end is kept.
    pub fn knows(&self, name: &LeaseName) -> bool {
        self.runs(name) || self.ended.iter().any(|(ended, _)| ended == name)
    }

    /// Whether nothing runs here.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Branches that were taken so far.
    pub fn reached(&self) -> &Reached {
        &self.reached
    }

    /// Begins a lease, unless it was begun before. One that has ended is reported again: whoever
    /// sends it has not heard of its end.
    fn begin(&mut self, lease: Box<Lease>) {
        let name = lease.name();
        if self.runs(&name) {
            self.reached.at("worker: a lease that runs already");
            return;
        }
        if let Some((_, report)) = self.ended.iter().find(|(ended, _)| *ended == name) {
            self.reached.at("worker: a lease that has ended already");
            let report = report.clone();
            self.out.push(Output::Report(report));
            return;
        }
        self.running.insert(name);
        self.out.push(Output::Begin(lease));
    }

    fn cancel(&mut self, name: &LeaseName) {
        if self.running.remove(name) {
            self.reached.at("worker: a lease is called back while it runs");
            self.out.push(Output::Abort(name.clone()));
        }
        self.ended.retain(|(ended, _)| ended != name);
        // What it held is held for nobody, unless another attempt holds it too.
        if let Some(made) = made_by(name.1)
            && !self.attempts().any(|(job, task, _)| *job == name.0 && made_by(*task) == Some(made))
        {
            self.out.push(Output::Release((name.0.clone(), made)));
        }
    }

    /// Ends an attempt that makes no progress, so that its task can be offered anew. One whose end
    /// was reported already is reported again: it was not heard.
    fn give_up(&mut self, node: NodeId, name: LeaseName) {
        if let Some((_, report)) = self.ended.iter().find(|(ended, _)| *ended == name) {
            self.reached.at("worker: what is given up has ended");
            let report = report.clone();
            self.out.push(Output::Report(report));
            return;
        }
        self.reached.at("worker: an attempt is given up");
        self.cancel(&name);
        let detail = format!("{} made no progress on {node} and was given up", name.1);
        self.out.push(Output::GivenUp(name.clone()));
        let (reason, facts) = (FailureReason::Stalled, AttemptFacts::default());
        self.keep(name.clone(), Report::Failed { name, reason, detail, facts });
    }

    /// Reports the end of an attempt, and keeps the report until it is known to be heard.
    fn keep(&mut self, name: LeaseName, report: Report) {
        self.out.push(Output::Report(report.clone()));
        self.ended.push_back((name, report));
        if self.ended.len() > REPORTS_KEPT_MAX {
            self.ended.pop_front();
        }
    }

    fn ended(&mut self, report: Report) {
        let name = match &report {
            Report::Done { name, .. } | Report::Failed { name, .. } => name.clone(),
            Report::Dropped(_) => return,
        };
        // One that was called back is no longer here, whatever became of it.
        if self.running.remove(&name) {
            self.keep(name, report);
        } else {
            self.reached.at("worker: the end of what was called back");
        }
    }

    fn forget(&mut self, job: &JobId) {
        let gone = self.running.iter().filter(|(of, _, _)| of == job).cloned();
        for name in gone.collect::<Vec<_>>() {
            self.reached.at("worker: a lease runs at the end of its job");
            self.running.remove(&name);
            self.out.push(Output::Abort(name));
        }
        self.ended.retain(|((of, _, _), _)| of != job);
        self.out.push(Output::Forget(job.clone()));
    }

    /// Lets go of whatever the leader does not name, and tells it again what it did not hear.
    fn reconcile(
        &mut self,
        attempts: &BTreeSet<LeaseName>,
        held: BTreeSet<MomentsName>,
        holds: &dyn Fn(&MomentsName) -> bool,
    ) {
        let void: Vec<_> = self.running.difference(attempts).cloned().collect();
        for name in void {
            self.reached.at("worker: an attempt is void at the greeting");
            self.running.remove(&name);
            self.out.push(Output::Abort(name));
        }
        self.ended.retain(|(name, _)| attempts.contains(name));
        let made = self.attempts();
        let made = made.filter_map(|(job, task, _)| Some((job.clone(), made_by(*task)?)));
        let kept: BTreeSet<MomentsName> = made.chain(held.iter().cloned()).collect();
        let jobs = attempts.iter().map(|name| &name.0).chain(held.iter().map(|(job, _)| job));
        self.out.push(Output::KeepJobs(jobs.cloned().collect()));
        // Nothing older is of use: what was dropped is not held, and what ended is said again.
        self.out.push(Output::ForgetReports);
        let said: BTreeSet<_> =
            self.ended.iter().filter_map(|(_, report)| report.claims()).collect();
        for (_, report) in &self.ended {
            self.reached.at("worker: a report is said again");
            self.out.push(Output::Report(report.clone()));
        }
        for name in held.union(&said).filter(|name| !holds(name)) {
            self.reached.at("worker: moments that are believed in are not here");
            self.out.push(Output::Report(Report::Dropped(name.clone())));
        }
        self.out.push(Output::Keep(kept));
    }

    /// Attempts that run here or whose end is kept.
    fn attempts(&self) -> impl Iterator<Item = &LeaseName> {
        self.running.iter().chain(self.ended.iter().map(|(name, _)| name))
    }
}

#[cfg(test)]
mod tests;
