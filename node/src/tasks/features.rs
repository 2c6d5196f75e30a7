//! Photographs from bytes to pixels, and from pixels to features: on a compute thread, and in a
//! process of its own what may endanger the node.

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_vision::model::Extractor;
use fruitnode_vision::suspect::{self, Order, Shrink, SuspectError};
use fruitnode_vision::{DecodeError, Limits, Preprocess, PreprocessWorkspace, Rgb};

/// What the bits of features depend on beside photographs, weights and options: the kind of
/// processor, and a number that is raised by whoever changes a bit.
pub(crate) const COMPUTE_CLASS: &str = "cpu-2";

/// Scratch space of one compute thread.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(super) prepare: PreprocessWorkspace,
    pub(super) tensor: Vec<f32>,
}

/// One photograph from bytes to features. The inner error is the photograph's fault.
///
/// # Errors
/// When the network refuses its input, or the child that decodes a huge one cannot be started.
pub(super) fn features(
    extractor: &Extractor,
    preprocess: &Preprocess,
    (limits, dim): (Limits, usize),
    scratch: &mut Scratch,
    bytes: &[u8],
) -> Result<Result<Vec<f32>, DecodeError>, Failure> {
    let rgb = match suspect::decode_guarded(bytes, &order(preprocess, limits)) {
        Ok(rgb) => rgb,
        Err(SuspectError::Photograph(error)) => return Ok(Err(error)),
        Err(error) => return Err(Failure::of(FailureReason::OutOfMemory, &error)),
    };
    features_of(extractor, preprocess, dim, scratch, &rgb).map(Ok)
}

/// Photographs from bytes to pixels, in another process. The inner errors are the photographs'
/// fault. `step` is called when one is done.
///
/// # Errors
/// When the child that decodes them cannot be started.
pub(super) fn decode_suspects(
    preprocess: &Preprocess,
    limits: Limits,
    photographs: &[&[u8]],
    step: &dyn Fn(),
) -> Result<Vec<Result<Rgb, DecodeError>>, Failure> {
    suspect::decode_suspects(None, photographs, &order(preprocess, limits), step)
        .map_err(|error| Failure::of(FailureReason::OutOfMemory, &error))
}

/// One photograph from pixels to features: whole, or shrunk already to the size of the network.
///
/// # Errors
/// When the network refuses its input.
pub(super) fn features_of(
    extractor: &Extractor,
    preprocess: &Preprocess,
    dim: usize,
    scratch: &mut Scratch,
    rgb: &Rgb,
) -> Result<Vec<f32>, Failure> {
    let size = preprocess.size;
    let Scratch { prepare, tensor } = scratch;
    preprocess.apply(rgb, prepare, tensor);
    let mut features = vec![0.0; dim];
    extractor
        .features(tensor, size.height as usize, size.width as usize, &mut features)
        .map_err(|error| Failure::of(FailureReason::InvalidJob, &error))?;
    Ok(features)
}

fn order(preprocess: &Preprocess, limits: Limits) -> Order {
    let (size, filter) = (preprocess.size, preprocess.filter);
    let shrink = Some(Shrink { width: size.width, height: size.height, filter });
    Order { limits, shrink }
}
