//! Which keys of a source belong to a job: pattern, what is passed over, depth, times and limit.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use thiserror::Error;

/// Photographs, by the endings of the formats that are decoded.
pub const DEFAULT_PATTERN: &str = "*.{jpg,jpeg,png,webp}";

/// Pictures that a result of this program holds: below a source they are no photographs.
pub(super) const OWN_PICTURES: [&str; 3] = ["extremes.png", "scatter.png", "scree.png"];

/// What stands beside them in a whole result.
pub(super) const RESULT_SIGNS: [&str; 2] = ["_SUCCESS", "report.json"];

/// Folders in which network drives keep what nobody asked for, beside those whose names begin with
/// a dot (`.ipynb_checkpoints`, `._a.jpg`, `.Trash-1000`) or `_` (`__MACOSX`).
const LEFTOVERS: [&str; 3] = ["@eaDir", "#recycle", "#snapshot"];

/// Which objects of a source are taken.
#[derive(Debug, Clone)]
pub struct Selection {
    /// What the key or its last part must look like.
    pub pattern: Pattern,
    /// What it must not look like.
    pub exclude: Vec<Pattern>,
    /// Whether hidden names are taken, which Spark and most tools pass over.
    pub hidden: bool,
    /// Whether subfolders are entered.
    pub recursive: bool,
    /// Take only the first so many matching keys, in key order.
    pub limit: Option<u64>,
    /// When an object was last modified.
    pub window: Window,
}

/// A span of time, in microseconds since 1970-01-01 UTC; an end that is not given is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Its first instant.
    pub after_us: Option<i64>,
    /// The first instant after it.
    pub before_us: Option<i64>,
}

/// A glob that ignores case: matched against the whole key if it contains `/`, else against the
/// part of the key after the last `/`. `*` and `?` stop at `/`; `**` does not.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    matcher: GlobMatcher,
}

/// A pattern that is no glob.
#[derive(Debug, Error)]
#[error("`{text}` is not a valid glob: write one such as `*.jpg` or `Training/**/*.png`")]
pub struct PatternError {
    text: String,
    #[source]
    source: globset::Error,
}

impl Selection {
    /// Everything that matches, at any depth.
    pub fn recursive(pattern: Pattern) -> Self {
        let (exclude, hidden, limit) = (Vec::new(), false, None);
        Self { pattern, exclude, hidden, recursive: true, limit, window: Window::default() }
    }

    /// Whether a key is passed over that the pattern takes, and for which of two reasons.
    pub(super) fn passes_over(&self, key: &str) -> Option<PassedOver> {
        if !self.hidden && is_hidden(key) {
            return Some(PassedOver::Hidden);
        }
        let excluded = self.exclude.iter().any(|pattern| pattern.matches(key));
        excluded.then_some(PassedOver::Excluded)
    }
}

/// Why a key is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PassedOver {
    /// A name in it begins with `.` or `_`, or is one of a network drive's own.
    Hidden,
    /// Somebody excluded it.
    Excluded,
}

/// Whether any name in a key is hidden.
pub(super) fn is_hidden(key: &str) -> bool {
    let hidden = |name: &str| name.starts_with(['.', '_']) && ![".", ".."].contains(&name);
    key.split('/').any(|name| hidden(name) || LEFTOVERS.contains(&name))
}

impl Window {
    /// Whether an instant lies in it.
    pub fn holds(self, instant_us: i64) -> bool {
        self.after_us.is_none_or(|after| instant_us >= after)
            && self.before_us.is_none_or(|before| instant_us < before)
    }
}

impl Pattern {
    /// Parses a glob.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let glob = GlobBuilder::new(text)
            .case_insensitive(true)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|source| PatternError { text: text.to_owned(), source })?;
        Ok(Self { text: text.to_owned(), matcher: glob.compile_matcher() })
    }

    /// Whether the key is taken.
    pub fn matches(&self, key: &str) -> bool {
        let subject = if self.text.contains('/') {
            key
        } else {
            key.rsplit_once('/').map_or(key, |(_, name)| name)
        };
        self.matcher.is_match(subject)
    }

    /// The pattern as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_PATTERN, PassedOver, Pattern, Selection, Window, is_hidden};

    fn matches(pattern: &str, key: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(key)
    }

    #[test]
    fn the_default_takes_photographs_of_any_case_at_any_depth() {
        for key in ["a.jpg", "x/y/B.JPEG", "Apple Braeburn/0 1.Png", ".hidden.webp", "a\nb.jpg"] {
            assert!(matches(DEFAULT_PATTERN, key), "{key:?}");
        }
        for key in ["a.gif", "jpg", "a.jpg.txt", "a.jpg/readme"] {
            assert!(!matches(DEFAULT_PATTERN, key), "{key:?}");
        }
    }

    #[test]
    fn a_pattern_with_a_slash_looks_at_the_whole_key() {
        assert!(matches("Test/*/*.jpg", "Test/Apple/1.jpg"));
        assert!(!matches("Test/*.jpg", "Test/Apple/1.jpg"));
        assert!(matches("Test/**/*.jpg", "Test/a/b/1.jpg"));
        assert!(!matches("Test/**", "Training/1.jpg"));
    }

    #[test]
    fn a_window_holds_its_beginning_and_not_its_end() {
        let window = Window { after_us: Some(-5), before_us: Some(5) };
        assert!(window.holds(-5) && window.holds(4));
        assert!(!window.holds(-6) && !window.holds(5));
        assert!(Window::default().holds(i64::MIN) && Window::default().holds(i64::MAX));
    }

    #[test]
    fn hidden_names_at_any_depth_are_passed_over_unless_they_are_asked_for() {
        for key in [
            "a/.ipynb_checkpoints/b.jpg",
            "._b.jpg",
            "a/@eaDir/b.jpg/SYNOPHOTO_THUMB_M.jpg",
            ".Trash-1000/files/b.jpg",
            "__MACOSX/b.jpg",
            "_b.jpg",
        ] {
            assert!(is_hidden(key), "{key}");
        }
        for key in ["a/b.jpg", "a.b/c_d.jpg", "eaDir/b.jpg", "x/../b.jpg", "./b.jpg"] {
            assert!(!is_hidden(key), "{key}");
        }
        let pattern = |text| Pattern::parse(text).unwrap();
        let exclude = vec![pattern("*_thumb.*"), pattern("old/**")];
        let all = Selection { exclude, ..Selection::recursive(pattern("*.jpg")) };
        assert_eq!(all.passes_over("a/_b.jpg"), Some(PassedOver::Hidden));
        assert_eq!(all.passes_over("a/b_thumb.jpg"), Some(PassedOver::Excluded));
        assert_eq!(all.passes_over("old/a/b.jpg"), Some(PassedOver::Excluded));
        assert_eq!(all.passes_over("a/old/b.jpg"), None);
        let hidden = Selection { hidden: true, ..all };
        assert_eq!(hidden.passes_over("a/_b.jpg"), None);
    }

    #[test]
    fn what_is_no_glob_is_refused_by_name() {
        let error = Pattern::parse("*.{jpg").unwrap_err().to_string();
        assert!(error.contains("`*.{jpg`"), "{error}");
    }
}
