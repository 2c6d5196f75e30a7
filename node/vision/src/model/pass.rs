//! One photograph's way through a [`Backbone`]: sizes, memory, and single convolutions.

use crate::model::backbone::{Backbone, COLOURS, Workspace};
use crate::model::kernels::{Buffer, Conv, From, Into, Run};
use crate::model::table::Source;

/// Rows and columns.
pub(super) type Size = (usize, usize);

/// What is known of a call before its work begins.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    pub(super) backbone: &'a Backbone,
    /// Size of each layer's output.
    pub(super) sizes: Vec<Size>,
    /// Size of the photograph with its border.
    padded: Size,
}

/// A map as a convolution reads it.
#[derive(Debug)]
pub(super) struct Operand<'a> {
    /// All its floats.
    pub(super) floats: &'a [f32],
    /// Where the pixels of the output's first row lie.
    pub(super) from: From,
    /// The stretches behind each output pixel.
    pub(super) runs: Vec<Run>,
}

impl<'a> Pass<'a> {
    /// Copies `photograph` (`size` pixels) into its border.
    pub(super) fn new(
        backbone: &'a Backbone,
        photograph: &[f32],
        size: Size,
        space: &mut Workspace,
    ) -> Self {
        let sizes = backbone.table.sizes(size.0, size.1);
        space.slots.resize_with(backbone.plan.slot_count, Buffer::default);
        // The first layer of a table reads the photograph, and no other does (see `Plan`).
        let reader = &backbone.table.layers[0];
        let (top, bottom) = reader.border(size.0);
        let (left, right) = reader.border(size.1);
        let padded = (top + size.0 + bottom, left + size.1 + right);
        let to = &mut space.photograph;
        to.reserve(area(padded) * COLOURS);
        let to = to.floats_mut()[..area(padded) * COLOURS].chunks_exact_mut(padded.1 * COLOURS);
        for (row, to) in to.enumerate() {
            if row < top || row >= top + size.0 {
                to.fill(0.0);
                continue;
            }
            let floats = size.1 * COLOURS;
            let (before, rest) = to.split_at_mut(left * COLOURS);
            let (middle, after) = rest.split_at_mut(floats);
            before.fill(0.0);
            middle.copy_from_slice(&photograph[(row - top) * floats..][..floats]);
            after.fill(0.0);
        }
        Self { backbone, sizes, padded }
    }

    /// The last layer's output and its size.
    pub(super) fn last_map<'s>(&self, space: &'s Workspace) -> (&'s [f32], Size) {
        let last = self.sizes.len() - 1;
        let floats = self.backbone.layers[last].panels() * self.panel_floats(last);
        (&self.map(last, space)[..floats], self.sizes[last])
    }

    /// The stored output of a layer.
    pub(super) fn map<'s>(&self, layer: usize, space: &'s Workspace) -> &'s [f32] {
        space.slots[self.slot(layer)].floats()
    }

    /// Floats of one panel of a layer's output.
    pub(super) fn panel_floats(&self, layer: usize) -> usize {
        area(self.sizes[layer]) * self.backbone.engine.panel()
    }

    /// What layer `index` reads to make its output rows from `row` on.
    pub(super) fn operand<'s>(
        &self,
        index: usize,
        row: usize,
        space: &'s Workspace,
    ) -> Operand<'s> {
        let layer = &self.backbone.table.layers[index];
        let (floats, columns, pixel, runs) = match layer.input {
            Source::Photograph => {
                // Channels and columns are neighbours: one stretch for each row of the kernel.
                let (pitch, len) = (self.padded.1 * COLOURS, layer.kernel * COLOURS);
                let runs = (0..layer.kernel).map(|ky| Run { offset: ky * pitch, len }).collect();
                (space.photograph.floats(), self.padded.1, COLOURS, runs)
            }
            Source::Layer(input) => {
                let runs = self.panel_runs(layer.channels_in, self.panel_floats(input));
                let panel = self.backbone.engine.panel();
                (self.map(input, space), self.sizes[input].1, panel, runs)
            }
        };
        let pitch = layer.stride * columns * pixel;
        let from = From { base: row * pitch, row: pitch, pixel: layer.stride * pixel };
        Operand { floats, from, runs }
    }

    /// Stretches of a map of `channels` channels whose panels start `stride` floats apart.
    pub(super) fn panel_runs(&self, channels: usize, stride: usize) -> Vec<Run> {
        let panel = self.backbone.engine.panel();
        (0..channels.div_ceil(panel))
            .map(|p| Run { offset: p * stride, len: panel.min(channels - p * panel) })
            .collect()
    }

    /// Makes output rows `start..end` of all panels of layer `index` and adds its residual.
    pub(super) fn convolve(
        &self,
        index: usize,
        operand: &Operand,
        (start, end): (usize, usize),
        space: &Workspace,
        map: &mut Buffer,
    ) {
        let width = self.sizes[index].1;
        let pitch = width * self.backbone.engine.panel();
        let into = Into { base: start * pitch, row: pitch, ring: usize::MAX, first: 0 };
        let panel_floats = self.panel_floats(index);
        let residual = self.backbone.table.layers[index].residual;
        let residual = residual.map(|layer| self.map(layer, space));
        let panels = map.floats_mut().chunks_exact_mut(panel_floats);
        for (panel, out) in panels.take(self.backbone.layers[index].panels()).enumerate() {
            let job = Conv {
                residual: residual.map(|floats| &floats[panel * panel_floats..]),
                ..self.panel_job(index, panel, operand, (end - start, width), into)
            };
            self.backbone.engine.convolve(&job, out);
        }
    }

    /// The convolution of one panel of layer `index`: `size` output pixels, no residual.
    pub(super) fn panel_job<'s>(
        &'s self,
        index: usize,
        panel: usize,
        operand: &'s Operand,
        size: Size,
        into: Into,
    ) -> Conv<'s> {
        let packed = &self.backbone.layers[index];
        let (low, high) = self.backbone.table.layers[index].activation.bounds();
        Conv {
            input: operand.floats,
            from: operand.from,
            runs: &operand.runs,
            weights: packed.weights(panel),
            bias: packed.bias(panel),
            vectors: packed.vectors(panel),
            rows: size.0,
            width: size.1,
            into,
            residual: None,
            low,
            high,
        }
    }

    /// Where a layer's output is stored.
    pub(super) fn slot(&self, layer: usize) -> usize {
        self.backbone.plan.slots[layer].expect("a plan stores every map that another work reads")
    }
}

/// Pixels of a map.
pub(super) fn area((rows, columns): Size) -> usize {
    rows * columns
}
