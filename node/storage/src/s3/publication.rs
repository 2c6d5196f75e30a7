//! What a job asks of its target on S3, and does to it, step by step, under its lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::RwLock;

use crate::folder_sink::Mode;
use crate::resume::Resume;
use crate::s3::bucket::{Bucket, Query};
use crate::s3::connect::S3Options;
use crate::s3::earlier::{Content, Verdict};
use crate::s3::error::S3Error;
use crate::s3::lock::Lock;
use crate::s3::probe::Conditions;
use crate::s3::write::Doomed;
use crate::sink::{SinkError, check_name, is_private};

/// What a job asks of its target on S3.
#[derive(Debug, Clone)]
pub struct S3Target<'a> {
    /// Name of the bucket.
    pub bucket: &'a str,
    /// What every key of the result begins with: empty, or ends with `/`.
    pub prefix: &'a str,
    /// Name of the job.
    pub job: &'a str,
    /// What to do with an earlier result.
    pub mode: Mode,
    /// Whether an object, by its name below the target (the marker and `_run/` included), is part
    /// of a fruitnode result.
    pub is_ours: fn(&str) -> bool,
    /// What the job takes over of earlier ones, where no other process has a part in it.
    pub resume: Option<&'a Resume>,
    /// Where S3 is.
    pub options: S3Options,
}

/// What the sink and the objects under construction share.
pub(super) struct Shared {
    pub(super) uri: String,
    pub(super) bucket: Bucket,
    pub(super) job: String,
    pub(super) mode: Mode,
    pub(super) is_ours: fn(&str) -> bool,
    pub(super) conditions: Conditions,
    /// Whether other nodes write for the same job.
    pub(super) member: bool,
    pub(super) resume: Option<Resume>,
    /// Names of what was taken over.
    pub(super) resumed: OnceLock<Vec<String>>,
    /// Whether copies take conditions: known when the first one was tried.
    pub(super) copies_conditionally: AtomicBool,
    pub(super) lock: Arc<Lock>,
    /// Held for reading by every write that was sent: what the server may still carry out.
    pub(super) under_way: Arc<RwLock<()>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) finals: Option<BTreeSet<String>>,
    /// Names that were there before this job changed any, with their `ETag`s.
    pub(super) old: BTreeMap<String, String>,
    pub(super) closed: bool,
    /// Keys of what this process wrote to be copied to public names.
    pub(super) staged: Vec<String>,
}

impl Shared {
    /// Of a target whose lock is held.
    pub(super) fn new(
        target: &S3Target<'_>,
        bucket: Bucket,
        (conditions, member): (Conditions, bool),
        lock: Arc<Lock>,
    ) -> Self {
        Self {
            uri: bucket.uri(),
            bucket,
            job: target.job.to_owned(),
            mode: target.mode,
            is_ours: target.is_ours,
            conditions,
            member,
            resume: target.resume.cloned().filter(|_| !member),
            resumed: OnceLock::new(),
            copies_conditionally: AtomicBool::new(conditions.create),
            lock,
            under_way: Arc::default(),
            state: Mutex::default(),
        }
    }

    /// The target, as users write it.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// Whether the server honours every condition.
    pub(super) fn fenced(&self) -> bool {
        self.conditions.all()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error once the job has ended.
    pub(super) fn check_open(&self) -> Result<(), SinkError> {
        if self.state().closed { Err(SinkError::Closed) } else { Ok(()) }
    }

    /// The key of a name that may be read.
    pub(super) fn readable(&self, name: &str) -> Result<String, SinkError> {
        check_name(name)?;
        self.check_open()?;
        Ok(self.bucket.key(name))
    }

    /// A public name is written only once it is announced.
    pub(super) fn check_write(&self, name: &str) -> Result<(), SinkError> {
        check_name(name)?;
        self.check_open()?;
        let state = self.state();
        match &state.finals {
            _ if is_private(name) => Ok(()),
            None => Err(SinkError::NotBegun { name: name.to_owned() }),
            Some(finals) if finals.contains(name) => Ok(()),
            Some(_) => Err(SinkError::NotAnnounced { name: name.to_owned() }),
        }
    }

    /// Whether the name may be written at this moment. For a public one the lock must be ours; of
    /// the job's own names nobody else has any. Where the job has several nodes, one that was not
    /// heard of for long may wake up when the others have ended it: then it writes nothing at all.
    pub(super) async fn before_write(&self, name: &str) -> Result<(), SinkError> {
        self.check_write(name)?;
        match is_private(name) && !self.member {
            true => self.lock.check(),
            false => self.lock.ensure().await,
        }
    }

    /// Whether the name may be removed at this moment.
    pub(super) async fn before_removal(&self, name: &str) -> Result<(), SinkError> {
        self.check_open()?;
        match is_private(name) && !self.member {
            true => Ok(()),
            false => self.lock.ensure().await,
        }
    }

    /// Carries a write out to its end, even if nobody waits for it any more: a request that was
    /// sent cannot be taken back, and must not arrive after what it belongs to was removed.
    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        write: BoxFuture<'static, Result<T, S3Error>>,
    ) -> Result<T, SinkError> {
        let pass = Arc::clone(&self.under_way).read_owned().await;
        // Whoever gave up meanwhile waits for nothing that comes later.
        self.check_open()?;
        let carried_out = Handle::current().spawn(async move {
            let _pass = pass;
            write.await
        });
        match carried_out.await {
            Ok(done) => Ok(done?),
            Err(ended) => {
                Err(SinkError::Unavailable { place: self.uri.clone(), source: Box::new(ended) })
            }
        }
    }

    /// Removes everything below a name that ends with `/`.
    pub(super) async fn remove_below(&self, folder: &str) -> Result<(), SinkError> {
        let listed = self.bucket.all(&self.bucket.key(folder)).await?;
        if self.member {
            self.lock.ensure().await?;
        }
        let doomed = listed.into_iter().map(|object| Doomed { key: object.key, etag: None });
        self.bucket.remove_all(&doomed.collect::<Vec<_>>()).await?;
        Ok(())
    }
}

/// Names below a target, up to the first that is no part of a result.
pub(super) async fn content(
    bucket: &Bucket,
    is_ours: fn(&str) -> bool,
) -> Result<Content, SinkError> {
    let (mut content, mut next) = (Content::default(), None);
    loop {
        let query = Query { prefix: &bucket.prefix, next, ..Query::default() };
        let page = bucket.page(query).await?;
        for object in &page.objects {
            let name = object.key.strip_prefix(&bucket.prefix).unwrap_or(&object.key);
            if !content.meet(name, (object.size, object.etag.as_deref()), is_ours) {
                return Ok(content);
            }
        }
        next = page.next;
        if next.is_none() {
            return Ok(content);
        }
    }
}

/// The error that a verdict amounts to.
pub(super) fn refuse(verdict: Verdict, uri: &str) -> Result<(), SinkError> {
    let out = uri.to_owned();
    match verdict {
        Verdict::Free | Verdict::Replace | Verdict::Debris => Ok(()),
        Verdict::Taken => Err(SinkError::Taken { out }),
        Verdict::Foreign(name) => Err(SinkError::Foreign { out, name }),
    }
}

/// An object that is not there.
pub(super) fn missing(name: &str) -> SinkError {
    SinkError::Missing { name: name.to_owned() }
}
