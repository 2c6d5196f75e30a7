//! Entries in, bytes out: block after block, then index and footer.

use sha2::{Digest as _, Sha256};

use fruitnode_coordinator::ids::Digest;

use crate::manifest::codec::{problem_code, sha256, write_entry, write_subject};
use crate::manifest::{
    BLOCK_BYTES_MAX, FOOTER_BYTES, HEADER_BYTES, INDEX_RECORD_BYTES, KEY_BYTES_MAX, MAGIC,
    MAGIC_END, ManifestError, ManifestSummary, PARTITIONS_MAX, ROWS_PER_PART_MAX,
    VALIDATOR_BYTES_MAX, VERSION,
};
use crate::source::Entry;

/// Characters of a key that an error shows.
const SHOWN_CHARS: usize = 60;

/// Cuts a listing into blocks. What it returns is to be written, one after the other; it keeps one
/// block and 36 bytes per finished one.
#[derive(Debug)]
pub struct ManifestWriter {
    rows_per_part: u32,
    rows: u32,
    block: Vec<u8>,
    subject: Vec<u8>,
    index: Vec<u8>,
    partitions: u32,
    keys: u64,
    bytes: u64,
    listing: Sha256,
    last: Option<String>,
}

impl ManifestWriter {
    /// A writer, and the header with which the manifest begins.
    pub fn new(rows_per_part: u32) -> Result<(Self, Vec<u8>), ManifestError> {
        if rows_per_part == 0 || rows_per_part > ROWS_PER_PART_MAX {
            return Err(ManifestError::RowsPerPart { rows: rows_per_part });
        }
        let writer = Self {
            rows_per_part,
            rows: 0,
            block: Vec::new(),
            subject: Vec::new(),
            index: Vec::new(),
            partitions: 0,
            keys: 0,
            bytes: 0,
            listing: Sha256::new(),
            last: None,
        };
        Ok((writer, header(rows_per_part)))
    }

    /// Takes the next entry; the bytes of a block if that makes one full. Keys must ascend.
    pub fn push(&mut self, entry: &Entry) -> Result<Option<Vec<u8>>, ManifestError> {
        self.check(entry)?;
        self.subject.clear();
        write_subject(&mut self.subject, entry);
        self.listing.update(&self.subject);
        self.listing.update([problem_code(entry.problem)]);
        write_entry(&mut self.block, &self.subject, entry);
        if self.block.len() > BLOCK_BYTES_MAX {
            return Err(too_large("the block", entry, BLOCK_BYTES_MAX));
        }
        let last = self.last.get_or_insert_default();
        entry.key.clone_into(last);
        self.keys += 1;
        self.bytes = self.bytes.saturating_add(entry.size);
        self.rows += 1;
        Ok((self.rows == self.rows_per_part).then(|| self.cut()))
    }

    /// The last bytes: what is left of a block, index and footer.
    pub fn finish(mut self) -> (Vec<u8>, ManifestSummary) {
        let mut tail = if self.rows > 0 { self.cut() } else { Vec::new() };
        let listing: [u8; 32] = self.listing.finalize().into();
        let mut footer = Vec::with_capacity(FOOTER_BYTES);
        footer.extend_from_slice(&self.keys.to_le_bytes());
        footer.extend_from_slice(&self.bytes.to_le_bytes());
        footer.extend_from_slice(&self.partitions.to_le_bytes());
        footer.extend_from_slice(&listing);
        footer.extend_from_slice(MAGIC_END);
        tail.extend_from_slice(&self.index);
        tail.extend_from_slice(&footer);
        let summary = ManifestSummary {
            digest: sha256(&[&header(self.rows_per_part), &self.index, &footer]),
            listing: Digest(listing),
            keys: self.keys,
            bytes: self.bytes,
            partitions: self.partitions,
            rows_per_part: self.rows_per_part,
        };
        (tail, summary)
    }

    fn check(&self, entry: &Entry) -> Result<(), ManifestError> {
        check_lengths(entry)?;
        if self.partitions == PARTITIONS_MAX {
            return Err(too_large("the number of parts", entry, PARTITIONS_MAX as usize));
        }
        match &self.last {
            Some(after) if *after >= entry.key => {
                Err(ManifestError::OutOfOrder { key: entry.key.clone(), after: after.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn cut(&mut self) -> Vec<u8> {
        let block = std::mem::take(&mut self.block);
        let length = u32::try_from(block.len()).expect("a block has at most 64 MiB");
        self.index.reserve(INDEX_RECORD_BYTES);
        self.index.extend_from_slice(&length.to_le_bytes());
        self.index.extend_from_slice(&sha256(&[&block]).0);
        self.partitions += 1;
        self.rows = 0;
        block
    }
}

/// Refuses an entry that no reader would take.
pub(super) fn check_lengths(entry: &Entry) -> Result<(), ManifestError> {
    if entry.key.len() > KEY_BYTES_MAX {
        return Err(too_large("the key", entry, KEY_BYTES_MAX));
    }
    if entry.validator.len() > VALIDATOR_BYTES_MAX {
        return Err(too_large("the validator", entry, VALIDATOR_BYTES_MAX));
    }
    Ok(())
}

pub(super) fn header(rows_per_part: u32) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&rows_per_part.to_le_bytes());
    header
}

fn too_large(what: &'static str, entry: &Entry, limit: usize) -> ManifestError {
    ManifestError::TooLarge { what, start: entry.key.chars().take(SHOWN_CHARS).collect(), limit }
}
