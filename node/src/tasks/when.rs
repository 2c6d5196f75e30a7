//! Moments as people write them: a date, a date with a time, or a span before now.
//!
//! What was written is turned into one instant before a job is submitted: the instant selects
//! photographs, and a span would select others tomorrow.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Words that name no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a date, a time or an age: write one such as 2026-01-31, 2026-01-31T12:00:00Z, or \
     7d for a week ago"
)]
pub(crate) struct WhenError(String);

/// The instant that somebody means who writes this at `now`, both in microseconds since 1970-01-01
/// UTC. What names no zone is meant in UTC.
///
/// # Errors
/// When the words name no moment.
pub(crate) fn instant(word: &str, now_us: i64) -> Result<i64, WhenError> {
    let found = absolute(word).or_else(|| before(word, now_us));
    found.map(Timestamp::as_microsecond).ok_or_else(|| WhenError(word.to_owned()))
}

/// An instant as a job's options and its report say it.
pub(crate) fn words(instant_us: i64) -> String {
    let timestamp = Timestamp::from_microsecond(instant_us);
    timestamp.map_or_else(|_| format!("{instant_us} us"), |timestamp| timestamp.to_string())
}

fn absolute(word: &str) -> Option<Timestamp> {
    let in_utc = |time: DateTime| Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp());
    if let Ok(timestamp) = word.parse::<Timestamp>() {
        return Some(timestamp);
    }
    // A time of day is told by its colon: a date alone is read as one.
    if word.contains(':') {
        return in_utc(word.parse().ok()?);
    }
    in_utc(word.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()))
}

fn before(word: &str, now_us: i64) -> Option<Timestamp> {
    let span: Span = word.parse().ok()?;
    if span.is_negative() {
        return None;
    }
    // Days and months have a length in a calendar alone.
    let now = Timestamp::from_microsecond(now_us).ok()?.to_zoned(TimeZone::UTC);
    Some(now.checked_sub(span).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-03-31T12:00:00Z";

    fn said(word: &str) -> Result<String, WhenError> {
        let now = instant(NOW, 0).expect("a time");
        instant(word, now).map(words)
    }

    #[test]
    fn a_date_a_time_and_a_span_are_told_apart() {
        for (word, meant) in [
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("2026-01-31T12:30:00Z", "2026-01-31T12:30:00Z"),
            ("2026-01-31T12:30:00.25+02:00", "2026-01-31T10:30:00.25Z"),
            ("2026-01-31T12:30:00", "2026-01-31T12:30:00Z"),
            ("2026-01-31 12:30", "2026-01-31T12:30:00Z"),
            ("1969-12-31", "1969-12-31T00:00:00Z"),
            ("7d", "2026-03-24T12:00:00Z"),
            ("1mo", "2026-02-28T12:00:00Z"),
            ("12h", "2026-03-31T00:00:00Z"),
            ("1h 30m", "2026-03-31T10:30:00Z"),
        ] {
            assert_eq!(said(word).as_deref(), Ok(meant), "{word}");
        }
    }

    #[test]
    fn what_names_no_moment_is_refused_by_name() {
        for word in ["", "yesterday", "7", "2026-02-30", "-7d", "99999999y", "2026-13-01T00:00:00Z"]
        {
            let error = said(word).expect_err(word).to_string();
            assert!(error.contains(&format!("`{word}`")), "{error}");
        }
    }

    #[test]
    fn an_instant_comes_back_from_its_words() {
        for us in [0, -1, 1_700_000_000_123_456] {
            assert_eq!(instant(&words(us), 0), Ok(us));
        }
    }
}
