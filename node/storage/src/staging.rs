//! The hidden folder beside the target in which a job builds its result.
//!
//! It holds `lock` (held by `flock` while the process lives, however it dies), `out` (the result)
//! and `tmp` (objects under construction); `old` appears while a result is replaced. One whose lock
//! can be taken belongs to a run that has ended, and the next run for the same target removes it,
//! after it has taken over what [`Resume`] says.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tracing::{info, warn};

use crate::files::names_in;
use crate::resume::Resume;
use crate::sink::{SinkError, check_name};

const MARK: &str = ".fruitnode-";
pub(super) const LOCK: &str = "lock";

/// What a lock file says at most, in bytes.
const HOLDER_BYTES_MAX: u64 = 512;

/// A staging folder of this process. Dropped, it goes with all it holds, unless others share it.
#[derive(Debug)]
pub(super) struct Staging {
    path: PathBuf,
    target: PathBuf,
    /// Whether it has been removed: by now the name may belong to another run.
    removed: AtomicBool,
    /// Whether other processes build in it: then it stays when this one is done.
    joint: bool,
    /// Names, below the target, of what was taken over from dead runs.
    resumed: Vec<String>,
    /// Keeps the lock; the system lets go of it when the process ends.
    _lock: File,
}

/// Whether a folder met in a listing is a place where a result is built.
pub(super) fn is_staging(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    name.starts_with(b".") && holds_mark(name) && path.join(LOCK).is_file()
}

impl Staging {
    /// Makes the folder beside `out`, which is absolute, and removes those of dead runs after
    /// taking over what the job resumes.
    ///
    /// `job` must be fit for a file name. The folder above `out` must be there.
    pub(super) fn open(out: &Path, job: &str, resume: Option<&Resume>) -> Result<Self, SinkError> {
        check_name(job)?;
        if job.contains('/') || job.contains(MARK) {
            let why = "the name of a job holds no `/` and no `.fruitnode-`";
            return Err(SinkError::BadName { name: job.to_owned(), why });
        }
        let parent = out.parent().unwrap_or(out);
        // Between looking for others and holding our own lock nobody else may look.
        let _turn = turn(parent)?;
        let prefix = prefix_of(out);
        let mut dead = Vec::new();
        for name in stagings(&prefix, parent)? {
            let path = parent.join(name);
            dead.extend(hold_dead(&path, out)?.map(|held| (path, held)));
        }
        let mut name = prefix;
        name.push(job);
        let path = parent.join(name);
        // A dead run of the same name has nothing to give to itself.
        if let Some(same) = dead.iter().position(|(dead, _)| *dead == path) {
            clear(&dead.remove(same).0, out)?;
        }
        fs::create_dir(&path).map_err(|error| SinkError::from_io(&path, error))?;
        let lock = path.join(LOCK);
        let prepared = take_lock(&lock, true).and_then(|file| {
            let mut file = file.ok_or_else(|| io::Error::from(Errno::WOULDBLOCK))?;
            let host = rustix::system::uname();
            let host = host.nodename().to_string_lossy();
            write!(file, "job {job}, process {} on {host}", process::id())?;
            fs::create_dir(path.join("out"))?;
            fs::create_dir(path.join("tmp"))?;
            Ok(file)
        });
        let mut staging = match prepared {
            Ok(lock) => Self::held(path, out.to_path_buf(), lock, false),
            Err(error) => {
                let _ = fs::remove_dir_all(&path);
                return Err(lock_trouble(out, &lock, error));
            }
        };
        // Before anything is taken over: it must not be lost if this run dies amid it.
        if let Some(resume) = resume {
            let checkpoint = staging.out().join(resume.checkpoint_of(job));
            make_file(&checkpoint).map_err(|error| SinkError::from_io(&checkpoint, error))?;
        }
        for (path, _held) in dead {
            if let Some(resume) = resume {
                staging.take_over(&path, job, resume)?;
            }
            clear(&path, out)?;
            info!(staging = %path.display(), "removed the leftovers of a dead run");
        }
        Ok(staging)
    }

    fn held(path: PathBuf, target: PathBuf, lock: File, joint: bool) -> Self {
        let removed = AtomicBool::new(false);
        Self { path, target, removed, joint, resumed: Vec::new(), _lock: lock }
    }

    /// Moves here what is of use of the folder of a dead run.
    fn take_over(&mut self, dead: &Path, job: &str, resume: &Resume) -> Result<(), SinkError> {
        let built = dead.join("out");
        if !built.is_dir() {
            return Ok(());
        }
        let names = names_in(&built)?;
        for (from, to) in resume.taken_over(job, names.iter().map(String::as_str)) {
            let (from, new) = (built.join(from), self.out().join(&to));
            let above = new.parent().unwrap_or(&new);
            fs::create_dir_all(above)
                .and_then(|()| fs::rename(&from, &new))
                .map_err(|error| SinkError::from_io(&from, error))?;
            self.resumed.push(to);
        }
        Ok(())
    }

    /// Names, below the target, of what was taken over from dead runs.
    pub(super) fn resumed(&self) -> &[String] {
        &self.resumed
    }

    /// Ends the job and leaves what the next run resumes from, in the folder that is returned. An
    /// earlier result that was being replaced is put back.
    pub(super) fn leave(&self, job: &str, resume: &Resume) -> Result<PathBuf, SinkError> {
        put_back(&self.path, &self.target)?;
        let built = self.out();
        for name in names_in(&built)?.iter().filter(|name| !resume.leaves(job, name)) {
            let path = built.join(name);
            fs::remove_file(&path).map_err(|error| SinkError::from_io(&path, error))?;
        }
        let tmp = self.tmp();
        fs::remove_dir_all(&tmp).map_err(|error| SinkError::from_io(&tmp, error))?;
        self.removed.store(true, Ordering::Release);
        Ok(self.path.clone())
    }

    /// A folder whose lock is held in common with other processes.
    pub(super) fn of_all(path: PathBuf, target: PathBuf, lock: File) -> Self {
        Self::held(path, target, lock, true)
    }

    /// The folder itself.
    #[cfg(test)]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the result is built.
    pub(super) fn out(&self) -> PathBuf {
        self.path.join("out")
    }

    /// Where objects are built.
    pub(super) fn tmp(&self) -> PathBuf {
        self.path.join("tmp")
    }

    /// Where an earlier result waits for its removal.
    pub(super) fn old(&self) -> PathBuf {
        old_in(&self.path)
    }

    /// Removes the folder with all it holds, after putting back an earlier result whose place is
    /// empty. Does nothing the second time.
    pub(super) fn remove(&self) -> Result<(), SinkError> {
        if self.removed.load(Ordering::Acquire) {
            return Ok(());
        }
        clear(&self.path, &self.target)?;
        self.removed.store(true, Ordering::Release);
        Ok(())
    }

    /// Lets go of the lock and leaves everything, as the death of the process would.
    #[cfg(test)]
    pub(super) fn die(self) {
        let staging = std::mem::ManuallyDrop::new(self);
        flock(&staging._lock, FlockOperation::Unlock).unwrap();
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.joint {
            return;
        }
        if let Err(error) = self.remove() {
            warn!(%error, "cannot remove a staging folder; the next run for this target does it");
        }
    }
}

fn holds_mark(name: &[u8]) -> bool {
    name.windows(MARK.len()).any(|part| part == MARK.as_bytes())
}

fn old_in(staging: &Path) -> PathBuf {
    staging.join("old")
}

pub(super) fn prefix_of(out: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(out.file_name().unwrap_or_default());
    prefix.push(MARK);
    prefix
}

/// Names of the staging folders in `parent` that begin with `prefix`.
pub(super) fn stagings(prefix: &OsStr, parent: &Path) -> Result<Vec<OsString>, SinkError> {
    let read = || -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(parent)? {
            let entry = entry?;
            let name = entry.file_name();
            // What follows is the job alone: `.a.fruitnode-b.fruitnode-1` is not one of `a`.
            let job = name.as_bytes().strip_prefix(prefix.as_bytes());
            if job.is_some_and(|job| !holds_mark(job)) && entry.file_type()?.is_dir() {
                names.push(name);
            }
        }
        Ok(names)
    };
    read().map_err(|error| SinkError::from_io(parent, error))
}

/// Waits until no other process looks for staging folders in `parent`. File systems that lock no
/// folders (NFS) let two starts in the same instant pass; the rename at the end still parts them.
pub(super) fn turn(parent: &Path) -> Result<Option<File>, SinkError> {
    let folder = File::open(parent).map_err(|error| SinkError::from_io(parent, error))?;
    loop {
        match flock(&folder, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(Some(folder)),
            Err(Errno::INTR) => {}
            Err(_) => return Ok(None),
        }
    }
}

/// Removes the staging folder of a dead run.
pub(super) fn clear_dead(staging: &Path, out: &Path) -> Result<(), SinkError> {
    if let Some(_held) = hold_dead(staging, out)? {
        clear(staging, out)?;
        info!(staging = %staging.display(), "removed the leftovers of a dead run");
    }
    Ok(())
}

/// Takes the lock of the staging folder of a dead run, if there is one; refuses that of a living
/// one.
fn hold_dead(staging: &Path, out: &Path) -> Result<Option<File>, SinkError> {
    let lock = staging.join(LOCK);
    match take_lock(&lock, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // It died before it had a lock, and is empty; or it is no staging folder, and stays.
            let _ = fs::remove_dir(staging);
            Ok(None)
        }
        Err(error) => Err(lock_trouble(out, &lock, error)),
        Ok(None) => {
            let holder = holder(&lock);
            Err(SinkError::Busy { out: out.display().to_string(), holder })
        }
        Ok(held) => Ok(held),
    }
}

/// Makes an empty file, and the folders above it.
fn make_file(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    File::create(path).map(drop)
}

/// Removes a staging folder whose lock is held, the lock last: what a death on the way leaves is
/// removed by the next run. A result that was being replaced, and whose place is empty, goes back
/// there first.
fn clear(staging: &Path, out: &Path) -> Result<(), SinkError> {
    put_back(staging, out)?;
    let removed = remove_but_lock(staging)
        .and_then(|()| fs::remove_file(staging.join(LOCK)))
        .and_then(|()| fs::remove_dir(staging));
    match removed {
        // The run it belonged to was just ending, and removed it itself.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|error| SinkError::from_io(staging, error)),
    }
}

/// Puts a result that was being replaced back in its place, if that is empty.
fn put_back(staging: &Path, out: &Path) -> Result<(), SinkError> {
    let old = old_in(staging);
    if old.exists() && !out.exists() {
        fs::rename(&old, out).map_err(|error| SinkError::from_io(out, error))?;
        info!(out = %out.display(), "restored the result that was being replaced");
    }
    Ok(())
}

fn remove_but_lock(staging: &Path) -> io::Result<()> {
    for entry in fs::read_dir(staging)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Refuses a target for which another run builds a result; touches nothing.
pub(super) fn refuse_busy(out: &Path) -> Result<(), SinkError> {
    let parent = out.parent().unwrap_or(out);
    // A run that starts just now must not take our look for somebody's lock.
    let _turn = turn(parent)?;
    for name in stagings(&prefix_of(out), parent)? {
        let lock = parent.join(name).join(LOCK);
        let Ok(file) = File::open(&lock) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            return Err(SinkError::Busy { out: out.display().to_string(), holder: holder(&lock) });
        }
    }
    Ok(())
}

/// The locked file, or nothing if someone else holds the lock.
fn take_lock(lock: &Path, create: bool) -> io::Result<Option<File>> {
    let file = File::options().read(true).write(true).create(create).truncate(false).open(lock)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn lock_trouble(out: &Path, lock: &Path, error: io::Error) -> SinkError {
    let lacking = [Errno::NOLCK, Errno::NOTSUP, Errno::NOSYS, Errno::OPNOTSUPP];
    if lacking.iter().any(|lack| error.raw_os_error() == Some(lack.raw_os_error())) {
        let why = "is on a file system without file locks: choose a folder on another one";
        return SinkError::Unfit { out: out.display().to_string(), why };
    }
    SinkError::from_io(lock, error)
}

pub(super) fn holder(lock: &Path) -> String {
    let mut text = String::new();
    let read =
        File::open(lock).and_then(|file| file.take(HOLDER_BYTES_MAX).read_to_string(&mut text));
    if read.is_err() || text.is_empty() { "unknown process".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Staging, is_staging, remove_but_lock};
    use crate::sink::SinkError;

    #[test]
    fn a_second_run_for_the_same_target_is_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let first = Staging::open(&out, "job-1", None).unwrap();
        assert!(is_staging(first.path()));
        let error = Staging::open(&out, "job-2", None).unwrap_err();
        let words = error.to_string();
        assert!(matches!(error, SinkError::Busy { .. }), "{words}");
        assert!(words.contains("job job-1"), "{words}");
        assert!(words.contains(&format!("process {}", std::process::id())), "{words}");
        Staging::open(&folder.path().join("other"), "job-2", None).unwrap();
        drop(first);
        Staging::open(&out, "job-2", None).unwrap();
    }

    #[test]
    fn a_run_that_has_ended_leaves_the_next_of_the_same_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let ended = Staging::open(&out, "job", None).unwrap();
        ended.remove().unwrap();
        let next = Staging::open(&out, "job", None).unwrap();
        drop(ended);
        assert!(next.out().exists());
    }

    #[test]
    fn a_removal_that_was_cut_off_is_finished_by_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let dead = Staging::open(&out, "job-1", None).unwrap();
        let left = dead.path().to_path_buf();
        fs::write(dead.out().join("part"), "half").unwrap();
        remove_but_lock(&left).unwrap();
        dead.die();
        Staging::open(&out, "job-2", None).unwrap();
        assert!(!left.exists());
        fs::create_dir(&left).unwrap();
        Staging::open(&out, "job-2", None).unwrap();
        assert!(!left.exists(), "nothing but the folder was left");
    }

    #[test]
    fn a_replacement_that_fails_half_way_puts_the_earlier_result_back() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let staging = Staging::open(&out, "job", None).unwrap();
        fs::create_dir(staging.old()).unwrap();
        fs::write(staging.old().join("part"), "earlier").unwrap();
        drop(staging);
        assert_eq!(fs::read_to_string(out.join("part")).unwrap(), "earlier");
    }

    #[test]
    fn what_a_dead_run_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        fs::write(folder.path().join(".out.fruitnode-file"), "not ours").unwrap();
        fs::create_dir_all(folder.path().join(".out.fruitnode-folder/not/ours")).unwrap();
        Staging::open(&folder.path().join("out.fruitnode-x"), "job-1", None).unwrap().die();
        let dead = Staging::open(&out, "job-1", None).unwrap();
        fs::write(dead.out().join("part"), "half").unwrap();
        let left = dead.path().to_path_buf();
        dead.die();
        assert!(left.exists());
        let next = Staging::open(&out, "job-2", None).unwrap();
        assert!(!left.exists());
        drop(next);
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
    }

    #[test]
    fn a_result_that_was_being_replaced_goes_back_to_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let dead = Staging::open(&out, "job-1", None).unwrap();
        fs::create_dir(dead.old()).unwrap();
        fs::write(dead.old().join("part"), "earlier").unwrap();
        dead.die();
        let _next = Staging::open(&out, "job-2", None).unwrap();
        assert_eq!(fs::read_to_string(out.join("part")).unwrap(), "earlier");
    }

    #[test]
    fn a_job_that_cannot_be_a_file_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for job in ["", "a/b", "..", "a\nb"] {
            let error = Staging::open(&folder.path().join("out"), job, None).unwrap_err();
            assert!(matches!(error, SinkError::BadName { .. }), "{job:?}: {error}");
        }
    }
}
