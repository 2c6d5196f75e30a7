//! Walks the markers of a JPEG file (ITU-T T.81, annex B) without decoding anything.
//!
//! It answers what must be known before pixels are allocated: size, components, coding, how the
//! colours are meant (JFIF, Adobe), and whether the file reaches its end-of-image marker. The
//! decoder fills up what is missing; libjpeg, and so Pillow, waits for it and calls the file
//! truncated.

use std::ops::Range;

use super::super::error::DecodeError;
use super::table::{Scan, Table};

/// One colour component of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component {
    /// Identifier; `R`, `G`, `B` are used by some encoders to say that the colours are RGB.
    pub(super) id: u8,
    /// Horizontal sampling factor.
    pub(super) horizontal: u8,
    /// Vertical sampling factor.
    pub(super) vertical: u8,
}

/// What the markers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// Pixels.
    pub(super) width: u16,
    /// Pixels.
    pub(super) height: u16,
    /// Bits per sample.
    pub(super) precision: u8,
    /// The `n` of the `SOFn` marker, which names the coding.
    pub(super) sof: u8,
    /// Components in the order of the frame header.
    pub(super) components: Vec<Component>,
    /// A JFIF segment was seen: three components are then YCbCr.
    pub(super) jfif: bool,
    /// Adobe's colour transform (0: none, 1: YCbCr, 2: YCCK), said last before the first scan.
    pub(super) transform: Option<u8>,
    /// Where the word `Adobe` stands in segments that begin with it.
    pub(super) adobe_at: Vec<usize>,
    /// Components in the first scan.
    pub(super) first_scan: u8,
    /// What the first scan is read with.
    pub(super) scan: Scan,
    /// Where its marker stands.
    pub(super) scan_at: usize,
    /// Bytes between segments that belong to none: libjpeg passes over them.
    pub(super) strays: Vec<Range<usize>>,
}

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// Reads all markers up to the end of the image.
///
/// # Errors
/// [`DecodeError::JpegTruncated`] if the bytes end before the end-of-image marker,
/// [`DecodeError::JpegCorrupt`] if a segment contradicts itself.
pub(super) fn walk(bytes: &[u8]) -> Result<Frame, DecodeError> {
    let mut header: Option<Frame> = None;
    let mut jfif = false;
    let mut transform = None;
    let mut adobe_at = Vec::new();
    let mut scanned = false;
    let (mut scan, mut strays) = (Scan::default(), Vec::new());
    let mut at = 2;
    loop {
        let (marker, begins, after) = next_marker(bytes, at)?;
        if begins > at && !scanned {
            strays.push(at..begins);
        }
        if marker == EOI {
            return if scanned {
                header
                    .map(|frame| Frame { adobe_at, scan, strays, ..frame })
                    .ok_or_else(|| corrupt("no frame header"))
            } else {
                Err(corrupt("the image ends before its first scan"))
            };
        }
        if marker == SOI || (0xd0..=0xd7).contains(&marker) || marker == 0x01 {
            at = after;
            continue;
        }
        let payload = segment(bytes, after)?;
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf if header.is_some() => {
                return Err(corrupt("two frame headers"));
            }
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                header = Some(frame_header(marker - 0xc0, payload)?);
            }
            0xc4 if !scanned => tables(payload, &mut scan)?,
            0xdd if !scanned => {
                let every = payload.first_chunk().ok_or_else(|| corrupt("a short interval"))?;
                scan.restart_every = u16::from_be_bytes(*every).into();
            }
            0xe0 if payload.starts_with(b"JFIF\0") => jfif = true,
            0xee if payload.starts_with(b"Adobe") => {
                adobe_at.push(after + 2);
                transform = payload.get(11).copied().or(transform);
            }
            SOS => {
                let frame = header.as_mut().ok_or_else(|| corrupt("a scan before the frame"))?;
                if !scanned {
                    frame.jfif = jfif;
                    frame.transform = transform;
                    frame.first_scan = *payload.first().ok_or(DecodeError::JpegTruncated)?;
                    let pairs = payload[1..].chunks_exact(2).take(frame.first_scan.into());
                    let selectors = pairs.map(|pair| (pair[0], pair[1] >> 4, pair[1] & 15));
                    scan.selectors = selectors.collect();
                    scan.data_at = after + 2 + payload.len();
                    frame.scan_at = begins;
                    scanned = true;
                }
            }
            _ => {}
        }
        at = after + 2 + payload.len();
    }
}

/// The next marker's code, where it begins, and the position after it. What stands before it is
/// entropy-coded data after the first scan, and else of no meaning.
fn next_marker(bytes: &[u8], from: usize) -> Result<(u8, usize, usize), DecodeError> {
    let mut at = from;
    loop {
        let rest = bytes.get(at..).ok_or(DecodeError::JpegTruncated)?;
        let skip = rest.iter().position(|&b| b == 0xff).ok_or(DecodeError::JpegTruncated)?;
        at += skip;
        let mut begins = at;
        while bytes.get(at) == Some(&0xff) {
            begins = at;
            at += 1;
        }
        let code = *bytes.get(at).ok_or(DecodeError::JpegTruncated)?;
        at += 1;
        if code != 0 {
            return Ok((code, begins, at));
        }
    }
}

/// Takes the Huffman tables that a segment defines.
fn tables(payload: &[u8], scan: &mut Scan) -> Result<(), DecodeError> {
    let mut rest = payload;
    while let Some((&place, after)) = rest.split_first() {
        let wrong = || corrupt("a huffman table that is none");
        let (counts, after) = after.split_first_chunk::<16>().ok_or_else(wrong)?;
        let length = counts.iter().map(|count| usize::from(*count)).sum();
        let (symbols, after) = after.split_at_checked(length).ok_or_else(wrong)?;
        let tables = if place >> 4 == 0 { &mut scan.dc } else { &mut scan.ac };
        let slot = tables.get_mut(usize::from(place & 15)).ok_or_else(wrong)?;
        *slot = Some(Table::new(counts, symbols).ok_or_else(wrong)?);
        rest = after;
    }
    Ok(())
}

/// The payload of the segment whose length field stands at `at`.
fn segment(bytes: &[u8], at: usize) -> Result<&[u8], DecodeError> {
    let field = bytes.get(at..at + 2).ok_or(DecodeError::JpegTruncated)?;
    let length = usize::from(u16::from_be_bytes([field[0], field[1]]));
    if length < 2 {
        return Err(corrupt("a segment of impossible length"));
    }
    bytes.get(at + 2..at + length).ok_or(DecodeError::JpegTruncated)
}

fn frame_header(sof: u8, payload: &[u8]) -> Result<Frame, DecodeError> {
    let &[precision, h1, h0, w1, w0, count, ref rest @ ..] = payload else {
        return Err(corrupt("a short frame header"));
    };
    if rest.len() != 3 * usize::from(count) {
        return Err(corrupt("a frame header whose length and components disagree"));
    }
    let components: Vec<Component> = rest
        .chunks_exact(3)
        .map(|c| Component { id: c[0], horizontal: c[1] >> 4, vertical: c[1] & 15 })
        .collect();
    if components.iter().any(|c| !(1..=4).contains(&c.horizontal) || !(1..=4).contains(&c.vertical))
    {
        return Err(corrupt("a sampling factor outside 1 to 4"));
    }
    Ok(Frame {
        width: u16::from_be_bytes([w1, w0]),
        height: u16::from_be_bytes([h1, h0]),
        precision,
        sof,
        components,
        jfif: false,
        transform: None,
        adobe_at: Vec::new(),
        first_scan: 0,
        scan: Scan::default(),
        scan_at: 0,
        strays: Vec::new(),
    })
}

pub(super) fn corrupt(reason: &str) -> DecodeError {
    DecodeError::JpegCorrupt { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::super::error::DecodeError;
    use super::walk;

    const HEADER: &[u8] = &[
        0xff, 0xd8, // start
        0xff, 0xee, 0, 14, b'A', b'd', b'o', b'b', b'e', 0, 100, 0, 0, 0, 0, 2, // Adobe
        0xff, 0xc2, 0, 11, 8, 0, 20, 0, 30, 1, 7, 0x21, 0, // frame
        0xff, 0xda, 0, 8, 1, 7, 0, 0, 0, 0, // scan
    ];

    #[test]
    fn markers_are_read_and_entropy_coded_bytes_passed_over() {
        let mut file = HEADER.to_vec();
        file.extend([1, 2, 0xff, 0, 3, 0xff, 0xd3, 4, 0xff, 0xff, 0xd9, 9, 9]);
        let frame = walk(&file).unwrap();
        assert_eq!((frame.width, frame.height, frame.sof), (30, 20, 2));
        assert_eq!((frame.components[0].horizontal, frame.components[0].vertical), (2, 1));
        assert_eq!(frame.transform, Some(2));
        assert_eq!(&file[frame.adobe_at[0]..][..5], b"Adobe");
    }

    #[test]
    fn an_end_marker_inside_a_segment_is_not_the_end() {
        let mut file = HEADER.to_vec();
        file.extend([1, 2, 0xff, 0xfe, 0, 4, 0xff, 0xd9]);
        assert_eq!(walk(&file), Err(DecodeError::JpegTruncated));
    }

    #[test]
    fn every_cut_is_truncation() {
        let mut file = HEADER.to_vec();
        file.extend([1, 2, 3, 0xff, 0xd9]);
        for length in 2..file.len() {
            assert_eq!(walk(&file[..length]), Err(DecodeError::JpegTruncated), "{length} bytes");
        }
        assert!(walk(&file).is_ok());
    }
}
