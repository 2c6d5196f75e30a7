//! Whether a cluster is well, and if not, what is wrong and what to do: a function of what a node
//! says of it.

mod endured;
#[cfg(test)]
pub mod examples;
mod machines;
mod stopped;
#[cfg(test)]
mod tests;
mod votes;

use std::fmt;

use fruitnode_proto::v1::{ClusterStatus, NodeStatus};
use serde::Serialize;

use crate::cli::cluster::show::node;
use crate::member::SILENT_MS;

pub use votes::{After, after, consequence, waits_for};

/// How the cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// In one word: the worst of what is noticed.
    pub state: State,
    /// What is wrong or could be better, and what to do.
    pub notices: Vec<Notice>,
}

/// How the cluster is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Everything that should be there is.
    Healthy,
    /// It works, with less than it should have.
    Degraded,
    /// Nothing is decided until a coordinator is there.
    Stopped,
}

/// One thing that is wrong or could be better.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
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
    fn of(code: &'static str, state: State, brief: impl Into<String>) -> Self {
        let (brief, words) = (brief.into(), String::new());
        Self { code, state, nodes: Vec::new(), job: None, for_ms: None, brief, words }
    }

    fn about(self, nodes: impl IntoIterator<Item = u64>) -> Self {
        Self { nodes: nodes.into_iter().collect(), ..self }
    }

    fn of_job(self, job: &str, for_ms: u64) -> Self {
        Self { job: Some(job.to_owned()), for_ms: Some(for_ms), ..self }
    }

    fn lasting(self, for_ms: u64) -> Self {
        Self { for_ms: Some(for_ms), ..self }
    }

    fn saying(self, words: impl Into<String>) -> Self {
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

/// Judges what a node says of the cluster: what stops it first, what slows it down last.
pub fn health(status: &ClusterStatus) -> Health {
    let mut notices = Vec::new();
    if status.leader == 0 || status.partial {
        stopped::notice(status, &mut notices);
    } else {
        votes::notice(status, &mut notices);
        endured::notice(status, &mut notices);
        machines::notice(status, &mut notices);
    }
    let state = notices.iter().map(|notice| notice.state).max().unwrap_or(State::Healthy);
    Health { state, notices }
}

/// Nodes that belong to the cluster.
fn present(status: &ClusterStatus) -> Vec<&NodeStatus> {
    status.nodes.iter().filter(|node| node.state != "removed").collect()
}

fn votes(node: &NodeStatus) -> bool {
    node.role == "voter"
}

/// Whether a node is there, and takes part in the log if that is its role.
fn answers(node: &NodeStatus) -> bool {
    node.state != "lost" && node.state != "silent" && node.log_silent_ms < SILENT_MS
}

/// Ids as people write them.
fn names(nodes: impl IntoIterator<Item = u64>) -> String {
    let names: Vec<_> = nodes.into_iter().map(node::id).collect();
    names.join(", ")
}

/// A node and where it is reached.
fn place(node: &NodeStatus) -> String {
    match node.address.is_empty() {
        true => node::id(node.node),
        false => format!("{} ({})", node::id(node.node), node.address),
    }
}

/// `s` behind a noun of which there are several.
fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
