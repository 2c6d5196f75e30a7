//! What a server's answer says, read from its status and headers: nobody vouches for them.

use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use crate::hub::error::PullError;

/// Longest that a server is waited for because it says so.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

/// Characters of a server's words that an error repeats.
const QUOTED_CHARS_MAX: usize = 80;

/// What the hub says of a file before it sends it from elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Linked {
    /// SHA-256 of the file, if it is kept outside of the repository.
    pub(super) sha256: Option<String>,
    /// Its size.
    pub(super) bytes: Option<u64>,
    /// Commit that the revision stands for.
    pub(super) commit: Option<String>,
}

impl Linked {
    /// Takes in what one more answer says; what was said first stays.
    pub(super) fn read(&mut self, headers: &HeaderMap) {
        let sha256 = text(headers, "x-linked-etag").map(|etag| etag.trim_matches('"').to_owned());
        let digits =
            |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let sha256 = sha256.filter(digits).map(|text| text.to_ascii_lowercase());
        let bytes = text(headers, "x-linked-size").and_then(|size| size.parse().ok());
        let commit = text(headers, "x-repo-commit")
            .filter(|commit| commit.len() <= 64 && commit.bytes().all(|b| b.is_ascii_hexdigit()));
        self.sha256 = self.sha256.take().or(sha256);
        self.bytes = self.bytes.take().or(bytes);
        self.commit = self.commit.take().or_else(|| commit.map(str::to_owned));
    }
}

/// Bytes that a partial answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// The first.
    pub(super) start: u64,
    /// Bytes of the whole, if it says.
    pub(super) total: Option<u64>,
}

/// The range of a partial answer.
pub(super) fn range(headers: &HeaderMap) -> Option<Range> {
    let said = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (bytes, total) = said.split_once('/')?;
    let (start, end) = bytes.split_once('-')?;
    let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
    let total = match total {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    (start <= end && total.is_none_or(|total| end < total)).then_some(Range { start, total })
}

/// The validator, if it is one that a range may be asked with.
pub(super) fn strong_etag(headers: &HeaderMap) -> Option<String> {
    let etag = headers.get(ETAG)?.to_str().ok()?;
    (etag.len() >= 2 && etag.starts_with('"') && etag.ends_with('"')).then(|| etag.to_owned())
}

/// Bytes of the body, if the server says.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// How long the server asks to be left alone.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// Whether another attempt may be answered otherwise.
pub(super) fn passing(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// A refusal in words.
pub(super) fn refusal(source: &str, with_token: bool, response: &Response) -> PullError {
    let status = response.status().as_u16();
    let source_words = source.to_owned();
    let said = text(response.headers(), "x-error-code").map(quoted);
    let code = said.as_deref().map(|code| format!(", {code}")).unwrap_or_default();
    match status {
        401 | 403 => {
            let advice = match (said.as_deref(), with_token) {
                (Some("GatedRepo"), _) => {
                    "accept the terms on its page, and set HF_TOKEN to a token of that account"
                }
                (_, false) => {
                    "it is private or does not exist: check its name, and set HF_TOKEN if it is \
                     private"
                }
                (_, true) => "the token has no access to it: check HF_TOKEN",
            };
            PullError::Refused { source_words, status, code, advice }
        }
        404 | 410 => PullError::NotFound { source_words, status, code },
        _ => PullError::Answer { source_words, what: format!("status {status}{code}") },
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn quoted(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(QUOTED_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let lines = lines.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        lines.collect()
    }

    #[test]
    fn ranges_that_lie_are_none() {
        let of = |value: &str| range(&headers(&[("content-range", value)]));
        assert_eq!(of("bytes 5-9/10"), Some(Range { start: 5, total: Some(10) }));
        assert_eq!(of("bytes 5-9/*"), Some(Range { start: 5, total: None }));
        for lie in [
            "bytes 9-5/10",
            "bytes 5-10/10",
            "bytes */10",
            "items 0-1/2",
            "bytes -1-2/3",
            "bytes 5-99999999999999999999/*",
            "",
        ] {
            assert_eq!(of(lie), None, "{lie}");
        }
    }

    #[test]
    fn only_a_strong_validator_counts() {
        let of = |value: &str| strong_etag(&headers(&[("etag", value)]));
        assert_eq!(of("\"abc\"").as_deref(), Some("\"abc\""));
        for weak in ["W/\"abc\"", "abc", "\"", ""] {
            assert_eq!(of(weak), None, "{weak}");
        }
    }

    #[test]
    fn what_the_hub_says_first_stays_and_only_digests_are_digests() {
        let digest = "AB".repeat(32);
        let mut linked = Linked::default();
        linked.read(&headers(&[("x-linked-etag", "\"d41d8cd98f00b204e9800998ecf8427e\"")]));
        assert_eq!(linked.sha256, None);
        linked
            .read(&headers(&[("x-linked-etag", &format!("\"{digest}\"")), ("x-linked-size", "7")]));
        linked.read(&headers(&[("x-linked-etag", &"cd".repeat(32)), ("x-linked-size", "-9")]));
        assert_eq!((linked.sha256, linked.bytes), (Some("ab".repeat(32)), Some(7)));
    }

    #[test]
    fn a_server_that_asks_for_years_does_not_get_them() {
        let of = |value: &str| retry_after(&headers(&[("retry-after", value)]));
        assert_eq!(of("3"), Some(Duration::from_secs(3)));
        assert_eq!(of("99999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(of("Fri, 31 Dec 1999 23:59:59 GMT"), None);
    }
}
