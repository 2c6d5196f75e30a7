//! Processes of a storm. None outlives its owner, also where that ends by a panic.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::StormError;
use super::clock::Time;

/// A process that is killed with the value.
#[derive(Debug)]
pub(crate) struct Process(Child);

/// A command that runs beside everything else, and what it says.
#[derive(Debug)]
pub(crate) struct Running {
    process: Process,
    out: PathBuf,
    err: PathBuf,
    began: Time,
    limit: Duration,
}

/// A command that is over.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// Exit code; `None` when a signal ended it, such as at its limit.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
    /// Whether it was ended here, since its time was over.
    pub(crate) overran: bool,
}

impl Process {
    /// Starts it in a process group of its own: what is typed in the terminal is for the storm.
    pub(crate) fn start(mut command: Command) -> Result<Self, StormError> {
        command.process_group(0);
        let started = command.spawn();
        started.map(Self).map_err(|error| StormError::Tool {
            what: format!("{command:?}"),
            words: error.to_string(),
        })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // Of one that has ended and was not waited for, the id is still its own.
        if let Some(pid) = pid(self.0.id()) {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts a command that may take so long; its words go to files of this name.
    pub(crate) fn start(
        mut command: Command,
        files: &Path,
        (began, limit): (Time, Duration),
    ) -> Result<Self, StormError> {
        let (out, err) = (files.with_extension("out"), files.with_extension("err"));
        let file = |path: &PathBuf| {
            File::create(path).map_err(|source| StormError::File { path: path.clone(), source })
        };
        command.stdin(Stdio::null()).stdout(file(&out)?).stderr(file(&err)?);
        Ok(Self { process: Process::start(command)?, out, err, began, limit })
    }

    /// What came of it, if it is over or its time is.
    pub(crate) fn ended(&mut self, now: Time) -> Option<Ended> {
        let took = now.saturating_sub(self.began);
        let (code, overran) = match self.process.ended() {
            Some(status) => (status.code(), false),
            None if took > self.limit => (None, true),
            None => return None,
        };
        let read = |path: &PathBuf| {
            let text = fs::read(path).unwrap_or_default();
            let _ = fs::remove_file(path);
            String::from_utf8_lossy(&text).into_owned()
        };
        Some(Ended { code, out: read(&self.out), err: read(&self.err), took, overran })
    }
}

impl Ended {
    /// Whether it did what it was asked to.
    pub(crate) fn is_done(&self) -> bool {
        self.code == Some(0)
    }

    /// What it said, in a line.
    pub(crate) fn words(&self) -> String {
        if self.overran {
            return format!("not over after {} s", self.took.as_secs());
        }
        let said = if self.is_done() { &self.out } else { &self.err };
        let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.join(" / ")
    }
}

/// Ends a process that nobody waits for.
pub(crate) fn kill(raw: u32) {
    if let Some(pid) = pid(raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn pid(raw: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(raw).ok()?)
}
