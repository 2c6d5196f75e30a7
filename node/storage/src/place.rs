//! A place as the user writes it: a folder, or a prefix of a bucket on S3.

use std::fmt;
use std::path::{Component, PathBuf};
use std::str::FromStr;

use thiserror::Error;

/// Where photographs come from or a result goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// Everything below a prefix of a bucket.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// What every key begins with: empty, or ends with `/`.
        prefix: String,
    },
}

/// What is no place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// Nothing at all.
    #[error("an empty path was given: name a folder, or s3://BUCKET/PREFIX")]
    Empty,
    /// Another kind of store.
    #[error("{place}: `{scheme}` is not supported: name a folder, or s3://BUCKET/PREFIX")]
    Scheme {
        /// What was given.
        place: String,
        /// What stands before `://`.
        scheme: String,
    },
    /// No bucket has such a name.
    #[error(
        "{place}: `{bucket}` is not a valid bucket name (3 to 63 lower-case letters, digits, dots \
         and hyphens): write s3://BUCKET/PREFIX"
    )]
    Bucket {
        /// What was given.
        place: String,
        /// What stands where the bucket should.
        bucket: String,
    },
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(place: &str) -> Result<Self, PlaceError> {
        if place.is_empty() {
            return Err(PlaceError::Empty);
        }
        let Some((scheme, rest)) = place.split_once("://") else {
            return Ok(Self::Folder(PathBuf::from(place)));
        };
        // Hadoop's names for the same store: what worked in an EMR job works here.
        if !["s3", "s3a", "s3n"].contains(&scheme) {
            let scheme = scheme.to_owned();
            return Err(PlaceError::Scheme { place: place.to_owned(), scheme });
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(letters) {
            let bucket = bucket.to_owned();
            return Err(PlaceError::Bucket { place: place.to_owned(), bucket });
        }
        let closed = prefix.is_empty() || prefix.ends_with('/');
        let prefix = if closed { prefix.to_owned() } else { format!("{prefix}/") };
        Ok(Self::S3 { bucket: bucket.to_owned(), prefix })
    }
}

impl Place {
    /// The same place in its one form, however it was written: a folder from the root on, without
    /// `.` and `..`, as far as they can be resolved here.
    #[must_use]
    pub fn canonical(self) -> Self {
        let Self::Folder(folder) = self else { return self };
        let climbs = folder.components().any(|part| part == Component::ParentDir);
        // Above a link there is another folder than its name tells.
        let resolved = climbs.then(|| folder.canonicalize().ok()).flatten();
        let absolute = resolved.or_else(|| std::path::absolute(&folder).ok()).unwrap_or(folder);
        Self::Folder(absolute.components().collect())
    }

    /// What a result may say of the place, whoever reads it: a prefix of a bucket as it is, and of
    /// a folder its own name, for what lies above it is the machine's.
    pub fn published(&self) -> String {
        match self {
            Self::Folder(folder) => {
                let name = folder.file_name().unwrap_or(folder.as_os_str());
                name.to_string_lossy().into_owned()
            }
            Self::S3 { .. } => self.to_string(),
        }
    }

    /// Whether this place lies in `other`, or is the same, as far as their names tell. Folders are
    /// compared by whoever opens them.
    pub fn lies_in(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::S3 { bucket, prefix },
                Self::S3 { bucket: other_bucket, prefix: other_prefix },
            ) => bucket == other_bucket && prefix.starts_with(other_prefix.as_str()),
            _ => false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, PlaceError};

    fn s3(bucket: &str, prefix: &str) -> Place {
        Place::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() }
    }

    #[test]
    fn however_a_folder_is_spelt_it_has_one_form() {
        let here = std::env::current_dir().unwrap();
        let due = Place::Folder(here.join("src"));
        let absolute = here.join("src").display().to_string();
        for text in ["src", "./src", "src/", "src/.", "src/../src", &absolute] {
            let place: Place = text.parse().unwrap();
            assert_eq!(place.clone().canonical(), due, "{text}");
            assert_eq!(place.canonical().published(), "src");
        }
        assert_eq!(s3("fruits", "in/").published(), "s3://fruits/in/");
        assert_eq!(Place::Folder("/".into()).published(), "/");
        assert_eq!("s3a://fruits/in".parse::<Place>().unwrap().canonical(), s3("fruits", "in/"));
        let nowhere: Place = "/no/such/../folder".parse().unwrap();
        assert_eq!(nowhere.canonical().to_string(), "/no/such/../folder");
    }

    #[test]
    fn a_bucket_and_its_prefix_are_told_from_a_folder() {
        for (text, place) in [
            ("s3://fruits", s3("fruits", "")),
            ("s3://fruits/", s3("fruits", "")),
            ("s3://fruits/Training", s3("fruits", "Training/")),
            ("s3a://fruits/a b/ü+%2F/", s3("fruits", "a b/ü+%2F/")),
            ("s3://fruits//x", s3("fruits", "/x/")),
            ("s3:/fruits", Place::Folder("s3:/fruits".into())),
            ("photos", Place::Folder("photos".into())),
        ] {
            assert_eq!(text.parse(), Ok(place), "{text}");
        }
    }

    #[test]
    fn a_prefix_lies_in_those_above_it_in_the_same_bucket() {
        let place = |text: &str| text.parse::<Place>().unwrap();
        assert!(place("s3://fruits/a/b").lies_in(&place("s3://fruits/a")));
        assert!(place("s3://fruits/a").lies_in(&place("s3://fruits/a/")));
        assert!(place("s3://fruits/a").lies_in(&place("s3://fruits")));
        assert!(!place("s3://fruits/ab").lies_in(&place("s3://fruits/a")));
        assert!(!place("s3://fruit/a").lies_in(&place("s3://fruits")));
        assert!(!place("a/b").lies_in(&place("a")));
    }

    #[test]
    fn what_is_no_place_is_refused_by_name() {
        let parsed = |text: &str| text.parse::<Place>().unwrap_err();
        assert_eq!(parsed(""), PlaceError::Empty);
        assert!(matches!(parsed("gs://fruits/x"), PlaceError::Scheme { .. }));
        for text in ["s3://", "s3:///x", "s3://ab/x", "s3://Fruits/x", "s3://fr uits/x"] {
            assert!(matches!(parsed(text), PlaceError::Bucket { .. }), "{text}");
            assert!(parsed(text).to_string().contains(text), "{text}");
        }
    }
}
