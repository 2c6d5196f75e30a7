//! PNG of every colour type and depth, interlaced or not, through the `png` crate.
//!
//! Follows Pillow where the standard leaves a choice: alpha and transparent colours are dropped,
//! not blended; 16-bit colours keep their high byte, but 16-bit gray is clipped at 255 (Pillow
//! reads it as integers); checksums count before the image data and for the unpacked data, not
//! for the `IDAT` chunks themselves; nothing after the last row is needed.

use std::io::{Cursor, ErrorKind};

use png::{BitDepth, ColorType, DecodeOptions, Decoder, DecodingError, InterlaceInfo, Reader};
use png::{Transformations, expand_interlaced_row};

use super::error::DecodeError;
use super::limits::Limits;
use super::rgb::Rgb;

const SIGNATURE_BYTES: usize = 8;

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Rgb, DecodeError> {
    let (width, height) = check_head(bytes)?;
    // Two unpacked rows of at most 4 samples of 16 bits, and the inflater's window.
    limits.check_image(width, height, 2 * 8 * u64::from(width) + (1 << 20))?;
    let mut options = DecodeOptions::default();
    options.set_ignore_crc(true);
    options.set_ignore_adler32(false);
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    let memory = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
    decoder.set_limits(png::Limits { bytes: memory });
    decoder.set_transformations(Transformations::EXPAND);
    let reader = decoder.read_info().map_err(explain)?;
    read_rows(reader, width, height)
}

/// Width and height, after the checks that Pillow makes of the chunks before the image data.
fn check_head(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    let mut size = None;
    let mut at = SIGNATURE_BYTES;
    loop {
        let head = bytes.get(at..at + 8).ok_or(DecodeError::PngTruncated)?;
        let length = be32(&head[..4]) as usize;
        let kind = &head[4..];
        if size.is_none() && (kind != b"IHDR" || length != 13) {
            return Err(corrupt("the first chunk is not a header"));
        }
        if kind == b"IDAT" {
            return size.ok_or_else(|| corrupt("image data before the header"));
        }
        let end = at.saturating_add(8).saturating_add(length);
        let body = bytes.get(at + 4..end).ok_or(DecodeError::PngTruncated)?;
        let sum = bytes.get(end..end + 4).ok_or(DecodeError::PngTruncated)?;
        if crc32(body) != be32(sum) {
            return Err(DecodeError::PngCrc { chunk: kind.escape_ascii().to_string() });
        }
        if size.is_none() {
            size = Some((be32(&body[4..8]), be32(&body[8..12])));
        }
        at = end + 4;
    }
}

fn read_rows(
    mut reader: Reader<Cursor<&[u8]>>,
    width: u32,
    height: u32,
) -> Result<Rgb, DecodeError> {
    let clip_16 = reader.info().color_type == ColorType::Grayscale;
    let (color, depth) = reader.output_color_type();
    let wide = depth == BitDepth::Sixteen;
    let stride = 3 * width as usize;
    let mut pixels = vec![0; stride * height as usize];
    let mut row_rgb = Vec::with_capacity(stride);
    let mut missing = pixels.len();
    let mut next_row = 0;
    loop {
        match reader.next_interlaced_row() {
            Ok(Some(row)) => {
                row_rgb.clear();
                append_rgb(row.data(), color, wide, clip_16, &mut row_rgb);
                missing = missing.saturating_sub(row_rgb.len());
                match row.interlace() {
                    InterlaceInfo::Null(_) => {
                        pixels[next_row..next_row + stride].copy_from_slice(&row_rgb);
                        next_row += stride;
                    }
                    InterlaceInfo::Adam7(pass) => {
                        expand_interlaced_row(&mut pixels, stride, &row_rgb, pass, 24);
                    }
                }
            }
            Ok(None) => break,
            Err(error) if missing == 0 && is_end(&error) => break,
            Err(error) => return Err(explain(error)),
        }
    }
    Ok(Rgb { width, height, pixels })
}

/// Appends the row's pixels as RGB; `wide` says that samples have two bytes, high byte first.
fn append_rgb(row: &[u8], color: ColorType, wide: bool, clip_16: bool, out: &mut Vec<u8>) {
    let bytes = if wide { 2 } else { 1 };
    let samples = color.samples();
    for pixel in row.chunks_exact(samples * bytes) {
        match samples {
            1 | 2 if wide && clip_16 && pixel[0] > 0 => out.extend([255; 3]),
            1 | 2 if wide && clip_16 => out.extend([pixel[1]; 3]),
            1 | 2 => out.extend([pixel[0]; 3]),
            _ => out.extend([pixel[0], pixel[bytes], pixel[2 * bytes]]),
        }
    }
}

fn is_end(error: &DecodingError) -> bool {
    matches!(error, DecodingError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof)
}

fn explain(error: DecodingError) -> DecodeError {
    if is_end(&error) {
        return DecodeError::PngTruncated;
    }
    let words = error.to_string();
    corrupt(words.trim_end_matches('.'))
}

fn corrupt(reason: &str) -> DecodeError {
    DecodeError::PngCorrupt { reason: reason.to_lowercase() }
}

fn be32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |value, &byte| value << 8 | u32::from(byte))
}

/// CRC-32 of the PNG standard (annex D), a nibble at a time: only headers pass through here.
fn crc32(bytes: &[u8]) -> u32 {
    const fn step(nibble: u32) -> u32 {
        let mut value = nibble;
        let mut bit = 0;
        while bit < 4 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        value
    }
    const TABLE: [u32; 16] = {
        let mut table = [0; 16];
        let mut i = 0;
        while i < 16 {
            table[i] = step(i as u32);
            i += 1;
        }
        table
    };
    let sum = bytes.iter().fold(u32::MAX, |sum, &byte| {
        let sum = sum ^ u32::from(byte);
        let sum = TABLE[(sum & 15) as usize] ^ (sum >> 4);
        TABLE[(sum & 15) as usize] ^ (sum >> 4)
    });
    !sum
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn crc_of_the_standard_check_string() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
