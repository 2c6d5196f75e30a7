//! What `verify` asks for: a result in a folder or on S3, and the computations of this release.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::runtime::Handle;

use fruitnode_pca as pca;
use fruitnode_pca::moments::Moments;
use fruitnode_result::fitted_file::fitted_of;
use fruitnode_result::model::{FittedView, ModelArrays};
use fruitnode_result::verify::{Arithmetic, Published, Whole};
use fruitnode_storage::S3Result;

/// A result in a folder.
#[derive(Debug)]
pub(crate) struct ResultFolder {
    root: PathBuf,
}

impl ResultFolder {
    /// Opens a folder.
    ///
    /// # Errors
    /// When there is none, or it may not be read.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        fs::read_dir(root)?;
        Ok(Self { root: root.to_owned() })
    }
}

impl Published for ResultFolder {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        let mut open = vec![String::new()];
        while let Some(below) = open.pop() {
            for entry in fs::read_dir(self.root.join(&below))? {
                let entry = entry?;
                let name = format!("{below}{}", entry.file_name().to_string_lossy());
                if entry.file_type()?.is_dir() {
                    open.push(format!("{name}/"));
                } else {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.root.join(name))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(BufReader::new(File::open(self.root.join(name))?)))
    }
}

/// A result on S3. Its reads block, on a thread that is none of the reactor's.
#[derive(Debug)]
pub(crate) struct ResultBucket {
    result: S3Result,
    reactor: Handle,
}

/// An object that is read range by range.
struct Ranges<'a> {
    bucket: &'a ResultBucket,
    name: String,
    at: u64,
    size: u64,
    held: Bytes,
}

/// Bytes of an object that are asked for at a time.
const RANGE_BYTES: u64 = 8 << 20;

impl ResultBucket {
    /// Reads through a reactor that runs elsewhere.
    pub(crate) fn new(result: S3Result, reactor: Handle) -> Self {
        Self { result, reactor }
    }
}

impl Published for ResultBucket {
    fn list(&self) -> io::Result<Vec<String>> {
        self.reactor.block_on(self.result.names()).map_err(io::Error::other)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let read = self.reactor.block_on(self.result.read(name)).map_err(io::Error::other)?;
        read.map(Into::into).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        let size = self.reactor.block_on(self.result.size(name)).map_err(io::Error::other)?;
        let size = size.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let (name, held) = (name.to_owned(), Bytes::new());
        Ok(Box::new(Ranges { bucket: self, name, at: 0, size, held }))
    }
}

impl Read for Ranges<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.held.is_empty() && self.at < self.size {
            let end = (self.at + RANGE_BYTES).min(self.size);
            let ResultBucket { result, reactor } = self.bucket;
            let read = reactor.block_on(result.read_range(&self.name, self.at..end));
            let read = read.map_err(io::Error::other)?;
            self.held = read.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
            self.at = end;
        }
        let length = buffer.len().min(self.held.len());
        buffer[..length].copy_from_slice(&self.held.split_to(length));
        Ok(length)
    }
}

/// The computations that made the result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnArithmetic;

impl Arithmetic for OwnArithmetic {
    type Moments = Moments;

    fn of_rows(&self, values: &[f32], dim: usize) -> Moments {
        Moments::of_rows(values, dim)
    }

    fn merge(&self, left: Moments, right: Moments) -> Moments {
        // Parts of another width are found, and named, before their moments are merged.
        Moments::merge(&left, &right).unwrap_or(left)
    }

    fn whole(&self, moments: &Moments) -> Whole {
        let dim = moments.dim();
        let mut products = vec![0.0; dim * dim];
        for i in 0..dim {
            for (offset, value) in moments.m2_row(i).iter().enumerate() {
                products[i * dim + i + offset] = *value;
                products[(i + offset) * dim + i] = *value;
            }
        }
        Whole { count: moments.count(), mean: moments.mean().to_vec(), products }
    }

    fn project(&self, model: &FittedView<'_>, values: &[f32]) -> Vec<f32> {
        let arrays = ModelArrays {
            mean: model.mean.to_vec(),
            scale: model.scale.to_vec(),
            components: model.components.to_vec(),
            eigenvalues: model.eigenvalues.to_vec(),
            ratios: model.ratios.to_vec(),
        };
        let mut scores = Vec::new();
        // A model or rows that cannot be projected give no scores, which agree with none.
        if let Ok(fitted) = fitted_of(model.facts, arrays) {
            let _ = pca::project(&fitted, values, &mut scores);
        }
        scores
    }
}
