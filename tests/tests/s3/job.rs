//! Whole jobs on S3: the same bytes as on folders, whatever the server does on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use bytes::Bytes;

use fruitnode_result::{read_features_part, read_quarantine_part};
use fruitnode_tests::sandbox::{Ended, files};
use fruitnode_tests::store::{Denial, Hold, Job, Right, Switches, Visible, Which};

/// Small parts, so that there are several; few components, so that it is quick.
const OPTIONS: &str = "--rows-per-part 9 --pca 3 --threads 2";

const FROM_S3: &str = "run --from s3://fruit/in/ --to s3://fruit/out/";

/// What holds `--from` as it was typed, and the digests of these.
const NAMES_ITS_SOURCE: [&str; 3] = ["report.json", "report.html", "_SUCCESS"];

/// What a server does wrong: its name, and how the store is told to.
type Trouble = (&'static str, fn(&mut Switches));

fn job() -> Job {
    Job::new(env!("CARGO_BIN_EXE_under-test"))
}

/// What a job on folders publishes for the photographs in `in/`, under the names of S3.
fn expected(job: &Job) -> BTreeMap<String, String> {
    job.run(&format!("run --from s3://fruit/in/ --to expected {OPTIONS}")).done();
    job.sandbox.digests("expected")
}

/// Waits until the store holds something, while the program still runs.
fn wait_until_held(job: &Job, run: &mut Child) {
    while job.store.held() == 0 {
        assert_eq!(run.try_wait().expect("a child"), None, "it ended before it was held");
        sleep(Duration::from_millis(1));
    }
}

/// Codes of the quarantine's rows by path.
fn quarantined(published: &BTreeMap<String, Bytes>) -> BTreeMap<String, String> {
    let parts = published.iter().filter(|(name, _)| name.starts_with("_quarantine/"));
    parts
        .flat_map(|(_, bytes)| read_quarantine_part(bytes).expect("a part"))
        .map(|row| (row.subject.path, row.code))
        .collect()
}

/// Paths of the rows with features.
fn featured(published: &BTreeMap<String, Bytes>) -> Vec<String> {
    let parts = published.iter().filter(|(name, _)| name.starts_with("features/"));
    parts
        .flat_map(|(_, bytes)| read_features_part(bytes).expect("a part").subjects)
        .map(|subject| subject.path)
        .collect()
}

#[test]
fn folders_and_s3_in_any_mix_publish_the_same_bytes() {
    let job = job();
    let photographs = job.draw(3);
    let spoiled = &files(&photographs)[5];
    fs::write(spoiled, b"this is no photograph").unwrap();
    let modified = std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    fs::File::options().write(true).open(spoiled).unwrap().set_modified(modified).unwrap();
    job.store.put_folder("in/", &photographs).unwrap();

    job.run(&format!("run --from in --to a {OPTIONS}")).done();
    job.run(&format!("run --from in --to s3://fruit/b {OPTIONS}")).done();
    job.run(&format!("run --from s3://fruit/in/ --to s3://fruit/c {OPTIONS}")).done();
    job.run(&format!("run --from s3://fruit/in/ --to d {OPTIONS}")).done();
    let on_folders = job.sandbox.digests("a");
    assert!(on_folders.len() > 15, "{on_folders:?}");
    assert_eq!(job.digests("b/"), on_folders, "the target is no part of the bits");
    let from_s3 = job.sandbox.digests("d");
    assert_eq!(job.digests("c/"), from_s3, "the target is no part of the bits");

    // The place of the photographs is told by the report, and by nothing else.
    let others = |digests: &BTreeMap<String, String>| {
        let mut digests = digests.clone();
        digests.retain(|name, _| !NAMES_ITS_SOURCE.contains(&name.as_str()));
        digests
    };
    assert_eq!(others(&from_s3), others(&on_folders));
    let report = |folder: &str| {
        let path = job.sandbox.path(&format!("{folder}/report.json"));
        fs::read_to_string(path).unwrap().replace("s3://fruit/in/", "in")
    };
    let without_digests = |report: String| {
        let mut report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let files = report["files"].take();
        assert!(files.is_array() || files.is_object() || files.is_null());
        report
    };
    assert_eq!(without_digests(report("d")), without_digests(report("a")));
    for prefix in ["b/", "c/"] {
        assert!(matches!(job.visible(prefix), Visible::Whole(_)));
        assert_eq!(job.orphans(prefix), Vec::<String>::new());
        job.run(&format!("verify s3://fruit/{prefix}")).done();
    }
}

#[test]
fn any_key_ends_in_exactly_one_row_under_its_own_name() {
    let job = job();
    let photographs = job.sandbox.draw("drawn", 3);
    let long = format!("{}.jpg", "k".repeat(1_024 - "in/.jpg".len()));
    let names = [
        "a b.jpg",
        "a+b.jpg",
        "a%2Fb.jpg",
        "100%.jpg",
        "..",
        "../up.jpg",
        "./here.jpg",
        ".",
        "a//b.jpg",
        "/leading.jpg",
        "trailing/",
        "new\nline.jpg",
        "tab\there.jpg",
        "quo\"te's<&>.jpg",
        "caf\u{e9}.jpg",
        "cafe\u{301}.jpg",
        "\u{1f34e}?versionId=1#x.jpg",
        "~",
        "*",
        "\\back\\slash.jpg",
        long.as_str(),
    ];
    for (name, file) in names.iter().zip(files(&photographs)) {
        job.store.put(&format!("in/{name}"), fs::read(file).unwrap(), 1_600_000_000);
    }
    // No photograph: the mark that a console leaves for a folder.
    job.store.put("in/folder/", "", 1_600_000_000);
    let mut wanted = names.map(str::to_owned).to_vec();
    wanted.sort();

    let mut command = job.command(FROM_S3.split_whitespace().chain(OPTIONS.split_whitespace()));
    command.args(["--pattern", "*"]);
    Ended::of(command).done();
    let published = job.published("out/");
    assert_eq!(quarantined(&published), BTreeMap::new());
    assert_eq!(featured(&published), wanted);
    let gets = job.store.counters().gets;
    for name in &wanted {
        assert_eq!(gets[&format!("in/{name}")].asked, 1, "{name:?}");
    }
    job.run("verify s3://fruit/out/").done();
}

#[test]
fn every_photograph_is_read_once_and_every_page_asked_once() {
    let job = job();
    let photographs = job.draw(8);
    let expected = expected(&job);
    for page_keys_max in [1_000, 7, 1] {
        job.store.switch(|switches| switches.page_keys_max = page_keys_max);
        job.store.forget();
        let line = format!("{FROM_S3} --mode overwrite -o json {OPTIONS}");
        let summary = job.run(&line).done().json();
        assert_eq!(summary["gets_per_key"], 1.0);
        assert_eq!(job.digests("out/"), expected, "pages of {page_keys_max}");

        let counters = job.store.counters();
        let of_photographs = counters.gets.iter().filter(|(key, _)| key.starts_with("in/"));
        assert!(of_photographs.clone().all(|(_, gets)| (gets.asked, gets.whole) == (1, 1)));
        assert_eq!(of_photographs.count(), files(&photographs).len());
        // A look at one key, to cut the listing into ranges, is no page.
        let pages = counters.pages.iter();
        let pages =
            pages.filter(|(page, _)| page.starts_with("in/") && !page.ends_with("at most 1"));
        let again: Vec<_> = pages.filter(|(_, times)| **times != 1).collect();
        assert!(again.is_empty(), "pages of {page_keys_max}: {again:?}");
    }
}

#[test]
fn what_happens_to_a_photograph_after_it_was_listed_becomes_its_row() {
    let job = job();
    job.draw(2);
    let keys = job.store.keys("in/");
    job.store.hold(Hold::of("GetObject", 1));
    let mut run = job.start(&format!("run --from s3://fruit/in/ --to out {OPTIONS}"));
    wait_until_held(&job, &mut run);
    job.store.put(&keys[1], "another photograph", 1_700_000_000);
    job.store.remove(&keys[4]);
    let denial = Denial::below(Right::GetObject, &keys[7]);
    job.store.switch(|switches| switches.denials.push(denial));
    job.store.let_go();
    assert!(run.wait().unwrap().success());

    let out = job.sandbox.path("out");
    let published = files(&out).into_iter().map(|file| {
        let name = file.strip_prefix(&out).unwrap().display().to_string();
        (name, Bytes::from(fs::read(file).unwrap()))
    });
    let published: BTreeMap<_, _> = published.collect();
    let name = |number: usize| keys[number].strip_prefix("in/").unwrap().to_owned();
    let wanted = [(1, "changed"), (4, "gone"), (7, "denied")]
        .map(|(number, code)| (name(number), code.to_owned()));
    assert_eq!(quarantined(&published), BTreeMap::from(wanted));
    assert_eq!(featured(&published).len(), keys.len() - 3);
}

#[test]
fn trouble_of_the_server_changes_no_byte_and_makes_no_row() {
    let job = job();
    job.draw(3);
    let expected = expected(&job);
    let troubles: [Trouble; 4] = [
        ("503", |switches| switches.slow_down = Which::Every(7)),
        ("cut bodies", |switches| switches.cut_body = Which::Every(5)),
        ("lost replies", |switches| switches.lose_reply = Which::Every(3)),
        ("all of them", |switches| {
            switches.slow_down = Which::Every(13);
            switches.cut_body = Which::Every(7);
            switches.lose_reply = Which::Every(5);
        }),
    ];
    for (trouble, switch) in troubles {
        job.store.switch(|switches| {
            *switches = Switches::default();
            switch(switches);
        });
        job.store.forget();
        job.run(&format!("{FROM_S3} --mode overwrite {OPTIONS}")).done();
        assert!(job.store.counters().faults > 3, "{trouble}: there was none");
        assert_eq!(job.digests("out/"), expected, "{trouble}");
        assert_eq!(quarantined(&job.published("out/")), BTreeMap::new(), "{trouble}");
        assert_eq!(job.orphans("out/"), Vec::<String>::new(), "{trouble}");
    }
}

#[test]
fn a_server_that_ignores_conditions_is_warned_of_and_the_job_is_done() {
    let job = job();
    job.draw(2);
    let expected = expected(&job);
    for (if_match, if_none_match) in [(true, true), (false, true), (true, false)] {
        job.store.switch(|switches| {
            switches.ignore_if_match = if_match;
            switches.ignore_if_none_match = if_none_match;
        });
        let ended = job.run(&format!("{FROM_S3} --mode overwrite {OPTIONS}")).done();
        let warnings = ended.stderr.lines().filter(|line| line.contains("condition"));
        assert_eq!(warnings.count(), 1, "{if_match} {if_none_match}: {}", ended.stderr);
        assert_eq!(job.digests("out/"), expected);
        assert_eq!(job.orphans("out/"), Vec::<String>::new());
        let told = job.store.keys("out/_run/").into_iter().any(|key| {
            let story = job.store.object(&key).map(|object| object.body).unwrap_or_default();
            String::from_utf8_lossy(&story).contains("\"conditional_writes\": false")
        });
        assert!(told, "the story does not say so");
    }
}

#[test]
fn who_honours_the_marker_sees_the_old_result_or_the_new_one_or_none() {
    let job = job();
    job.draw(6);
    let line = format!("{FROM_S3} --mode overwrite --pca 3 --threads 2");
    job.run(&format!("{line} --rows-per-part 4")).done();
    let old = job.visible("out/");
    job.run(&format!("{line} --rows-per-part 20 --limit 30").replace("/out/", "/other/")).done();
    let new = job.visible("other/");
    assert_ne!(old, new);

    let ended = AtomicBool::new(false);
    job.store.switch(|switches| switches.delay = Duration::from_millis(2));
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                let now = job.visible("out/");
                if seen.last() != Some(&now) {
                    seen.push(now);
                }
            }
            seen
        });
        let line = format!("{line} --rows-per-part 20 --limit 30");
        let run = job.run(&line);
        ended.store(true, Ordering::Relaxed);
        run.done();
        reader.join().expect("the reader reads on")
    });
    assert_eq!(job.visible("out/"), new);
    let known = [&old, &Visible::Nothing, &new];
    for now in &seen {
        assert!(known.contains(&now), "{now:?}");
    }
    assert_eq!(seen.first(), Some(&old));
    assert_eq!(job.orphans("out/"), Vec::<String>::new());
}

#[test]
fn large_objects_go_up_in_parts_and_come_out_the_same() {
    let job = job();
    // The one CSV is what grows with the keys: enough of them, and as many components.
    let photographs = job.draw(50);
    for copy in 1..=6 {
        job.store.put_folder(&format!("in/copy-{copy}/"), &photographs).unwrap();
    }
    let options = "--size 32 --pca at-most:390 --standardize mean --threads 2";
    job.run(&format!("run --from s3://fruit/in/ --to expected {options}")).done();
    job.store.forget();
    job.run(&format!("{FROM_S3} {options}")).done();
    let counters = job.store.counters();
    let sizes = job.published("out/").into_iter().map(|(name, bytes)| (bytes.len(), name));
    let largest = sizes.max().unwrap();
    assert!(counters.of("UploadPart") > 1, "{largest:?} was too small: {:?}", counters.operations);
    assert_eq!(job.digests("out/"), job.sandbox.digests("expected"));
    assert_eq!(job.orphans("out/"), Vec::<String>::new());
    job.run("verify s3://fruit/out/").done();

    // The reply to the request that makes the parts one object is lost.
    job.store.forget();
    job.store.switch(|switches| {
        switches.lose_reply = Which::Nth(1);
        switches.lose_reply_of = Some("CompleteMultipartUpload");
    });
    let line = format!("{FROM_S3} --mode overwrite {options}");
    job.run(&line).done();
    assert_eq!(job.store.counters().faults, 1);
    assert_eq!(job.digests("out/"), job.sandbox.digests("expected"));
    assert_eq!(job.orphans("out/"), Vec::<String>::new());

    // It dies between two parts.
    job.store.forget();
    job.store.hold(Hold::of("UploadPart", 2));
    let mut run = job.start(&line);
    wait_until_held(&job, &mut run);
    run.kill().unwrap();
    run.wait().unwrap();
    job.store.refuse_held();
    assert_eq!(job.store.unfinished_uploads().len(), 1);
    job.run(&line).done();
    assert_eq!(job.digests("out/"), job.sandbox.digests("expected"));
    assert_eq!(job.orphans("out/"), Vec::<String>::new());
}

#[test]
fn a_job_that_fails_leaves_nothing_and_an_earlier_result_as_it_was() {
    let job = job();
    job.draw(2);
    job.store.put("in/bad.jpg", "this is no photograph", 1_600_000_000);
    job.run(&format!("{FROM_S3} --max-bad 0 --no-resume {OPTIONS}")).refused(7);
    assert_eq!(job.store.keys("out/"), Vec::<String>::new());
    assert_eq!(job.store.unfinished_uploads(), Vec::<String>::new());

    job.run(&format!("{FROM_S3} {OPTIONS}")).done();
    let earlier = job.visible("out/");
    job.run(&format!("{FROM_S3} --max-bad 0 --no-resume --mode overwrite {OPTIONS}")).refused(7);
    assert_eq!(job.visible("out/"), earlier);
    assert_eq!(job.orphans("out/"), Vec::<String>::new());
    let words = job.run(&format!("{FROM_S3} {OPTIONS}")).refused(6);
    assert!(words.contains("--overwrite"), "{words}");
    job.store.put("out/thesis.docx", "three years of work", 0);
    let words = job.run(&format!("{FROM_S3} --mode overwrite {OPTIONS}")).refused(6);
    assert!(words.contains("thesis.docx"), "{words}");
    assert!(job.store.object("out/thesis.docx").is_some());
}

#[test]
fn ctrl_c_ends_the_run_in_words_and_leaves_nothing() {
    let job = job();
    job.draw(4);
    for (signal, operation, from) in
        [("INT", "GetObject", 10), ("TERM", "PutObject", 12), ("INT", "CopyObject", 2)]
    {
        job.store.forget();
        job.store.hold(Hold::of(operation, from));
        let mut command = job.command(
            FROM_S3.split_whitespace().chain(OPTIONS.split_whitespace()).chain(["--no-resume"]),
        );
        let mut run = command.stderr(Stdio::piped()).spawn().unwrap();
        wait_until_held(&job, &mut run);
        let kill = Command::new("kill").args(["-s", signal, &run.id().to_string()]).status();
        assert!(kill.unwrap().success());
        // What is under way ends only when the server answers.
        sleep(Duration::from_millis(50));
        job.store.let_go();
        let ended = run.wait_with_output().unwrap();
        let words = String::from_utf8(ended.stderr).unwrap();
        if ended.status.code() == Some(130) {
            assert!(words.contains("interrupted"), "{words}");
            assert_eq!(job.store.keys("out/"), Vec::<String>::new(), "{operation}: {words}");
        } else {
            // The run won the race.
            assert!(ended.status.success(), "{words}");
            job.empty("out/");
        }
        assert_eq!(job.store.unfinished_uploads(), Vec::<String>::new());
    }
}

#[test]
fn what_lies_below_the_target_is_never_a_photograph() {
    let job = job();
    job.draw(2);
    let listed = job.store.keys("in/").len();
    for _ in 0..2 {
        let line = "run --from s3://fruit/ --to s3://fruit/in/out/ --mode overwrite -o json";
        let summary = job.run(&format!("{line} --pattern **/*.{{jpg,png}} {OPTIONS}")).done();
        assert_eq!(summary.json()["photographs"], listed);
    }
    let published = job.published("in/out/");
    let paths: BTreeSet<String> = featured(&published).into_iter().collect();
    assert_eq!(paths.len(), listed);
    assert!(paths.iter().all(|path| !path.starts_with("in/out/")), "{paths:?}");
}

#[test]
fn a_model_on_s3_gives_new_photographs_the_scores_it_gave_before() {
    let job = job();
    job.draw(2);
    job.run("run --from s3://fruit/in/ --to s3://fruit/out --pca 3 --threads 2").done();
    let transform = |model: &str, to: &str| {
        let line = format!("transform --model {model} --from in --to {to} --threads 2");
        let mut command = job.command(line.split(' '));
        command.env("FRUITNODE_CACHE", job.sandbox.path("cache"));
        Ended::of(command)
    };
    for (model, to) in [("s3://fruit/out/model", "a"), ("s3://fruit/out", "b")] {
        transform(model, to).done();
        let scores = fs::read(job.sandbox.path(to).join("pca.csv")).expect("a published table");
        assert!(job.published("out/")["pca.csv"] == scores, "{model}");
    }
    let words = transform("s3://fruit/out/model", "s3://fruit/out").refused(6);
    assert!(words.contains("contains the model"), "{words}");
    let words = transform("s3://fruit/in", "c").refused(5);
    assert!(words.contains("s3://fruit/in/model.json"), "{words}");
}
