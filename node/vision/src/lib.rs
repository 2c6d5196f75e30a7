//! From the bytes of a photograph to the tensor that a network takes.

pub mod decode;
pub mod demo;
pub mod model;
pub mod preprocess;
pub mod resize;
pub mod suspect;

pub use decode::{DecodeError, Limits, Rgb, decode};
pub use preprocess::{Preprocess, PreprocessWorkspace};
pub use resize::{ResizeWorkspace, resize};
