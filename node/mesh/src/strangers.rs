//! What the log says of callers that have shown no certificate: little, since they choose what they
//! say and how often.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fruitnode_env::Moment;

/// Longest piece of what a stranger said that the log repeats, in characters.
const SHOWN_LETTERS_MAX: usize = 64;

/// Most lines about strangers within [`WINDOW`].
const LINES_MAX: u32 = 30;

/// For how long lines are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// What somebody said whom nobody knows, as the log may repeat it: its beginning, in one line, and
/// nothing that moves a cursor.
pub fn shown(said: &str) -> String {
    let plain = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    let mut letters = said.chars();
    let mut shown: String = letters.by_ref().take(SHOWN_LETTERS_MAX).map(plain).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Counts lines, so that no stranger fills a disk with them.
#[derive(Debug)]
pub(super) struct Sparing(Mutex<(Moment, Lines)>);

/// Lines within one window.
#[derive(Debug, Default)]
struct Lines {
    written: u32,
    withheld: u64,
}

impl Sparing {
    pub(super) fn new() -> Self {
        Self(Mutex::new((Moment::now(), Lines::default())))
    }

    /// Whether one more may be written.
    pub(super) fn one_more(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, lines) = &mut *state;
        if began.elapsed() >= WINDOW {
            if lines.withheld > 0 {
                let withheld = lines.withheld;
                tracing::warn!(
                    withheld,
                    "more calls and connections were rejected than are logged here"
                );
            }
            (*began, *lines) = (Moment::now(), Lines::default());
        }
        lines.one_more()
    }
}

impl Lines {
    fn one_more(&mut self) -> bool {
        let may = self.written < LINES_MAX;
        match may {
            true => self.written += 1,
            false => self.withheld += 1,
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_said_is_shortened_and_moves_no_cursor() {
        assert_eq!(shown("0123abcd"), "0123abcd");
        assert_eq!(shown("a\nb\u{1b}[2J"), "a\u{fffd}b\u{fffd}[2J");
        let exact = "é".repeat(SHOWN_LETTERS_MAX);
        assert_eq!(shown(&exact), exact);
        assert_eq!(shown(&format!("{exact}é")), format!("{exact}…"));
        assert_eq!(shown("\n"), "\u{fffd}");
    }

    #[test]
    fn lines_beyond_a_number_are_counted_and_not_written() {
        let mut lines = Lines::default();
        let written = (0..LINES_MAX + 7).filter(|_| lines.one_more()).count();
        assert_eq!(written, LINES_MAX as usize);
        assert_eq!(lines.withheld, 7);
    }
}
