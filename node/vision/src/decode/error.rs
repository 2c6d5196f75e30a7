//! Why a photograph could not be opened: a stable code for machines, words for people.
//!
//! Codes are published (`_quarantine`), so they are never renamed, and the words hold nothing
//! that varies between hosts or runs.

/// Why the bytes of a photograph gave no pixels. Always the content's fault: never retried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message and `CODES` say what it means")]
pub enum DecodeError {
    #[error("the file has 0 bytes; upload it again")]
    Empty,
    #[error(
        "the file has {bytes} bytes, more than the limit of {max}; shrink the photograph, or raise \
         the limit (--max-file-mib)"
    )]
    FileTooLarge { bytes: u64, max: u64 },
    #[error("not a JPEG, PNG or WebP file (first bytes: {first}); remove it or filter it out")]
    UnknownFormat { first: String },
    #[error(
        "this is a {format} file; convert it to JPEG, PNG or WebP (ImageMagick: magick IN OUT.jpg)"
    )]
    UnsupportedFormat { format: &'static str },
    #[error("the header gives {width}x{height} pixels, which is not an image; export it again")]
    ZeroSize { width: u32, height: u32 },
    #[error("{width}x{height} pixels: a side exceeds the limit of {max}; shrink the photograph")]
    SideTooLong { width: u32, height: u32, max: u32 },
    #[error(
        "{width}x{height} pixels exceed the limit of {max} in total; shrink the photograph, or \
         raise the limit (--max-megapixels)"
    )]
    TooManyPixels { width: u32, height: u32, max: u64 },
    #[error(
        "decoding needs {needed} bytes of memory, more than the limit of {max}; shrink it, save it \
         as a baseline file, or raise the limit (--max-megapixels)"
    )]
    DecoderMemory { needed: u64, max: u64 },
    #[error("the JPEG ends before its end-of-image marker; upload it again")]
    JpegTruncated,
    #[error("the JPEG is damaged ({reason}); upload or export it again")]
    JpegCorrupt { reason: String },
    #[error("the JPEG uses {feature}, which is not supported; save it as baseline or progressive")]
    JpegUnsupported { feature: String },
    #[error("the PNG ends before its last row; upload it again")]
    PngTruncated,
    #[error("the checksum of the PNG's {chunk} chunk is wrong; upload it again")]
    PngCrc { chunk: String },
    #[error("the PNG is damaged ({reason}); upload or export it again")]
    PngCorrupt { reason: String },
    #[error("the WebP file ends early; upload it again")]
    WebpTruncated,
    #[error("the WebP file is damaged ({reason}); upload or export it again")]
    WebpCorrupt { reason: String },
    #[error("the decoder failed unexpectedly ({reason}); open the photograph and save it again")]
    DecoderPanic { reason: String },
    #[error(
        "the decoder crashed on this photograph, twice, in a separate process; open it and save it \
         again"
    )]
    DecoderCrashed,
    #[error(
        "the decoder took too long for this photograph, twice, in a separate process; shrink it or \
         save it as a baseline file"
    )]
    DecoderTime,
    /// What a decoder in a process of its own found; `code` is one of [`CODES`].
    #[error("{words}")]
    FoundAlone { code: &'static str, words: String },
}

/// Every code that [`DecodeError::code`] can give, with its meaning.
pub const CODES: &[(&str, &str)] = &[
    ("empty", "the file has no bytes"),
    ("file_too_large", "the file exceeds the limit of bytes"),
    ("unknown_format", "the first bytes are of no image format known here"),
    ("unsupported_format", "an image of a known format that is not decoded here"),
    ("zero_size", "the header gives a width or a height of 0"),
    ("side_too_long", "the header gives a side over the limit"),
    ("too_many_pixels", "the header gives more pixels than the limit"),
    ("decoder_memory", "decoding would need more memory than the limit"),
    ("jpeg_truncated", "the JPEG has no end-of-image marker"),
    ("jpeg_corrupt", "the JPEG's segments or entropy-coded data are damaged"),
    (
        "jpeg_unsupported",
        "arithmetic, lossless or hierarchical coding, baseline in scans, odd sampling or depth",
    ),
    ("png_truncated", "the PNG ends before its last row"),
    ("png_crc", "a PNG chunk before the image data has a wrong checksum"),
    ("png_corrupt", "the PNG's header, palette or compressed data are damaged"),
    ("webp_truncated", "the WebP file ends before its image data do"),
    ("webp_corrupt", "the WebP file's chunks or bit stream are damaged"),
    ("decoder_panic", "the decoder panicked; only this photograph is affected"),
    ("decoder_crashed", "the decoder crashed twice in a separate process"),
    ("decoder_time", "the decoder timed out twice in a separate process"),
];

impl DecodeError {
    /// The stable code of this error, one of [`CODES`].
    pub fn code(&self) -> &'static str {
        match self {
            DecodeError::Empty => "empty",
            DecodeError::FileTooLarge { .. } => "file_too_large",
            DecodeError::UnknownFormat { .. } => "unknown_format",
            DecodeError::UnsupportedFormat { .. } => "unsupported_format",
            DecodeError::ZeroSize { .. } => "zero_size",
            DecodeError::SideTooLong { .. } => "side_too_long",
            DecodeError::TooManyPixels { .. } => "too_many_pixels",
            DecodeError::DecoderMemory { .. } => "decoder_memory",
            DecodeError::JpegTruncated => "jpeg_truncated",
            DecodeError::JpegCorrupt { .. } => "jpeg_corrupt",
            DecodeError::JpegUnsupported { .. } => "jpeg_unsupported",
            DecodeError::PngTruncated => "png_truncated",
            DecodeError::PngCrc { .. } => "png_crc",
            DecodeError::PngCorrupt { .. } => "png_corrupt",
            DecodeError::WebpTruncated => "webp_truncated",
            DecodeError::WebpCorrupt { .. } => "webp_corrupt",
            DecodeError::DecoderPanic { .. } => "decoder_panic",
            DecodeError::DecoderCrashed => "decoder_crashed",
            DecodeError::DecoderTime => "decoder_time",
            DecodeError::FoundAlone { code, .. } => code,
        }
    }
}
