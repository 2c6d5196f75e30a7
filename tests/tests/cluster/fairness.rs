//! Jobs that were submitted one after the other share the slots of a cluster of real processes:
//! whoever has the fewest leases is given the next.

use std::cell::RefCell;

use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::store::Hold;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The jobs, but for where their results go: every lease of an extraction reads one photograph.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 1 --pca off";

/// Nodes of the cluster, each of which has two slots.
const NODES: usize = 3;

/// Leases at a time.
const SLOTS: u64 = 2 * NODES as u64;

/// In the order in which they are submitted.
const JOBS: [&str; 3] = ["first", "second", "third"];

fn submit(cluster: &Cluster, id: &str) {
    let line = format!("job submit {FLAGS} --to s3://fruit/{id} --id {id} --detach");
    let ended = cluster.client(&line);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
}

/// Waits until every slot has a lease that stands still at its photograph.
fn until_all_stand_still(cluster: &Cluster) {
    let held = || cluster.job.store.held();
    cluster.until(&format!("{SLOTS} leases stand still"), || held() == SLOTS);
}

/// Lets every lease end that is out, and waits until the next ones stand still in their place.
fn go_on(cluster: &Cluster) {
    let store = &cluster.job.store;
    // Nobody reads anything meanwhile: all slots are taken by leases that wait.
    let asked = store.counters().of("GetObject");
    store.hold(Hold::of("GetObject", asked + 1).below("in/"));
    until_all_stand_still(cluster);
}

/// What the cluster says of each job.
fn told(cluster: &Cluster) -> [Value; 3] {
    let told = RefCell::new([Value::Null, Value::Null, Value::Null]);
    cluster.until("somebody tells of every job", || {
        *told.borrow_mut() = JOBS.map(|id| cluster.job_status(id).unwrap_or_default());
        told.borrow().iter().all(Value::is_object)
    });
    told.into_inner()
}

fn numbers(jobs: &[Value; 3], key: &str) -> [u64; 3] {
    [0, 1, 2].map(|at: usize| jobs[at][key].as_u64().expect("a number"))
}

#[test]
fn jobs_that_come_later_are_given_their_share_before_the_first_one_ends() {
    let cluster = Cluster::of(PROGRAM, NODES);
    cluster.job.draw(2);
    cluster.job.run(&format!("run {FLAGS} --to s3://fruit/alone --threads 2")).done();
    let expected = cluster.whole("alone/");
    cluster.job.store.hold(Hold::of("GetObject", 1).below("in/"));
    submit(&cluster, "first");
    until_all_stand_still(&cluster);
    // There is no room even to list what they are about.
    submit(&cluster, "second");
    submit(&cluster, "third");
    let jobs = told(&cluster);
    assert_eq!(numbers(&jobs, "leases"), [SLOTS, 0, 0], "{jobs:?}");
    // A slot that becomes free lists the second, another the third; whatever the first was given
    // while they were being listed is out no longer after the second time.
    go_on(&cluster);
    go_on(&cluster);
    let before = told(&cluster);
    assert_eq!(numbers(&before, "leases"), [2, 2, 2], "{before:?}");
    go_on(&cluster);
    let after = told(&cluster);
    assert_eq!(numbers(&after, "leases"), [2, 2, 2], "{after:?}");
    let (earlier, later) = (numbers(&before, "extracted"), numbers(&after, "extracted"));
    assert_eq!(later, earlier.map(|extracted| extracted + 2), "{after:?}");
    assert!(after.iter().all(|job| job["phase"] == "extracting"), "{after:?}");
    cluster.job.store.let_go();
    for id in JOBS {
        assert_eq!(cluster.ended(id), "succeeded", "{id}\n{}", cluster.tails());
        assert_eq!(cluster.whole(&format!("{id}/")), expected, "{id}");
    }
}
