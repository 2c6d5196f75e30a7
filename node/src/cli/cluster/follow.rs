//! A job that somebody waits for: a line of progress, Ctrl-C, coordinators that come and go, and
//! the end.

use std::time::Duration;

use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use fruitnode_coordinator::retry::FailureReason;
use fruitnode_env::{Moment, wall_ms};
use fruitnode_mesh::error::MeshError;
use fruitnode_proto::v1::{JobStatus, NameRequest};

use crate::cli::args::{Format, TerminalArgs};
use crate::cli::cluster::reach::{Reach, passing};
use crate::cli::cluster::say::{ask, say, somebody, tell};
use crate::cli::cluster::show::job::{self, End};
use crate::cli::exit::Exit;
use crate::cli::message::CliError;
use crate::cli::progress::{At, REDRAW, WatchLine};

/// How long a job is followed while nobody tells anything of it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Rest before a stream that ended is asked for again.
const REST: Duration = Duration::from_millis(500);

/// In which a second Ctrl-C asks whether to cancel.
const SECOND: Duration = Duration::from_secs(2);

/// How a job is followed.
#[derive(Debug)]
pub(super) struct Follow {
    pub(super) job: String,
    /// Whether a second Ctrl-C asks whether to cancel the job.
    pub(super) may_cancel: bool,
    /// Whether there is no line of progress.
    pub(super) quiet: bool,
}

/// What whoever waits has decided.
enum Wish {
    Leave,
    Cancel,
}

/// Ctrl-C and SIGTERM.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// Whether a line of progress would be in the way.
pub(super) fn quiet(terminal: &TerminalArgs) -> bool {
    terminal.quiet || terminal.output == Format::Json
}

/// What is said of a job that is over, and what the shell is told.
pub(super) fn conclude(ended: &JobStatus, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    if let Some(error) = failure(ended) {
        return Err(error);
    }
    say(terminal, || document(ended), || job::summary(ended, wall_ms()));
    Ok(Exit::Done)
}

/// Why a job that is over did not succeed.
pub(super) fn failure(ended: &JobStatus) -> Option<CliError> {
    match job::end(ended) {
        Some(End::Succeeded) | None => None,
        Some(End::Failed(reason, words)) => {
            let exit = reason.map_or(Exit::Failed, Exit::from);
            let code = reason.map_or("unknown", FailureReason::code);
            Some(CliError::new(exit, code, format!("job {} failed: {words}", ended.job)))
        }
        Some(End::Cancelled) => {
            let words = format!("job {} was cancelled", ended.job);
            Some(CliError::new(Exit::Failed, "cancelled", words))
        }
    }
}

/// One job, for programs: `outcome` is its phase.
pub(in crate::cli) fn document(status: &JobStatus) -> Value {
    let document = serde_json::to_value(job::document(status));
    let mut document = document.expect("strings and numbers are always JSON");
    if let Some(fields) = document.as_object_mut() {
        fields.insert("schema_version".to_owned(), 1.into());
        fields.insert("outcome".to_owned(), status.phase.clone().into());
    }
    document
}

impl Follow {
    /// Waits for the end. `first` is what is known already.
    pub(super) async fn to_the_end(
        &self,
        reach: &Reach,
        first: Option<JobStatus>,
        (mut signals, terminal): (Signals, &TerminalArgs),
    ) -> Result<JobStatus, CliError> {
        let mut cancelled = false;
        let mut known = first;
        loop {
            let line = WatchLine::show(self.quiet);
            let wish = tokio::select! {
                ended = self.watched(reach, &mut known, line) => {
                    let ended = ended?;
                    return match (cancelled, job::end(&ended)) {
                        (true, Some(End::Cancelled)) => Err(self.cancelled()),
                        _ => Ok(ended),
                    };
                }
                wish = self.wish(&mut signals, terminal, cancelled) => wish,
            };
            match wish {
                Wish::Leave => return Err(self.left()),
                Wish::Cancel => {
                    let request = NameRequest { name: self.job.clone() };
                    reach.contact.cancel_job(request).await?;
                    cancelled = true;
                }
            }
        }
    }

    /// The job at its end, with a line that says how far it is until then.
    async fn watched(
        &self,
        reach: &Reach,
        known: &mut Option<JobStatus>,
        mut line: WatchLine,
    ) -> Result<JobStatus, MeshError> {
        let mut heard = Moment::now();
        loop {
            let trouble = match self.stream(reach, known, &mut line, &mut heard).await {
                Ok(Some(ended)) => return Ok(ended),
                // The node that told of it ended the stream in good order: it stops.
                Ok(None) => None,
                Err(error) if passing(&error) => Some(error),
                Err(error) => return Err(error),
            };
            if heard.elapsed() > PATIENCE {
                let none = || MeshError::NoLeader { words: self.come_back() };
                return Err(trouble.unwrap_or_else(none));
            }
            line.say("lost the coordinator; waiting for a new one");
            sleep(REST).await;
        }
    }

    /// Follows one stream to its end: that of the job, or that of the coordinator.
    async fn stream(
        &self,
        reach: &Reach,
        known: &mut Option<JobStatus>,
        line: &mut WatchLine,
        heard: &mut Moment,
    ) -> Result<Option<JobStatus>, MeshError> {
        let request = NameRequest { name: self.job.clone() };
        let mut stream = reach.contact.watch_job(request).await?;
        loop {
            tokio::select! {
                next = stream.next() => {
                    let Some(status) = next? else { return Ok(None) };
                    *heard = Moment::now();
                    if job::ended(&status) {
                        return Ok(Some(status));
                    }
                    *known = Some(status);
                }
                () = sleep(REDRAW) => {}
            }
            if let Some(at) = known.as_ref().and_then(|status| at(status, wall_ms())) {
                line.draw(&at);
            }
        }
    }

    /// Returns when whoever waits wants something else.
    async fn wish(&self, signals: &mut Signals, terminal: &TerminalArgs, asked: bool) -> Wish {
        let interrupt = signals.next().await;
        if !interrupt || !self.may_cancel || asked || !somebody() {
            return Wish::Leave;
        }
        let words = format!("\n{}; press Ctrl-C again to cancel it", self.come_back());
        tell(terminal, &words);
        if !matches!(timeout(SECOND, signals.next()).await, Ok(true)) {
            return Wish::Leave;
        }
        let question = format!("cancel job {}? [y/N] ", self.job);
        let answer = spawn_blocking(move || ask(&question));
        tokio::select! {
            answer = answer => match answer.unwrap_or_default().trim() {
                "y" | "Y" | "yes" => Wish::Cancel,
                _ => Wish::Leave,
            },
            // The answer is still being waited for, on a thread that nothing else ends.
            _ = signals.next() => std::process::exit(i32::from(Exit::Interrupted as u8)),
        }
    }

    fn come_back(&self) -> String {
        format!("job {0} keeps running; to follow it again: fruitnode job watch {0}", self.job)
    }

    /// What whoever goes is told.
    pub(super) fn left(&self) -> CliError {
        CliError::new(Exit::Interrupted, "detached", self.come_back())
    }

    /// The same, before the cluster has said that it took the job.
    pub(super) fn left_early(&self) -> CliError {
        let words = format!(
            "interrupted before the cluster confirmed job {0}; to see whether it runs: fruitnode \
             job status {0}",
            self.job
        );
        CliError::new(Exit::Interrupted, "detached", words)
    }

    fn cancelled(&self) -> CliError {
        let words = format!("job {} was cancelled", self.job);
        CliError::new(Exit::Interrupted, "cancelled", words)
    }
}

impl Signals {
    /// From now on they are heard here, and end nothing by themselves.
    pub(super) fn new() -> Result<Self, CliError> {
        let heard =
            |kind| signal(kind).map_err(|error| CliError::of(Exit::Failed, "no_signals", &error));
        Ok(Self {
            interrupt: heard(SignalKind::interrupt())?,
            terminate: heard(SignalKind::terminate())?,
        })
    }

    /// Waits for one of them: whether it was Ctrl-C.
    pub(super) async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.interrupt.recv() => true,
            _ = self.terminate.recv() => false,
        }
    }
}

/// Where a job is, as the line shows it.
fn at(status: &JobStatus, now_ms: u64) -> Option<At> {
    Some(At {
        step: status.phase.parse().ok()?,
        keys: (status.keys > 0).then_some(status.keys),
        listed: status.photographs.max(status.keys).max(status.listed),
        ranges: (status.ranges > 0).then_some((status.ranges_listed, status.ranges)),
        done: status.photographs.max(status.good + status.bad),
        bad: status.bad,
        partitions: status.partitions.into(),
        projected: status.projected.into(),
        overdue: status.overdue.into(),
        waiting: job::waiting(status, now_ms),
    })
}
