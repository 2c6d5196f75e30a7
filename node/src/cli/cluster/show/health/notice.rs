//! One thing that is wrong or could be better, and how bad that is.

use std::fmt;

use serde::Serialize;

/// How the cluster is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Everything that should be there is.
    Healthy,
    /// It works, with less than it should have.
    Degraded,
    /// Nothing is decided until a coordinator is there.
    Stopped,
}

/// One thing that is wrong or could be better.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Notice {
    /// What it is, for programs.
    pub code: &'static str,
    /// What the cluster is because of it; healthy, where it is as somebody wished.
    pub state: State,
    /// Nodes that it is about.
    pub nodes: Vec<u64>,
    /// Job that it is about.
    pub job: Option<String>,
    /// For how long it has been so, where that is known.
    pub for_ms: Option<u64>,
    /// The thing alone, in words that stay the same for as long as it does.
    pub brief: String,
    /// The same with its cause and what to do.
    pub words: String,
}

impl Notice {
    pub(super) fn of(code: &'static str, state: State, brief: impl Into<String>) -> Self {
        let (brief, words) = (brief.into(), String::new());
        Self { code, state, nodes: Vec::new(), job: None, for_ms: None, brief, words }
    }

    pub(super) fn about(self, nodes: impl IntoIterator<Item = u64>) -> Self {
        Self { nodes: nodes.into_iter().collect(), ..self }
    }

    pub(super) fn of_job(self, job: &str, for_ms: u64) -> Self {
        Self { job: Some(job.to_owned()), for_ms: Some(for_ms), ..self }
    }

    pub(super) fn lasting(self, for_ms: u64) -> Self {
        Self { for_ms: Some(for_ms), ..self }
    }

    pub(super) fn saying(self, words: impl Into<String>) -> Self {
        Self { words: words.into(), ..self }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "HEALTHY",
            Self::Degraded => "DEGRADED",
            Self::Stopped => "STOPPED",
        })
    }
}
