//! WebP: lossy, lossless, with alpha (dropped) and animated (first frame), through `image-webp`.
//!
//! The chunks are walked first, because the decoder allocates by the size that the inner bit
//! stream gives and compares it with the outer header only afterwards.

use std::io::{Cursor, ErrorKind};

use image_webp::{DecodingError, WebPDecoder};

use super::error::DecodeError;
use super::limits::Limits;
use super::rgb::Rgb;

/// RGBA result, a working copy of it, planes and tables of the decoder, per pixel.
const WORKING_BYTES_PER_PIXEL: u64 = 12;

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Rgb, DecodeError> {
    let body = bytes.get(12..).ok_or(DecodeError::WebpTruncated)?;
    // An animation whose first frame is whole is still a file that was cut, for libwebp as well.
    if bytes.len() - 8 < le(&bytes[4..8]) as usize {
        return Err(DecodeError::WebpTruncated);
    }
    check_chunks(body, limits, true)?;
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(explain)?;
    decoder.set_memory_limit(usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX));
    let (width, height) = decoder.dimensions();
    check_size(width, height, limits)?;
    let size = decoder.output_buffer_size().ok_or_else(|| corrupt("an impossible size"))?;
    let mut pixels = vec![0; size];
    decoder.read_image(&mut pixels).map_err(explain)?;
    if decoder.has_alpha() {
        drop_alpha(&mut pixels);
    }
    Ok(Rgb { width, height, pixels })
}

/// Checks the sizes that the chunks up to the first picture give, inside an animation's first
/// frame too (`outermost` is false there).
fn check_chunks(mut rest: &[u8], limits: &Limits, outermost: bool) -> Result<(), DecodeError> {
    while let Some(head) = rest.get(..8) {
        let length = le(&head[4..8]) as usize;
        let body = &rest[8..];
        if body.len() < length {
            return Err(DecodeError::WebpTruncated);
        }
        match &head[..4] {
            b"VP8 " => {
                let size = body.get(6..10).ok_or(DecodeError::WebpTruncated)?;
                return check_size(le(&size[..2]) & 0x3fff, le(&size[2..]) & 0x3fff, limits);
            }
            b"VP8L" => {
                let size = le(body.get(1..5).ok_or(DecodeError::WebpTruncated)?);
                return check_size((size & 0x3fff) + 1, (size >> 14 & 0x3fff) + 1, limits);
            }
            b"VP8X" => {
                let size = body.get(4..10).ok_or(DecodeError::WebpTruncated)?;
                check_size(le(&size[..3]) + 1, le(&size[3..]) + 1, limits)?;
            }
            b"ANMF" if outermost => {
                let frame = body.get(16..).ok_or(DecodeError::WebpTruncated)?;
                return check_chunks(frame, limits, false);
            }
            _ => {}
        }
        let next = length.saturating_add(length & 1);
        rest = body.get(next..).ok_or(DecodeError::WebpTruncated)?;
    }
    Err(DecodeError::WebpTruncated)
}

fn check_size(width: u32, height: u32, limits: &Limits) -> Result<(), DecodeError> {
    let pixels = u64::from(width) * u64::from(height);
    limits.check_image(width, height, WORKING_BYTES_PER_PIXEL.saturating_mul(pixels))
}

fn drop_alpha(pixels: &mut Vec<u8>) {
    let count = pixels.len() / 4;
    for i in 0..count {
        pixels.copy_within(4 * i..4 * i + 3, 3 * i);
    }
    pixels.truncate(3 * count);
}

fn explain(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => {
            DecodeError::WebpTruncated
        }
        DecodingError::NotEnoughInitData => DecodeError::WebpTruncated,
        other => corrupt(&other.to_string()),
    }
}

fn corrupt(reason: &str) -> DecodeError {
    DecodeError::WebpCorrupt { reason: reason.to_lowercase() }
}

fn le(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
}
