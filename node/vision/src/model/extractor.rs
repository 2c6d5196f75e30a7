//! From bytes of weights to features of photographs: what the rest of the node sees of a network.

use candle_core::{Device, Tensor};
use sha2::{Digest, Sha256};

use crate::model::backbone::{Backbone, COLOURS};
use crate::model::error::{ModelError, WeightsError};
use crate::model::kernels::{Engine, Kernel};
use crate::model::metadata::{Metadata, SIDE_MAX};
use crate::model::naming::{Family, Recognised};
use crate::model::pooling::Pooling;
use crate::model::profile::Declared;
use crate::model::table::Table;
use crate::model::weights::{Archive, Folded};

/// What changes in an extractor besides its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// How the last map becomes features. Part of the bits.
    pub pooling: Pooling,
    /// The instructions to use, or the best there are. No part of the bits.
    pub kernel: Option<Kernel>,
}

/// The weights that come with the program: MobileNetV2 1.0 trained on Fruits-360 at 100 pixels, in
/// safetensors (f16, torchvision's names).
#[must_use]
pub fn embedded() -> &'static [u8] {
    include_bytes!("../../assets/weights/mobilenet_v2_fruits_100.safetensors")
}

/// A network without its classifier, ready for any number of threads.
#[derive(Debug)]
pub struct Extractor {
    backbone: Backbone,
    family: Family,
    width: Option<f64>,
    declared: Declared,
    sha256: String,
}

impl Extractor {
    /// Recognises and checks a whole safetensors file, and packs it for this CPU.
    ///
    /// # Errors
    ///
    /// The file is damaged, is of no known family, or the kernel asked for cannot run here.
    pub fn load(bytes: &[u8], options: &Options) -> Result<Self, WeightsError> {
        let engine = Engine::new(options.kernel)?;
        let network = Network::read(bytes)?;
        let backbone = Backbone::new(network.table, &network.weights, engine, options.pooling);
        Ok(Self {
            backbone,
            family: network.family,
            width: network.width.map(|hundredths| f64::from(hundredths) / 100.0),
            declared: network.declared,
            sha256: hex(&Sha256::digest(bytes)),
        })
    }

    /// Features of a photograph of `height * width` pixels; 0 for sides that [`Self::features`]
    /// refuses.
    #[must_use]
    pub fn dim(&self, height: usize, width: usize) -> usize {
        if takes(height, width) { self.backbone.dim(height, width) } else { 0 }
    }

    /// Computes the features of one photograph on the calling thread.
    ///
    /// `input` is `[height, width, 3]`, prepared as the profile says; `out` has [`Self::dim`]
    /// values. The same input gives the same bits on every CPU and thread.
    ///
    /// # Errors
    ///
    /// A side is 0 or above [`SIDE_MAX`], a slice has the wrong length, or a feature is not finite.
    pub fn features(
        &self,
        input: &[f32],
        height: usize,
        width: usize,
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        if !takes(height, width) {
            return Err(ModelError::Side { height, width, limit: SIDE_MAX });
        }
        check_length("input", input.len(), height * width * COLOURS)?;
        check_length("output", out.len(), self.dim(height, width))?;
        let photograph = Tensor::from_slice(input, (1, height, width, COLOURS), &Device::Cpu)?;
        let features = photograph.apply_op1_no_bwd(&self.backbone)?.squeeze(0)?;
        out.copy_from_slice(&features.to_vec1::<f32>()?);
        match out.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(ModelError::NotFinite { index }),
            None => Ok(()),
        }
    }

    /// Who saved the weights.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// The width multiplier that the channels follow, if they follow one.
    #[must_use]
    pub fn width(&self) -> Option<f64> {
        self.width
    }

    /// What the weights' metadata say of the input; the rest is in [`Family::profile`].
    #[must_use]
    pub fn declared(&self) -> Declared {
        self.declared
    }

    /// SHA-256 of the file of weights, in lower-case hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The instructions in use.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.backbone.engine.kernel()
    }
}

/// Everything read from a file of weights.
#[derive(Debug)]
pub struct Network {
    /// Who saved it.
    pub family: Family,
    /// The width multiplier that the channels follow, in hundredths.
    pub width: Option<u32>,
    /// What the metadata say of the input.
    pub declared: Declared,
    /// The layers.
    pub table: Table,
    /// Weights of each layer.
    pub weights: Vec<Folded>,
}

impl Network {
    /// Reads and checks a whole safetensors file. What the metadata say of borders and epsilon
    /// overrides the family's habits.
    ///
    /// # Errors
    ///
    /// The file is damaged or of no known family.
    pub fn read(bytes: &[u8]) -> Result<Self, WeightsError> {
        let archive = Archive::parse(bytes)?;
        let Recognised { family, variant, names } = Recognised::of(&archive)?;
        let width = variant.width();
        let metadata = Metadata::read(&archive, family, width)?;
        let table = variant.table(metadata.padding.unwrap_or_else(|| family.padding()));
        let epsilon = metadata.epsilon.unwrap_or_else(|| family.epsilon());
        let weights = table
            .layers
            .iter()
            .zip(&names)
            .map(|(layer, names)| Folded::read(&archive, layer, names, epsilon, family.name()))
            .collect::<Result<_, _>>()?;
        Ok(Self { family, width, declared: metadata.declared, table, weights })
    }
}

/// Whether both sides are within the limits.
fn takes(height: usize, width: usize) -> bool {
    (1..=SIDE_MAX).contains(&height) && (1..=SIDE_MAX).contains(&width)
}

fn check_length(what: &'static str, found: usize, expected: usize) -> Result<(), ModelError> {
    if found == expected { Ok(()) } else { Err(ModelError::Length { what, found, expected }) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
