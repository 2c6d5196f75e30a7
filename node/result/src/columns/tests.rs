//! Round trips, refusals, damage, and the digests of small tables.

use std::fmt::Write;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::*;
use crate::rows::{BadRow, FeatureRows, ScoreRows, Subject};

fn subject(row: usize) -> Subject {
    Subject {
        path: format!("Test/Apple Braeburn/{row:06}_100.jpg"),
        label: [Some("Apple Braeburn"), Some("Poire \"d'été\", 2"), None][row % 3]
            .map(str::to_owned),
        size: 4_000 + row as u64,
        modified_us: 1_700_000_000_000_000 + row as i64,
    }
}

/// Values without pattern, a third of them zero as after a ReLU.
fn values(count: usize) -> Vec<f32> {
    let mut state = 7u32;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / 8_388_608.0 - 0.66).max(0.0)
        })
        .collect()
}

fn features(rows: usize, dim: usize) -> FeatureRows {
    FeatureRows { subjects: (0..rows).map(subject).collect(), dim, values: values(rows * dim) }
}

fn scores(rows: usize, k: usize) -> ScoreRows {
    ScoreRows { subjects: (0..rows).map(subject).collect(), k, values: values(rows * k) }
}

fn quarantine(rows: usize) -> Vec<BadRow> {
    (0..rows)
        .map(|row| BadRow {
            subject: subject(row),
            code: ["jpeg_truncated", "denied"][row % 2].to_owned(),
            detail: format!("ends {row} bytes before its end"),
        })
        .collect()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

#[test]
fn features_come_back_as_they_went() {
    for (rows, dim) in [(0, 0), (0, 1_280), (1, 1), (5, 1_280), (1_024, 7), (1_025, 3), (9_000, 2)]
    {
        let rows = features(rows, dim);
        let bytes = Bytes::from(features_part(&rows).unwrap());
        assert_eq!(read_features_part(&bytes).unwrap(), rows);
    }
}

#[test]
fn extreme_values_keep_their_bits() {
    let mut rows = features(2, 4);
    rows.values = vec![
        -0.0,
        f32::MIN_POSITIVE,
        f32::MAX,
        f32::MIN,
        f32::from_bits(1),
        -1e-40,
        0.1,
        16_777_217.0,
    ];
    rows.subjects[0].size = i64::MAX as u64;
    rows.subjects[0].modified_us = i64::MIN;
    rows.subjects[1].modified_us = i64::MAX;
    rows.subjects[1].label = Some(String::new());
    rows.subjects[1].path = "Test/\u{1f34e}\0\n".to_owned();
    let back = read_features_part(&Bytes::from(features_part(&rows).unwrap())).unwrap();
    assert_eq!(back.subjects, rows.subjects);
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&back.values), bits(&rows.values));
}

#[test]
fn scores_and_bad_rows_come_back_as_they_went() {
    for rows in [0, 1, 1_025] {
        let scores = scores(rows, 3);
        let bytes = Bytes::from(scores_part(&scores).unwrap());
        assert_eq!(read_scores_part(&bytes).unwrap(), scores);
        let bad = quarantine(rows);
        let bytes = Bytes::from(quarantine_part(&bad).unwrap());
        assert_eq!(read_quarantine_part(&bytes).unwrap(), bad);
    }
}

#[test]
fn rows_that_must_not_be_published_are_refused_in_words() {
    let mut rows = features(3, 2);
    rows.values[3] = f32::INFINITY;
    assert_eq!(
        features_part(&rows).unwrap_err().to_string(),
        "column 1 of `Test/Apple Braeburn/000001_100.jpg` is not finite: check the weights and \
         the photograph"
    );
    let mut rows = features(2, 2);
    rows.values.pop();
    assert_eq!(
        features_part(&rows).unwrap_err().to_string(),
        "3 values do not make 2 rows of 2 columns"
    );
    let mut rows = scores(2, 1);
    rows.subjects.swap(0, 1);
    assert_eq!(
        scores_part(&rows).unwrap_err().to_string(),
        "rows must be in strictly ascending key order, but `Test/Apple Braeburn/000000_100.jpg` \
         follows `Test/Apple Braeburn/000001_100.jpg`"
    );
    let mut bad = quarantine(2);
    bad[1].subject.path = bad[0].subject.path.clone();
    assert!(quarantine_part(&bad).is_err());
    bad[1].subject = subject(1);
    bad[1].subject.size = u64::MAX;
    assert!(quarantine_part(&bad).unwrap_err().to_string().contains("18446744073709551615"));
}

#[test]
fn one_kind_of_table_is_not_taken_for_another() {
    let bytes = Bytes::from(scores_part(&scores(2, 3)).unwrap());
    assert_eq!(
        read_features_part(&bytes).unwrap_err().to_string(),
        "not a valid features table: its columns [\"path\", \"label\", \"size\", \"modified\", \
         \"pca\"] or their types are not the ones fruitnode writes"
    );
}

#[test]
fn no_damage_makes_a_reader_panic() {
    let whole = features_part(&features(20, 8)).unwrap();
    for length in 0..whole.len() {
        let cut = Bytes::copy_from_slice(&whole[..length]);
        assert!(read_features_part(&cut).is_err(), "cut after {length} bytes");
    }
    let bad = quarantine_part(&quarantine(20)).unwrap();
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            let _: Result<_, _> = read_features_part(&Bytes::from(damaged));
        }
    }
    for at in 0..bad.len() {
        let mut damaged = bad.clone();
        damaged[at] ^= 0x10;
        let _: Result<_, _> = read_quarantine_part(&Bytes::from(damaged));
    }
}

/// A digest that changes here means that published bytes change: say so in the release notes.
#[test]
fn the_bytes_are_those_of_the_last_release() {
    let of = [
        features_part(&features(100, 16)).unwrap(),
        scores_part(&scores(100, 4)).unwrap(),
        quarantine_part(&quarantine(10)).unwrap(),
    ];
    assert_eq!(
        of.map(|bytes| digest(&bytes)[..16].to_owned()),
        ["9f106160fad0f002", "46314e2dede0f9a1", "b4e65ac0d1d8d9c9"]
    );
}
