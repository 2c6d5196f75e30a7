//! From a source to a manifest: lists and writes side by side, holding a few blocks.

use tokio::sync::mpsc;

use crate::storage::manifest::{ManifestError, ManifestSummary, ManifestWriter};
use crate::storage::select::Selection;
use crate::storage::sink::{ObjectWriter, Sink};
use crate::storage::source::{Entry, ListError, ListSummary, Source};

/// Blocks of entries that may wait between the listing and the writer.
const BLOCKS_WAITING_MAX: usize = 4;

/// Lists `source` and writes its manifest as the object `name`. `progress` is told the number of
/// keys from time to time, so that a long listing is not a silent one.
pub async fn write_manifest(
    source: &dyn Source,
    selection: &Selection,
    rows_per_part: u32,
    sink: &dyn Sink,
    name: &str,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<(ManifestSummary, ListSummary), ManifestError> {
    let (writer, header) = ManifestWriter::new(rows_per_part)?;
    let mut object = sink.create(name).await?;
    object.write(header.into()).await?;
    let (blocks, received) = mpsc::channel(BLOCKS_WAITING_MAX);
    let (listed, written) = tokio::join!(
        source.list(selection, blocks),
        write(writer, &mut *object, received, progress)
    );
    let listing = match listed {
        // Writing failed and so stopped the listing: the cause is there.
        Err(ListError::Stopped { .. }) if written.is_err() => None,
        listed => Some(listed?),
    };
    let (tail, manifest) = written?.finish();
    object.write(tail.into()).await?;
    object.finish().await?;
    let listing = listing.expect("where writing succeeds, the listing is there");
    Ok((manifest, listing))
}

async fn write(
    mut writer: ManifestWriter,
    object: &mut dyn ObjectWriter,
    mut received: mpsc::Receiver<Vec<Entry>>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<ManifestWriter, ManifestError> {
    let mut keys = 0;
    while let Some(entries) = received.recv().await {
        for entry in &entries {
            if let Some(block) = writer.push(entry)? {
                object.write(block.into()).await?;
            }
        }
        keys += entries.len() as u64;
        progress(keys);
    }
    Ok(writer)
}
