//! Where to cut a prefix into ranges that are listed side by side.
//!
//! Any cut is correct, since a range is all keys after one boundary and up to the next. A good one
//! is found by asking for single keys: which characters follow a prefix that all keys share, then
//! which follow each of those, as far as the number of questions allows.

use std::collections::{BTreeSet, VecDeque};

use fruitnode_coordinator::task::RANGES_MAX;

use crate::source::KeyRange;

/// Questions asked at most.
const PROBES_MAX: u32 = 64;

// As many ranges as boundaries are found, and one more.
const _: () = assert!(PROBES_MAX < RANGES_MAX);

/// Follows everything that begins like the text before it.
const LAST: char = char::MAX;

/// The search for boundaries: pure, told what the server answers.
#[derive(Debug)]
pub(super) struct Cut {
    /// Last key that is listed already.
    after: String,
    waiting: VecDeque<Branch>,
    current: Option<Branch>,
    boundaries: BTreeSet<String>,
    left: u32,
}

/// The first key after `after` that begins with `prefix` is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Probe {
    pub(super) prefix: String,
    pub(super) after: String,
}

/// Everything that begins with a prefix.
#[derive(Debug)]
struct Branch {
    prefix: String,
    cursor: String,
    children: Vec<String>,
    /// A longer prefix that all keys may share: tried before children are looked for.
    hint: Option<String>,
    tried: bool,
}

impl Cut {
    /// Of all keys that begin with `prefix` and come after `after`. `first` is the first key of
    /// all: what it shares with `after` the rest may share too.
    pub(super) fn new(prefix: &str, first: &str, after: &str) -> Self {
        let shared = first.chars().zip(after.chars()).take_while(|(a, b)| a == b);
        let shared: String = shared.map(|(a, _)| a).collect();
        let hint = Some(shared).filter(|shared| shared.len() > prefix.len());
        let cursor = after.to_owned();
        let branch =
            Branch { prefix: prefix.to_owned(), cursor, children: Vec::new(), hint, tried: false };
        Self {
            after: after.to_owned(),
            waiting: VecDeque::from([branch]),
            current: None,
            boundaries: BTreeSet::new(),
            left: PROBES_MAX,
        }
    }

    /// The next question, or nothing when enough is known.
    pub(super) fn question(&mut self) -> Option<Probe> {
        self.left = self.left.checked_sub(1)?;
        if self.current.is_none() {
            self.current = self.waiting.pop_front();
        }
        let branch = self.current.as_mut()?;
        let after = match &branch.hint {
            Some(hint) if !branch.tried => end_of(hint).max(branch.cursor.clone()),
            _ => branch.cursor.clone(),
        };
        Some(Probe { prefix: branch.prefix.clone(), after })
    }

    /// Takes the answer to the question.
    pub(super) fn answer(&mut self, found: Option<&str>) {
        let Some(mut branch) = self.current.take() else { return };
        let trying = branch.hint.is_some() && !branch.tried;
        branch.tried = true;
        match found {
            None if trying => {
                let prefix = branch.hint.take().unwrap_or_default();
                let branch = self.branch(prefix);
                self.waiting.push_front(branch);
            }
            None => self.close(branch),
            // A key outside of what was thought to be shared: children are looked for one by one.
            Some(_) if trying => self.current = Some(branch),
            Some(key) => self.meet(branch, key),
        }
    }

    /// Ranges that hold every key after those listed already, in order.
    pub(super) fn ranges(self) -> Vec<KeyRange> {
        let mut ranges = Vec::with_capacity(self.boundaries.len() + 1);
        let mut after = self.after;
        for boundary in self.boundaries {
            if boundary > after {
                ranges.push(KeyRange { after, up_to: Some(boundary.clone()) });
                after = boundary;
            }
        }
        ranges.push(KeyRange { after, up_to: None });
        ranges
    }

    fn branch(&self, prefix: String) -> Branch {
        let cursor = self.after.clone().max(prefix.clone());
        Branch { prefix, cursor, children: Vec::new(), hint: None, tried: true }
    }

    fn meet(&mut self, mut branch: Branch, key: &str) {
        let rest = key.strip_prefix(branch.prefix.as_str());
        let Some(next) = rest.and_then(|rest| rest.chars().next()) else {
            // The prefix itself is a key; or the server's answer is beside the question.
            if key > branch.cursor.as_str() && rest.is_some() {
                key.clone_into(&mut branch.cursor);
                self.current = Some(branch);
            }
            return;
        };
        let child = format!("{}{next}", branch.prefix);
        let end = end_of(&child);
        if end <= branch.cursor {
            return;
        }
        if branch.children.is_empty() && branch.hint.is_none() {
            // Folders: the first one may hold everything.
            let folder = key[child.len()..].find('/').map(|at| &key[..=child.len() + at]);
            if let Some(folder) = folder {
                branch.hint = Some(folder.to_owned());
                branch.tried = false;
                self.current = Some(branch);
                return;
            }
        }
        self.boundaries.insert(end.clone());
        branch.children.push(child);
        branch.cursor = end;
        self.current = Some(branch);
    }

    fn close(&mut self, branch: Branch) {
        // Nothing follows the last child here, so that its end parts nothing from nothing.
        if let Some(last) = branch.children.last() {
            self.boundaries.remove(&end_of(last));
        }
        for child in branch.children {
            let branch = self.branch(child);
            self.waiting.push_back(branch);
        }
    }
}

fn end_of(prefix: &str) -> String {
    format!("{prefix}{LAST}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{Strategy, any, prop, proptest};

    use super::{Cut, KeyRange, PROBES_MAX};

    /// The ranges that are found over these keys, and how many questions it took.
    fn cut(keys: &BTreeSet<String>, prefix: &str, listed: usize) -> (Vec<KeyRange>, u32) {
        let first = keys.first().unwrap();
        let after = keys.iter().nth(listed - 1).unwrap();
        let (mut cut, mut asked) = (Cut::new(prefix, first, after), 0);
        while let Some(probe) = cut.question() {
            asked += 1;
            let mut rest = keys.iter().filter(|key| **key > probe.after);
            let found = rest.find(|key| key.starts_with(&probe.prefix));
            cut.answer(found.map(String::as_str));
        }
        (cut.ranges(), asked)
    }

    fn held<'k>(keys: &'k BTreeSet<String>, range: &KeyRange) -> Vec<&'k str> {
        let within = |key: &&String| {
            **key > range.after && range.up_to.as_ref().is_none_or(|up_to| *key <= up_to)
        };
        keys.iter().filter(within).map(String::as_str).collect()
    }

    fn largest_share(keys: &BTreeSet<String>, prefix: &str) -> f64 {
        let (ranges, asked) = cut(keys, prefix, 10);
        assert!(asked <= PROBES_MAX);
        let sizes = ranges.iter().map(|range| held(keys, range).len());
        assert_eq!(sizes.clone().sum::<usize>(), keys.len() - 10);
        sizes.max().unwrap() as f64 / keys.len() as f64
    }

    #[test]
    fn labels_in_two_folders_are_cut_between_labels() {
        let mut keys = BTreeSet::new();
        for set in ["Test", "Training"] {
            for label in 0..60_u8 {
                let letter = char::from(b'A' + label % 26);
                keys.extend((0..20).map(|n| format!("in/{set}/{letter}{label}/{n}_100.jpg")));
            }
        }
        assert!(largest_share(&keys, "in/") < 0.2);
    }

    #[test]
    fn numbers_in_one_folder_are_cut_between_digits() {
        let keys = (0..10_000).map(|n| format!("in/photographs/img_{n:07}.jpg")).collect();
        assert!(largest_share(&keys, "in/") < 0.15);
    }

    #[test]
    fn a_prefix_whose_keys_end_at_once_gives_one_range() {
        let keys = BTreeSet::from(["in/a".to_owned(), "in/b".to_owned()]);
        let (ranges, _) = cut(&keys, "in/", 2);
        assert_eq!(ranges, [KeyRange { after: "in/b".to_owned(), up_to: None }]);
    }

    proptest! {
        #[test]
        fn every_key_is_in_one_range_whatever_the_keys(
            keys in prop::collection::btree_set(
                prop::collection::vec(
                    prop::sample::select(vec!['/', 'a', 'b', '\n', 'é', char::MAX]), 1..8,
                ).prop_map(|key| key.into_iter().collect::<String>()),
                2..60,
            ),
            listed in any::<prop::sample::Index>(),
        ) {
            let listed = listed.index(keys.len() - 1) + 1;
            let (ranges, _) = cut(&keys, "", listed);
            let found: Vec<&str> = ranges.iter().flat_map(|range| held(&keys, range)).collect();
            let rest: Vec<&str> = keys.iter().skip(listed).map(String::as_str).collect();
            assert_eq!(found, rest);
        }
    }
}
