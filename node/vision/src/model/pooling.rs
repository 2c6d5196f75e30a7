//! From the last map of activations to the features of one photograph.

use std::fmt;
use std::str::FromStr;

/// What becomes of the last map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooling {
    /// The mean over all pixels, per channel.
    #[default]
    Avg,
    /// The greatest over all pixels, per channel.
    Max,
    /// Every value, row by row, pixel by pixel, channel by channel: as Keras flattens.
    None,
}

/// A pooling that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown pooling {0:?}: use avg, max or none")]
pub struct UnknownPooling(String);

impl Pooling {
    /// Its name, as [`FromStr`] reads it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Max => "max",
            Self::None => "none",
        }
    }

    /// Features for a last map of `pixels` pixels and `channels` channels.
    #[must_use]
    pub fn features(self, pixels: usize, channels: usize) -> usize {
        match self {
            Self::Avg | Self::Max => channels,
            Self::None => pixels * channels,
        }
    }

    /// Pools a map stored in panels of `panel` channels, `pixels = height * width` pixels each.
    ///
    /// The mean adds the pixels of a row, then the rows, in order, in f32: adding neighbours in
    /// a vector works on different channels, so that no CPU gives other bits.
    pub(crate) fn pool(self, map: &[f32], size: (usize, usize), panel: usize, out: &mut [f32]) {
        let (height, width) = size;
        let pixels = height * width;
        match self {
            Self::Avg => {
                for (out, map) in out.chunks_mut(panel).zip(map.chunks_exact(pixels * panel)) {
                    average(map, width, panel, out);
                }
            }
            Self::Max => {
                for (out, map) in out.chunks_mut(panel).zip(map.chunks_exact(pixels * panel)) {
                    out.copy_from_slice(&map[..out.len()]);
                    for pixel in map.chunks_exact(panel) {
                        for (most, &value) in out.iter_mut().zip(pixel) {
                            *most = if value > *most || value.is_nan() { value } else { *most };
                        }
                    }
                }
            }
            Self::None => {
                let channels = out.len() / pixels;
                for (index, out) in out.chunks_exact_mut(channels).enumerate() {
                    for (out, map) in out.chunks_mut(panel).zip(map.chunks_exact(pixels * panel)) {
                        out.copy_from_slice(&map[index * panel..][..out.len()]);
                    }
                }
            }
        }
    }
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Pooling {
    type Err = UnknownPooling;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = [Self::Avg, Self::Max, Self::None].into_iter().find(|p| p.name() == name);
        known.ok_or_else(|| UnknownPooling(name.to_owned()))
    }
}

/// Mean of one panel's pixels.
fn average(map: &[f32], width: usize, panel: usize, out: &mut [f32]) {
    let pixels = (map.len() / panel) as f32;
    let mut sums = vec![0.0; panel];
    let mut row_sums = vec![0.0; panel];
    for row in map.chunks_exact(width * panel) {
        row_sums.fill(0.0);
        for pixel in row.chunks_exact(panel) {
            for (sum, value) in row_sums.iter_mut().zip(pixel) {
                *sum += value;
            }
        }
        for (sum, value) in sums.iter_mut().zip(&row_sums) {
            *sum += value;
        }
    }
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = sum / pixels;
    }
}

#[cfg(test)]
mod tests {
    use super::Pooling;

    /// Two panels of two channels, three of them used, over a map of 1x2 pixels.
    const MAP: [f32; 8] = [1.0, 2.0, 3.0, -4.0, 5.0, 0.0, 7.0, 0.0];

    fn pooled(pooling: Pooling) -> Vec<f32> {
        let mut out = vec![0.0; pooling.features(2, 3)];
        pooling.pool(&MAP, (1, 2), 2, &mut out);
        out
    }

    #[test]
    fn panels_are_pooled_per_channel_and_padding_is_left_out() {
        assert_eq!(pooled(Pooling::Avg), [2.0, -1.0, 6.0]);
        assert_eq!(pooled(Pooling::Max), [3.0, 2.0, 7.0]);
        assert_eq!(pooled(Pooling::None), [1.0, 2.0, 5.0, 3.0, -4.0, 7.0]);
    }

    #[test]
    fn names_are_read_back_and_others_refused() {
        for pooling in [Pooling::Avg, Pooling::Max, Pooling::None] {
            assert_eq!(pooling.name().parse(), Ok(pooling));
        }
        let refusal = "mean".parse::<Pooling>().unwrap_err();
        assert_eq!(refusal.to_string(), "unknown pooling \"mean\": use avg, max or none");
    }
}
