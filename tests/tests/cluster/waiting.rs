//! People who wait for a cluster of real processes: for a job until they have to go, and for
//! whatever changes.

use std::collections::BTreeMap;

use fruitnode_tests::client::Client;
use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::store::Hold;
use rustix::process::Signal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// Enough for an answer on a machine that does much else.
const LIMIT: &str = "4s";

/// A cluster of one node with photographs, and what it publishes without anybody waiting.
fn prepared() -> (Cluster, BTreeMap<String, String>) {
    let cluster = Cluster::found(PROGRAM);
    cluster.job.draw(1);
    cluster.job.run(&format!("run {FLAGS} --to s3://fruit/alone --threads 2")).done();
    let expected = cluster.whole("alone/");
    (cluster, expected)
}

/// Sends a signal to a command that waits, as soon as it answers signals itself; what it then says,
/// on standard output and error.
fn interrupted(cluster: &Cluster, client: Client, signal: Signal) -> (String, String) {
    cluster.until("the command heeds signals", || client.heeds_signals());
    client.signal(signal);
    let ended = client.end();
    assert_eq!(ended.code, Some(130), "{}{}", ended.stdout, ended.stderr);
    (ended.stdout, ended.stderr)
}

#[test]
fn whoever_leaves_a_job_is_told_how_to_come_back_and_it_goes_on() {
    let (cluster, expected) = prepared();
    cluster.job.store.hold(Hold::of("GetObject", 1).below("in/"));
    let submit = format!("job submit {FLAGS} --to s3://fruit/left --id left");
    let come_back = "job left keeps running; to follow it again: fruitnode job watch left";
    let client = cluster.begin("submit", &submit);
    cluster.until("the store holds a request", || cluster.job.store.held() > 0);
    let (out, err) = interrupted(&cluster, client, Signal::INT);
    assert_eq!((out.as_str(), err.trim_end()), ("", come_back));
    // Whoever comes back may leave again, as may a program.
    let watch = cluster.begin("watch", "job watch left -o json");
    let (out, err) = interrupted(&cluster, watch, Signal::TERM);
    assert_eq!(err.trim_end(), come_back);
    let told: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&told["outcome"], &told["code"]), (&"interrupted".into(), &"detached".into()));

    // Nor does the job end with anybody's patience. All of them wait at the same time.
    let impatient = [
        ("submit-4s", format!("{submit} --timeout {LIMIT}")),
        ("watch-4s", format!("job watch left -o json --timeout {LIMIT}")),
        ("rows-4s", format!("job watch left --rows --timeout {LIMIT}")),
    ];
    for client in impatient.map(|(name, line)| cluster.begin(name, &line)) {
        let ended = client.end();
        let says =
            format!("timed out after {LIMIT} (--timeout); the request may still be carried out");
        assert!(ended.stderr.contains(&says), "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.is_empty() || ended.json()["code"] == "timed_out", "{}", ended.stdout);
        ended.refused(124);
    }

    let status = cluster.job_status("left").expect("somebody answers");
    assert_eq!((&status["phase"], &status["failed_attempts"]), (&"extracting".into(), &0.into()));
    cluster.job.store.let_go();
    cluster.client("job watch left").done();
    assert_eq!(cluster.whole("left/"), expected);
    let attempts = cluster.attempts("left");
    assert!(attempts.iter().all(|attempt| attempt["outcome"] == "accepted"), "{attempts:?}");
}

#[test]
fn whoever_watches_the_cluster_is_told_what_changes_until_they_leave() {
    let mut cluster = Cluster::found(PROGRAM);
    let lines = cluster.begin("lines", "status --watch");
    let documents = cluster.begin("documents", "status --watch -o json");
    let says = |cluster: &Cluster, words: &str| {
        cluster.until(&format!("those who watch are told of {words}"), || {
            lines.said().lines().last().is_some_and(|line| line.contains(words))
        });
    };
    says(&cluster, "1 of 1 nodes ready");
    cluster.join();
    says(&cluster, "2 of 2 nodes ready");
    cluster.kill(1);
    says(&cluster, "DEGRADED: coordinator n1");
    says(&cluster, "1 of 2 nodes ready");
    let state = |line: &str| {
        let told: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(told["nodes"].as_array()?.last()?["state"].as_str()?.to_owned())
    };
    cluster.until("programs are told of it", || {
        let said = documents.said();
        said.lines().last().and_then(state).as_deref() == Some("lost")
    });
    for client in [lines, documents] {
        client.signal(Signal::INT);
        let ended = client.end().done();
        assert_eq!(ended.stderr, "");
        let lines: Vec<_> = ended.stdout.lines().collect();
        assert!(lines.len() >= 3, "{lines:?}");
        // What is told to people is told once.
        let json = lines[0].starts_with('{');
        assert!(json || lines.windows(2).all(|pair| pair[0] != pair[1]), "{lines:?}");
    }
}
