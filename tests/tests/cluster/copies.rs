//! The folder of a node is copied and started twice, as a careless restore or a cloned machine
//! would: at any time one process is the node, the others are told, and jobs keep their bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fruitnode_tests::cluster::{Cluster, free_port};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// A cluster of four, what one node publishes, and the position of a node of this role.
fn prepared(role: &str) -> (Cluster, BTreeMap<String, String>, usize) {
    let cluster = Cluster::of(PROGRAM, 4);
    cluster.until_voters(3);
    cluster.job.draw(5);
    cluster.job.run(&format!("run {FLAGS} --to s3://fruit/alone --threads 2")).done();
    let expected = cluster.whole("alone/");
    let leader = cluster.leader().expect("a coordinator");
    let is = |at: &usize| cluster.node(*at).is_some_and(|node| node["role"] == role);
    let at = (0..4).filter(|at| *at != leader).find(is).expect("a node of this role");
    (cluster, expected, at)
}

fn works(cluster: &Cluster, id: &str, expected: &BTreeMap<String, String>) {
    let ended = cluster.client(&format!("job submit {FLAGS} --to s3://fruit/{id} --id {id}"));
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
    assert_eq!(cluster.whole(&format!("{id}/")), *expected, "{id}");
}

/// What a process that must not run says as it ends.
fn last_words(cluster: &mut Cluster, at: usize) -> String {
    let code = cluster.end(at);
    let log = cluster.log(at);
    assert!(!matches!(code, Some(0 | 101) | None), "it ended with {code:?}\n{log}");
    log.lines().last().expect("it said why").to_owned()
}

/// As if the node had been reached elsewhere.
fn elsewhere(folder: &Path) {
    let path = folder.join("identity.json");
    let text = fs::read(&path).expect("a node's folder");
    let mut identity: Value = serde_json::from_slice(&text).expect("JSON");
    identity["advertise"] = format!("127.0.0.1:{}", free_port()).into();
    fs::write(&path, identity.to_string()).expect("it may be changed");
}

/// A copy that is started while the first process lives is refused, by whoever notices.
fn refused_while_the_first_lives(role: &str) {
    let (mut cluster, expected, at) = prepared(role);
    let process = cluster.node(at);
    let copy = cluster.start_copy(at, |_| {});
    let words = last_words(&mut cluster, copy);
    let name = format!("n{}", at + 1);
    assert!(words.contains(&format!("already running as node {name}")), "{words}");
    assert!(words.contains("fruitnode join"), "{words}");
    let copy = cluster.start_copy(at, elsewhere);
    let words = last_words(&mut cluster, copy);
    assert!(words.contains(&format!("already running as {name}")), "{words}");
    let address = |node: Option<Value>| node.map(|node| node["address"].clone());
    assert_eq!(address(cluster.node(at)), address(process), "the first one is the node still");
    works(&cluster, "beside", &expected);
}

/// A copy that is started while the first process hangs becomes the node; the first one, when it
/// wakes, is told.
fn takes_the_place_of_one_that_hangs(role: &str) {
    let (mut cluster, expected, at) = prepared(role);
    cluster.freeze(at);
    let copy = cluster.start_copy(at, |_| {});
    let address = cluster.address(copy);
    cluster.until_node(at, "address", &address);
    cluster.until_ready(4);
    works(&cluster, "instead", &expected);
    cluster.thaw(at);
    let words = last_words(&mut cluster, at);
    assert!(words.contains("another copy of this folder"), "{words}");
    works(&cluster, "after", &expected);
    // Nor is it let in when the copy is gone: what it has is older.
    cluster.kill(copy);
    cluster.until_node(at, "state", "lost");
    cluster.restart(at);
    let words = last_words(&mut cluster, at);
    assert!(words.contains("another copy of this folder"), "{words}");
    assert!(words.contains(&format!("fruitnode node remove {}", at + 1)), "{words}");
    works(&cluster, "without", &expected);
}

#[test]
fn a_copy_of_a_member_is_refused_while_the_member_lives() {
    refused_while_the_first_lives("member");
}

#[test]
fn a_copy_of_a_voter_is_refused_while_the_voter_lives() {
    refused_while_the_first_lives("voter");
}

#[test]
fn a_copy_of_a_member_takes_its_place_when_it_hangs() {
    takes_the_place_of_one_that_hangs("member");
}

#[test]
fn a_copy_of_a_voter_takes_its_place_when_it_hangs() {
    takes_the_place_of_one_that_hangs("voter");
}
