//! Sums of outer products on register tiles: the one inner loop of moments and projection.
//!
//! Each number of a tile is one chain of fused multiply-adds in the order of the steps. Vector
//! width and blocking decide which chains run side by side, never what is in one, so every kernel
//! gives the same bits.

use std::fmt;

use pulp::{Arch, Scalar, Simd, WithSimd};

/// Rows of a tile.
pub(crate) const TILE_ROWS: usize = 8;
/// Columns of a tile: three AVX-512 vectors. With 8 rows that fills 24 of 32 registers.
pub(crate) const TILE_COLUMNS: usize = 24;

/// One step's values for the rows of a tile.
pub type Left = [f64; TILE_ROWS];
/// One step's values for the columns of a tile.
pub type Right = [f64; TILE_COLUMNS];
/// Sums, row after row.
pub type Tile = [[f64; TILE_COLUMNS]; TILE_ROWS];

/// The instructions to use.
#[derive(Clone, Copy)]
pub struct Kernel {
    /// `None` is the portable one: standard library operations, fused in software if need be.
    arch: Option<Arch>,
}

impl Kernel {
    /// The widest that this processor has.
    pub(crate) fn detect() -> Self {
        Self { arch: Some(Arch::new()) }
    }

    /// The one that needs no instruction set at all: what the others are compared with.
    pub fn portable() -> Self {
        Self { arch: None }
    }

    /// Every one that this processor can run, the portable one first: what tests compare.
    pub fn available() -> Vec<Self> {
        let mut kernels = vec![Self::portable()];
        #[cfg(target_arch = "x86_64")]
        kernels.extend(pulp::x86::V3::try_new().map(|set| Self { arch: Some(Arch::V3(set)) }));
        kernels.push(Self::detect());
        kernels
    }

    /// `tile[i][j] = fma(left[s][i], right[s][j], tile[i][j])` for every step `s` in order.
    pub fn add_products(self, left: &[Left], right: &[Right], tile: &mut Tile) {
        assert_eq!(left.len(), right.len(), "as many steps on both sides");
        self.dispatch(AddProducts { left, right, tile });
    }

    /// `out[j] = fma(scale, values[j], out[j] + other[j])`: a row of a merge.
    pub(super) fn add_scaled(self, scale: f64, values: &[f64], other: &[f64], out: &mut [f64]) {
        assert!(values.len() == out.len() && other.len() == out.len());
        self.dispatch(AddScaled { scale, values, other, out });
    }

    fn dispatch<Op: WithSimd>(self, op: Op) -> Op::Output {
        match self.arch {
            Some(arch) => arch.dispatch(op),
            None => op.with_simd(Scalar),
        }
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.arch {
            None | Some(Arch::Scalar) => f.write_str("portable"),
            // The set's name stands before its features.
            Some(arch) => {
                let name = format!("{arch:?}");
                f.write_str(name.split('(').next().unwrap_or_default())
            }
        }
    }
}

struct AddProducts<'a> {
    left: &'a [Left],
    right: &'a [Right],
    tile: &'a mut Tile,
}

impl WithSimd for AddProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { left, right, tile } = self;
        // As many sums at once as the registers hold beside the operands.
        match S::F64_LANES {
            8 => add_products::<S, 8, 3>(simd, left, right, tile),
            _ => add_products::<S, 4, 3>(simd, left, right, tile),
        }
    }
}

/// Works through the tile in parts of `ROWS` rows and `VECTORS` vectors.
#[inline(always)]
fn add_products<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    left: &[Left],
    right: &[Right],
    tile: &mut Tile,
) {
    const { assert!(TILE_ROWS.is_multiple_of(ROWS)) };
    const { assert!(TILE_COLUMNS.is_multiple_of(VECTORS * S::F64_LANES)) };
    for first_row in (0..TILE_ROWS).step_by(ROWS) {
        let rows = first_row..first_row + ROWS;
        for first in (0..TILE_COLUMNS / S::F64_LANES).step_by(VECTORS) {
            let vectors = first..first + VECTORS;
            let mut sums = [[simd.splat_f64s(0.0); VECTORS]; ROWS];
            for (sums, row) in sums.iter_mut().zip(&tile[rows.clone()]) {
                sums.copy_from_slice(&S::as_simd_f64s(row).0[vectors.clone()]);
            }
            for (left, right) in left.iter().zip(right) {
                let right = &S::as_simd_f64s(right).0[vectors.clone()];
                for (sums, &value) in sums.iter_mut().zip(&left[rows.clone()]) {
                    let value = simd.splat_f64s(value);
                    for (sum, &right) in sums.iter_mut().zip(right) {
                        *sum = simd.mul_add_f64s(value, right, *sum);
                    }
                }
            }
            for (sums, row) in sums.iter().zip(&mut tile[rows.clone()]) {
                S::as_mut_simd_f64s(row).0[vectors.clone()].copy_from_slice(sums);
            }
        }
    }
}

struct AddScaled<'a> {
    scale: f64,
    values: &'a [f64],
    other: &'a [f64],
    out: &'a mut [f64],
}

impl WithSimd for AddScaled<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (values, values_end) = S::as_simd_f64s(self.values);
        let (other, other_end) = S::as_simd_f64s(self.other);
        let (out, out_end) = S::as_mut_simd_f64s(self.out);
        let scale = simd.splat_f64s(self.scale);
        for ((out, &other), &value) in out.iter_mut().zip(other).zip(values) {
            *out = simd.mul_add_f64s(scale, value, simd.add_f64s(*out, other));
        }
        for ((out, &other), &value) in out_end.iter_mut().zip(other_end).zip(values_end) {
            *out = self.scale.mul_add(value, *out + other);
        }
    }
}
