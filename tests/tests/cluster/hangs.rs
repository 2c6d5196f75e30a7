//! A node lives and one of its attempts does not: a request hangs for ever at the store. The task
//! is granted to another node, or begun anew where there is no other, and the result is that of
//! one node.

use std::collections::BTreeMap;

use fruitnode::LEASE_TICKS;
use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::sandbox::Ended;
use fruitnode_tests::store::{Hold, Job};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// Term of every attempt: 3 s. The store is waited for much longer before a request is given up.
const TICKS: &str = "30";

/// A cluster with photographs, and what one node publishes.
fn prepared(nodes: usize) -> (Cluster, BTreeMap<String, String>) {
    let cluster = Cluster::of_in(PROGRAM, nodes, &[(LEASE_TICKS, TICKS)]);
    cluster.job.draw(5);
    cluster.job.run(&format!("run {FLAGS} --to s3://fruit/alone --threads 2")).done();
    let expected = cluster.whole("alone/");
    (cluster, expected)
}

fn submit(cluster: &Cluster, id: &str) {
    let line = format!("job submit {FLAGS} --to s3://fruit/{id} --id {id} --detach");
    let ended = cluster.client(&line);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
}

/// Runs a job of which one request hangs until it is over; the lines that tell what was noticed.
fn hung(
    cluster: &Cluster,
    expected: &BTreeMap<String, String>,
    (id, hold): (&str, Hold),
) -> Vec<String> {
    cluster.job.store.forget();
    cluster.job.store.hold(hold.once());
    submit(cluster, id);
    assert_eq!(cluster.ended(id), "succeeded", "{}", cluster.tails());
    assert_eq!(cluster.job.store.held(), 1, "{id}: nothing hung");
    cluster.job.store.let_go();
    assert_eq!(cluster.whole(&format!("{id}/")), *expected, "{id}");
    let logs = cluster.running().into_iter().map(|at| cluster.log(at));
    let told = logs.flat_map(|log| log.lines().map(str::to_owned).collect::<Vec<_>>());
    told.filter(|line| line.contains("no progress") && line.contains(id)).collect()
}

#[test]
fn a_request_that_hangs_for_ever_is_left_to_its_node_and_its_task_is_done_by_another() {
    let (cluster, expected) = prepared(3);
    for (id, hold) in [
        ("listing", Hold::of("ListObjectsV2", 1)),
        ("reading", Hold::of("GetObject", 4)),
        ("writing", Hold::of("PutObject", 5)),
        ("publishing", Hold::of("CopyObject", 2)),
    ] {
        let told = hung(&cluster, &expected, (id, hold));
        let noticed = |line: &String| line.contains("makes no progress on n");
        assert!(told.iter().any(noticed), "{id}: {told:?}\n{}", cluster.tails());
    }
}

#[test]
fn a_cluster_of_one_node_begins_anew_what_hangs() {
    let (cluster, expected) = prepared(1);
    for (id, hold) in [("reading", Hold::of("GetObject", 4)), ("writing", Hold::of("PutObject", 5))]
    {
        let told = hung(&cluster, &expected, (id, hold));
        let given_up = |line: &String| line.contains("giving up an attempt");
        assert!(told.iter().any(given_up), "{id}: {told:?}\n{}", cluster.tails());
    }
}

#[test]
fn a_run_begins_anew_what_hangs() {
    let job = Job::new(PROGRAM);
    job.draw(5);
    job.run(&format!("run {FLAGS} --to s3://fruit/alone")).done();
    for (to, hold) in
        [("reading", Hold::of("GetObject", 4)), ("publishing", Hold::of("CopyObject", 2))]
    {
        job.store.forget();
        job.store.hold(hold.once());
        let line = format!("run {FLAGS} --to s3://fruit/{to}");
        let mut command = job.command(line.split_whitespace());
        command.env(LEASE_TICKS, TICKS);
        Ended::of(command).done();
        assert_eq!(job.store.held(), 1, "{to}: nothing hung");
        job.store.let_go();
        assert_eq!(job.digests(&format!("{to}/")), job.digests("alone/"), "{to}");
    }
}

#[test]
fn a_store_that_hangs_is_told_of_and_outlived_however_many_attempts_it_costs() {
    let (cluster, expected) = prepared(3);
    cluster.job.store.forget();
    cluster.job.store.hold(Hold::all(12));
    submit(&cluster, "stuck");
    let overdue = || Some(cluster.job_status("stuck")?["overdue"].as_u64()? > 0);
    cluster.until("the job is said to be overdue", || overdue() == Some(true));
    let explained = || {
        let story = cluster.client("job explain stuck -o json");
        let story: Value = serde_json::from_str(&story.stdout).ok()?;
        Some(story["overdue"].as_array()?.first()?["still_ms"].as_u64()? >= 3_000)
    };
    cluster.until("the attempt is named", || explained() == Some(true));
    cluster.until("more than the attempts of a failing task are given up", || {
        let failed = |status: Value| status["failed_attempts"].as_u64();
        cluster.job_status("stuck").and_then(failed).unwrap_or(0) > 4
    });
    cluster.job.store.let_go();
    assert_eq!(cluster.ended("stuck"), "succeeded", "{}", cluster.tails());
    assert_eq!(cluster.whole("stuck/"), expected);
}
