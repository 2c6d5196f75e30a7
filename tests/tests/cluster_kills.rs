//! Nodes die, hang and come back while a job runs; it ends by itself, with the bytes of one node,
//! and nothing that was accepted is computed again.
//!
//! A moment is a request of the store: there everything stops, the deed is done, and everything
//! goes on. What a death cost is read from the attempts that are told beside the result, and from
//! what the store counted.

#![allow(clippy::print_stdout, reason = "with --nocapture a run says what each death cost")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::Duration;

use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::store::{Hold, Visible};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// Photographs of one partition, as in [`FLAGS`].
const ROWS_PER_PART: u64 = 4;

/// Nodes of a cluster.
const NODES: usize = 3;

/// Moments of each kind of death, spread over all requests of a job.
const MOMENTS: u64 = 10;

/// A cluster with photographs, what one node publishes, and the requests of an undisturbed job.
fn prepared() -> (Cluster, BTreeMap<String, String>, u64) {
    let cluster = Cluster::of(PROGRAM, NODES);
    cluster.until_voters(NODES);
    cluster.job.draw(5);
    cluster.job.run(&format!("run {FLAGS} --to s3://fruit/alone --threads 2")).done();
    let expected = whole(&cluster, "alone/");
    cluster.job.store.forget();
    let line = format!("job submit {FLAGS} --to s3://fruit/calm --id calm");
    let ended = cluster.client(&line);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
    let total = cluster.job.store.counters().requests;
    (cluster, expected, total)
}

fn whole(cluster: &Cluster, prefix: &str) -> BTreeMap<String, String> {
    match cluster.job.visible(prefix) {
        Visible::Whole(digests) => digests,
        other => panic!("{prefix}: {other:?}\n{}", cluster.tails()),
    }
}

fn submit(cluster: &Cluster, id: &str) {
    let ended =
        cluster.client(&format!("job submit {FLAGS} --to s3://fruit/{id} --id {id} --detach"));
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
}

fn until_succeeded(cluster: &Cluster, id: &str) {
    cluster.until(&format!("job {id} succeeds"), || {
        let status = cluster.job_status(id);
        let phase = status.as_ref().and_then(|status| status["phase"].as_str());
        assert!(!matches!(phase, Some("failed" | "cancelled")), "{status:?}\n{}", cluster.tails());
        phase == Some("succeeded")
    });
}

/// The phase of a job that runs.
fn phase(cluster: &Cluster, id: &str) -> String {
    let phase = RefCell::new(String::new());
    cluster.until(&format!("somebody knows the phase of job {id}"), || {
        let status = cluster.job_status(id).unwrap_or_default();
        status["phase"].as_str().unwrap_or_default().clone_into(&mut phase.borrow_mut());
        !phase.borrow().is_empty()
    });
    phase.into_inner()
}

/// The moment in which one request after so many others is held.
fn after(requests: u64) -> Hold {
    Hold::all(requests + 1)
}

/// The moment in which a fit is done and not yet written: such jobs are named `<kind>-fit`. Nothing
/// but the fit is at work then, so the phase stays what it is.
fn amid_the_fit(below: &'static str) -> Hold {
    Hold::of("PutObject", 1).below(below)
}

/// Submits a job, does the deed when the store holds a request, and compares; in which phase of
/// the job that was.
fn disturbed(
    cluster: &mut Cluster,
    expected: &BTreeMap<String, String>,
    (id, moment): (&str, Hold),
    deed: impl FnOnce(&mut Cluster),
) -> String {
    cluster.job.store.forget();
    cluster.job.store.hold(moment.clone());
    submit(cluster, id);
    cluster.until("the store holds a request", || cluster.job.store.held() > 0);
    let phase = phase(cluster, id);
    println!("{id}: in phase {phase}, at {moment:?}");
    deed(cluster);
    cluster.job.store.let_go();
    until_succeeded(cluster, id);
    assert_eq!(whole(cluster, &format!("{id}/")), *expected, "{id} at {moment:?}");
    phase
}

/// How often each node was declared lost by a coordinator, whether it was dead or only slow.
fn declared_lost(cluster: &Cluster) -> BTreeMap<u64, u64> {
    let mut times = BTreeMap::new();
    for log in (0..NODES).map(|at| cluster.log(at)) {
        let told = log.lines().filter(|line| line.contains("a member is not heard of"));
        for node in told.filter_map(|line| line.rsplit_once("node=")) {
            let node = node.1.trim().trim_start_matches('n');
            *times.entry(node.parse().expect("the id of a node")).or_default() += 1;
        }
    }
    times
}

/// Kills nodes amid a job, perhaps starts them again, and looks at what that cost; in which phase
/// of the job it was.
fn killed(
    cluster: &mut Cluster,
    expected: &BTreeMap<String, String>,
    (id, moment): (&str, Hold),
    (victims, start_again): (&[usize], bool),
) -> String {
    let slots = |at: usize| {
        let node = cluster.node(at).expect("a node that is there");
        (at as u64 + 1, node["slots"].as_u64().expect("a number"))
    };
    let slots: BTreeMap<u64, u64> = (0..NODES).map(slots).collect();
    let lost_before = declared_lost(cluster);
    let phase = disturbed(cluster, expected, (id, moment), |cluster| {
        victims.iter().for_each(|at| cluster.kill(*at));
        if start_again {
            victims.iter().for_each(|at| cluster.restart(*at));
        }
    });
    // A machine that does much else may let a node that lives count as lost: then somebody said so.
    let mut times = declared_lost(cluster);
    times.iter_mut().for_each(|(node, now)| *now -= lost_before.get(node).copied().unwrap_or(0));
    for at in victims {
        let of_victim = times.entry(*at as u64 + 1).or_default();
        *of_victim = (*of_victim).max(1);
    }
    // At each loss a node had a lease in each of its slots at most.
    let in_flight = times.into_iter().map(|(node, times)| (node, times * slots[&node])).collect();
    costs_only_leases_in_flight(cluster, id, &in_flight);
    phase
}

/// Looks at every attempt of a job whose lost nodes had so many leases in flight at most.
fn costs_only_leases_in_flight(cluster: &Cluster, id: &str, in_flight: &BTreeMap<u64, u64>) {
    let attempts = cluster.attempts(id);
    let words = |attempt: &Value, key: &str| attempt[key].as_str().expect("words").to_owned();
    let mut extracts: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    let mut lost: BTreeMap<u64, u64> = BTreeMap::new();
    let mut accepted = BTreeSet::new();
    for attempt in &attempts {
        let (stage, outcome) = (words(attempt, "stage"), words(attempt, "outcome"));
        let node = attempt["node"].as_u64().expect("a node has a number");
        let is_extract = stage == "extract";
        if is_extract {
            let partition = attempt["partition"].as_u64().expect("a partition has a number");
            extracts.entry(partition).or_default().push(attempt);
        }
        match (outcome.as_str(), stage.as_str()) {
            // Moments die with the memory of a node, and are made and merged again.
            ("accepted", "merge" | "remake") => {}
            ("accepted", _) => {
                let task = words(attempt, "task");
                assert!(accepted.insert(task), "{id}: accepted twice: {attempt}");
            }
            ("node_lost", _) if in_flight.get(&node).is_some_and(|leases| *leases > 0) => {
                *lost.entry(node).or_default() += u64::from(is_extract);
            }
            // Whoever wanted the moments of a dead node, or made some that others made as well.
            ("moments_missing", "merge" | "fit") | ("cancelled", "merge" | "remake") => {}
            _ => panic!("{id}: no death accounts for {attempt}\n{}", cluster.tails()),
        }
    }
    for (partition, attempts) in &extracts {
        let won: Vec<_> = attempts.iter().filter(|one| one["outcome"] == "accepted").collect();
        assert_eq!(won.len(), 1, "{id}: partition {partition}: {attempts:?}");
        let last = attempts.iter().max_by_key(|attempt| attempt["attempt"].as_u64());
        assert_eq!(last, Some(won[0]), "{id}: partition {partition} was granted again");
    }
    let photographs = cluster.job.store.keys("in/").len() as u64;
    assert_eq!(extracts.len() as u64, photographs.div_ceil(ROWS_PER_PART), "{id}");
    for (node, lost) in &lost {
        assert!(lost <= &in_flight[node], "{id}: node {node} lost {lost} leases: {attempts:?}");
    }
    let again: u64 = lost.values().sum();
    assert_eq!(extracts.values().map(Vec::len).sum::<usize>(), extracts.len() + again as usize);
    let counters = cluster.job.store.counters();
    let gets = counters.gets.iter().filter(|(key, _)| key.starts_with("in/"));
    let asked: u64 = gets.map(|(_, gets)| gets.asked).sum();
    println!("{id}: {again} extracts again, {asked} reads of {photographs} photographs");
    let most = photographs + again * ROWS_PER_PART;
    assert!((photographs..=most).contains(&asked), "{id}: {asked} reads, {most} at most");
}

/// Some deaths came while photographs were read, some later.
fn covers_the_stages(phases: &BTreeSet<String>) {
    println!("phases: {phases:?}");
    for phase in ["extracting", "fitting"] {
        assert!(phases.contains(phase), "no death came while {phase}: {phases:?}");
    }
}

/// Starts a dead node again and waits until all is as before.
fn mend(cluster: &mut Cluster, at: usize) {
    cluster.restart(at);
    cluster.until_ready(NODES);
    cluster.until_voters(NODES);
}

#[test]
fn a_worker_killed_at_any_moment_costs_only_what_it_held() {
    let (mut cluster, expected, total) = prepared();
    let mut phases = BTreeSet::new();
    let spread = (0..MOMENTS).map(|moment| after(1 + moment * (total - 1) / MOMENTS));
    let spread = spread.enumerate().map(|(at, moment)| (format!("worker-{at}"), moment));
    let fit = amid_the_fit("worker-fit/_run/worker-fit/work/fit-");
    let moments: Vec<_> = spread.chain([("worker-fit".to_owned(), fit)]).collect();
    for (number, (id, moment)) in moments.into_iter().enumerate() {
        let leader = cluster.leader().expect("a coordinator");
        let victim = (leader + 1 + number % 2) % NODES;
        phases.insert(killed(&mut cluster, &expected, (&id, moment), (&[victim], false)));
        mend(&mut cluster, victim);
    }
    covers_the_stages(&phases);
}

#[test]
fn the_coordinator_killed_at_any_moment_is_succeeded_and_nothing_accepted_is_lost() {
    let (mut cluster, expected, total) = prepared();
    let mut phases = BTreeSet::new();
    let spread = (0..MOMENTS).map(|moment| after(1 + moment * (total - 1) / MOMENTS));
    let spread = spread.enumerate().map(|(at, moment)| (format!("coordinator-{at}"), moment));
    let fit = amid_the_fit("coordinator-fit/_run/coordinator-fit/work/fit-");
    let moments: Vec<_> = spread.chain([("coordinator-fit".to_owned(), fit)]).collect();
    for (id, moment) in moments {
        let victim = cluster.leader().expect("a coordinator");
        phases.insert(killed(&mut cluster, &expected, (&id, moment), (&[victim], false)));
        mend(&mut cluster, victim);
    }
    covers_the_stages(&phases);
}

#[test]
fn all_nodes_killed_at_once_resume_the_job_and_repeat_only_leases_in_flight() {
    let (mut cluster, expected, total) = prepared();
    let mut phases = BTreeSet::new();
    for (id, moment) in [
        ("all-extract", Hold::of("GetObject", 20).below("in/")),
        ("all-fit", amid_the_fit("all-fit/_run/all-fit/work/fit-")),
        ("all-late", after(3 * total / 4)),
    ] {
        phases.insert(killed(&mut cluster, &expected, (id, moment), (&[0, 1, 2], true)));
        cluster.until_ready(NODES);
        cluster.until_voters(NODES);
    }
    covers_the_stages(&phases);
}

#[test]
fn a_node_that_hangs_and_wakes_after_the_end_changes_nothing() {
    let (mut cluster, expected, total) = prepared();
    for (name, requests) in [("early", total / 3), ("publishing", total - 12)] {
        let leader = cluster.leader().expect("a coordinator");
        for at in (0..NODES).filter(|at| *at != leader) {
            let id = format!("{name}-{at}");
            let moment = (id.as_str(), after(requests));
            disturbed(&mut cluster, &expected, moment, |cluster| cluster.freeze(at));
            cluster.thaw(at);
            cluster.until_ready(NODES);
            // Long enough for whatever it still had in hand to go out.
            sleep(Duration::from_secs(5));
            assert_eq!(whole(&cluster, &format!("{id}/")), expected, "{id}");
        }
    }
}
