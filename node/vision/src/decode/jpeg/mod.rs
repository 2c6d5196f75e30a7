//! JPEG: baseline and progressive, gray, YCbCr, RGB, CMYK and YCCK, through `zune-jpeg`.
//!
//! The decoder is asked for the samples as they are stored; what they mean is decided here by
//! libjpeg's rules, because the decoder's own differ (RGB marked by Adobe comes out black).
//! Damage that libjpeg merely warns of, inventing the rest of the picture, is an error here.
//!
//! The decoder picks SIMD at run time and cannot be told not to (`set_use_unsafe(false)` leaves
//! it on in the pinned version); tests pin the bytes, and are run under CPUs with and without.

mod color;
mod frame;
mod huffman;
mod scan;
mod table;

use std::borrow::Cow;

use frame::{Component, Frame, corrupt, walk};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::error::DecodeError;
use super::limits::Limits;
use super::rgb::Rgb;

/// What the samples of the frame mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Gray,
    Rgb,
    YCbCr,
    Cmyk,
    Ycck,
}

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Rgb, DecodeError> {
    let mut bytes = Cow::Borrowed(bytes);
    let mut frame = walk(&bytes)?;
    check_supported(&frame)?;
    let (width, height) = (u32::from(frame.width), u32::from(frame.height));
    limits.check_image(width, height, working_bytes(&frame))?;
    if let Some(mended) = mended(&bytes, &frame) {
        frame = walk(&mended)?;
        bytes = Cow::Owned(mended);
    }
    let bytes = &*bytes;
    if frame.sof < 2 {
        scan::check(bytes, &frame, &frame.scan)?;
    }
    let meaning = meaning(&frame);
    let mut samples = stored_samples(bytes, &frame, limits)?;
    let pixels = match meaning {
        Meaning::Gray => color::gray_to_rgb(&samples),
        Meaning::Rgb => samples,
        Meaning::YCbCr => {
            color::ycc_to_rgb(&mut samples);
            samples
        }
        Meaning::Cmyk => color::inks_to_rgb(&samples, false),
        Meaning::Ycck => color::inks_to_rgb(&samples, true),
    };
    Ok(Rgb { width, height, pixels })
}

fn check_supported(frame: &Frame) -> Result<(), DecodeError> {
    let feature = match frame.sof {
        0..=2 if frame.precision != 8 => format!("{} bits per sample", frame.precision),
        0..=2 if !matches!(frame.components.len(), 1 | 3 | 4) => {
            format!("{} colour components", frame.components.len())
        }
        // The decoder misplaces the blocks of both of the following without noticing.
        0 | 1 if usize::from(frame.first_scan) != frame.components.len() => {
            "several scans without progressive coding".to_owned()
        }
        0..=2 if !usual_sampling(&frame.components) => "unusual chroma subsampling".to_owned(),
        0..=2 => return Ok(()),
        3 => "lossless coding".to_owned(),
        5..=7 | 13..=15 => "hierarchical coding".to_owned(),
        _ => "arithmetic coding".to_owned(),
    };
    Err(DecodeError::JpegUnsupported { feature })
}

/// Whether the first component is the finest, and the others are coarser by powers of two.
fn usual_sampling(components: &[Component]) -> bool {
    let Some(first) = components.first() else {
        return false;
    };
    let divides = |fine: u8, coarse: u8| fine.is_power_of_two() && fine.is_multiple_of(coarse);
    components.iter().all(|other| {
        divides(first.horizontal, other.horizontal) && divides(first.vertical, other.vertical)
    })
}

/// Bytes that the decoder holds besides the RGB result: the stored samples where they are not
/// turned into it in place, and all coefficients of a progressive picture.
fn working_bytes(frame: &Frame) -> u64 {
    let pixels = u64::from(frame.width) * u64::from(frame.height);
    let samples = match frame.components.len() as u64 {
        3 => 0,
        count => pixels * count,
    };
    if frame.sof != 2 {
        return samples;
    }
    let h_max = frame.components.iter().map(|c| c.horizontal).max().unwrap_or(1);
    let v_max = frame.components.iter().map(|c| c.vertical).max().unwrap_or(1);
    let blocks_wide = u64::from(frame.width).div_ceil(8 * u64::from(h_max));
    let blocks_high = u64::from(frame.height).div_ceil(8 * u64::from(v_max));
    let per_unit: u64 =
        frame.components.iter().map(|c| u64::from(c.horizontal) * u64::from(c.vertical)).sum();
    samples + blocks_wide * blocks_high * per_unit * 64 * size_of::<i16>() as u64
}

/// libjpeg's rules: JFIF decides before Adobe, Adobe before the components' names.
fn meaning(frame: &Frame) -> Meaning {
    match frame.components.len() {
        1 => Meaning::Gray,
        4 => match frame.transform {
            None | Some(0) => Meaning::Cmyk,
            Some(_) => Meaning::Ycck,
        },
        _ if frame.jfif => Meaning::YCbCr,
        _ => match frame.transform {
            Some(0) => Meaning::Rgb,
            Some(_) => Meaning::YCbCr,
            None if named_rgb(frame) => Meaning::Rgb,
            None => Meaning::YCbCr,
        },
    }
}

fn named_rgb(frame: &Frame) -> bool {
    frame.components.iter().map(|c| c.id).eq(*b"RGB")
}

/// The samples in the colours in which the file stores them, interleaved.
fn stored_samples(bytes: &[u8], frame: &Frame, limits: &Limits) -> Result<Vec<u8>, DecodeError> {
    let colours = match frame.components.len() {
        1 => ColorSpace::Luma,
        4 => ColorSpace::CMYK,
        // The decoder goes by these names alone; the same colours in and out mean a plain copy.
        _ if named_rgb(frame) => ColorSpace::RGB,
        _ => ColorSpace::YCbCr,
    };
    let side = limits.side as usize;
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(side)
        .set_max_height(side)
        .jpeg_set_out_colorspace(colours);
    let bytes = without_adobe(bytes, frame);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes.as_ref()), options);
    let samples = decoder.decode().map_err(explain)?;
    let expected = usize::from(frame.width) * usize::from(frame.height) * frame.components.len();
    if samples.len() != expected {
        return Err(corrupt("headers that contradict each other"));
    }
    Ok(samples)
}

/// The file as the decoder takes it: without what stands between segments, and with the tables that
/// frames of Motion JPEG leave out. Nothing, where it is so already.
fn mended(bytes: &[u8], frame: &Frame) -> Option<Vec<u8>> {
    let no_tables = |tables: &[Option<table::Table>; 4]| tables.iter().all(Option::is_none);
    let bare = frame.sof < 2 && no_tables(&frame.scan.dc) && no_tables(&frame.scan.ac);
    if frame.strays.is_empty() && !bare {
        return None;
    }
    let mut mended = Vec::with_capacity(bytes.len() + 512);
    let mut at = 0;
    for stray in &frame.strays {
        mended.extend_from_slice(&bytes[at..stray.start]);
        at = stray.end;
    }
    mended.extend_from_slice(&bytes[at..frame.scan_at]);
    if bare {
        mended.extend(huffman::typical());
    }
    mended.extend_from_slice(&bytes[frame.scan_at..]);
    Some(mended)
}

/// The file with its Adobe segments made illegible, so that the decoder converts nothing.
fn without_adobe<'a>(bytes: &'a [u8], frame: &Frame) -> Cow<'a, [u8]> {
    let mut bytes = Cow::Borrowed(bytes);
    for &at in &frame.adobe_at {
        bytes.to_mut()[at] = b'_';
    }
    bytes
}

fn explain(error: DecodeErrors) -> DecodeError {
    match error {
        DecodeErrors::ExhaustedData => DecodeError::JpegTruncated,
        other => DecodeError::JpegCorrupt { reason: words(&other.to_string()) },
    }
}

/// The decoder's words as one lowercase line without quotes or final stop.
fn words(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim_matches(|c: char| c == '"' || c == '.' || c.is_whitespace()).to_lowercase()
}
