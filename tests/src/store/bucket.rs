//! Objects under their keys. Whatever changes one does so in one step.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use s3s::crypto::{Checksum, Md5};
use s3s::{S3Result, s3_error};

use super::conditions::Conditions;
use super::uploads::Upload;

/// One object. Cheap to clone: the bytes are shared.
#[derive(Debug, Clone)]
pub struct Object {
    /// What it holds.
    pub body: Bytes,
    /// Its ETag, without quotes.
    pub etag: Arc<str>,
    /// When it was written: whole seconds since 1970, as S3 keeps them.
    pub modified_s: i64,
}

/// Everything the store holds.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, Object>,
    pub(super) uploads: BTreeMap<String, Upload>,
    pub(super) uploads_begun: u64,
}

impl Object {
    /// Bytes written in one piece at a time.
    pub fn new(body: Bytes, modified_s: i64) -> Self {
        let etag = hex(&Md5::checksum(&body)).into();
        Self { body, etag, modified_s }
    }
}

impl Bucket {
    pub(super) fn object(&self, key: &str) -> S3Result<&Object> {
        let found = self.objects.get(key);
        found.ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))
    }

    pub(super) fn put(
        &mut self,
        key: String,
        object: Object,
        conditions: &Conditions,
    ) -> S3Result<Object> {
        conditions.write(self.objects.get(&key))?;
        self.objects.insert(key, object.clone());
        Ok(object)
    }

    /// Removes an object; one that is not there is removed already.
    pub(super) fn remove(&mut self, key: &str, conditions: &Conditions) -> S3Result<()> {
        conditions.write(self.objects.get(key))?;
        self.objects.remove(key);
        Ok(())
    }

    /// Gives a new name to the bytes of an object.
    pub(super) fn copy(
        &mut self,
        source: &str,
        source_conditions: &Conditions,
        key: String,
        conditions: &Conditions,
    ) -> S3Result<Object> {
        if source == key {
            let words = "This copy request is illegal because it is trying to copy an object to \
                         itself without changing its metadata";
            return Err(s3_error!(InvalidRequest, "{words}"));
        }
        let source = self.object(source)?;
        source_conditions.copy_source(source)?;
        // The ETag is that of a single write, whatever the source was made of: as on S3.
        let copy = Object::new(source.body.clone(), now_s());
        self.put(key, copy, conditions)
    }
}

/// The bytes of a copied part: `bytes=first-last`, both there.
pub(super) fn copied_range(range: &str, length: usize) -> S3Result<Range<usize>> {
    let ends = range.strip_prefix("bytes=").and_then(|ends| ends.split_once('-'));
    let parsed = ends.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    let bad = || s3_error!(InvalidArgument, "The x-amz-copy-source-range is not valid");
    let (first, last): (usize, usize) = parsed.ok_or_else(bad)?;
    if first > last || last >= length {
        return Err(s3_error!(InvalidRange, "The range is not within the source's bytes"));
    }
    Ok(first..last + 1)
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The server's clock, which nothing published may depend on: that is what tests look for.
#[allow(clippy::disallowed_methods, reason = "a server has a clock of its own")]
pub(super) fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
