//! Kernels for x86-64 with AVX-512F: 16 lanes, 32 registers.

use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_min_ps,
    _mm512_set1_ps, _mm512_storeu_ps,
};

use crate::model::kernels::conv::{self, Conv};
use crate::model::kernels::depthwise::{self, Depthwise};
use crate::model::kernels::lanes::Lanes;

/// Sixteen lanes.
#[derive(Clone, Copy)]
pub(super) struct Avx512;

// SAFETY: loads and stores are the unaligned ones and touch 16 floats; the rest is arithmetic.
unsafe impl Lanes for Avx512 {
    type Vector = __m512;
    const WIDTH: usize = 16;
    // 28 accumulators, 2 weights and 1 broadcast value fill 31 of 32 registers.
    const PIXELS: usize = 14;
    // 7 accumulators, 9 taps, the bias and the loaded columns.
    const COLUMNS: usize = 7;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        // SAFETY: the caller has checked for AVX-512F.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller vouches for 16 floats and for AVX-512F.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m512) {
        // SAFETY: the caller vouches for 16 floats and for AVX-512F.
        unsafe { _mm512_storeu_ps(to, value) }
    }

    #[inline(always)]
    unsafe fn fused(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the caller has checked for AVX-512F.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has checked for AVX-512F.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has checked for AVX-512F.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has checked for AVX-512F.
        unsafe { _mm512_min_ps(a, b) }
    }
}

/// A convolution.
///
/// # Safety
///
/// The CPU must have AVX-512F, and `job` must have passed [`Conv::check`] with `out`.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn convolve(job: &Conv, out: &mut [f32]) {
    // SAFETY: as above.
    unsafe { conv::run::<Avx512>(job, out) }
}

/// A depthwise convolution.
///
/// # Safety
///
/// The CPU must have AVX-512F, and `job` must have passed [`Depthwise::check`] with `out`.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn convolve_depthwise(job: &Depthwise, out: &mut [f32]) {
    // SAFETY: as above.
    unsafe { depthwise::run::<Avx512>(job, out) }
}
