//! What `verify` asks for: a result in a folder, and the computations of this release.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use fruitnode_coordinator::moments::Moments;

use crate::fitted_file::fitted_of;
use crate::output::model::{FittedView, ModelArrays};
use crate::pca;
use crate::verify::{Arithmetic, Published, Whole};

/// A result in a folder.
#[derive(Debug)]
pub struct ResultFolder {
    root: PathBuf,
}

impl ResultFolder {
    /// Opens a folder.
    ///
    /// # Errors
    /// When there is none, or it may not be read.
    pub fn open(root: &Path) -> io::Result<Self> {
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

/// The computations that made the result.
#[derive(Debug, Clone, Copy)]
pub struct OwnArithmetic;

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
