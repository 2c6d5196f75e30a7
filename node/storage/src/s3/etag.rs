//! One form for the versions of objects. Servers write an `ETag` with quotes or without, call it
//! weak, or have it rewritten by what stands before them and compresses; one that lists it in one
//! form and answers in another has not changed the object.

/// What compressing proxies put behind an `ETag`.
const REWRITTEN: [&str; 6] = ["-gzip", ";gzip", "-br", ";br", "-zstd", "-deflate"];

/// A version as RFC 9110 (8.8.3) writes a strong one: what tells it from others, within quotes.
/// Nothing stays nothing.
pub(super) fn canonical(etag: &str) -> String {
    match bare(etag) {
        "" => String::new(),
        bare => format!("\"{bare}\""),
    }
}

/// What tells a version from others, without what stands around it.
pub(super) fn bare(etag: &str) -> &str {
    let etag = etag.trim();
    let strong = etag.strip_prefix("W/").or_else(|| etag.strip_prefix("w/")).unwrap_or(etag);
    let quoted = strong.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let bare = quoted.unwrap_or(strong);
    let rewritten = REWRITTEN.iter().find_map(|suffix| bare.strip_suffix(suffix));
    rewritten.filter(|version| !version.is_empty()).unwrap_or(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_one_form_however_a_server_writes_it() {
        for written in ["\"5d41-2\"", "5d41-2", "W/\"5d41-2\"", "\"5d41-2-gzip\"", " \"5d41-2\" "] {
            assert_eq!(canonical(written), "\"5d41-2\"", "{written}");
        }
        assert_eq!(canonical("W/\"5d41;gzip\""), "\"5d41\"");
        for nothing in ["", "\"\"", "W/\"\""] {
            assert_eq!(canonical(nothing), "", "{nothing}");
        }
        assert_eq!(canonical("-gzip"), "\"-gzip\"");
        assert_ne!(canonical("5d41"), canonical("5d42"));
    }
}
