//! From the bytes of a photograph to its features.
//!
//! [`decode`] gives pixels as Pillow gives them, or a code for the quarantine; [`resize`] and
//! [`preprocess`] make the tensor that a network takes; [`model`] runs the network, fused on the
//! CPU with the same bits on every kernel. A photograph at which a node died is decoded in a
//! process of its own ([`suspect`]). [`demo`] draws photographs for a first run.
//!
//! Nothing here is async, and nothing knows of jobs, nodes or stores.

pub mod decode;
pub mod demo;
pub mod model;
pub mod preprocess;
pub mod resize;
pub mod suspect;

pub use decode::{DecodeError, Limits, Rgb, decode};
pub use preprocess::{Preprocess, PreprocessWorkspace};
pub use resize::{ResizeWorkspace, resize};
