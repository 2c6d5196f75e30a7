//! Which conditions on writes a server honours. Some ignore them in silence: they are tried out.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::s3::bucket::Bucket;
use crate::s3::error::S3Error;
use crate::s3::write::{Condition, Doomed, Written};

/// An `ETag` that no object has.
const NO_ETAG: &str = "\"00000000000000000000000000000000\"";

/// What a server honours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Conditions {
    /// That there is no such object yet.
    pub(super) create: bool,
    /// That an object is in the version named.
    pub(super) replace: bool,
    /// That an object is in the version named, of removals.
    pub(super) remove: bool,
}

impl Conditions {
    /// The condition that an object is not there, as far as the server honours it.
    pub(super) fn absent<E>(self) -> Condition<E> {
        if self.create { Condition::Absent } else { Condition::None }
    }

    /// The condition that an object has an `ETag`, as far as the server honours it.
    pub(super) fn same(self, etag: &str) -> Condition<&str> {
        if self.replace { Condition::Is(etag) } else { Condition::None }
    }

    /// An object that is to go in this version alone, as far as the server honours that.
    pub(super) fn doomed(self, key: String, etag: Option<&str>) -> Doomed {
        let etag = etag.filter(|etag| self.remove && !etag.is_empty()).map(str::to_owned);
        Doomed { key, etag }
    }

    /// Whether there is a fence at all.
    pub(super) fn all(self) -> bool {
        self.create && self.replace
    }
}

/// Tries the conditions on an object of the job, and removes it. Says so once where one of them is
/// ignored.
pub(super) async fn probe(bucket: &Bucket, job: &str) -> Result<Conditions, S3Error> {
    let key = bucket.key(&format!("_run/{job}/work/probe"));
    let mut tried = attempt(bucket, &key).await?;
    if !tried.all() {
        // A run that cleaned up in between would look the same.
        tried = attempt(bucket, &key).await?;
    }
    bucket.remove(&key).await?;
    if !tried.all() {
        warn!(
            out = bucket.uri(),
            "this server ignores conditions on writes: see to it that no two runs write to this \
             target at the same time, for nothing else can"
        );
    }
    Ok(tried)
}

async fn attempt(bucket: &Bucket, key: &str) -> Result<Conditions, S3Error> {
    let bytes = Bytes::from_static(b"probe");
    let honours = |written| written == Written::Unmet;
    // Whatever stands there: what counts is that something does.
    bucket.put(key, bytes.clone(), Condition::None).await?;
    let create = honours(bucket.put(key, bytes.clone(), Condition::Absent).await?);
    let replace = honours(bucket.put(key, bytes, Condition::Is(NO_ETAG)).await?);
    let wrong = Doomed { key: key.to_owned(), etag: Some(NO_ETAG.to_owned()) };
    let remove = bucket.remove_all(&[wrong]).await? == 1;
    Ok(Conditions { create, replace, remove })
}
