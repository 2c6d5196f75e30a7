//! Standard error as people see it: at most one line of progress, and log lines that do not run
//! into it.

use std::io::{self, Write, stderr};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::cli::plain::plain_log;

/// The line that is on the screen now.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// A line of progress; dropped, it disappears, and nothing brings it back.
#[derive(Debug)]
pub(super) struct ScreenLine {
    bar: ProgressBar,
}

/// Where log lines go: the line of progress makes room for each of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen;

impl ScreenLine {
    /// A line on standard error; none where that is no terminal, or where it shall be `hidden`.
    pub(super) fn show(hidden: bool) -> Self {
        let target =
            if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        Self { bar }
    }

    /// Puts the cursor to the beginning of the line, after each time that it was drawn. A line is
    /// drawn to the right edge of the terminal: what a terminal echoes there (`^C`) would go to the
    /// next line, and that one would be cleared in the place of this.
    pub(super) fn settle(&self) {
        settle(&self.bar);
    }

    /// What is drawn.
    pub(super) fn bar(&self) -> &ProgressBar {
        &self.bar
    }
}

impl Drop for ScreenLine {
    fn drop(&mut self) {
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.bar.finish_and_clear();
    }
}

fn settle(bar: &ProgressBar) {
    if !bar.is_hidden() {
        let _ = stderr().write_all(b"\r");
    }
}

impl Write for Screen {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let line = plain_log(text);
        match shown {
            Some(bar) => {
                let written = bar.suspend(|| stderr().write_all(&line));
                settle(&bar);
                written?;
            }
            None => stderr().write_all(&line)?,
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}
