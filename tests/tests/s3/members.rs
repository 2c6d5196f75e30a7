//! Several nodes of one job at one target on S3: whoever dies, whoever comes second, and whoever
//! wakes up when all is over.
//!
//! Credentials are found in the environment alone, which a test must not change for others: so each
//! test runs itself again as a process of its own, let into a store.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;

use fruitnode_storage::{
    Access, Mode, S3Options, S3Result, S3Sink, S3Target, SUCCESS, Sink, SinkError,
};
use fruitnode_tests::store::{Store, Switches};

/// Set for the process that is let into the store.
const INSIDE: &str = "FRUITNODE_TEST_INSIDE";

/// Longer than a node goes without looking at the lock.
const ASLEEP: Duration = Duration::from_secs(8);

fn is_ours(name: &str) -> bool {
    name == SUCCESS || name.starts_with("features/")
}

/// Runs `story` in a process of its own at a store that behaves so.
fn at_a_store(test: &str, change: fn(&mut Switches), story: impl AsyncFnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        let reactor = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        reactor.expect("a reactor").block_on(story());
        return;
    }
    let store = Store::new();
    store.switch(change);
    let mut again = Command::new(std::env::current_exe().expect("a test has a file"));
    let (_, here) = module_path!().split_once("::").expect("this is no root");
    again
        .args(["--exact", &format!("{here}::{test}"), "--nocapture"])
        .env(INSIDE, "1")
        .envs(store.environment());
    let ended = again.output().expect("a test can be started");
    let words = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{words}\n{}", String::from_utf8_lossy(&ended.stderr));
    assert!(words.contains("1 passed"), "no test of this name: {words}");
}

async fn open(job: &str, access: Access) -> Result<S3Sink, SinkError> {
    let (bucket, prefix, mode) = ("fruit", "out/", Mode::Overwrite);
    let options = S3Options::default();
    S3Sink::open(&S3Target { bucket, prefix, job, mode, is_ours, resume: None, options }, access)
        .await
}

/// Everything below the target, with its bytes, but for the lock, which changes by itself.
async fn seen() -> Vec<(String, Bytes)> {
    let result =
        S3Result::open("fruit", "out/", &S3Options::default()).await.expect("the store answers");
    let mut seen = Vec::new();
    for name in result.names().await.expect("the store answers") {
        if name != "_run/lock" {
            let bytes =
                result.read(&name).await.expect("the store answers").expect("the store answers");
            seen.push((name, bytes));
        }
    }
    seen
}

async fn names() -> BTreeSet<String> {
    seen().await.into_iter().map(|(name, _)| name).collect()
}

async fn locked() -> bool {
    let result =
        S3Result::open("fruit", "out/", &S3Options::default()).await.expect("the store answers");
    result.names().await.expect("the store answers").contains(&"_run/lock".to_owned())
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn finals() -> Vec<String> {
    vec!["features/a".to_owned(), "features/b".to_owned()]
}

async fn work(sink: &S3Sink, job: &str) {
    for part in ["a", "b"] {
        let name = format!("_run/{job}/work/{part}");
        sink.put(&name, Bytes::from(format!("new {part}"))).await.expect("the store answers");
    }
}

async fn promote(sink: &S3Sink, job: &str, part: &str) -> Result<(), SinkError> {
    sink.promote(&format!("_run/{job}/work/{part}"), &format!("features/{part}")).await
}

/// An earlier result: one part that comes again, the same and otherwise, and one that does not.
async fn earlier() {
    let sink = open("earlier", Access::Take).await.expect("the store answers");
    sink.begin(&["features/a".to_owned(), "features/b".to_owned(), "features/c".to_owned()])
        .await
        .expect("the store answers");
    for (name, text) in [("features/a", "old a"), ("features/b", "new b"), ("features/c", "old c")]
    {
        sink.put(name, Bytes::from(text)).await.expect("the store answers");
    }
    sink.commit(Bytes::from_static(b"old")).await.expect("the store answers");
}

async fn taken_over() {
    earlier().await;
    let first = open("job", Access::Prepare).await.expect("the store answers");
    let second = open("job", Access::Join).await.expect("the store answers");
    work(&second, "job").await;
    first.begin(&finals()).await.expect("the store answers");
    promote(&first, "job", "a").await.expect("the store answers");
    assert!(!names().await.contains(SUCCESS) && !names().await.contains("features/c"));

    // The second one finds half of it done, and goes on.
    let third = open("job", Access::Join).await.expect("the store answers");
    third.begin(&finals()).await.expect("the store answers");
    for part in ["a", "b"] {
        promote(&third, "job", part).await.expect("the store answers");
    }
    // The first one has not died after all.
    first.begin(&finals()).await.expect("the store answers");
    promote(&first, "job", "b").await.expect("the store answers");
    third.commit(Bytes::from_static(b"new")).await.expect("the store answers");
    let published = set(&[SUCCESS, "_run/job/committed", "features/a", "features/b"]);
    assert_eq!(names().await, published);
    assert!(!locked().await);
    let after = seen().await;
    assert!(after.contains(&("features/a".to_owned(), Bytes::from_static(b"new a"))));

    // Whoever comes too late sees that it is done; whoever wakes up too late does nothing.
    let late = open("job", Access::Join).await.expect("the store answers");
    assert_eq!(late.published().await.expect("the store answers").as_deref(), Some(&b"new"[..]));
    assert_eq!(second.published().await.expect("the store answers").as_deref(), Some(&b"new"[..]));
    tokio::time::sleep(ASLEEP).await;
    for sink in [&first, &second, &late] {
        sink.put("_run/job/work/c", Bytes::from_static(b"late")).await.expect_err("it is refused");
        sink.remove("_run/job/committed").await.expect_err("it is refused");
        sink.remove_below("_run/job/work").await.expect_err("it is refused");
        sink.begin(&finals()).await.expect_err("it is refused");
        sink.commit(Bytes::from_static(b"new")).await.expect_err("it is refused");
        sink.abort().await.expect("the store answers");
    }
    assert!(matches!(open("job", Access::Prepare).await, Err(SinkError::Lost { .. })));
    assert_eq!(seen().await, after);
    assert!(!locked().await);
}

#[test]
fn a_dead_publisher_is_taken_over_and_one_that_wakes_up_changes_nothing() {
    let test = "a_dead_publisher_is_taken_over_and_one_that_wakes_up_changes_nothing";
    at_a_store(test, |_| {}, taken_over);
}

#[test]
fn without_conditions_a_dead_publisher_is_taken_over_as_well() {
    let test = "without_conditions_a_dead_publisher_is_taken_over_as_well";
    let ignore = |switches: &mut Switches| {
        switches.ignore_if_match = true;
        switches.ignore_if_none_match = true;
    };
    at_a_store(test, ignore, taken_over);
}

#[test]
fn what_one_node_began_another_clears_away() {
    let test = "what_one_node_began_another_clears_away";
    at_a_store(
        test,
        |_| {},
        async || {
            let first = open("job", Access::Prepare).await.expect("the store answers");
            work(&first, "job").await;
            first
                .put("_run/lasting/run.json", Bytes::from_static(b"{}"))
                .await
                .expect("the store answers");
            first.begin(&finals()).await.expect("the store answers");
            promote(&first, "job", "a").await.expect("the store answers");
            drop(first);
            let other = open("job", Access::Join).await.expect("the store answers");
            other.abort().await.expect("the store answers");
            assert_eq!(names().await, set(&["_run/lasting/run.json"]));
            assert!(!locked().await);
            assert!(matches!(open("job", Access::Join).await, Err(SinkError::Lost { .. })));
        },
    );
}

#[test]
fn a_target_is_made_ready_again_by_the_same_job_and_joined_by_no_other() {
    let test = "a_target_is_made_ready_again_by_the_same_job_and_joined_by_no_other";
    at_a_store(
        test,
        |_| {},
        async || {
            let refused = open("job", Access::Join).await;
            assert!(matches!(refused, Err(SinkError::Lost { .. })), "nobody made it ready");
            let first = open("job", Access::Prepare).await.expect("the store answers");
            work(&first, "job").await;
            let again = open("job", Access::Prepare).await.expect("the store answers");
            assert_eq!(
                again.get("_run/job/work/a").await.expect("the store answers"),
                "new a",
                "its work stays"
            );
            drop(first);
            let joined = open("job", Access::Join).await.expect("the store answers");
            assert_eq!(joined.conditional_writes(), Some(true), "found out once for all");
            drop(again);
            drop(joined);
            assert!(locked().await, "who leaves lets the others go on");
            assert!(matches!(open("other", Access::Join).await, Err(SinkError::Lost { .. })));
        },
    );
}

#[test]
fn what_one_node_ends_another_does_not_go_on_with_however_lately_it_looked_at_the_lock() {
    let test =
        "what_one_node_ends_another_does_not_go_on_with_however_lately_it_looked_at_the_lock";
    let story = async || {
        let first = open("job", Access::Prepare).await.expect("the store answers");
        work(&first, "job").await;
        first.begin(&finals()).await.expect("the store answers");
        promote(&first, "job", "a").await.expect("the store answers");
        let other = open("job", Access::Join).await.expect("the store answers");
        other.abort().await.expect("the store answers");
        // It has not looked since, and would not before some seconds are over.
        first.put("features/b", Bytes::from_static(b"b")).await.expect_err("it is refused");
        promote(&first, "job", "a").await.expect_err("there is nothing to copy");
        first.commit(Bytes::from_static(b"new")).await.expect_err("it is refused");
        let public = |name: &String| !name.starts_with("_run/");
        assert!(!names().await.iter().any(public), "{:?}", names().await);
        assert!(!locked().await);
    };
    at_a_store(test, |_| {}, story);
}
