//! Public names are written by copies alone, so that whoever comes too late writes nothing.
//!
//! A process may be stopped at any moment (SIGSTOP, a machine that is suspended, a request that a
//! network holds back), for any time, and wake up when its job was cancelled and another one
//! publishes at the same target. Looking at the lock before each write does not help: the process
//! may be stopped between the look and the write. A condition on the write helps while something
//! stands in its way: not in the middle of the other's publication, and not on a server that
//! ignores conditions.
//!
//! So the bytes of every public object, the marker included, are written under `_run/JOB/work/`
//! first, then the lock is looked at, and then a server-side copy gives them their public name. Who
//! clears away what a job left removes these sources *before* it lists the public names:
//!
//! - A copy that the server carries out after that finds no source, and changes nothing.
//! - One that it carries out before that has changed a name which is listed afterwards, and goes
//!   with everything else that the job left.
//! - A source that is written after that belongs to a process which looks at the lock afterwards,
//!   and finds it lost: so the look comes between the write of the source and the copy. Whoever
//!   ends a job first writes that into the lock
//!   ([`Lock::end`](crate::s3::lock::Lock::end)), for the other nodes of the job take the
//!   lock for theirs until it is removed.
//! - Each source has a name that no other process of the job uses: none makes one of its own for
//!   the copy of another that is under way.
//!
//! This needs no condition, and no clock but that of the lock: only that the server lists what was
//! written, and copies what is there. Where copies take conditions, they are set as well. What is
//! left is narrower than a stopped process: a server that itself is stopped between its look at the
//! source and its write of the copy; a copy of more than 5 GiB, which is an upload of parts, where
//! whoever clears away may not list uploads (`s3:ListBucketMultipartUploads`); and, where
//! conditions on removals are ignored, the removal of an earlier result, which may come as late as
//! any request.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use fruitnode_env::unique_name;

use crate::s3::publication::{Shared, missing};
use crate::s3::upload::Upload;
use crate::s3::write::{Condition, Written};
use crate::sink::{SinkError, check_name, is_private};

/// Tells apart what one process writes.
static STAGED: AtomicU64 = AtomicU64::new(0);

impl Shared {
    /// A private name for bytes that are to be copied to a public one.
    pub(super) fn stage(&self) -> String {
        let number = STAGED.fetch_add(1, Ordering::Relaxed);
        let name = format!("_run/{}/work/final-{}-{number}", self.job, unique_name());
        self.state().staged.push(self.bucket.key(&name));
        name
    }

    /// Gives what was staged its public name, unless the target was lost since it was written.
    pub(super) async fn publish(&self, staged: &str, name: &str) -> Result<(), SinkError> {
        self.lock.confirm().await?;
        self.promote(staged, name).await
    }

    /// Writes a whole object.
    pub(super) async fn put(&self, name: &str, bytes: Bytes) -> Result<(), SinkError> {
        self.before_write(name).await?;
        if is_private(name) {
            self.send(&self.bucket.key(name), bytes).await?;
            return Ok(());
        }
        let staged = self.stage();
        self.send(&self.bucket.key(&staged), bytes).await?;
        self.publish(&staged, name).await
    }

    /// Writes the bytes of a private object, which nobody else writes.
    pub(super) async fn send(&self, key: &str, bytes: Bytes) -> Result<(), SinkError> {
        let (bucket, key) = (self.bucket.clone(), key.to_owned());
        let put = async move { bucket.put(&key, bytes, Condition::None).await };
        self.to_the_end(Box::pin(put)).await?;
        Ok(())
    }

    /// Copies an object to another name.
    pub(super) async fn promote(&self, from: &str, to: &str) -> Result<(), SinkError> {
        check_name(from)?;
        self.before_write(to).await?;
        self.copy_to(from, to).await
    }

    /// Copies an object to a name that may be written at this moment, the marker included.
    pub(super) async fn copy_to(&self, from: &str, to: &str) -> Result<(), SinkError> {
        let (source, key) = (self.bucket.key(from), self.bucket.key(to));
        let fenced = !is_private(to) && self.copies_conditionally.load(Ordering::Relaxed);
        let condition = if fenced { Condition::Absent } else { Condition::None };
        if let Some(old) = self.replaced(to).filter(|_| fenced)
            && let Some(Written::Done(_)) = self.copy(&source, &key, Condition::Is(old)).await?
        {
            return Ok(());
        }
        let mut written = self.copy(&source, &key, condition).await?;
        if written == Some(Written::Unsupported) {
            self.copies_conditionally.store(false, Ordering::Relaxed);
            written = self.copy(&source, &key, Condition::None).await?;
        }
        match written {
            Some(Written::Done(_)) => Ok(()),
            Some(Written::Unmet | Written::Unsupported) => self.check_copy(&source, &key).await,
            None => {
                let head = self.bucket.head(&source).await?.ok_or_else(|| missing(from))?;
                let upload = Upload::begin(&self.bucket, &key).await?;
                let copy = Box::pin(async move { upload.copy(&source, head.size).await });
                self.to_the_end(copy).await
            }
        }
    }

    async fn copy(
        &self,
        from: &str,
        to: &str,
        condition: Condition<String>,
    ) -> Result<Option<Written>, SinkError> {
        let (bucket, from, to) = (self.bucket.clone(), from.to_owned(), to.to_owned());
        let copy = async move { bucket.copy(&from, &to, condition.as_deref()).await };
        self.to_the_end(Box::pin(copy)).await
    }

    /// The version of an earlier result that a name may take the place of.
    fn replaced(&self, name: &str) -> Option<String> {
        let old = self.state().old.get(name).cloned();
        let old = old.filter(|etag| self.conditions.replace && !etag.is_empty());
        old.map(|etag| self.conditions.named(&etag))
    }

    /// What stands in the way of a copy must be that copy: an answer was lost.
    async fn check_copy(&self, source: &str, key: &str) -> Result<(), SinkError> {
        let (due, found) = (self.bucket.head(source).await?, self.bucket.head(key).await?);
        match (due, found) {
            (Some(due), Some(found)) if due == found => Ok(()),
            (Some(due), Some(found)) if due.size == found.size => {
                // Parts, or encryption, give equal bytes another `ETag`.
                let due = self.bucket.get(source).await?.map(|(bytes, _)| bytes);
                match (due, self.bucket.get(key).await?) {
                    (Some(due), Some((found, _))) if due == found => Ok(()),
                    _ => Err(SinkError::Overwritten { place: self.bucket.place(key) }),
                }
            }
            _ => Err(SinkError::Overwritten { place: self.bucket.place(key) }),
        }
    }
}
