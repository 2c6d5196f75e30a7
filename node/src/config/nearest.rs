//! The known name that somebody may have meant.

/// Of the known names the one with the fewest edits to `word`, if those are few for its length.
pub(super) fn nearest<'a>(
    word: &str,
    known: impl Iterator<Item = &'a String>,
) -> Option<&'a String> {
    let word = word.to_lowercase().replace('_', "-");
    let near = known.map(|name| (edits(&word, name), name));
    let (edits, name) = near.min_by_key(|(edits, name)| (*edits, *name))?;
    // A third of the letters may be wrong, and two letters that changed places are two edits.
    (edits <= (name.chars().count() / 3).max(2) && edits < name.chars().count()).then_some(name)
}

/// Letters to put in, take out or change.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_letter_by_letter() {
        for (from, to, expected) in [
            ("", "abc", 3),
            ("abc", "", 3),
            ("pca", "pca", 0),
            ("pcaa", "pca", 1),
            ("apc", "pca", 2),
        ] {
            assert_eq!(edits(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn a_name_far_from_all_has_no_nearest() {
        let known = ["pca", "label-from", "rows-per-part", "size"].map(str::to_owned);
        let near = |word: &str| nearest(word, known.iter()).map(String::as_str);
        assert_eq!(near("pac"), Some("pca"));
        assert_eq!(near("Label_From"), Some("label-from"));
        assert_eq!(near("row-per-part"), Some("rows-per-part"));
        assert_eq!(near("colour"), None);
        assert_eq!(near(""), None);
    }
}
