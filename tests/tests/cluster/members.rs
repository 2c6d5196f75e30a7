//! Nodes join, leave, come back, are wiped and are lost for good, as processes of a cluster; its
//! jobs go on, with the bytes of one node.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::store::Hold;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// Digests of a result.
type Digests = BTreeMap<String, String>;

/// A cluster with photographs, and what one node publishes.
fn prepared(nodes: usize) -> (Cluster, Digests) {
    let cluster = Cluster::of(PROGRAM, nodes);
    cluster.until_voters(if nodes < 3 { 1 } else { 3 });
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

/// Submits a job that stands still at its n-th reading of an object.
fn submit_held(cluster: &Cluster, id: &str, reads: u64) {
    cluster.job.store.forget();
    cluster.job.store.hold(Hold::of("GetObject", reads).below("in/"));
    submit(cluster, id);
    cluster.until("the store holds a request", || cluster.job.store.held() > 0);
}

fn succeeds(cluster: &Cluster, id: &str, expected: &Digests) {
    assert_eq!(cluster.ended(id), "succeeded", "{id}\n{}", cluster.tails());
    assert_eq!(cluster.whole(&format!("{id}/")), *expected, "{id}");
}

/// A job with which every node that takes leases has some at the same time.
fn everybody_works(cluster: &Cluster, id: &str, nodes: &[usize], expected: &Digests) {
    submit_held(cluster, id, 1);
    let used = |at: &usize| cluster.node(*at).is_some_and(|node| node["used"].as_u64() > Some(0));
    cluster.until(&format!("nodes {nodes:?} have leases"), || nodes.iter().all(used));
    cluster.job.store.let_go();
    succeeds(cluster, id, expected);
}

/// Nodes that had an attempt at any task of a job that succeeded.
fn workers(cluster: &Cluster, id: &str) -> BTreeSet<u64> {
    let path = format!("{id}/_run/{id}/attempts.jsonl");
    let object = cluster.job.store.object(&path).unwrap_or_else(|| panic!("{path} is not there"));
    let text = String::from_utf8(object.body.to_vec()).expect("UTF-8");
    let node = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["node"].as_u64().expect("a number")
    };
    text.lines().map(node).collect()
}

/// The position of a node other than the coordinator that has this role.
fn other_than_the_leader(cluster: &Cluster, role: &str) -> usize {
    let leader = cluster.leader().expect("a coordinator");
    let is = |at: &usize| {
        let node = cluster.node(*at);
        *at != leader && node.is_some_and(|node| node["role"] == role)
    };
    cluster.running().into_iter().find(is).unwrap_or_else(|| panic!("no {role} beside the leader"))
}

/// What a node that must not run says when it is started.
fn refusal(cluster: &mut Cluster, at: usize) -> String {
    cluster.restart(at);
    let code = cluster.end(at);
    let log = cluster.log(at);
    assert!(!matches!(code, Some(0 | 101) | None), "it ended with {code:?}\n{log}");
    log.lines().last().expect("it said why").to_owned()
}

#[test]
fn a_cluster_that_nothing_happens_to_has_nothing_to_warn_of() {
    let (mut cluster, expected) = prepared(3);
    submit(&cluster, "calm");
    succeeds(&cluster, "calm", &expected);
    for at in [2, 1, 0] {
        assert_eq!(cluster.terminate(at), Some(0), "{}", cluster.tails());
    }
    for at in 0..3 {
        let log = cluster.log(at);
        assert!(log.contains(" INFO "), "the log has another form: {log}");
        let warns = |line: &&str| line.contains(" WARN ") || line.contains(" ERROR ");
        assert_eq!(
            log.lines().filter(warns).collect::<Vec<_>>(),
            Vec::<&str>::new(),
            "n{}",
            at + 1
        );
    }
}

#[test]
fn members_come_and_go_while_a_job_runs() {
    let (mut cluster, expected) = prepared(3);
    let leader = cluster.leader().expect("a coordinator");
    let (drained, stopped) = ((leader + 1) % 3, (leader + 2) % 3);
    submit_held(&cluster, "changing", 6);
    let (fourth, fifth) = (cluster.join(), cluster.join());
    cluster.until_ready(5);
    cluster.client(&format!("node drain n{}", drained + 1)).done();
    cluster.until_node(drained, "state", "draining");
    cluster.ask_to_stop(stopped);
    cluster.until_node(stopped, "state", "draining");
    cluster.job.store.let_go();
    assert_eq!(cluster.end(stopped), Some(0), "{}", cluster.tails());
    succeeds(&cluster, "changing", &expected);

    submit(&cluster, "without");
    succeeds(&cluster, "without", &expected);
    let workers = workers(&cluster, "without");
    assert!(!workers.contains(&(drained as u64 + 1)), "n{} worked: {workers:?}", drained + 1);

    cluster.client(&format!("node drain n{} --undo", drained + 1)).done();
    everybody_works(&cluster, "again", &[leader, drained, fourth, fifth], &expected);
}

#[test]
fn a_node_that_leaves_ends_in_good_order_and_one_that_is_removed_does_not() {
    let mut cluster = Cluster::of(PROGRAM, 2);
    let leaver = 1;
    cluster.client("leave --data-dir n2 --yes").done();
    assert_eq!(cluster.end(leaver), Some(0), "{}", cluster.tails());
    assert!(cluster.log(leaver).contains("the node has left its cluster"), "{}", cluster.tails());
    let removed = cluster.join();
    cluster.until_ready(2);
    cluster.client(&format!("node remove n{} --yes", removed + 1)).done();
    assert_eq!(cluster.end(removed), Some(4), "{}", cluster.tails());
}

#[test]
fn a_node_that_comes_back_takes_leases_again() {
    let (mut cluster, expected) = prepared(3);
    for deed in ["killed", "stopped", "leader"] {
        let leader = cluster.leader().expect("a coordinator");
        let at = if deed == "leader" { leader } else { (leader + 1) % 3 };
        if deed == "killed" {
            cluster.kill(at);
        } else {
            assert_eq!(cluster.terminate(at), Some(0), "{}", cluster.tails());
        }
        cluster.until_node(at, "state", "lost");
        let without = format!("without-{deed}");
        submit(&cluster, &without);
        succeeds(&cluster, &without, &expected);
        cluster.restart(at);
        cluster.until_ready(3);
        everybody_works(&cluster, deed, &[0, 1, 2], &expected);
    }
}

#[test]
fn a_node_that_was_away_finds_a_coordinator_that_joined_meanwhile() {
    let mut cluster = Cluster::of(PROGRAM, 2);
    let (first, away) = (0, 1);
    cluster.terminate(away);
    let newcomer = cluster.join();
    cluster.until_node(newcomer, "state", "ready");
    cluster.client("node drain n1").done();
    cluster.until("the newcomer leads", || cluster.leader() == Some(newcomer));
    cluster.until_node(first, "role", "member");
    cluster.restart(away);
    cluster.until_node(away, "state", "ready");
}

#[test]
fn a_node_that_knows_nobody_who_is_left_is_told_where_the_cluster_lives() {
    let mut cluster = Cluster::of(PROGRAM, 2);
    let away = 1;
    cluster.terminate(away);
    let newcomer = cluster.join();
    cluster.until_node(newcomer, "state", "ready");
    let known = cluster.job.sandbox.path(".config/fruitnode/client/known_nodes");
    cluster.until("the client has heard of the newcomer", || {
        cluster.status();
        fs::read_to_string(&known).is_ok_and(|text| text.contains(&cluster.address(newcomer)))
    });
    cluster.client("leave --yes --data-dir n1").done();
    assert_eq!(cluster.end(0), Some(0), "{}", cluster.tails());
    // Whom the client's own file names has left.
    let hosts = known.with_file_name("host");
    assert!(fs::read_to_string(hosts).expect("init wrote it").contains(&cluster.address(0)));
    let said = cluster.job.run("node list -o json").done().json();
    assert_eq!(said["nodes"][0]["id"], "n2", "{said}");

    let words = format!("--http off --ask {}", cluster.address(newcomer));
    cluster.restart_with(away, &words);
    cluster.until_node(away, "state", "ready");
    assert!(cluster.log(away).contains("learned the current members"), "{}", cluster.tails());
    // It is written down: the next time it needs nobody to tell it.
    cluster.terminate(away);
    cluster.restart(away);
    cluster.until_node(away, "state", "ready");
}

#[test]
fn a_node_that_is_drained_by_a_person_stays_so_when_it_comes_back() {
    let (mut cluster, expected) = prepared(3);
    let at = other_than_the_leader(&cluster, "voter");
    cluster.client(&format!("node drain n{}", at + 1)).done();
    cluster.until_node(at, "state", "draining");
    assert_eq!(cluster.terminate(at), Some(0), "{}", cluster.tails());
    cluster.until_node(at, "state", "lost");
    cluster.restart(at);
    cluster.until_node(at, "state", "draining");
    submit(&cluster, "without");
    succeeds(&cluster, "without", &expected);
    let workers = workers(&cluster, "without");
    assert!(!workers.contains(&(at as u64 + 1)), "n{} worked: {workers:?}", at + 1);
}

#[test]
fn the_only_voter_says_what_it_lacks_and_asks_nothing_of_others() {
    let mut cluster = Cluster::of(PROGRAM, 1);
    assert_eq!(cluster.terminate(0), Some(0), "{}", cluster.tails());
    let [key, log] = ["authority.key", "log.redb"].map(|name| cluster.data_dir(0).join(name));
    let [key_was, log_was] = [&key, &log].map(|file| fs::read(file).expect("a voter has it"));
    fs::remove_file(&key).expect("it is there");
    let words = refusal(&mut cluster, 0);
    assert!(words.contains("authority.key is missing"), "{words}");
    fs::write(&key, key_was).expect("the disk is well");
    let garbled: Vec<_> = log_was.iter().map(|byte| byte ^ 0x55).collect();
    let headless = [&log_was[..4096], &garbled[4096..]].concat();
    for bytes in [None, Some(headless), Some(Vec::new()), Some(garbled)] {
        match bytes {
            None => fs::remove_file(&log).expect("it is there"),
            Some(bytes) => fs::write(&log, bytes).expect("the disk is well"),
        }
        let words = refusal(&mut cluster, 0);
        assert!(words.contains("recover --unsafe --from BACKUP"), "{words}");
    }
    assert!(!cluster.log(0).contains("panicked"), "{}", cluster.tails());
    fs::write(&log, log_was).expect("the disk is well");
    cluster.restart(0);
    cluster.until_node(0, "state", "ready");
}

#[test]
fn a_voter_without_its_log_is_refused_and_comes_back_as_another() {
    let (mut cluster, expected) = prepared(3);
    let at = other_than_the_leader(&cluster, "voter");
    assert_eq!(cluster.terminate(at), Some(0), "{}", cluster.tails());
    fs::remove_file(cluster.data_dir(at).join("log.redb")).expect("a voter has a log");
    let words = refusal(&mut cluster, at);
    for says in ["wiped", &format!("fruitnode node remove {}", at + 1), "join again"] {
        assert!(words.contains(says), "{says}: {words}");
    }
    submit(&cluster, "two");
    succeeds(&cluster, "two", &expected);
    // As it was told.
    cluster.client(&format!("node remove n{} --yes", at + 1)).done();
    cluster.join();
    cluster.until_ready(3);
    cluster.until_voters(3);
    submit(&cluster, "three");
    succeeds(&cluster, "three", &expected);
}

#[test]
fn a_node_with_another_store_is_refused() {
    let (mut cluster, expected) = prepared(4);
    for role in ["member", "voter"] {
        let at = other_than_the_leader(&cluster, role);
        assert_eq!(cluster.terminate(at), Some(0), "{}", cluster.tails());
        let path = cluster.data_dir(at).join("identity.json");
        let mut identity: Value =
            serde_json::from_slice(&fs::read(&path).expect("it is there")).expect("it is JSON");
        identity["storage"] = "0123456789abcdef".into();
        fs::write(&path, identity.to_string()).expect("it may be changed");
        let words = refusal(&mut cluster, at);
        assert!(words.contains("join again"), "{role}: {words}");
        submit(&cluster, role);
        succeeds(&cluster, role, &expected);
    }
}

/// Two of three voters are lost for good; the first goes on from what `from` says.
fn goes_on_alone(from: &str) {
    let (mut cluster, expected) = prepared(3);
    submit(&cluster, "early");
    succeeds(&cluster, "early", &expected);
    cluster.client("backup --to saved").done();
    submit(&cluster, "late");
    succeeds(&cluster, "late", &expected);
    (0..3).for_each(|at| cluster.kill(at));
    fs::remove_dir_all(cluster.data_dir(2)).expect("it may be removed");

    let line = format!("recover --unsafe --data-dir n1 {from}");
    let words = cluster.job.run(&line).refused(2);
    assert!(words.contains("--yes") && words.contains("WARNING"), "{words}");
    cluster.job.run(&format!("{line} --yes")).done();
    cluster.restart(0);
    cluster.until_ready(1);
    cluster.until_voters(1);
    let known = cluster.client("job list -o json").done().json();
    let known = known["jobs"].as_array().expect("a list").iter();
    let known: BTreeSet<_> = known.map(|job| job["job"].as_str().expect("a name")).collect();
    assert!(known.contains("early"), "{known:?}");
    assert_eq!(known.contains("late"), from.is_empty(), "{known:?}");
    submit(&cluster, "one");
    succeeds(&cluster, "one", &expected);

    // Whoever decided with the lost ones does so no longer.
    let words = refusal(&mut cluster, 1);
    assert!(words.contains("join again"), "{words}");
    cluster.join();
    cluster.join();
    cluster.until_ready(3);
    cluster.until_voters(3);
    submit(&cluster, "three");
    succeeds(&cluster, "three", &expected);
}

#[test]
fn one_voter_goes_on_alone_from_its_log() {
    goes_on_alone("");
}

#[test]
fn one_voter_goes_on_alone_from_a_backup() {
    goes_on_alone("--from saved");
}
