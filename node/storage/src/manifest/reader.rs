//! One block of a manifest at a time, checked against the manifest's digest.

use std::sync::Arc;

use bytes::Bytes;

use fruitnode_coordinator::ids::Digest;

use crate::manifest::codec::{Cursor, sha256};
use crate::manifest::{
    BLOCK_BYTES_MAX, Damage, FOOTER_BYTES, HEADER_BYTES, INDEX_RECORD_BYTES, MAGIC, MAGIC_END,
    ManifestError, ManifestSummary, PARTITIONS_MAX, ROWS_PER_PART_MAX, VERSION,
};
use crate::sink::Sink;
use crate::source::Entry;

/// A manifest that lies in a sink. Holds its index, 48 bytes per block, and no entry.
pub struct ManifestReader {
    sink: Arc<dyn Sink>,
    name: String,
    index: Index,
}

/// Where the blocks lie.
struct Index {
    summary: ManifestSummary,
    blocks: Vec<Block>,
}

struct Block {
    start: u64,
    length: u32,
    digest: Digest,
}

impl ManifestReader {
    /// Opens the manifest `name`, which must have this digest if one is given.
    pub async fn open(
        sink: Arc<dyn Sink>,
        name: &str,
        digest: Option<Digest>,
    ) -> Result<Self, ManifestError> {
        let size = sink.size(name).await?;
        let footer_start = size
            .checked_sub(FOOTER_BYTES as u64)
            .filter(|start| *start >= HEADER_BYTES as u64)
            .ok_or(Damage::Short)?;
        let header = sink.get_range(name, 0..HEADER_BYTES as u64).await?;
        let footer = sink.get_range(name, footer_start..size).await?;
        let partitions = partitions(&footer)?;
        let index_start = footer_start
            .checked_sub(u64::from(partitions) * INDEX_RECORD_BYTES as u64)
            .filter(|start| *start >= HEADER_BYTES as u64)
            .ok_or(Damage::Short)?;
        let index = sink.get_range(name, index_start..footer_start).await?;
        let index = Index::parse(&header, &index, &footer, index_start)?;
        if digest.is_some_and(|digest| digest != index.summary.digest) {
            return Err(Damage::Digest.into());
        }
        Ok(Self { sink, name: name.to_owned(), index })
    }

    /// What the manifest says of the whole listing.
    pub fn summary(&self) -> &ManifestSummary {
        &self.index.summary
    }

    /// Digest of the entries of one partition; of none for one that there is not.
    pub fn digest(&self, partition: u32) -> Digest {
        self.index.blocks.get(partition as usize).map(|block| block.digest).unwrap_or_default()
    }

    /// The entries of one partition, in key order.
    pub async fn block(&self, partition: u32) -> Result<Vec<Entry>, ManifestError> {
        let partitions = self.index.summary.partitions;
        let block = self
            .index
            .blocks
            .get(partition as usize)
            .ok_or(ManifestError::NoSuchPartition { partition, partitions })?;
        let range = block.start..block.start + u64::from(block.length);
        let bytes: Bytes = self.sink.get_range(&self.name, range).await?;
        if sha256(&[&bytes]) != block.digest {
            return Err(Damage::Digest.into());
        }
        Ok(entries(&bytes, self.index.rows(partition))?)
    }
}

impl Index {
    fn parse(
        header: &[u8],
        index: &[u8],
        footer: &[u8],
        blocks_end: u64,
    ) -> Result<Self, ManifestError> {
        let mut cursor = Cursor(header);
        if cursor.array()? != *MAGIC {
            return Err(Damage::Magic.into());
        }
        let version = u16::from_le_bytes(cursor.array()?);
        if version != VERSION {
            return Err(ManifestError::Version { version });
        }
        let rows_per_part = cursor.u32()?;
        let mut cursor = Cursor(footer);
        let (keys, bytes, partitions) = (cursor.u64()?, cursor.u64()?, cursor.u32()?);
        let listing = Digest(cursor.array()?);
        let in_range = (1..=ROWS_PER_PART_MAX).contains(&rows_per_part);
        if !in_range || keys.div_ceil(u64::from(rows_per_part)) != u64::from(partitions) {
            return Err(Damage::Range.into());
        }
        let digest = sha256(&[header, index, footer]);
        let summary = ManifestSummary { digest, listing, keys, bytes, partitions, rows_per_part };
        let mut blocks = Vec::with_capacity(partitions as usize);
        let (mut start, mut cursor) = (HEADER_BYTES as u64, Cursor(index));
        for _ in 0..partitions {
            let (length, digest) = (cursor.u32()?, Digest(cursor.array()?));
            if length as usize > BLOCK_BYTES_MAX {
                return Err(Damage::Range.into());
            }
            blocks.push(Block { start, length, digest });
            start += u64::from(length);
        }
        if start != blocks_end {
            return Err(Damage::Range.into());
        }
        Ok(Self { summary, blocks })
    }

    fn rows(&self, partition: u32) -> u32 {
        let ManifestSummary { keys, partitions, rows_per_part, .. } = self.summary;
        if partition + 1 < partitions {
            return rows_per_part;
        }
        let before = u64::from(partition) * u64::from(rows_per_part);
        u32::try_from(keys - before).expect("the last block has at most as many rows as the others")
    }
}

/// Number of blocks, from a footer of which nothing else is known to be true.
fn partitions(footer: &[u8]) -> Result<u32, Damage> {
    let mut cursor = Cursor(footer);
    let (_keys, _bytes, partitions) = (cursor.u64()?, cursor.u64()?, cursor.u32()?);
    let _listing = cursor.array::<32>()?;
    if cursor.array()? != *MAGIC_END {
        return Err(Damage::Magic);
    }
    if partitions > PARTITIONS_MAX { Err(Damage::Range) } else { Ok(partitions) }
}

/// Reads exactly `rows` entries. No more memory is taken than the bytes account for.
pub(super) fn entries(bytes: &[u8], rows: u32) -> Result<Vec<Entry>, Damage> {
    let mut cursor = Cursor(bytes);
    let mut entries: Vec<Entry> = Vec::new();
    for _ in 0..rows {
        let entry = cursor.entry()?;
        if entries.last().is_some_and(|last| last.key >= entry.key) {
            return Err(Damage::Order);
        }
        entries.push(entry);
    }
    if cursor.0.is_empty() { Ok(entries) } else { Err(Damage::Long) }
}
