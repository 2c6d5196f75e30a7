//! From the bytes of a photograph to RGB, as Pillow's `Image.open(..).convert("RGB")` gives it.
//!
//! The format is told by the bytes, never by the name. Limits are checked on headers before
//! anything is allocated, and a decoder that panics costs one photograph. EXIF orientation is
//! applied at the end, as `ImageOps.exif_transpose` does: fruit is upright before it is seen.

mod error;
mod exif;
mod format;
mod guard;
mod jpeg;
mod limits;
mod png;
mod rgb;
#[cfg(test)]
mod tests;
mod webp;

pub use error::{CODES, DecodeError};
use format::{Format, sniff};
pub use limits::Limits;
pub use rgb::Rgb;

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
