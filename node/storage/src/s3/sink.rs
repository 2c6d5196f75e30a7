//! Results on S3: written object by object, valid with the marker, which comes last.
//!
//! A lock keeps others away. Before the first public object changes, what is about to change is
//! written down, so that the next run can tell what a publication left that died.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::look::Standing;
use crate::s3::bucket::Bucket;
use crate::s3::earlier::{committed_name, target_name};
use crate::s3::holder::Holder;
use crate::s3::lock::Lock;
use crate::s3::probe::{Conditions, probe};
use crate::s3::publication::{S3Target, Shared, content, missing, refuse};
use crate::s3::upload::{PART_BYTES, Writer, put_in_parts};
use crate::sink::{Access, ObjectWriter, Sink, SinkError, check_name, is_private};

/// The target prefix of one job. Its lock is renewed while it lives.
pub struct S3Sink {
    shared: Arc<Shared>,
    /// Renews the lock; ends with the sink.
    _renewal: JoinSet<()>,
}

impl S3Sink {
    /// Opens the target for a job.
    ///
    /// # Errors
    /// When it cannot be reached or may not be written, or as [`Access`] says.
    pub async fn open(target: &S3Target<'_>, access: Access) -> Result<Self, SinkError> {
        check_name(target.job)?;
        let bucket = Bucket::reach(target.bucket, target.prefix, &target.options).await?;
        match access {
            Access::Take => Self::take(target, bucket, false).await,
            Access::Prepare => Self::take(target, bucket, true).await,
            Access::Join => Self::join(target, bucket).await,
        }
    }

    /// Prepares the target: takes its lock, removes what dead runs left, and refuses what would be
    /// refused at the end.
    async fn take(target: &S3Target<'_>, bucket: Bucket, member: bool) -> Result<Self, SinkError> {
        let uri = bucket.uri();
        // What cannot end well is refused before anything is written, and without a wait.
        let content = content(&bucket, target.is_ours).await?;
        if content.success.is_some() || content.foreign.is_some() {
            refuse(content.judge(target.mode, &[]), &uri)?;
        }
        let conditions = probe(&bucket, target.job).await?;
        if member && bucket.head(&bucket.key(&committed_name(target.job))).await?.is_some() {
            // The job has ended while this process was not heard of: its lock is free, and stays
            // so.
            return Err(SinkError::Lost { out: uri });
        }
        let me = Holder::this(target.job);
        let lock = Arc::new(Lock::take(&bucket, me, conditions).await?);
        let sink = Self::holding(Shared::new(target, bucket, (conditions, member), lock));
        sink.shared.clear().await?;
        if member {
            let found = serde_json::to_vec(&conditions).expect("words and bits are always JSON");
            sink.shared.put(&target_name(target.job), found.into()).await?;
        }
        Ok(sink)
    }

    /// Joins the nodes that have the target for the same job. One that comes when the job has ended
    /// can see what it published, and do nothing.
    async fn join(target: &S3Target<'_>, bucket: Bucket) -> Result<Self, SinkError> {
        let found = bucket.get(&bucket.key(&target_name(target.job))).await?;
        // Without a word of it no condition is relied on.
        let known = found.and_then(|(bytes, _)| serde_json::from_slice::<Conditions>(&bytes).ok());
        let (known, me) = (known.unwrap_or_default(), Holder::this(target.job));
        let lock = Arc::new(Lock::join(&bucket, me, known).await?);
        let sink = Self::holding(Shared::new(target, bucket, (known, true), lock));
        if sink.shared.lock.check().is_err() && sink.shared.published().await?.is_none() {
            return Err(SinkError::Lost { out: sink.shared.uri().to_owned() });
        }
        Ok(sink)
    }

    fn holding(shared: Shared) -> Self {
        let mut renewal = JoinSet::new();
        let kept = Arc::clone(&shared.lock);
        renewal.spawn(async move { kept.keep().await });
        Self { shared: Arc::new(shared), _renewal: renewal }
    }
}

/// Looks at a target as the opening of a sink does, and refuses what that would refuse, but writes
/// and locks nothing. What a publication left that died is told from a result only under the lock.
///
/// # Errors
/// As [`S3Sink::open`].
pub async fn look_s3(target: &S3Target<'_>) -> Result<Standing, SinkError> {
    let bucket = Bucket::reach(target.bucket, target.prefix, &target.options).await?;
    let content = content(&bucket, target.is_ours).await?;
    if content.success.is_some() || content.foreign.is_some() {
        refuse(content.judge(target.mode, &[]), &bucket.uri())?;
    }
    let holds = content.success.is_some() || !content.public.is_empty();
    Ok(if holds { Standing::Earlier } else { Standing::Nothing })
}

impl fmt::Debug for S3Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Sink({})", self.shared.uri())
    }
}

#[async_trait]
impl Sink for S3Sink {
    fn uri(&self) -> &str {
        self.shared.uri()
    }

    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), SinkError> {
        match bytes.len() as u64 {
            0..=PART_BYTES => Box::pin(self.shared.put(name, bytes)).await,
            _ => put_in_parts(&self.shared, name, bytes).await,
        }
    }

    async fn create(&self, name: &str) -> Result<Box<dyn ObjectWriter>, SinkError> {
        self.shared.check_write(name)?;
        Ok(Box::new(Writer::begin(Arc::clone(&self.shared), name)))
    }

    async fn size(&self, name: &str) -> Result<u64, SinkError> {
        let key = self.shared.readable(name)?;
        let head = self.shared.bucket.head(&key).await?;
        head.map(|head| head.size).ok_or_else(|| missing(name))
    }

    async fn get(&self, name: &str) -> Result<Bytes, SinkError> {
        let key = self.shared.readable(name)?;
        let found = self.shared.bucket.get(&key).await?;
        found.map(|(bytes, _)| bytes).ok_or_else(|| missing(name))
    }

    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Bytes, SinkError> {
        let key = self.shared.readable(name)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let found = self.shared.bucket.get_part(&key, Some(range)).await?;
        found.map(|(bytes, _)| bytes).ok_or_else(|| missing(name))
    }

    async fn promote(&self, from: &str, to: &str) -> Result<(), SinkError> {
        self.shared.promote(from, to).await
    }

    async fn remove(&self, name: &str) -> Result<(), SinkError> {
        check_name(name)?;
        self.shared.before_removal(name).await?;
        Ok(self.shared.bucket.remove(&self.shared.bucket.key(name)).await?)
    }

    async fn remove_below(&self, folder: &str) -> Result<(), SinkError> {
        let folder = folder.trim_end_matches('/');
        check_name(folder)?;
        if !is_private(folder) {
            let why = "only folders under `_run/` may be removed as a whole";
            return Err(SinkError::BadName { name: folder.to_owned(), why });
        }
        self.shared.check_open()?;
        self.shared.remove_below(&format!("{folder}/")).await
    }

    async fn begin(&self, finals: &[String]) -> Result<(), SinkError> {
        for name in finals {
            check_name(name)?;
            if is_private(name) {
                let why = "names under `_run/` are not part of a result";
                return Err(SinkError::BadName { name: name.clone(), why });
            }
        }
        self.shared.begin(finals.iter().cloned().collect()).await
    }

    async fn commit(&self, success: Bytes) -> Result<(), SinkError> {
        self.shared.commit(success).await
    }

    async fn abort(&self) -> Result<(), SinkError> {
        self.shared.abort().await
    }

    fn resumed(&self) -> &[String] {
        self.shared.resumed.get().map_or(&[], Vec::as_slice)
    }

    async fn leave(&self) -> Result<Option<String>, SinkError> {
        self.shared.leave().await
    }

    async fn published(&self) -> Result<Option<Bytes>, SinkError> {
        if self.shared.member { self.shared.published().await } else { Ok(None) }
    }

    fn is_joint(&self) -> bool {
        self.shared.member
    }

    fn conditional_writes(&self) -> Option<bool> {
        Some(self.shared.fenced())
    }
}
