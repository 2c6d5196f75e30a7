//! A whole result passes; one that was damaged after publishing fails, and the finding names the
//! file. Damage of this kind never agrees with `_SUCCESS`.

use super::fixture::{Memory, Plain, facts, published};
use crate::model::Standardize;
use crate::names;
use crate::verify::{Status, Verdict, verify};

fn whole() -> Memory {
    published(&facts(Standardize::Mean, true)).0
}

fn verdict(memory: &Memory) -> Verdict {
    verify(memory, &Plain)
}

/// Names of the files that a result is made of, `_SUCCESS` aside.
fn public(memory: &Memory) -> Vec<String> {
    let names = memory.0.keys();
    names.filter(|name| !name.starts_with("_run/") && *name != names::SUCCESS).cloned().collect()
}

fn assert_names(verdict: &Verdict, check: &str, name: &str) {
    let check = verdict.check(check).unwrap();
    assert_eq!(check.status, Status::Failed, "{name}: {}", check.name);
    let named = check.findings.iter().any(|finding| finding.starts_with(&format!("{name}: ")));
    assert!(named, "{name}: {:?}", check.findings);
}

#[test]
fn a_whole_result_passes_whatever_its_convention() {
    for standardize in [Standardize::None, Standardize::Mean, Standardize::MeanStd] {
        for centred in [true, false] {
            let (memory, _) = published(&facts(standardize, centred));
            let verdict = verdict(&memory);
            assert!(verdict.passed(), "{standardize:?}, centred {centred}:\n{verdict}");
            let names: Vec<_> = verdict.checks.iter().map(|check| check.name).collect();
            assert_eq!(
                names,
                [
                    "complete",
                    "listing",
                    "digests",
                    "report",
                    "rows",
                    "keys",
                    "model",
                    "scores",
                    "projection",
                    "csv",
                    "moments",
                    "certificate"
                ]
            );
        }
    }
}

#[test]
fn the_figures_are_those_of_the_result() {
    let text = verdict(&whole()).to_string();
    for figures in [
        "complete     ok       20 files\n",
        "rows         ok       18 good, 4 bad, 88231 bytes of photographs\n",
        "keys         ok       22 keys, each in one row\n",
        "projection   ok       36 scores, equal bit for bit\n",
        "csv          ok       18 rows\n",
    ] {
        assert!(text.contains(figures), "{figures} in\n{text}");
    }
}

#[test]
fn a_result_without_components_needs_none_of_their_files() {
    let (mut memory, mut report) = published(&facts(Standardize::Mean, true));
    memory.0.retain(|name, _| name.starts_with("features/") || name.starts_with("_quarantine/"));
    report.pca = None;
    report.certificate.clear();
    report.classes.fit = None;
    memory.seal(report);
    let verdict = verdict(&memory);
    assert!(verdict.passed(), "{verdict}");
    assert_eq!(verdict.check("csv"), None);
}

#[test]
fn a_flipped_byte_in_any_file_is_found_and_the_file_named() {
    let whole = whole();
    for name in public(&whole) {
        let size = whole.0[&name].len();
        for at in [0, size / 3, size / 2, size - 1] {
            let mut memory = whole.clone();
            memory.0.get_mut(&name).unwrap()[at] ^= 0x04;
            assert_names(&verdict(&memory), "digests", &name);
        }
    }
}

#[test]
fn a_cut_file_is_found_and_named() {
    let whole = whole();
    for name in public(&whole) {
        let size = whole.0[&name].len();
        for length in [0, 1, size / 2, size - 1] {
            let mut memory = whole.clone();
            memory.0.get_mut(&name).unwrap().truncate(length);
            assert_names(&verdict(&memory), "digests", &name);
        }
    }
}

#[test]
fn a_missing_file_is_found_and_named() {
    let whole = whole();
    for name in public(&whole) {
        let mut memory = whole.clone();
        memory.0.remove(&name);
        let verdict = verdict(&memory);
        assert_names(&verdict, "listing", &name);
        assert_names(&verdict, "digests", &name);
    }
}

#[test]
fn two_files_that_changed_places_are_found() {
    let mut memory = whole();
    let (a, b) = (names::features_part(0), names::features_part(1));
    let (first, second) = (memory.0[&a].clone(), memory.0[&b].clone());
    memory.0.insert(a.clone(), second);
    memory.0.insert(b.clone(), first);
    let verdict = verdict(&memory);
    assert_names(&verdict, "digests", &a);
    assert_names(&verdict, "digests", &b);
}

#[test]
fn a_file_that_does_not_belong_is_found_and_one_below_run_is_not() {
    for name in ["features/part-00003.parquet", "thesis.docx", "model/pca.pkl"] {
        let mut memory = whole();
        memory.0.insert(name.to_owned(), Vec::new());
        assert_names(&verdict(&memory), "listing", name);
    }
    let mut memory = whole();
    memory.0.insert("_run/job-2/p0".to_owned(), vec![1]);
    assert!(verdict(&memory).passed());
}

#[test]
fn without_a_usable_success_nothing_else_is_looked_at() {
    let whole = whole();
    let success = whole.0[names::SUCCESS].clone();
    for damaged in [None, Some(Vec::new()), Some(success[..success.len() - 5].to_vec())] {
        let mut memory = whole.clone();
        match damaged {
            None => memory.0.remove(names::SUCCESS),
            Some(bytes) => memory.0.insert(names::SUCCESS.to_owned(), bytes),
        };
        let verdict = verdict(&memory);
        assert_eq!(verdict.checks.len(), 1);
        assert_names(&verdict, "complete", names::SUCCESS);
    }
}

#[test]
fn damage_in_one_place_leaves_the_other_checks_standing() {
    let mut memory = whole();
    memory.0.get_mut("pca/part-00001.parquet").unwrap().pop();
    let verdict = verdict(&memory);
    for (check, status) in [
        ("rows", Status::Passed),
        ("keys", Status::Passed),
        ("model", Status::Passed),
        ("scores", Status::NotMade),
        ("projection", Status::NotMade),
        ("csv", Status::NotMade),
        ("moments", Status::Passed),
        ("certificate", Status::Passed),
    ] {
        assert_eq!(verdict.check(check).unwrap().status, status, "{check}");
    }
}
