//! What a listing takes, counts and refuses, whatever kind of place it goes through.

use crate::select::{PassedOver, Selection};
use crate::source::{Entry, ListError, ListSummary, Source};

/// Keys kept as examples of what did not match.
const EXAMPLES_MAX: usize = 5;

/// The counts of a listing under way.
pub(super) struct Tally {
    selection: Selection,
    summary: ListSummary,
}

impl Tally {
    /// Of a listing that begins.
    pub(super) fn of(selection: Selection) -> Self {
        Self { selection, summary: ListSummary::default() }
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
        if !self.selection.pattern.matches(key) {
            self.summary.skipped += 1;
            if self.summary.skipped_examples.len() < EXAMPLES_MAX {
                self.summary.skipped_examples.push(key.to_owned());
            }
            return false;
        }
        match self.selection.passes_over(key) {
            None => true,
            Some(PassedOver::Excluded) => {
                self.summary.excluded += 1;
                false
            }
            Some(PassedOver::Hidden) => {
                self.summary.hidden += 1;
                if self.summary.hidden_examples.len() < EXAMPLES_MAX {
                    self.summary.hidden_examples.push(key.to_owned());
                }
                false
            }
        }
    }

    /// Whether a folder that cannot be read is one that is passed over: if not, it is a row.
    pub(super) fn minds(&self, folder: &str) -> bool {
        self.selection.passes_over(folder).is_none()
    }

    /// Counts a picture of an earlier result.
    pub(super) fn own(&mut self) {
        self.summary.own += 1;
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

    /// What was met.
    pub(super) fn finish(self) -> ListSummary {
        self.summary
    }
}

impl ListSummary {
    /// Adds what was met in the range that follows.
    pub fn append(&mut self, next: Self) {
        self.keys += next.keys;
        self.bytes += next.bytes;
        self.skipped += next.skipped;
        let room = EXAMPLES_MAX.saturating_sub(self.skipped_examples.len());
        self.skipped_examples.extend(next.skipped_examples.into_iter().take(room));
        self.hidden += next.hidden;
        let room = EXAMPLES_MAX.saturating_sub(self.hidden_examples.len());
        self.hidden_examples.extend(next.hidden_examples.into_iter().take(room));
        self.excluded += next.excluded;
        self.own += next.own;
        self.untimely += next.untimely;
        self.others += next.others;
        self.subfolders += next.subfolders;
        for folder in next.left_out {
            if !self.left_out.contains(&folder) {
                self.left_out.push(folder);
            }
        }
        self.limited |= next.limited;
    }
}

/// What was met in a whole source. That nothing was found is an error, which says what was there
/// instead.
///
/// # Errors
/// When the source holds nothing that was asked for.
pub fn conclude(
    source: &dyn Source,
    selection: &Selection,
    summary: ListSummary,
) -> Result<ListSummary, ListError> {
    if summary.keys > 0 || summary.limited {
        return Ok(summary);
    }
    let from = source.uri().to_owned();
    if summary.untimely > 0 {
        return Err(ListError::NothingTimely { from, untimely: summary.untimely });
    }
    if summary.subfolders > 0 {
        return Err(ListError::OnlySubfolders { from, subfolders: summary.subfolders });
    }
    if summary.excluded > 0 {
        return Err(ListError::AllExcluded { from, excluded: summary.excluded });
    }
    if let Some(example) = summary.hidden_examples.first() {
        let (hidden, example) = (summary.hidden, example.clone());
        return Err(ListError::OnlyHidden { from, hidden, example });
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
        Some(folder) => format!("`{folder}`, the target of the result"),
        None if summary.others > 0 => source.others().to_owned(),
        None => return Err(ListError::Empty { from }),
    };
    Err(ListError::NothingReadable { from, what })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{EXAMPLES_MAX, ListSummary, Tally};
    use crate::select::{Pattern, Selection, Window};
    use crate::source::Entry;

    fn tally() -> Tally {
        let window = Window { after_us: Some(3), before_us: None };
        let pattern = Pattern::parse("*.jpg").unwrap();
        Tally::of(Selection { window, ..Selection::recursive(pattern) })
    }

    /// Meets something of the kind that a number stands for.
    fn meet(tally: &mut Tally, at: usize, kind: u8) {
        match kind % 5 {
            0 => tally.other(),
            1 => tally.left_out("out/"),
            2 => tally.own(),
            _ => {
                let ending = if kind.is_multiple_of(3) { "txt" } else { "jpg" };
                let hidden = if kind.is_multiple_of(5) { "_" } else { "" };
                let key = format!("{hidden}{at}.{ending}");
                if !tally.selects(&key) {
                    return;
                }
                let (size, modified_us) = (kind.into(), i64::from(kind % 7));
                let validator = String::new();
                let entry = Entry { key, size, validator, modified_us, problem: None };
                if let Some(entry) = tally.timely(entry) {
                    tally.count(&entry);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn what_parts_met_adds_up_to_what_one_listing_meets(
            kinds in prop::collection::vec(any::<u8>(), 0..60),
            cut in any::<prop::sample::Index>(),
            again in any::<prop::sample::Index>(),
        ) {
            let mut whole = tally();
            let mut parts = [tally(), tally(), tally()];
            let mut cuts = [cut, again].map(|cut| cut.index(kinds.len() + 1));
            cuts.sort_unstable();
            for (at, kind) in kinds.into_iter().enumerate() {
                meet(&mut whole, at, kind);
                meet(&mut parts[cuts.iter().filter(|cut| **cut <= at).count()], at, kind);
            }
            let mut summary = ListSummary::default();
            parts.into_iter().for_each(|part| summary.append(part.finish()));
            assert!(summary.skipped_examples.len() <= EXAMPLES_MAX);
            assert_eq!(summary, whole.finish());
        }
    }
}
