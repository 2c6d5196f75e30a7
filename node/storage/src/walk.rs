//! A walk through a folder that meets files in byte order of their keys.
//!
//! One folder per level is open at a time. Nothing is opened but folders, and nothing is passed
//! over in silence: what is not an entry is counted in the summary.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::names::{Kind, Name, RUN_NAMES_MAX, SortedNames};
use crate::select::{OWN_PICTURES, RESULT_SIGNS, Selection};
use crate::source::{Entry, ListError, ListSummary, Problem};
use crate::staging;
use crate::tally::Tally;

/// Which file or folder something is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

/// A walk under way.
pub(super) struct Walk {
    leave_out: Vec<Identity>,
    levels: Vec<Level>,
    tally: Tally,
}

/// One folder on the way down.
struct Level {
    path: PathBuf,
    /// Key of everything in it begins so: empty, or ends with `/`.
    prefix: String,
    identity: Identity,
    problem: Option<Problem>,
    names: SortedNames,
    /// Part of the name met last, to find two that would have the same key.
    last: String,
}

impl Identity {
    /// The identity of what the metadata describe.
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl Walk {
    /// Starts at the folder `root`, which messages call `from`; folders in `leave_out` are not
    /// entered.
    pub(super) fn start(
        root: &Path,
        from: &str,
        selection: Selection,
        leave_out: Vec<Identity>,
    ) -> Result<Self, ListError> {
        let tally = Tally::of(selection);
        let mut walk = Self { leave_out, levels: Vec::new(), tally };
        if !walk.enter(root.to_path_buf(), String::new(), None)? {
            return Err(ListError::Missing { from: from.to_owned() });
        }
        Ok(walk)
    }

    /// The next entry in key order, or nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, ListError> {
        if self.tally.full() {
            return Ok(None);
        }
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.names.next() else {
                self.levels.pop();
                continue;
            };
            let name = name.map_err(|error| folder_trouble(&level.path, error))?;
            let key = format!("{}{}", level.prefix, name.part());
            if level.last == name.part() {
                return Err(ListError::SameKey { key });
            }
            name.part().clone_into(&mut level.last);
            let path = level.path.join(name.on_disk());
            let unreadable = (!name.is_utf8()).then_some(Problem::NameNotUtf8);
            let problem = level.problem.or(unreadable);
            if let Some(entry) = self.meet(&name, key, path, problem)? {
                self.tally.count(&entry);
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// What was met.
    pub(super) fn finish(self) -> ListSummary {
        self.tally.finish()
    }

    fn meet(
        &mut self,
        name: &Name,
        key: String,
        path: PathBuf,
        problem: Option<Problem>,
    ) -> Result<Option<Entry>, ListError> {
        match name.kind() {
            Kind::Folder => self.enter_below(path, key, problem),
            Kind::Other => {
                self.tally.other();
                Ok(None)
            }
            _ if !self.tally.selects(&key) => Ok(None),
            _ if is_own_picture(&path) => {
                self.tally.own();
                Ok(None)
            }
            Kind::Dangling => {
                let problem = problem.unwrap_or(Problem::LinkDangling);
                Ok(self.tally.timely(unreadable(key, &path, problem)?))
            }
            Kind::Denied => {
                let problem = problem.unwrap_or(Problem::LinkDenied);
                Ok(self.tally.timely(unreadable(key, &path, problem)?))
            }
            Kind::File => match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => {
                    Ok(self.tally.timely(entry(key, &metadata, problem)))
                }
                Ok(_) => {
                    self.tally.other();
                    Ok(None)
                }
                // Removed since its folder was read: it is not part of the listing.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(folder_trouble(path.parent().unwrap_or(&path), error)),
            },
        }
    }

    /// Goes down into a folder. One that may not be read is a row, unless it is passed over.
    fn enter_below(
        &mut self,
        path: PathBuf,
        prefix: String,
        problem: Option<Problem>,
    ) -> Result<Option<Entry>, ListError> {
        let denied = match self.enter(path.clone(), prefix.clone(), problem) {
            Ok(_) => return Ok(None),
            Err(ListError::FolderDenied { folder }) => folder,
            Err(error) => return Err(error),
        };
        if !self.tally.minds(prefix.trim_end_matches('/')) {
            self.tally.left_out(&prefix);
            return Ok(None);
        }
        tracing::warn!(
            folder = denied,
            "no permission to read a folder: it becomes a row of the quarantine"
        );
        let metadata = fs::symlink_metadata(&path).map_err(|error| folder_trouble(&path, error))?;
        let row = entry(prefix, &metadata, Some(problem.unwrap_or(Problem::FolderDenied)));
        // Its size and node are those of the folder, and change with what lies in it.
        Ok(self.tally.timely(Entry { size: 0, ..row }))
    }

    /// Goes down into a folder, unless it is left out. False if it is no longer there.
    fn enter(
        &mut self,
        path: PathBuf,
        prefix: String,
        problem: Option<Problem>,
    ) -> Result<bool, ListError> {
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(folder_trouble(path.parent().unwrap_or(&path), error)),
        };
        let identity = Identity::of(&metadata);
        if !self.levels.is_empty() {
            if self.leave_out.contains(&identity) || staging::is_staging(&path) {
                self.tally.left_out(&prefix);
                return Ok(true);
            }
            if !self.tally.recursive() {
                self.tally.subfolders(1);
                return Ok(true);
            }
        }
        if let Some(above) = self.levels.iter().find(|level| level.identity == identity) {
            return Err(ListError::Loop {
                link: path.display().to_string(),
                target: above.path.display().to_string(),
            });
        }
        let names = match SortedNames::read(&path, RUN_NAMES_MAX) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(folder_trouble(&path, error)),
        };
        let last = String::new();
        self.levels.push(Level { path, prefix, identity, problem, names, last });
        Ok(true)
    }
}

/// Whether a file is a picture of a result that this program wrote there.
fn is_own_picture(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let beside = |name| path.with_file_name(name).is_file();
    name.is_some_and(|name| OWN_PICTURES.contains(&name)) && RESULT_SIGNS.into_iter().all(beside)
}

/// What tells this version of a file from the next one.
pub(super) fn validator(metadata: &Metadata) -> String {
    let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
    format!("{seconds}.{nanoseconds:09}-{}-{}", metadata.size(), metadata.ino())
}

fn entry(key: String, metadata: &Metadata, problem: Option<Problem>) -> Entry {
    let modified_us =
        metadata.mtime().saturating_mul(1_000_000).saturating_add(metadata.mtime_nsec() / 1_000);
    Entry { key, size: metadata.size(), validator: validator(metadata), modified_us, problem }
}

/// A link that cannot be followed is listed with the link's own metadata and no size.
fn unreadable(key: String, path: &Path, problem: Problem) -> Result<Entry, ListError> {
    let metadata = fs::symlink_metadata(path)
        .map_err(|error| folder_trouble(path.parent().unwrap_or(path), error))?;
    Ok(Entry { size: 0, ..entry(key, &metadata, Some(problem)) })
}

fn folder_trouble(folder: &Path, error: io::Error) -> ListError {
    let place = folder.display().to_string();
    if error.kind() == io::ErrorKind::PermissionDenied {
        return ListError::FolderDenied { folder: place };
    }
    ListError::Unavailable { place, source: Box::new(error) }
}
