//! The order of work for a table: which layers are run together, and which buffers are reused.
//!
//! Expand, depthwise and project are fused where nobody else reads what lies between them, so that
//! the wide maps of a block live in strips that stay in the cache.

use crate::model::table::{Groups, Source, Table};

/// One piece of work; the numbers are indices of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// One convolution.
    Single(usize),
    /// A convolution (or, if `None`, an earlier map as it is), then depthwise, then pointwise.
    Separable {
        /// The convolution that the depthwise one reads.
        first: Option<usize>,
        /// The depthwise convolution.
        depthwise: usize,
        /// The pointwise convolution behind it.
        project: usize,
    },
}

impl Work {
    /// The layer whose output is stored.
    pub(crate) fn last(self) -> usize {
        match self {
            Self::Single(layer) => layer,
            Self::Separable { project, .. } => project,
        }
    }

    /// The layer whose input is read.
    pub(crate) fn head(self) -> usize {
        match self {
            Self::Single(layer) => layer,
            Self::Separable { first, depthwise, .. } => first.unwrap_or(depthwise),
        }
    }
}

/// Work in order, with a buffer for each stored map.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What to do, in order.
    pub(crate) works: Vec<Work>,
    /// For each layer the buffer that holds its output, if it is stored.
    pub(crate) slots: Vec<Option<usize>>,
    /// Buffers needed.
    pub(crate) slot_count: usize,
}

impl Plan {
    /// Plans a table.
    ///
    /// # Panics
    ///
    /// The table has a layer that the kernels do not compute: tables are ours, so this is an error
    /// of the program.
    pub(crate) fn new(table: &Table) -> Self {
        let readers = readers(table);
        let mut works = Vec::new();
        let mut index = 0;
        while index < table.layers.len() {
            let work = fuse(table, &readers, index);
            works.push(work);
            index = work.last() + 1;
        }
        let (slots, slot_count) = assign_slots(table, &works);
        Self { works, slots, slot_count }
    }
}

/// For each layer, the layers that read its output.
fn readers(table: &Table) -> Vec<Vec<usize>> {
    let mut readers = vec![Vec::new(); table.layers.len()];
    for (index, layer) in table.layers.iter().enumerate() {
        if let Source::Layer(input) = layer.input {
            readers[input].push(index);
        }
        if let Some(residual) = layer.residual {
            readers[residual].push(index);
        }
    }
    readers
}

/// The largest piece of work that starts with layer `index`.
fn fuse(table: &Table, readers: &[Vec<usize>], index: usize) -> Work {
    let layer = &table.layers[index];
    let per_channel = |index: usize| {
        table.layers.get(index).is_some_and(|layer| layer.groups == Groups::PerChannel)
    };
    if layer.groups == Groups::PerChannel {
        assert!(readers[index] == [index + 1], "a depthwise layer is followed by a pointwise one");
        return Work::Separable { first: None, depthwise: index, project: index + 1 };
    }
    let from_photograph = layer.input == Source::Photograph;
    assert!(from_photograph || layer.kernel == 1, "wide kernels read the photograph alone");
    if per_channel(index + 1) && readers[index] == [index + 1] && layer.residual.is_none() {
        return Work::Separable { first: Some(index), depthwise: index + 1, project: index + 2 };
    }
    Work::Single(index)
}

/// Gives each stored map the first buffer that no later work needs.
fn assign_slots(table: &Table, works: &[Work]) -> (Vec<Option<usize>>, usize) {
    let mut last_use = vec![0; table.layers.len()];
    for (time, work) in works.iter().enumerate() {
        if let Source::Layer(input) = table.layers[work.head()].input {
            last_use[input] = time;
        }
        if let Some(residual) = table.layers[work.last()].residual {
            last_use[residual] = time;
        }
    }
    let mut slots = vec![None; table.layers.len()];
    // For each buffer, the time from which it is free again.
    let mut free_from: Vec<usize> = Vec::new();
    for (time, work) in works.iter().enumerate() {
        let slot = free_from.iter().position(|&free| free <= time).unwrap_or(free_from.len());
        let busy_until = last_use[work.last()] + 1;
        if slot == free_from.len() {
            free_from.push(busy_until);
        } else {
            free_from[slot] = busy_until;
        }
        slots[work.last()] = Some(slot);
    }
    (slots, free_from.len())
}

#[cfg(test)]
mod tests {
    use super::{Plan, Work};
    use crate::model::mobilenet_v2::Variant;
    use crate::model::table::Padding;

    #[test]
    fn every_block_of_mobilenet_is_one_piece_of_work() {
        let plan = Plan::new(&Variant::of_width(100).table(Padding::Symmetric));
        let stem = Work::Separable { first: Some(0), depthwise: 1, project: 2 };
        assert_eq!((plan.works.len(), plan.works[0]), (18, stem));
        assert_eq!(plan.works[17], Work::Single(51));
        assert_eq!(plan.slot_count, 2);
    }

    #[test]
    fn a_stem_that_a_shortcut_reads_is_kept() {
        let plan = Plan::new(&Variant::of_width(25).table(Padding::Symmetric));
        let block = Work::Separable { first: None, depthwise: 1, project: 2 };
        assert_eq!(plan.works[..2], [Work::Single(0), block]);
    }

    #[test]
    fn no_work_writes_the_buffer_that_it_reads() {
        for width in [25, 35, 100, 140] {
            let table = Variant::of_width(width).table(Padding::Same);
            let plan = Plan::new(&table);
            for work in &plan.works {
                let out = plan.slots[work.last()];
                assert!(out.is_some());
                if let crate::model::table::Source::Layer(input) = table.layers[work.head()].input {
                    assert!(plan.slots[input].is_some() && plan.slots[input] != out);
                }
                let residual = table.layers[work.last()].residual;
                assert!(residual.is_none_or(|layer| plan.slots[layer] != out));
            }
        }
    }
}
