//! The page against hostile names, and what it must hold.

use std::collections::BTreeMap;

use super::*;
use crate::markup::base64;
use crate::report::tests::example;

#[test]
fn names_from_the_bucket_never_become_markup() {
    let mut report = example();
    let hostile = "\"><script>alert('x')</script>&\u{202e}\u{0}";
    report.source = hostile.to_owned();
    report.warnings.push(hostile.to_owned());
    report.options.insert(hostile.to_owned(), hostile.to_owned());
    let examples = BTreeMap::from([("jpeg_truncated".to_owned(), hostile.to_owned())]);
    let look = Look { examples, ..Look::default() };
    let page = String::from_utf8(report_html(&report, &look)).unwrap();
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains('\u{202e}') && !page.contains('\0'));
    assert_eq!(page.matches("&lt;script&gt;").count(), 6, "title, text, warning, option, example");
}

#[test]
fn the_page_asks_for_nothing_from_elsewhere() {
    let look = Look { scree: Some(b"<svg/>".to_vec()), ..Look::default() };
    let page = String::from_utf8(report_html(&example(), &look)).unwrap();
    for foreign in ["http://", "https://", "<link", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("data:image/svg+xml;base64,PHN2Zy8+\""));
    assert!(page.contains("jpeg_truncated") && page.contains("1.50e-15"));
}

#[test]
fn base64_is_that_of_the_standard() {
    // RFC 4648, section 10.
    for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
}
