//! Feature extractors: tables of layers, their weights, and the kernels that run them.
//!
//! A file of weights is read (`header`, `weights`), recognised (`naming`, `metadata`) and becomes a
//! table of layers (`table`, `mobilenet_v2`) with folded weights; the table runs fused on the CPU
//! (`plan`, `packed`, `backbone`, `fused`, `pass`, `separable`, `kernels`) or as plain Candle
//! operations (`graph`). [`Extractor`] is all that the rest of the node needs.

mod backbone;
mod error;
mod extractor;
mod fused;
mod graph;
mod header;
mod inspect;
mod kernels;
pub(crate) mod metadata;
mod mobilenet_v2;
mod naming;
mod packed;
mod pass;
mod plan;
mod pooling;
pub mod profile;
mod separable;
mod table;
#[cfg(test)]
mod tests;
mod weights;

pub use backbone::Backbone;
pub use error::{ModelError, WeightsError};
pub use extractor::{Extractor, Network, Options, embedded};
pub use graph::Graph;
pub use inspect::{About, PARITY_MAX, ParityError, parity};
pub use kernels::{Kernel, UnavailableKernel};
pub use mobilenet_v2::{STAGES, Variant};
pub use naming::Family;
pub use pooling::{Pooling, UnknownPooling};
pub use table::{Activation, Groups, Layer, Padding, Source, Table};
pub use weights::Folded;
