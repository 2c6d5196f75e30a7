//! One object, to be read range by range in one version.

use std::ops::Range;

use bytes::Bytes;

use crate::s3::bucket::Bucket;
use crate::s3::connect::S3Options;
use crate::s3::error::S3Error;

/// An object of a bucket.
#[derive(Debug)]
pub struct S3Object {
    bucket: Bucket,
    key: String,
}

impl S3Object {
    /// Names an object, as far as that can be done without a request.
    ///
    /// # Errors
    /// When there are no credentials, or the server's address is none.
    pub async fn open(bucket: &str, key: &str, options: &S3Options) -> Result<Self, S3Error> {
        let bucket = Bucket::reach(bucket, "", options).await?;
        Ok(Self { bucket, key: key.to_owned() })
    }

    /// Its size in bytes, and the `ETag` of this version.
    ///
    /// # Errors
    /// When it is not there, or may not be read.
    pub async fn head(&self) -> Result<(u64, String), S3Error> {
        match self.bucket.head(&self.key).await? {
            Some(head) => Ok((head.size, head.etag)),
            None => Err(S3Error::Nothing { place: self.bucket.place(&self.key) }),
        }
    }

    /// Some of its bytes; nothing if it is another version by now.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(&self, range: Range<u64>, etag: &str) -> Result<Option<Bytes>, S3Error> {
        let found = self.bucket.get_part(&self.key, Some(range)).await?;
        Ok(found.filter(|(_, found)| found == etag).map(|(bytes, _)| bytes))
    }
}
