//! A network ready to run: its layers, their packed weights, and memory for the calls.
//!
//! Memory is taken from a pool that grows to one workspace per calling thread; weights are packed
//! once.

use std::sync::{Mutex, PoisonError};

use crate::model::kernels::{Buffer, Engine};
use crate::model::packed::Packed;
use crate::model::plan::Plan;
use crate::model::pooling::Pooling;
use crate::model::table::Table;
use crate::model::weights::Folded;

/// Channels of a photograph.
pub(crate) const COLOURS: usize = 3;

/// Memory of one call. Maps are stored in panels, see [`crate::model::kernels`].
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// The photograph with its border of zeros: rows of pixels of three channels.
    pub(super) photograph: Buffer,
    /// Stored maps.
    pub(super) slots: Vec<Buffer>,
    /// Memory of the block at hand.
    pub(super) block: BlockSpace,
}

/// Memory of one block while it runs.
#[derive(Debug, Default)]
pub(super) struct BlockSpace {
    /// Padded rows that the depthwise layer reads.
    pub(super) wide: Buffer,
    /// A strip of the depthwise layer's output.
    pub(super) strip: Buffer,
}

/// A network ready to run: a Candle operation from `[1, height, width, 3]` (f32, contiguous,
/// prepared) to `[1, features]`.
#[derive(Debug)]
pub struct Backbone {
    pub(super) table: Table,
    pub(super) plan: Plan,
    pub(super) layers: Vec<Packed>,
    pub(super) engine: Engine,
    pub(super) pooling: Pooling,
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

    /// Memory for a call, to be given back by [`Self::keep_workspace`].
    pub(super) fn take_workspace(&self) -> Workspace {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_default()
    }

    /// Keeps the memory of a call that has ended.
    pub(super) fn keep_workspace(&self, space: Workspace) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(space);
    }
}
