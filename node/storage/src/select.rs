//! Which keys of a source belong to a job: pattern, depth, times and limit.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use thiserror::Error;

/// Photographs, by the endings of the formats that are decoded.
pub const DEFAULT_PATTERN: &str = "*.{jpg,jpeg,png,webp}";

/// Which objects of a source are taken.
#[derive(Debug, Clone)]
pub struct Selection {
    /// What the key or its last part must look like.
    pub pattern: Pattern,
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
#[error("`{text}` is not a pattern such as `*.jpg` or `Training/**/*.png`")]
pub struct PatternError {
    text: String,
    #[source]
    source: globset::Error,
}

impl Selection {
    /// Everything that matches, at any depth.
    pub fn recursive(pattern: Pattern) -> Self {
        Self { pattern, recursive: true, limit: None, window: Window::default() }
    }
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
    use super::{DEFAULT_PATTERN, Pattern, Window};

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
    fn what_is_no_glob_is_refused_by_name() {
        let error = Pattern::parse("*.{jpg").unwrap_err().to_string();
        assert!(error.contains("`*.{jpg`"), "{error}");
    }
}
