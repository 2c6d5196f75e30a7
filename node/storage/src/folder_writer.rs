//! One object of a local result under construction: a file of its own, which moves into its place
//! when it is whole.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task;

use crate::sink::{ObjectWriter, SinkError};
use crate::staging::Staging;

/// A file that appears as `to` when it is finished.
pub(super) struct FolderWriter {
    file: Option<File>,
    tmp: PathBuf,
    to: PathBuf,
    written: u64,
    /// Keeps the staging folder while the object is under construction.
    _staging: Arc<Staging>,
}

impl FolderWriter {
    /// Begins the new file `tmp`, to become `to`.
    pub(super) fn create(
        tmp: PathBuf,
        to: PathBuf,
        staging: Arc<Staging>,
    ) -> Result<Self, SinkError> {
        let file = File::create_new(&tmp).map_err(|error| SinkError::from_io(&tmp, error))?;
        let file = Some(file);
        Ok(Self { file, tmp, to, written: 0, _staging: staging })
    }

    /// Appends bytes, on a thread that may block.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        // The file is given back only after a whole write: half of one breaks the object.
        let mut file = self.file.take().ok_or(SinkError::Closed)?;
        let written = file.write_all(bytes);
        written.map_err(|error| SinkError::from_io(&self.tmp, error))?;
        self.written += bytes.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    /// Makes the object appear, on a thread that may block; its size in bytes.
    pub(super) fn appear(&mut self) -> Result<u64, SinkError> {
        self.file.take().ok_or(SinkError::Closed)?;
        move_into_place(&self.tmp, &self.to)?;
        Ok(self.written)
    }
}

#[async_trait]
impl ObjectWriter for FolderWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), SinkError> {
        let mut file = self.file.take().ok_or(SinkError::Closed)?;
        let (place, tmp) = (self.tmp.display().to_string(), self.tmp.clone());
        let length = bytes.len() as u64;
        let write = move || match file.write_all(&bytes) {
            Ok(()) => Ok(file),
            Err(error) => Err(SinkError::from_io(&tmp, error)),
        };
        self.file = Some(blocking(&place, write).await?);
        self.written += length;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<u64, SinkError> {
        let place = self.to.display().to_string();
        blocking(&place, move || self.appear()).await
    }
}

impl Drop for FolderWriter {
    fn drop(&mut self) {
        // After `appear` there is nothing of this name, and that is all that can go wrong.
        let _ = fs::remove_file(&self.tmp);
    }
}

/// Moves a finished file to its name, making the folders above it.
pub(super) fn move_into_place(tmp: &Path, to: &Path) -> Result<(), SinkError> {
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder).map_err(|error| SinkError::from_io(folder, error))?;
    fs::rename(tmp, to).map_err(|error| SinkError::from_io(to, error))
}

/// Makes a call that blocks where it blocks nobody.
pub(super) async fn blocking<T: Send + 'static>(
    place: &str,
    call: impl FnOnce() -> Result<T, SinkError> + Send + 'static,
) -> Result<T, SinkError> {
    task::spawn_blocking(call).await.unwrap_or_else(|ended| {
        Err(SinkError::Unavailable { place: place.to_owned(), source: Box::new(ended) })
    })
}
