//! Numbers as they stand in pictures and pages.

use crate::decimal::fixed;

const DAY_US: i64 = 86_400_000_000;

/// Two decimals at most: a hundredth of a pixel is finer than any screen.
pub(crate) fn px(value: f64) -> String {
    let text = fixed(value, 2);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A share of 1 in percent.
pub(crate) fn percent(share: f64, decimals: usize) -> String {
    format!("{} %", fixed(100.0 * share, decimals))
}

/// Thousands apart, for people.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 photograph`, `2,000 photographs`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{} {thing}{end}", grouped(number))
}

/// Bytes in the unit that suits them, by powers of ten.
pub(crate) fn sized(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if value < 999.95 {
            let decimals = usize::from(unit != "bytes" && value < 99.95);
            return format!("{} {unit}", fixed(value, decimals));
        }
        value /= 1_000.0;
    }
    format!("{} TB", fixed(value, 1))
}

/// The day of an instant in UTC, from microseconds since 1970-01-01: `2026-01-31`.
pub(crate) fn day(instant_us: i64) -> String {
    // Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March.
    let days = instant_us.div_euclid(DAY_US) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + i64::from(month <= 2))
}

/// An instant in UTC to the second: `2026-01-31 12:00:00`.
pub(crate) fn instant(instant_us: i64) -> String {
    let seconds = instant_us.rem_euclid(DAY_US) / 1_000_000;
    let (hour, minute) = (seconds / 3_600, seconds / 60 % 60);
    format!("{} {hour:02}:{minute:02}:{:02}", day(instant_us), seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_all_else_plural() {
        let of = |number| counted(number, "photograph");
        assert_eq!(
            [of(0), of(1), of(2_000)],
            ["0 photographs", "1 photograph", "2,000 photographs"]
        );
    }

    #[test]
    fn bytes_stand_in_the_unit_that_suits_them() {
        for (bytes, words) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (12_345_678, "12.3 MB"),
            (999_999_999, "1.0 GB"),
            (456_700_000, "457 MB"),
            (12_000_000_000_000, "12.0 TB"),
        ] {
            assert_eq!(sized(bytes), words);
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, words) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (1_709_251_199, "2024-02-29"),
            (1_735_689_599, "2024-12-31"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(day(seconds * 1_000_000), words);
        }
    }
}
