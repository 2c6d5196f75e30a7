//! Rows into moments: two passes, the second over register tiles.

use super::kernel::{Kernel, Left, Right, TILE_COLUMNS, TILE_ROWS, Tile};
use super::{Moments, row_range};

/// Rows between two visits of a tile. Their deviations stay in the second-level cache (2.6 MB at
/// 1,280 columns would not), a panel of them in the first.
const BLOCK_ROWS: usize = 128;

impl Moments {
    /// The moments of `values.len() / dim` rows, row after row in key order.
    ///
    /// Rows are shifted by the first one before anything is summed, so a constant column has
    /// exactly its value as mean and exactly 0 as second moments, and a mean far from 0 costs no
    /// digits (Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance", 1983).
    ///
    /// # Panics
    ///
    /// If `values` is not made of whole rows: a mistake of the caller, not of the data.
    pub fn of_rows(values: &[f32], dim: usize) -> Self {
        moments(Kernel::detect(), values, dim)
    }
}

/// [`Moments::of_rows`] with a certain kernel.
pub(super) fn moments(kernel: Kernel, values: &[f32], dim: usize) -> Moments {
    let mut moments = Moments::empty(dim);
    let Some(first) = values.get(..dim).filter(|first| !first.is_empty()) else {
        assert!(values.is_empty(), "the values must be whole rows");
        return moments;
    };
    assert_eq!(values.len() % dim, 0, "the values must be whole rows");
    moments.count = (values.len() / dim) as u64;

    let shift: Vec<f64> = first.iter().map(|&v| f64::from(v)).collect();
    let offset = mean_offset(values, &shift);
    for ((mean, shift), offset) in moments.mean.iter_mut().zip(&shift).zip(&offset) {
        *mean = shift + offset;
    }
    let mut panels = Panels::new(dim);
    for block in values.chunks(BLOCK_ROWS * dim) {
        panels.fill(block, &shift, &offset);
        panels.add_to(kernel, &mut moments.m2);
    }
    moments.with_plain_nans()
}

/// Mean of each column's difference to the first row.
fn mean_offset(values: &[f32], shift: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; shift.len()];
    for row in values.chunks_exact(shift.len()) {
        for ((sum, &value), &shift) in sums.iter_mut().zip(row).zip(shift) {
            *sum += f64::from(value) - shift;
        }
    }
    let rows = (values.len() / shift.len()) as f64;
    for sum in &mut sums {
        *sum /= rows;
    }
    sums
}

/// Deviations of one block of rows, laid out as the tiles read them. Columns beyond `dim` are 0.
struct Panels {
    dim: usize,
    rows: usize,
    /// For each 8 columns, the rows.
    left: Vec<Left>,
    /// For each 24 columns, the rows.
    right: Vec<Right>,
}

impl Panels {
    fn new(dim: usize) -> Self {
        Self {
            dim,
            rows: 0,
            left: vec![[0.0; TILE_ROWS]; dim.div_ceil(TILE_ROWS) * BLOCK_ROWS],
            right: vec![[0.0; TILE_COLUMNS]; dim.div_ceil(TILE_COLUMNS) * BLOCK_ROWS],
        }
    }

    fn fill(&mut self, block: &[f32], shift: &[f64], offset: &[f64]) {
        self.rows = block.len() / self.dim;
        for (r, row) in block.chunks_exact(self.dim).enumerate() {
            let columns = row
                .chunks(TILE_COLUMNS)
                .zip(shift.chunks(TILE_COLUMNS))
                .zip(offset.chunks(TILE_COLUMNS));
            for (panel, ((values, shift), offset)) in columns.enumerate() {
                let right = &mut self.right[panel * self.rows + r];
                for (((out, &value), &shift), &offset) in
                    right.iter_mut().zip(values).zip(shift).zip(offset)
                {
                    *out = (f64::from(value) - shift) - offset;
                }
                for (part, values) in right.chunks_exact(TILE_ROWS).enumerate() {
                    let panel = panel * (TILE_COLUMNS / TILE_ROWS) + part;
                    if let Some(left) = self.left.get_mut(panel * self.rows + r) {
                        left.copy_from_slice(values);
                    }
                }
            }
        }
    }

    /// Adds the products of all pairs of columns to the packed triangle.
    fn add_to(&self, kernel: Kernel, m2: &mut [f64]) {
        let mut tile: Tile = [[0.0; TILE_COLUMNS]; TILE_ROWS];
        let right_panels = self.right.chunks_exact(self.rows);
        for (right, column) in right_panels.zip((0..self.dim).step_by(TILE_COLUMNS)) {
            let column_end = (column + TILE_COLUMNS).min(self.dim);
            let left_panels = self.left.chunks_exact(self.rows);
            // Tiles wholly below the diagonal mirror others.
            for (left, row) in left_panels.zip((0..column_end).step_by(TILE_ROWS)) {
                let row_end = (row + TILE_ROWS).min(column_end);
                for (i, sums) in (row..row_end).zip(&mut tile) {
                    let start = column.max(i);
                    let packed = &m2[row_range(self.dim, i)][start - i..column_end - i];
                    sums[start - column..column_end - column].copy_from_slice(packed);
                }
                kernel.add_products(left, right, &mut tile);
                for (i, sums) in (row..row_end).zip(&tile) {
                    let start = column.max(i);
                    let packed = &mut m2[row_range(self.dim, i)][start - i..column_end - i];
                    packed.copy_from_slice(&sums[start - column..column_end - column]);
                }
            }
        }
    }
}
