//! Each listed key stands in exactly one row, of the features or of the quarantine.

use std::collections::VecDeque;

use super::verdict::Check;

/// Follows the rows of both tables in key order.
#[derive(Default)]
pub(super) struct Keys {
    last_good: Option<String>,
    last_bad: Option<String>,
    /// Bad keys that no good key has passed yet.
    waiting: VecDeque<String>,
}

impl Keys {
    /// The last bad key that was taken in, up to which `good` may be called.
    pub(super) fn bad_up_to(&self) -> Option<&str> {
        self.last_bad.as_deref()
    }

    /// Takes in the next key of the quarantine.
    pub(super) fn bad(&mut self, key: &str, file: &str, check: &mut Check) {
        follow(&mut self.last_bad, key, file, check);
        self.waiting.push_back(key.to_owned());
    }

    /// Takes in the next key of the features.
    pub(super) fn good(&mut self, key: &str, file: &str, check: &mut Check) {
        follow(&mut self.last_good, key, file, check);
        while self.waiting.front().is_some_and(|bad| bad.as_str() <= key) {
            let bad = self.waiting.pop_front().expect("there is a front");
            check.expect(bad != key, || {
                format!("{file}: `{key}` is also in the quarantine: run the job again")
            });
        }
    }
}

fn follow(last: &mut Option<String>, key: &str, file: &str, check: &mut Check) {
    if let Some(last) = last.as_deref().filter(|last| *last >= key) {
        check.fail(format!("{file}: `{key}` follows `{last}`: rows are out of key order"));
    }
    *last = Some(key.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(bad: &[&str], good: &[&str]) -> Vec<String> {
        let (mut keys, mut check) = (Keys::default(), Check::new("keys"));
        for key in bad {
            keys.bad(key, "q", &mut check);
        }
        for key in good {
            keys.good(key, "f", &mut check);
        }
        check.findings
    }

    #[test]
    fn two_tables_that_share_no_key_pass() {
        assert!(findings(&["b", "d", "z"], &["a", "c", "e"]).is_empty());
        assert!(findings(&[], &["a"]).is_empty());
    }

    #[test]
    fn a_key_in_both_tables_is_found_wherever_it_stands() {
        for shared in ["a", "c", "e"] {
            let found = findings(&[shared], &["a", "c", "e"]);
            assert_eq!(found.len(), 1);
            assert!(found[0].contains(&format!("`{shared}` is also in the quarantine")));
        }
    }

    #[test]
    fn keys_that_do_not_ascend_are_found_in_either_table() {
        assert_eq!(findings(&["b", "a"], &[]).len(), 1);
        assert_eq!(findings(&[], &["b", "b"]).len(), 1);
        // By bytes, not by letters.
        assert!(findings(&[], &["Z", "a", "é"]).is_empty());
    }
}
