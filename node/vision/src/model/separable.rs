//! A block of a [`Pass`]: convolution, depthwise and pointwise over strips of rows.
//!
//! For each strip and each panel of the wide maps, new rows of the first convolution go into a ring
//! of padded rows, and from there the depthwise layer makes its part of the strip; when all panels
//! are there the pointwise layer reads the strip. Rows that two strips share stay in the ring.

use crate::model::backbone::{BlockSpace, Workspace};
use crate::model::kernels::{Buffer, Depthwise, From, Into, SIDE, split};
use crate::model::pass::{Operand, Pass, Size};

/// A block's ring and strip have at most this many floats (512 KiB, half of a common second-level
/// cache) unless a single row needs more.
const BLOCK_FLOATS_MAX: usize = 128 * 1024;

/// Where a depthwise layer's input comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum WideInput {
    /// This layer's output, made strip by strip.
    Made(usize),
    /// This layer's output, stored before.
    Stored(usize),
}

/// The layers of a block, by index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// What the depthwise layer reads.
    pub(super) input: WideInput,
    /// The depthwise layer.
    pub(super) depthwise: usize,
    /// The pointwise layer.
    pub(super) project: usize,
}

/// How the padded input of a depthwise layer lies in memory.
#[derive(Debug, Clone, Copy)]
struct Ring {
    /// Rows of zeros above the map.
    top: usize,
    /// Columns of zeros left of it.
    left: usize,
    /// Size of the map.
    map: Size,
    /// Floats of a padded row of one panel.
    pitch: usize,
    /// Rows held per panel.
    rows: usize,
    /// Output rows per strip, at most.
    strip: usize,
    /// Whether all panels may share one ring, since every strip is the first.
    shared: bool,
}

impl Pass<'_> {
    /// Runs a block from stored maps into the stored map of its last layer.
    pub(super) fn separable(
        &self,
        block: Block,
        memory: &mut BlockSpace,
        space: &Workspace,
        map: &mut Buffer,
    ) {
        let packed = &self.backbone.layers[block.depthwise];
        let panel = self.backbone.engine.panel();
        let stride = self.backbone.table.layers[block.depthwise].stride;
        let (height, width) = self.sizes[block.depthwise];
        let ring = self.ring(block);
        let ring_floats = ring.rows * ring.pitch;
        let rings = if ring.shared { 1 } else { packed.panels() };
        memory.wide.reserve(rings * ring_floats);
        for floats in memory.wide.floats_mut()[..rings * ring_floats].chunks_exact_mut(ring.pitch) {
            floats[..ring.left * panel].fill(0.0);
            floats[(ring.left + ring.map.1) * panel..].fill(0.0);
        }
        memory.strip.reserve(packed.panels() * ring.strip * width * panel);
        let mut made = 0;
        for (start, rows) in split(height, height.div_ceil(height.div_ceil(ring.strip))) {
            let needed = (start + rows - 1) * stride + SIDE;
            let strip_floats = rows * width * panel;
            for index in 0..packed.panels() {
                let at = if ring.shared { 0 } else { index * ring_floats };
                let wide = &mut memory.wide.floats_mut()[at..at + ring_floats];
                self.make_rows(block, index, &ring, (made, needed), space, wide);
                let strip = &mut memory.strip.floats_mut()[index * strip_floats..][..strip_floats];
                let job = self.depthwise_job(block.depthwise, index, &ring, (start, rows), wide);
                self.backbone.engine.convolve_depthwise(&job, strip);
            }
            made = needed;
            let channels = self.backbone.table.layers[block.depthwise].channels_out;
            let operand = Operand {
                floats: memory.strip.floats(),
                from: From { base: 0, row: width * panel, pixel: panel },
                runs: self.panel_runs(channels, strip_floats),
            };
            self.convolve(block.project, &operand, (start, start + rows), space, map);
        }
    }

    /// Lays out the depthwise layer's input so that the block stays within its memory.
    fn ring(&self, block: Block) -> Ring {
        let layer = &self.backbone.table.layers[block.depthwise];
        let panel = self.backbone.engine.panel();
        let panels = self.backbone.layers[block.depthwise].panels();
        let (WideInput::Made(input) | WideInput::Stored(input)) = block.input;
        let map = self.sizes[input];
        let (height, width) = self.sizes[block.depthwise];
        let (top, left) = (layer.border(map.0).0, layer.border(map.1).0);
        let columns = ((width - 1) * layer.stride + SIDE).max(left + map.1);
        let pitch = columns * panel;
        let rows_of = |strip: usize| (strip - 1) * layer.stride + SIDE;
        let strip_floats = |strip: usize| panels * strip * width * panel;
        let whole = rows_of(height) * pitch + strip_floats(height) <= BLOCK_FLOATS_MAX;
        let fits = |strip: &usize| {
            panels * rows_of(*strip) * pitch + strip_floats(*strip) <= BLOCK_FLOATS_MAX
        };
        let strip = if whole { height } else { (1..=height).take_while(fits).last().unwrap_or(1) };
        let shared = strip == height;
        Ring { top, left, map, pitch, rows: rows_of(strip), strip, shared }
    }

    /// Makes the padded rows `start..end` of one panel of the depthwise layer's input.
    fn make_rows(
        &self,
        block: Block,
        index: usize,
        ring: &Ring,
        (start, end): (usize, usize),
        space: &Workspace,
        wide: &mut [f32],
    ) {
        let panel = self.backbone.engine.panel();
        let below = ring.top + ring.map.0;
        for row in (start..end).filter(|row| *row < ring.top || *row >= below) {
            wide[row % ring.rows * ring.pitch..][..ring.pitch].fill(0.0);
        }
        let (first, last) = (start.max(ring.top), end.min(below));
        if first >= last {
            return;
        }
        match block.input {
            WideInput::Made(layer) => {
                let operand = self.operand(layer, first - ring.top, space);
                let into =
                    Into { base: ring.left * panel, row: ring.pitch, ring: ring.rows, first };
                let size = (last - first, ring.map.1);
                let job = self.panel_job(layer, index, &operand, size, into);
                self.backbone.engine.convolve(&job, wide);
            }
            WideInput::Stored(layer) => {
                let floats = ring.map.1 * panel;
                let map = &self.map(layer, space)[index * self.panel_floats(layer)..];
                for row in first..last {
                    let from = &map[(row - ring.top) * floats..][..floats];
                    let at = row % ring.rows * ring.pitch + ring.left * panel;
                    wide[at..at + floats].copy_from_slice(from);
                }
            }
        }
    }

    fn depthwise_job<'s>(
        &'s self,
        index: usize,
        panel: usize,
        ring: &Ring,
        (first, rows): (usize, usize),
        input: &'s [f32],
    ) -> Depthwise<'s> {
        let packed = &self.backbone.layers[index];
        let layer = &self.backbone.table.layers[index];
        let (low, high) = layer.activation.bounds();
        Depthwise {
            input,
            ring: ring.rows,
            row: ring.pitch,
            weights: packed.weights(panel),
            bias: packed.bias(panel),
            vectors: packed.vectors(panel),
            stride: layer.stride,
            first,
            rows,
            width: self.sizes[index].1,
            low,
            high,
        }
    }
}
