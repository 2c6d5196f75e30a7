//! A run to S3 that dies at any request leaves nothing visible or everything, and nothing that the
//! next one does not clean.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use fruitnode_tests::store::{Denial, Hold, Job, Right, Visible};

/// Moments at which a run is killed, spread over its requests.
const MOMENTS: u64 = 20;

const LINE: &str = "run --from s3://fruit/in/ --to s3://fruit/out --rows-per-part 8 --pca 3 \
                    --threads 2";

/// Kills the run when the store has carried out so many of its requests, and none after them; false
/// if it had ended before.
fn killed_after(job: &Job, run: &mut Child, requests: u64) -> bool {
    while job.store.held() == 0 {
        if run.try_wait().expect("a child").is_some() {
            job.store.let_go();
            return false;
        }
        sleep(Duration::from_millis(1));
    }
    run.kill().expect("it runs");
    run.wait().expect("it was killed");
    let done = job.store.counters().requests;
    assert!(done > requests, "{done} requests");
    // What a dead process asked for and was not yet carried out never is.
    job.store.refuse_held();
    true
}

fn start_held(job: &Job, line: &str, requests: u64) -> Child {
    job.store.forget();
    job.store.hold(Hold::all(requests + 1));
    job.start(line)
}

/// Requests of an undisturbed run, and what it publishes.
fn undisturbed(job: &Job, line: &str) -> (u64, BTreeMap<String, String>) {
    job.store.forget();
    job.run(line).done();
    let Visible::Whole(digests) = job.visible("out/") else { panic!("no result") };
    (job.store.counters().requests, digests)
}

#[test]
fn a_run_killed_at_any_request_leaves_nothing_or_everything_and_the_next_one_succeeds() {
    let job = Job::new(env!("CARGO_BIN_EXE_under-test"));
    job.draw(5);
    let (total, expected) = undisturbed(&job, LINE);
    job.empty("out/");

    let (mut midway, mut nothing) = (0, 0);
    for moment in 0..MOMENTS {
        // The first request, the last, and all between them.
        let requests = moment * total / (MOMENTS - 1);
        let mut run = start_held(&job, LINE, requests);
        midway += u64::from(killed_after(&job, &mut run, requests));
        let mode = match job.visible("out/") {
            Visible::Nothing => {
                nothing += 1;
                "error"
            }
            Visible::Whole(digests) => {
                assert_eq!(digests, expected, "after {requests} of {total} requests");
                "overwrite"
            }
            Visible::Broken(words) => panic!("after {requests} of {total} requests: {words}"),
        };
        let words = format!("after {requests} of {total} requests, --mode {mode}");
        let ended = job.run(&format!("{LINE} --mode {mode}"));
        assert_eq!(ended.code, Some(0), "{words}: {}", ended.stderr);
        assert_eq!(job.visible("out/"), Visible::Whole(expected.clone()), "{words}");
        assert_eq!(job.orphans("out/"), Vec::<String>::new(), "{words}");
        job.empty("out/");
    }
    assert!(midway > MOMENTS / 2, "only {midway} runs were killed");
    assert!(nothing > MOMENTS / 2, "only {nothing} of them left nothing visible");
}

#[test]
fn an_overwrite_killed_at_any_request_shows_the_old_result_or_the_new_one_or_none() {
    let job = Job::new(env!("CARGO_BIN_EXE_under-test"));
    job.draw(5);
    let line = format!("{LINE} --mode overwrite");
    let (_, old) = undisturbed(&job, &format!("{line} --limit 30"));
    let (total, new) = undisturbed(&job, &line);
    let mut seen = BTreeMap::new();
    // Most of what may go wrong comes late: publishing is the last third.
    for tenth in [1, 4, 6, 7, 8, 9] {
        job.run(&format!("{line} --limit 30")).done();
        let requests = total * tenth / 10;
        let mut run = start_held(&job, &line, requests);
        killed_after(&job, &mut run, requests);
        let what = match job.visible("out/") {
            Visible::Nothing => "nothing",
            Visible::Whole(digests) if digests == old => "old",
            Visible::Whole(digests) if digests == new => "new",
            other => panic!("after {requests} of {total} requests: {other:?}"),
        };
        *seen.entry(what).or_insert(0) += 1;
        job.run(&line).done();
        assert_eq!(job.visible("out/"), Visible::Whole(new.clone()), "{requests} of {total}");
        assert_eq!(job.orphans("out/"), Vec::<String>::new(), "{requests} of {total}");
    }
    assert!(seen.contains_key("old") && seen.contains_key("nothing"), "{seen:?}");
}

/// Starts a run and holds it while it reads photographs; its lock is there.
fn at_work(job: &Job) -> Child {
    job.store.forget();
    job.store.hold(Hold::of("GetObject", 5).below("in/"));
    let mut run = job.start(LINE);
    while job.store.held() == 0 {
        assert_eq!(run.try_wait().expect("a child"), None, "it ended before it was held");
        sleep(Duration::from_millis(1));
    }
    assert!(job.store.object("out/_run/lock").is_some(), "{:?}", job.store.keys("out/"));
    run
}

#[test]
fn a_second_run_for_the_same_target_is_refused_while_the_first_is_at_work() {
    let job = Job::new(env!("CARGO_BIN_EXE_under-test"));
    job.draw(2);
    let mut first = at_work(&job);
    let words = job.run(LINE).refused(6);
    assert!(words.contains("another run") && words.contains("s3://fruit/out"), "{words}");
    job.store.let_go();
    assert!(first.wait().unwrap().success());
    assert!(matches!(job.visible("out/"), Visible::Whole(_)));
    assert_eq!(job.orphans("out/"), Vec::<String>::new());
}

#[test]
fn a_run_that_lost_its_target_to_another_publishes_nothing() {
    let job = Job::new(env!("CARGO_BIN_EXE_under-test"));
    job.draw(2);
    let mut run = at_work(&job);
    // Somebody else has written the lock. That is noticed when it is renewed.
    job.store.put("out/_run/lock", "another job", 0);
    let puts = || job.store.counters().of("PutObject");
    let before = puts();
    while puts() == before {
        sleep(Duration::from_millis(10));
    }
    job.store.let_go();
    assert!(!run.wait().unwrap().success());
    assert_eq!(job.visible("out/"), Visible::Nothing);
    assert_eq!(job.published("out/"), BTreeMap::new());
    assert_eq!(job.store.object("out/_run/lock").unwrap().body, "another job");
}

/// Keys that say which partitions are finished.
fn finished(job: &Job) -> Vec<String> {
    let keys = job.store.keys("out/_run/").into_iter();
    keys.filter(|key| key.contains("/done-")).collect()
}

/// A run that has finished two partitions, and is held at its 38th photograph.
fn two_partitions_on(job: &Job) -> Child {
    job.store.forget();
    job.store.hold(Hold::of("GetObject", 38).below("in/"));
    let mut command = job.command(LINE.split_whitespace());
    let mut run = command.stderr(Stdio::piped()).spawn().expect("it starts");
    while finished(job).len() < 2 {
        assert_eq!(run.try_wait().expect("a child"), None, "it ended before it was stopped");
        sleep(Duration::from_millis(2));
    }
    run
}

#[test]
fn a_run_resumes_what_a_killed_one_had_finished() {
    let job = Job::new(env!("CARGO_BIN_EXE_under-test"));
    job.draw(6);
    let (_, expected) = undisturbed(&job, LINE);
    job.empty("out/");
    let mut run = two_partitions_on(&job);
    run.kill().expect("it runs");
    run.wait().expect("it was killed");
    job.store.refuse_held();
    let kept = finished(&job).len() as u64;
    let resumed = job.run(&format!("{LINE} -o json")).done().json();
    assert!(resumed["resumed"].as_u64().unwrap() >= 8 * kept.min(2), "{resumed}");
    assert_eq!(resumed["gets"].as_u64().unwrap() + resumed["resumed"].as_u64().unwrap(), 48);
    assert_eq!(job.visible("out/"), Visible::Whole(expected));
    assert_eq!(job.orphans("out/"), Vec::<String>::new());
}

#[test]
fn an_interrupted_run_leaves_its_lock_and_what_it_finished_to_the_next_one() {
    let job = Job::new(env!("CARGO_BIN_EXE_under-test"));
    job.draw(6);
    let (_, expected) = undisturbed(&job, LINE);
    job.empty("out/");
    for (flag, least) in [("", 16), ("--no-resume", 0)] {
        let run = two_partitions_on(&job);
        let kill = Command::new("kill").args(["-s", "INT", &run.id().to_string()]).status();
        assert!(kill.expect("kill is there").success());
        sleep(Duration::from_millis(200));
        job.store.let_go();
        let ended = run.wait_with_output().expect("it was interrupted");
        let words = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(130), "{words}");
        assert!(words.contains("kept in s3://fruit/out/_run/"), "{words}");
        assert!(job.store.object("out/_run/lock").is_none(), "the lock is free");
        let all = job.store.keys("out/").into_iter();
        let others: Vec<String> = all.filter(|key| !key.contains("work/")).collect();
        assert_eq!(others, Vec::<String>::new());
        let next = job.run(&format!("{LINE} -o json {flag}")).done().json();
        let resumed = next["resumed"].as_u64().expect("a number");
        assert!(if least == 0 { resumed == 0 } else { resumed >= least }, "{next}");
        assert_eq!(job.visible("out/"), Visible::Whole(expected.clone()));
        assert_eq!(job.orphans("out/"), Vec::<String>::new());
        job.empty("out/");
    }
}

#[test]
fn a_photograph_that_could_not_be_read_is_read_again_by_the_run_that_resumes() {
    let job = Job::new(env!("CARGO_BIN_EXE_under-test"));
    job.draw(6);
    let (_, expected) = undisturbed(&job, LINE);
    job.empty("out/");
    let denied = job.store.keys("in/").remove(0);
    let denial = Denial::below(Right::GetObject, &denied);
    job.store.switch(|switches| switches.denials.push(denial));
    let mut run = two_partitions_on(&job);
    run.kill().expect("it runs");
    run.wait().expect("it was killed");
    job.store.refuse_held();
    job.store.switch(|switches| switches.denials.clear());
    let resumed = job.run(&format!("{LINE} -o json")).done().json();
    assert!(resumed["resumed"].as_u64().expect("a number") >= 8, "{resumed}");
    assert_eq!(resumed["quarantined"], 0, "{resumed}");
    assert_eq!(job.visible("out/"), Visible::Whole(expected));
}
