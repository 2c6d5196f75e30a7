//! Which conditions on writes a server honours. Some ignore them in silence, so that they are tried.

use bytes::Bytes;
use tracing::warn;

use crate::storage::s3::bucket::Bucket;
use crate::storage::s3::error::S3Error;
use crate::storage::s3::write::{Condition, Written};

/// An `ETag` that no object has.
const NO_ETAG: &str = "\"00000000000000000000000000000000\"";

/// What a server honours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conditions {
    /// That there is no such object yet.
    pub(super) create: bool,
    /// That an object is in the version named.
    pub(super) replace: bool,
}

impl Conditions {
    /// The condition that an object is not there, as far as the server honours it.
    pub(super) fn absent(self) -> Condition<'static> {
        if self.create { Condition::Absent } else { Condition::None }
    }

    /// The condition that an object has an `ETag`, as far as the server honours it.
    pub(super) fn same(self, etag: &str) -> Condition<'_> {
        if self.replace { Condition::Is(etag) } else { Condition::None }
    }

    /// Whether there is a fence at all.
    pub(super) fn all(self) -> bool {
        self.create && self.replace
    }
}

/// Tries both conditions on an object of the job, and removes it. Says so once where one of them is
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
    Ok(Conditions { create, replace })
}
