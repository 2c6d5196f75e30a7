//! Pictures as lists of marks, drawn twice: as SVG and as pixels, with letters of our own.

mod axis;
mod extremes;
mod letters;
mod picture;
mod pixels;
mod sample;
mod scatter;
mod svg;
#[cfg(test)]
mod tests;
pub(crate) mod words;

pub(crate) use axis::Axis;
pub use extremes::{Ends, Extremes};
pub use picture::Picture;
pub(crate) use picture::{Anchor, Ink, Item};
pub use sample::Sample;
pub(crate) use sample::key_hash;
pub use scatter::scatter;
