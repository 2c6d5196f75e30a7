//! Named tensors of a safetensors file as `f32`, and batch norm folded into convolutions.

use half::{bf16, f16};

use crate::model::error::WeightsError;
use crate::model::header::Header;
use crate::model::table::Layer;

/// A parsed file of weights.
#[derive(Debug)]
pub(crate) struct Archive<'a> {
    header: Header,
    data: &'a [u8],
}

impl<'a> Archive<'a> {
    /// Reads the header of `file`, which is the whole file; values are read when asked for.
    ///
    /// # Errors
    ///
    /// See [`Header::parse`].
    pub(crate) fn parse(file: &'a [u8]) -> Result<Self, WeightsError> {
        let header = Header::parse(file)?;
        let data = &file[header.data..];
        Ok(Self { header, data })
    }

    /// Names of all tensors, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.header.tensors.keys().map(String::as_str)
    }

    /// Shape of a tensor, if it is there.
    #[must_use]
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.tensors.get(name).map(|entry| entry.shape.as_slice())
    }

    /// What the file's maker says under `key`.
    #[must_use]
    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        self.header.metadata.get(key).map(String::as_str)
    }

    /// The values of a tensor in row-major order, 16-bit floats widened.
    ///
    /// # Errors
    ///
    /// The tensor is missing, has another shape or no type of 16 or 32 bits, is empty, or holds a
    /// value that is not finite. `family` names the weights in the message.
    pub(crate) fn values(
        &self,
        name: &str,
        shape: &[usize],
        family: &'static str,
    ) -> Result<Vec<f32>, WeightsError> {
        let named = || name.to_owned();
        let entry = self
            .header
            .tensors
            .get(name)
            .ok_or_else(|| WeightsError::Missing { name: named(), family })?;
        if entry.shape != shape || shape.contains(&0) {
            let (found, expected) = (entry.shape.clone(), format!("{shape:?}"));
            return Err(WeightsError::Shape { name: named(), found, expected });
        }
        let bytes = &self.data[entry.start..entry.end];
        let values: Vec<f32> = match entry.dtype.as_str() {
            "F32" => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            "F16" => bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
            "BF16" => {
                bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect()
            }
            other => {
                return Err(WeightsError::Dtype { name: named(), dtype: other.to_owned() });
            }
        };
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(WeightsError::NotFinite { name: named(), index }),
            None => Ok(values),
        }
    }
}

/// Names of the tensors behind one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerNames {
    /// The convolution's weights, without bias.
    pub(crate) weight: String,
    /// What stands before `.weight`, `.bias`, `.running_mean` and `.running_var` of the batch norm.
    pub(crate) norm: String,
}

/// A layer's weights with its batch norm folded in.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// `[channels_out][channels_seen][kernel][kernel]`, as PyTorch stores them.
    pub weight: Vec<f32>,
    /// One per output channel.
    pub bias: Vec<f32>,
}

impl Folded {
    /// Reads a layer and folds its batch norm, in f64: with `s = gamma / sqrt(variance + epsilon)`
    /// weights become `w * s` and the bias `beta - mean * s`, rounded to f32 once.
    ///
    /// # Errors
    ///
    /// As [`Archive::values`], or a variance is negative, or the result is not finite.
    pub(crate) fn read(
        archive: &Archive,
        layer: &Layer,
        names: &LayerNames,
        epsilon: f64,
        family: &'static str,
    ) -> Result<Self, WeightsError> {
        let channels = layer.channels_out;
        let shape = [channels, layer.channels_seen(), layer.kernel, layer.kernel];
        let mut weight = archive.values(&names.weight, &shape, family)?;
        let norm = |part: &str| {
            let name = format!("{}.{part}", names.norm);
            archive.values(&name, &[channels], family)
        };
        let (gamma, beta) = (norm("weight")?, norm("bias")?);
        let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
        let mut bias = Vec::with_capacity(channels);
        let per_channel = weight.len() / channels;
        for (channel, weights) in weight.chunks_mut(per_channel).enumerate() {
            let spread = f64::from(variance[channel]) + epsilon;
            if spread <= 0.0 {
                let name = format!("{}.running_var", names.norm);
                return Err(WeightsError::Variance { name, index: channel });
            }
            let scale = f64::from(gamma[channel]) / spread.sqrt();
            for value in weights {
                *value = (f64::from(*value) * scale) as f32;
            }
            bias.push((f64::from(beta[channel]) - f64::from(mean[channel]) * scale) as f32);
        }
        let finite = |values: &[f32], name: String| match values.iter().position(|v| !v.is_finite())
        {
            Some(index) => Err(WeightsError::NotFinite { name, index }),
            None => Ok(()),
        };
        finite(&weight, names.weight.clone())?;
        finite(&bias, format!("{}.bias", names.norm))?;
        Ok(Self { weight, bias })
    }
}
