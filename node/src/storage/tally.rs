//! What a listing takes, counts and refuses, whatever kind of place it goes through.

use crate::storage::select::Selection;
use crate::storage::source::{Entry, ListError, ListSummary};

/// Keys kept as examples of what did not match.
const EXAMPLES_MAX: usize = 5;

/// The counts of a listing under way.
pub(super) struct Tally {
    from: String,
    selection: Selection,
    /// What things are that are never opened.
    others: &'static str,
    summary: ListSummary,
}

impl Tally {
    /// Of a listing of the place that messages call `from`, where `others` names in words what is
    /// never opened.
    pub(super) fn of(from: &str, selection: Selection, others: &'static str) -> Self {
        Self { from: from.to_owned(), selection, others, summary: ListSummary::default() }
    }

    /// Whether subfolders are entered.
    pub(super) fn recursive(&self) -> bool {
        self.selection.recursive
    }

    /// Whether the limit is reached: nothing more is to be met.
    pub(super) fn full(&mut self) -> bool {
        self.summary.limited |= self.selection.limit == Some(self.summary.keys);
        self.summary.limited
    }

    /// Whether the key is selected; if not, it is counted as skipped.
    pub(super) fn selects(&mut self, key: &str) -> bool {
        if self.selection.pattern.matches(key) {
            return true;
        }
        self.summary.skipped += 1;
        if self.summary.skipped_examples.len() < EXAMPLES_MAX {
            self.summary.skipped_examples.push(key.to_owned());
        }
        false
    }

    /// The entry, if it is of the time asked for; if not, it is counted.
    pub(super) fn timely(&mut self, entry: Entry) -> Option<Entry> {
        let timely = self.selection.window.holds(entry.modified_us);
        self.summary.untimely += u64::from(!timely);
        timely.then_some(entry)
    }

    /// Counts an entry that is sent.
    pub(super) fn count(&mut self, entry: &Entry) {
        self.summary.keys += 1;
        self.summary.bytes += entry.size;
    }

    /// Counts something that is never opened.
    pub(super) fn other(&mut self) {
        self.summary.others += 1;
    }

    /// Counts subfolders that are not entered.
    pub(super) fn subfolders(&mut self, number: u64) {
        self.summary.subfolders += number;
    }

    /// Notes a folder that is left out, once.
    pub(super) fn left_out(&mut self, folder: &str) {
        if self.summary.left_out.last().is_none_or(|last| last != folder) {
            self.summary.left_out.push(folder.to_owned());
        }
    }

    /// What was met. A listing that found nothing is an error, which says what was there instead.
    pub(super) fn finish(self) -> Result<ListSummary, ListError> {
        let Self { from, selection, others, summary } = self;
        if summary.keys > 0 || summary.limited {
            return Ok(summary);
        }
        if summary.untimely > 0 {
            return Err(ListError::NothingTimely { from, untimely: summary.untimely });
        }
        if summary.subfolders > 0 {
            return Err(ListError::OnlySubfolders { from, subfolders: summary.subfolders });
        }
        if let Some(example) = summary.skipped_examples.first() {
            return Err(ListError::NothingMatches {
                from,
                pattern: selection.pattern.text().to_owned(),
                skipped: summary.skipped,
                example: example.clone(),
            });
        }
        let what = match summary.left_out.first() {
            Some(folder) => format!("`{folder}`, where results go"),
            None if summary.others > 0 => others.to_owned(),
            None => return Err(ListError::Empty { from }),
        };
        Err(ListError::NothingReadable { from, what })
    }
}
