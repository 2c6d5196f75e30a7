//! Pictures as lists of marks, drawn twice: as SVG and as pixels, with letters of our own.

mod axis;
mod cloud;
mod extremes;
mod letters;
mod looks;
mod picture;
mod pixels;
mod sample;
mod scatter;
mod svg;
#[cfg(test)]
mod tests;
pub(crate) mod words;

pub(crate) use axis::Axis;
pub use cloud::Cloud;
pub use extremes::Extremes;
pub(crate) use extremes::Strip;
pub(crate) use looks::{Look, Looks};
pub use picture::Picture;
pub(crate) use picture::{Anchor, DARK, Ink, Item, LIGHT};
pub use sample::Sample;
pub(crate) use sample::key_hash;
pub(crate) use scatter::Plane;
pub use scatter::scatter;
pub(crate) use svg::outline;
