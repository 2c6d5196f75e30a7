//! `Image.resize` of Pillow 7 to 12, bit for bit: the same filters, coefficients in 22-bit fixed
//! point, a horizontal pass to bytes, then a vertical one. (Pillow 13 turns the passes round
//! where the height shrinks more than the width, which moves rounding; squares are not affected.)
//!
//! Both passes are one kernel: a weighted sum of byte rows, [`LANES`] bytes wide, in integers.
//! The horizontal pass gets there by transposing strips of [`STRIP`] rows. Integer sums are
//! exact, so whichever SIMD the CPU has, the bytes are the same.

mod coefficients;
#[cfg(test)]
mod tests;

use coefficients::{Coefficients, PRECISION_BITS, Taps};
use pulp::{Arch, Simd, WithSimd};

use crate::decode::Rgb;
use crate::model::profile::Filter;

/// Rows that the horizontal pass takes at once.
const STRIP: usize = 16;
/// Bytes that one sum of rows yields: the pixels of one column of a strip.
const LANES: usize = 3 * STRIP;

/// Buffers and coefficients that are kept from one photograph to the next.
#[derive(Debug, Clone)]
pub struct ResizeWorkspace {
    arch: Arch,
    horizontal: Coefficients,
    vertical: Coefficients,
    strip: Vec<u8>,
    narrowed: Vec<u8>,
}

impl Default for ResizeWorkspace {
    fn default() -> Self {
        ResizeWorkspace {
            arch: Arch::new(),
            horizontal: Coefficients::default(),
            vertical: Coefficients::default(),
            strip: Vec::new(),
            narrowed: Vec::new(),
        }
    }
}

/// Resizes `src` to `width` x `height` pixels into `out`, whose allocation is reused.
///
/// Equal sizes give a copy. When shrinking, the filter is widened so that every pixel counts.
///
/// # Panics
/// If a side is 0 or `src.pixels` does not have `3 * width * height` values.
pub fn resize(
    src: &Rgb,
    width: u32,
    height: u32,
    filter: Filter,
    workspace: &mut ResizeWorkspace,
    out: &mut Rgb,
) {
    assert!(width > 0 && height > 0 && src.width > 0 && src.height > 0, "sides are positive");
    let (from_w, from_h) = (src.width as usize, src.height as usize);
    assert_eq!(src.pixels.len(), 3 * from_w * from_h, "three values a pixel");
    out.width = width;
    out.height = height;
    if (src.width, src.height) == (width, height) {
        out.pixels.clone_from(&src.pixels);
        return;
    }
    let (to_w, to_h) = (width as usize, height as usize);
    workspace.horizontal.prepare(from_w, to_w, filter);
    workspace.vertical.prepare(from_h, to_h, filter);
    let stride = (3 * to_w).next_multiple_of(LANES);
    workspace.strip.resize(from_w * LANES, 0);
    workspace.narrowed.resize(stride * from_h.next_multiple_of(STRIP), 0);
    out.pixels.resize(3 * to_w * to_h, 0);
    workspace.arch.dispatch(Passes {
        src: &src.pixels,
        src_row_bytes: 3 * from_w,
        horizontal: &workspace.horizontal,
        strip: &mut workspace.strip,
        narrowed: &mut workspace.narrowed,
        stride,
        vertical: &workspace.vertical,
        out: &mut out.pixels,
        out_row_bytes: 3 * to_w,
    });
}

/// Both passes over one photograph, as one unit that is compiled for each kind of SIMD.
struct Passes<'a> {
    src: &'a [u8],
    src_row_bytes: usize,
    horizontal: &'a Coefficients,
    strip: &'a mut [u8],
    narrowed: &'a mut [u8],
    /// Bytes of a row of `narrowed`: those of a row of `out`, rounded up to whole sums.
    stride: usize,
    vertical: &'a Coefficients,
    out: &'a mut [u8],
    out_row_bytes: usize,
}

impl WithSimd for Passes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        self.horizontal_pass();
        self.vertical_pass();
    }
}

impl Passes<'_> {
    #[inline(always)]
    fn horizontal_pass(&mut self) {
        let strips = self.src.chunks(STRIP * self.src_row_bytes);
        for (rows, to) in strips.zip(self.narrowed.chunks_exact_mut(STRIP * self.stride)) {
            let rows = rows.chunks_exact(self.src_row_bytes);
            if self.horizontal.is_identity() {
                for (row, to) in rows.zip(to.chunks_exact_mut(self.stride)) {
                    to[..row.len()].copy_from_slice(row);
                }
                continue;
            }
            for (i, row) in rows.enumerate() {
                for (pixel, column) in row.chunks_exact(3).zip(self.strip.chunks_exact_mut(LANES)) {
                    column[3 * i..3 * i + 3].copy_from_slice(pixel);
                }
            }
            for x in 0..self.horizontal.len() {
                let column = weighted_sum(self.strip, LANES, 0, self.horizontal.taps(x));
                for (pixel, row) in column.chunks_exact(3).zip(to.chunks_exact_mut(self.stride)) {
                    row[3 * x..3 * x + 3].copy_from_slice(pixel);
                }
            }
        }
    }

    #[inline(always)]
    fn vertical_pass(&mut self) {
        for (y, to) in self.out.chunks_exact_mut(self.out_row_bytes).enumerate() {
            if self.vertical.is_identity() {
                let start = y * self.stride;
                to.copy_from_slice(&self.narrowed[start..start + to.len()]);
                continue;
            }
            let taps = self.vertical.taps(y);
            let whole = to.len() / LANES * LANES;
            let (blocks, rest) = to.split_at_mut(whole);
            for (i, to) in blocks.chunks_exact_mut(LANES).enumerate() {
                to.copy_from_slice(&weighted_sum(self.narrowed, self.stride, i * LANES, taps));
            }
            if !rest.is_empty() {
                let sums = weighted_sum(self.narrowed, self.stride, whole, taps);
                rest.copy_from_slice(&sums[..rest.len()]);
            }
        }
    }
}

/// `LANES` bytes from `offset` on of the weighted sum of rows, `stride` bytes apart.
///
/// Sums stay within 32 bits by the choice of the precision; wrapping operations keep the checks
/// for overflow out of the loop.
#[inline(always)]
fn weighted_sum(rows: &[u8], stride: usize, offset: usize, taps: Taps<'_>) -> [u8; LANES] {
    let mut sums = [1i32 << (PRECISION_BITS - 1); LANES];
    let mut at = taps.first * stride + offset;
    for &weight in taps.weights {
        let row: &[u8; LANES] = rows[at..at + LANES].try_into().expect("the range has this length");
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(value)));
        }
        at += stride;
    }
    sums.map(|sum| (sum >> PRECISION_BITS).clamp(0, 255) as u8)
}
