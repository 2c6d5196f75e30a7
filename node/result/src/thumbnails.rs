//! Small pictures of a few photographs, so that a report can show some without reading any again.
//!
//! Which photographs these are follows from their keys and the length of the listing. The pictures
//! of one partition are one PNG, one below the other in key order: whoever has the keys of its
//! rows knows whose they are.

use bytes::Bytes;

use crate::error::{ReadError, WriteError};
use crate::plots::key_hash;

/// Width and height of a thumbnail in pixels.
pub const SIDE: u32 = 64;
/// Thumbnails of a job, about: a share of all keys so large that so many are expected.
const SAMPLED: u64 = 2_048;
/// Bytes of one thumbnail, RGB.
const BYTES: usize = (SIDE * SIDE * 3) as usize;
/// More pictures in one partition than any job has rows in one.
const ROWS_MAX: u32 = 1 << 20;

/// Pixels of one thumbnail: `SIDE` rows of `SIDE` pixels, RGB.
pub type Thumbnail = Vec<u8>;

/// Whether the photograph of this key is among those shown, of so many listed.
pub fn is_sampled(key: &str, listed: u64) -> bool {
    listed <= SAMPLED || u128::from(key_hash(key)) * u128::from(listed) < u128::from(SAMPLED) << 64
}

/// The thumbnails of one partition as one file.
///
/// # Errors
/// When one has another size, or the encoder refuses.
pub fn strip(thumbnails: &[Thumbnail]) -> Result<Vec<u8>, WriteError> {
    let refuse = |reason: String| WriteError::Encode { format: "PNG", reason };
    if thumbnails.iter().any(|thumbnail| thumbnail.len() != BYTES) {
        return Err(refuse("a thumbnail of another size".to_owned()));
    }
    // Read again once, by this job alone.
    let quick = png::Compression::Fast;
    encode(SIDE, SIDE * thumbnails.len() as u32, &thumbnails.concat(), quick)
}

/// Reads what [`strip`] wrote.
///
/// # Errors
/// When it is damaged, or no such file.
pub fn read_strip(bytes: &Bytes) -> Result<Vec<Thumbnail>, ReadError> {
    let refuse = |reason: String| ReadError::new("PNG of thumbnails", reason);
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
        .read_info()
        .map_err(|error| refuse(error.to_string()))?;
    let info = reader.info();
    let whole = info.width == SIDE && info.height.is_multiple_of(SIDE);
    let plain = info.color_type == png::ColorType::Rgb && info.bit_depth == png::BitDepth::Eight;
    if !whole || !plain || info.height / SIDE > ROWS_MAX {
        return Err(refuse("it is not one column of thumbnails".to_owned()));
    }
    let mut pixels = vec![0; BYTES * (info.height / SIDE) as usize];
    reader.next_frame(&mut pixels).map_err(|error| refuse(error.to_string()))?;
    Ok(pixels.chunks_exact(BYTES).map(<[u8]>::to_vec).collect())
}

/// Thumbnails side by side as PNG.
///
/// # Errors
/// When the encoder refuses.
pub(crate) fn abreast(thumbnails: &[&[u8]]) -> Result<Vec<u8>, WriteError> {
    let side = SIDE as usize;
    let rows = (0..side).flat_map(|row| thumbnails.iter().map(move |picture| (row, picture)));
    let pixels: Vec<&[u8]> =
        rows.map(|(row, picture)| &picture[3 * side * row..3 * side * (row + 1)]).collect();
    encode(SIDE * thumbnails.len() as u32, SIDE, &pixels.concat(), png::Compression::Balanced)
}

/// An RGB picture as PNG.
pub(super) fn encode(
    width: u32,
    height: u32,
    pixels: &[u8],
    compression: png::Compression,
) -> Result<Vec<u8>, WriteError> {
    let refuse =
        |error: png::EncodingError| WriteError::Encode { format: "PNG", reason: error.to_string() };
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(compression);
    let mut writer = encoder.write_header().map_err(refuse)?;
    writer.write_image_data(pixels).map_err(refuse)?;
    writer.finish().map_err(refuse)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_come_back_as_they_were_and_damage_is_found() {
        let thumbnails: Vec<Thumbnail> = (0..3).map(|n| vec![n; BYTES]).collect();
        let file = strip(&thumbnails).unwrap();
        assert_eq!(read_strip(&file.clone().into()).unwrap(), thumbnails);
        let mut damaged = file.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        assert!(read_strip(&damaged.into()).is_err());
        assert!(read_strip(&file[..file.len() / 2].to_vec().into()).is_err());
        assert!(strip(&[vec![0; 5]]).is_err());
    }

    #[test]
    fn all_of_a_small_job_and_about_the_same_number_of_a_large_one_are_sampled() {
        let sampled = |listed: u64| {
            (0..listed).filter(|n| is_sampled(&format!("key {n}"), listed)).count() as u64
        };
        assert_eq!(sampled(SAMPLED), SAMPLED);
        for listed in [SAMPLED + 1, 20_000, 200_000] {
            let found = sampled(listed);
            assert!(found.abs_diff(SAMPLED) < 200, "{found} of {listed}");
        }
    }
}
