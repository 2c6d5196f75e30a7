//! What one lease of a listing leaves for whoever makes the manifest: its entries in objects of
//! half a mebibyte, in the encoding of the manifest's blocks, each written and read whole. So a
//! lease holds one of them, however long its range is.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use fruitnode_coordinator::ids::Digest;

use crate::manifest::codec::{sha256, write_entry, write_subject};
use crate::manifest::reader::entries;
use crate::manifest::writer::check_lengths;
use crate::manifest::{Damage, ManifestError};
use crate::sink::Sink;
use crate::source::{Entry, ListError};

/// Bytes from which on an object is full.
const CHUNK_BYTES: usize = 512 << 10;

/// Pages of a listing that may wait for the object before them to be written.
const BLOCKS_WAITING_MAX: usize = 1;

/// Objects that are read ahead of the one that is gathered.
const CHUNKS_AHEAD: usize = 4;

/// One object of consecutive entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Entries.
    rows: u32,
    /// SHA-256 of its bytes, hexadecimal.
    sha256: String,
}

/// Writes what `list` sends as objects that are called after their position, from 0. `progress` is
/// told of so many keys more from time to time.
pub async fn write_chunks<T, F>(
    list: impl FnOnce(mpsc::Sender<Vec<Entry>>) -> F,
    sink: &dyn Sink,
    name: impl Fn(usize) -> String,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<(Vec<Chunk>, T), ManifestError>
where
    F: Future<Output = Result<T, ListError>>,
{
    let (blocks, received) = mpsc::channel(BLOCKS_WAITING_MAX);
    let (listed, written) = tokio::join!(list(blocks), write(sink, name, received, progress));
    // Where writing failed and so stopped the listing, the cause is there.
    let written = written?;
    Ok((written, listed?))
}

/// Sends the entries of these objects in their order, object by object.
pub async fn read_chunks(
    sink: &dyn Sink,
    chunks: Vec<(String, Chunk)>,
    blocks: mpsc::Sender<Vec<Entry>>,
) -> Result<(), ManifestError> {
    let mut read = stream::iter(chunks)
        .map(|(name, chunk)| async move {
            let bytes = sink.get(&name).await?;
            Ok::<_, ManifestError>((bytes, chunk))
        })
        .buffered(CHUNKS_AHEAD);
    while let Some((bytes, chunk)) = read.try_next().await? {
        let stopped = |_| ListError::Stopped { from: sink.uri().to_owned() };
        blocks.send(chunk.decode(&bytes)?).await.map_err(stopped)?;
    }
    Ok(())
}

impl Chunk {
    /// Of bytes that hold so many entries.
    fn of(bytes: &[u8], rows: u32) -> Self {
        Self { rows, sha256: sha256(&[bytes]).hex() }
    }

    fn decode(&self, bytes: &Bytes) -> Result<Vec<Entry>, Damage> {
        let digest: Digest = sha256(&[bytes]);
        if digest.hex() != self.sha256 {
            return Err(Damage::Digest);
        }
        entries(bytes, self.rows)
    }
}

async fn write(
    sink: &dyn Sink,
    name: impl Fn(usize) -> String,
    mut received: mpsc::Receiver<Vec<Entry>>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Vec<Chunk>, ManifestError> {
    let (mut chunks, mut bytes, mut rows) = (Vec::new(), Vec::new(), 0);
    let mut subject = Vec::new();
    loop {
        let block = received.recv().await;
        let over = block.is_none();
        for entry in block.iter().flatten() {
            check_lengths(entry)?;
            subject.clear();
            write_subject(&mut subject, entry);
            write_entry(&mut bytes, &subject, entry);
            rows += 1;
        }
        progress(block.map_or(0, |block| block.len() as u64));
        if rows > 0 && (over || bytes.len() >= CHUNK_BYTES) {
            let full = Bytes::from(std::mem::take(&mut bytes));
            let chunk = Chunk::of(&full, std::mem::take(&mut rows));
            sink.put(&name(chunks.len()), full).await?;
            chunks.push(chunk);
        }
        if over {
            return Ok(chunks);
        }
    }
}
