//! Kernels for x86-64 with AVX2 and FMA: 8 lanes, 16 registers.

use std::arch::x86_64::{
    __m256, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_min_ps,
    _mm256_set1_ps, _mm256_storeu_ps,
};

use crate::model::kernels::conv::{self, Conv};
use crate::model::kernels::depthwise::{self, Depthwise};
use crate::model::kernels::lanes::Lanes;

/// Eight lanes.
#[derive(Clone, Copy)]
pub(super) struct Avx2;

// SAFETY: loads and stores are the unaligned ones and touch 8 floats; the rest is arithmetic.
unsafe impl Lanes for Avx2 {
    type Vector = __m256;
    const WIDTH: usize = 8;
    // 12 accumulators, 2 weights and 1 broadcast value fill 15 of 16 registers.
    const PIXELS: usize = 6;
    // 4 accumulators and 9 taps leave room for the loaded columns.
    const COLUMNS: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        // SAFETY: the caller has checked for AVX2 and FMA.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: the caller vouches for 8 floats and for AVX2 and FMA.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m256) {
        // SAFETY: the caller vouches for 8 floats and for AVX2 and FMA.
        unsafe { _mm256_storeu_ps(to, value) }
    }

    #[inline(always)]
    unsafe fn fused(a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: the caller has checked for AVX2 and FMA.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller has checked for AVX2 and FMA.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller has checked for AVX2 and FMA.
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller has checked for AVX2 and FMA.
        unsafe { _mm256_min_ps(a, b) }
    }
}

/// A convolution.
///
/// # Safety
///
/// The CPU must have AVX2 and FMA, and `job` must have passed [`Conv::check`] with `out`.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn convolve(job: &Conv, out: &mut [f32]) {
    // SAFETY: as above.
    unsafe { conv::run::<Avx2>(job, out) }
}

/// A depthwise convolution.
///
/// # Safety
///
/// The CPU must have AVX2 and FMA, and `job` must have passed [`Depthwise::check`] with `out`.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn convolve_depthwise(job: &Depthwise, out: &mut [f32]) {
    // SAFETY: as above.
    unsafe { depthwise::run::<Avx2>(job, out) }
}
