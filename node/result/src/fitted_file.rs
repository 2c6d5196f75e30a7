//! A fitted model between its two forms: the numbers that `pca` computes with, and the files that
//! `output` writes. Neither of them knows of the other.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use fruitnode_pca as pca;
use fruitnode_pca::{Certificate, Convention, FitOptions, Fitted};

use crate::model::{
    FittedView, ModelArrays, ModelFacts, SCHEMA_VERSION, Setting, Standardize, Target, Weights,
    model_json, model_safetensors, read_model_json, read_model_safetensors,
};
use crate::report::Figure;
use crate::{ReadError, WriteError};

/// What the fit of a job leaves for the tasks after it: one line of JSON, then safetensors.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedFile {
    /// Scalars and names.
    pub facts: ModelFacts,
    /// Figures that certify the fit.
    pub certificate: Vec<Figure>,
    /// What a reader of the result should know.
    pub warnings: Vec<String>,
    /// Scaler, components, spectrum.
    pub arrays: ModelArrays,
}

/// How the features were made that a model is fitted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeBy {
    /// The network.
    pub weights: Weights,
    /// How photographs became its input.
    pub preprocessing: Vec<Setting>,
    /// How its last feature map became a row.
    pub pooling: String,
    /// What else their bits depend on.
    pub compute_class: String,
}

#[derive(Serialize, Deserialize)]
struct Head {
    facts: ModelFacts,
    certificate: Vec<Figure>,
    warnings: Vec<String>,
}

impl FittedFile {
    /// Of a fresh fit.
    pub fn of(
        fitted: &Fitted,
        options: &FitOptions,
        certificate: &Certificate,
        made_by: MadeBy,
    ) -> Self {
        let MadeBy { weights, preprocessing, pooling, compute_class } = made_by;
        let facts = ModelFacts {
            schema_version: SCHEMA_VERSION,
            dim: fitted.dim as u32,
            rows: fitted.rows,
            k: fitted.k as u32,
            rank: fitted.rank as u32,
            target: match options.target {
                pca::Target::Components(k) | pca::Target::AtMost(k) => Target::Components(k as u32),
                pca::Target::Share(share) => Target::Share(share),
            },
            standardize: match fitted.standardize {
                pca::Standardize::None => Standardize::None,
                pca::Standardize::Mean => Standardize::Mean,
                pca::Standardize::MeanStd => Standardize::MeanStd,
            },
            convention: convention_name(fitted.like).to_owned(),
            centred: fitted.centred,
            eigenvalue_ddof: fitted.covariance_ddof as u32,
            scale_ddof: fitted.scale_ddof as u32,
            fit_class: fitted.fit_class.clone(),
            weights,
            preprocessing,
            pooling,
            compute_class,
        };
        let arrays = ModelArrays {
            mean: fitted.mean.clone(),
            scale: fitted.scale.clone(),
            components: fitted.components.clone(),
            eigenvalues: fitted.spectrum.clone(),
            ratios: fitted.ratios.clone(),
        };
        let warnings = fitted.warnings.iter().map(ToString::to_string).collect();
        Self { facts, certificate: figures(certificate), warnings, arrays }
    }

    /// From the files of a published model, which must be what this release writes for it: then
    /// a result made with it publishes the same bytes. They do not hold the certificate.
    ///
    /// # Errors
    /// When the bytes are damaged, do not belong together, or are of another release.
    pub fn published(json: &[u8], tensors: &[u8]) -> Result<Self, ReadError> {
        let facts = read_model_json(json)?;
        let arrays = read_model_safetensors(tensors)?;
        let view = arrays.view(&facts)?;
        let writes = |written: Result<Vec<u8>, WriteError>, read: &[u8]| {
            written.is_ok_and(|written| written == read)
        };
        if !writes(model_json(&view), json) || !writes(model_safetensors(&view), tensors) {
            let reason = "its files do not match, or were written by another release: restore \
                          them, or use that release";
            return Err(ReadError::new("model", reason));
        }
        Ok(Self { facts, certificate: Vec::new(), warnings: Vec::new(), arrays })
    }

    /// As an object of the job.
    ///
    /// # Errors
    /// When the arrays do not fit each other.
    pub fn encode(&self) -> Result<Vec<u8>, WriteError> {
        let head = Head {
            facts: self.facts.clone(),
            certificate: self.certificate.clone(),
            warnings: self.warnings.clone(),
        };
        let mut bytes = serde_json::to_vec(&head).expect("all keys are strings");
        bytes.push(b'\n');
        bytes.extend(model_safetensors(&self.view())?);
        Ok(bytes)
    }

    /// From an object of the job.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub fn decode(bytes: &Bytes) -> Result<Self, ReadError> {
        let refuse = |reason: String| ReadError::new("fitted model", reason);
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let end = end.ok_or_else(|| refuse("it has no head".to_owned()))?;
        let head: Head =
            serde_json::from_slice(&bytes[..end]).map_err(|error| refuse(error.to_string()))?;
        let arrays = read_model_safetensors(&bytes[end + 1..])?;
        arrays.view(&head.facts)?;
        let Head { facts, certificate, warnings } = head;
        Ok(Self { facts, certificate, warnings, arrays })
    }

    /// For the writers of the model's files.
    pub fn view(&self) -> FittedView<'_> {
        FittedView {
            facts: &self.facts,
            mean: &self.arrays.mean,
            scale: &self.arrays.scale,
            components: &self.arrays.components,
            eigenvalues: &self.arrays.eigenvalues,
            ratios: &self.arrays.ratios,
        }
    }

    /// For projecting and certifying.
    ///
    /// # Errors
    /// When the facts name a convention that this release does not know.
    pub fn fitted(&self) -> Result<Fitted, ReadError> {
        fitted_of(&self.facts, self.arrays.clone())
    }
}

/// The numbers of a model that was read from its files.
///
/// # Errors
/// When the facts name a convention that this release does not know.
pub fn fitted_of(facts: &ModelFacts, arrays: ModelArrays) -> Result<Fitted, ReadError> {
    let like = [Convention::Default, Convention::Spark, Convention::Sklearn]
        .into_iter()
        .find(|known| convention_name(*known) == facts.convention)
        .ok_or_else(|| {
            let reason = format!("unknown convention `{}`", facts.convention);
            ReadError::new("model", reason)
        })?;
    Ok(Fitted {
        dim: facts.dim as usize,
        rows: facts.rows,
        standardize: match facts.standardize {
            Standardize::None => pca::Standardize::None,
            Standardize::Mean => pca::Standardize::Mean,
            Standardize::MeanStd => pca::Standardize::MeanStd,
        },
        like,
        centred: facts.centred,
        mean: arrays.mean,
        scale: arrays.scale,
        scale_ddof: u64::from(facts.scale_ddof),
        // Not in the files: the certificate finds them in the moments.
        constant: Vec::new(),
        spectrum: arrays.eigenvalues,
        covariance_ddof: u64::from(facts.eigenvalue_ddof),
        ratios: arrays.ratios,
        rank: facts.rank as usize,
        k: facts.k as usize,
        components: arrays.components,
        warnings: Vec::new(),
        fit_class: facts.fit_class.clone(),
    })
}

/// The measures of a certificate, with their limits.
pub fn figures(certificate: &Certificate) -> Vec<Figure> {
    let measures = certificate.measures();
    measures
        .into_iter()
        .map(|(name, value, limit)| Figure { name: name.to_owned(), value, limit })
        .collect()
}

fn convention_name(convention: Convention) -> &'static str {
    match convention {
        Convention::Default => "centred",
        Convention::Spark => "spark",
        Convention::Sklearn => "sklearn",
    }
}
