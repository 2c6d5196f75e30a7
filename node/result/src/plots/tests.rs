//! What is drawn, of whom, and that it stays the same.

use super::*;
use crate::model::tests::{arrays, facts};
use crate::rows::{ScoreRows, Subject};

fn rows(from: usize, to: usize, label: impl Fn(usize) -> String) -> ScoreRows {
    let subject = |n: usize| Subject {
        path: format!("{n:06}.jpg"),
        label: Some(label(n)),
        size: 1,
        modified_us: 0,
    };
    let values = (from..to).flat_map(|n| [(n % 97) as f32, (n % 89) as f32 - 40.0]).collect();
    ScoreRows { subjects: (from..to).map(subject).collect(), k: 2, values }
}

fn drawn(sample: &Sample) -> Picture {
    let facts = facts();
    scatter(sample, &arrays().view(&facts).unwrap())
}

#[test]
fn the_sample_is_the_same_whatever_the_parts_and_their_order() {
    let label = |n: usize| format!("l{}", n % 7);
    let (mut whole, mut parts) = (Sample::default(), Sample::default());
    whole.push(&rows(0, 12_000, label));
    for from in [9_000, 0, 6_000, 3_000] {
        parts.push(&rows(from, from + 3_000, label));
    }
    assert_eq!(whole, parts);
    assert_eq!(whole.points.len(), sample::POINTS_MAX);
    assert!(drawn(&whole).summary.starts_with("5,000 of 12,000 photographs"));
}

#[test]
fn every_one_of_131_labels_has_a_look_of_its_own() {
    let mut sample = Sample::default();
    sample.push(&rows(0, 2_000, |n| format!("label {:03}", n % 131)));
    let picture = drawn(&sample);
    let mut looks = Vec::new();
    for item in &picture.items {
        if let Item::Mark { ink, form, hollow, radius, .. } = item
            && *radius > 4.0
        {
            assert!(!looks.contains(&(*ink, *form, *hollow)), "{item:?} stands twice");
            looks.push((*ink, *form, *hollow));
        }
    }
    assert_eq!(looks.len(), 131);
}

#[test]
fn labels_beyond_the_legend_are_counted_and_faint() {
    let mut sample = Sample::default();
    sample.push(&rows(0, 400, |n| format!("{:03}", n % 200)));
    let svg = String::from_utf8(drawn(&sample).to_svg()).unwrap();
    assert!(svg.contains(">56 other labels<"), "{svg}");
    assert_eq!(svg.matches("class=\"faint\"").count(), 2 * 56 + 1);
}

#[test]
fn a_hostile_label_stays_text() {
    let mut sample = Sample::default();
    sample.push(&rows(0, 3, |_| "</text><script>".to_owned()));
    let svg = String::from_utf8(drawn(&sample).to_svg()).unwrap();
    assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;"));
}

#[test]
fn both_drawings_come_out_for_one_point_and_for_none() {
    for count in [0, 1] {
        let mut sample = Sample::default();
        sample.push(&rows(0, count, |_| "é".to_owned()));
        let picture = drawn(&sample);
        assert!(picture.to_svg().ends_with(b"</svg>\n"));
        assert!(picture.to_png().unwrap().starts_with(b"\x89PNG"));
    }
}
