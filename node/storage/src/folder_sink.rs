//! Results in a local folder: built beside it, published in one rename.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tracing::warn;

use fruitnode_env::unique_name;

use crate::folder_writer::{FolderWriter, blocking, move_into_place};
use crate::joint;
use crate::publish::{Step, can_exchange, perform, plan};
use crate::resume::Resume;
use crate::sink::{Access, ObjectWriter, Sink, SinkError, check_name, is_private};
use crate::staging::Staging;
use crate::target::{self, Content};

/// What to do with an earlier result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Refuse to start.
    Error,
    /// Replace it, at the end and in one piece.
    Overwrite,
}

/// What a job asks of its target.
#[derive(Debug, Clone, Copy)]
pub struct FolderTarget<'a> {
    /// The folder that becomes the result.
    pub out: &'a Path,
    /// The folder the photographs come from, if they come from one. The target may lie in it, but
    /// not hold it.
    pub from: Option<&'a Path>,
    /// Name of the job.
    pub job: &'a str,
    /// What to do with an earlier result.
    pub mode: Mode,
    /// Whether a file, by its name below the target (the marker and `_run/` included), is part of a
    /// fruitnode result. Overwriting refuses where it finds another.
    pub is_ours: fn(&str) -> bool,
    /// What the job takes over of earlier ones, where no other process has a part in it.
    pub resume: Option<&'a Resume>,
}

/// The target folder of one job. Dropped without a commit, it leaves nothing behind.
#[derive(Clone)]
pub struct FolderSink {
    shared: Arc<Shared>,
}

struct Shared {
    uri: String,
    /// Absolute, without symbolic links.
    out: PathBuf,
    mode: Mode,
    is_ours: fn(&str) -> bool,
    job: String,
    /// Whether other processes write for the same job.
    joint: bool,
    resume: Option<Resume>,
    /// Names of what was taken over.
    resumed: Vec<String>,
    state: Mutex<State>,
    /// No other process has it: objects under construction are named after it.
    unique: String,
    /// Objects begun, to name those under construction apart.
    begun: AtomicU64,
}

/// What changes between `open` and `commit` or `abort`.
struct State {
    staging: Option<Arc<Staging>>,
    finals: Option<BTreeSet<String>>,
}

impl FolderSink {
    /// Prepares the target: makes the folders above it, removes what dead runs left, and refuses
    /// what would be refused at the end.
    pub fn open(target: &FolderTarget<'_>) -> Result<Self, SinkError> {
        Self::open_as(target, Access::Take)
    }

    /// Opens the target as [`Access`] says.
    pub fn open_as(target: &FolderTarget<'_>, access: Access) -> Result<Self, SinkError> {
        let uri = target.out.display().to_string();
        let out = target::resolve(target.out, target.from)?;
        // What is refused takes nothing away from the run that comes next.
        if access == Access::Take {
            replaces((&out, &uri), target.mode, target.is_ours)?;
        }
        let staging = joint::open((&out, &uri), target.job, (access, target.resume))?;
        let resumed = staging.as_ref().map(|staging| staging.resumed().to_vec());
        let state = State { staging: staging.map(Arc::new), finals: None };
        let shared = Shared {
            uri,
            out,
            mode: target.mode,
            is_ours: target.is_ours,
            job: target.job.to_owned(),
            joint: access != Access::Take,
            resume: target.resume.cloned().filter(|_| access == Access::Take),
            resumed: resumed.unwrap_or_default(),
            state: Mutex::new(state),
            unique: if access == Access::Take { String::new() } else { unique_name() },
            begun: AtomicU64::new(0),
        };
        if access != Access::Join {
            shared.replaces()?;
        }
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Runs file calls where they block nobody.
    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Shared) -> Result<T, SinkError> + Send + 'static,
    ) -> Result<T, SinkError> {
        let shared = Arc::clone(&self.shared);
        blocking(&self.shared.uri, move || call(&shared)).await
    }
}

impl fmt::Debug for FolderSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FolderSink({})", self.shared.uri)
    }
}

#[async_trait]
impl Sink for FolderSink {
    fn uri(&self) -> &str {
        &self.shared.uri
    }

    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), SinkError> {
        let name = name.to_owned();
        self.blocking(move |shared| {
            let mut writer = shared.create(&name)?;
            writer.append(&bytes)?;
            writer.appear().map(drop)
        })
        .await
    }

    async fn create(&self, name: &str) -> Result<Box<dyn ObjectWriter>, SinkError> {
        let name = name.to_owned();
        let writer = self.blocking(move |shared| shared.create(&name)).await?;
        Ok(Box::new(writer))
    }

    async fn size(&self, name: &str) -> Result<u64, SinkError> {
        let name = name.to_owned();
        self.blocking(move |shared| Ok(shared.open(&name)?.1)).await
    }

    async fn get(&self, name: &str) -> Result<Bytes, SinkError> {
        let name = name.to_owned();
        self.blocking(move |shared| {
            let (mut file, size, path) = shared.open_at(&name)?;
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            file.read_to_end(&mut bytes).map_err(|error| SinkError::from_io(&path, error))?;
            Ok(bytes.into())
        })
        .await
    }

    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Bytes, SinkError> {
        let name = name.to_owned();
        self.blocking(move |shared| {
            let (file, size, path) = shared.open_at(&name)?;
            let trouble = |error| SinkError::from_io(&path, error);
            let length = range.end.checked_sub(range.start).filter(|_| range.end <= size);
            let length = length.and_then(|length| usize::try_from(length).ok());
            let length = length.ok_or_else(|| trouble(io::ErrorKind::UnexpectedEof.into()))?;
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, range.start).map_err(trouble)?;
            Ok(bytes.into())
        })
        .await
    }

    async fn promote(&self, from: &str, to: &str) -> Result<(), SinkError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.blocking(move |shared| shared.promote(&from, &to)).await
    }

    async fn remove(&self, name: &str) -> Result<(), SinkError> {
        let name = name.to_owned();
        self.blocking(move |shared| {
            check_name(&name)?;
            let path = shared.staging()?.out().join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed.map_err(|error| SinkError::from_io(&path, error)),
            }
        })
        .await
    }

    async fn remove_below(&self, folder: &str) -> Result<(), SinkError> {
        let folder = folder.trim_end_matches('/').to_owned();
        self.blocking(move |shared| {
            check_name(&folder)?;
            if !is_private(&folder) {
                let why = "only folders under `_run/` may be removed as a whole";
                return Err(SinkError::BadName { name: folder, why });
            }
            let path = shared.staging()?.out().join(folder);
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed.map_err(|error| SinkError::from_io(&path, error)),
            }
        })
        .await
    }

    async fn begin(&self, finals: &[String]) -> Result<(), SinkError> {
        self.shared.staging()?;
        for name in finals {
            check_name(name)?;
            if is_private(name) {
                let why = "names under `_run/` are not part of a result";
                return Err(SinkError::BadName { name: name.clone(), why });
            }
        }
        self.shared.lock().finals = Some(finals.iter().cloned().collect());
        if self.shared.joint {
            self.blocking(|shared| shared.staging()?.set_work_aside(&shared.job, false)).await?;
        }
        Ok(())
    }

    async fn commit(&self, success: Bytes) -> Result<(), SinkError> {
        self.blocking(move |shared| match shared.joint {
            true => shared.commit_in_turn(&success),
            false => shared.commit(&success),
        })
        .await
    }

    async fn published(&self) -> Result<Option<Bytes>, SinkError> {
        if !self.shared.joint {
            return Ok(None);
        }
        self.blocking(|shared| {
            let published = joint::published(&shared.out, &shared.job)?;
            if published.is_some() {
                shared.leave();
            }
            Ok(published.map(Bytes::from))
        })
        .await
    }

    fn is_joint(&self) -> bool {
        self.shared.joint
    }

    async fn abort(&self) -> Result<(), SinkError> {
        self.blocking(|shared| {
            let staging = shared.lock().staging.take();
            staging.map_or(Ok(()), |staging| staging.remove())
        })
        .await
    }

    fn resumed(&self) -> &[String] {
        &self.shared.resumed
    }

    async fn leave(&self) -> Result<Option<String>, SinkError> {
        self.blocking(|shared| {
            let Some(staging) = shared.lock().staging.take() else { return Ok(None) };
            let Some(resume) = &shared.resume else { return staging.remove().map(|()| None) };
            match staging.leave(&shared.job, resume) {
                Ok(left) => Ok(Some(left.display().to_string())),
                Err(error) => staging.remove().and(Err(error)),
            }
        })
        .await
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn staging(&self) -> Result<Arc<Staging>, SinkError> {
        self.lock().staging.clone().ok_or(SinkError::Closed)
    }

    fn create(&self, name: &str) -> Result<FolderWriter, SinkError> {
        self.check_write(name)?;
        let staging = self.staging()?;
        let (tmp, to) = (self.tmp(&staging), staging.out().join(name));
        FolderWriter::create(tmp, to, staging)
    }

    /// A public name is written only once it is announced.
    fn check_write(&self, name: &str) -> Result<(), SinkError> {
        check_name(name)?;
        let state = self.lock();
        match &state.finals {
            _ if is_private(name) => Ok(()),
            None => Err(SinkError::NotBegun { name: name.to_owned() }),
            Some(finals) if finals.contains(name) => Ok(()),
            Some(_) => Err(SinkError::NotAnnounced { name: name.to_owned() }),
        }
    }

    fn tmp(&self, staging: &Staging) -> PathBuf {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        staging.tmp().join(format!("{}{number}", self.unique))
    }

    fn open(&self, name: &str) -> Result<(File, u64), SinkError> {
        self.open_at(name).map(|(file, size, _)| (file, size))
    }

    fn open_at(&self, name: &str) -> Result<(File, u64, PathBuf), SinkError> {
        check_name(name)?;
        let path = self.staging()?.out().join(name);
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
        match opened {
            Ok((metadata, file)) if metadata.is_file() => Ok((file, metadata.len(), path)),
            Ok(_) => Err(SinkError::Missing { name: name.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(SinkError::Missing { name: name.to_owned() })
            }
            Err(error) => Err(SinkError::from_io(&path, error)),
        }
    }

    fn promote(&self, from: &str, to: &str) -> Result<(), SinkError> {
        self.check_write(to)?;
        let (_, _, origin) = self.open_at(from)?;
        let staging = self.staging()?;
        let (tmp, to) = (self.tmp(&staging), staging.out().join(to));
        // Some file systems have no hard links, and all have a limit of links per file.
        let made = fs::hard_link(&origin, &tmp).or_else(|_| fs::copy(&origin, &tmp).map(drop));
        made.map_err(|error| SinkError::from_io(&tmp, error))?;
        let moved = move_into_place(&tmp, &to);
        // A rename between two links of one file does nothing, and leaves both.
        let _ = fs::remove_file(&tmp);
        moved
    }

    fn replaces(&self) -> Result<bool, SinkError> {
        replaces((&self.out, &self.uri), self.mode, self.is_ours)
    }

    /// The same, when no other process of the job is at it; one that was first is enough.
    fn commit_in_turn(&self, success: &[u8]) -> Result<(), SinkError> {
        let staging = self.staging()?;
        let turn = staging.take_turn()?;
        if joint::published(&self.out, &self.job)?.is_some() {
            self.leave();
            return Ok(());
        }
        if turn.is_none() {
            return Err(SinkError::Lost { out: self.uri.clone() });
        }
        staging.say_committed(&self.job, success)?;
        self.commit(success)
    }

    /// Removes the folder that a published result was built in. If that fails it stays, until the
    /// next run for this target.
    fn leave(&self) {
        let Some(staging) = self.lock().staging.take() else { return };
        if let Err(error) = staging.remove() {
            warn!(%error, "the result is published, but its staging folder cannot be removed");
        }
    }

    fn commit(&self, success: &[u8]) -> Result<(), SinkError> {
        let staging = self.staging()?;
        let finals = self.lock().finals.clone().unwrap_or_default();
        let written = target::public_names(&staging.out())?;
        if let Some(name) = finals.difference(&written).next() {
            return Err(SinkError::Incomplete { name: name.clone() });
        }
        if let Some(name) = written.difference(&finals).next() {
            return Err(SinkError::NotAnnounced { name: name.clone() });
        }
        let replaces = self.replaces()?;
        let exchange = replaces && can_exchange(&staging)?;
        if replaces && !exchange {
            warn!(
                out = self.uri,
                "this file system cannot swap two folders atomically: the target is missing for an \
                 instant while the result is replaced"
            );
        }
        target::keep_permissions(&self.out, &staging.out())?;
        for step in plan(replaces, exchange) {
            if self.joint && matches!(step, Step::Rename | Step::Exchange) {
                staging.set_work_aside(&self.job, true)?;
            }
            match perform(step, &staging, &self.out, success) {
                Err(error) if step == Step::RemoveStaging => {
                    warn!(%error, "the result is published, but its staging folder cannot be \
                                   removed");
                }
                done => done?,
            }
        }
        self.lock().staging = None;
        Ok(())
    }
}

/// Whether there is an earlier result to replace. An error if the target holds what must stay.
fn replaces(
    (out, uri): (&Path, &str),
    mode: Mode,
    is_ours: fn(&str) -> bool,
) -> Result<bool, SinkError> {
    let out_words = || uri.to_owned();
    match target::content(out, is_ours)? {
        Content::Nothing => Ok(false),
        Content::Ours if mode == Mode::Overwrite => Ok(true),
        Content::Foreign(name) if mode == Mode::Overwrite => {
            Err(SinkError::Foreign { out: out_words(), name })
        }
        Content::Ours | Content::Foreign(_) => Err(SinkError::Taken { out: out_words() }),
    }
}
