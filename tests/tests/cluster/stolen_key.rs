//! The key of a cluster's authority lies on every voter: what is left of it where a node votes no
//! longer, and what whoever took it in time can do with it.

use std::fs;
use std::path::{Path, PathBuf};

use fruitnode_coordinator::ids::NodeId;
use fruitnode_mesh::authority::Authority;
use fruitnode_mesh::credentials::{NodeKey, PERSON};
use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::store::Visible;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// A job, but for its name and where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// Life of a certificate that somebody makes for himself.
const LIFE: std::time::Duration = std::time::Duration::from_hours(24);

fn key_of(cluster: &Cluster, at: usize) -> PathBuf {
    cluster.data_dir(at).join("authority.key")
}

/// A voter that is not the coordinator.
fn voter(cluster: &Cluster) -> usize {
    let leader = cluster.leader().expect("a coordinator");
    let votes = |at: &usize| cluster.node(*at).is_some_and(|node| node["role"] == "voter");
    cluster.running().into_iter().filter(|at| *at != leader).find(votes).expect("three voters")
}

/// Puts what `sign` makes for a new key where the program looks for a person's certificate.
fn forged(cluster: &Cluster, name: &str, sign: impl FnOnce(&[u8]) -> Vec<Vec<u8>>) -> String {
    let folder = cluster.job.sandbox.path(name);
    fs::create_dir(&folder).expect("it is not there yet");
    let key = NodeKey::generate().expect("keys can be made");
    let chain = sign(&key.request_der().expect("requests can be made"));
    key.with(chain).expect("they fit").save(&folder, PERSON).expect("it may be written");
    name.to_owned()
}

fn stolen(folder: &Path) -> Authority {
    Authority::open(folder).expect("it can be read").expect("the key of a voter is there")
}

#[test]
fn who_votes_no_longer_has_no_key_and_gets_one_again_with_the_next_vote() {
    let mut cluster = Cluster::of(PROGRAM, 4);
    cluster.until_voters(3);
    cluster.job.draw(2);
    let at = voter(&cluster);
    assert!(key_of(&cluster, at).is_file());
    cluster.client(&format!("node drain n{}", at + 1)).done();
    cluster.until("it has let go of the key", || !key_of(&cluster, at).exists());
    cluster.until_voters(3);
    let log = cluster.log(at);
    assert!(log.contains("no longer a voter"), "{log}");

    // A start does not bring it back, and another voter that is lost makes it a voter again.
    cluster.client(&format!("node drain n{} --undo", at + 1)).done();
    assert_eq!(cluster.terminate(at), Some(0), "{}", cluster.tails());
    cluster.restart(at);
    cluster.until_ready(4);
    assert!(!key_of(&cluster, at).exists());
    let lost = voter(&cluster);
    cluster.kill(lost);
    cluster
        .until("it votes again", || cluster.node(at).is_some_and(|node| node["role"] == "voter"));
    assert!(key_of(&cluster, at).is_file());
    cluster.client(&format!("job submit {FLAGS} --to s3://fruit/out --id with --detach")).done();
    assert_eq!(cluster.ended("with"), "succeeded", "{}", cluster.tails());

    // Who is removed keeps none.
    cluster.client(&format!("node remove n{} --yes", at + 1)).done();
    cluster.end(at);
    assert!(!key_of(&cluster, at).exists(), "{}", cluster.tails());
}

#[test]
fn what_the_key_of_a_removed_voter_signs_opens_nothing() {
    let mut cluster = Cluster::of(PROGRAM, 4);
    cluster.until_voters(3);
    cluster.job.draw(1);
    let at = voter(&cluster);
    let copy = cluster.job.sandbox.path("copy");
    fs::create_dir(&copy).expect("it is not there yet");
    for name in ["authority.key", "ca.pem"] {
        fs::copy(cluster.data_dir(at).join(name), copy.join(name)).expect("a voter has them");
    }
    cluster.client(&format!("node remove n{} --yes", at + 1)).done();
    cluster.end(at);

    let authority = stolen(&copy);
    let mallory = forged(&cluster, "mallory", |request| {
        authority.sign_person("mallory", request).expect("the key is good")
    });
    let node = |id: u64| {
        let sign = |request: &[u8]| authority.sign_node(NodeId(id), request, LIFE);
        forged(&cluster, &format!("forged-{id}"), |request| sign(request).expect("as above"))
    };
    // A node may be told of somebody later than others: whom it does not know is not heard yet.
    let (new, member) = (node(9), node(cluster.leader().expect("a coordinator") as u64 + 1));
    for (own, says) in
        [(&mallory, "not known here"), (&new, "not known here"), (&member, "with a different key")]
    {
        let line = format!("status --timeout 3s --certs-dir {own}");
        let words = cluster.client(&line).refused(3);
        assert!(words.contains(says), "{own}: {words}");
    }
    let line = format!("job submit {FLAGS} --to s3://fruit/out --id theirs --timeout 3s");
    cluster.client(&format!("{line} --certs-dir {mallory}")).refused(3);
    assert_eq!(cluster.job.visible("out/"), Visible::Nothing);
    cluster.client("status").done();
}
