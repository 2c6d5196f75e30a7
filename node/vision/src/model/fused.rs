//! The whole backbone as one Candle operation: one photograph in, its features out, on one thread.
//!
//! The arithmetic of a call is in `pass` and `separable`.

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, bail};

use crate::model::backbone::{Backbone, COLOURS, Workspace};
use crate::model::pass::Pass;
use crate::model::plan::Work;
use crate::model::separable::{Block, WideInput};
use crate::model::table::Source;

impl Backbone {
    /// Runs the network on `input`, `[height, width, 3]` with both sides at least 1; `out` has
    /// [`Self::dim`] values.
    fn run(&self, input: &[f32], height: usize, width: usize, out: &mut [f32]) {
        let mut space = self.take_workspace();
        let pass = Pass::new(self, input, (height, width), &mut space);
        for &work in &self.plan.works {
            pass.work(work, &mut space);
        }
        let (map, size) = pass.last_map(&space);
        self.pooling.pool(map, size, self.engine.panel(), out);
        self.keep_workspace(space);
    }
}

impl CustomOp1 for Backbone {
    fn name(&self) -> &'static str {
        "fruitnode-backbone"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let &[1, height, width, COLOURS] = layout.dims() else {
            bail!("the backbone takes [1, height, width, 3], not {:?}", layout.dims());
        };
        if height == 0 || width == 0 {
            bail!("the backbone takes no empty photograph");
        }
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("the backbone takes a contiguous photograph");
        };
        let mut features = vec![0.0; self.dim(height, width)];
        self.run(&storage.as_slice::<f32>()?[start..end], height, width, &mut features);
        let shape = Shape::from((1, features.len()));
        Ok((CpuStorage::F32(features), shape))
    }
}

impl Pass<'_> {
    /// Does one piece of work, from stored maps to a stored map.
    fn work(&self, work: Work, space: &mut Workspace) {
        let last = work.last();
        let slot = self.slot(last);
        let panels = self.backbone.layers[last].panels();
        // Taken out while it is written, since other slots are read meanwhile.
        let mut map = std::mem::take(&mut space.slots[slot]);
        map.reserve(panels * self.panel_floats(last));
        match work {
            Work::Single(layer) => {
                let operand = self.operand(layer, 0, space);
                self.convolve(layer, &operand, (0, self.sizes[layer].0), space, &mut map);
            }
            Work::Separable { first, depthwise, project } => {
                let block = Block { input: self.block_input(first, depthwise), depthwise, project };
                let mut memory = std::mem::take(&mut space.block);
                self.separable(block, &mut memory, space, &mut map);
                space.block = memory;
            }
        }
        space.slots[slot] = map;
    }

    /// What a depthwise layer reads: a convolution made on the way, or a stored map.
    fn block_input(&self, first: Option<usize>, depthwise: usize) -> WideInput {
        match (first, self.backbone.table.layers[depthwise].input) {
            (Some(layer), _) => WideInput::Made(layer),
            (None, Source::Layer(layer)) => WideInput::Stored(layer),
            (None, Source::Photograph) => unreachable!("plans have no such block"),
        }
    }
}
