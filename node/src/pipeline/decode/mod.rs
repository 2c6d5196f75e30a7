//! From the bytes of a photograph to RGB, as Pillow's `Image.open(..).convert("RGB")` gives it.
//!
//! The format is told by the bytes, never by the name. Limits are checked on headers before
//! anything is allocated, and a decoder that panics costs one photograph. EXIF orientation is
//! applied at the end, as `ImageOps.exif_transpose` does: fruit is upright before it is seen.

mod error;
mod exif;
mod guard;
mod jpeg;
mod limits;
mod png;
#[cfg(test)]
mod tests;
mod webp;

pub use error::{CODES, DecodeError};
pub use limits::Limits;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Jpeg,
    Png,
    Webp,
}

/// Decodes a JPEG, PNG or WebP file; of an animation, the first frame.
///
/// Colours equal Pillow's, but for JPEG (another inverse transform and chroma interpolation:
/// 0.2 levels in the mean) and lossy WebP. Where libjpeg warns of damage and invents the rest,
/// this refuses; a JPEG without end-of-image marker counts as truncated, as it does for Pillow
/// in all but rare alignments.
///
/// # Errors
/// [`DecodeError`]; it is the content's fault, so trying again is of no use.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Rgb, DecodeError> {
    limits.check_file(bytes)?;
    let format = sniff(bytes)?;
    guard::quiet(|| {
        let stored = match format {
            Format::Jpeg => jpeg::decode(bytes, limits),
            Format::Png => png::decode(bytes, limits),
            Format::Webp => webp::decode(bytes, limits),
        }?;
        Ok(exif::upright(stored, bytes, format))
    })
}

fn sniff(bytes: &[u8]) -> Result<Format, DecodeError> {
    const OTHERS: &[(usize, &[u8], &str)] = &[
        (0, b"GIF8", "GIF"),
        (0, b"BM", "BMP"),
        (0, b"II*\0", "TIFF"),
        (0, b"MM\0*", "TIFF"),
        (4, b"ftypheic", "HEIC"),
        (4, b"ftypmif1", "HEIF"),
        (4, b"ftypavif", "AVIF"),
        (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
        (0, b"\xff\x0a", "JPEG XL"),
        (4, b"JXL ", "JPEG XL"),
    ];
    if bytes.starts_with(b"\xff\xd8") {
        return Ok(Format::Jpeg);
    }
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(Format::Png);
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Ok(Format::Webp);
    }
    for (at, magic, format) in OTHERS {
        if bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic)) {
            return Err(DecodeError::UnsupportedFormat { format });
        }
    }
    let first = bytes[..bytes.len().min(8)].escape_ascii().to_string();
    Err(DecodeError::UnknownFormat { first })
}
