//! Tables of text: columns as wide as their widest word, numbers to the right.

use indicatif::{HumanBytes, HumanCount};

use crate::cli::plain::plain;
use crate::tasks::when;

/// Between two columns.
const GAP: &str = "  ";

/// What stands where nothing is known.
pub(crate) const NOTHING: &str = "-";

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table, row by row.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Set)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Without rows.
    pub(crate) fn new(columns: &[(&'static str, Set)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row: a cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| plain(&cell));
        self.rows.push(
            cells.chain(std::iter::repeat_with(String::new)).take(self.columns.len()).collect(),
        );
    }

    /// The whole, with a line end after each line; `indent` stands before each.
    pub(crate) fn text(&self, indent: &str) -> String {
        let heads = self.columns.iter().map(|(head, _)| (*head).to_owned()).collect();
        let lines: Vec<&Vec<String>> = std::iter::once(&heads).chain(&self.rows).collect();
        let wide = |at: usize| lines.iter().map(|line| line[at].chars().count()).max();
        let widths: Vec<_> = (0..self.columns.len()).map(|at| wide(at).unwrap_or(0)).collect();
        let mut out = String::new();
        for line in &lines {
            let cells = line.iter().zip(&widths).zip(&self.columns);
            let cells = cells.map(|((cell, &width), (_, set))| match set {
                Set::Left => format!("{cell:<width$}"),
                Set::Right => format!("{cell:>width$}"),
            });
            let line = cells.collect::<Vec<_>>().join(GAP);
            out.push_str(indent);
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// A name and what it is, as summaries say it.
pub(crate) fn line(out: &mut String, name: &str, text: impl AsRef<str>) {
    out.push_str(&format!("  {name:<26}{}\n", plain(text.as_ref())));
}

/// A number with commas.
pub(crate) fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// A number of bytes in words.
pub(crate) fn bytes(number: u64) -> String {
    HumanBytes(number).to_string()
}

/// A time as people read it: seconds of UTC.
pub(crate) fn time(ms: u64) -> String {
    if ms == 0 {
        return NOTHING.to_owned();
    }
    let seconds = i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    when::words(seconds.saturating_mul(1_000_000))
}

/// A length of time, with as many digits as one wants to know.
pub(crate) fn span(ms: u64) -> String {
    let (seconds, minutes) = (ms / 1_000, ms / 60_000);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1e3),
        60_000..3_600_000 => format!("{minutes} min {} s", seconds % 60),
        3_600_000..172_800_000 => format!("{} h {} min", minutes / 60, minutes % 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_word_and_numbers_stand_to_the_right() {
        let mut table = Table::new(&[("id", Set::Left), ("photographs", Set::Right)]);
        table.row(["n1".to_owned(), "7".to_owned()]);
        table.row(["n12\u{1b}[2J".to_owned(), "12,345".to_owned()]);
        let text = table.text("  ");
        assert_eq!(
            text,
            "  id       photographs\n  n1                 7\n  n12\u{fffd}[2J       12,345\n"
        );
    }

    #[test]
    fn times_and_spans_are_told_as_people_read_them() {
        assert_eq!(time(1_700_000_000_123), "2023-11-14T22:13:20Z");
        assert_eq!(time(0), "-");
        for (ms, words) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_500, "1.5 s"),
            (61_000, "1 min 1 s"),
            (3_660_000, "1 h 1 min"),
            (86_400_000, "24 h 0 min"),
            (604_800_000, "7 days"),
        ] {
            assert_eq!(span(ms), words);
        }
        assert!(time(u64::MAX).len() < 40);
    }
}
