//! Who decides how photographs are prepared: flags, the weights' metadata, the family.

use std::fmt;
use std::str::FromStr;

use super::{Preprocess, Tables};
use crate::model::metadata;
use crate::model::profile::{ChannelOrder, Declared, Filter};

/// Longest side that a tensor may have, in pixels.
const SIDE_MAX: u32 = metadata::SIDE_MAX as u32;

/// Size of the network's input in pixels. Written `224` (square) or `320x240` (width first).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// A named way to turn values of 0 to 255 into the network's, without size and filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// `x / 127.5 - 1`, RGB: Keras' mode `tf`, for its MobileNetV2.
    Keras,
    /// `(x / 255 - mean) / std` with the moments of ImageNet, RGB: torchvision and most of timm.
    Torchvision,
    /// `x - mean`, BGR: Keras' mode `caffe`, for its VGG16 and ResNet50.
    Caffe,
    /// `x / 255`, RGB.
    Unit,
}

/// What the user asks for; everything is optional.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Flags {
    /// Input size.
    pub size: Option<Size>,
    /// Resampling filter.
    pub filter: Option<Filter>,
    /// Channel order, scale, mean and std, all four.
    pub profile: Option<Profile>,
}

/// Who settled a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The user.
    Flag,
    /// The metadata of the weights.
    Weights,
    /// What the family of networks is usually shown.
    Family,
}

/// The origin of each field of a [`Preprocess`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the fields of `Preprocess`")]
pub struct Origins {
    pub size: Origin,
    pub filter: Origin,
    pub channel_order: Origin,
    pub scale: Origin,
    pub mean: Origin,
    pub std: Origin,
}

/// Why the preparation of photographs could not be settled.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message says what it means")]
pub enum PreprocessError {
    #[error(
        "the {field} of the input is not given by a flag, by the metadata of the weights, or by \
         the network; use {flag}, or add `{field}` to the metadata of the weights"
    )]
    Undefined { field: &'static str, flag: &'static str },
    #[error("{field} is {value}, which cannot be used for preprocessing; correct the {origin}")]
    Unusable { field: &'static str, value: String, origin: Origin },
    #[error(
        "--size: `{0}` is not an input size; write 224, or 320x240, with sides of 1 to {SIDE_MAX}"
    )]
    BadSize(String),
    #[error(
        "--preprocess: `{0}` is not a preprocessing profile; use keras, torchvision, caffe or unit"
    )]
    UnknownProfile(String),
    #[error("{field} is described as `{value}`, which this release does not support")]
    Foreign { field: &'static str, value: String },
}

impl Preprocess {
    /// Settles every field: flags first, then the weights' metadata, then the family.
    ///
    /// # Errors
    /// If a field remains open, or has a value that cannot be computed with.
    pub fn settle(
        flags: &Flags,
        weights: &Declared,
        family: &Declared,
    ) -> Result<Preprocess, PreprocessError> {
        let named = flags.profile.map(Profile::declared).unwrap_or_default();
        let asked = Declared { filter: flags.filter, ..named };
        let sources = [asked, *weights, *family];
        let declared_size = sources.map(|source| source.input_size.map(Size::square));
        let sizes = [flags.size, declared_size[1], declared_size[2]];
        let (size, size_origin) = first_of(sizes, "input_size", "--size")?;
        let (filter, filter_origin) =
            first_of(sources.map(|source| source.filter), "filter", "--resize")?;
        let profile = "--preprocess";
        let (channel_order, channel_order_origin) =
            first_of(sources.map(|source| source.channel_order), "channel_order", profile)?;
        let (scale, scale_origin) = first_of(sources.map(|source| source.scale), "scale", profile)?;
        let (mean, mean_origin) = first_of(sources.map(|source| source.mean), "mean", profile)?;
        let (std, std_origin) = first_of(sources.map(|source| source.std), "std", profile)?;
        let origins = Origins {
            size: size_origin,
            filter: filter_origin,
            channel_order: channel_order_origin,
            scale: scale_origin,
            mean: mean_origin,
            std: std_origin,
        };
        let sides_fit = [size.width, size.height].iter().all(|side| (1..=SIDE_MAX).contains(side));
        usable(sides_fit, "input_size", &size, origins.size)?;
        usable(scale.is_finite() && scale != 0.0, "scale", &scale, origins.scale)?;
        for value in mean {
            usable(value.is_finite(), "mean", &value, origins.mean)?;
        }
        for value in std {
            usable((value as f32).is_normal() && value > 0.0, "std", &value, origins.std)?;
        }
        let tables = Tables::new(scale, mean, std);
        Ok(Preprocess { size, filter, channel_order, scale, mean, std, origins, tables })
    }
}

/// The first value that is there, with its origin.
fn first_of<T>(
    [flag, weights, family]: [Option<T>; 3],
    field: &'static str,
    flag_name: &'static str,
) -> Result<(T, Origin), PreprocessError> {
    flag.map(|value| (value, Origin::Flag))
        .or_else(|| weights.map(|value| (value, Origin::Weights)))
        .or_else(|| family.map(|value| (value, Origin::Family)))
        .ok_or(PreprocessError::Undefined { field, flag: flag_name })
}

fn usable(
    condition: bool,
    field: &'static str,
    value: &dyn fmt::Display,
    origin: Origin,
) -> Result<(), PreprocessError> {
    if condition {
        Ok(())
    } else {
        Err(PreprocessError::Unusable { field, value: value.to_string(), origin })
    }
}

impl Profile {
    /// The fields that the name stands for.
    pub fn declared(self) -> Declared {
        let (channel_order, scale, mean, std) = match self {
            Profile::Keras => (ChannelOrder::Rgb, 1.0 / 127.5, [1.0; 3], [1.0; 3]),
            Profile::Torchvision => {
                (ChannelOrder::Rgb, 1.0 / 255.0, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
            }
            Profile::Caffe => (ChannelOrder::Bgr, 1.0, [103.939, 116.779, 123.68], [1.0; 3]),
            Profile::Unit => (ChannelOrder::Rgb, 1.0 / 255.0, [0.0; 3], [1.0; 3]),
        };
        Declared {
            channel_order: Some(channel_order),
            scale: Some(scale),
            mean: Some(mean),
            std: Some(std),
            ..Declared::default()
        }
    }
}

impl FromStr for Profile {
    type Err = PreprocessError;

    fn from_str(name: &str) -> Result<Self, PreprocessError> {
        match name {
            "keras" => Ok(Profile::Keras),
            "torchvision" => Ok(Profile::Torchvision),
            "caffe" => Ok(Profile::Caffe),
            "unit" => Ok(Profile::Unit),
            other => Err(PreprocessError::UnknownProfile(other.to_owned())),
        }
    }
}

impl Size {
    /// Equal sides.
    pub fn square(side: u32) -> Self {
        Size { width: side, height: side }
    }
}

impl FromStr for Size {
    type Err = PreprocessError;

    fn from_str(text: &str) -> Result<Self, PreprocessError> {
        let (width, height) = text.split_once('x').unwrap_or((text, text));
        let side = |digits: &str| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            let side = digits.parse().ok().filter(|side| plain && (1..=SIDE_MAX).contains(side));
            side.ok_or_else(|| PreprocessError::BadSize(text.to_owned()))
        };
        Ok(Size { width: side(width)?, height: side(height)? })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl Origin {
    /// The word for reports: `flag`, `weights` or `family`.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Flag => "flag",
            Origin::Weights => "weights",
            Origin::Family => "family",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
