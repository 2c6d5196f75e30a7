//! What people ask of a cluster of real processes: jobs beside jobs, answers for programs, and
//! plain words where nobody can decide.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use fruitnode_tests::cluster::{Cluster, free_port};
use fruitnode_tests::sandbox::Ended;
use fruitnode_tests::store::{Hold, MODIFIED_S};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// A cluster with photographs, and what one node publishes.
fn prepared(nodes: usize) -> (Cluster, BTreeMap<String, String>) {
    let cluster = Cluster::of(PROGRAM, nodes);
    cluster.until_voters(if nodes < 3 { 1 } else { 3 });
    cluster.job.draw(5);
    cluster.job.run(&format!("run {FLAGS} --to s3://fruit/alone --threads 2")).done();
    let expected = cluster.whole("alone/");
    (cluster, expected)
}

fn submit(cluster: &Cluster, id: &str, to: &str, flags: &str) -> Ended {
    cluster.client(&format!("job submit {FLAGS} --to s3://fruit/{to} --id {id} {flags}"))
}

/// Has everything stand still at the n-th request of a kind.
fn hold(cluster: &Cluster, hold: Hold) {
    cluster.job.store.forget();
    cluster.job.store.hold(hold);
}

/// Status and body of an answer to a request over HTTP.
fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

#[test]
fn an_id_is_one_job() {
    let (cluster, expected) = prepared(1);
    for _ in 0..2 {
        submit(&cluster, "one", "one", "").done();
    }
    assert_eq!(cluster.whole("one/"), expected);
    let words = submit(&cluster, "one", "another", "").refused(6);
    assert!(words.contains("different job one"), "{words}");
    let list = cluster.client("job list -o json").done().json();
    assert_eq!(list["jobs"].as_array().map(Vec::len), Some(1), "{list}");
}

#[test]
fn two_jobs_at_once_end_as_one_after_the_other_would() {
    let (cluster, expected) = prepared(3);
    hold(&cluster, Hold::of("GetObject", 5).below("in/"));
    for id in ["left", "right"] {
        submit(&cluster, id, id, "--detach").done();
    }
    let runs = |id: &str| {
        let status = cluster.job_status(id).unwrap_or_default();
        status["phase"] == "extracting"
    };
    cluster.until("both are under way", || runs("left") && runs("right"));
    cluster.job.store.let_go();
    for id in ["left", "right"] {
        assert_eq!(cluster.ended(id), "succeeded", "{}", cluster.tails());
        assert_eq!(cluster.whole(&format!("{id}/")), expected, "{id}");
    }
}

#[test]
fn a_target_belongs_to_the_job_that_came_first() {
    let (cluster, expected) = prepared(1);
    hold(&cluster, Hold::of("GetObject", 5).below("in/"));
    submit(&cluster, "first", "same", "--detach").done();
    cluster.until("the store holds a request", || cluster.job.store.held() > 0);
    let words = submit(&cluster, "second", "same", "").refused(6);
    assert!(words.contains("job first is already writing to s3://fruit/same"), "{words}");
    cluster.job.store.let_go();
    assert_eq!(cluster.ended("first"), "succeeded", "{}", cluster.tails());
    assert_eq!(cluster.whole("same/"), expected);
}

#[test]
fn a_cancelled_job_leaves_nothing_but_its_story() {
    let (cluster, expected) = prepared(3);
    let moments = [
        Hold::of("GetObject", 1).below("in/"),
        Hold::of("GetObject", 20).below("in/"),
        // Not before something of the result itself is written.
        Hold::all(1).below("out/pca"),
    ];
    for (at, moment) in moments.into_iter().enumerate() {
        let id = format!("cancelled-{at}");
        hold(&cluster, moment);
        submit(&cluster, &id, "out", "--detach").done();
        cluster.until("the store holds a request", || cluster.job.store.held() > 0);
        cluster.client(&format!("job cancel {id}")).done();
        cluster.job.store.let_go();
        assert_eq!(cluster.ended(&id), "cancelled");
        let words = cluster.client(&format!("job cancel {id}")).refused(6);
        assert!(words.contains("already over"), "{words}");
        cluster.until(&format!("nothing is left of {id}"), || {
            cluster.job.digests("out/").is_empty() && cluster.job.orphans("out/").is_empty()
        });
    }
    // The target is free again.
    submit(&cluster, "done", "out", "").done();
    assert_eq!(cluster.whole("out/"), expected);
}

/// What programs are told of a job without a result, whose attempts are all known.
fn explained(cluster: &Cluster, id: &str, outcome: &str) -> (Value, Vec<Value>) {
    let story = cluster.client(&format!("job explain {id} -o json")).done().json();
    assert_eq!(story["ended"]["outcome"], outcome, "{story}");
    assert_eq!(story["ended"]["attempts_known"], true, "{story}");
    let attempts = story["attempts"].as_array().expect("attempts").clone();
    // Whatever was granted has ended or was called back.
    assert_eq!(story["ended"]["attempts"].as_u64(), Some(attempts.len() as u64), "{story}");
    assert!(attempts.iter().all(|attempt| attempt["node"] == "n1"), "{story}");
    let listed = |attempt: &Value| attempt["stage"] == "list" && attempt["outcome"] == "accepted";
    assert!(attempts.iter().any(listed), "{story}");
    (story["ended"].clone(), attempts)
}

#[test]
fn a_job_without_a_result_is_explained_by_the_coordinator_that_saw_its_end() {
    let (mut cluster, _) = prepared(1);
    cluster.job.store.put("in/bad/empty.jpg", "", MODIFIED_S as i64);
    submit(&cluster, "failed", "failed", "--max-bad 0").refused(7);
    let (ended, attempts) = explained(&cluster, "failed", "failed");
    assert_eq!(ended["code"], "too_many_bad", "{ended}");
    let extracts = attempts.iter().filter(|attempt| attempt["stage"] == "extract");
    assert!(extracts.clone().count() > 0, "{attempts:?}");
    assert!(extracts.clone().all(|attempt| attempt["partition"].is_u64()), "{attempts:?}");
    let text = cluster.client("job explain failed").done().stdout;
    assert!(text.contains("(too_many_bad)") && text.contains("extract"), "{text}");
    let text = cluster.client("job explain failed bad/empty.jpg").done().stdout;
    assert!(text.contains("not known: the job failed"), "{text}");

    hold(&cluster, Hold::of("GetObject", 5).below("in/"));
    submit(&cluster, "cancelled", "cancelled", "--detach").done();
    cluster.until("the store holds a request", || cluster.job.store.held() > 0);
    cluster.client("job cancel cancelled").done();
    cluster.job.store.let_go();
    assert_eq!(cluster.ended("cancelled"), "cancelled");
    let (ended, attempts) = explained(&cluster, "cancelled", "cancelled");
    assert_eq!(ended["code"], Value::Null, "{ended}");
    let called_back = |at: &Value| at["stage"] == "extract" && at["outcome"] == "cancelled";
    assert!(attempts.iter().any(called_back), "{attempts:?}");

    // Why it failed is in the log, what was tried is not.
    cluster.kill(0);
    cluster.restart(0);
    cluster.until_ready(1);
    let story = cluster.client("job explain failed -o json").done().json();
    assert_eq!(story["ended"]["code"], "too_many_bad", "{story}");
    assert_eq!(story["ended"]["attempts_known"], false, "{story}");
    assert_eq!(story["attempts"].as_array().map(Vec::len), Some(0), "{story}");
    let text = cluster.client("job explain failed").done().stdout;
    assert!(text.contains("no longer available"), "{text}");
}

#[test]
fn every_answer_has_a_form_for_programs() {
    let (cluster, _) = prepared(3);
    submit(&cluster, "told", "told", "").done();
    let ask = |line: &str| {
        let json = cluster.client(&format!("{line} -o json")).done().json();
        assert_eq!(json["schema_version"], 1, "{line}: {json}");
        json
    };
    assert_eq!(ask("job list")["jobs"][0]["job"], "told");
    for line in ["job status told", "job watch told"] {
        let json = ask(line);
        assert_eq!(json["outcome"], "succeeded", "{line}");
        assert_eq!(json["photographs"], 40, "{line}");
        assert_eq!(json["gets_per_key"], 1.0, "{line}");
    }
    assert!(ask("job explain told").is_object());
    assert_eq!(ask("status")["nodes"].as_array().map(Vec::len), Some(3));
    assert_eq!(ask("node list")["nodes"][1]["id"], "n2");
    assert_eq!(ask("node show n3")["node"]["state"], "ready");
    assert_eq!(ask("token list")["tokens"].as_array().map(Vec::len), Some(1));
    for line in ["job status none", "job watch none", "job cancel none", "node show n9"] {
        let words = cluster.client(line).refused(5);
        assert!(words.contains("there is no"), "{line}: {words}");
    }
}

#[test]
fn without_a_majority_nothing_is_decided_and_that_is_said() {
    let (mut cluster, _) = prepared(3);
    let leader = cluster.leader().expect("a coordinator");
    let others: Vec<_> = (0..3).filter(|at| *at != leader).collect();
    let port = free_port();
    assert_eq!(cluster.terminate(others[0]), Some(0), "{}", cluster.tails());
    cluster.restart_with(others[0], &format!("--http 127.0.0.1:{port}"));
    cluster.until_ready(3);
    let health = |path: &str| get(port, path).map(|(status, _)| status);
    assert_eq!((health("/livez"), health("/readyz")), (Some(200), Some(200)));

    cluster.freeze(leader);
    cluster.freeze(others[1]);
    cluster.until("the one that is left is not ready", || health("/readyz") == Some(503));
    assert_eq!(health("/livez"), Some(200));
    let (_, words) = get(port, "/readyz").expect("an answer");
    assert!(words.contains("no coordinator"), "{words}");
    let left = cluster.address(others[0]);
    // What the one that is left knows is told by whichever host it is asked for.
    for hosts in [&left, &cluster.addresses()] {
        let ended = cluster.job.run(&format!("status --host {hosts}"));
        assert_eq!(ended.code, Some(3), "{ended:?}");
        let words = ended.stdout;
        assert!(words.starts_with("STOPPED") && words.contains("majority"), "{words}");
    }
    // What has to be agreed on is not.
    let words = cluster.client("job list --timeout 5s").refused(3);
    assert!(!words.is_empty() && words.trim_end().lines().count() == 1, "{words}");
    let words = cluster.job.run(&format!("job list --timeout 5s --host {left}")).refused(3);
    assert!(words.contains("no coordinator") && words.contains("majority"), "{words}");

    // The coordinator alone stays away: the others go on.
    cluster.thaw(others[1]);
    cluster.until("the others elect another", || {
        let ended = cluster.job.run(&format!("status -o json --timeout 10s --host {left}"));
        ended.code == Some(0) && ended.json()["coordinator"] != leader as u64 + 1
    });
    cluster.thaw(leader);
    cluster.until_ready(3);
}

#[test]
fn a_host_that_hangs_is_not_waited_for() {
    let cluster = Cluster::of(PROGRAM, 3);
    cluster.until_voters(3);
    let leader = cluster.leader().expect("a coordinator");
    let (frozen, other) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.freeze(frozen);
    let hosts = format!("{},{}", cluster.address(frozen), cluster.address(other));
    let ended = cluster.job.run(&format!("-vv status -o json --host {hosts}")).done();
    assert!(ended.json()["coordinator"].is_number(), "{}", ended.stdout);
    // The next one was asked and has answered before the first was given up.
    assert!(!ended.stderr.contains("a node does not answer"), "{}", ended.stderr);
    // Who names that one alone waits for it.
    let words = cluster.job.run(&format!("-vv status --host {}", cluster.address(frozen)));
    assert!(words.refused(3).contains("a node does not answer"));
    cluster.thaw(frozen);
    cluster.until_ready(3);
}

#[test]
fn shared_folders_are_worked_on_together() {
    let cluster = Cluster::of(PROGRAM, 3);
    let photographs = cluster.job.draw(5);
    // What is published says where it came from, as it was written: from the root on.
    let flags = format!("--from {} --rows-per-part 4 --pca 3", photographs.display());
    cluster.job.run(&format!("run {flags} --to alone --threads 2")).done();
    let words = cluster.client(&format!("job submit {flags} --to out")).refused(2);
    assert!(words.contains("--shared"), "{words}");
    cluster.client(&format!("job submit {flags} --to out --shared --id shared")).done();
    let (alone, out) = (cluster.job.sandbox.digests("alone"), cluster.job.sandbox.digests("out"));
    assert_eq!(out, alone);
    assert!(out.contains_key("_SUCCESS"), "{out:?}");
    let status: Value = cluster.job_status("shared").expect("somebody answers");
    assert_eq!(status["gets_per_key"], 1.0, "{status}");
}
