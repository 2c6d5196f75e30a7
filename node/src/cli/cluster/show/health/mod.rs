//! Whether a cluster is well, and if not, what is wrong and what to do: a function of what a node
//! says of it.

mod endured;
#[cfg(test)]
pub(crate) mod examples;
mod machines;
mod nodes;
mod notice;
mod stopped;
#[cfg(test)]
mod tests;
mod votes;

use fruitnode_proto::v1::ClusterStatus;

pub(crate) use notice::{Notice, State};
pub(crate) use votes::{after, consequence, waits_for};

/// How the cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    /// In one word: the worst of what is noticed.
    pub state: State,
    /// What is wrong or could be better, and what to do.
    pub notices: Vec<Notice>,
}

/// Judges what a node says of the cluster: what stops it first, what slows it down last.
pub(crate) fn health(status: &ClusterStatus) -> Health {
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
