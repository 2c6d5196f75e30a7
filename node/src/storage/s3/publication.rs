//! What a job does to its target on S3, step by step, under its lock.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::RwLock;
use tracing::{info, warn};

use crate::storage::folder_sink::Mode;
use crate::storage::s3::bucket::{Bucket, Query};
use crate::storage::s3::earlier::{Announced, Content, Verdict, announced_name};
use crate::storage::s3::error::S3Error;
use crate::storage::s3::lock::Lock;
use crate::storage::s3::probe::Conditions;
use crate::storage::s3::sink::S3Target;
use crate::storage::s3::unfinished::give_up_dead_uploads;
use crate::storage::s3::upload::Upload;
use crate::storage::s3::write::{Condition, DELETE_KEYS_MAX, Written};
use crate::storage::sink::{SUCCESS, SinkError, check_name, is_private};

/// What the sink and the objects under construction share.
pub(super) struct Shared {
    uri: String,
    pub(super) bucket: Bucket,
    job: String,
    mode: Mode,
    is_ours: fn(&str) -> bool,
    conditions: Conditions,
    /// Whether copies take conditions: known when the first one was tried.
    copies_conditionally: AtomicBool,
    lock: Arc<Lock>,
    /// Held for reading by every write that was sent: what the server may still carry out.
    under_way: Arc<RwLock<()>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    finals: Option<BTreeSet<String>>,
    /// Names that were there before this job changed any.
    old: BTreeSet<String>,
    closed: bool,
}

impl Shared {
    /// Of a target whose lock is held.
    pub(super) fn new(
        target: &S3Target<'_>,
        bucket: Bucket,
        conditions: Conditions,
        lock: Arc<Lock>,
    ) -> Self {
        Self {
            uri: bucket.uri(),
            bucket,
            job: target.job.to_owned(),
            mode: target.mode,
            is_ours: target.is_ours,
            conditions,
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

    fn state(&self) -> MutexGuard<'_, State> {
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
    /// the job's own names nobody else has any.
    pub(super) async fn before_public(&self, name: &str) -> Result<(), SinkError> {
        self.check_write(name)?;
        if is_private(name) { self.lock.check() } else { self.lock.ensure().await }
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

    async fn send(
        &self,
        key: &str,
        bytes: Bytes,
        condition: Condition<'static>,
    ) -> Result<Written, SinkError> {
        let (bucket, key) = (self.bucket.clone(), key.to_owned());
        self.to_the_end(Box::pin(async move { bucket.put(&key, bytes, condition).await })).await
    }

    async fn copy(
        &self,
        from: &str,
        to: &str,
        condition: Condition<'static>,
    ) -> Result<Option<Written>, SinkError> {
        let (bucket, from, to) = (self.bucket.clone(), from.to_owned(), to.to_owned());
        self.to_the_end(Box::pin(async move { bucket.copy(&from, &to, condition).await })).await
    }

    /// Writes a whole object.
    pub(super) async fn put(&self, name: &str, bytes: Bytes) -> Result<(), SinkError> {
        self.before_public(name).await?;
        let key = self.bucket.key(name);
        let public = !is_private(name);
        let condition = if public { self.conditions.absent() } else { Condition::None };
        match self.send(&key, bytes.clone(), condition).await? {
            Written::Done(_) => Ok(()),
            Written::Unmet | Written::Unsupported => self.check_same(&key, &bytes).await,
        }
    }

    /// What stands in the way of a write must be the same bytes: an answer was lost.
    async fn check_same(&self, key: &str, bytes: &Bytes) -> Result<(), SinkError> {
        match self.bucket.get(key).await? {
            Some((found, _)) if found == bytes => Ok(()),
            _ => Err(SinkError::Overwritten { place: self.bucket.place(key) }),
        }
    }

    /// Copies an object to another name.
    pub(super) async fn promote(&self, from: &str, to: &str) -> Result<(), SinkError> {
        check_name(from)?;
        self.before_public(to).await?;
        let (source, key) = (self.bucket.key(from), self.bucket.key(to));
        let fenced = !is_private(to) && self.copies_conditionally.load(Ordering::Relaxed);
        let condition = if fenced { Condition::Absent } else { Condition::None };
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

    /// What stands in the way of a copy must be that copy: an answer was lost.
    async fn check_copy(&self, source: &str, key: &str) -> Result<(), SinkError> {
        let (due, found) = (self.bucket.head(source).await?, self.bucket.head(key).await?);
        match (due, found) {
            (Some(due), Some(found)) if due == found => Ok(()),
            (Some(due), Some(found)) if due.size == found.size => {
                // Parts, or encryption, give equal bytes another `ETag`.
                let bytes = self.bucket.get(source).await?.map(|(bytes, _)| bytes);
                self.check_same(key, &bytes.unwrap_or_default()).await
            }
            _ => Err(SinkError::Overwritten { place: self.bucket.place(key) }),
        }
    }

    /// Removes everything below a name that ends with `/`.
    pub(super) async fn remove_below(&self, folder: &str) -> Result<(), SinkError> {
        let listed = self.bucket.all(&self.bucket.key(folder)).await?;
        let keys: Vec<String> = listed.into_iter().map(|object| object.key).collect();
        Ok(self.bucket.remove_all(&keys).await?)
    }

    async fn remove_names<'n>(
        &self,
        names: impl IntoIterator<Item = &'n String>,
    ) -> Result<(), SinkError> {
        let keys: Vec<String> = names.into_iter().map(|name| self.bucket.key(name)).collect();
        for keys in keys.chunks(DELETE_KEYS_MAX) {
            // By now they may be another job's.
            self.lock.ensure().await?;
            self.bucket.remove_all(keys).await?;
        }
        Ok(())
    }

    /// Removes what dead runs left: whoever holds the lock knows that they are dead. If that fails,
    /// or the target may not be used, the lock is let go.
    pub(super) async fn clear(&self) -> Result<(), SinkError> {
        let cleared = self.clear_dead().await;
        if cleared.is_err()
            && let Err(error) = self.lock.release().await
        {
            warn!(%error, "the lock of the target stays; the next run takes it over");
        }
        cleared
    }

    async fn clear_dead(&self) -> Result<(), SinkError> {
        let content = content(&self.bucket, self.is_ours).await?;
        let mut announced = Vec::new();
        for name in content.announcements(&self.job) {
            let found = self.bucket.get(&self.bucket.key(&name)).await?;
            announced.extend(found.and_then(|(bytes, _)| Announced::decode(&bytes)));
        }
        match content.judge(self.mode, &announced) {
            Verdict::Debris => {
                self.remove_names(&content.public).await?;
                let objects = content.public.len();
                info!(out = self.uri, objects, "removed what a dead publication left");
            }
            verdict => refuse(verdict, &self.uri)?,
        }
        self.remove_names(&content.dead(&self.job)).await?;
        give_up_dead_uploads(&self.bucket, self.is_ours).await?;
        Ok(())
    }

    /// Writes down what is about to change, and clears the way for it.
    pub(super) async fn begin(&self, finals: BTreeSet<String>) -> Result<(), SinkError> {
        self.check_open()?;
        self.lock.ensure().await?;
        let content = content(&self.bucket, self.is_ours).await?;
        let (again, old) = {
            let state = self.state();
            (state.finals.is_some(), &state.old | &content.public)
        };
        if !again {
            refuse(content.judge(self.mode, &[]), &self.uri)?;
        }
        let announced = Announced::new(old.clone(), finals.clone()).encode();
        let key = self.bucket.key(&announced_name(&self.job));
        self.send(&key, announced.into(), Condition::None).await?;
        {
            let mut state = self.state();
            state.finals = Some(finals);
            state.old = old;
        }
        // The earlier result ends before any part of it goes.
        self.bucket.remove(&self.bucket.key(SUCCESS)).await?;
        self.remove_names(&content.public).await
    }

    /// Writes the marker, if all that was announced is there and nothing else.
    pub(super) async fn commit(&self, success: Bytes) -> Result<(), SinkError> {
        self.check_open()?;
        let finals = self.state().finals.clone().unwrap_or_default();
        let written = content(&self.bucket, self.is_ours).await?;
        if let Some(name) = finals.difference(&written.public).next() {
            return Err(SinkError::Incomplete { name: name.clone() });
        }
        if let Some(name) = written.public.difference(&finals).next().or(written.foreign.as_ref()) {
            return Err(SinkError::NotAnnounced { name: name.clone() });
        }
        self.lock.ensure().await?;
        let key = self.bucket.key(SUCCESS);
        let put = self.send(&key, success.clone(), self.conditions.absent()).await?;
        if !matches!(put, Written::Done(_)) {
            self.check_same(&key, &success).await?;
        }
        self.state().closed = true;
        let announced = self.bucket.key(&announced_name(&self.job));
        if let Err(error) = self.bucket.remove(&announced).await {
            warn!(%error, "the result is published; what was announced stays until the next run");
        }
        if let Err(error) = self.lock.release().await {
            warn!(%error, "the result is published; its lock stays until the next run");
        }
        Ok(())
    }

    /// Removes all that the job wrote.
    pub(super) async fn abort(&self) -> Result<(), SinkError> {
        let begun = {
            let mut state = self.state();
            let ended = std::mem::replace(&mut state.closed, true);
            if ended { None } else { Some(state.finals.clone()) }
        };
        let Some(begun) = begun else {
            // A commit that was cut off may have left the lock.
            return self.lock.release().await;
        };
        let _none_under_way = self.under_way.write().await;
        let cleaned = self.give_up(begun).await;
        self.lock.release().await?;
        cleaned
    }

    /// Public names go first: what was announced says that they are debris.
    async fn give_up(&self, begun: Option<BTreeSet<String>>) -> Result<(), SinkError> {
        if let Some(finals) = begun {
            match self.lock.ensure().await {
                Ok(()) => {
                    // A commit that was cut off may have written it.
                    self.bucket.remove(&self.bucket.key(SUCCESS)).await?;
                    self.remove_names(&finals).await?;
                }
                // By now they may be another job's.
                Err(SinkError::Lost { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.remove_below(&format!("_run/{}/", self.job)).await
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
            if !content.meet(name, object.size, is_ours) {
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
