//! 3x3 depthwise convolution of one panel of channels, written over [`Lanes`].
//!
//! The input has its border of zeros in place, so that the inner loop has no branch; columns that
//! neighbouring outputs share are loaded once. Products are taken row by row, left to right.

use crate::model::kernels::lanes::Lanes;
use crate::model::kernels::split;

/// Side of the kernel.
pub(crate) const SIDE: usize = 3;

/// `rows * width` output pixels of one panel.
#[derive(Debug)]
pub(crate) struct Depthwise<'a> {
    /// Padded rows of the panel, in a ring: row `r` lies at `r % ring`.
    pub(crate) input: &'a [f32],
    /// Rows of the ring.
    pub(crate) ring: usize,
    /// Floats between two rows of the ring.
    pub(crate) row: usize,
    /// The nine taps of each channel: tap after tap, a panel of channels each.
    pub(crate) weights: &'a [f32],
    /// The accumulators' start, one per channel of the panel.
    pub(crate) bias: &'a [f32],
    /// Vectors of the panel that hold channels: 1 or 2.
    pub(crate) vectors: usize,
    /// 1 or 2.
    pub(crate) stride: usize,
    /// First output row.
    pub(crate) first: usize,
    /// Output rows.
    pub(crate) rows: usize,
    /// Output pixels per row.
    pub(crate) width: usize,
    /// The activation as a clamp: outputs stay within `low..=high`.
    pub(crate) low: f32,
    /// See `low`.
    pub(crate) high: f32,
}

impl Depthwise<'_> {
    /// Asserts that every float read or written lies inside its slice.
    pub(super) fn check(&self, lanes: usize, out: &[f32]) {
        let panel = 2 * lanes;
        assert!((1..=2).contains(&self.vectors) && (1..=2).contains(&self.stride));
        assert!(self.rows > 0 && self.width > 0 && self.ring > 0);
        let columns = (self.width - 1) * self.stride + SIDE;
        assert!((self.ring - 1) * self.row + columns * panel <= self.input.len());
        assert!(self.rows * self.width * panel <= out.len());
        assert!(self.weights.len() >= SIDE * SIDE * panel && self.bias.len() >= panel);
    }
}

/// Runs the convolution; outputs lie one after the other, a panel apart.
///
/// # Safety
///
/// The CPU must have what `L` uses, and [`Depthwise::check`] must have passed.
#[inline(always)]
pub(super) unsafe fn run<L: Lanes>(job: &Depthwise, out: &mut [f32]) {
    let out = out.as_mut_ptr();
    for vector in 0..job.vectors {
        // SAFETY: the caller's promise.
        unsafe {
            if job.stride == 1 {
                rows::<L, 1>(job, out, vector * L::WIDTH);
            } else {
                rows::<L, 2>(job, out, vector * L::WIDTH);
            }
        }
    }
}

/// All rows of the vector that starts at channel `at` of the panel.
#[inline(always)]
unsafe fn rows<L: Lanes, const S: usize>(job: &Depthwise, out: *mut f32, at: usize) {
    let panel = 2 * L::WIDTH;
    // SAFETY: `check` has covered every address formed here.
    unsafe {
        let mut taps = [L::splat(0.0); SIDE * SIDE];
        for (t, tap) in taps.iter_mut().enumerate() {
            *tap = L::load(job.weights.as_ptr().add(t * panel + at));
        }
        let bias = L::load(job.bias.as_ptr().add(at));
        let clamp = (L::splat(job.low), L::splat(job.high));
        for y in 0..job.rows {
            let top = (job.first + y) * S;
            let input = [0, 1, 2].map(|ky| {
                let slot = (top + ky) % job.ring;
                job.input.as_ptr().add(slot * job.row + at)
            });
            let out = out.add(y * job.width * panel + at);
            for (x, len) in split(job.width, L::COLUMNS) {
                let input = input.map(|row| row.add(x * S * panel));
                sized::<L, S>(input, &taps, bias, clamp, out.add(x * panel), len);
            }
        }
    }
}

/// Picks the block that is compiled for `len` pixels.
#[inline(always)]
unsafe fn sized<L: Lanes, const S: usize>(
    input: [*const f32; SIDE],
    taps: &[L::Vector; SIDE * SIDE],
    bias: L::Vector,
    clamp: (L::Vector, L::Vector),
    out: *mut f32,
    len: usize,
) {
    macro_rules! pick {
        ($($n:literal)*) => {
            match len {
                // SAFETY: the caller's promise. Sizes beyond L::COLUMNS never occur.
                $($n if $n <= L::COLUMNS => unsafe {
                    block::<L, $n, S>(input, taps, bias, clamp, out)
                },)*
                _ => unreachable!("a block has at most L::COLUMNS pixels"),
            }
        };
    }
    pick!(1 2 3 4 5 6 7)
}

/// `P` neighbouring pixels in registers.
#[inline(always)]
unsafe fn block<L: Lanes, const P: usize, const S: usize>(
    input: [*const f32; SIDE],
    taps: &[L::Vector; SIDE * SIDE],
    bias: L::Vector,
    (low, high): (L::Vector, L::Vector),
    out: *mut f32,
) {
    let panel = 2 * L::WIDTH;
    let mut sums = [bias; P];
    // SAFETY: `check` has covered every address formed here.
    unsafe {
        for (ky, row) in input.into_iter().enumerate() {
            for (p, sum) in sums.iter_mut().enumerate() {
                for kx in 0..SIDE {
                    // Neighbours ask for the same column: the compiler loads it once.
                    let column = L::load(row.add((p * S + kx) * panel));
                    *sum = L::fused(column, taps[ky * SIDE + kx], *sum);
                }
            }
        }
        for (p, &sum) in sums.iter().enumerate() {
            L::store(out.add(p * panel), L::min(high, L::max(low, sum)));
        }
    }
}
