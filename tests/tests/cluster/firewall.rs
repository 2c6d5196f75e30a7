//! Nodes that do each a part of what is needed and not all: they do not reach each other, or the
//! store refuses one of them. What one cannot do another one does, and the result is that of one
//! node.

use std::collections::BTreeMap;

use fruitnode_tests::cluster::Cluster;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// How often the features of each partition may be read again, on average.
const REMADE_FACTOR: u64 = 2;

/// Draws photographs; what one node publishes.
fn draw(cluster: &Cluster) -> BTreeMap<String, String> {
    cluster.job.draw(5);
    cluster.job.run(&format!("run {FLAGS} --to s3://fruit/alone --threads 2")).done();
    cluster.whole("alone/")
}

fn submit(cluster: &Cluster, id: &str) {
    let line = format!("job submit {FLAGS} --to s3://fruit/{id} --id {id} --detach");
    let ended = cluster.client(&line);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
}

fn count(attempts: &[Value], outcome: &str) -> usize {
    attempts.iter().filter(|attempt| attempt["outcome"] == outcome).count()
}

#[test]
fn a_job_ends_though_its_nodes_cannot_fetch_from_each_other() {
    // The coordinator decides alone: what it says to voters would wait at the wall, too.
    let mut cluster = Cluster::found_with(PROGRAM, "--voters 1");
    let walled: Vec<usize> = (0..3).map(|_| cluster.join_behind_a_link()).collect();
    cluster.until_ready(4);
    let expected = draw(&cluster);
    walled.iter().for_each(|at| cluster.shut_off(*at));
    submit(&cluster, "walled");
    assert_eq!(cluster.ended("walled"), "succeeded", "{}", cluster.tails());
    assert_eq!(cluster.whole("walled/"), expected);
    let status = cluster.job_status("walled").expect("the coordinator answers");
    let number = |key: &str| status[key].as_u64().expect("a number");
    let partitions = number("partitions");
    assert!(number("remade") <= REMADE_FACTOR * partitions, "{status}");
    let attempts = cluster.attempts("walled");
    let unreachable = count(&attempts, "moments_unreachable");
    // Each merge is tried three times at most.
    assert!((1..=3 * partitions as usize).contains(&unreachable), "{attempts:?}");
    assert!(attempts.iter().any(|attempt| attempt["stage"] == "rebuild"), "{attempts:?}");
    // What was learnt is not learnt again: the next job asks nobody in vain.
    submit(&cluster, "again");
    assert_eq!(cluster.ended("again"), "succeeded", "{}", cluster.tails());
    assert_eq!(cluster.whole("again/"), expected);
    let again = count(&cluster.attempts("again"), "moments_unreachable");
    assert!(again < unreachable, "{again} of {unreachable}");
}

#[test]
fn one_node_that_the_store_refuses_fails_nobodys_job() {
    let mut cluster = Cluster::of(PROGRAM, 2);
    let refused = cluster.join_in(&[("AWS_SECRET_ACCESS_KEY", "another-secret")]);
    cluster.until_ready(3);
    let expected = draw(&cluster);
    submit(&cluster, "refused");
    assert_eq!(cluster.ended("refused"), "succeeded", "{}", cluster.tails());
    assert_eq!(cluster.whole("refused/"), expected);
    let attempts = cluster.attempts("refused");
    assert!(count(&attempts, "storage_refused") > 0, "{attempts:?}");
    let by_it = |attempt: &&Value| attempt["node"] == refused as u64 + 1;
    let accepted = attempts.iter().filter(by_it).filter(|attempt| attempt["outcome"] == "accepted");
    // A merge needs no store, and it never had anything to merge.
    assert_eq!(accepted.count(), 0, "{attempts:?}");
}
