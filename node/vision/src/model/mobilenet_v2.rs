//! MobileNetV2 without its classifier (Sandler et al. 2018, arXiv:1801.04381), of any width and
//! depth, as a table of layers.
//!
//! Checked beside torchvision `mobilenetv2.py`, timm `_gen_mobilenet_v2` and Transformers
//! `modeling_mobilenet_v2.py`: they agree on the layers but for one shortcut, and differ in border,
//! epsilon and names.

use crate::model::table::{Activation, Groups, Layer, Padding, Source, Table};

/// Stages of blocks of equal width.
pub const STAGES: usize = 7;

/// Output channels of each stage at width 1.
const CHANNELS: [usize; STAGES] = [16, 24, 32, 64, 96, 160, 320];
/// Blocks of each stage at depth 1.
pub(crate) const BLOCKS: [usize; STAGES] = [1, 2, 3, 4, 3, 3, 1];
/// Stride of each stage's first block.
const STRIDES: [usize; STAGES] = [1, 2, 2, 2, 1, 2, 1];
/// Widening inside each block but the first.
const EXPANSION: usize = 6;
const STEM_CHANNELS: usize = 32;
const HEAD_CHANNELS: usize = 1280;
/// Channel counts are multiples of this.
const DIVISOR: usize = 8;
/// Widths in use, in hundredths; timm's deeper variants are 110 and 120.
const WIDTHS_USUAL: [u32; 9] = [100, 35, 50, 75, 110, 120, 130, 140, 25];
/// Widths looked through after those, in hundredths.
const WIDTHS_OTHER: std::ops::RangeInclusive<u32> = 10..=400;

/// Channel counts and depths of one variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// Output channels of the first convolution.
    pub stem: usize,
    /// Output channels of each stage.
    pub channels: [usize; STAGES],
    /// Blocks of each stage.
    pub blocks: [usize; STAGES],
    /// Output channels of the last convolution: the features.
    pub head: usize,
    /// Whether the first block has a shortcut too where its widths allow it (below width 0.3):
    /// torchvision and timm give it one, Transformers does not.
    pub first_shortcut: bool,
}

impl Variant {
    /// The variant of the paper's width multiplier, given in hundredths (100 is the standard one).
    ///
    /// Below 1 the head keeps its 1280 channels, as in torchvision, timm, Transformers and Keras.
    #[must_use]
    pub(crate) fn of_width(hundredths: u32) -> Self {
        Self {
            stem: scaled(STEM_CHANNELS, hundredths),
            channels: CHANNELS.map(|channels| scaled(channels, hundredths)),
            blocks: BLOCKS,
            head: scaled(HEAD_CHANNELS, hundredths.max(100)),
            first_shortcut: true,
        }
    }

    /// The width, in hundredths, that gives these channel counts; the usual widths come first.
    ///
    /// timm's deeper variants keep stem and head at width 1: for them the stages decide alone.
    #[must_use]
    pub fn width(&self) -> Option<u32> {
        let fixed_ends = self.stem == STEM_CHANNELS && self.head == HEAD_CHANNELS;
        WIDTHS_USUAL.into_iter().chain(WIDTHS_OTHER).find(|&hundredths| {
            let rule = Self::of_width(hundredths);
            let ends = self.stem == rule.stem && self.head == rule.head;
            self.channels == rule.channels && (ends || fixed_ends)
        })
    }

    /// The layers: stem, then expand (where there is one), depthwise and project of each block,
    /// then the head.
    #[must_use]
    pub fn table(&self, padding: Padding) -> Table {
        let mut layers = vec![Layer {
            input: Source::Photograph,
            kernel: 3,
            stride: 2,
            groups: Groups::One,
            padding,
            channels_in: 3,
            channels_out: self.stem,
            residual: None,
            activation: Activation::Relu6,
        }];
        let mut channels = self.stem;
        for (stage, &stage_stride) in STRIDES.iter().enumerate() {
            for block in 0..self.blocks[stage] {
                let stride = if block == 0 { stage_stride } else { 1 };
                let expansion = if stage == 0 { 1 } else { EXPANSION };
                push_block(&mut layers, padding, stride, expansion, self.channels[stage]);
                channels = self.channels[stage];
            }
        }
        if !self.first_shortcut {
            layers[2].residual = None;
        }
        let input = layers.len() - 1;
        layers.push(pointwise(input, channels, self.head, Activation::Relu6));
        Table { layers }
    }
}

/// An inverted residual block behind the last layer.
fn push_block(
    layers: &mut Vec<Layer>,
    padding: Padding,
    stride: usize,
    expansion: usize,
    channels_out: usize,
) {
    let input = layers.len() - 1;
    let channels_in = layers[input].channels_out;
    let hidden = channels_in * expansion;
    if expansion > 1 {
        layers.push(pointwise(input, channels_in, hidden, Activation::Relu6));
    }
    layers.push(Layer {
        input: Source::Layer(layers.len() - 1),
        kernel: 3,
        stride,
        groups: Groups::PerChannel,
        padding,
        channels_in: hidden,
        channels_out: hidden,
        residual: None,
        activation: Activation::Relu6,
    });
    let mut project = pointwise(layers.len() - 1, hidden, channels_out, Activation::None);
    project.residual = (stride == 1 && channels_in == channels_out).then_some(input);
    layers.push(project);
}

fn pointwise(
    input: usize,
    channels_in: usize,
    channels_out: usize,
    activation: Activation,
) -> Layer {
    Layer {
        input: Source::Layer(input),
        kernel: 1,
        stride: 1,
        groups: Groups::One,
        padding: Padding::Symmetric,
        channels_in,
        channels_out,
        residual: None,
        activation,
    }
}

/// `channels * width` rounded to a multiple of 8, never more than a tenth below.
///
/// The rule of TF-Slim's `make_divisible`, in integers: a hundred times the exact product is whole.
fn scaled(channels: usize, hundredths: u32) -> usize {
    let exact = channels * hundredths as usize;
    let unit = 100 * DIVISOR;
    let rounded = ((exact + unit / 2) / unit).max(1);
    let rounded = if rounded * unit * 10 < exact * 9 { rounded + 1 } else { rounded };
    rounded * DIVISOR
}

#[cfg(test)]
mod tests {
    use super::{Variant, WIDTHS_USUAL};
    use crate::model::table::{Padding, Source};

    /// From `torchvision.models.mobilenet_v2(width_mult=...)` 0.29; `tests/reference/mobilenet.py
    /// channels` prints these lines.
    const CHANNELS: &[(u32, usize, [usize; 7], usize)] = &[
        (35, 16, [8, 8, 16, 24, 32, 56, 112], 1280),
        (50, 16, [8, 16, 16, 32, 48, 80, 160], 1280),
        (75, 24, [16, 24, 24, 48, 72, 120, 240], 1280),
        (100, 32, [16, 24, 32, 64, 96, 160, 320], 1280),
        (130, 40, [24, 32, 40, 80, 128, 208, 416], 1664),
        (140, 48, [24, 32, 48, 88, 136, 224, 448], 1792),
    ];

    #[test]
    fn channels_follow_torchvision_at_every_usual_width() {
        for &(width, stem, channels, head) in CHANNELS {
            let variant = Variant::of_width(width);
            assert_eq!((variant.stem, variant.channels, variant.head), (stem, channels, head));
        }
    }

    #[test]
    fn the_width_is_found_back_from_the_channels() {
        for width in WIDTHS_USUAL {
            let variant = Variant::of_width(width);
            let found = variant.width().expect("a width follows its own rule");
            assert_eq!(Variant::of_width(found), variant);
        }
        let odd = Variant { stem: 33, ..Variant::of_width(100) };
        assert_eq!(odd.width(), None);
    }

    #[test]
    fn the_deeper_variants_of_timm_are_recognised_by_their_stages() {
        let variant = Variant { stem: 32, head: 1280, ..Variant::of_width(120) };
        assert_eq!(variant.width(), Some(120));
    }

    #[test]
    fn only_tiny_widths_have_a_shortcut_in_the_first_block() {
        let first = |variant: Variant| variant.table(Padding::Same).layers[2].residual;
        assert_eq!(first(Variant::of_width(100)), None);
        assert_eq!(first(Variant::of_width(25)), Some(0));
        assert_eq!(first(Variant { first_shortcut: false, ..Variant::of_width(25) }), None);
    }

    #[test]
    fn the_last_map_is_a_thirty_second_of_the_photograph() {
        let table = Variant::of_width(100).table(Padding::Symmetric);
        assert_eq!(table.layers.len(), 52);
        assert_eq!(table.layers.iter().filter(|layer| layer.residual.is_some()).count(), 10);
        for (side, last) in [(224, 7), (100, 4), (97, 4), (96, 3), (1, 1)] {
            assert_eq!(table.sizes(side, side).last(), Some(&(last, last)));
        }
        let reads_earlier = |(index, source): (usize, Source)| match source {
            Source::Photograph => index == 0,
            Source::Layer(input) => input < index,
        };
        assert!(table.layers.iter().map(|layer| layer.input).enumerate().all(reads_earlier));
    }

    #[test]
    fn an_even_side_is_padded_at_the_end_alone_under_the_same_rule() {
        let table = Variant::of_width(100).table(Padding::Same);
        assert_eq!(table.layers[0].border(224), (0, 1));
        assert_eq!(table.layers[0].border(97), (1, 1));
        assert_eq!(table.layers[1].border(112), (1, 1));
        assert_eq!(table.layers[0].output_side(97), 49);
    }
}
