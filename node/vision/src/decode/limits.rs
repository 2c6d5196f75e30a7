//! What a file may cost before it is opened: bytes, sides, pixels and decoder memory.
//!
//! Every check works on numbers read from headers, so that nothing is allocated for a file
//! that is going to be refused.

use super::error::DecodeError;

/// Bounds on one photograph. A file that exceeds one of them is bad, not retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Size of the encoded file in bytes.
    pub file_bytes: u64,
    /// Longest side in pixels.
    pub side: u32,
    /// Width times height.
    pub pixels: u64,
    /// Bytes that the decoder and its result may hold at once, estimated from the headers.
    pub memory_bytes: u64,
}

impl Default for Limits {
    /// 64 MiB a file, 128 million pixels, which is more than the sensors of most cameras have, and
    /// as many a side as a JPEG can have.
    fn default() -> Self {
        Limits::of(MEGAPIXELS, FILE_MIB)
    }
}

/// Millions of pixels, unless somebody says otherwise.
const MEGAPIXELS: u32 = 128;

/// Size of a file in MiB, unless somebody says otherwise.
const FILE_MIB: u32 = 64;

/// Longest side: that of a JPEG.
const SIDE: u32 = 65_535;

/// Bytes of memory for each pixel: the result, and as much again for whatever the decoder holds.
const BYTES_PER_PIXEL: u64 = 6;

impl Limits {
    /// With so many millions of pixels and MiB a file.
    #[must_use]
    pub fn of(megapixels: u32, file_mib: u32) -> Self {
        let pixels = u64::from(megapixels) * 1_000_000;
        let memory_bytes = pixels * BYTES_PER_PIXEL;
        Limits { file_bytes: u64::from(file_mib) << 20, side: SIDE, pixels, memory_bytes }
    }

    /// With what was said; the rest is as by default.
    #[must_use]
    pub fn or_default(megapixels: Option<u32>, file_mib: Option<u32>) -> Self {
        Self::of(megapixels.unwrap_or(MEGAPIXELS), file_mib.unwrap_or(FILE_MIB))
    }

    pub(super) fn check_file(&self, bytes: &[u8]) -> Result<(), DecodeError> {
        let found = bytes.len() as u64;
        if found == 0 {
            return Err(DecodeError::Empty);
        }
        if found > self.file_bytes {
            return Err(DecodeError::FileTooLarge { bytes: found, max: self.file_bytes });
        }
        Ok(())
    }

    /// `working_bytes` is what the decoder needs besides the RGB result.
    pub(super) fn check_image(
        &self,
        width: u32,
        height: u32,
        working_bytes: u64,
    ) -> Result<(), DecodeError> {
        if width == 0 || height == 0 {
            return Err(DecodeError::ZeroSize { width, height });
        }
        if width.max(height) > self.side {
            return Err(DecodeError::SideTooLong { width, height, max: self.side });
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > self.pixels {
            return Err(DecodeError::TooManyPixels { width, height, max: self.pixels });
        }
        let needed = working_bytes.saturating_add(3 * pixels);
        if needed > self.memory_bytes {
            return Err(DecodeError::DecoderMemory { needed, max: self.memory_bytes });
        }
        Ok(())
    }
}
