//! Which conditions on writes a server honours. Some ignore them in silence: they are tried out.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::s3::bucket::Bucket;
use crate::s3::error::S3Error;
use crate::s3::etag;
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
    /// It wants the version named without quotes, as no RFC has it (Ceph, and what is made of it).
    #[serde(default)]
    pub(super) bare: bool,
}

impl Conditions {
    /// The condition that an object is not there, as far as the server honours it.
    pub(super) fn absent<E>(self) -> Condition<E> {
        if self.create { Condition::Absent } else { Condition::None }
    }

    /// The condition that an object has an `ETag`, as far as the server honours it.
    pub(super) fn same(self, etag: &str) -> Condition<String> {
        if self.replace { Condition::Is(self.named(etag)) } else { Condition::None }
    }

    /// A version as the server wants it named.
    pub(super) fn named(self, etag: &str) -> String {
        if self.bare { etag::bare(etag).to_owned() } else { etag.to_owned() }
    }

    /// An object that is to go in this version alone, as far as the server honours that.
    pub(super) fn doomed(self, key: String, etag: Option<&str>) -> Doomed {
        let etag = etag.filter(|etag| self.remove && !etag.is_empty());
        Doomed { key, etag: etag.map(|etag| self.named(etag)) }
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
            "this server ignores conditional writes, so nothing prevents two runs from writing to \
             this target at the same time: make sure that only one does"
        );
    }
    Ok(tried)
}

async fn attempt(bucket: &Bucket, key: &str) -> Result<Conditions, S3Error> {
    let bytes = Bytes::from_static(b"probe");
    let mut found = Conditions::default();
    // Whatever stands there: what counts is that something does.
    bucket.put(key, bytes.clone(), Condition::None).await?;
    found.create = bucket.put(key, bytes.clone(), Condition::Absent).await? == Written::Unmet;
    // A server that refuses every condition would never let a lock be renewed: a wrong one has to
    // be refused, and a right one met, in the form in which it is understood.
    for bare in [false, true] {
        let tried = Conditions { bare, ..found };
        let wrong = Condition::Is(tried.named(NO_ETAG));
        if bucket.put(key, bytes.clone(), wrong.as_deref()).await? != Written::Unmet {
            continue;
        }
        let there = bucket.head(key).await?.map(|head| head.etag).unwrap_or_default();
        let right = Condition::Is(tried.named(&there));
        let met = bucket.put(key, bytes.clone(), right.as_deref()).await?;
        if matches!(met, Written::Done(_)) {
            found = Conditions { replace: true, ..tried };
            break;
        }
    }
    let wrong = Doomed { key: key.to_owned(), etag: Some(found.named(NO_ETAG)) };
    if bucket.remove_all(&[wrong]).await? == 1 {
        let there = bucket.head(key).await?.map(|head| head.etag).unwrap_or_default();
        let right = Doomed { key: key.to_owned(), etag: Some(found.named(&there)) };
        found.remove = bucket.remove_all(&[right]).await? == 0;
    }
    Ok(found)
}
