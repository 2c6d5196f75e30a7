//! The tables of a log's file, and what is done to them in one transaction.

use std::path::Path;

use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction,
};

use fruitnode_replica::Snapshot;

use super::error::{StoreError, reading};
use super::record::{self, Head};

/// Entries by their index, as [`record`] packs them.
pub(super) const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new("entries");

/// What the file is, and where its log stands.
pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

/// The snapshot's records, in order.
pub(super) const SNAPSHOT: TableDefinition<u64, &[u8]> = TableDefinition::new("snapshot");

/// Newest format that this release reads, and the one that it writes.
pub(super) const FORMAT: u32 = 1;

/// A table of records by their number.
type Records<'a> = Table<'a, u64, &'static [u8]>;

/// One synced transaction: what `change` does, and the head that it leaves.
pub(super) fn commit(
    database: &Database,
    head: &mut Head,
    change: impl FnOnce(&WriteTransaction, &mut Head) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    change(&transaction, head)?;
    transaction.open_table(META)?.insert("head", &head.pack()[..])?;
    transaction.commit()?;
    Ok(())
}

/// Removes the records `first..=last`.
pub(super) fn remove(table: &mut Records<'_>, first: u64, last: u64) -> Result<(), redb::Error> {
    for index in first..=last {
        table.remove(index)?;
    }
    Ok(())
}

/// Puts a snapshot in the place of the one before.
pub(super) fn keep(
    transaction: &WriteTransaction,
    head: &mut Head,
    snapshot: &Snapshot,
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(SNAPSHOT)?;
    table.retain(|_, _| false)?;
    for (at, part) in record::pack_snapshot(snapshot).iter().enumerate() {
        table.insert(at as u64, &part[..])?;
    }
    (head.snapshot_index, head.snapshot_term) = (snapshot.index, snapshot.term);
    Ok(())
}

/// The snapshot, if there is one.
pub(super) fn kept(
    path: &Path,
    database: &Database,
    head: &Head,
) -> Result<Option<Snapshot>, StoreError> {
    if head.snapshot_index == 0 {
        return Ok(None);
    }
    let transaction = database.begin_read().map_err(|error| reading(path, error))?;
    let table = transaction.open_table(SNAPSHOT).map_err(|error| reading(path, error))?;
    let mut joined = Vec::new();
    for record in table.iter().map_err(|error| reading(path, error))? {
        joined.extend_from_slice(record.map_err(|error| reading(path, error))?.1.value());
    }
    let snapshot = record::unpack_snapshot(&joined);
    let place = (head.snapshot_index, head.snapshot_term);
    let snapshot = snapshot.filter(|snapshot| (snapshot.index, snapshot.term) == place);
    snapshot.map(Some).ok_or_else(|| StoreError::Damaged {
        path: path.to_owned(),
        why: "its snapshot".to_owned(),
    })
}
