//! The whole backbone as one Candle operation: one photograph in, its features out, on one thread.
//!
//! Memory is taken from a pool that grows to one workspace per calling thread; weights are packed
//! once. The arithmetic of a call is in `pass` and `separable`.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, bail};

use crate::model::kernels::Engine;
use crate::model::packed::Packed;
use crate::model::pass::{Pass, Workspace};
use crate::model::plan::Plan;
use crate::model::pooling::Pooling;
use crate::model::table::Table;
use crate::model::weights::Folded;

/// Channels of a photograph.
pub(crate) const COLOURS: usize = 3;

/// A network ready to run: a Candle operation from `[1, height, width, 3]` (f32, contiguous,
/// prepared) to `[1, features]`.
#[derive(Debug)]
pub struct Backbone {
    pub(super) table: Table,
    pub(super) plan: Plan,
    pub(super) layers: Vec<Packed>,
    pub(super) engine: Engine,
    pooling: Pooling,
    /// Workspaces of calls that have ended, for those to come.
    idle: Mutex<Vec<Workspace>>,
}

impl Backbone {
    pub(crate) fn new(table: Table, weights: &[Folded], engine: Engine, pooling: Pooling) -> Self {
        let layers = table.layers.iter().zip(weights);
        let layers = layers.map(|(layer, folded)| Packed::new(layer, folded, engine)).collect();
        let plan = Plan::new(&table);
        Self { table, plan, layers, engine, pooling, idle: Mutex::default() }
    }

    /// Features of a photograph of `height * width` pixels.
    pub(crate) fn dim(&self, height: usize, width: usize) -> usize {
        let (rows, columns) = self.table.sizes(height, width).pop().unwrap_or_default();
        self.pooling.features(rows * columns, self.table.channels())
    }

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
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(space);
    }

    fn take_workspace(&self) -> Workspace {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_default()
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
