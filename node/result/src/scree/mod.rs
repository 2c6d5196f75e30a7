//! The spectrum as a table and as a picture.

mod needed;
mod picture;
mod scales;
mod table;
#[cfg(test)]
mod tests;

pub use picture::{scree_png, scree_svg};
pub(crate) use scales::Scales;
pub use table::scree_csv;
