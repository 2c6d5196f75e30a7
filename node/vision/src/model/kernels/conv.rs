//! Convolution of one panel of output channels, written over [`Lanes`].
//!
//! Each output starts at the bias and takes its products in the order of the weights, one fused
//! multiply-add each: neither the block of pixels nor the width of the vectors changes a bit.

use crate::model::kernels::lanes::Lanes;
use crate::model::kernels::split;

/// Most pixels that any implementation keeps in registers.
const PIXELS_MAX: usize = 14;

/// A stretch of neighbouring input floats that meets a stretch of neighbouring weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// First float, counted from the pixel's own place in the input.
    pub(crate) offset: usize,
    /// Floats.
    pub(crate) len: usize,
}

/// Where the output pixels find their inputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct From {
    /// Place of the first pixel.
    pub(crate) base: usize,
    /// Floats between the places of two output rows.
    pub(crate) row: usize,
    /// Floats between the places of two neighbouring output pixels.
    pub(crate) pixel: usize,
}

/// Where the output pixels go: rows in a ring, pixels a panel apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Into {
    /// Place of the first pixel of the ring's first row.
    pub(crate) base: usize,
    /// Floats between two rows of the ring.
    pub(crate) row: usize,
    /// Rows of the ring.
    pub(crate) ring: usize,
    /// Row number of the first row written; row `r` lies at `r % ring`.
    pub(crate) first: usize,
}

/// `rows * width` output pixels of one panel.
#[derive(Debug)]
pub(crate) struct Conv<'a> {
    /// The layer's input.
    pub(crate) input: &'a [f32],
    /// Where each pixel's inputs lie.
    pub(crate) from: From,
    /// The stretches of input behind each output, in the order of the weights.
    pub(crate) runs: &'a [Run],
    /// One packed panel: for each input float the weights of its output channels.
    pub(crate) weights: &'a [f32],
    /// The accumulators' start, one per output channel of the panel.
    pub(crate) bias: &'a [f32],
    /// Vectors of the panel that hold channels: 1 or 2.
    pub(crate) vectors: usize,
    /// Output rows.
    pub(crate) rows: usize,
    /// Output pixels per row.
    pub(crate) width: usize,
    /// Where the outputs go.
    pub(crate) into: Into,
    /// Added before the clamp, laid out as the output.
    pub(crate) residual: Option<&'a [f32]>,
    /// The activation as a clamp: outputs stay within `low..=high`.
    pub(crate) low: f32,
    /// See `low`.
    pub(crate) high: f32,
}

impl Conv<'_> {
    /// Asserts that every float read or written lies inside its slice.
    pub(super) fn check(&self, lanes: usize, pixels: usize, out: &[f32]) {
        assert!(pixels <= PIXELS_MAX && (1..=2).contains(&self.vectors));
        assert!(self.rows > 0 && self.width > 0 && self.into.ring > 0);
        let reach = self.runs.iter().map(|run| run.offset + run.len).max();
        let depth: usize = self.runs.iter().map(|run| run.len).sum();
        let last_in = self.from.base
            + (self.rows - 1) * self.from.row
            + (self.width - 1) * self.from.pixel
            + reach.expect("a convolution has inputs");
        let last_row = (self.into.first + self.rows - 1).min(self.into.ring - 1);
        let last_out = self.into.base + last_row * self.into.row + self.width * 2 * lanes;
        assert!(last_in <= self.input.len() && last_out <= out.len());
        assert!(self.residual.is_none_or(|residual| last_out <= residual.len()));
        assert!(self.weights.len() >= depth * self.vectors * lanes);
        assert!(self.bias.len() >= self.vectors * lanes);
    }

    /// Place of output pixel (`row`, `column`).
    #[inline(always)]
    fn place(&self, row: usize, column: usize, panel: usize) -> usize {
        let into = &self.into;
        into.base + (into.first + row) % into.ring * into.row + column * panel
    }
}

/// Runs the convolution.
///
/// # Safety
///
/// The CPU must have what `L` uses, and [`Conv::check`] must have passed.
#[inline(always)]
pub(super) unsafe fn run<L: Lanes>(job: &Conv, out: &mut [f32]) {
    let panel = 2 * L::WIDTH;
    let out = out.as_mut_ptr();
    if job.from.pixel == panel && (job.from.row == job.width * panel || job.rows == 1) {
        // SAFETY: the caller's promise.
        unsafe { pixels::<L, true>(job, out, 0, job.rows * job.width) };
    } else {
        for row in 0..job.rows {
            // SAFETY: the caller's promise.
            unsafe { pixels::<L, false>(job, out, row, job.width) };
        }
    }
}

/// `count` pixels from the start of `row` on, whose inputs lie at equal distances: those of a
/// panel if `PACKED` (the distance is then known when compiling), else `job.from.pixel`.
#[inline(always)]
unsafe fn pixels<L: Lanes, const PACKED: bool>(
    job: &Conv,
    out: *mut f32,
    row: usize,
    count: usize,
) {
    let panel = 2 * L::WIDTH;
    let step = if PACKED { panel } else { job.from.pixel };
    let (mut y, mut x) = (row, 0);
    let mut next = job.place(y, x, panel);
    let mut places = [0; PIXELS_MAX];
    for (start, len) in split(count, L::PIXELS) {
        for place in &mut places[..len] {
            *place = next;
            x += 1;
            next += panel;
            if x == job.width {
                (y, x) = (y + 1, 0);
                next = job.place(y, x, panel);
            }
        }
        // SAFETY: `check` covers every row and column, and `split` stays within `count`.
        unsafe {
            let input = job.input.as_ptr().add(job.from.base + row * job.from.row + start * step);
            if job.vectors == 2 {
                sized::<L, 2, PACKED>(job, input, out, &places, len);
            } else {
                sized::<L, 1, PACKED>(job, input, out, &places, len);
            }
        }
    }
}

/// Picks the block that is compiled for `len` pixels.
#[inline(always)]
unsafe fn sized<L: Lanes, const V: usize, const PACKED: bool>(
    job: &Conv,
    input: *const f32,
    out: *mut f32,
    places: &[usize; PIXELS_MAX],
    len: usize,
) {
    macro_rules! pick {
        ($($n:literal)*) => {
            match len {
                // SAFETY: the caller's promise. Sizes beyond L::PIXELS never occur, and are not
                // compiled, since the first half of the guard is a constant.
                $($n if $n <= L::PIXELS => unsafe {
                    block::<L, $n, V, PACKED>(job, input, out, places)
                },)*
                _ => unreachable!("a block has at most L::PIXELS pixels"),
            }
        };
    }
    pick!(1 2 3 4 5 6 7 8 9 10 11 12 13 14)
}

/// `P` pixels times `V` vectors of output channels, in registers from bias to clamp.
#[expect(
    clippy::needless_range_loop,
    reason = "plain ranges unroll, and `sums` stays in registers"
)]
#[inline(always)]
unsafe fn block<L: Lanes, const P: usize, const V: usize, const PACKED: bool>(
    job: &Conv,
    input: *const f32,
    out: *mut f32,
    places: &[usize; PIXELS_MAX],
) {
    let step = if PACKED { 2 * L::WIDTH } else { job.from.pixel };
    // SAFETY: `check` has covered every address formed here.
    unsafe {
        let mut sums = [[L::splat(0.0); V]; P];
        for v in 0..V {
            let bias = L::load(job.bias.as_ptr().add(v * L::WIDTH));
            for pixel in &mut sums {
                pixel[v] = bias;
            }
        }
        let mut weights = job.weights.as_ptr();
        for run in job.runs {
            let mut from = input.add(run.offset);
            for _ in 0..run.len {
                let mut taps = [L::splat(0.0); V];
                for (v, tap) in taps.iter_mut().enumerate() {
                    *tap = L::load(weights.add(v * L::WIDTH));
                }
                for (p, pixel) in sums.iter_mut().enumerate() {
                    let value = L::splat(*from.add(p * step));
                    for v in 0..V {
                        pixel[v] = L::fused(value, taps[v], pixel[v]);
                    }
                }
                from = from.add(1);
                weights = weights.add(V * L::WIDTH);
            }
        }
        if let Some(residual) = job.residual {
            for p in 0..P {
                for v in 0..V {
                    let at = places[p] + v * L::WIDTH;
                    sums[p][v] = L::add(sums[p][v], L::load(residual.as_ptr().add(at)));
                }
            }
        }
        // In this order of operands a NaN passes the clamp and is found in the features.
        let (low, high) = (L::splat(job.low), L::splat(job.high));
        for p in 0..P {
            for v in 0..V {
                let at = places[p] + v * L::WIDTH;
                L::store(out.add(at), L::min(high, L::max(low, sums[p][v])));
            }
        }
    }
}
