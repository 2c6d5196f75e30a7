//! From a listing to a manifest: lists and writes side by side, holding a few blocks.

use tokio::sync::mpsc;

use crate::manifest::{ManifestError, ManifestSummary, ManifestWriter};
use crate::sink::{ObjectWriter, Sink};
use crate::source::Entry;

/// Blocks of entries that may wait between the listing and the writer.
const BLOCKS_WAITING_MAX: usize = 2;

/// Writes as the object `name` the manifest of what `list` sends. `progress` is told of so many
/// keys more from time to time, so that a long listing is not a silent one.
pub async fn write_manifest<T, E, F>(
    list: impl FnOnce(mpsc::Sender<Vec<Entry>>) -> F,
    rows_per_part: u32,
    sink: &dyn Sink,
    name: &str,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<(ManifestSummary, T), ManifestError>
where
    F: Future<Output = Result<T, E>>,
    ManifestError: From<E>,
{
    let (writer, header) = ManifestWriter::new(rows_per_part)?;
    let mut object = sink.create(name).await?;
    object.write(header.into()).await?;
    let (blocks, received) = mpsc::channel(BLOCKS_WAITING_MAX);
    let (listed, written) =
        tokio::join!(list(blocks), write(writer, &mut *object, received, progress));
    // Where writing failed and so stopped the listing, the cause is there.
    let written = written?;
    let listed = listed?;
    let (tail, manifest) = written.finish();
    object.write(tail.into()).await?;
    object.finish().await?;
    Ok((manifest, listed))
}

async fn write(
    mut writer: ManifestWriter,
    object: &mut dyn ObjectWriter,
    mut received: mpsc::Receiver<Vec<Entry>>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<ManifestWriter, ManifestError> {
    while let Some(entries) = received.recv().await {
        for entry in &entries {
            if let Some(block) = writer.push(entry)? {
                object.write(block.into()).await?;
            }
        }
        progress(entries.len() as u64);
    }
    Ok(writer)
}
