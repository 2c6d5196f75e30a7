//! What `fruitnode status` says of real processes that are well, that go, and that are gone; and
//! which host it asks.

use fruitnode_tests::cluster::Cluster;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// A cluster of three voters that is well.
fn three() -> Cluster {
    let cluster = Cluster::of(PROGRAM, 3);
    cluster.until_voters(3);
    until_healthy(&cluster);
    cluster
}

fn until_healthy(cluster: &Cluster) {
    cluster.until("the cluster is well", || {
        cluster.status().is_some_and(|status| status["health"] == "healthy")
    });
}

/// Whether something of this code is said of a node.
fn notices(status: &Value, code: &str, at: usize) -> bool {
    let notices = status["notices"].as_array().expect("a list").iter();
    notices.into_iter().any(|it| it["code"] == code && it["nodes"][0] == at as u64 + 1)
}

/// What a look says that finds no coordinator.
fn stopped(cluster: &Cluster) -> Option<Value> {
    let ended = cluster.client("status -o json");
    (ended.code == Some(3) && !ended.stdout.is_empty()).then(|| ended.json())
}

#[test]
fn without_a_majority_the_one_that_is_left_says_who_votes_and_who_does_not_answer() {
    let mut cluster = three();
    let leader = cluster.leader().expect("a coordinator");
    let (dead, left) = ((leader + 1) % 3, (leader + 2) % 3);
    let watch = cluster.begin("watch", "status --watch");
    cluster.until("it is watched", || watch.said().contains("HEALTHY: coordinator"));
    cluster.kill(leader);
    cluster.kill(dead);
    cluster.until("it is known that nobody leads", || {
        stopped(&cluster).is_some_and(|status| status["coordinator"].is_null())
    });
    let status = stopped(&cluster).expect("nobody leads");
    assert_eq!((&status["health"], &status["partial"]), (&"stopped".into(), &true.into()));
    assert_eq!(status["answered_by"], left as u64 + 1, "{status}");
    for (at, state) in [(leader, "silent"), (dead, "silent"), (left, "answers")] {
        let node = &status["nodes"][at];
        assert_eq!((&node["role"], &node["state"]), (&"voter".into(), &state.into()), "{status}");
    }
    assert!(notices(&status, "voter_silent", leader), "{status}");
    assert!(notices(&status, "voter_silent", dead), "{status}");
    let text = cluster.client("status").stdout;
    let lost = format!("n{} ({}) is a voter and has not answered", dead + 1, cluster.address(dead));
    for says in ["STOPPED  cluster fruits", "(2 of 3)", &lost, "fruitnode start", "recover --help"]
    {
        assert!(text.contains(says), "{says}: {text}");
    }
    cluster.until("the watcher is told", || watch.said().contains("STOPPED: no coordinator"));
    // Nobody can be let go by those that cannot agree.
    let words = cluster.client(&format!("node remove n{} --yes", dead + 1)).refused(3);
    assert!(words.contains("no majority to agree") && words.contains("fruitnode start"), "{words}");

    cluster.restart(leader);
    cluster.restart(dead);
    until_healthy(&cluster);
}

#[test]
fn a_killed_voter_and_a_drained_one_are_told_of_with_what_to_do() {
    let mut cluster = three();
    let leader = cluster.leader().expect("a coordinator");
    let (dead, other) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.kill(dead);
    cluster.until("it is told that a voter is gone", || {
        cluster.status().is_some_and(|status| {
            status["health"] == "degraded" && notices(&status, "voter_lost", dead)
        })
    });
    let text = cluster.client("status").done().stdout;
    let remove = format!("`fruitnode node remove n{}`; after that, 1 voter remains", dead + 1);
    for says in ["DEGRADED", "fruitnode start", &remove] {
        assert!(text.contains(says), "{says}: {text}");
    }
    let words = cluster.client(&format!("node remove n{}", dead + 1)).refused(2);
    assert!(words.contains("1 voter remains") && words.contains("--yes"), "{words}");
    cluster.restart(dead);
    until_healthy(&cluster);

    let id = other + 1;
    cluster.client(&format!("node drain n{id}")).done();
    let text = cluster.client("status").done().stdout;
    assert!(text.contains(&format!("`fruitnode node drain n{id} --undo`")), "{text}");
    cluster.client(&format!("node drain n{id} --undo")).done();
    let text = cluster.client("status").done().stdout;
    assert!(!text.contains("--undo"), "{text}");
}

#[test]
fn a_host_that_belongs_to_another_cluster_is_passed_by() {
    let (ours, theirs) = (Cluster::found(PROGRAM), Cluster::of(PROGRAM, 2));
    let status = ours.status().expect("it runs");
    let both = format!("{},{}", theirs.address(0), ours.address(0));
    let ended = ours.job.run(&format!("status -o json --host {both}")).done();
    assert_eq!(ended.json()["cluster"], status["cluster"], "{}", ended.stdout);
    ours.job.run(&format!("job list --host {both}")).done();
    // When all refuse, each is named with its words.
    let words = ours.job.run(&format!("status --host {}", theirs.addresses())).refused(4);
    for at in 0..2 {
        let says = format!("{}: its certificate was not issued", theirs.address(at));
        assert!(words.contains(&says), "{words}");
    }
}
