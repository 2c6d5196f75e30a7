//! What is said of the whole cluster: whether it is well, and if not, what is wrong.

use std::fmt;

use fruitnode_proto::v1::{ClusterStatus, NodeStatus};
use serde::Serialize;

use crate::cli::cluster::show::job::{self, JobDocument};
use crate::cli::cluster::show::node::{self, NodeDocument, Rates};
use crate::cli::cluster::show::table::{line, plain, span};

/// How long before its end a certificate is warned of, milliseconds; a quarter of its life, where
/// that is less.
const CERTIFICATE_WARNED_MS: u64 = 7 * 24 * 3_600_000;

/// How far clocks may be apart before it is warned of, milliseconds: certificates are dated back by
/// more.
const CLOCK_WARNED_MS: u64 = 60_000;

/// How the cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// In one word.
    pub state: State,
    /// What is wrong or could be better, and what to do.
    pub words: Vec<String>,
}

/// How the cluster is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Everything that should be there is.
    Healthy,
    /// It works, with less than it should have.
    Degraded,
    /// Nothing is decided until a coordinator is there.
    Stopped,
}

/// For programs.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema_version: u32,
    health: State,
    words: &'a [String],
    cluster: &'a str,
    name: &'a str,
    /// Id of the coordinator's node.
    leader: Option<u64>,
    term: u64,
    applied: u64,
    voters_wanted: u32,
    answered_by: u64,
    nodes: Vec<NodeDocument<'a>>,
    jobs: Vec<JobDocument>,
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

/// Judges what a node says of the cluster.
pub fn health(status: &ClusterStatus) -> Health {
    let is = |node: &NodeStatus, state: &str| node.state == state;
    let members: Vec<_> = status.nodes.iter().filter(|node| !is(node, "removed")).collect();
    let alive = |node: &&NodeStatus| !is(node, "lost");
    let (mut state, mut words) = (State::Healthy, Vec::new());
    let lost: Vec<_> = members.iter().filter(|node| is(node, "lost")).copied().collect();
    let voters: Vec<_> = members.iter().filter(|node| node.role == "voter").copied().collect();
    let living = voters.iter().copied().filter(alive).count();
    let majority = voters.len() / 2 + 1;
    if status.leader == 0 {
        state = State::Stopped;
        words.push(format!(
            "no coordinator is known to {}: a majority of the voters ({majority} of {}) must live \
             and see each other; if they are lost for good, see `fruitnode recover --help`",
            node::id(status.answered_by),
            voters.len()
        ));
    }
    if !lost.is_empty() {
        state = worse(state, State::Degraded);
        let names: Vec<_> = lost.iter().map(|node| node::id(node.node)).collect();
        words.push(format!(
            "{} lost: {}; start it again with `fruitnode start`, or `fruitnode node remove` it",
            if lost.len() == 1 { "one node is" } else { "nodes are" },
            names.join(", ")
        ));
    }
    let wanted = status.voters_wanted as usize;
    let ready = members.iter().copied().filter(|node| is(node, "ready")).count();
    if status.leader != 0 && ready == 0 {
        state = worse(state, State::Degraded);
        words.push(
            "no node is ready, so that jobs wait: have one take leases again (`fruitnode node \
             drain ID --undo`), or join another"
                .to_owned(),
        );
    }
    if status.leader != 0 && living < wanted {
        // With fewer nodes than voters wanted, that is how the cluster was meant so far.
        if ready >= wanted || living < voters.len() {
            state = worse(state, State::Degraded);
        }
        let spare = living.saturating_sub(majority);
        words.push(match (spare, ready < wanted) {
            (0, true) => format!(
                "{living} of {wanted} voters: the cluster stops when one more node is lost; \
                 join {} more",
                wanted - ready
            ),
            (0, false) => format!(
                "{living} of {wanted} voters: the cluster stops when one more is lost, until \
                 others have taken their places"
            ),
            (spare, _) => format!("{living} of {wanted} voters: {spare} more may be lost"),
        });
    }
    let ending = members.iter().copied().filter(|node| is_ending(status, node));
    let ending: Vec<_> = ending.map(|node| node::id(node.node)).collect();
    if !ending.is_empty() {
        state = worse(state, State::Degraded);
        words.push(format!(
            "the certificate of {} is about to end and was not renewed: look at its log, and at \
             the clocks",
            ending.join(", ")
        ));
    }
    for node in &members {
        if node.clock_ahead_ms.unsigned_abs() > CLOCK_WARNED_MS {
            state = worse(state, State::Degraded);
            words.push(clock(node));
        }
    }
    Health { state, words }
}

/// What to do about a clock that is wrong.
fn clock(node: &NodeStatus) -> String {
    let by = span(node.clock_ahead_ms.unsigned_abs());
    let side = if node.clock_ahead_ms > 0 { "ahead of" } else { "behind" };
    format!(
        "the clock of {} is {by} {side} the coordinator's: set them (chrony, ntpd), for \
         certificates and tokens go by them",
        node::id(node.node)
    )
}

/// Whether a node's certificate should have been renewed long ago.
fn is_ending(status: &ClusterStatus, node: &NodeStatus) -> bool {
    let warned = CERTIFICATE_WARNED_MS.min(status.certificate_life_ms / 4);
    node::certificate_ends_ms(node).is_some_and(|ends| ends < status.now_ms + warned)
}

/// For people: the head, the nodes, the jobs that run.
pub fn text(status: &ClusterStatus, rates: &Rates, now_ms: u64) -> String {
    let health = health(status);
    let (name, cluster) = (plain(&status.name), plain(&status.cluster));
    let mut out = format!("{}  cluster {name} ({cluster})\n", health.state);
    for words in &health.words {
        out.push_str(&format!("  ! {words}\n"));
    }
    let of_state = |state: &str| status.nodes.iter().filter(|node| node.state == state).count();
    let roles = |role: &str| {
        let having =
            status.nodes.iter().filter(|node| node.role == role && node.state != "removed");
        having.map(|node| node::id(node.node)).collect::<Vec<_>>().join(", ")
    };
    line(
        &mut out,
        "coordinator",
        match status.leader {
            0 => "none".to_owned(),
            leader => format!("{}, term {}", node::id(leader), status.term),
        },
    );
    line(&mut out, "voters", format!("{} ({} wanted)", roles("voter"), status.voters_wanted));
    let learners = roles("learner");
    if !learners.is_empty() {
        line(&mut out, "becoming voters", learners);
    }
    let states = ["ready", "draining", "lost"].map(|state| (of_state(state), state));
    let states = states.iter().filter(|(number, _)| *number > 0);
    let states: Vec<_> = states.map(|(number, state)| format!("{number} {state}")).collect();
    line(&mut out, "nodes", states.join(", "));
    let present: Vec<_> =
        status.nodes.iter().filter(|node| node.state != "removed").cloned().collect();
    out.push('\n');
    out.push_str(&node::table(&present, rates, "  "));
    let running: Vec<_> = status.jobs.iter().filter(|job| !job::ended(job)).cloned().collect();
    out.push('\n');
    out.push_str(&match running.is_empty() {
        true => "  no job is running\n".to_owned(),
        false => job::table(&running, now_ms, "  "),
    });
    out
}

/// For people who let it run beside them: one line.
pub fn one_line(status: &ClusterStatus, now_ms: u64) -> String {
    let ready = status.nodes.iter().filter(|node| node.state == "ready").count();
    let all = status.nodes.iter().filter(|node| node.state != "removed").count();
    let leader = match status.leader {
        0 => "no coordinator".to_owned(),
        leader => format!("coordinator {}, term {}", node::id(leader), status.term),
    };
    let jobs = status.jobs.iter().filter(|job| !job::ended(job));
    let jobs: Vec<_> =
        jobs.map(|job| format!("{} {}", plain(&job.job), job::progress(job, now_ms))).collect();
    let jobs = if jobs.is_empty() { "no job".to_owned() } else { jobs.join("; ") };
    format!("{}: {leader}, {ready} of {all} nodes ready, {jobs}", health(status).state)
}

/// For programs.
pub fn json(status: &ClusterStatus, rates: &Rates) -> serde_json::Value {
    let health = health(status);
    let document = Document {
        schema_version: 1,
        health: health.state,
        words: &health.words,
        cluster: &status.cluster,
        name: &status.name,
        leader: (status.leader != 0).then_some(status.leader),
        term: status.term,
        applied: status.applied,
        voters_wanted: status.voters_wanted,
        answered_by: status.answered_by,
        nodes: status.nodes.iter().map(|node| node::document(node, rates)).collect(),
        jobs: status.jobs.iter().map(job::document).collect(),
    };
    serde_json::to_value(document).expect("strings and numbers are always JSON")
}

fn worse(state: State, least: State) -> State {
    if state == State::Healthy { least } else { state }
}

#[cfg(test)]
mod tests {
    use fruitnode_proto::v1::JobStatus;
    use fruitnode_proto::v1::from_member::Beat;

    use super::*;

    fn status(leader: u64, wanted: u32, nodes: &[(&str, &str)]) -> ClusterStatus {
        let node = |(at, (state, role)): (usize, &(&str, &str))| NodeStatus {
            node: at as u64 + 1,
            address: format!("10.0.0.{}:7400", at + 1),
            state: (*state).to_owned(),
            role: (*role).to_owned(),
            slots: 2,
            release: "0.1.0".to_owned(),
            ..NodeStatus::default()
        };
        ClusterStatus {
            cluster: "ab12cd34".to_owned(),
            name: "fruits".to_owned(),
            leader,
            term: 4,
            voters_wanted: wanted,
            nodes: nodes.iter().enumerate().map(node).collect(),
            answered_by: 1,
            ..ClusterStatus::default()
        }
    }

    #[test]
    fn a_cluster_is_judged_by_its_voters_and_its_lost_nodes() {
        let voter = ("ready", "voter");
        let (lost, member) = (("lost", "voter"), ("ready", "member"));
        for (leader, wanted, nodes, state, says) in [
            (1, 3, vec![voter, voter, voter], State::Healthy, ""),
            (1, 1, vec![voter], State::Healthy, ""),
            (1, 3, vec![voter, voter, voter, member, ("removed", "member")], State::Healthy, ""),
            (1, 3, vec![voter], State::Healthy, "join 2 more"),
            (1, 1, vec![("draining", "voter")], State::Degraded, "no node is ready"),
            (1, 3, vec![("draining", "voter"); 3], State::Degraded, "--undo"),
            (1, 3, vec![voter, member, member], State::Degraded, "1 of 3 voters"),
            (1, 3, vec![voter, voter, lost], State::Degraded, "stops when one more"),
            (1, 5, vec![voter, voter, voter, voter, lost], State::Degraded, "1 more may be lost"),
            (1, 3, vec![voter, voter, voter, ("lost", "member")], State::Degraded, "n4"),
            (0, 3, vec![voter, lost, lost], State::Stopped, "2 of 3"),
        ] {
            let health = health(&status(leader, wanted, &nodes));
            assert_eq!(health.state, state, "{nodes:?}: {health:?}");
            let words = health.words.join("\n");
            assert!(words.contains(says), "{nodes:?}: {words}");
            assert_eq!(words.is_empty(), says.is_empty(), "{words}");
        }
    }

    #[test]
    fn a_certificate_that_was_not_renewed_is_told_of_in_time() {
        let day = 24 * 3_600_000;
        for (life_days, left_days, told) in [(30, 8, false), (30, 6, true), (4, 2, false)] {
            let mut status = status(1, 3, &[("ready", "voter"); 3]);
            let beat = Beat { certificate_ends_ms: (100 + left_days) * day, ..Beat::default() };
            status.nodes[1].beat = Some(beat);
            (status.now_ms, status.certificate_life_ms) = (100 * day, life_days * day);
            let health = health(&status);
            assert_eq!(health.words.iter().any(|words| words.contains("of n2 is")), told);
            assert_eq!(health.state == State::Degraded, told, "{left_days} of {life_days} days");
        }
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_of() {
        for (ahead_ms, words) in [(0, None), (59_000, None), (-600_000, Some("behind"))] {
            let mut status = status(1, 3, &[("ready", "voter"); 3]);
            status.nodes[2].clock_ahead_ms = ahead_ms;
            let health = health(&status);
            let told = health.words.iter().find(|words| words.contains("the clock of n3"));
            assert_eq!(told.is_some(), words.is_some(), "{ahead_ms}: {told:?}");
            assert!(told.is_none_or(|told| told.contains(words.unwrap_or_default())), "{told:?}");
            assert_eq!(health.state == State::Degraded, words.is_some());
        }
    }

    #[test]
    fn a_name_stays_in_its_line_whatever_it_is() {
        let mut status = status(1, 1, &[("ready", "voter")]);
        status.name = "fruits\n\u{1b}[1A".to_owned();
        status.jobs = vec![JobStatus {
            job: "week\n\u{1b}[2J".to_owned(),
            phase: "extracting".to_owned(),
            ..JobStatus::default()
        }];
        let text = text(&status, &Rates::new(), 0);
        assert!(text.starts_with("HEALTHY  cluster fruits\u{fffd}\u{fffd}[1A ("), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        let line = one_line(&status, 0);
        assert!(!line.contains(char::is_control), "{line}");
    }

    #[test]
    fn people_get_the_head_the_nodes_and_the_jobs_that_run() {
        let mut status =
            status(1, 3, &[("ready", "voter"), ("draining", "voter"), ("lost", "voter")]);
        let running = JobStatus {
            job: "week".to_owned(),
            phase: "extracting".to_owned(),
            keys: 1_000,
            photographs: 250,
            to: "s3://b/out".to_owned(),
            submitted_ms: 1_000,
            ..JobStatus::default()
        };
        let ended =
            JobStatus { job: "old".to_owned(), phase: "succeeded".to_owned(), ..running.clone() };
        status.jobs = vec![running, ended];
        let text = text(&status, &Rates::new(), 61_000);
        for says in [
            "DEGRADED  cluster fruits (ab12cd34)\n",
            "  ! one node is lost: n3",
            "  coordinator               n1, term 4\n",
            "  voters                    n1, n2, n3 (3 wanted)\n",
            "  nodes                     1 ready, 1 draining, 1 lost\n",
            "  n2    10.0.0.2:7400  draining  voter",
            "extracting 25 %",
        ] {
            assert!(text.contains(says), "{says}: {text}");
        }
        assert!(!text.contains("old"), "{text}");
        assert_eq!(
            one_line(&status, 61_000),
            "DEGRADED: coordinator n1, term 4, 1 of 3 nodes ready, week extracting 25 %"
        );
        let json = json(&status, &Rates::new());
        assert_eq!(json["schema_version"], 1);
        assert_eq!(json["health"], "degraded");
        assert_eq!(json["leader"], 1);
        assert_eq!(json["jobs"][1]["phase"], "succeeded");
        assert_eq!(json["nodes"][2]["state"], "lost");
    }
}
