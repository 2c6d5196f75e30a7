//! What a file of weights is, for people, and whether it computes what it should: the fused kernels
//! against the plain graph, two ways that share nothing but the table of layers.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use crate::model::backbone::COLOURS;
use crate::model::error::{ModelError, WeightsError};
use crate::model::extractor::{Extractor, Network};
use crate::model::graph::Graph;
use crate::model::header::Header;
use crate::model::naming::Family;
use crate::model::pooling::Pooling;
use crate::model::profile::Declared;

/// Most that a feature of the fused kernels may differ from one of the plain graph, as a part of
/// the greatest feature.
pub const PARITY_MAX: f32 = 1e-4;

/// A file of weights that was read and found complete, of the right shapes, and finite.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// Who saved it.
    pub family: Family,
    /// The width multiplier that its channels follow, if they follow one.
    pub width: Option<f64>,
    /// Convolutions up to the features.
    pub layers: usize,
    /// Weights and biases of these, batch norms folded in.
    pub parameters: usize,
    /// Channels of the last feature map.
    pub channels: usize,
    /// Tensors in the file, a classifier's included.
    pub tensors: usize,
    /// Values of these.
    pub values: usize,
    /// How many tensors there are of each type.
    pub types: BTreeMap<String, usize>,
    /// What the file says of the input; the rest is in [`Family::profile`].
    pub declared: Declared,
    /// All that the file says of itself.
    pub metadata: BTreeMap<String, String>,
}

impl About {
    /// Reads and checks a whole safetensors file.
    ///
    /// # Errors
    /// The file is damaged or of no known family.
    pub fn read(bytes: &[u8]) -> Result<Self, WeightsError> {
        let network = Network::read(bytes)?;
        let header = Header::parse(bytes)?;
        let mut types = BTreeMap::new();
        for entry in header.tensors.values() {
            *types.entry(entry.dtype.clone()).or_default() += 1;
        }
        Ok(Self {
            family: network.family,
            width: network.width.map(|hundredths| f64::from(hundredths) / 100.0),
            layers: network.table.layers.len(),
            parameters: network.weights.iter().map(|of| of.weight.len() + of.bias.len()).sum(),
            channels: network.table.channels(),
            tensors: header.tensors.len(),
            values: header
                .tensors
                .values()
                .map(|entry| entry.shape.iter().product::<usize>())
                .sum(),
            types,
            declared: network.declared,
            metadata: header.metadata,
        })
    }
}

/// Runs one photograph through the fused kernels, pooled by the mean, and through the plain graph.
/// The greatest difference, as a part of the greatest feature; no number if all features are 0.
///
/// # Errors
/// Either way refuses the photograph, or a feature is not finite.
pub fn parity(
    bytes: &[u8],
    extractor: &Extractor,
    input: &[f32],
    (height, width): (usize, usize),
) -> Result<f32, ParityError> {
    let mut fused = vec![0.0; extractor.dim(height, width)];
    extractor.features(input, height, width, &mut fused)?;
    let network = Network::read(bytes)?;
    let plain = || -> candle_core::Result<Vec<f32>> {
        let graph = Graph::new(&network, &Device::Cpu)?;
        let photograph = Tensor::from_slice(input, (1, height, width, COLOURS), &Device::Cpu)?;
        graph.features(&photograph, Pooling::Avg)?.squeeze(0)?.to_vec1()
    };
    let plain = plain().map_err(ModelError::from)?;
    if plain.len() != fused.len() {
        let (found, expected) = (fused.len(), plain.len());
        return Err(ModelError::Length { what: "output", found, expected }.into());
    }
    let most = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0f32, f32::max);
    let greatest = most(&mut plain.iter().map(|value| value.abs()));
    let apart = most(&mut plain.iter().zip(&fused).map(|(a, b)| (a - b).abs()));
    Ok(apart / greatest)
}

/// Why two ways cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ParityError {
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The computation.
    #[error(transparent)]
    Model(#[from] ModelError),
}
