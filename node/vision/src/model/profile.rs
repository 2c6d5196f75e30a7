//! What a family of weights expects of the photographs it is shown.

/// Order of the colour channels in the input tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red (Caffe's habit, kept by Keras for VGG16 and ResNet50).
    Bgr,
}

/// Resampling filter, as Pillow names and computes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// `Image.BICUBIC`, a = -0.5.
    Bicubic,
    /// `Image.BILINEAR`.
    Bilinear,
}

impl Filter {
    /// The name of the filter in flags, metadata and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bicubic => "bicubic",
            Self::Bilinear => "bilinear",
        }
    }

    /// The filter of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Bicubic, Self::Bilinear].into_iter().find(|filter| filter.name() == name)
    }
}

/// Preparation of the input: a value `v` of 0 to 255 in channel `c` becomes
/// `(v * scale - mean[c]) / std[c]`. Fields that a source is silent about are `None`.
///
/// `mean` and `std` are in the order of `channel_order`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Declared {
    /// Side of the square input in pixels.
    pub input_size: Option<u32>,
    /// Order of the channels.
    pub channel_order: Option<ChannelOrder>,
    /// Factor on the value of 0 to 255.
    pub scale: Option<f64>,
    /// Subtracted after scaling.
    pub mean: Option<[f64; 3]>,
    /// Divided by last.
    pub std: Option<[f64; 3]>,
    /// Resampling filter.
    pub filter: Option<Filter>,
}
