//! Nodes that leave a cluster of real processes, for good or until they are started again, with
//! time enough for their work and without: others do what they cannot end.

use std::collections::BTreeMap;

use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::store::Hold;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// What a node says that stops before others have its work.
const NOT_HANDED_OVER: &str = "stopping before all work was handed over";

/// Draws photographs; what one node publishes.
fn draw(cluster: &Cluster) -> BTreeMap<String, String> {
    cluster.job.draw(5);
    cluster.job.run(&format!("run {FLAGS} --to s3://fruit/alone --threads 2")).done();
    cluster.whole("alone/")
}

/// Submits a job, of which every slot of these nodes has a lease that stands still.
fn submit_held(cluster: &Cluster, id: &str, nodes: &[usize]) {
    cluster.job.store.hold(Hold::of("GetObject", 1).below("in/"));
    let line = format!("job submit {FLAGS} --to s3://fruit/{id} --id {id} --detach");
    cluster.client(&line).done();
    let full = |at: &usize| cluster.node(*at).is_some_and(|node| node["used"] == 2);
    cluster.until(&format!("nodes {nodes:?} have leases"), || nodes.iter().all(full));
}

/// Waits for the end of a job; outcomes of every attempt that these nodes had at a partition.
fn outcomes(
    cluster: &Cluster,
    (id, expected): (&str, &BTreeMap<String, String>),
    nodes: &[usize],
) -> Vec<Value> {
    assert_eq!(cluster.ended(id), "succeeded", "{}", cluster.tails());
    assert_eq!(cluster.whole(&format!("{id}/")), *expected);
    let attempts = cluster.attempts(id).into_iter();
    let attempts = attempts.filter(|attempt| {
        let node = attempt["node"].as_u64().expect("a number") as usize - 1;
        attempt["stage"] == "extract" && nodes.contains(&node)
    });
    attempts.map(|attempt| attempt["outcome"].clone()).collect()
}

/// Nodes as `node list` shows them.
fn listed(cluster: &Cluster) -> Vec<Value> {
    let list = cluster.client("node list -o json").done().json();
    let nodes = list["nodes"].as_array().expect("a list").iter();
    nodes.map(|node| node["id"].clone()).collect()
}

#[test]
fn a_worker_that_leaves_is_gone_and_its_process_has_ended_well() {
    let mut cluster = Cluster::of(PROGRAM, 2);
    assert_eq!(listed(&cluster), ["n1", "n2"]);
    let ended = cluster.client("leave --yes --data-dir n2").done();
    assert!(ended.stdout.contains("n2 has left"), "{}", ended.stdout);
    // Beside what it waits for nothing is said.
    assert!(ended.stderr.lines().all(|line| line.starts_with("n2 ")), "{}", ended.stderr);
    assert_eq!(cluster.end(1), Some(0), "{}", cluster.tails());
    assert_eq!(listed(&cluster), ["n1"]);
    let table = cluster.client("node list").done().stdout;
    assert!(!table.contains("n2"), "{table}");
    // Whoever asks for it by name is told what became of it.
    let node = cluster.client("node show n2 -o json").done().json();
    assert_eq!(node["node"]["state"], "removed", "{node}");
    assert!(cluster.client("status").done().stdout.contains("1 ready"));
    // Whoever asks once more finds it done.
    let ended = cluster.client("leave --yes --data-dir n2").done();
    assert!(ended.stdout.contains("n2 has left"), "{ended:?}");
    assert!(cluster.client("node remove n2 --yes").refused(5).contains("already been removed"));
}

#[test]
fn of_two_nodes_that_leave_at_once_one_stays_and_takes_leases() {
    let cluster = Cluster::of(PROGRAM, 2);
    let leave = |node: usize| {
        let line = format!("leave --yes --data-dir n{}", node + 1);
        cluster.begin(&format!("leaver-{node}"), &line)
    };
    let ended = [leave(0), leave(1)].map(|client| client.end());
    let stays: Vec<usize> = (0..2).filter(|at| ended[*at].code != Some(0)).collect();
    assert_eq!(stays.len(), 1, "{ended:?}");
    cluster.until_node(stays[0], "state", "ready");
    assert_eq!(listed(&cluster).len(), 1);
}

#[test]
fn what_a_node_cannot_end_in_time_is_done_by_those_that_stay() {
    // The coordinator stays: nobody else votes.
    let patience = [("FRUITNODE_VOTERS", "1"), ("FRUITNODE_DRAIN_TIMEOUT", "1s")];
    let mut cluster = Cluster::of_in(PROGRAM, 3, &patience);
    let expected = draw(&cluster);
    submit_held(&cluster, "late", &[0, 1, 2]);
    // For good.
    let ended = cluster.client("leave --yes --data-dir n2 --drain-timeout 1s").done();
    assert!(ended.stderr.contains("n2 still had leases: other nodes redo them"), "{ended:?}");
    assert_eq!(cluster.end(1), Some(0), "{}", cluster.tails());
    // Until it is started again.
    assert_eq!(cluster.terminate(2), Some(0), "{}", cluster.tails());
    assert!(cluster.log(2).contains(NOT_HANDED_OVER), "{}", cluster.log(2));
    cluster.job.store.let_go();
    let outcomes = outcomes(&cluster, ("late", &expected), &[1, 2]);
    assert_eq!(outcomes, ["node_lost"; 4]);
    assert_eq!(listed(&cluster), ["n1", "n3"]);
}

#[test]
fn nodes_that_leave_end_their_work_under_the_next_coordinator() {
    let mut cluster = Cluster::of(PROGRAM, 5);
    cluster.until_voters(3);
    let expected = draw(&cluster);
    submit_held(&cluster, "handed-on", &[0, 1, 2, 3, 4]);
    // One of those that do not vote is to leave for good, another one until it is started again.
    let voter = |at: &usize| cluster.node(*at).is_some_and(|node| node["role"] == "voter");
    let (voters, others): (Vec<_>, Vec<_>) = (0..5).partition(voter);
    let [leaves, stops] = others[..] else { panic!("{voters:?} vote\n{}", cluster.tails()) };
    let leave = cluster.begin("leave", &format!("leave --yes --data-dir n{}", leaves + 1));
    cluster.until_node(leaves, "state", "draining");
    cluster.ask_to_stop(stops);
    cluster.until_node(stops, "state", "draining");

    let leader = cluster.leader().expect("a coordinator");
    cluster.kill(leader);
    cluster.until("another one is the coordinator", || {
        cluster.leader().is_some_and(|next| next != leader)
    });
    // Both have still to end what they have.
    for at in [leaves, stops] {
        cluster.until_node(at, "state", "draining");
        assert!(cluster.lives(at), "{}", cluster.tails());
    }
    cluster.job.store.let_go();
    let ended = leave.end().done();
    assert!(ended.stdout.contains(&format!("n{} has left", leaves + 1)), "{ended:?}");
    for at in [leaves, stops] {
        assert_eq!(cluster.end(at), Some(0), "{}", cluster.tails());
        assert!(!cluster.log(at).contains(NOT_HANDED_OVER), "{}", cluster.log(at));
    }
    let outcomes = outcomes(&cluster, ("handed-on", &expected), &[leaves, stops]);
    assert!(outcomes.len() >= 4, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| outcome == "accepted"), "{outcomes:?}");
    assert!(!listed(&cluster).contains(&format!("n{}", leaves + 1).into()));
}

#[test]
fn a_coordinator_that_goes_takes_nobody_along() {
    let mut cluster = Cluster::of(PROGRAM, 5);
    cluster.until_voters(3);
    let expected = draw(&cluster);
    for (by, code, stay) in [("leave", 0, 4), ("remove", 4, 3)] {
        submit_held(&cluster, by, &cluster.running());
        let leader = cluster.leader().expect("a coordinator");
        let id = leader + 1;
        let line = match by {
            "leave" => format!("leave --yes --data-dir n{id} --drain-timeout 1s"),
            _ => format!("node remove n{id} --yes"),
        };
        cluster.client(&line).done();
        assert_eq!(cluster.end(leader), Some(code), "{}", cluster.tails());
        cluster.until_ready(stay);
        cluster.until_voters(3);
        let stayed = cluster.running();
        assert_eq!(stayed.len(), stay, "{}", cluster.tails());
        assert!(stayed.into_iter().all(|at| cluster.lives(at)), "{}", cluster.tails());
        cluster.job.store.let_go();
        assert_eq!(cluster.ended(by), "succeeded", "{}", cluster.tails());
        assert_eq!(cluster.whole(&format!("{by}/")), expected);
    }
}

#[test]
fn the_only_voter_that_is_left_leads_again_after_its_death() {
    let mut cluster = Cluster::of(PROGRAM, 3);
    cluster.until_voters(3);
    let leader = cluster.leader().expect("there is a coordinator");
    let others: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
    for at in &others {
        cluster.client(&format!("node drain n{}", at + 1)).done();
    }
    cluster.until_voters(1);
    // They vote no longer, and nothing is decided from now on.
    let key = |at: &usize| cluster.data_dir(*at).join("authority.key").exists();
    cluster.until("the others have let go", || !others.iter().any(key));
    cluster.kill(leader);
    cluster.restart(leader);
    cluster.until("it leads again", || cluster.leader() == Some(leader));
    cluster.client(&format!("node drain n{} --undo", others[0] + 1)).done();
}
