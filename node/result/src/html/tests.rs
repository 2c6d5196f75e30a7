//! The page against hostile names, and what it must hold.

use std::collections::BTreeMap;

use super::*;
use crate::Report;
use crate::markup::base64;
use crate::model::tests::{arrays, facts};
use crate::plots::{Cloud, Extremes, Sample};
use crate::report::tests::example;
use crate::report::{Counts, File};
use crate::rows::{ScoreRows, Subject};
use crate::thumbnails::SIDE;

#[test]
fn names_from_the_bucket_never_become_markup() {
    let mut report = example();
    let hostile = "\"><script>alert('x')</script>&\u{202e}\u{0}";
    report.source = hostile.to_owned();
    report.warnings.push(hostile.to_owned());
    report.options.insert(hostile.to_owned(), hostile.to_owned());
    let example = || Example { path: hostile.to_owned(), detail: hostile.to_owned() };
    let examples = BTreeMap::from([("jpeg_truncated".to_owned(), vec![example()])]);
    let look = Look { examples, ..Look::default() };
    let page = String::from_utf8(report_html(&report, &look)).unwrap();
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains('\u{202e}') && !page.contains('\0'));
    assert_eq!(
        page.matches("&lt;script&gt;").count(),
        7,
        "title, text, warning, option (2), example (2)"
    );
}

fn rows(count: usize, label: &str) -> ScoreRows {
    let subject = |n: usize| Subject {
        path: format!("{label}/{n:06}.jpg"),
        label: Some(label.to_owned()),
        size: 1,
        modified_us: 0,
    };
    let values = (0..count).flat_map(|n| [(n % 97) as f32, (n % 89) as f32 - 40.0]).collect();
    ScoreRows { subjects: (0..count).map(subject).collect(), k: 2, values }
}

fn page(report: &Report, rows: &ScoreRows, given: bool) -> String {
    let (facts, arrays) = (facts(), arrays());
    let view = arrays.view(&facts).unwrap();
    let (mut sample, mut extremes) = (Sample::against(Cloud::of(&view)), Extremes::default());
    sample.push(rows);
    let count = rows.subjects.len();
    let thumbnails = vec![vec![0; (SIDE * SIDE * 3) as usize]; count];
    extremes.push(rows, thumbnails, count as u64).unwrap();
    let figures = Some(figures(&sample, &extremes, &view, given).unwrap());
    let look = Look { figures, ..Look::default() };
    String::from_utf8(report_html(report, &look)).unwrap()
}

#[test]
fn the_page_asks_for_nothing_from_elsewhere() {
    let page = page(&example(), &rows(30, "Apple"), false);
    for foreign in ["http://", "https://", "<link", "<script", "@import", "url(", "href=\"/"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("data:image/png;base64,"));
    assert!(page.contains("jpeg_truncated") && page.contains("1.50e-15"));
}

#[test]
fn labels_and_keys_never_become_markup() {
    let page = page(&example(), &rows(3, "\"><script>\u{202e}"), true);
    assert!(!page.contains("<script") && !page.contains('\u{202e}'));
    assert!(page.contains("&lt;script&gt;"));
}

#[test]
fn every_share_is_told_with_the_components_that_it_takes() {
    let page = page(&example(), &rows(30, "Apple"), false);
    // Ratios of 4/7, 2/7 and 1/7: two hold 86 %, three hold all. The fit asked for 90 %.
    for words in ["80 %: k = 2", "90 %: k = 2", "95 %: k = 3", "99 %: k = 3"] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn of_a_given_model_the_page_tells_how_many_lie_outside_the_photographs_of_the_fit() {
    let rows = rows(30, "Apple");
    let words = "the 9 photographs that the model was fitted to";
    assert!(page(&example(), &rows, true).contains(words));
    assert!(!page(&example(), &rows, false).contains(words));
    assert!(page(&example(), &rows, true).contains("of 30 photographs lie outside it.</b>"));
}

#[test]
fn a_code_is_told_with_its_reason_and_some_of_its_photographs() {
    let mut report = example();
    report.counts = Counts {
        listed: 9,
        good: 1,
        bad: 8,
        bad_by_code: BTreeMap::from([("empty".to_owned(), 7), ("jpeg_truncated".to_owned(), 1)]),
    };
    let of =
        |path: &str, detail: &str| Example { path: path.to_owned(), detail: detail.to_owned() };
    let examples = BTreeMap::from([
        ("empty".to_owned(), vec![of("a.jpg", "it has no bytes"), of("b.jpg", "it has no bytes")]),
        ("jpeg_truncated".to_owned(), vec![of("c.jpg", "it ends early")]),
    ]);
    let modified_us = Some((0, 86_400_000_000));
    let look = Look { examples, modified_us, ..Look::default() };
    let page = String::from_utf8(report_html(&report, &look)).unwrap();
    for words in [
        "<h1>Features of 1 photograph</h1>",
        "8 photographs have no features",
        "<code>empty</code> <span>7 photographs</span>",
        "<p>it has no bytes</p>",
        "and 5 more",
        "<code>jpeg_truncated</code> <span>1 photograph</span>",
        "<li><code>c.jpg</code></li>",
        "between 1970-01-01 and 1970-01-02 (UTC)",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("1 photographs"));
}

#[test]
fn files_of_the_result_are_linked_by_their_names() {
    let mut report = example();
    let file = File { bytes: 1, sha256: "ab".repeat(32) };
    report.files.insert("features/part-00000.parquet".to_owned(), file);
    let page = String::from_utf8(report_html(&report, &Look::default())).unwrap();
    for name in ["features/part-00000.parquet", "report.json", "_SUCCESS"] {
        assert!(page.contains(&format!("href=\"{name}\">{name}</a>")), "{name}");
    }
}

#[test]
fn base64_is_that_of_the_standard() {
    // RFC 4648, section 10.
    for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
}
