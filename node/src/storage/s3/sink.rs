//! Results on S3: written object by object, valid with the marker, which comes last.
//!
//! A lock keeps others away. Before the first public object changes, what is about to change is
//! written down, so that the next run can tell what a publication left that died.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::storage::folder_sink::Mode;
use crate::storage::look::Standing;
use crate::storage::s3::bucket::{Bucket, Query};
use crate::storage::s3::connect::S3Options;
use crate::storage::s3::earlier::{Announced, Content, Verdict, announced_name};
use crate::storage::s3::holder::Holder;
use crate::storage::s3::lock::Lock;
use crate::storage::s3::probe::{Conditions, probe};
use crate::storage::s3::unfinished::give_up_dead_uploads;
use crate::storage::s3::upload::{Upload, Writer};
use crate::storage::s3::write::{Condition, Written};
use crate::storage::sink::{ObjectWriter, SUCCESS, Sink, SinkError, check_name, is_private};

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
    /// Where S3 is.
    pub options: S3Options,
}

/// The target prefix of one job. Its lock is renewed while it lives.
pub struct S3Sink {
    shared: Arc<Shared>,
    /// Renews the lock; ends with the sink.
    _renewal: JoinSet<()>,
}

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
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    finals: Option<BTreeSet<String>>,
    /// Names that were there before this job changed any.
    old: BTreeSet<String>,
    closed: bool,
}

impl S3Sink {
    /// Prepares the target: takes its lock, removes what dead runs left, and refuses what would be
    /// refused at the end.
    pub async fn open(target: &S3Target<'_>) -> Result<Self, SinkError> {
        check_name(target.job)?;
        let bucket = Bucket::reach(target.bucket, target.prefix, &target.options).await?;
        let uri = bucket.uri();
        // What cannot end well is refused before anything is written, and without a wait.
        let content = content(&bucket, target.is_ours).await?;
        if content.success || content.foreign.is_some() {
            refuse(content.judge(target.mode, &[]), &uri)?;
        }
        let conditions = probe(&bucket, target.job).await?;
        let me = Holder::this(target.job);
        let lock = Arc::new(Lock::take(&bucket, me, conditions).await?);
        let mut renewal = JoinSet::new();
        let kept = Arc::clone(&lock);
        renewal.spawn(async move { kept.keep().await });
        let shared = Shared {
            uri,
            bucket,
            job: target.job.to_owned(),
            mode: target.mode,
            is_ours: target.is_ours,
            conditions,
            copies_conditionally: AtomicBool::new(conditions.create),
            lock,
            state: Mutex::default(),
        };
        if let Err(error) = shared.clear().await {
            // The next run would find a lock that nobody renews, and wait.
            if let Err(error) = shared.lock.release().await {
                warn!(%error, "the lock of the target stays; the next run takes it over");
            }
            return Err(error);
        }
        Ok(Self { shared: Arc::new(shared), _renewal: renewal })
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
    if content.success || content.foreign.is_some() {
        refuse(content.judge(target.mode, &[]), &bucket.uri())?;
    }
    let holds = content.success || !content.public.is_empty();
    Ok(if holds { Standing::Earlier } else { Standing::Nothing })
}

impl fmt::Debug for S3Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Sink({})", self.shared.uri)
    }
}

#[async_trait]
impl Sink for S3Sink {
    fn uri(&self) -> &str {
        &self.shared.uri
    }

    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), SinkError> {
        self.shared.put(name, bytes).await
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
        self.shared.check_open()?;
        Ok(self.shared.bucket.remove(&self.shared.bucket.key(name)).await?)
    }

    async fn remove_below(&self, folder: &str) -> Result<(), SinkError> {
        let folder = folder.trim_end_matches('/');
        check_name(folder)?;
        if !is_private(folder) {
            let why = "only folders under `_run/` are removed as a whole";
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

    fn conditional_writes(&self) -> Option<bool> {
        Some(self.shared.conditions.all())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error once the job has ended.
    pub(super) fn check_open(&self) -> Result<(), SinkError> {
        if self.state().closed { Err(SinkError::Closed) } else { Ok(()) }
    }

    fn readable(&self, name: &str) -> Result<String, SinkError> {
        check_name(name)?;
        self.check_open()?;
        Ok(self.bucket.key(name))
    }

    /// A public name is written only once it is announced.
    fn check_write(&self, name: &str) -> Result<(), SinkError> {
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

    /// Writes a whole object.
    pub(super) async fn put(&self, name: &str, bytes: Bytes) -> Result<(), SinkError> {
        self.before_public(name).await?;
        let key = self.bucket.key(name);
        let public = !is_private(name);
        let condition = if public { self.conditions.absent() } else { Condition::None };
        match self.bucket.put(&key, bytes.clone(), condition).await? {
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

    async fn promote(&self, from: &str, to: &str) -> Result<(), SinkError> {
        check_name(from)?;
        self.before_public(to).await?;
        let (source, key) = (self.bucket.key(from), self.bucket.key(to));
        let fenced = !is_private(to) && self.copies_conditionally.load(Ordering::Relaxed);
        let condition = if fenced { Condition::Absent } else { Condition::None };
        let mut written = self.bucket.copy(&source, &key, condition).await?;
        if written == Some(Written::Unsupported) {
            self.copies_conditionally.store(false, Ordering::Relaxed);
            written = self.bucket.copy(&source, &key, Condition::None).await?;
        }
        match written {
            Some(Written::Done(_)) => Ok(()),
            Some(Written::Unmet | Written::Unsupported) => self.check_copy(&source, &key).await,
            None => {
                let head = self.bucket.head(&source).await?.ok_or_else(|| missing(from))?;
                let upload = Upload::begin(&self.bucket, &key).await?;
                Ok(upload.copy(&source, head.size).await?)
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

    async fn remove_below(&self, folder: &str) -> Result<(), SinkError> {
        let listed = self.bucket.all(&self.bucket.key(folder)).await?;
        let keys: Vec<String> = listed.into_iter().map(|object| object.key).collect();
        Ok(self.bucket.remove_all(&keys).await?)
    }

    async fn remove_names<'n>(
        &self,
        names: impl IntoIterator<Item = &'n String>,
    ) -> Result<(), SinkError> {
        let keys: Vec<String> = names.into_iter().map(|name| self.bucket.key(name)).collect();
        Ok(self.bucket.remove_all(&keys).await?)
    }

    /// Removes what dead runs left: whoever holds the lock knows that they are dead.
    async fn clear(&self) -> Result<(), SinkError> {
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

    async fn begin(&self, finals: BTreeSet<String>) -> Result<(), SinkError> {
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
        self.bucket.put(&key, announced.into(), Condition::None).await?;
        {
            let mut state = self.state();
            state.finals = Some(finals);
            state.old = old;
        }
        // The earlier result ends before any part of it goes.
        self.bucket.remove(&self.bucket.key(SUCCESS)).await?;
        self.remove_names(&content.public).await
    }

    async fn commit(&self, success: Bytes) -> Result<(), SinkError> {
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
        let put = self.bucket.put(&key, success.clone(), self.conditions.absent()).await?;
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

    async fn abort(&self) -> Result<(), SinkError> {
        let begun = {
            let mut state = self.state();
            if std::mem::replace(&mut state.closed, true) {
                return Ok(());
            }
            state.finals.clone()
        };
        let cleaned = self.give_up(begun).await;
        self.lock.release().await?;
        cleaned
    }

    /// Public names go first: what was announced says that they are debris.
    async fn give_up(&self, begun: Option<BTreeSet<String>>) -> Result<(), SinkError> {
        if let Some(finals) = begun {
            match self.lock.ensure().await {
                Ok(()) => self.remove_names(&finals).await?,
                // By now they may be another job's.
                Err(SinkError::Lost { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.remove_below(&format!("_run/{}/", self.job)).await
    }
}

/// Names below a target, up to the first that is no part of a result.
async fn content(bucket: &Bucket, is_ours: fn(&str) -> bool) -> Result<Content, SinkError> {
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

fn refuse(verdict: Verdict, uri: &str) -> Result<(), SinkError> {
    let out = uri.to_owned();
    match verdict {
        Verdict::Free | Verdict::Replace | Verdict::Debris => Ok(()),
        Verdict::Taken => Err(SinkError::Taken { out }),
        Verdict::Foreign(name) => Err(SinkError::Foreign { out, name }),
    }
}

fn missing(name: &str) -> SinkError {
    SinkError::Missing { name: name.to_owned() }
}
