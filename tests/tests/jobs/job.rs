//! Whole jobs through the command line, on photographs drawn for the test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bytes::Bytes;

use fruitnode_result::{read_features_part, read_quarantine_part, read_scores_part};
use fruitnode_tests::sandbox::{Ended, Sandbox, files};

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_under-test"))
}

fn part(out: &Path, name: &str) -> Bytes {
    fs::read(out.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")).into()
}

/// Spoils 1 of the photographs in each of several ways; how many were spoiled.
fn spoil(photographs: &Path) -> usize {
    let all = files(photographs);
    let cut = fs::read(&all[3]).expect("drawn before");
    let spoiled = [(3, &cut[..cut.len() / 2]), (20, b""), (41, b"this is no photograph")];
    for (number, bytes) in spoiled {
        fs::write(&all[number], bytes).expect("room for it");
    }
    spoiled.len()
}

#[test]
fn every_key_ends_in_exactly_one_row_and_is_read_and_inferred_once() {
    let sandbox = sandbox();
    let photographs = sandbox.draw("in", 12);
    let bad = spoil(&photographs);
    let listed = files(&photographs).len();
    let ended = sandbox.run("run --from in --to out --rows-per-part 20 --pca 5 -o json").done();
    let summary = ended.json();
    assert_eq!(summary["photographs"], listed);
    assert_eq!(summary["gets_per_key"], 1.0);
    assert_eq!(summary["inferences_per_good_photograph"], 1.0);
    assert_eq!(summary["inferences_wasted"], 0);
    assert_eq!(summary["quarantined"], bad);

    let out = sandbox.path("out");
    let mut keys = Vec::new();
    let mut codes = BTreeSet::new();
    for p in 0..listed.div_ceil(20) {
        let features = part(&out, &format!("features/part-{p:05}.parquet"));
        let features = read_features_part(&features).unwrap();
        let scores = part(&out, &format!("pca/part-{p:05}.parquet"));
        let scores = read_scores_part(&scores).unwrap();
        assert_eq!(features.subjects, scores.subjects);
        assert_eq!(features.dim, 1_280);
        assert_eq!(scores.k, 5);
        keys.extend(features.subjects.into_iter().map(|subject| subject.path));
        let quarantine = format!("_quarantine/part-{p:05}.parquet");
        if out.join(&quarantine).exists() {
            for row in read_quarantine_part(&part(&out, &quarantine)).unwrap() {
                keys.push(row.subject.path);
                codes.insert(row.code);
            }
        }
    }
    keys.sort();
    let expected: Vec<_> = files(&photographs)
        .iter()
        .map(|file| file.strip_prefix(&photographs).unwrap().display().to_string())
        .collect();
    let mut expected = expected;
    expected.sort();
    assert_eq!(keys, expected);
    let known = ["empty", "jpeg_truncated", "unknown_format"].map(str::to_owned);
    assert_eq!(codes, BTreeSet::from(known));
    sandbox.run("verify out").done();
}

#[test]
fn labels_are_the_folder_or_what_the_rule_finds() {
    let sandbox = sandbox();
    let photographs = sandbox.draw("in", 2);
    fs::copy(&files(&photographs)[0], photographs.join("loose.jpg")).unwrap();
    let label = |rule: &str| {
        let mut command = sandbox.command(["run", "--from", "in", "--to", "out", "--pca", "off"]);
        command.args(["--mode", "overwrite", "--label-from", rule]);
        Ended::of(command).done();
        let rows = read_features_part(&part(&sandbox.path("out"), "features/part-00000.parquet"));
        rows.unwrap().subjects
    };
    for subject in label("parent-dir") {
        let folder = subject.path.split_once('/').map(|(folder, _)| folder.to_owned());
        assert_eq!(subject.label, folder, "{}", subject.path);
    }
    assert!(label("none").iter().all(|subject| subject.label.is_none()));
    for subject in label("regex:^([A-Z])") {
        let letter = subject.path.chars().next().filter(char::is_ascii_uppercase);
        assert_eq!(subject.label, letter.map(String::from), "{}", subject.path);
    }
}

#[test]
fn a_result_is_replaced_only_when_asked_and_never_with_what_is_not_ours() {
    let sandbox = sandbox();
    sandbox.draw("in", 2);
    sandbox.run("run --from in --to out --pca 2").done();
    let first = sandbox.digests("out");
    let words = sandbox.run("run --from in --to out --pca 3").refused(6);
    assert!(words.contains("--overwrite"), "{words}");
    assert_eq!(sandbox.digests("out"), first);
    sandbox.run("run --from in --to out --pca 3 --mode overwrite --rows-per-part 5").done();
    assert_ne!(sandbox.digests("out"), first);
    sandbox.run("verify out").done();

    fs::write(sandbox.path("out/thesis.docx"), b"three years of work").unwrap();
    let words = sandbox.run("run --from in --to out --mode overwrite").refused(6);
    assert!(words.contains("thesis.docx"), "{words}");
    assert!(sandbox.path("out/thesis.docx").exists());
    assert_eq!(sandbox.names(), ["in", "out"], "nothing is left beside the result");
}

#[test]
fn a_share_of_the_variance_gives_the_fewest_components_that_reach_it() {
    let sandbox = sandbox();
    sandbox.draw("in", 10);
    for share in [0.5, 0.9, 0.99] {
        let line = format!("run --from in --to out --mode overwrite --pca {share}");
        sandbox.run(&line).done();
        let report = fs::read(sandbox.path("out/report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        let k = report["pca"]["k"].as_u64().unwrap() as usize;
        let csv = fs::read_to_string(sandbox.path("out/scree.csv")).unwrap();
        let cumulative: Vec<f64> = csv
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(3).unwrap().parse().unwrap())
            .collect();
        assert!(cumulative[k - 1] >= share, "{share}");
        assert!(k == 1 || cumulative[k - 2] < share, "{share}");
    }
}

#[test]
fn more_components_than_the_data_have_are_capped_and_said() {
    let sandbox = sandbox();
    sandbox.draw("in", 1);
    sandbox.run("run --from in --to out --pca at-most:100").done();
    let report = fs::read_to_string(sandbox.path("out/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["pca"]["k"], 7, "eight photographs span seven dimensions");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("100"), "{warnings}");
}

#[test]
fn however_the_source_is_spelt_the_result_is_the_same() {
    let sandbox = sandbox();
    sandbox.draw("in", 2);
    let absolute = sandbox.path("in").display().to_string();
    let spellings = ["in", "./in", "in/", "out-0/../in", &absolute];
    let results = spellings.iter().enumerate().map(|(number, from)| {
        sandbox.run(&format!("run --from {from} --to out-{number} --pca 3 --threads 2")).done();
        sandbox.digests(&format!("out-{number}"))
    });
    let results: Vec<_> = results.collect();
    assert!(results[0].contains_key("_SUCCESS"), "{:?}", results[0]);
    for (from, result) in spellings.iter().zip(&results) {
        assert_eq!(*result, results[0], "{from}");
    }
}

#[test]
fn nothing_of_the_run_is_in_the_result() {
    let sandbox = sandbox();
    sandbox.draw("in", 2);
    let summary = sandbox.run("run --from in --to out -o json").done().json();
    let job = summary["job"].as_str().unwrap().to_owned();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
    let place = sandbox.path("").display().to_string();
    for file in files(&sandbox.path("out")) {
        if file.display().to_string().contains("/_run/") {
            continue;
        }
        let bytes = fs::read(&file).unwrap();
        // A short host name occurs in any file by chance.
        let host = if host.len() > 4 { &host } else { &place };
        for secret in [&job, host, &place] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds `{secret}`", file.display());
        }
    }
}

#[test]
fn a_glob_or_one_photograph_is_what_is_read() {
    let sandbox = sandbox();
    let photographs = sandbox.draw("in", 2);
    let kind = fs::read_dir(&photographs).unwrap().next().unwrap().unwrap().path();
    fs::create_dir(kind.join("deeper")).unwrap();
    let one = files(&kind).remove(0);
    fs::copy(&one, kind.join("deeper/other.jpg")).unwrap();
    let within = |what: &str| kind.join(what).display().to_string();
    let read = |from: &str, to: &str| {
        let line = ["run", "--from", from, "--to", to, "--pca", "off", "-o", "json"];
        Ended::of(sandbox.command(line)).done().json()["photographs"].as_u64().unwrap()
    };
    let name = one.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(read(&within("*"), "direct"), 2);
    assert_eq!(read(&within("**/*.jpg"), "deep"), 3);
    assert_eq!(read(&within(&name), "one"), 1);
    let words = sandbox.run("run --from in/*.jpg --to x --pattern *.png").refused(2);
    assert!(words.contains("--pattern") && words.contains("in/*.jpg"), "{words}");
}

#[test]
fn more_components_than_there_are_fail_unless_they_are_a_limit() {
    let sandbox = sandbox();
    let photographs = sandbox.draw("in", 1);
    for file in files(&photographs).into_iter().skip(3) {
        fs::remove_file(file).unwrap();
    }
    let words = sandbox.run("run --from in --to out --pca 50").refused(2);
    assert!(words.contains("50") && words.contains('2') && words.contains("at-most:50"), "{words}");
    let ended = sandbox.run("run --from in --to out --pca at-most:50 -o json").done().json();
    assert_eq!(ended["components"], 2, "{ended}");
    let warnings = ended["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning.as_str().unwrap().contains("50")), "{ended}");
    let shown = sandbox.run("run --from in --to again --pca at-most:50").done().stdout;
    assert!(shown.contains("warning: 50 components"), "{shown}");
    sandbox.run("verify out").done();
}

#[test]
fn names_that_a_terminal_would_obey_are_shown_and_not_obeyed() {
    let sandbox = sandbox();
    sandbox.draw("in", 1);
    for name in ["a\u{1b}[2J.jpg", "gnp.\u{202e}gpj.jpg", "b\u{9b}1A.jpg"] {
        fs::write(sandbox.path("in").join(name), "no photograph").unwrap();
    }
    for more in ["-v", "-vv --log-format json", "-o json", "--dry-run", "--max-bad 1"] {
        let ended = sandbox.run(&format!("run --from in --to {} --pca 2 {more}", more.len()));
        for text in [ended.stdout, ended.stderr] {
            let obeyed = |letter: char| {
                letter.is_control() && letter != '\n' || ('\u{202a}'..'\u{202f}').contains(&letter)
            };
            assert!(!text.contains(obeyed), "{more}: {text:?}");
        }
    }
}
