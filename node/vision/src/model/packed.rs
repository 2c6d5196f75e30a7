//! Weights in the order in which the kernels read them.

use crate::model::kernels::{Buffer, Engine, SIDE};
use crate::model::table::{Groups, Layer};
use crate::model::weights::Folded;

/// A layer's weights, panel after panel of output channels.
#[derive(Debug)]
pub(crate) struct Packed {
    weights: Buffer,
    bias: Buffer,
    /// Floats of a full panel's weights.
    panel_floats: usize,
    lanes: usize,
    channels_out: usize,
}

impl Packed {
    /// Packs one layer. Channels are padded with zero weights up to whole vectors.
    pub(crate) fn new(layer: &Layer, folded: &Folded, engine: Engine) -> Self {
        let (lanes, panel) = (engine.lanes(), engine.panel());
        let panels = layer.channels_out.div_ceil(panel);
        let depth = layer.kernel * layer.kernel * layer.channels_seen();
        let panel_floats = depth * panel;
        let mut packed = Self {
            weights: Buffer::zeros(panels * panel_floats),
            bias: Buffer::zeros(panels * panel),
            panel_floats,
            lanes,
            channels_out: layer.channels_out,
        };
        packed.bias.floats_mut()[..folded.bias.len()].copy_from_slice(&folded.bias);
        match layer.groups {
            Groups::One => packed.fill(layer, &folded.weight),
            Groups::PerChannel => packed.fill_depthwise(&folded.weight),
        }
        packed
    }

    /// Panels of output channels.
    pub(crate) fn panels(&self) -> usize {
        self.channels_out.div_ceil(2 * self.lanes)
    }

    /// Vectors of panel `index` that hold channels.
    pub(crate) fn vectors(&self, index: usize) -> usize {
        (self.channels_out - index * 2 * self.lanes).div_ceil(self.lanes).min(2)
    }

    /// Weights of panel `index`.
    pub(crate) fn weights(&self, index: usize) -> &[f32] {
        &self.weights.floats()[index * self.panel_floats..][..self.panel_floats]
    }

    /// Biases of panel `index`.
    pub(crate) fn bias(&self, index: usize) -> &[f32] {
        &self.bias.floats()[index * 2 * self.lanes..][..2 * self.lanes]
    }

    /// For each panel, for each (row, column, input channel) of the kernel, its output channels.
    fn fill(&mut self, layer: &Layer, weight: &[f32]) {
        let (seen, kernel) = (layer.channels_seen(), layer.kernel);
        for channel in 0..layer.channels_out {
            let (index, lane) = (channel / (2 * self.lanes), channel % (2 * self.lanes));
            let stride = self.vectors(index) * self.lanes;
            let to = &mut self.weights.floats_mut()[index * self.panel_floats..];
            let from = &weight[channel * seen * kernel * kernel..];
            for tap in 0..kernel * kernel {
                for input in 0..seen {
                    to[(tap * seen + input) * stride + lane] = from[input * kernel * kernel + tap];
                }
            }
        }
    }

    /// For each panel, for each tap, its channels.
    fn fill_depthwise(&mut self, weight: &[f32]) {
        let panel = 2 * self.lanes;
        for (channel, taps) in weight.chunks_exact(SIDE * SIDE).enumerate() {
            let start = channel / panel * self.panel_floats + channel % panel;
            for (tap, &value) in taps.iter().enumerate() {
                self.weights.floats_mut()[start + tap * panel] = value;
            }
        }
    }
}
