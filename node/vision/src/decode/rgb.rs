//! What decoding gives: pixels.

/// A decoded photograph.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rgb {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// `height * width * 3` values: row after row, red, green, blue.
    pub pixels: Vec<u8>,
}
