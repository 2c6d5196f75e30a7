//! A staging folder that several processes share, on one machine or on a file system that several
//! machines see.
//!
//! It is the folder of [`Staging`], with its lock held in common, and two files more: `marker`,
//! which says that it is ready, and which every process must be able to read, and `turn`, held by
//! whoever publishes. A process that is stopped while it publishes keeps its turn; when it dies the
//! next one takes it, and finds what was done.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use fruitnode_env::unique_name;

use crate::publish::sync_folder;
use crate::resume::Resume;
use crate::sink::{Access, SUCCESS, SinkError, check_name};
use crate::staging::{LOCK, Staging, clear_dead, holder, lock_trouble, prefix_of, stagings, turn};

const MARKER: &str = "marker";
const TURN: &str = "turn";

impl Staging {
    /// Makes the folder of a job beside `out` for all its nodes, after removing those of dead runs;
    /// or goes on with one that another node has begun to make.
    fn prepare(out: &Path, job: &str) -> Result<Self, SinkError> {
        check_name(job)?;
        let parent = out.parent().unwrap_or(out);
        let _turn = turn(parent)?;
        let prefix = prefix_of(out);
        let mut own = prefix.clone();
        own.push(job);
        for name in stagings(&prefix, parent)? {
            if name != own {
                clear_dead(&parent.join(name), out)?;
            }
        }
        let path = parent.join(own);
        let trouble = |error| SinkError::from_io(&path, error);
        for folder in [path.clone(), path.join("out"), path.join("tmp")] {
            match fs::create_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(trouble)?,
            }
        }
        let staging = hold(&path, out, job)?;
        let marker = path.join(MARKER);
        if !marker.is_file() {
            let new = path.join("tmp").join(unique_name());
            fs::write(&new, unique_name()).map_err(trouble)?;
            fs::rename(&new, &marker).map_err(trouble)?;
            sync_folder(&path)?;
        }
        Ok(staging)
    }

    /// The folder that another node of the job has made; nothing if it is not seen here.
    fn join(out: &Path, job: &str) -> Result<Option<Self>, SinkError> {
        let parent = out.parent().unwrap_or(out);
        let _turn = turn(parent)?;
        let mut name = prefix_of(out);
        name.push(job);
        let path = parent.join(name);
        match fs::read(path.join(MARKER)) {
            Ok(marker) if !marker.is_empty() => hold(&path, out, job).map(Some),
            Ok(_) => Ok(None),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(SinkError::from_io(&path, error)),
        }
    }

    /// Waits until no other process publishes. Nothing if the folder is gone: somebody has.
    pub(super) fn take_turn(&self) -> Result<Option<File>, SinkError> {
        let path = self.out().with_file_name(TURN);
        let opened = File::options().create(true).truncate(false).write(true).open(&path);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| SinkError::from_io(&path, error))?,
        };
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(path.exists().then_some(file)),
                Err(Errno::INTR) => {}
                Err(error) => return Err(SinkError::from_io(&path, error.into())),
            }
        }
    }

    /// Takes the job's work out of what is published, or puts it back: who publishes after a death
    /// between the two still needs it.
    pub(super) fn set_work_aside(&self, job: &str, aside: bool) -> Result<(), SinkError> {
        let inside = self.out().join("_run").join(job).join("work");
        let outside = self.out().with_file_name("work");
        let (from, to) = if aside { (inside, outside) } else { (outside, inside) };
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            moved => moved.map_err(|error| SinkError::from_io(&from, error)),
        }
    }

    /// Writes down which marker is the job's own, before it is published.
    pub(super) fn say_committed(&self, job: &str, success: &[u8]) -> Result<(), SinkError> {
        let said = self.out().join("_run").join(job).join("committed");
        let write = || {
            fs::create_dir_all(said.parent().unwrap_or(&said))?;
            let mut file = File::create(&said)?;
            file.write_all(name_of(success).as_bytes())
        };
        write().map_err(|error| SinkError::from_io(&said, error))
    }
}

/// The folder that a process builds the result of a job in; nothing for one that comes when the job
/// is published.
pub(super) fn open(
    (out, uri): (&Path, &str),
    job: &str,
    (access, resume): (Access, Option<&Resume>),
) -> Result<Option<Staging>, SinkError> {
    match access {
        Access::Take => Staging::open(out, job, resume).map(Some),
        // The job has ended while this process was not heard of.
        Access::Prepare if published(out, job)?.is_some() => {
            Err(SinkError::Lost { out: uri.to_owned() })
        }
        Access::Prepare => Staging::prepare(out, job).map(Some),
        Access::Join => match Staging::join(out, job)? {
            None if published(out, job)?.is_none() => {
                Err(SinkError::Unseen { out: uri.to_owned() })
            }
            joined => Ok(joined),
        },
    }
}

/// A staging folder that is there, its lock held in common.
fn hold(path: &Path, out: &Path, job: &str) -> Result<Staging, SinkError> {
    let lock = path.join(LOCK);
    let open = || -> io::Result<File> {
        let mut file = File::options().read(true).append(true).create(true).open(&lock)?;
        flock(&file, FlockOperation::NonBlockingLockShared)?;
        if file.metadata()?.len() == 0 {
            write!(file, "job {job}, processes that share it")?;
        }
        Ok(file)
    };
    match open() {
        Ok(file) => Ok(Staging::of_all(path.to_owned(), out.to_owned(), file)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(SinkError::Busy { out: out.display().to_string(), holder: holder(&lock) })
        }
        Err(error) => Err(lock_trouble(out, &lock, error)),
    }
}

/// The marker of the target, if it is there and this job's own.
pub(super) fn published(out: &Path, job: &str) -> Result<Option<Vec<u8>>, SinkError> {
    let read = |path: &Path| match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(|error| SinkError::from_io(path, error)),
    };
    let Some(said) = read(&out.join("_run").join(job).join("committed"))? else { return Ok(None) };
    let found = read(&out.join(SUCCESS))?;
    Ok(found.filter(|success| name_of(success).as_bytes() == said))
}

fn name_of(success: &[u8]) -> String {
    Sha256::digest(success).iter().map(|byte| format!("{byte:02x}")).collect()
}
