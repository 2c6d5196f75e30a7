//! Keys in byte order, page by page.

use std::collections::BTreeSet;
use std::ops::Bound;

use s3s::{S3Result, s3_error};

use super::bucket::{Bucket, Object, hex};

/// What is asked of one page.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    pub(super) prefix: String,
    pub(super) delimiter: Option<String>,
    pub(super) after: After,
    pub(super) keys_max: usize,
}

/// Where a page begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum After {
    /// At the beginning.
    #[default]
    Nothing,
    /// After a key, which need not exist.
    Key(String),
    /// After everything that begins so.
    Group(String),
}

/// One page.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) contents: Vec<(String, Object)>,
    pub(super) groups: BTreeSet<String>,
    /// Where the next one begins, if there is one.
    pub(super) next: Option<After>,
}

impl Bucket {
    pub(super) fn page(&self, listing: &Listing) -> Page {
        let mut page = Page::default();
        let mut after = listing.after.clone();
        loop {
            let Some((key, object)) = self.next_key(listing, &after) else {
                return page;
            };
            if page.contents.len() + page.groups.len() >= listing.keys_max {
                // A page of no keys is never followed by another.
                page.next = (listing.keys_max > 0).then_some(after);
                return page;
            }
            after = match listing.group_of(key) {
                Some(group) => {
                    page.groups.insert(group.to_owned());
                    After::Group(group.to_owned())
                }
                None => {
                    page.contents.push((key.clone(), object.clone()));
                    After::Key(key.clone())
                }
            };
        }
    }

    fn next_key(&self, listing: &Listing, after: &After) -> Option<(&String, &Object)> {
        let prefix = listing.prefix.as_str();
        let mut bound = Bound::Included(prefix.to_owned());
        let mut skipped = None;
        match after {
            After::Nothing => {}
            After::Key(key) if key.as_str() < prefix => {}
            After::Key(key) => bound = Bound::Excluded(key.clone()),
            After::Group(group) => {
                // What begins with the group and stands after even this is skipped one by one.
                bound = Bound::Excluded(format!("{group}\u{10FFFF}"));
                skipped = Some(group);
            }
        }
        self.objects
            .range((bound, Bound::Unbounded))
            .find(|(key, _)| !skipped.is_some_and(|group| key.starts_with(group)))
            .filter(|(key, _)| key.starts_with(prefix))
    }
}

impl Listing {
    /// What a key is shown as, if not as itself.
    fn group_of<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
        let rest = &key[self.prefix.len()..];
        let at = rest.find(delimiter)?;
        Some(&key[..self.prefix.len() + at + delimiter.len()])
    }
}

impl After {
    /// As a token that means nothing to a client.
    pub(super) fn token(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Key(key) => format!("k{}", hex(key.as_bytes())),
            Self::Group(group) => format!("g{}", hex(group.as_bytes())),
        }
    }

    pub(super) fn from_token(token: &str) -> S3Result<Self> {
        let bad = || s3_error!(InvalidArgument, "The continuation token provided is incorrect");
        let kind = token.chars().next().ok_or_else(bad)?;
        let digits = token.get(1..).ok_or_else(bad)?;
        let bytes: Option<Vec<u8>> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
            .collect();
        let text = String::from_utf8(bytes.ok_or_else(bad)?).map_err(|_| bad())?;
        match kind {
            'k' => Ok(Self::Key(text)),
            'g' => Ok(Self::Group(text)),
            _ => Err(bad()),
        }
    }
}

/// As `encoding-type=url` wants it, and as S3 does it: `/` stays, a space becomes `+`.
pub(super) fn url_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'/' | b'-' | b'_' | b'.' | b'*' => encoded.push(byte as char),
            _ if byte.is_ascii_alphanumeric() => encoded.push(byte as char),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{After, Bucket, Listing, Object, url_encoded};

    fn bucket(keys: &[&str]) -> Bucket {
        let mut bucket = Bucket::default();
        for key in keys {
            bucket.objects.insert((*key).to_owned(), Object::new(Bytes::new(), 0));
        }
        bucket
    }

    /// Everything a listing gives: keys and groups in the order of their pages.
    fn all(bucket: &Bucket, mut listing: Listing) -> Vec<String> {
        let mut found = Vec::new();
        for _ in 0..100 {
            let page = bucket.page(&listing);
            let mut names: Vec<String> = page.contents.into_iter().map(|(key, _)| key).collect();
            names.extend(page.groups);
            assert!(names.len() <= listing.keys_max);
            found.extend(names);
            match page.next {
                Some(next) => listing.after = After::from_token(&next.token()).unwrap(),
                None => return found,
            }
        }
        panic!("the pages never end");
    }

    #[test]
    fn pages_of_any_size_hold_every_key_once() {
        let keys = ["a", "a/b", "a/b/c", "a//", "b\nc", "é", "é/\u{10FFFF}", "z"];
        let bucket = bucket(&keys);
        let mut sorted = keys.map(str::to_owned);
        sorted.sort();
        for keys_max in 1..10 {
            let listing = Listing { keys_max, ..Listing::default() };
            assert_eq!(all(&bucket, listing), sorted);
        }
    }

    #[test]
    fn groups_stand_for_what_is_below_them_whatever_the_page() {
        let bucket = bucket(&["p/a", "p/b/1", "p/b/2", "p/b/\u{10FFFF}\u{10FFFF}", "p/c", "q"]);
        for keys_max in 1..5 {
            let delimiter = Some("/".to_owned());
            let listing =
                Listing { prefix: "p/".to_owned(), delimiter, keys_max, ..Listing::default() };
            let mut found = all(&bucket, listing);
            found.sort();
            assert_eq!(found, ["p/a", "p/b/", "p/c"], "pages of {keys_max}");
        }
    }

    #[test]
    fn a_start_that_is_no_key_and_lies_before_the_prefix_is_fine() {
        let bucket = bucket(&["a", "b/1", "b/2"]);
        for (after, wanted) in [("a", vec!["b/1", "b/2"]), ("b/1", vec!["b/2"]), ("b/3", vec![])] {
            let after = After::Key(after.to_owned());
            let listing =
                Listing { prefix: "b/".to_owned(), after, keys_max: 10, ..Listing::default() };
            assert_eq!(all(&bucket, listing), wanted);
        }
    }

    #[test]
    fn keys_are_encoded_as_s3_does() {
        assert_eq!(url_encoded("a b+c%/d\n"), "a+b%2Bc%25/d%0A");
    }
}
