//! Says aloud that a test was skipped: past the test harness, which keeps what passing tests print.

use std::io::Write;

/// Prints `skipped: WORDS` on the real standard error.
pub fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {words}");
}
