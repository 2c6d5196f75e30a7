//! What a file of weights says about itself, checked before anybody believes it.

use crate::model::error::WeightsError;
use crate::model::naming::Family;
use crate::model::profile::{ChannelOrder, Declared, Filter};
use crate::model::table::Padding;
use crate::model::weights::Archive;

/// Greatest side of a photograph that a network is given, in pixels.
pub(crate) const SIDE_MAX: usize = 2048;

/// Characters of a wrong value that an error repeats.
const QUOTED_CHARS_MAX: usize = 64;

/// Everything read from the metadata; `None` where they are silent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Metadata {
    /// What the network expects of its input.
    pub(crate) declared: Declared,
    /// Rule for borders.
    pub(crate) padding: Option<Padding>,
    /// Epsilon of the batch norms.
    pub(crate) epsilon: Option<f64>,
}

impl Metadata {
    /// Reads the keys `arch`, `width`, `input_size`, `channel_order`, `scale`, `mean`, `std`,
    /// `resize`, `bn_eps` and `padding`; others are the maker's own.
    ///
    /// `width` is what the shapes say, in hundredths.
    ///
    /// # Errors
    ///
    /// A value cannot be read, is out of range, or contradicts the tensors.
    pub(crate) fn read(
        archive: &Archive,
        family: Family,
        width: Option<u32>,
    ) -> Result<Self, WeightsError> {
        let text = |key| archive.metadata(key).map(|value| Text { key, value });
        if let Some(arch) = text("arch")
            && arch.value != family.arch()
        {
            return Err(arch.wrong(&format!("{:?}, as the tensors say", family.arch())));
        }
        if let Some(declared) = text("width") {
            let (value, found) =
                (declared.positive()?, width.map(|width| f64::from(width) / 100.0));
            if found.is_some_and(|found| (found - value).abs() > 0.005) {
                let found = found.unwrap_or_default();
                return Err(declared.wrong(&format!("{found}, as the shapes say")));
            }
        }
        let declared = Declared {
            input_size: text("input_size").map(|t| t.side()).transpose()?,
            channel_order: text("channel_order")
                .map(|t| t.one_of(&[("rgb", ChannelOrder::Rgb), ("bgr", ChannelOrder::Bgr)]))
                .transpose()?,
            scale: text("scale").map(|t| t.positive()).transpose()?,
            mean: text("mean").map(|t| t.triple(|_| true)).transpose()?,
            std: text("std").map(|t| t.triple(|value| value > 0.0)).transpose()?,
            filter: text("resize")
                .map(|t| t.one_of(&[("bicubic", Filter::Bicubic), ("bilinear", Filter::Bilinear)]))
                .transpose()?,
        };
        let paddings = [("symmetric", Padding::Symmetric), ("same", Padding::Same)];
        Ok(Self {
            declared,
            padding: text("padding").map(|t| t.one_of(&paddings)).transpose()?,
            epsilon: text("bn_eps").map(|t| t.positive()).transpose()?,
        })
    }
}

/// A key and what it says.
struct Text<'a> {
    key: &'static str,
    value: &'a str,
}

impl Text<'_> {
    fn wrong(&self, expected: &str) -> WeightsError {
        let value = self.value.chars().take(QUOTED_CHARS_MAX).collect();
        WeightsError::Metadata { key: self.key, value, expected: expected.to_owned() }
    }

    fn positive(&self) -> Result<f64, WeightsError> {
        let value: Option<f64> = self.value.trim().parse().ok();
        value
            .filter(|value| value.is_finite() && *value > 0.0)
            .ok_or_else(|| self.wrong("a number above zero"))
    }

    fn side(&self) -> Result<u32, WeightsError> {
        let value: Option<u32> = self.value.trim().parse().ok();
        value
            .filter(|&value| value > 0 && value as usize <= SIDE_MAX)
            .ok_or_else(|| self.wrong(&format!("a side of 1 to {SIDE_MAX} pixels")))
    }

    fn triple(&self, allowed: fn(f64) -> bool) -> Result<[f64; 3], WeightsError> {
        let values: Option<[f64; 3]> = serde_json::from_str(self.value).ok();
        values
            .filter(|values| values.iter().all(|&value| value.is_finite() && allowed(value)))
            .ok_or_else(|| self.wrong("three numbers as in \"[0.5, 0.5, 0.5]\", std above zero"))
    }

    fn one_of<T: Copy>(&self, known: &[(&str, T)]) -> Result<T, WeightsError> {
        let found = known.iter().find(|(name, _)| *name == self.value).map(|&(_, value)| value);
        let names: Vec<&str> = known.iter().map(|&(name, _)| name).collect();
        found.ok_or_else(|| self.wrong(&names.join(" or ")))
    }
}
