//! What a child is asked, in words: the command line that one side writes and the other reads.

use crate::decode::Limits;
use crate::model::profile::Filter;

/// The hidden subcommand.
pub const DECODE_ONE: &str = "decode-one";

/// For tests of this mechanism: what the child does instead of decoding (`abort`, `loop` or
/// `allocate`); or, for a photograph with a word in its bytes, what any process does that is to
/// decode it (`abort-at:WORD`, `loop-at:WORD`).
pub const MISBEHAVE: &str = "FRUITNODE_TEST_DECODER";

/// Memory, estimated from a file's headers, above which it is decoded alone: a baseline photograph
/// of 30 million pixels. Each compute thread may hold as much.
pub const ALONE_BYTES: u64 = 96 << 20;

/// What is asked of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Bounds on the photograph.
    pub limits: Limits,
    /// Size and filter to shrink it with, if it is decoded alone.
    pub shrink: Option<Shrink>,
}

/// How a picture is resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shrink {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Resampling filter.
    pub filter: Filter,
}

impl Order {
    /// With no more memory than a photograph may need that is decoded beside others.
    pub(super) fn with_little_memory(&self) -> Self {
        let memory_bytes = self.limits.memory_bytes.min(ALONE_BYTES);
        Self { limits: Limits { memory_bytes, ..self.limits }, ..*self }
    }

    /// As arguments of the child.
    pub(super) fn words(&self) -> Vec<String> {
        let Limits { file_bytes, side, pixels, memory_bytes } = self.limits;
        let mut words = vec![
            file_bytes.to_string(),
            side.to_string(),
            pixels.to_string(),
            memory_bytes.to_string(),
        ];
        if let Some(Shrink { width, height, filter }) = self.shrink {
            words.extend([width.to_string(), height.to_string(), filter.name().to_owned()]);
        }
        words
    }

    /// From the arguments of the child; nothing if they are none.
    pub fn parse(words: &[String]) -> Option<Self> {
        let [file_bytes, side, pixels, memory_bytes, shrink @ ..] = words else { return None };
        let limits = Limits {
            file_bytes: file_bytes.parse().ok()?,
            side: side.parse().ok()?,
            pixels: pixels.parse().ok()?,
            memory_bytes: memory_bytes.parse().ok()?,
        };
        let shrink = match shrink {
            [] => None,
            [width, height, filter] => Some(Shrink {
                width: width.parse().ok().filter(|width| *width > 0)?,
                height: height.parse().ok().filter(|height| *height > 0)?,
                filter: Filter::named(filter)?,
            }),
            _ => return None,
        };
        Some(Self { limits, shrink })
    }
}
