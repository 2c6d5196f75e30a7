//! A pull: attempts until the file is whole or patience is at an end, then its digest, then its
//! final name.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::HumanBytes;

use crate::hub::FILE_BYTES_MAX;
use crate::hub::bucket::BucketFetcher;
use crate::hub::cache::{Known, digest_of};
use crate::hub::error::PullError;
use crate::hub::event::Event;
use crate::hub::fetch::{Fetched, Fetcher, Trouble};
use crate::hub::part::Part;
use crate::hub::source::Source;
use crate::hub::surroundings::Surroundings;

/// Bytes that tell what a file is.
const HEAD_BYTES: u64 = 64;

/// Most attempts in all, however many bytes each of them brought.
const ATTEMPTS_MAX: u32 = 100;

/// How much is borne before a pull is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts in a row that bring no byte.
    pub tries: u32,
    /// Pause before the second attempt; it doubles with each.
    pub first: Duration,
    /// Longest pause that is not asked for by the server.
    pub most: Duration,
    /// Most bytes that are taken.
    pub bytes_max: u64,
}

impl Default for Patience {
    fn default() -> Self {
        let (first, most) = (Duration::from_millis(500), Duration::from_secs(30));
        Self { tries: 6, first, most, bytes_max: FILE_BYTES_MAX }
    }
}

/// Weights that are here now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Where, under a name of its digest.
    pub path: PathBuf,
    /// What the source is.
    pub known: Known,
    /// Whether they were here before.
    pub cached: bool,
}

/// By which protocol.
enum Way<'a> {
    Web(Fetcher<'a>),
    Bucket(BucketFetcher),
}

impl Way<'_> {
    async fn attempt(&self, part: &Part, tell: &mut dyn FnMut(Event)) -> Result<Fetched, Trouble> {
        match self {
            Self::Web(fetcher) => fetcher.attempt(part, tell).await,
            Self::Bucket(fetcher) => Box::pin(fetcher.attempt(part, tell)).await,
        }
    }
}

/// Fetches a source into the cache.
///
/// # Errors
/// What is wrong with source, server, file or cache, and what to do. A part that can be gone on
/// with stays.
pub async fn pull(
    surroundings: &Surroundings,
    source: &Source,
    expected: Option<&str>,
    patience: Patience,
    tell: &mut dyn FnMut(Event),
) -> Result<Pulled, PullError> {
    let (cache, endpoint) = (&surroundings.cache, &surroundings.endpoint);
    let way = match source {
        Source::Bucket { place, .. } => {
            let opened = BucketFetcher::new(place, &surroundings.storage, patience.bytes_max);
            Way::Bucket(Box::pin(opened).await?)
        }
        Source::Hub { .. } | Source::Web(_) => {
            Way::Web(Fetcher::new(surroundings, source, expected, patience.bytes_max)?)
        }
    };
    cache.prepare()?;
    let _lock = cache.lock(source, endpoint, &mut || tell(Event::Waiting)).await?;
    if let Some(sha256) = expected
        && let Some(path) = cache.find(sha256)
    {
        let bytes = digest_of(&path).map_or(0, |(_, bytes)| bytes);
        let known =
            Known { source: source.to_string(), sha256: sha256.into(), bytes, commit: None };
        cache.note(source, endpoint, &known)?;
        return Ok(Pulled { path, known, cached: true });
    }
    let part = cache.part(source, endpoint);
    let fetched = persist(&way, &part, patience, &source.to_string(), tell).await?;
    let known =
        |sha256: String, bytes, commit| Known { source: source.to_string(), sha256, bytes, commit };
    match fetched {
        Fetched::Here(linked, sha256) => {
            part.discard();
            let path = cache.find(&sha256).ok_or_else(|| PullError::Cache {
                path: cache.root().to_owned(),
                source: io::ErrorKind::NotFound.into(),
            })?;
            let bytes = digest_of(&path).map_or(0, |(_, bytes)| bytes);
            let known = known(sha256, bytes, linked.commit);
            cache.note(source, endpoint, &known)?;
            Ok(Pulled { path, known, cached: true })
        }
        Fetched::Whole(linked) => {
            let trouble = |source| PullError::Cache { path: part.path.clone(), source };
            let (found, bytes) = digest_of(&part.path).map_err(trouble)?;
            let said = [(expected, "--sha256"), (linked.sha256.as_deref(), "the hub")];
            for (expected, who) in said {
                let Some(expected) = expected.filter(|expected| *expected != found) else {
                    continue;
                };
                part.discard();
                let (source_words, expected) = (source.to_string(), expected.to_owned());
                return Err(PullError::Digest { source_words, found, expected, who });
            }
            if let Some(what) = not_weights(&part.path).map_err(trouble)? {
                part.discard();
                return Err(PullError::Answer { source_words: source.to_string(), what });
            }
            let known = known(found, bytes, linked.commit);
            let path = cache.keep(&part, source, endpoint, &known)?;
            Ok(Pulled { path, known, cached: false })
        }
    }
}

/// What a file is instead of safetensors, in words; nothing if it begins as they do: with the
/// length of a header, little-endian in 8 bytes, and the header's `{`.
fn not_weights(path: &Path) -> io::Result<Option<String>> {
    let (mut head, mut file) = (Vec::new(), File::open(path)?);
    let bytes = file.metadata()?.len();
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    let text = head.trim_ascii_start();
    let what = if text.starts_with(b"version https://git-lfs") {
        "it is a Git LFS pointer and not the file it points to: use the address of the file itself"
    } else if text.starts_with(b"<") {
        "it is a page for browsers, maybe one to sign in, and not weights: open it in a browser"
    } else {
        let header = head.first_chunk().map(|length| u64::from_le_bytes(*length));
        let sound = header.is_some_and(|length| length <= bytes.saturating_sub(8));
        if sound && head.get(8) == Some(&b'{') {
            return Ok(None);
        }
        "it does not begin as a safetensors file does: check that the source names one"
    };
    Ok(Some(what.to_owned()))
}

/// Bytes of a source that the next pull can go on with.
pub fn kept(surroundings: &Surroundings, source: &Source) -> Option<u64> {
    let part = surroundings.cache.part(source, &surroundings.endpoint);
    part.facts().map(|_| part.len())
}

/// Attempts, with pauses, until one brings the rest.
async fn persist(
    way: &Way<'_>,
    part: &Part,
    patience: Patience,
    source: &str,
    tell: &mut dyn FnMut(Event),
) -> Result<Fetched, PullError> {
    let (mut fruitless, mut tries) = (0, 0);
    loop {
        let before = part.len();
        let (why, asked) = match way.attempt(part, tell).await {
            Ok(fetched) => return Ok(fetched),
            Err(Trouble::Final(error)) => return Err(error),
            Err(Trouble::Passing(why, after)) => (why, after),
        };
        tries += 1;
        fruitless = if part.len() > before { 0 } else { fruitless + 1 };
        if fruitless >= patience.tries || tries >= ATTEMPTS_MAX {
            let kept = match part.facts() {
                Some(_) => format!(
                    "{} are kept, and the next pull resumes from there",
                    HumanBytes(part.len())
                ),
                None => "nothing is kept".to_owned(),
            };
            let source_words = source.to_owned();
            return Err(PullError::GivenUp { source_words, tries, last: why, kept });
        }
        let doubled = patience.first.saturating_mul(1 << fruitless.saturating_sub(1).min(16));
        let after = asked.unwrap_or_else(|| doubled.min(patience.most));
        tell(Event::Again { why, after });
        tokio::time::sleep(after).await;
    }
}
