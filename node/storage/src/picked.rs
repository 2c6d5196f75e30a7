//! A source that names photographs instead of the place that holds them: one of them, or a glob as
//! Spark and shells take it. It becomes the place and a pattern; pure but for a look at folders.

use std::path::Path;

/// What a source that names photographs means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked {
    /// The place that holds them.
    pub from: String,
    /// The glob of their keys below it.
    pub pattern: String,
    /// Whether the glob reaches into subfolders.
    pub recursive: bool,
}

const S3: &str = "s3://";

/// What the name of a photograph ends with, so that it is not taken for the beginning of keys.
const ENDINGS: [&str; 4] = [".jpg", ".jpeg", ".png", ".webp"];

impl Picked {
    /// Of the words of a source; nothing where they name the place itself. A folder with a `*` in
    /// its name is that folder.
    pub fn of(from: &str) -> Option<Self> {
        match from.strip_prefix(S3) {
            Some(rest) => Self::in_bucket(rest),
            None if Path::new(from).is_dir() => None,
            None if Path::new(from).is_file() => is_photograph(from).then(|| Self::one(from)),
            None => Self::glob(from, &['*', '?', '[', '{'], 0),
        }
    }

    fn in_bucket(rest: &str) -> Option<Self> {
        // Brackets are letters of keys as others.
        let picked = Self::glob(rest, &['*', '?', '{'], 1).or_else(|| {
            let (_, name) = rest.rsplit_once('/')?;
            is_photograph(name).then(|| Self::one(rest))
        })?;
        Some(Self { from: format!("{S3}{}", picked.from), ..picked })
    }

    /// Cuts before the first part that holds a letter of a glob; the first `fixed` parts hold none.
    fn glob(from: &str, letters: &[char], fixed: usize) -> Option<Self> {
        let parts: Vec<&str> = from.split('/').collect();
        let cut = parts.iter().position(|part| part.contains(letters))?;
        if cut < fixed {
            return None;
        }
        let pattern = parts[cut..].join("/");
        let recursive = pattern.contains('/') || pattern.contains("**");
        Some(Self { from: above(&parts[..cut]), pattern, recursive })
    }

    fn one(from: &str) -> Self {
        let parts: Vec<&str> = from.split('/').collect();
        let (name, folders) = parts.split_last().expect("a text has a last part");
        Self { from: above(folders), pattern: globset::escape(name), recursive: false }
    }
}

fn is_photograph(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ENDINGS.iter().any(|end| name.ends_with(end))
}

fn above(parts: &[&str]) -> String {
    match parts {
        [] => ".".to_owned(),
        [""] => "/".to_owned(),
        _ => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::Picked;

    fn picked(from: &str) -> Option<(String, String, bool)> {
        Picked::of(from).map(|picked| (picked.from, picked.pattern, picked.recursive))
    }

    fn is(from: &str, pattern: &str, recursive: bool) -> Option<(String, String, bool)> {
        Some((from.to_owned(), pattern.to_owned(), recursive))
    }

    #[test]
    fn a_glob_is_the_place_before_it_and_a_pattern() {
        assert_eq!(picked("none/*.jpg"), is("none", "*.jpg", false));
        assert_eq!(picked("*.jpg"), is(".", "*.jpg", false));
        assert_eq!(picked("/*.jpg"), is("/", "*.jpg", false));
        assert_eq!(picked("none/*/a?.png"), is("none", "*/a?.png", true));
        assert_eq!(picked("none/**/*.jpg"), is("none", "**/*.jpg", true));
        assert_eq!(picked("s3://b/in/*.jpg"), is("s3://b/in", "*.jpg", false));
        assert_eq!(picked("s3://b/{a,b}/*"), is("s3://b", "{a,b}/*", true));
    }

    #[test]
    fn one_photograph_is_its_place_and_its_name() {
        assert_eq!(picked("s3://b/in/a[1].JPG"), is("s3://b/in", "a[[]1[]].JPG", false));
        assert_eq!(picked("s3://b/a.png"), is("s3://b", "a.png", false));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a*.jpg");
        std::fs::write(&file, "").unwrap();
        std::fs::write(folder.path().join("list.csv"), "").unwrap();
        assert_eq!(picked(folder.path().join("list.csv").to_str().unwrap()), None);
        let (from, pattern, _) = picked(file.to_str().unwrap()).unwrap();
        assert_eq!((&from[..], &pattern[..]), (folder.path().to_str().unwrap(), "a[*].jpg"));
    }

    #[test]
    fn what_names_a_place_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("odd [*]");
        std::fs::create_dir(&odd).unwrap();
        assert_eq!(picked(odd.to_str().unwrap()), None);
        for from in ["none", "none/deeper", "s3://b", "s3://b/in", "s3://b/week[1]/", "s3://*"] {
            assert_eq!(picked(from), None, "{from}");
        }
    }
}
