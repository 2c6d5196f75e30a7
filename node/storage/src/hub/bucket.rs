//! One attempt at an object in a bucket: range after range, in one version, behind the part.

use std::io::Write;

use fruitnode_coordinator::retry::FailureReason;

use crate::hub::answer::Linked;
use crate::hub::error::PullError;
use crate::hub::event::Event;
use crate::hub::fetch::{Fetched, Trouble};
use crate::hub::part::{Facts, Part};
use crate::{S3Error, S3Object, S3Options};

/// Bytes asked for at a time: what one lost answer costs.
const RANGE_BYTES: u64 = 8 << 20;

/// What attempts at one object share.
pub(super) struct BucketFetcher {
    object: S3Object,
    words: String,
    bytes_max: u64,
}

impl BucketFetcher {
    /// A fetcher of `s3://BUCKET/KEY`.
    pub(super) async fn new(
        place: &str,
        options: &S3Options,
        bytes_max: u64,
    ) -> Result<Self, PullError> {
        let rest = place.strip_prefix("s3://").unwrap_or(place);
        let (bucket, key) = rest
            .split_once('/')
            .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty() && !key.ends_with('/'))
            .ok_or_else(|| PullError::NoObject(place.to_owned()))?;
        let object = S3Object::open(bucket, key, options).await.map_err(Box::new)?;
        Ok(Self { object, words: place.to_owned(), bytes_max })
    }

    /// Fetches what is missing of the part.
    pub(super) async fn attempt(
        &self,
        part: &Part,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Fetched, Trouble> {
        let (total, etag) = self.object.head().await.map_err(trouble)?;
        if total > self.bytes_max {
            part.discard();
            let (source_words, limit) = (self.words.clone(), self.bytes_max);
            return Err(Trouble::Final(PullError::TooLarge { source_words, limit }));
        }
        let cache = |source| Trouble::Final(PullError::Cache { path: part.path.clone(), source });
        let facts = Facts { etag: Some(etag.clone()), total: Some(total), promised: None };
        let same = part.facts().is_some_and(|known| known == facts && part.len() <= total);
        let mut file = match same {
            true => part.go_on().map_err(cache)?,
            false => part.begin(&facts).map_err(cache)?,
        };
        let mut bytes = if same { part.len() } else { 0 };
        tell(Event::At { bytes, total: Some(total) });
        while bytes < total {
            let range = bytes..total.min(bytes + RANGE_BYTES);
            let Some(more) = self.object.read(range, &etag).await.map_err(trouble)? else {
                part.discard();
                let words = "the object changed while it was downloaded".to_owned();
                return Err(Trouble::Passing(words, None));
            };
            file.write_all(&more).map_err(cache)?;
            bytes += more.len() as u64;
            tell(Event::At { bytes, total: Some(total) });
        }
        Ok(Fetched::Whole(Linked::default()))
    }
}

fn trouble(error: S3Error) -> Trouble {
    match error.reason() {
        FailureReason::StorageUnavailable => Trouble::Passing(error.to_string(), None),
        _ => Trouble::Final(Box::new(error).into()),
    }
}
