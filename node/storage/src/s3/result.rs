//! A published result on S3, to be read and nothing else.

use std::ops::Range;

use bytes::Bytes;

use crate::s3::bucket::Bucket;
use crate::s3::connect::S3Options;
use crate::s3::error::S3Error;

/// A prefix of a bucket that holds a result.
#[derive(Debug)]
pub struct S3Result {
    bucket: Bucket,
}

impl S3Result {
    /// Opens a prefix.
    ///
    /// # Errors
    /// When the bucket cannot be reached or listed, or nothing lies below the prefix.
    pub async fn open(bucket: &str, prefix: &str, options: &S3Options) -> Result<Self, S3Error> {
        let result = Self { bucket: Bucket::reach(bucket, prefix, options).await? };
        if result.bucket.is_empty().await? {
            return Err(S3Error::Nothing { place: result.bucket.uri() });
        }
        Ok(result)
    }

    /// Every name below the prefix.
    ///
    /// # Errors
    /// When the bucket cannot be listed.
    pub async fn names(&self) -> Result<Vec<String>, S3Error> {
        let prefix = &self.bucket.prefix;
        let listed = self.bucket.all(prefix).await?;
        let names = listed.iter().filter_map(|object| object.key.strip_prefix(prefix));
        // The prefix itself, where a console marked it as a folder.
        Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    /// The bytes under a name, if there are any.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(&self, name: &str) -> Result<Option<Bytes>, S3Error> {
        Ok(self.bucket.get(&self.bucket.key(name)).await?.map(|(bytes, _)| bytes))
    }

    /// Some of the bytes under a name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read_range(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, S3Error> {
        let found = self.bucket.get_part(&self.bucket.key(name), Some(range)).await?;
        Ok(found.map(|(bytes, _)| bytes))
    }

    /// How many bytes there are under a name.
    ///
    /// # Errors
    /// When the server does not tell.
    pub async fn size(&self, name: &str) -> Result<Option<u64>, S3Error> {
        Ok(self.bucket.head(&self.bucket.key(name)).await?.map(|head| head.size))
    }
}
