//! How a node goes for good: what that costs is said before, and whoever asked waits until its vote
//! is in other hands.

use std::time::Duration;

use tokio::time::sleep;

use fruitnode_env::Moment;
use fruitnode_mesh::error::MeshError;
use fruitnode_proto::v1::{ClusterStatus, NodeRequest, NodeStatus};

use crate::cli::args::{DepartureArgs, TerminalArgs};
use crate::cli::cluster::follow::{self, Signals};
use crate::cli::cluster::reach::{Reach, passing};
use crate::cli::cluster::say::tell;
use crate::cli::cluster::show::health::{after, consequence, health, waits_for};
use crate::cli::cluster::show::node;
use crate::cli::exit::Exit;
use crate::cli::message::CliError;
use crate::cli::progress::WatchLine;

/// Between two looks at a node that goes.
const LOOK: Duration = Duration::from_millis(500);

/// How long a coordinator is waited for before it is said that there is none: several elections.
const ELECTION_WAIT: Duration = Duration::from_secs(10);

/// How long a node is waited for while nobody tells anything of it.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is said of one that is gone.
const REMOVED: &str = "removed";

/// Where a node stands that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It belongs to the cluster.
    Belongs,
    /// It goes already.
    Leaving,
    /// It is gone.
    Gone,
}

/// How the cluster is, as its coordinator says: one that is being elected is waited for.
pub(super) async fn asked(reach: &Reach, id: u64) -> Result<ClusterStatus, CliError> {
    let began = Moment::now();
    loop {
        let status = reach.contact.look().await?;
        if !status.partial {
            return Ok(status);
        }
        if began.elapsed() > ELECTION_WAIT {
            return Err(without_coordinator(&status, id));
        }
        sleep(LOOK).await;
    }
}

fn without_coordinator(status: &ClusterStatus, id: u64) -> CliError {
    let notices = health(status).notices;
    let words: Vec<_> = notices.into_iter().map(|notice| notice.words).collect();
    let id = node::id(id);
    let words = format!("there is no majority to agree that {id} leaves: {}", words.join("; "));
    CliError::new(Exit::Unreachable, "no_coordinator", words)
}

/// Where a node of this id stands; nothing of one that never was.
pub(super) fn standing(status: &ClusterStatus, id: u64) -> Option<Standing> {
    let node = status.nodes.iter().find(|node| node.node == id)?;
    Some(match (node.state.as_str(), node.leaving) {
        (REMOVED, _) => Standing::Gone,
        (_, true) => Standing::Leaving,
        (_, false) => Standing::Belongs,
    })
}

/// What it costs that a node goes, in words that stand alone; nothing, if it has no vote.
///
/// # Errors
/// When nobody would be left who could decide, with what to do; not with `force`.
pub(super) fn price(
    status: &ClusterStatus,
    id: u64,
    force: bool,
) -> Result<Option<String>, CliError> {
    let votes = |node: &&NodeStatus| node.role == "voter" && node.state != REMOVED;
    let mut voters = status.nodes.iter().filter(votes);
    if voters.clone().all(|voter| voter.node != id) {
        return Ok(None);
    }
    let after = after(status, &[id]);
    if after.may_be_lost.is_some() {
        return Ok(Some(consequence(&after)));
    }
    let name = node::id(id);
    if force {
        return Ok(Some(format!(
            "WARNING: without {name} there is no majority of voters: the cluster stops for good, \
             and only `fruitnode recover --unsafe` can bring it back, without its latest decisions"
        )));
    }
    let lost: Vec<_> = voters
        .clone()
        .filter(|voter| voter.node != id && !voter.leaving)
        .map(|voter| node::id(voter.node))
        .collect();
    let words = match (voters.all(|voter| voter.node == id), lost.is_empty()) {
        (true, _) => format!(
            "{name} is the only voter, and a cluster cannot lose its last one: just stop it with \
             Ctrl-C and start it again later, or join another node first"
        ),
        (false, true) => format!(
            "the other voters are already leaving, and without {name} there would be no majority \
             of voters: join another node first (`fruitnode token create`)"
        ),
        (false, false) => format!(
            "without {name} there would be no majority of voters, because {} cannot be reached: \
             start those first (`fruitnode start` on their machines), or join another node; \
             --force removes {name} anyway and stops the cluster",
            lost.join(", ")
        ),
    };
    Err(CliError::new(Exit::Conflict, "conflict", words))
}

/// A node that goes, and whoever waits for it.
pub(super) struct Departure<'a> {
    pub(super) id: u64,
    pub(super) args: &'a DepartureArgs,
    pub(super) terminal: &'a TerminalArgs,
}

/// How a departure stands when the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    /// It is gone.
    Gone,
    /// It goes by itself: nobody waits.
    Going,
}

impl Departure<'_> {
    /// Asks the cluster to let the node go. One that is gone meanwhile is.
    pub(super) async fn ask(&self, reach: &Reach) -> Result<(), CliError> {
        let request = NodeRequest { node: self.id };
        match reach.contact.remove_node(request).await {
            Ok(()) => Ok(()),
            // An earlier try was heard, and its answer was lost.
            Err(error @ MeshError::NotFound(_)) => {
                let status = reach.contact.status().await?;
                match standing(&status, self.id) {
                    Some(Standing::Gone) => Ok(()),
                    _ => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the node is gone, unless nobody wants to.
    pub(super) async fn wait(&self, reach: &Reach) -> Result<Went, CliError> {
        if self.args.no_wait {
            return Ok(Went::Going);
        }
        let mut signals = Signals::new()?;
        let mut reason = "waiting for the cluster to agree to it".to_owned();
        let limit = reach.left();
        tokio::select! {
            gone = self.gone(reach, &mut reason) => return gone.map(|()| Went::Gone),
            _ = signals.next() => {}
            () = over(limit) => {
                let words = format!("timed out: {reason}. {}", self.goes_on());
                return Err(CliError::new(Exit::TimedOut, "timed_out", words));
            }
        }
        Err(CliError::new(Exit::Interrupted, "detached", self.goes_on()))
    }

    /// Where to look for what becomes of it.
    pub(super) fn goes_on(&self) -> String {
        let id = node::id(self.id);
        format!("{id} continues leaving on its own; to check on it: fruitnode node show {id}")
    }

    async fn gone(&self, reach: &Reach, reason: &mut String) -> Result<(), CliError> {
        let (began, mut heard) = (Moment::now(), Moment::now());
        let mut line = WatchLine::show(follow::quiet(self.terminal));
        let mut told = String::new();
        loop {
            match reach.contact.look().await {
                Ok(status) if status.partial => {
                    "there is no coordinator: waiting for a new one".clone_into(reason);
                }
                Ok(status) => {
                    heard = Moment::now();
                    let node = status.nodes.iter().find(|node| node.node == self.id);
                    let Some(node) = node.filter(|node| node.state != REMOVED) else {
                        return Ok(());
                    };
                    *reason = self.waits(&status, node);
                }
                Err(error) if passing(&error) && heard.elapsed() < PATIENCE => {
                    *reason = format!("no node answers: {error}");
                }
                Err(error) if passing(&error) => {
                    let words = format!("{error}. {}", self.goes_on());
                    return Err(CliError::new(Exit::Unreachable, "unreachable", words));
                }
                Err(error) => return Err(error.into()),
            }
            let seconds = began.elapsed().as_secs();
            line.wait(format!("{reason}, {seconds} s"));
            if !line.is_seen() && told != *reason {
                told.clone_from(reason);
                tell(self.terminal, reason);
            }
            sleep(LOOK).await;
        }
    }

    fn waits(&self, status: &ClusterStatus, node: &NodeStatus) -> String {
        let id = node::id(self.id);
        let reason = waits_for(status, node);
        let rest = reason.strip_prefix("it remains a voter until ").map(str::to_owned);
        match rest {
            Some(until) => format!("{id} is still a voter: waiting until {until}"),
            None => format!("{id} is still a member: {reason}"),
        }
    }
}

async fn over(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::cluster::show::health::examples::status;

    const VOTER: (&str, &str) = ("ready", "voter");
    const LOST: (&str, &str) = ("lost", "voter");

    #[test]
    fn what_a_departure_costs_is_said_and_what_stops_the_cluster_is_refused() {
        let price = |nodes: &[(&str, &str)], id| price(&status(1, 3, nodes), id, false);
        let fine = |nodes: &[(&str, &str)], id| price(nodes, id).unwrap().unwrap_or_default();
        assert_eq!(fine(&[VOTER, ("ready", "member")], 2), "");
        assert_eq!(fine(&[VOTER; 3], 2), "1 voter remains, which must not be lost");
        let four = [VOTER, VOTER, VOTER, ("ready", "member")];
        assert_eq!(fine(&four, 2), "n4 becomes a voter: of 3 voters, 1 may be lost");
        assert_eq!(fine(&[VOTER, VOTER, LOST], 3), "1 voter remains, which must not be lost");
        let refused = |nodes: &[(&str, &str)], id| price(nodes, id).unwrap_err();
        let words = refused(&[VOTER, ("lost", "member")], 1);
        assert!(words.words().contains("is the only voter"), "{words:?}");
        assert_eq!(words.exit(), Exit::Conflict);
        let words = refused(&[VOTER, LOST, LOST], 1);
        for says in ["because n2, n3 cannot be reached", "fruitnode start", "--force"] {
            assert!(words.words().contains(says), "{words:?}");
        }
    }

    #[test]
    fn those_that_leave_already_are_not_counted_on() {
        let mut leaving = status(1, 3, &[VOTER, VOTER]);
        leaving.nodes[1].leaving = true;
        let words = price(&leaving, 1, false).unwrap_err();
        assert!(words.words().contains("already leaving"), "{words:?}");
        let forced = price(&leaving, 1, true).unwrap().unwrap();
        assert!(forced.contains("WARNING") && forced.contains("recover --unsafe"), "{forced}");
    }

    #[test]
    fn where_a_node_stands_is_known() {
        let mut known = status(1, 3, &[VOTER, VOTER, ("removed", "member")]);
        known.nodes[1].leaving = true;
        let found: Vec<_> = (1..=4).map(|id| standing(&known, id)).collect();
        use Standing::{Belongs, Gone, Leaving};
        assert_eq!(found, [Some(Belongs), Some(Leaving), Some(Gone), None]);
    }

    #[test]
    fn whoever_waits_is_told_what_for() {
        let mut known = status(1, 3, &[VOTER, VOTER, VOTER, ("ready", "member")]);
        known.nodes[1].leaving = true;
        let (args, terminal) = (DepartureArgs::default(), TerminalArgs::default());
        let departure = Departure { id: 2, args: &args, terminal: &terminal };
        let words = departure.waits(&known, &known.nodes[1]);
        assert_eq!(words, "n2 is still a voter: waiting until n4 has taken its place");
        let departure = Departure { id: 4, ..departure };
        let words = departure.waits(&known, &known.nodes[3]);
        assert_eq!(words, "n4 is still a member: its work is being handed over");
    }
}
