//! Which family saved a file of weights, what its tensors are called, and what it expects.

use crate::model::error::WeightsError;
use crate::model::mobilenet_v2::{BLOCKS, STAGES, Variant};
use crate::model::profile::{ChannelOrder, Declared, Filter};
use crate::model::table::Padding;
use crate::model::weights::{Archive, LayerNames};

/// Most blocks that are counted in one stage.
const BLOCKS_MAX: usize = 64;
/// What Transformers puts before every name if the network was saved with its classifier.
const TRANSFORMERS_PREFIX: &str = "mobilenet_v2.";

/// A network as one library saves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `torchvision.models.mobilenet_v2`.
    TorchvisionMobilenetV2,
    /// `timm` `mobilenetv2_*`, the deeper variants included.
    TimmMobilenetV2,
    /// Transformers `MobileNetV2Model`, with or without classifier (`google/mobilenet_v2_*`).
    TransformersMobilenetV2,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 3] =
        [Self::TorchvisionMobilenetV2, Self::TimmMobilenetV2, Self::TransformersMobilenetV2];

    /// A stable name for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TorchvisionMobilenetV2 => "torchvision/mobilenet_v2",
            Self::TimmMobilenetV2 => "timm/mobilenetv2",
            Self::TransformersMobilenetV2 => "transformers/mobilenet_v2",
        }
    }

    /// The network, as `arch` in the metadata calls it.
    #[must_use]
    pub fn arch(self) -> &'static str {
        "mobilenet_v2"
    }

    /// How the family's published weights want their input: every field is set.
    ///
    /// Sources: torchvision `MobileNet_V2_Weights`, timm `default_cfgs["mobilenetv2_100"]`,
    /// `preprocessor_config.json` of google/mobilenet_v2_1.0_224.
    #[must_use]
    pub fn profile(self) -> Declared {
        let (mean, std) = match self {
            Self::TorchvisionMobilenetV2 | Self::TimmMobilenetV2 => {
                ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
            }
            Self::TransformersMobilenetV2 => ([0.5; 3], [0.5; 3]),
        };
        let filter = match self {
            Self::TimmMobilenetV2 => Filter::Bicubic,
            Self::TorchvisionMobilenetV2 | Self::TransformersMobilenetV2 => Filter::Bilinear,
        };
        Declared {
            input_size: Some(224),
            channel_order: Some(ChannelOrder::Rgb),
            scale: Some(1.0 / 255.0),
            mean: Some(mean),
            std: Some(std),
            filter: Some(filter),
        }
    }

    /// Rule for borders, where the metadata are silent.
    #[must_use]
    pub fn padding(self) -> Padding {
        match self {
            Self::TorchvisionMobilenetV2 | Self::TimmMobilenetV2 => Padding::Symmetric,
            Self::TransformersMobilenetV2 => Padding::Same,
        }
    }

    /// Epsilon of the batch norms, where the metadata are silent.
    #[must_use]
    pub(crate) fn epsilon(self) -> f64 {
        match self {
            Self::TorchvisionMobilenetV2 | Self::TimmMobilenetV2 => 1e-5,
            Self::TransformersMobilenetV2 => 1e-3,
        }
    }
}

/// A file of weights that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recognised {
    /// Who saved it.
    pub(crate) family: Family,
    /// The network's channels and depths, read off the shapes.
    pub(crate) variant: Variant,
    /// Names behind each layer of [`Variant::table`], in its order.
    pub(crate) names: Vec<LayerNames>,
}

impl Recognised {
    /// Recognises the family by its names and the variant by its shapes.
    ///
    /// # Errors
    ///
    /// No family fits, a tensor is missing, or there is one that the network has no place for:
    /// a sister network with the same names must not pass for this one.
    pub(crate) fn of(archive: &Archive) -> Result<Self, WeightsError> {
        let has = |name: &str| archive.shape(name).is_some();
        let prefix = if has("mobilenet_v2.conv_stem.first_conv.convolution.weight") {
            TRANSFORMERS_PREFIX
        } else {
            ""
        };
        let family = if has("features.0.0.weight") {
            Family::TorchvisionMobilenetV2
        } else if has("conv_stem.weight") {
            Family::TimmMobilenetV2
        } else if has(&format!("{prefix}conv_stem.first_conv.convolution.weight")) {
            Family::TransformersMobilenetV2
        } else {
            let example = archive.names().next().unwrap_or("").to_owned();
            return Err(WeightsError::Unrecognised { example });
        };
        let blocks = match family {
            Family::TimmMobilenetV2 => std::array::from_fn(|stage| {
                let there = |block: &usize| has(&format!("blocks.{stage}.{block}.conv_dw.weight"));
                (0..BLOCKS_MAX).take_while(there).count().max(1)
            }),
            Family::TorchvisionMobilenetV2 | Family::TransformersMobilenetV2 => BLOCKS,
        };
        let names = layer_names(family, prefix, &blocks);
        let variant = variant_of(archive, family, blocks, &names)?;
        check_strangers(archive, family, &names)?;
        Ok(Self { family, variant, names })
    }
}

/// Reads stem, stages and head off the output channels of their convolutions.
fn variant_of(
    archive: &Archive,
    family: Family,
    blocks: [usize; STAGES],
    names: &[LayerNames],
) -> Result<Variant, WeightsError> {
    let channels_out = |layer: usize| {
        let name = &names[layer].weight;
        let shape = archive
            .shape(name)
            .ok_or_else(|| WeightsError::Missing { name: name.clone(), family: family.name() })?;
        match shape {
            &[channels, _, _, _] if channels > 0 => Ok(channels),
            _ => Err(WeightsError::Shape {
                name: name.clone(),
                found: shape.to_vec(),
                expected: "four axes, none empty,".to_owned(),
            }),
        }
    };
    let mut channels = [0; STAGES];
    // The stem, then two layers in each block of the first stage and three in the others.
    let mut layers = 1;
    for (stage, channels) in channels.iter_mut().enumerate() {
        layers += blocks[stage] * if stage == 0 { 2 } else { 3 };
        *channels = channels_out(layers - 1)?;
    }
    Ok(Variant {
        stem: channels_out(0)?,
        channels,
        blocks,
        head: channels_out(names.len() - 1)?,
        first_shortcut: family != Family::TransformersMobilenetV2,
    })
}

/// Names of all layers in the table's order.
pub(super) fn layer_names(
    family: Family,
    prefix: &str,
    blocks: &[usize; STAGES],
) -> Vec<LayerNames> {
    let pair = |weight: String, norm: String| LayerNames { weight, norm };
    let torch = |base: &str, conv: &str, norm: &str| {
        pair(format!("{base}.{conv}.weight"), format!("{base}.{norm}"))
    };
    let transformers = |part: String| {
        pair(format!("{prefix}{part}.convolution.weight"), format!("{prefix}{part}.normalization"))
    };
    let mut names = vec![match family {
        Family::TorchvisionMobilenetV2 => torch("features.0", "0", "1"),
        Family::TimmMobilenetV2 => pair("conv_stem.weight".to_owned(), "bn1".to_owned()),
        Family::TransformersMobilenetV2 => transformers("conv_stem.first_conv".to_owned()),
    }];
    let mut number = 0;
    for (stage, &count) in blocks.iter().enumerate() {
        for block in 0..count {
            number += 1;
            match (family, stage) {
                (Family::TorchvisionMobilenetV2, 0) => {
                    let base = format!("features.{number}.conv");
                    names.extend([torch(&base, "0.0", "0.1"), torch(&base, "1", "2")]);
                }
                (Family::TorchvisionMobilenetV2, _) => {
                    let base = format!("features.{number}.conv");
                    names.extend([torch(&base, "0.0", "0.1"), torch(&base, "1.0", "1.1")]);
                    names.push(torch(&base, "2", "3"));
                }
                (Family::TimmMobilenetV2, 0) => {
                    let base = format!("blocks.0.{block}");
                    names.extend([torch(&base, "conv_dw", "bn1"), torch(&base, "conv_pw", "bn2")]);
                }
                (Family::TimmMobilenetV2, _) => {
                    let base = format!("blocks.{stage}.{block}");
                    names.extend([torch(&base, "conv_pw", "bn1"), torch(&base, "conv_dw", "bn2")]);
                    names.push(torch(&base, "conv_pwl", "bn3"));
                }
                (Family::TransformersMobilenetV2, 0) => names.extend(
                    ["conv_3x3", "reduce_1x1"]
                        .map(|part| transformers(format!("conv_stem.{part}"))),
                ),
                (Family::TransformersMobilenetV2, _) => {
                    // The first block belongs to the stem, so that layers count from the second.
                    let base = format!("layer.{}", number - 2);
                    let parts = ["expand_1x1", "conv_3x3", "reduce_1x1"];
                    names.extend(parts.map(|part| transformers(format!("{base}.{part}"))));
                }
            }
        }
    }
    names.push(match family {
        Family::TorchvisionMobilenetV2 => torch(&format!("features.{}", number + 1), "0", "1"),
        Family::TimmMobilenetV2 => pair("conv_head.weight".to_owned(), "bn2".to_owned()),
        Family::TransformersMobilenetV2 => transformers("conv_1x1".to_owned()),
    });
    names
}

/// Refuses tensors beside the network's own, its classifier and its counters of batches.
fn check_strangers(
    archive: &Archive,
    family: Family,
    names: &[LayerNames],
) -> Result<(), WeightsError> {
    const NORM_PARTS: [&str; 5] =
        ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"];
    let mut known = std::collections::BTreeSet::new();
    for LayerNames { weight, norm } in names {
        known.insert(weight.clone());
        known.extend(NORM_PARTS.map(|part| format!("{norm}.{part}")));
    }
    match archive.names().find(|name| !known.contains(*name) && !name.starts_with("classifier.")) {
        Some(name) => {
            Err(WeightsError::Unexpected { name: name.to_owned(), family: family.name() })
        }
        None => Ok(()),
    }
}
