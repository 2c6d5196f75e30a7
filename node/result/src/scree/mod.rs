//! The spectrum as a table and as a picture.

mod chart;
mod png;
mod svg;
mod table;
#[cfg(test)]
mod tests;

pub use png::scree_png;
pub use svg::scree_svg;
pub use table::scree_csv;
