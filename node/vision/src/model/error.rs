//! What can be wrong with weights, and with what the network is asked to do.

use crate::model::kernels::UnavailableKernel;

/// Why a file of weights is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// Shorter than the eight bytes of the header's length.
    #[error("the weights have {len} bytes, too few for a safetensors file: download it again")]
    TooShort {
        /// Bytes there are.
        len: usize,
    },
    /// The header would be larger than any honest one.
    #[error(
        "the weights declare a header of {declared} bytes, above the limit of {limit}: this is not \
         a safetensors file"
    )]
    HeaderTooLong {
        /// Bytes declared.
        declared: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The header does not fit in the file.
    #[error(
        "the weights declare a header of {declared} bytes, but only {available} follow: the file \
         is truncated, download it again"
    )]
    HeaderTruncated {
        /// Bytes declared.
        declared: u64,
        /// Bytes that follow the length.
        available: usize,
    },
    /// The header is not the JSON it should be.
    #[error("the header of the weights is malformed ({detail}): save them again as safetensors")]
    Header {
        /// What the parser says, with the tensor's name where it knows it.
        detail: String,
    },
    /// A name occurs twice.
    #[error("tensor {name:?} is declared twice: save the weights again")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A tensor's bytes are not in the file.
    #[error(
        "tensor {name:?} is at bytes {start}..{end} of {len}: the file is truncated or its header \
         is wrong, download it again"
    )]
    OutOfRange {
        /// The tensor.
        name: String,
        /// First byte of data declared.
        start: u64,
        /// End declared.
        end: u64,
        /// Bytes of data there are.
        len: usize,
    },
    /// Two tensors share bytes.
    #[error("tensor {name:?} overlaps tensor {other:?}: save the weights again")]
    Overlap {
        /// The later tensor.
        name: String,
        /// The earlier one.
        other: String,
    },
    /// Bytes that belong to no tensor.
    #[error(
        "{bytes} bytes before tensor {name:?} or the end belong to no tensor: save the \
             weights again"
    )]
    Gap {
        /// The tensor behind them, or the last one.
        name: String,
        /// How many.
        bytes: usize,
    },
    /// Shape and bytes disagree.
    #[error(
        "tensor {name:?} of shape {shape:?} and type {dtype} cannot have {bytes} bytes: save \
             the weights again"
    )]
    Size {
        /// The tensor.
        name: String,
        /// Shape declared.
        shape: Vec<u64>,
        /// Type declared.
        dtype: String,
        /// Bytes declared.
        bytes: u64,
    },
    /// No family has these tensors.
    #[error(
        "no known network has a tensor {example:?}: use MobileNetV2 weights saved by torchvision, \
         timm or Transformers"
    )]
    Unrecognised {
        /// The first tensor's name.
        example: String,
    },
    /// A tensor that the network needs is not there.
    #[error("tensor {name:?} is missing from the {family} weights: download or export them again")]
    Missing {
        /// The tensor.
        name: String,
        /// The family recognised.
        family: &'static str,
    },
    /// A tensor that the network has no place for.
    #[error("{family} has no tensor {name:?}: these are the weights of another network")]
    Unexpected {
        /// The tensor.
        name: String,
        /// The family recognised.
        family: &'static str,
    },
    /// A type that is not a float of 16 or 32 bits.
    #[error("tensor {name:?} has type {dtype}: export it as F32, F16 or BF16")]
    Dtype {
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// A shape that the network does not have.
    #[error(
        "tensor {name:?} has shape {found:?} where {expected} is expected: these are the \
             weights of another network"
    )]
    Shape {
        /// The tensor.
        name: String,
        /// Shape found.
        found: Vec<usize>,
        /// Shape expected, in words or numbers.
        expected: String,
    },
    /// A value that is NaN or infinite, or becomes so when the batch norm is folded in.
    #[error("value {index} of tensor {name:?} is not a finite number: train or export again")]
    NotFinite {
        /// The tensor.
        name: String,
        /// Which value, in row-major order.
        index: usize,
    },
    /// A batch-norm variance that no square root can be taken of.
    #[error("value {index} of tensor {name:?} is a variance below -epsilon: train or export again")]
    Variance {
        /// The tensor.
        name: String,
        /// Which value.
        index: usize,
    },
    /// Metadata that cannot be right.
    #[error(
        "the metadata of the weights has {key} = {value:?}, expected {expected}: correct or remove \
         it"
    )]
    Metadata {
        /// The key.
        key: &'static str,
        /// What it says, cut to 64 characters.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// The kernel asked for cannot run.
    #[error(transparent)]
    Kernel(#[from] UnavailableKernel),
}

/// Why there are no features for a photograph.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Sides of zero, or beyond the limit.
    #[error("the network does not accept {height}x{width} pixels: sides must be 1 to {limit}")]
    Side {
        /// Height asked for.
        height: usize,
        /// Width asked for.
        width: usize,
        /// Greatest side.
        limit: usize,
    },
    /// A slice of the wrong length.
    #[error("the {what} has {found} values where {expected} are expected")]
    Length {
        /// Input or output.
        what: &'static str,
        /// Values there are.
        found: usize,
        /// Values there should be.
        expected: usize,
    },
    /// A feature that is NaN or infinite.
    #[error("feature {index} is not a finite number: check the weights and the preprocessing")]
    NotFinite {
        /// Which feature.
        index: usize,
    },
    /// Candle refused.
    #[error("run the network: {0}")]
    Candle(#[from] candle_core::Error),
}
