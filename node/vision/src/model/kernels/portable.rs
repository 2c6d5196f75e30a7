//! Kernels in plain Rust for every CPU: 8 lanes as an array, fused by `f32::mul_add`.
//!
//! Where the target has no fused multiply-add instruction the library's function is called for
//! each lane: slow, and the same bits.

use std::ptr;

use crate::model::kernels::conv::{self, Conv};
use crate::model::kernels::depthwise::{self, Depthwise};
use crate::model::kernels::lanes::Lanes;

/// Eight lanes in an array.
#[derive(Clone, Copy)]
pub(super) struct Portable;

// SAFETY: loads and stores are unaligned and touch 8 floats; the rest is arithmetic.
unsafe impl Lanes for Portable {
    type Vector = [f32; 8];
    const WIDTH: usize = 8;
    const PIXELS: usize = 6;
    const COLUMNS: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; 8] {
        [value; 8]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 8] {
        // SAFETY: the caller vouches for 8 floats.
        unsafe { ptr::read_unaligned(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, value: [f32; 8]) {
        // SAFETY: the caller vouches for 8 floats.
        unsafe { ptr::write_unaligned(to.cast(), value) }
    }

    #[inline(always)]
    unsafe fn fused(a: [f32; 8], b: [f32; 8], mut c: [f32; 8]) -> [f32; 8] {
        for i in 0..8 {
            c[i] = a[i].mul_add(b[i], c[i]);
        }
        c
    }

    #[inline(always)]
    unsafe fn add(a: [f32; 8], mut b: [f32; 8]) -> [f32; 8] {
        for i in 0..8 {
            b[i] += a[i];
        }
        b
    }

    // `f32::max` leaves the sign of a zero open; the comparison does not.
    #[inline(always)]
    unsafe fn max(a: [f32; 8], mut b: [f32; 8]) -> [f32; 8] {
        for i in 0..8 {
            b[i] = if a[i] > b[i] { a[i] } else { b[i] };
        }
        b
    }

    #[inline(always)]
    unsafe fn min(a: [f32; 8], mut b: [f32; 8]) -> [f32; 8] {
        for i in 0..8 {
            b[i] = if a[i] < b[i] { a[i] } else { b[i] };
        }
        b
    }
}

/// A convolution.
///
/// # Safety
///
/// `job` must have passed [`Conv::check`] with `out`.
pub(super) unsafe fn convolve(job: &Conv, out: &mut [f32]) {
    // SAFETY: as above.
    unsafe { conv::run::<Portable>(job, out) }
}

/// A depthwise convolution.
///
/// # Safety
///
/// `job` must have passed [`Depthwise::check`] with `out`.
pub(super) unsafe fn convolve_depthwise(job: &Depthwise, out: &mut [f32]) {
    // SAFETY: as above.
    unsafe { depthwise::run::<Portable>(job, out) }
}
