//! A write of a job that is over comes late: it was held back by the network, or its process was
//! stopped between its look at the lock and the write. Another job has the target by then, and
//! nothing of its result changes.

use std::collections::BTreeMap;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::store::{Hold, Job, Switches, Visible};
use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// Every kind of public object: the marker, small ones that are made by the publisher, and parts,
/// which were made before.
const LATE: [&str; 4] = ["_SUCCESS", "report.json", "model/", "features/"];

const FLAGS: &str = "--from s3://fruit/in/ --to s3://fruit/out --rows-per-part 8 --pca 3 --mode \
                     overwrite";

/// As some servers do, which `run` says and goes on without.
fn ignore_conditions(switches: &mut Switches) {
    switches.ignore_if_match = true;
    switches.ignore_if_none_match = true;
}

/// Every public object below the target as the store has it.
fn objects(job: &Job) -> BTreeMap<String, String> {
    let keys = job.store.keys("out/").into_iter().filter(|key| !key.starts_with("out/_run/"));
    keys.filter_map(|key| Some((key.clone(), job.store.object(&key)?.etag.to_string()))).collect()
}

/// Carries out what was held, to its end.
fn let_go(job: &Job) {
    job.store.let_go();
    while job.store.under_way() > 0 {
        sleep(Duration::from_millis(5));
    }
}

fn held_below(late: &str) -> Hold {
    Hold::first_write(match late {
        "_SUCCESS" => "out/_SUCCESS",
        "report.json" => "out/report.json",
        "model/" => "out/model/",
        _ => "out/features/",
    })
}

fn submit(cluster: &Cluster, id: &str, flags: &str) {
    let line = format!("job submit {FLAGS} {flags} --id {id} --detach");
    let ended = cluster.client(&line);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
}

/// Cancels jobs whose publisher has asked for one write that is not yet carried out, and lets it
/// be when another job has published there.
fn cancelled(change: fn(&mut Switches)) {
    let cluster = Cluster::of(PROGRAM, 3);
    cluster.job.draw(5);
    cluster.job.store.switch(change);
    for late in LATE {
        let (first, second) = (format!("first-{}", &late[..4]), format!("second-{}", &late[..4]));
        cluster.job.store.hold(held_below(late));
        // Of other photographs: a file of one result among those of the other is told by its bytes.
        submit(&cluster, &first, "--limit 30");
        cluster.until(&format!("{late} is about to be written"), || cluster.job.store.held() == 1);
        let ended = cluster.client(&format!("job cancel {first}"));
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
        cluster.until("what it left is cleared away", || {
            cluster.job.store.object("out/_run/lock").is_none()
        });
        submit(&cluster, &second, "");
        assert_eq!(cluster.ended(&second), "succeeded", "{late}: {}", cluster.tails());
        let (whole, before) = (cluster.whole("out/"), objects(&cluster.job));
        let_go(&cluster.job);
        assert_eq!(objects(&cluster.job), before, "{late} came late and changed the result");
        assert_eq!(cluster.whole("out/"), whole, "{late}");
        cluster.job.run("verify s3://fruit/out").done();
    }
}

#[test]
fn a_write_of_a_cancelled_job_that_comes_late_changes_nothing() {
    cancelled(|_| {});
}

#[test]
fn without_conditions_a_write_of_a_cancelled_job_that_comes_late_changes_nothing_either() {
    cancelled(ignore_conditions);
}

fn signal(process: &Child, signal: Signal) {
    let id = i32::try_from(process.id()).ok().and_then(Pid::from_raw).expect("it runs");
    kill_process(id, signal).expect("it runs");
}

fn until_held(job: &Job, run: &mut Child, held: u64) {
    while job.store.held() < held {
        assert_eq!(run.try_wait().expect("a child"), None, "it ended before it was held");
        sleep(Duration::from_millis(1));
    }
}

/// A run that is stopped where it writes the marker.
fn frozen(job: &Job, line: &str) -> Child {
    job.store.hold(Hold::first_write("out/_SUCCESS"));
    let mut run = job.start(&format!("{line} --limit 30"));
    until_held(job, &mut run, 1);
    signal(&run, Signal::STOP);
    run
}

#[test]
fn a_run_that_wakes_up_when_another_has_its_target_does_not_write_its_marker() {
    let job = Job::new(PROGRAM);
    job.draw(5);
    job.store.switch(ignore_conditions);
    let line = format!("run {FLAGS} --threads 2");
    job.run(&line).done();
    let (Visible::Whole(expected), line) = (job.visible("out/"), format!("{line} --verbose"))
    else {
        panic!("no result");
    };

    // When the other one has published.
    let mut late = frozen(&job, &line);
    job.run(&line).done();
    let before = objects(&job);
    job.store.let_go();
    signal(&late, Signal::CONT);
    assert!(!late.wait().expect("a child").success(), "it says that it published");
    assert_eq!(objects(&job), before);
    job.run("verify s3://fruit/out").done();

    // In the middle of its publication.
    let mut late = frozen(&job, &line);
    let mut run = job.start(&line);
    job.store.hold_too(Hold::first_write("out/report.html"));
    until_held(&job, &mut run, 2);
    job.store.let_go_first();
    signal(&late, Signal::CONT);
    assert!(!late.wait().expect("a child").success(), "it says that it published");
    assert_eq!(job.visible("out/"), Visible::Nothing, "amid the other's publication");
    job.store.let_go();
    assert!(run.wait().expect("a child").success(), "it was disturbed");
    assert_eq!(job.visible("out/"), Visible::Whole(expected));
    job.run("verify s3://fruit/out").done();
}
