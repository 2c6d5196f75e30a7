//! Letters as pixels: the same on every machine, whatever fonts it has.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// Height of a letter's box in pixels.
const HEIGHT: usize = 32;
/// Pixels from the top of a letter's box to the base line.
pub(super) const BASE: f64 = 25.0;

/// Width of every letter in pixels.
pub(super) fn width() -> usize {
    get_raster_width(FontWeight::Regular, RasterHeight::Size32)
}

/// Rows of a letter, 0 to 255 for how much of each pixel it covers. What the font lacks is `?`.
pub(super) fn rows(letter: char) -> impl Iterator<Item = &'static [u8]> {
    let raster = |letter| get_raster(letter, FontWeight::Regular, RasterHeight::Size32);
    let found = raster(letter).or_else(|| raster('?'));
    found.into_iter().flat_map(|found| found.rows()).take(HEIGHT)
}
