//! Which format a file has, told by its first bytes.

use super::error::DecodeError;

/// What is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    Png,
    Webp,
}

/// The format, or why there is nothing to decode.
pub(super) fn sniff(bytes: &[u8]) -> Result<Format, DecodeError> {
    const OTHERS: &[(usize, &[u8], &str)] = &[
        (0, b"GIF8", "GIF"),
        (0, b"BM", "BMP"),
        (0, b"II*\0", "TIFF"),
        (0, b"MM\0*", "TIFF"),
        (4, b"ftypheic", "HEIC"),
        (4, b"ftypheix", "HEIC"),
        (4, b"ftypheim", "HEIC"),
        (4, b"ftypheis", "HEIC"),
        (4, b"ftyphevc", "HEIC"),
        (4, b"ftyphevx", "HEIC"),
        (4, b"ftypmif1", "HEIF"),
        (4, b"ftypmif2", "HEIF"),
        (4, b"ftypmsf1", "HEIF"),
        (4, b"ftypavif", "AVIF"),
        (4, b"ftypavis", "AVIF"),
        (4, b"ftypcrx ", "Canon CR3"),
        (4, b"ftypqt  ", "QuickTime"),
        (4, b"ftypmp4", "MP4"),
        (4, b"ftypiso", "MP4"),
        (0, b"II+\0", "BigTIFF"),
        (0, b"MM\0+", "BigTIFF"),
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
