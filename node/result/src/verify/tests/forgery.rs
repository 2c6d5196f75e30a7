//! Results whose digests agree and whose contents do not: what a faulty program would publish.

use bytes::Bytes;

use super::fixture::{Memory, Plain, facts, published};
use crate::model::{ModelArrays, ModelFacts, Standardize, Target, read_model_safetensors};
use crate::model::{model_json, model_npz, model_readme, model_safetensors};
use crate::names;
use crate::report::Report;
use crate::rows::{BadRow, FeatureRows, ScoreRows};
use crate::scree::{scree_csv, scree_svg};
use crate::verify::{GIVEN_MODEL, Status, Verdict, verify};
use crate::{
    features_part, quarantine_part, read_features_part, read_quarantine_part, read_scores_part,
    scores_part,
};

/// Publishes a result, changes it, seals it again and checks it.
fn forged(change: impl FnOnce(&mut Memory, &mut Report)) -> Verdict {
    let (mut memory, mut report) = published(&facts(Standardize::MeanStd, true));
    change(&mut memory, &mut report);
    memory.seal(report);
    let verdict = verify(&memory, &Plain);
    assert_eq!(verdict.check("digests").unwrap().status, Status::Passed, "{verdict}");
    verdict
}

/// Asserts that a check failed with these words, and which others did.
fn assert_fails(verdict: &Verdict, check: &str, words: &str, others: &[&str]) {
    let failed = verdict.checks.iter().filter(|check| check.status == Status::Failed);
    let mut expected = vec![check];
    expected.extend(others);
    let mut failed: Vec<_> = failed.map(|check| check.name).collect();
    failed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(failed, expected, "{verdict}");
    let findings = &verdict.check(check).unwrap().findings;
    assert!(findings.iter().any(|finding| finding.contains(words)), "{findings:?}");
}

fn features(memory: &mut Memory, part: u32, change: impl FnOnce(&mut FeatureRows)) {
    let name = names::features_part(part);
    let mut rows = read_features_part(&Bytes::from(memory.0[&name].clone())).unwrap();
    change(&mut rows);
    memory.0.insert(name, features_part(&rows).unwrap());
}

fn scores(memory: &mut Memory, part: u32, change: impl FnOnce(&mut ScoreRows)) {
    let name = names::scores_part(part);
    let mut rows = read_scores_part(&Bytes::from(memory.0[&name].clone())).unwrap();
    change(&mut rows);
    memory.0.insert(name, scores_part(&rows).unwrap());
}

fn quarantine(memory: &mut Memory, part: u32, change: impl FnOnce(&mut Vec<BadRow>)) {
    let name = names::quarantine_part(part);
    let mut rows = read_quarantine_part(&Bytes::from(memory.0[&name].clone())).unwrap();
    change(&mut rows);
    memory.0.insert(name, quarantine_part(&rows).unwrap());
}

/// Changes the model and writes all of its files again.
fn model(memory: &mut Memory, change: impl FnOnce(&mut ModelFacts, &mut ModelArrays)) {
    let mut facts = facts(Standardize::MeanStd, true);
    let mut arrays = read_model_safetensors(&memory.0[names::MODEL_SAFETENSORS]).unwrap();
    change(&mut facts, &mut arrays);
    let view = arrays.view(&facts).unwrap();
    for (name, bytes) in [
        (names::MODEL_SAFETENSORS, model_safetensors(&view)),
        (names::MODEL_JSON, model_json(&view)),
        (names::MODEL_NPZ, model_npz(&view)),
        (names::MODEL_README, model_readme(&view)),
        (names::SCREE_CSV, scree_csv(&view)),
        (names::SCREE_SVG, scree_svg(&view)),
    ] {
        memory.0.insert(name.to_owned(), bytes.unwrap());
    }
}

#[test]
fn sealing_again_what_was_not_changed_passes() {
    assert!(forged(|_, _| {}).passed());
}

#[test]
fn a_lost_row_is_missed_by_the_count() {
    let verdict = forged(|memory, _| quarantine(memory, 0, |rows| drop(rows.pop())));
    assert_fails(&verdict, "rows", "gives 4 bad rows, but the parts have 3", &[]);
}

#[test]
fn a_key_in_both_tables_is_found() {
    let verdict = forged(|memory, _| {
        quarantine(memory, 0, |rows| rows[0].subject.path = "Apple/002.jpg".to_owned());
    });
    assert_fails(&verdict, "keys", "`Apple/002.jpg` is also in the quarantine", &[]);
}

#[test]
fn a_wrong_code_is_found() {
    let verdict =
        forged(|memory, _| quarantine(memory, 2, |rows| rows[0].code = "gone".to_owned()));
    assert_fails(&verdict, "rows", "its counts per code", &[]);
}

#[test]
fn a_whole_lost_partition_is_found() {
    let verdict = forged(|memory, _| {
        memory.0.remove("features/part-00001.parquet");
        memory.0.remove("pca/part-00001.parquet");
    });
    assert_fails(&verdict, "rows", "has 2 parts, but there are 3 partitions", &["csv", "scores"]);
}

#[test]
fn partitions_in_another_order_are_found() {
    let verdict = forged(|memory, _| {
        let first = memory.0.remove("features/part-00000.parquet").unwrap();
        let second = memory.0.insert("features/part-00001.parquet".to_owned(), first).unwrap();
        memory.0.insert("features/part-00000.parquet".to_owned(), second);
    });
    let keys = verdict.check("keys").unwrap();
    assert!(keys.findings[0].contains("rows are out of key order"), "{verdict}");
}

#[test]
fn a_feature_that_is_off_by_one_bit_is_found() {
    let verdict = forged(|memory, _| {
        features(memory, 1, |rows| rows.values[3] = f32::from_bits(rows.values[3].to_bits() ^ 1));
    });
    // The components still fit within the tolerance; the means and one score do not, to the bit.
    let moments = verdict.check("moments").unwrap();
    assert!(moments.findings[0].contains("1 means do not match features/"), "{verdict}");
}

#[test]
fn a_score_that_is_off_by_one_bit_is_found() {
    let verdict = forged(|memory, _| {
        scores(memory, 2, |rows| rows.values[1] = f32::from_bits(rows.values[1].to_bits() ^ 1));
    });
    let words = "pca/part-00002.parquet: 1 scores do not match the model, the first one at \
                 `Apple/013.jpg`, component 2";
    assert_fails(&verdict, "projection", words, &["csv"]);
}

#[test]
fn scores_under_another_label_are_found() {
    let verdict = forged(|memory, _| {
        scores(memory, 0, |rows| rows.subjects[0].label = Some("Pear".to_owned()));
    });
    assert_fails(&verdict, "scores", "its rows do not match those of features/", &["csv"]);
}

#[test]
fn a_changed_digit_an_added_line_and_a_lost_line_of_the_table_are_found() {
    let (whole, _) = published(&facts(Standardize::MeanStd, true));
    let table = String::from_utf8(whole.0[names::CSV].clone()).unwrap();
    let lines: Vec<_> = table.lines().collect();
    let digit = table.rfind('1').unwrap();
    for (changed, words) in [
        (format!("{}2{}", &table[..digit], &table[digit + 1..]), "differs from the scores after"),
        (format!("{table}x,,1.0,2.0\n"), "11 bytes follow the last row"),
        (
            format!("{}\n", lines[..lines.len() - 1].join("\n")),
            "after row 11, around `Apple/013.jpg`, 6 lines on",
        ),
        (table.replace("pca_1", "pc_1"), "in its header"),
    ] {
        let verdict = forged(|memory, _| {
            memory.0.insert(names::CSV.to_owned(), changed.into_bytes());
        });
        assert_fails(&verdict, "csv", words, &[]);
    }
}

#[test]
fn components_that_are_not_those_of_the_features_are_found() {
    let verdict = forged(|memory, _| {
        model(memory, |_, arrays| {
            let (a, b) = (arrays.components[0], arrays.components[1]);
            // Still of length 1, but turned by a millionth.
            (arrays.components[0], arrays.components[1]) = (a + 1e-6 * b, b - 1e-6 * a);
        });
    });
    let certificate = verdict.check("certificate").unwrap();
    assert!(certificate.findings.iter().any(|f| f.contains("residual is")), "{verdict}");
}

#[test]
fn a_spectrum_that_is_out_of_order_or_does_not_add_up_is_found() {
    for (change, words) in [
        ((|a: &mut ModelArrays| a.eigenvalues.swap(3, 4)) as fn(&mut ModelArrays), "ascents is"),
        (|a| a.eigenvalues[4] *= 0.5, "trace is"),
        (|a| a.components.iter_mut().for_each(|v| *v = -*v), "signs is"),
        (|a| a.ratios[4] += 1e-6, "ratios is"),
    ] {
        let verdict = forged(|memory, _| model(memory, |_, arrays| change(arrays)));
        let certificate = verdict.check("certificate").unwrap();
        assert!(certificate.findings.iter().any(|f| f.contains(words)), "{words}: {verdict}");
    }
}

#[test]
fn a_scale_with_the_other_divisor_is_found() {
    let verdict = forged(|memory, _| model(memory, |facts, _| facts.scale_ddof = 0));
    assert_fails(&verdict, "moments", "a scale is off by", &[]);
}

#[test]
fn too_many_components_for_the_share_that_was_asked_are_found() {
    let verdict = forged(|memory, report| {
        model(memory, |facts, _| facts.target = Target::Share(0.3));
        report.pca.as_mut().unwrap().target = Target::Share(0.3);
    });
    assert_fails(&verdict, "model", "are not the fewest that explain 0.3", &[]);
}

#[test]
fn a_copy_of_the_model_that_says_something_else_is_found() {
    for name in [names::MODEL_NPZ, names::MODEL_README, names::SCREE_CSV, names::SCREE_SVG] {
        let verdict = forged(|memory, _| memory.0.get_mut(name).unwrap().push(b' '));
        assert_fails(&verdict, "model", &format!("{name}: does not match the model"), &[]);
    }
}

#[test]
fn a_file_that_is_no_part_of_a_result_is_found_though_success_names_it() {
    let verdict = forged(|memory, _| {
        memory.0.insert("notes.txt".to_owned(), b"by hand".to_vec());
    });
    assert_fails(&verdict, "listing", "_SUCCESS: names notes.txt", &[]);
}

#[test]
fn a_report_that_does_not_fit_is_found() {
    let verdict = forged(|_, report| report.pca = None);
    assert_fails(&verdict, "report", "has no components", &[]);
    let verdict = forged(|_, report| report.certificate[0].value = 1.0);
    assert_fails(&verdict, "report", "certifies that orthonormality is 1e0", &[]);
    let verdict = forged(|_, report| report.pca.as_mut().unwrap().share = 0.5);
    assert_fails(&verdict, "report", "different shares of the variance", &[]);
    let verdict = forged(|_, report| report.weights.sha256 = "11".repeat(32));
    assert_fails(&verdict, "report", "describes a different model", &[]);
    let verdict = forged(|_, report| report.bytes += 1);
    assert_fails(&verdict, "rows", "gives 88232 bytes of photographs", &[]);
}

#[test]
fn a_given_model_is_not_held_against_features_it_was_not_fitted_to() {
    let given = |report: &mut Report| report.pca.as_mut().unwrap().given = true;
    let verdict = forged(|_, report| given(report));
    assert!(verdict.passed(), "{verdict}");
    assert!(verdict.to_string().contains("not certified against these features"), "{verdict}");
    assert_eq!(verdict.check("moments").or_else(|| verdict.check("certificate")), None);
    let own = facts(Standardize::MeanStd, true);
    let more = ModelFacts { rows: own.rows + 1, ..own };
    let (mut memory, mut report) = published(&more);
    assert_fails(&verify(&memory, &Plain), "moments", "fitted rows", &[]);
    given(&mut report);
    memory.seal(report);
    let verdict = verify(&memory, &Plain);
    assert!(verdict.passed(), "{verdict}");
    let verdict = forged(|memory, report| {
        model(memory, |_, arrays| arrays.components[0] *= 1.5);
        given(report);
    });
    assert_fails(&verdict, GIVEN_MODEL, "not fitted by fruitnode", &["projection"]);
    let verdict = forged(|memory, report| {
        features(memory, 1, |rows| rows.values[3] += 0.25);
        given(report);
    });
    assert_fails(&verdict, "projection", "scores do not match the model", &[]);
}

#[test]
fn files_that_are_no_tables_at_all_are_findings_and_not_panics() {
    for name in [
        "features/part-00000.parquet",
        "pca/part-00001.parquet",
        "_quarantine/part-00002.parquet",
        names::CSV,
        names::MODEL_JSON,
        names::MODEL_SAFETENSORS,
    ] {
        for content in [&b""[..], b"PAR1", b"{}", &[0xff; 100]] {
            let verdict = forged(|memory, _| {
                memory.0.insert(name.to_owned(), content.to_vec());
            });
            let findings: Vec<_> = verdict.checks.iter().flat_map(|c| &c.findings).collect();
            assert!(findings.iter().any(|finding| finding.starts_with(name)), "{name}: {verdict}");
        }
    }
}
