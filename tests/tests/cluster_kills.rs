//! Nodes die, hang and come back while a job runs; it ends by itself, with the bytes of one node.
//!
//! A moment is a number of requests that the store has carried out: there everything stops, the
//! deed is done, and everything goes on.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::store::{Hold, Visible};

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// Moments of each kind of death, spread over all requests of a job.
const MOMENTS: u64 = 10;

/// A cluster with photographs, what one node publishes, and the requests of an undisturbed job.
fn prepared(nodes: usize) -> (Cluster, BTreeMap<String, String>, u64) {
    let cluster = Cluster::of(PROGRAM, nodes);
    cluster.until_voters(if nodes < 3 { 1 } else { 3 });
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

/// Submits a job, does the deed when the store has carried out so many requests, and compares.
fn disturbed(
    cluster: &mut Cluster,
    expected: &BTreeMap<String, String>,
    (id, requests): (&str, u64),
    deed: impl FnOnce(&mut Cluster),
) {
    cluster.job.store.forget();
    cluster.job.store.hold(Hold::all(requests + 1));
    submit(cluster, id);
    cluster.until("the store holds a request", || cluster.job.store.held() > 0);
    deed(cluster);
    cluster.job.store.let_go();
    until_succeeded(cluster, id);
    assert_eq!(whole(cluster, &format!("{id}/")), *expected, "{id} after {requests} requests");
}

/// Starts a dead node again and waits until all is as before.
fn mend(cluster: &mut Cluster, at: usize) {
    cluster.restart(at);
    cluster.until_ready(3);
    cluster.until_voters(3);
}

#[test]
fn a_worker_killed_at_any_moment_costs_only_what_it_held() {
    let (mut cluster, expected, total) = prepared(3);
    for moment in 0..MOMENTS {
        let requests = 1 + moment * (total - 1) / MOMENTS;
        let leader = cluster.leader().expect("a coordinator");
        let victim = (leader + 1 + moment as usize % 2) % 3;
        let id = format!("worker-{moment}");
        disturbed(&mut cluster, &expected, (&id, requests), |cluster| cluster.kill(victim));
        mend(&mut cluster, victim);
    }
}

#[test]
fn the_coordinator_killed_at_any_moment_is_succeeded_and_nothing_accepted_is_lost() {
    let (mut cluster, expected, total) = prepared(3);
    for moment in 0..MOMENTS {
        let requests = 1 + moment * (total - 1) / MOMENTS;
        let victim = cluster.leader().expect("a coordinator");
        let id = format!("coordinator-{moment}");
        disturbed(&mut cluster, &expected, (&id, requests), |cluster| cluster.kill(victim));
        mend(&mut cluster, victim);
    }
}

#[test]
fn all_nodes_killed_at_once_resume_the_job() {
    let (mut cluster, expected, total) = prepared(3);
    disturbed(&mut cluster, &expected, ("all", total / 2), |cluster| {
        (0..3).for_each(|at| cluster.kill(at));
        (0..3).for_each(|at| cluster.restart(at));
    });
    cluster.until_ready(3);
}

#[test]
fn a_node_that_hangs_and_wakes_after_the_end_changes_nothing() {
    let (mut cluster, expected, total) = prepared(3);
    for (name, requests) in [("early", total / 3), ("publishing", total - 12)] {
        let leader = cluster.leader().expect("a coordinator");
        for at in (0..3).filter(|at| *at != leader) {
            let id = format!("{name}-{at}");
            disturbed(&mut cluster, &expected, (&id, requests), |cluster| cluster.freeze(at));
            cluster.thaw(at);
            cluster.until_ready(3);
            // Long enough for whatever it still had in hand to go out.
            sleep(Duration::from_secs(5));
            assert_eq!(whole(&cluster, &format!("{id}/")), expected, "{id}");
        }
    }
}
