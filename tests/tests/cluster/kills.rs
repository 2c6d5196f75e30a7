//! Nodes die, hang and come back while a job runs; it ends by itself, with the bytes of one node,
//! and nothing that was accepted is computed again.
//!
//! A moment is a request of the store, or one that a node makes for another's moments: there
//! everything stops, the deed is done, and everything goes on. What a death cost is read from the
//! attempts that are told beside the result, and from what the store counted.

#![allow(clippy::print_stdout, reason = "with --nocapture a run says what each death cost")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::Duration;

use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::store::{Hold, Visible};
use serde_json::Value;

/// How an attempt at a merge may end when a node dies.
const LOST_WITH_A_NODE: [&str; 3] = ["node_lost", "moments_missing", "moments_unreachable"];

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// Photographs of one partition, as in [`FLAGS`].
const ROWS_PER_PART: u64 = 4;

/// Nodes of a cluster.
const NODES: usize = 3;

/// Who can be kept from telling its moments. Of ten partitions, the last node is given the seventh
/// and the eighth first.
const ASKED: usize = 2;

/// Who then waits for them: of the partitions that are merged with these two, the node in the
/// middle is given the left one, the fifth, and a merge is granted to whoever has the left side.
const MERGES: usize = 1;

/// Moments of each kind of death, spread over all requests of a job.
const MOMENTS: u64 = 10;

/// When the deed is done.
#[derive(Debug, Clone)]
enum Moment {
    /// The store holds a request.
    Request(Hold),
    /// Every photograph is read, and somebody waits for moments that are to be merged with others.
    Merge,
}

/// A cluster with photographs, what one node publishes, and the requests of an undisturbed job.
fn prepared() -> (Cluster, BTreeMap<String, String>, u64) {
    let mut cluster = Cluster::of(PROGRAM, NODES - 1);
    assert_eq!(cluster.join_behind_a_link(), ASKED);
    cluster.until_ready(NODES);
    cluster.until_voters(NODES);
    let expected = draw(&cluster);
    cluster.job.store.forget();
    let line = format!("job submit {FLAGS} --to s3://fruit/calm --id calm");
    let ended = cluster.client(&line);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
    let total = cluster.job.store.counters().requests;
    (cluster, expected, total)
}

/// Draws photographs; what one node publishes.
fn draw(cluster: &Cluster) -> BTreeMap<String, String> {
    cluster.job.draw(5);
    cluster.job.run(&format!("run {FLAGS} --to s3://fruit/alone --threads 2")).done();
    whole(cluster, "alone/")
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
fn after(requests: u64) -> Moment {
    Moment::Request(Hold::all(requests + 1))
}

/// The moment in which one photograph after so many objects is read.
fn amid_the_photographs(reads: u64) -> Moment {
    Moment::Request(Hold::of("GetObject", reads).below("in/"))
}

/// The moment in which a fit is done and not yet written: such jobs are named `<kind>-fit`. Nothing
/// but the fit is at work then, so the phase stays what it is.
fn amid_the_fit(below: &'static str) -> Moment {
    Moment::Request(Hold::of("PutObject", 1).below(below))
}

/// Keeps everybody from the moments of [`ASKED`], lets photographs be read, and waits until merges
/// alone are at work: one that needs these moments waits for seconds, before the node that holds
/// them is given it.
fn stop_amid_a_merge(cluster: &Cluster, id: &str) {
    cluster.shut_off(ASKED);
    cluster.job.store.let_go();
    cluster.until("a node waits for the moments of another", || {
        let status = cluster.job_status(id).unwrap_or_default();
        status["phase"] == "reducing" && status["leases"].as_u64() > Some(0)
    });
}

/// Submits a job, does the deed at its moment, and compares; in which phase of the job that was.
fn disturbed(
    cluster: &mut Cluster,
    expected: &BTreeMap<String, String>,
    (id, moment): (&str, Moment),
    deed: impl FnOnce(&mut Cluster),
) -> String {
    cluster.job.store.forget();
    cluster.job.store.hold(match &moment {
        Moment::Request(hold) => hold.clone(),
        Moment::Merge => Hold::of("GetObject", 1).below("in/"),
    });
    submit(cluster, id);
    cluster.until("the store holds a request", || cluster.job.store.held() > 0);
    if let Moment::Merge = moment {
        stop_amid_a_merge(cluster, id);
    }
    let phase = phase(cluster, id);
    println!("{id}: in phase {phase}, at {moment:?}");
    deed(cluster);
    if let Moment::Merge = moment {
        cluster.let_in(ASKED);
    }
    cluster.job.store.let_go();
    until_succeeded(cluster, id);
    assert_eq!(whole(cluster, &format!("{id}/")), *expected, "{id} at {moment:?}");
    phase
}

/// How often each node was declared lost by a coordinator, whether it was dead or only slow.
fn declared_lost(cluster: &Cluster) -> BTreeMap<u64, u64> {
    let mut times = BTreeMap::new();
    for log in (0..cluster.size()).map(|at| cluster.log(at)) {
        let told = log.lines().filter_map(|line| line.split_once(" is lost: other nodes"));
        for (before, _) in told {
            let node = before.rsplit(' ').next().unwrap_or_default().trim_start_matches('n');
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
    (id, moment): (&str, Moment),
    (victims, start_again): (&[usize], bool),
) -> String {
    let slots = |at: usize| {
        let node = cluster.node(at).expect("a node that is there");
        (at as u64 + 1, node["slots"].as_u64().expect("a number"))
    };
    let slots: BTreeMap<u64, u64> = (0..cluster.size()).map(slots).collect();
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
            ("accepted", "merge" | "remake" | "rebuild") => {}
            ("accepted", _) => {
                let task = words(attempt, "task");
                assert!(accepted.insert(task), "{id}: accepted twice: {attempt}");
            }
            ("node_lost", _) if in_flight.get(&node).is_some_and(|leases| *leases > 0) => {
                *lost.entry(node).or_default() += u64::from(is_extract);
            }
            // Whoever wanted the moments of a dead node, or made some that others made as well.
            ("moments_missing" | "moments_unreachable", "merge" | "fit")
            | ("cancelled", "merge" | "remake" | "rebuild") => {}
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

fn outcome(attempt: &Value) -> &str {
    attempt["outcome"].as_str().expect("words")
}

/// Some deaths came while photographs were read, some later.
fn covers_the_stages(phases: &BTreeSet<String>) {
    println!("phases: {phases:?}");
    for phase in ["extracting", "reducing", "fitting"] {
        assert!(phases.contains(phase), "no death came while {phase}: {phases:?}");
    }
}

/// Starts a dead node again and waits until all is as before.
fn mend(cluster: &mut Cluster, at: usize) {
    cluster.restart(at);
    cluster.until_ready(NODES);
    cluster.until_voters(NODES);
}

/// Moments spread over all requests of a job, those that no count of requests is sure to meet
/// before and after them, and the names of their jobs.
fn moments(kind: &str, fit: &'static str, total: u64) -> Vec<(String, Moment)> {
    let spread = (0..MOMENTS).map(|moment| after(1 + moment * (total - 1) / MOMENTS));
    let spread = spread.enumerate().map(|(at, moment)| (format!("{kind}-{at}"), moment));
    // The first coordinator is not the node that is asked.
    let merge = (format!("{kind}-merge"), Moment::Merge);
    let fit = (format!("{kind}-fit"), amid_the_fit(fit));
    std::iter::once(merge).chain(spread).chain([fit]).collect()
}

#[test]
fn a_worker_killed_at_any_moment_costs_only_what_it_held() {
    let (mut cluster, expected, total) = prepared();
    let mut phases = BTreeSet::new();
    let fit = "worker-fit/_run/worker-fit/work/fit-";
    for (number, (id, moment)) in moments("worker", fit, total).into_iter().enumerate() {
        let leader = cluster.leader().expect("a coordinator");
        let victim = match moment {
            Moment::Merge if leader != MERGES => MERGES,
            Moment::Merge => ASKED,
            Moment::Request(_) => (leader + 1 + number % 2) % NODES,
        };
        phases.insert(killed(&mut cluster, &expected, (&id, moment), (&[victim], false)));
        mend(&mut cluster, victim);
    }
    covers_the_stages(&phases);
    let died_merging = |attempt: &Value| {
        attempt["stage"] == "merge" && LOST_WITH_A_NODE.contains(&outcome(attempt))
    };
    let attempts = cluster.attempts("worker-merge");
    assert!(attempts.iter().any(died_merging), "{attempts:?}");
}

#[test]
fn the_coordinator_killed_at_any_moment_is_succeeded_and_nothing_accepted_is_lost() {
    let (mut cluster, expected, total) = prepared();
    let mut phases = BTreeSet::new();
    let fit = "coordinator-fit/_run/coordinator-fit/work/fit-";
    for (id, moment) in moments("coordinator", fit, total) {
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
        ("all-merge", Moment::Merge),
        ("all-extract", amid_the_photographs(20)),
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
fn the_only_voter_killed_and_started_again_goes_on_with_the_job() {
    let mut cluster = Cluster::found_with(PROGRAM, "--voters 1");
    let expected = draw(&cluster);
    for nodes in [1, NODES] {
        while cluster.size() < nodes {
            cluster.join();
        }
        cluster.until_ready(nodes);
        let id = format!("one-of-{nodes}");
        let moment = amid_the_photographs(20);
        let phase = killed(&mut cluster, &expected, (&id, moment), (&[0], true));
        assert_eq!(phase, "extracting");
        cluster.until_ready(nodes);
        // Nobody took its place.
        assert_eq!(cluster.leader(), Some(0));
    }
    // Of a node that is alone it was its own photograph.
    let attempts = cluster.attempts("one-of-1");
    assert!(attempts.iter().any(|attempt| outcome(attempt) == "node_lost"), "{attempts:?}");
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
