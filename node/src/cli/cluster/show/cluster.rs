//! What is said of the whole cluster: how it is, who belongs to it, what it does.

use fruitnode_proto::v1::{ClusterStatus, NodeStatus, SetAside, UnreachablePair};
use serde::Serialize;

use crate::cli::cluster::show::health::{Notice, State, health};
use crate::cli::cluster::show::job::{self, JobDocument, OutageDocument};
use crate::cli::cluster::show::node::{self, NodeDocument, Rates};
use crate::cli::cluster::show::table::line;
use crate::cli::plain::plain;

/// What a node can be, in the order in which it is told.
const STATES: [&str; 7] = ["ready", "draining", "joined", "lost", "answers", "silent", "unknown"];

/// For programs.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema_version: u32,
    health: State,
    words: Vec<&'a str>,
    notices: &'a [Notice],
    /// Whether a node answers for itself, without a coordinator.
    partial: bool,
    /// For how long it has looked for one.
    without_coordinator_ms: Option<u64>,
    /// At whom it attends.
    attends_at: Option<u64>,
    cluster: &'a str,
    name: &'a str,
    /// Id of the coordinator's node.
    coordinator: Option<u64>,
    term: u64,
    applied: u64,
    voters_wanted: u32,
    answered_by: u64,
    nodes: Vec<NodeDocument<'a>>,
    jobs: Vec<JobDocument>,
    unreachable_pairs: Vec<PairDocument<'a>>,
    set_aside: Vec<AsideDocument<'a>>,
    outages: Vec<OutageDocument>,
}

/// A node that cannot fetch from another one, for programs.
#[derive(Debug, Serialize)]
struct PairDocument<'a> {
    from: u64,
    to: u64,
    job: &'a str,
    since_unix_ms: u64,
}

/// A node that a store refuses, for programs.
#[derive(Debug, Serialize)]
struct AsideDocument<'a> {
    node: u64,
    job: &'a str,
    message: &'a str,
    since_unix_ms: u64,
    tried_again_unix_ms: u64,
}

/// For people: the head, the nodes, the jobs that run.
pub(crate) fn text(status: &ClusterStatus, rates: &Rates, now_ms: u64) -> String {
    let health = health(status);
    let mut out = format!("{}  cluster {}", health.state, called(status));
    if status.partial {
        out.push_str(&format!(", as known to {}", node::id(status.answered_by)));
    }
    out.push('\n');
    for notice in &health.notices {
        out.push_str(&format!("  ! {}\n", notice.words));
    }
    head(&mut out, status);
    let present: Vec<_> =
        status.nodes.iter().filter(|node| node.state != "removed").cloned().collect();
    out.push('\n');
    out.push_str(&node::table(&present, rates, "  "));
    let running: Vec<_> = status.jobs.iter().filter(|job| !job::ended(job)).cloned().collect();
    out.push('\n');
    out.push_str(&match running.is_empty() {
        // A node that only works knows of no jobs but its own tasks.
        true if status.partial && status.applied == 0 => {
            "  jobs are not known to this node\n".to_owned()
        }
        true => "  no job is running\n".to_owned(),
        false => job::table(&running, now_ms, "  "),
    });
    out
}

/// The cluster's name, as far as it is known, and its id.
fn called(status: &ClusterStatus) -> String {
    let (name, cluster) = (plain(&status.name), plain(&status.cluster));
    if name.is_empty() { cluster } else { format!("{name} ({cluster})") }
}

fn head(out: &mut String, status: &ClusterStatus) {
    let roles = |role: &str| {
        let having =
            status.nodes.iter().filter(|node| node.role == role && node.state != "removed");
        having.map(|node| node::id(node.node)).collect::<Vec<_>>().join(", ")
    };
    let coordinator = match (status.leader, status.term) {
        (0, _) => "none".to_owned(),
        (leader, 0) => node::id(leader),
        (leader, term) => format!("{}, term {term}", node::id(leader)),
    };
    line(out, "coordinator", coordinator);
    let wanted = match status.voters_wanted {
        0 => String::new(),
        wanted => format!(" ({wanted} wanted)"),
    };
    line(out, "voters", format!("{}{wanted}", roles("voter")));
    let learners = roles("learner");
    if !learners.is_empty() {
        line(out, "becoming voters", learners);
    }
    if status.attends_at > 0 && status.attends_at != status.answered_by {
        let (by, at) = (node::id(status.answered_by), node::id(status.attends_at));
        line(out, "attends", format!("{by} at {at}"));
    }
    let leaving = |node: &&NodeStatus| node.leaving && node.state != "removed";
    let leaving = status.nodes.iter().filter(leaving).count();
    let of_state = |state: &str| status.nodes.iter().filter(|node| node.state == state).count();
    let states = STATES.map(|state| (of_state(state), state));
    let states = states.into_iter().chain([(leaving, "leaving")]);
    let states = states.filter(|(number, _)| *number > 0);
    let states: Vec<_> = states.map(|(number, state)| format!("{number} {state}")).collect();
    line(out, "nodes", states.join(", "));
}

/// For people who let it run beside them: one line, which stays the same for as long as nothing
/// happens.
pub(crate) fn one_line(status: &ClusterStatus, now_ms: u64) -> String {
    let health = health(status);
    let (of_state, are) =
        if status.partial { ("answers", "answering") } else { ("ready", "ready") };
    let number = status.nodes.iter().filter(|node| node.state == of_state).count();
    let all = status.nodes.iter().filter(|node| node.state != "removed").count();
    let leader = match (status.leader, status.term) {
        (0, _) => format!("no coordinator, as known to {}", node::id(status.answered_by)),
        (leader, 0) => format!("coordinator {}", node::id(leader)),
        (leader, term) => format!("coordinator {}, term {term}", node::id(leader)),
    };
    let jobs = status.jobs.iter().filter(|job| !job::ended(job));
    let jobs: Vec<_> =
        jobs.map(|job| format!("{} {}", plain(&job.job), job::progress(job, now_ms))).collect();
    let jobs = if jobs.is_empty() { "no job".to_owned() } else { jobs.join("; ") };
    let briefs: Vec<_> = health.notices.iter().map(|notice| notice.brief.as_str()).collect();
    let briefs = match briefs.is_empty() {
        true => String::new(),
        false => format!(" ({})", briefs.join("; ")),
    };
    format!("{}: {leader}, {number} of {all} nodes {are}, {jobs}{briefs}", health.state)
}

/// For programs.
pub(crate) fn json(status: &ClusterStatus, rates: &Rates) -> serde_json::Value {
    let health = health(status);
    let document = Document {
        schema_version: 1,
        health: health.state,
        words: health.notices.iter().map(|notice| notice.words.as_str()).collect(),
        notices: &health.notices,
        partial: status.partial,
        without_coordinator_ms: Some(status.leaderless_ms).filter(|ms| *ms > 0),
        attends_at: Some(status.attends_at).filter(|node| *node > 0),
        cluster: &status.cluster,
        name: &status.name,
        coordinator: (status.leader != 0).then_some(status.leader),
        term: status.term,
        applied: status.applied,
        voters_wanted: status.voters_wanted,
        answered_by: status.answered_by,
        nodes: status.nodes.iter().map(|node| node::document(node, rates)).collect(),
        jobs: status.jobs.iter().map(job::document).collect(),
        unreachable_pairs: status.unreachable_pairs.iter().map(pair).collect(),
        set_aside: status.set_aside.iter().map(aside).collect(),
        outages: status.outages.iter().map(job::outage).collect(),
    };
    serde_json::to_value(document).expect("strings and numbers are always JSON")
}

fn pair(pair: &UnreachablePair) -> PairDocument<'_> {
    let (from, to, job) = (pair.from, pair.to, pair.job.as_str());
    PairDocument { from, to, job, since_unix_ms: pair.since_ms }
}

fn aside(aside: &SetAside) -> AsideDocument<'_> {
    AsideDocument {
        node: aside.node,
        job: &aside.job,
        message: &aside.detail,
        since_unix_ms: aside.since_ms,
        tried_again_unix_ms: aside.until_ms,
    }
}

#[cfg(test)]
mod tests {
    use fruitnode_proto::v1::{JobStatus, Outage};

    use super::*;
    use crate::cli::cluster::show::health::examples::status;

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
            "  ! n3 (10.0.0.3:7400) is a voter and is lost: start it again",
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
            "DEGRADED: coordinator n1, term 4, 1 of 3 nodes ready, week extracting 25 % \
             (n3 lost; n2 draining; 2 of 3 voters)"
        );
        let json = json(&status, &Rates::new());
        assert_eq!(json["schema_version"], 1);
        assert_eq!(json["health"], "degraded");
        assert_eq!(
            (&json["notices"][0]["code"], &json["partial"]),
            (&"voter_lost".into(), &false.into())
        );
        assert_eq!(json["words"][0], json["notices"][0]["words"]);
        assert_eq!(json["coordinator"], 1);
        assert_eq!(json["jobs"][1]["phase"], "succeeded");
        assert_eq!(json["nodes"][2]["state"], "lost");
    }

    #[test]
    fn what_one_node_knows_by_itself_is_told_as_that() {
        let mut status =
            status(0, 3, &[("answers", "voter"), ("silent", "voter"), ("unknown", "member")]);
        (status.partial, status.leaderless_ms) = (true, 14_000);
        let text = text(&status, &Rates::new(), 0);
        for says in [
            "STOPPED  cluster fruits (ab12cd34), as known to n1\n",
            "  coordinator               none\n",
            "  nodes                     1 answers, 1 silent, 1 unknown\n",
            "jobs are not known to this node",
        ] {
            assert!(text.contains(says), "{says}: {text}");
        }
        let line = one_line(&status, 0);
        assert!(
            line.starts_with("STOPPED: no coordinator, as known to n1, 1 of 3 nodes"),
            "{line}"
        );
        assert!(!line.contains("14"), "it says the same for as long as it is so: {line}");
        let json = json(&status, &Rates::new());
        assert_eq!(
            (&json["partial"], &json["without_coordinator_ms"]),
            (&true.into(), &14_000.into())
        );
        let nobodys = ClusterStatus { name: String::new(), voters_wanted: 0, ..status };
        let text = super::text(&nobodys, &Rates::new(), 0);
        assert!(text.starts_with("STOPPED  cluster ab12cd34, as known to n1"), "{text}");
        assert!(!text.contains("wanted"), "{text}");
    }

    #[test]
    fn what_is_endured_is_data_for_programs() {
        let mut status = status(1, 3, &[("ready", "voter"); 3]);
        let (job, since_ms) = ("week".to_owned(), 5_000);
        status.unreachable_pairs =
            vec![UnreachablePair { from: 2, to: 3, since_ms, job: job.clone() }];
        let detail = "the clock is wrong".to_owned();
        status.set_aside =
            vec![SetAside { node: 2, job: job.clone(), detail, since_ms, until_ms: 9_000 }];
        let detail = "connection refused".to_owned();
        status.outages = vec![Outage { job, detail, since_ms, nodes: vec![3] }];
        status.nodes[1].log_silent_ms = 700;
        let json = json(&status, &Rates::new());
        assert_eq!(json["unreachable_pairs"][0]["to"], 3);
        assert_eq!(json["set_aside"][0]["tried_again_unix_ms"], 9_000);
        assert_eq!(json["set_aside"][0]["message"], "the clock is wrong");
        assert_eq!(json["outages"][0]["since_unix_ms"], 5_000);
        assert_eq!(json["nodes"][1]["log_silent_ms"], 700);
        assert_eq!(json["nodes"][1]["leaving"], false);
        let codes: Vec<_> = (0..3).map(|at| json["notices"][at]["code"].clone()).collect();
        assert_eq!(codes, ["outage", "set_aside", "unreachable_pair"]);
    }
}
