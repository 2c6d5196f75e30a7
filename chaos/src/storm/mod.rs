//! Storms of real processes: nodes in network namespaces with a store in another one, a random
//! sequence of deaths, partitions, outages and membership operations drawn from a seed, jobs that
//! run all the time, and what must hold meanwhile.
//!
//! Nothing that decides is here: it storms whatever binary it is given, and knows of it only what
//! its command line says.

mod arena;
mod arguments;
mod carry;
mod clock;
mod draw;
mod jobs;
mod known;
mod needs;
mod network;
mod play;
mod process;
mod report;
mod result;
mod rules;
mod run;
mod script;
mod script_error;
mod shrink;
mod site;
mod supply;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use arguments::{OpsArgs, StormArgs, StormCommand};
pub use needs::check;
pub use report::Report;
pub use run::{command, replay};
pub use script_error::ScriptError;

use clock::Time;

/// Names of namespaces begin so; the id of the process that made them follows.
pub(crate) const PREFIX: &str = "storm";

/// Between two ticks.
const TICK: Duration = Duration::from_millis(25);

/// Somebody asked for an end.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Why there was no storm, or none to its end.
#[derive(Debug, thiserror::Error)]
pub enum StormError {
    /// Something is not here that storms need.
    #[error("{0}")]
    Missing(String),
    /// A tool, or the program, did not do what it always does.
    #[error("{what}: {words}")]
    Tool {
        /// What was run.
        what: String,
        /// What it said.
        words: String,
    },
    /// A file that cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A script that cannot be read.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// Ctrl-C.
    #[error("interrupted: everything was stopped and removed")]
    Interrupted,
}

/// Something that must not be.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    /// What kind: a shorter sequence fails in the same way only if it fails in the same kind.
    pub(crate) kind: &'static str,
    pub(crate) words: String,
}

/// Says lines with the time, and with which storm of several it is.
#[derive(Debug, Clone)]
pub(crate) struct Say {
    name: String,
    aloud: bool,
}

impl Violation {
    pub(crate) fn new(kind: &'static str, words: impl Into<String>) -> Self {
        Self { kind, words: words.into() }
    }

    pub(crate) fn tool(error: &StormError) -> Self {
        Self::new("tool", error.to_string())
    }
}

impl Say {
    pub(crate) fn new(name: &str, aloud: bool) -> Self {
        Self { name: name.to_owned(), aloud }
    }

    #[allow(clippy::print_stdout, reason = "each step is told where the command speaks")]
    pub(crate) fn line(&self, now: Time, words: &str) {
        if self.aloud {
            println!("{}{:>8.2} s  {words}", self.name, now.as_secs_f64());
        }
    }
}

/// Names of everything that this process makes outside its folder begin so.
pub(crate) fn prefix() -> String {
    format!("{PREFIX}{}", std::process::id())
}

pub(crate) fn pause() {
    std::thread::sleep(TICK);
}

pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}
