//! From the bytes of a photograph to the tensor that a network takes.

pub mod decode;

pub use decode::{DecodeError, Limits, Rgb, decode};
