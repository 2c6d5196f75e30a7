//! What a run had finished when it ended early, the next run of the same job takes over.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use fruitnode_tests::sandbox::{Sandbox, files};
use serde_json::Value;

const LINE: &str = "run --from in --to out --rows-per-part 8 --pca 3 --threads 1";

/// Files of finished partitions, wherever runs keep them.
fn finished(sandbox: &Sandbox) -> Vec<PathBuf> {
    let staged = sandbox.names().into_iter().filter(|name| name.starts_with(".out.fruitnode-"));
    let all = staged.flat_map(|name| files(&sandbox.path(&name)));
    let name = |path: &PathBuf| path.file_name().expect("a file").to_string_lossy().into_owned();
    all.filter(|path| name(path).starts_with("done-")).collect()
}

/// A run that has finished two partitions more than there were, and has others before it.
fn two_partitions_on(sandbox: &Sandbox, line: &str) -> Child {
    let before = finished(sandbox).len();
    let mut command = sandbox.command(line.split_whitespace());
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    while finished(sandbox).len() < before + 2 {
        assert_eq!(run.try_wait().expect("a child"), None, "it ended before it was stopped");
        sleep(Duration::from_millis(2));
    }
    run
}

fn json(sandbox: &Sandbox, more: &str) -> Value {
    sandbox.run(&format!("{LINE} --size 224 -o json {more}")).done().json()
}

/// A sandbox with photographs and the result of an undisturbed run, `expected`.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_under-test"));
    sandbox.draw("in", 12);
    std::fs::write(sandbox.path("in/0.jpg"), "no photograph").expect("a folder");
    sandbox.run(&LINE.replace("--to out", "--to expected --size 224")).done();
    sandbox
}

#[test]
fn a_run_resumes_what_killed_ones_had_finished_and_publishes_the_same_bytes() {
    let sandbox = prepared();
    let mut kept = 0;
    for _ in 0..2 {
        let mut run = two_partitions_on(&sandbox, &format!("{LINE} --size 224"));
        run.kill().unwrap();
        run.wait().unwrap();
        let now = finished(&sandbox).len();
        assert!(now > kept, "what the first run finished was lost: {now} after {kept}");
        kept = now;
    }
    let resumed = json(&sandbox, "");
    let number = |name: &str| resumed[name].as_u64().unwrap();
    assert!(number("resumed") >= 15, "{resumed}");
    assert_eq!(number("resumed") + number("inferences"), number("good"), "{resumed}");
    assert_eq!(number("quarantined"), 1, "{resumed}");
    assert_eq!(sandbox.digests("out"), sandbox.digests("expected"));
    assert_eq!(sandbox.names(), ["expected", "in", "out"]);
}

#[test]
fn an_interrupted_run_says_what_it_keeps_and_no_resume_keeps_nothing() {
    let sandbox = prepared();
    let run = two_partitions_on(&sandbox, &format!("{LINE} --size 224"));
    let kill = Command::new("kill").args(["-s", "INT", &run.id().to_string()]).status();
    assert!(kill.unwrap().success());
    let ended = run.wait_with_output().unwrap();
    let words = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{words}");
    let kept = finished(&sandbox);
    let folder = sandbox.names().into_iter().find(|name| name.starts_with('.')).expect("kept");
    assert!(words.contains(&folder) && words.contains("--no-resume"), "{words}");
    assert!(words.contains("finished photographs are kept"), "{words}");
    assert!(kept.len() >= 2, "{kept:?}");
    let anew = json(&sandbox, "--no-resume");
    assert_eq!(anew["resumed"], 0, "{anew}");
    assert_eq!(sandbox.digests("out"), sandbox.digests("expected"));
    assert_eq!(sandbox.names(), ["expected", "in", "out"]);
}

#[test]
fn rows_that_would_be_others_are_made_anew() {
    let sandbox = prepared();
    let mut run = two_partitions_on(&sandbox, &format!("{LINE} --size 224"));
    run.kill().unwrap();
    run.wait().unwrap();
    // The first partition has another photograph now; the second one is damaged.
    std::fs::write(sandbox.path("in/0.jpg"), "another one").unwrap();
    let kept = finished(&sandbox);
    let second =
        kept.iter().map(|path| path.to_string_lossy()).find(|path| path.contains("-00001-"));
    let second = second.expect("the second partition").into_owned();
    let (stem, _) = second.rsplit_once('-').expect("a key");
    let features = stem.replace("done-", "features-") + ".parquet";
    std::fs::write(&features, "damaged").unwrap();
    let before = kept.len() as u64;
    let resumed = json(&sandbox, "");
    let number = |name: &str| resumed[name].as_u64().unwrap();
    assert!(number("inferences") >= 15, "two partitions are made anew: {resumed}");
    assert!(number("resumed") <= (before - 2) * 8, "{resumed}");
    let fresh = "run --from in --to fresh --rows-per-part 8 --pca 3 --size 224";
    sandbox.run(fresh).done();
    assert_eq!(sandbox.digests("out"), sandbox.digests("fresh"));
}

#[test]
fn a_run_with_other_options_takes_nothing_over() {
    let sandbox = prepared();
    let mut run = two_partitions_on(&sandbox, &format!("{LINE} --size 224"));
    run.kill().unwrap();
    run.wait().unwrap();
    let line = LINE.replace("--threads 1", "--size 192 -o json");
    let anew = sandbox.run(&line).done().json();
    assert_eq!(anew["resumed"], 0, "{anew}");
    assert_eq!(sandbox.names(), ["expected", "in", "out"], "what nobody can use is removed");
}

#[test]
fn a_run_that_met_too_many_bad_photographs_is_resumed_with_a_greater_limit() {
    let sandbox = prepared();
    std::fs::write(sandbox.path("in/z.jpg"), "no photograph").unwrap();
    let line = format!("{LINE} --size 224 --max-bad 1");
    let words = sandbox.run(&line).refused(7);
    assert!(words.contains("kept in"), "{words}");
    let line = line.replace("--max-bad 1", "--max-bad 2 -o json").replace("--pca 3", "--pca 2");
    let resumed = sandbox.run(&line).done().json();
    let number = |name: &str| resumed[name].as_u64().unwrap();
    assert!(number("resumed") >= 80, "{resumed}");
    assert_eq!(number("quarantined"), 2, "{resumed}");
}

#[test]
fn a_run_that_is_refused_takes_nothing_away_from_the_next_one() {
    let sandbox = prepared();
    let line = format!("{LINE} --size 224 --overwrite");
    sandbox.run(&line.replace("--pca 3", "--pca 2")).done();
    let mut run = two_partitions_on(&sandbox, &line);
    run.kill().unwrap();
    run.wait().unwrap();
    let kept = finished(&sandbox);
    sandbox.run(&format!("{LINE} --size 224")).refused(6);
    assert_eq!(finished(&sandbox), kept);
    let resumed = sandbox.run(&format!("{line} -o json")).done().json();
    assert!(resumed["resumed"].as_u64().unwrap() >= 15, "{resumed}");
    assert_eq!(sandbox.digests("out"), sandbox.digests("expected"));
}
