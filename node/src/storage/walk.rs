//! A walk through a folder that meets files in byte order of their keys.
//!
//! One folder per level is open at a time. Nothing is opened but folders, and nothing is passed
//! over in silence: what is not an entry is counted in the summary.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::storage::names::{Kind, Name, RUN_NAMES_MAX, SortedNames};
use crate::storage::select::Selection;
use crate::storage::source::{Entry, ListError, ListSummary, Problem};
use crate::storage::staging;

/// Keys kept as examples of what did not match.
const EXAMPLES_MAX: usize = 5;

/// Which file or folder something is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

/// A walk under way.
pub(super) struct Walk {
    from: String,
    selection: Selection,
    leave_out: Vec<Identity>,
    levels: Vec<Level>,
    summary: ListSummary,
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
        let summary = ListSummary::default();
        let from = from.to_owned();
        let mut walk = Self { from, selection, leave_out, levels: Vec::new(), summary };
        if !walk.enter(root.to_path_buf(), String::new(), None)? {
            return Err(ListError::Missing { from: walk.from });
        }
        Ok(walk)
    }

    /// The next entry in key order, or nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, ListError> {
        if self.selection.limit == Some(self.summary.keys) {
            self.summary.limited = true;
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
                self.summary.keys += 1;
                self.summary.bytes += entry.size;
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// What was met. A walk that found nothing is an error, which says what was there instead.
    pub(super) fn finish(self) -> Result<ListSummary, ListError> {
        let Self { from, selection, summary, .. } = self;
        if summary.keys > 0 || summary.limited {
            return Ok(summary);
        }
        if summary.untimely > 0 {
            return Err(ListError::NothingTimely { from, untimely: summary.untimely });
        }
        if summary.subfolders > 0 {
            return Err(ListError::OnlySubfolders { from, subfolders: summary.subfolders });
        }
        if let Some(example) = summary.skipped_examples.first() {
            return Err(ListError::NothingMatches {
                from,
                pattern: selection.pattern.text().to_owned(),
                skipped: summary.skipped,
                example: example.clone(),
            });
        }
        let what = match summary.left_out.first() {
            Some(folder) => format!("`{folder}`, where results go"),
            None if summary.others > 0 => "pipes, devices or sockets".to_owned(),
            None => return Err(ListError::Empty { from }),
        };
        Err(ListError::NothingReadable { from, what })
    }

    fn meet(
        &mut self,
        name: &Name,
        key: String,
        path: PathBuf,
        problem: Option<Problem>,
    ) -> Result<Option<Entry>, ListError> {
        match name.kind() {
            Kind::Folder => {
                self.enter(path, key, problem)?;
                Ok(None)
            }
            Kind::Other => {
                self.summary.others += 1;
                Ok(None)
            }
            _ if !self.selection.pattern.matches(&key) => {
                self.summary.skipped += 1;
                if self.summary.skipped_examples.len() < EXAMPLES_MAX {
                    self.summary.skipped_examples.push(key);
                }
                Ok(None)
            }
            Kind::Dangling => {
                let problem = problem.unwrap_or(Problem::LinkDangling);
                Ok(self.timely(unreadable(key, &path, problem)?))
            }
            Kind::Denied => {
                let problem = problem.unwrap_or(Problem::LinkDenied);
                Ok(self.timely(unreadable(key, &path, problem)?))
            }
            Kind::File => match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => {
                    Ok(self.timely(entry(key, &metadata, problem)))
                }
                Ok(_) => {
                    self.summary.others += 1;
                    Ok(None)
                }
                // Removed since its folder was read: it is not part of the listing.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(folder_trouble(path.parent().unwrap_or(&path), error)),
            },
        }
    }

    /// The entry, if it is of the time asked for; if not, it is counted.
    fn timely(&mut self, entry: Entry) -> Option<Entry> {
        let timely = self.selection.window.holds(entry.modified_us);
        self.summary.untimely += u64::from(!timely);
        timely.then_some(entry)
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
                self.summary.left_out.push(prefix);
                return Ok(true);
            }
            if !self.selection.recursive {
                self.summary.subfolders += 1;
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
