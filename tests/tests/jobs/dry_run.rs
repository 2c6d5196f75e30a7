//! A plan says what a run then does, writes nothing, and refuses what a run would refuse; and
//! photographs can be chosen by their times.

use std::fs::{self, File};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fruitnode_tests::sandbox::{Sandbox, files};

const DAY: Duration = Duration::from_secs(86_400);

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_under-test"))
}

/// Gives every file of a folder a time: the first `recent` the present, the others another one.
fn age(sandbox: &Sandbox, name: &str, recent: usize, modified: SystemTime) {
    fs::write(sandbox.path("clock"), b"").expect("room for it");
    let now =
        fs::metadata(sandbox.path("clock")).and_then(|clock| clock.modified()).expect("a time");
    for (number, file) in files(&sandbox.path(name)).iter().enumerate() {
        let file = File::options().write(true).open(file).expect("a file");
        file.set_modified(if number < recent { now } else { modified }).expect("a time");
    }
}

#[test]
fn a_plan_says_what_the_run_then_does_and_writes_nothing() {
    let sandbox = sandbox();
    let photographs = sandbox.draw("in", 12);
    fs::write(photographs.join("notes.txt"), b"no photograph").unwrap();
    let spoiled = &files(&photographs)[0];
    fs::write(spoiled, b"nothing").unwrap();
    let line = "run --from in --to deep/out --rows-per-part 20 --pca 3 -o json";
    let plan = sandbox.run(&format!("{line} --dry-run --price-per-hour 0.5")).done().json();
    assert_eq!(sandbox.names(), ["in"], "a plan leaves nothing behind");
    assert_eq!(plan["outcome"], "planned");
    assert_eq!(plan["schema_version"], 1);
    assert_eq!(plan["target"], "nothing");
    assert_eq!(plan["left_out"]["by_pattern"], 1);
    assert_eq!(plan["left_out"]["by_pattern_examples"][0], "notes.txt");
    assert_eq!(plan["labels"]["count"], 8);
    assert_eq!(plan["sample"]["tried"], 64);
    let seconds = plan["features_s"].as_f64().unwrap();
    let cost = plan["cost"].as_f64().unwrap();
    assert!(seconds > 0.0 && (cost - 0.5 * seconds / 3_600.0).abs() < 1e-9, "{plan:#}");
    assert!(plan["memory_bytes_max"].as_u64().unwrap() > 64 << 20);

    let summary = sandbox.run(line).done().json();
    for count in ["photographs", "bytes", "features"] {
        assert_eq!(plan[count], summary[count], "{count}");
    }
    assert_eq!(plan["partitions"], 96_u64.div_ceil(20));
    assert_eq!(plan["requests"]["get"], 96);
    assert_eq!(summary["skipped"], 1);
}

#[test]
fn a_plan_in_words_names_what_matters() {
    let sandbox = sandbox();
    let photographs = sandbox.draw("in", 2);
    for file in files(&photographs).iter().take(4) {
        fs::write(file, b"nothing").unwrap();
    }
    let said = sandbox.run("run --from in --to out --dry-run").done().stdout;
    for word in ["16", "unknown_format", "4 of 16", "(25 %)", "about", "at most", "nothing"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("cost"), "no price, no cost: {said}");
}

#[test]
fn a_plan_refuses_what_the_run_refuses_with_the_same_words_and_code() {
    let sandbox = sandbox();
    sandbox.draw("in", 1);
    fs::create_dir(sandbox.path("full")).unwrap();
    fs::write(sandbox.path("full/thesis.docx"), b"years").unwrap();
    for flags in [
        "--from absent --to out",
        "--from in --to full",
        "--from in --to full --mode overwrite",
        "--from in --to in",
        "--from in --to full/thesis.docx/out",
        "--from in --to out --pca 0",
        "--from in --to out --pattern *.tiff",
        "--from in --to out --weights absent.safetensors",
        "--from in --to out --modified-after soon",
        "--from in --to out --modified-after 2099-01-01",
        "--from in --to out --modified-after 2020-01-02 --modified-before 2020-01-02",
    ] {
        let run = sandbox.run(&format!("run {flags}"));
        let plan = sandbox.run(&format!("run {flags} --dry-run"));
        assert_ne!(run.code, Some(0), "{flags}");
        assert_eq!((run.code, &run.stderr), (plan.code, &plan.stderr), "{flags}");
        assert_eq!(sandbox.names(), ["full", "in"], "{flags}");
    }
    assert_eq!(fs::read_dir(sandbox.path("full")).unwrap().count(), 1);
}

#[test]
fn an_earlier_result_is_told_and_left_alone() {
    let sandbox = sandbox();
    sandbox.draw("in", 2);
    sandbox.run("run --from in --to out --pca 2").done();
    let before = sandbox.digests("out");
    let line = "run --from in --to out --dry-run -o json";
    let plan = sandbox.run(&format!("{line} --mode overwrite")).done().json();
    assert_eq!(plan["target"], "earlier_result");
    assert_eq!(sandbox.digests("out"), before);
    let words = sandbox.run(line).refused(6);
    assert!(words.contains("--overwrite"), "{words}");
}

#[test]
fn photographs_are_chosen_by_their_times_and_the_rest_is_counted() {
    let sandbox = sandbox();
    sandbox.draw("in", 3);
    let long_ago = UNIX_EPOCH + 20_000 * DAY;
    age(&sandbox, "in", 5, long_ago);
    let keys = |line: &str| {
        let line = format!("run --from in --to out --mode overwrite --pca off -o json {line}");
        let summary = sandbox.run(&line).done().json();
        (summary["photographs"].as_u64().unwrap(), summary["untimely"].as_u64().unwrap())
    };
    assert_eq!(keys(""), (24, 0));
    assert_eq!(keys("--modified-after 7d"), (5, 19));
    // Its beginning belongs to a window, its end does not: windows lie side by side.
    assert_eq!(keys("--modified-before 2024-10-05"), (19, 5));
    sandbox.run("run --from in --to other --modified-before 2024-10-04").refused(5);
    assert_eq!(keys("--modified-after 2024-10-04 --modified-before 2024-10-05"), (19, 5));
    assert_eq!(keys("--modified-after 2024-10-04T00:00:01Z --limit 2"), (2, 0));
}

#[test]
fn the_instant_is_part_of_the_result_and_the_span_is_not() {
    let sandbox = sandbox();
    sandbox.draw("in", 2);
    age(&sandbox, "in", 0, UNIX_EPOCH + 20_000 * DAY);
    let line = "run --from in --to out --mode overwrite --pca 2";
    let report = |flags: &str| {
        sandbox.run(&format!("{line} {flags}")).done();
        let report = fs::read(sandbox.path("out/report.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&report).unwrap()
    };
    let said = report("--modified-before 2024-10-06T02:00:00+02:00");
    assert_eq!(said["options"]["modified_before"], "2024-10-06T00:00:00Z");
    let span = report("--modified-before 1d");
    let instant = span["options"]["modified_before"].as_str().unwrap().to_owned();
    assert!(instant.contains('T') && instant.ends_with('Z'), "{instant}");
    let first = sandbox.digests("out");
    report(&format!("--modified-before {instant}"));
    assert_eq!(sandbox.digests("out"), first, "the same instant selects the same bytes");
    sandbox.run("verify out").done();
}
