//! Making and opening a log: every record is read and checked, so that what is opened is what was
//! written, or is refused.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use redb::{Builder, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::error::{StoreError, input, reading};
use super::mark::Mark;
use super::record::{self, Head};
use super::reserve::Reserve;
use super::tables::{self, ENTRIES, FORMAT, META, SNAPSHOT, commit};
use super::{FILE_BYTES_MAX, RedbLog};

/// Memory that redb may use for pages: 16 MiB. The newest entries are kept besides.
const CACHE_BYTES_MAX: usize = 16 << 20;

impl RedbLog {
    /// Makes an empty log for this storage at `path`, readable by its owner alone, and opens it.
    pub fn create(path: &Path, storage: &str) -> Result<Self, StoreError> {
        if fs::exists(path).map_err(|error| input(path.to_owned(), &error))? {
            return Err(StoreError::Exists { path: path.to_owned() });
        }
        if Reserve::beside(path).is_needed() {
            return Err(StoreError::Full { path: path.to_owned() });
        }
        // Made beside and renamed: what is at `path` is always whole.
        let beside = path.with_extension("new");
        let failed = |error: io::Error| input(path.to_owned(), &error);
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(true);
        let file = options.mode(0o600).open(&beside).map_err(failed)?;
        let database = Builder::new().create_file(file).map_err(|error| reading(path, error))?;
        let mut head = Head { sequence: 1, first: 1, ..Head::default() };
        let made = commit(&database, &mut head, |transaction, _| {
            transaction.open_table(ENTRIES)?;
            transaction.open_table(SNAPSHOT)?;
            let mut meta = transaction.open_table(META)?;
            meta.insert("format", &FORMAT.to_le_bytes()[..])?;
            meta.insert("storage", storage.as_bytes())?;
            Ok(())
        });
        made.map_err(|error| reading(path, error))?;
        drop(database);
        // A mark of a log that was here before would make the new one look old.
        Mark::forget(path).map_err(failed)?;
        fs::rename(&beside, path).map_err(failed)?;
        sync_folder(path).map_err(failed)?;
        Self::open(path, storage)
    }

    /// Puts the log at `new`, which nobody has open, in the place of that at `path`: whenever this
    /// is cut short, one of the two stands there whole.
    pub fn put_in_place(new: &Path, path: &Path) -> Result<(), StoreError> {
        let failed = |error: io::Error| input(path.to_owned(), &error);
        // A log without a mark is taken as it is; that of the one before would say that the new
        // one is an old copy.
        Mark::forget(path).map_err(failed)?;
        fs::rename(new, path).map_err(failed)?;
        Mark::forget(new).map_err(failed)?;
        Reserve::beside(new).give().map_err(failed)?;
        sync_folder(path).map_err(failed)
    }

    /// Opens the log of this storage. When the disk is full, the reserve is given up for it.
    pub fn open(path: &Path, storage: &str) -> Result<Self, StoreError> {
        let reserve = Reserve::beside(path);
        let failed = |error: io::Error| input(path.to_owned(), &error);
        let mut gave = reserve.is_needed() && reserve.give().map_err(failed)?;
        let mut opened = checked(path, storage);
        if !gave && matches!(opened, Err(StoreError::Full { .. })) {
            gave = reserve.give().map_err(failed)?;
            opened = if gave { checked(path, storage) } else { opened };
        }
        let mut log = opened?;
        if gave {
            tracing::warn!(
                path = %path.display(),
                "the disk is full: used up the log's reserve so that this node can start; free \
                 some space"
            );
            log.shrink_at = 0;
            log.shrink()?;
        } else {
            log.reserve.fill();
        }
        Ok(log)
    }
}

/// Name of the thread that opens a log: a panic there is not the program's but the file's.
pub const CHECK_THREAD: &str = "log-check";

/// redb answers most damage with errors, and some with a panic: that too is a refusal.
fn checked(path: &Path, storage: &str) -> Result<RedbLog, StoreError> {
    let panicked = || Err(damaged(path, "its pages are inconsistent"));
    thread::scope(|scope| {
        let named = thread::Builder::new().name(CHECK_THREAD.to_owned());
        match named.spawn_scoped(scope, || open(path, storage)) {
            Ok(opening) => opening.join().unwrap_or_else(|_| panicked()),
            Err(error) => Err(input(path.to_owned(), &error)),
        }
    })
}

fn open(path: &Path, storage: &str) -> Result<RedbLog, StoreError> {
    let failed = |error: io::Error| input(path.to_owned(), &error);
    let found = fs::metadata(path).map_err(failed)?;
    if found.len() == 0 {
        return Err(damaged(path, "it is empty"));
    }
    if found.permissions().mode() & 0o777 != 0o600 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    }
    let builder = Builder::new().set_cache_size(CACHE_BYTES_MAX).open(path);
    let mut database = builder.map_err(|error| reading(path, error))?;
    // Every page's checksum, and the map of free pages: a wrong one would overwrite what is live.
    database.check_integrity().map_err(|error| reading(path, error))?;
    let transaction = database.begin_read().map_err(|error| reading(path, error))?;
    let head = identity(path, &transaction, storage)?;
    let (mark, acknowledged) = Mark::open(path, storage).map_err(failed)?;
    match acknowledged {
        Some(acknowledged) if acknowledged > head.sequence => {
            let found = head.sequence;
            return Err(StoreError::RolledBack { path: path.to_owned(), found, acknowledged });
        }
        Some(_) => {}
        None => mark.set(head.sequence).map_err(failed)?,
    }
    entries(path, &transaction, &head)?;
    drop(transaction);
    tables::kept(path, &database, &head)?;
    Ok(RedbLog {
        path: path.to_owned(),
        database,
        head,
        mark,
        reserve: Reserve::beside(path),
        shrink_at: FILE_BYTES_MAX,
        latched: false,
        kept: head.vote.commit,
    })
}

/// Whether this is the log of this storage, in a format that is known; and its head.
fn identity(path: &Path, transaction: &ReadTransaction, storage: &str) -> Result<Head, StoreError> {
    let meta = transaction.open_table(META).map_err(|error| reading(path, error))?;
    let field = |key: &'static str| {
        let value = meta.get(key).map_err(|error| reading(path, error))?;
        let value = value.ok_or_else(|| damaged(path, &format!("it has no {key}")))?;
        Ok::<_, StoreError>(value.value().to_vec())
    };
    let format = field("format")?.try_into().map(u32::from_le_bytes);
    let format = format.map_err(|_| damaged(path, "its format is not a number"))?;
    if format > FORMAT {
        return Err(StoreError::Newer { path: path.to_owned(), found: format });
    }
    let found = String::from_utf8_lossy(&field("storage")?).into_owned();
    if found != storage {
        let (path, wanted) = (path.to_owned(), storage.to_owned());
        return Err(StoreError::OtherStorage { path, found, wanted });
    }
    let head = Head::unpack(&field("head")?).ok_or_else(|| damaged(path, "its head"))?;
    let whole = head.first >= 1 && head.first <= head.snapshot_index + 1;
    let whole = whole && head.last + 1 >= head.first && head.last >= head.snapshot_index;
    whole.then_some(head).ok_or_else(|| damaged(path, "its head is inconsistent"))
}

/// Whether every entry is there, and as it was written.
fn entries(path: &Path, transaction: &ReadTransaction, head: &Head) -> Result<(), StoreError> {
    let table = transaction.open_table(ENTRIES).map_err(|error| reading(path, error))?;
    let count = table.len().map_err(|error| reading(path, error))?;
    if count != head.last + 1 - head.first {
        return Err(damaged(
            path,
            &format!("{count} entries from {} to {}", head.first, head.last),
        ));
    }
    let records = table.iter().map_err(|error| reading(path, error))?;
    for (record, index) in records.zip(head.first..) {
        let (key, record) = record.map_err(|error| reading(path, error))?;
        let entry = record::unpack_entry(index, record.value());
        if key.value() != index || entry.is_none() {
            return Err(damaged(path, &format!("entry {index}")));
        }
    }
    Ok(())
}

fn damaged(path: &Path, why: &str) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), why: why.to_owned() }
}

/// Makes the name of a new file durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.map_or_else(|| PathBuf::from("."), Path::to_owned))?.sync_all()
}
