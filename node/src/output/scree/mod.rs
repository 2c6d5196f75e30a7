//! The spectrum as a table and as a picture.

mod chart;
mod svg;
mod table;
#[cfg(test)]
mod tests;

pub use svg::scree_svg;
pub use table::scree_csv;
