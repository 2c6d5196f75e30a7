//! Jobs that run while everything else happens, and what becomes of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::clock::Time;
use super::process::{Ended, Running};
use super::report::Report;
use super::result::{self, Digests};
use super::rules::Machine;
use super::site::{JOB, Site, hosts};
use super::supply::Supply;
use super::{StormError, Violation};

/// How long a client waits for an answer.
const PATIENCE: &str = "10s";

/// How long it may take at most to say that there was none.
const CLIENT_LIMIT: Duration = Duration::from_secs(30);

/// Between two questions about a job.
const ASK_EVERY: Duration = Duration::from_millis(1_000);

/// How long a result may be on its way to be accepted, beside the time without a coordinator.
const ON_ITS_WAY: Duration = Duration::from_secs(10);

/// Where results lie beside the store's bucket.
const BUCKET: &str = "s3://fruit";

#[derive(Debug)]
struct Job {
    id: String,
    submitted: Time,
    /// Whether the cluster said that it has it.
    accepted: bool,
}

/// One job after the other.
#[derive(Debug)]
pub(crate) struct Jobs {
    expected: Digests,
    marker: Vec<u8>,
    photographs: u64,
    pause: Option<Duration>,
    current: Option<Job>,
    command: Option<Running>,
    next_at: Time,
    begun: u64,
    /// Ended, and not yet compared.
    unchecked: Vec<String>,
    /// When the last one was submitted that is compared.
    last_good: Option<Time>,
    /// One is to be done though there is no pause, or however long the pause is.
    wanted: bool,
}

impl Jobs {
    /// Jobs whose results are to be that of this marker.
    pub(crate) fn new(marker: Vec<u8>, photographs: u64, pause: Option<Duration>) -> Self {
        Self {
            expected: result::digests(&marker),
            marker,
            photographs,
            pause,
            current: None,
            command: None,
            next_at: Time::ZERO,
            begun: 0,
            unchecked: Vec::new(),
            last_good: None,
            wanted: false,
        }
    }

    /// Has a job be done that is submitted after that, whatever the pause.
    pub(crate) fn want_since(&mut self, since: Time) {
        self.wanted = !self.is_done_since(since);
    }

    /// Whether a job was submitted after that and is done, and none runs.
    pub(crate) fn is_done_since(&self, since: Time) -> bool {
        let idle = self.current.is_none() && self.unchecked.is_empty();
        idle && self.last_good.is_some_and(|last| last >= since)
    }

    /// What runs, in words.
    pub(crate) fn words(&self, now: Time) -> String {
        match &self.current {
            Some(job) => {
                let known = if job.accepted { "runs" } else { "is not accepted" };
                format!("job {} {known} for {} s", job.id, (now - job.submitted).as_secs())
            }
            None => "no job was done since".to_owned(),
        }
    }

    /// Goes on: submits, asks, compares.
    pub(crate) fn tick(
        &mut self,
        now: Time,
        site: &mut Site,
        ask: &[Machine],
        (report, gap_max): (&mut Report, Duration),
    ) -> Result<(), Violation> {
        if let Some(command) = &mut self.command {
            let Some(ended) = command.ended(now) else { return Ok(()) };
            self.command = None;
            self.heard(&ended, now)?;
        }
        if !site.supply.is_stalled() {
            for id in std::mem::take(&mut self.unchecked) {
                self.compare(&id, &mut site.supply, report, gap_max)?;
            }
        }
        if ask.is_empty() || now < self.next_at || !self.unchecked.is_empty() {
            return Ok(());
        }
        if self.current.is_none() && (self.pause.is_some() || self.wanted) {
            self.begun += 1;
            self.wanted = false;
            let id = format!("j{}", self.begun);
            self.current = Some(Job { id, submitted: now, accepted: false });
        }
        if let Some(job) = &self.current {
            let mut command = site.client();
            words(&mut command, job, ask);
            let files = site.folder.join("job");
            let started = Running::start(command, Path::new(&files), (now, CLIENT_LIMIT));
            self.command = Some(started.map_err(|error| broken(&error))?);
        }
        Ok(())
    }

    fn heard(&mut self, ended: &Ended, now: Time) -> Result<(), Violation> {
        self.next_at = now + ASK_EVERY;
        let Some(job) = &mut self.current else { return Ok(()) };
        let id = job.id.clone();
        if !ended.is_done() {
            let words = ended.words();
            if words.is_empty() {
                return Err(Violation::new(
                    "silent",
                    format!("a command about job {id} said nothing"),
                ));
            }
            // Before it is accepted it may be unknown; afterwards it must not be.
            if job.accepted && ended.code == Some(5) {
                return Err(Violation::new(
                    "job",
                    format!("job {id} was accepted, and then: {words}"),
                ));
            }
            return Ok(());
        }
        if !job.accepted {
            job.accepted = true;
            return Ok(());
        }
        let told: Value = serde_json::from_str(&ended.out).unwrap_or_default();
        match told["phase"].as_str() {
            Some("succeeded") => {}
            Some(phase @ ("failed" | "cancelled")) => {
                let words = format!("job {id} {phase}: {}", told["message"]);
                return Err(Violation::new("job", words));
            }
            _ => return Ok(()),
        }
        let number = |key: &str| told[key].as_u64().unwrap_or(0);
        let counted = number("good") + number("quarantined");
        if counted != self.photographs || number("photographs") != counted {
            let words = format!("job {id} counts {counted} of {} photographs", self.photographs);
            return Err(Violation::new("rows", words));
        }
        self.unchecked.push(id);
        Ok(())
    }

    /// Compares what a job published with what a lone run does, and reads its attempts.
    fn compare(
        &mut self,
        id: &str,
        supply: &mut Supply,
        report: &mut Report,
        gap_max: Duration,
    ) -> Result<(), Violation> {
        let object = |supply: &mut Supply, name: &str| {
            supply.object(&format!("{id}/{name}")).map_err(|error| broken(&error))
        };
        let wrong = |words: String| Violation::new("files", format!("job {id}: {words}"));
        let marker = object(supply, "_SUCCESS")?;
        let marker = marker.ok_or_else(|| wrong("it succeeded, and has no _SUCCESS".to_owned()))?;
        let prefix = format!("{id}/");
        let keys = supply.keys(&prefix).map_err(|error| broken(&error))?;
        let names = keys.iter().filter_map(|key| key.strip_prefix(&prefix));
        let public = names.filter(|name| !name.starts_with("_run/") && *name != "_SUCCESS");
        let public: BTreeSet<String> = public.map(str::to_owned).collect();
        let mut bytes = Digests::new();
        for name in &public {
            if let Some(body) = object(supply, name)? {
                bytes.insert(name.clone(), result::sha256(&body));
            }
        }
        let found = result::digests(&marker);
        let digest = |name: &str| bytes.get(name).cloned();
        if let Some(words) = result::difference(&self.expected, &found, &public, digest) {
            return Err(wrong(words));
        }
        if marker != self.marker {
            return Err(wrong("_SUCCESS has other bytes than that of a lone run".to_owned()));
        }
        let story = object(supply, &format!("_run/{id}/attempts.jsonl"))?;
        let story = story.ok_or_else(|| wrong("it told no attempts".to_owned()))?;
        let read = result::attempts(&story, gap_max + ON_ITS_WAY);
        let (outcomes, again) = read.map_err(|error| wrong(format!("attempts.jsonl: {error}")))?;
        for (outcome, times) in outcomes {
            *report.outcomes.entry(outcome).or_default() += times;
        }
        if let Some(words) = again.first() {
            return Err(Violation::new("again", format!("job {id}: {words}")));
        }
        self.is_good(id, report);
        Ok(())
    }

    fn is_good(&mut self, id: &str, report: &mut Report) {
        report.jobs += 1;
        report.photographs += self.photographs;
        if let Some(job) = self.current.take_if(|job| job.id == id) {
            report.jobs_took.push(self.next_at.saturating_sub(ASK_EVERY + job.submitted));
            self.last_good = Some(job.submitted);
        }
        self.next_at += self.pause.unwrap_or_default();
    }
}

fn words(command: &mut Command, job: &Job, ask: &[Machine]) {
    let id = &job.id;
    if job.accepted {
        command.args(["job", "status", id, "-o", "json"]);
    } else {
        command.args(["job", "submit"]).args(JOB);
        command.args(["--to", &format!("{BUCKET}/{id}/"), "--id", id, "--detach"]);
    }
    command.args(["--timeout", PATIENCE, "--host", &hosts(ask)]);
}

fn broken(error: &StormError) -> Violation {
    Violation::new("tool", error.to_string())
}
