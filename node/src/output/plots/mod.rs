//! Pictures as lists of marks, drawn twice: as SVG and as pixels, with letters of our own.

mod letters;
mod picture;
mod pixels;
mod sample;
mod scatter;
mod svg;
#[cfg(test)]
mod tests;
pub(crate) mod words;

pub use picture::Picture;
pub(crate) use picture::{Anchor, Ink, Item};
pub use sample::{POINTS_MAX, Sample};
pub use scatter::scatter;
