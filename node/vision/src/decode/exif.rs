//! Which side of a photograph is up: the orientation of EXIF, or else of XMP, found in JPEG, PNG
//! and WebP files and applied as Pillow's `exif_transpose` does.
//!
//! Metadata never fail a photograph: what cannot be read means that it stands as it is. Nothing is
//! allocated but the segments themselves, and each entry of the one directory is met once.

use std::borrow::Cow;

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::format::Format;
use super::rgb::Rgb;

const ORIENTATION: u16 = 0x0112;
const PREFIX: &[u8] = b"Exif\0\0";
const ENTRY_BYTES: usize = 12;

/// What an XMP packet begins with in a JPEG, and in the text chunk of a PNG that is not compressed.
const XMP_PREFIX: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const PNG_XMP: &[u8] = b"XML:com.adobe.xmp\0\0\0";

/// Keyword of the chunk in which ImageMagick keeps EXIF in a PNG.
const RAW_PROFILE: &[u8] = b"Raw profile type exif\0";

/// Longest such profile as text: EXIF of a JPEG has 64 KiB, and each byte takes two digits.
const RAW_PROFILE_BYTES_MAX: usize = 256 << 10;

/// Turns and mirrors the pixels as the file's metadata say.
pub(super) fn upright(rgb: Rgb, bytes: &[u8], format: Format) -> Rgb {
    let found = match format {
        Format::Jpeg => in_jpeg(bytes),
        Format::Png => in_png(bytes),
        Format::Webp => in_webp(bytes),
    };
    let told = found.exif.and_then(|exif| orientation(&exif));
    match told.or_else(|| found.xmp.and_then(orientation_in_xmp)) {
        Some(orientation) => apply(rgb, orientation),
        None => rgb,
    }
}

/// What a file says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Metadata<'a> {
    exif: Option<Cow<'a, [u8]>>,
    xmp: Option<&'a [u8]>,
}

/// The orientation that an XMP packet says, as an attribute or as an element.
fn orientation_in_xmp(packet: &[u8]) -> Option<u32> {
    const NAME: &[u8] = b"tiff:Orientation";
    let mut rest = packet;
    while let Some(at) = rest.windows(NAME.len()).position(|window| window == NAME) {
        rest = &rest[at + NAME.len()..];
        let value = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"));
        if let Some(digit @ b'0'..=b'9') = value.and_then(|value| value.first()) {
            return Some(u32::from(digit - b'0'));
        }
    }
    None
}

/// 1 to 8 mean something; other values are the caller's to ignore.
///
/// An entry that points beyond the end is passed over; of two entries the first counts (Pillow's
/// rules).
fn orientation(exif: &[u8]) -> Option<u32> {
    let mut tiff = exif;
    while let Some(rest) = tiff.strip_prefix(PREFIX) {
        tiff = rest;
    }
    let order = match tiff.get(..4)? {
        b"II*\0" | b"II\0*" => Order::Little,
        b"MM\0*" | b"MM*\0" => Order::Big,
        _ => return None,
    };
    let directory = tiff.get(order.number(tiff.get(4..8)?) as usize..)?;
    let count = order.number(directory.get(..2)?) as usize;
    for entry in directory[2..].chunks_exact(ENTRY_BYTES).take(count) {
        let kind = order.number(&entry[2..4]);
        let Some(unit) = unit_bytes(kind) else { continue };
        let size = unit.saturating_mul(u64::from(order.number(&entry[4..8])));
        let value = if size > 4 {
            let at = order.number(&entry[8..12]) as usize;
            let Some(value) = usize::try_from(size)
                .ok()
                .and_then(|size| at.checked_add(size))
                .and_then(|end| tiff.get(at..end))
            else {
                continue;
            };
            value
        } else {
            &entry[8..8 + size as usize]
        };
        if order.number(&entry[..2]) == u32::from(ORIENTATION) && !value.is_empty() {
            return match kind {
                3 | 8 => Some(order.number(&value[..2])),
                4 | 9 | 13 => Some(order.number(&value[..4])),
                6 => Some(u32::from(value[0])),
                _ => None,
            };
        }
    }
    None
}

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn number(self, bytes: &[u8]) -> u32 {
        let add = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, add),
            Self::Big => bytes.iter().fold(0, add),
        }
    }
}

/// Bytes of one value of a TIFF type; unknown types are passed over.
fn unit_bytes(kind: u32) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 => Some(8),
        _ => None,
    }
}

/// The segments before the first scan, put together where a writer had to split them.
fn in_jpeg(bytes: &[u8]) -> Metadata<'_> {
    let mut found = Metadata::default();
    let mut at = 2;
    while let Some(&[first, marker]) = bytes.get(at..at + 2) {
        match (first, marker) {
            // What stands between segments belongs to none.
            (0..=0xfe, _) | (0xff, 0xff) => at += 1,
            (0xff, 0 | 0x01 | 0xd0..=0xd8) => at += 2,
            (0xff, 0xd9 | 0xda) => break,
            _ => {
                let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { break };
                let length = usize::from(u16::from_be_bytes([high, low]));
                let Some(payload) = bytes.get(at + 4..at + 2 + length) else { break };
                if marker == 0xe1 && payload.starts_with(PREFIX) {
                    match &mut found.exif {
                        None => found.exif = Some(Cow::Borrowed(payload)),
                        Some(all) => all.to_mut().extend(&payload[PREFIX.len()..]),
                    }
                }
                if marker == 0xe1 {
                    found.xmp = payload.strip_prefix(XMP_PREFIX).or(found.xmp);
                }
                at += 2 + length;
            }
        }
    }
    found
}

fn in_png(bytes: &[u8]) -> Metadata<'_> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    let (mut found, mut raw) = (Metadata::default(), None);
    while let Some(head) = rest.get(..8) {
        let length = Order::Big.number(&head[..4]) as usize;
        let Some(body) = rest.get(8..).and_then(|body| body.get(..length)) else { break };
        match &head[4..] {
            b"eXIf" => found.exif = Some(Cow::Borrowed(body)),
            b"iTXt" => found.xmp = body.strip_prefix(PNG_XMP).or(found.xmp),
            b"zTXt" => raw = body.strip_prefix(RAW_PROFILE).and_then(inflated).or(raw),
            b"tEXt" => raw = body.strip_prefix(RAW_PROFILE).map(<[u8]>::to_vec).or(raw),
            b"IEND" => break,
            _ => {}
        }
        let Some(next) = rest.get(8 + length + 4..) else { break };
        rest = next;
    }
    if found.exif.is_none() {
        found.exif = raw.and_then(|raw| unhexed(&raw)).map(Cow::Owned);
    }
    found
}

/// The text of a compressed chunk.
fn inflated(body: &[u8]) -> Option<Vec<u8>> {
    let compressed = body.strip_prefix(b"\0")?;
    decompress_to_vec_zlib_with_limit(compressed, RAW_PROFILE_BYTES_MAX).ok()
}

/// The bytes of a profile that ImageMagick wrote as text: a line of its kind and one of its length,
/// then hexadecimal digits.
fn unhexed(text: &[u8]) -> Option<Vec<u8>> {
    let lines = text.split(|byte| *byte == b'\n').skip(3);
    let digits: Vec<u8> =
        lines.flatten().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.chunks_exact(2);
    pairs.map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()).collect()
}

fn in_webp(bytes: &[u8]) -> Metadata<'_> {
    const EXIF_FLAG: u8 = 1 << 3;
    const XMP_FLAG: u8 = 1 << 2;
    let mut found = Metadata::default();
    let mut rest = bytes.get(12..).unwrap_or_default();
    let flags = match rest.get(8) {
        Some(flags) if rest.starts_with(b"VP8X") => *flags,
        _ => return found,
    };
    while let Some(head) = rest.get(..8) {
        let length = Order::Little.number(&head[4..]) as usize;
        let Some(body) = rest[8..].get(..length) else { break };
        match &head[..4] {
            b"EXIF" if flags & EXIF_FLAG != 0 && found.exif.is_none() => {
                found.exif = Some(Cow::Borrowed(body));
            }
            b"XMP " if flags & XMP_FLAG != 0 => found.xmp = found.xmp.or(Some(body)),
            _ => {}
        }
        let Some(next) = rest.get(8 + length + (length & 1)..) else { break };
        rest = next;
    }
    found
}

/// Each pixel of the upright picture is fetched from where the file has it.
fn apply(rgb: Rgb, orientation: u32) -> Rgb {
    let (w, h) = (rgb.width as usize, rgb.height as usize);
    let source: fn(usize, usize, usize, usize) -> (usize, usize) = match orientation {
        2 => |x, y, w, _| (w - 1 - x, y),
        3 => |x, y, w, h| (w - 1 - x, h - 1 - y),
        4 => |x, y, _, h| (x, h - 1 - y),
        5 => |x, y, _, _| (y, x),
        6 => |x, y, _, h| (y, h - 1 - x),
        7 => |x, y, w, h| (w - 1 - y, h - 1 - x),
        8 => |x, y, w, _| (w - 1 - y, x),
        _ => return rgb,
    };
    let (width, height) = if orientation < 5 { (w, h) } else { (h, w) };
    let mut pixels = Vec::with_capacity(rgb.pixels.len());
    for y in 0..height {
        for x in 0..width {
            let (from_x, from_y) = source(x, y, w, h);
            let at = 3 * (from_y * w + from_x);
            pixels.extend_from_slice(&rgb.pixels[at..at + 3]);
        }
    }
    Rgb { width: width as u32, height: height as u32, pixels }
}

#[cfg(test)]
mod tests {
    use super::{Metadata, Rgb, apply, in_jpeg, in_png, in_webp, orientation, orientation_in_xmp};

    /// A big-endian directory with these entries: tag, type, count, value field.
    fn tiff(entries: &[(u16, u16, u32, [u8; 4])]) -> Vec<u8> {
        let mut bytes = b"Exif\0\0MM\0*\0\0\0\x08".to_vec();
        bytes.extend((entries.len() as u16).to_be_bytes());
        for (tag, kind, count, value) in entries {
            bytes.extend(tag.to_be_bytes());
            bytes.extend(kind.to_be_bytes());
            bytes.extend(count.to_be_bytes());
            bytes.extend(value);
        }
        bytes
    }

    #[test]
    fn the_first_usable_entry_counts_and_a_pointer_into_nothing_is_passed_over() {
        let six = (0x0112, 3, 1, [0, 6, 0, 0]);
        let nowhere = (0x010f, 2, 900, [0xff; 4]);
        assert_eq!(orientation(&tiff(&[six])), Some(6));
        assert_eq!(orientation(&tiff(&[six, (0x0112, 4, 1, [0, 0, 0, 3])])), Some(6));
        assert_eq!(orientation(&tiff(&[six, nowhere])), Some(6));
        assert_eq!(orientation(&tiff(&[nowhere, six])), Some(6));
        assert_eq!(orientation(&tiff(&[(0x0112, 99, 1, [0; 4]), six])), Some(6));
        assert_eq!(orientation(&tiff(&[(0x0112, 3, 0, [0, 6, 0, 0])])), None);
    }

    #[test]
    fn hostile_metadata_are_no_orientation_and_no_panic() {
        let whole = tiff(&[(0x0112, 3, u32::MAX, [0xff; 4]), (0x0112, 12, 1 << 31, [0; 4])]);
        for length in 0..whole.len() {
            assert_eq!(orientation(&whole[..length]), None);
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut broken = whole.clone();
                broken[at] = byte;
                orientation(&broken);
            }
        }
        for file in [&b""[..], b"\xff\xd8", b"\xff\xd8\xff\xe1\0\0", b"\xff\xd8\xff\xff\xff"] {
            assert_eq!(in_jpeg(file), Metadata::default());
        }
    }

    #[test]
    fn an_orientation_is_found_in_xmp_however_it_is_written() {
        for (packet, found) in [
            (&b"<a tiff:Orientation=\"6\"/>"[..], Some(6)),
            (b"<tiff:Orientation>8</tiff:Orientation>", Some(8)),
            (b"<a tiff:Orientation='6'/><tiff:Orientation>3<", Some(3)),
            (b"tiff:Orientation=\"x\"", None),
            (b"tiff:Orientation", None),
            (b"", None),
        ] {
            assert_eq!(orientation_in_xmp(packet), found, "{packet:?}");
        }
    }

    #[test]
    fn packets_are_found_in_each_format_and_never_beyond_its_end() {
        let packet = b"<x tiff:Orientation=\"6\"/>";
        let mut jpeg = b"\xff\xd8\0\xff\0stray\xff\xe1".to_vec();
        let payload = [super::XMP_PREFIX, packet].concat();
        jpeg.extend((payload.len() as u16 + 2).to_be_bytes());
        jpeg.extend(&payload);
        jpeg.extend(b"\xff\xda");
        assert_eq!(in_jpeg(&jpeg).xmp, Some(&packet[..]));

        let chunk = |kind: &[u8], body: &[u8]| {
            let length = (body.len() as u32).to_be_bytes();
            [&length[..], kind, body, &[0; 4]].concat()
        };
        let text = [super::PNG_XMP, packet].concat();
        let exif = tiff(&[(0x0112, 3, 1, [0, 6, 0, 0])]);
        let hex: String = exif.iter().map(|byte| format!("{byte:02x}")).collect();
        let raw = format!("Raw profile type exif\0\nexif\n      32\n{hex}\n");
        let png =
            [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"iTXt", &text), chunk(b"tEXt", raw.as_bytes())];
        let png = png.concat();
        let found = in_png(&png);
        assert_eq!(found.xmp, Some(&packet[..]));
        assert_eq!(found.exif.and_then(|exif| orientation(&exif)), Some(6));

        let mut webp = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x04\0\0\0\0\0\0\0\0\0XMP ".to_vec();
        webp.extend((packet.len() as u32).to_le_bytes());
        webp.extend(packet);
        assert_eq!(in_webp(&webp).xmp, Some(&packet[..]));
        for (whole, read) in
            [(jpeg, in_jpeg as fn(&[u8]) -> Metadata<'_>), (png, in_png), (webp, in_webp)]
        {
            (0..whole.len()).for_each(|length| drop(read(&whole[..length])));
        }
    }

    #[test]
    fn turning_back_gives_the_picture_again() {
        let pixels: Vec<u8> = (0..3 * 2 * 3).collect();
        let rgb = Rgb { width: 3, height: 2, pixels };
        for (there, back) in [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (7, 7), (8, 6)] {
            let turned = apply(rgb.clone(), there);
            assert_eq!(turned.width, if there < 5 { 3 } else { 2 }, "{there}");
            assert_eq!(turned == rgb, there == 1, "{there}");
            assert_eq!(apply(turned, back), rgb, "{there}");
        }
        assert_eq!(apply(rgb.clone(), 9), rgb);
    }
}
