//! What a vector of `f32` lanes must do for the kernels.
//!
//! Every implementation computes each lane with the same IEEE 754 operations in the same order, so
//! that a kernel written over this trait gives the same bits whatever the width.

/// A vector of `WIDTH` lanes.
///
/// # Safety
///
/// The methods may use instructions that not every CPU has: the caller must have checked for them.
/// Pointers must be valid for `WIDTH` floats; they need no alignment.
pub(super) unsafe trait Lanes: Copy {
    /// The register.
    type Vector: Copy;
    /// Lanes of a vector.
    const WIDTH: usize;
    /// Pixels that a convolution keeps in registers at once (two vectors each).
    const PIXELS: usize;
    /// Neighbouring pixels that a depthwise convolution keeps in registers at once.
    const COLUMNS: usize;

    /// All lanes equal to `value`.
    unsafe fn splat(value: f32) -> Self::Vector;
    /// The lanes at `from`.
    unsafe fn load(from: *const f32) -> Self::Vector;
    /// Writes the lanes to `to`.
    unsafe fn store(to: *mut f32, value: Self::Vector);
    /// `a * b + c`, rounded once.
    unsafe fn fused(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// `a + b`.
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a` where `a > b`, else `b`: a NaN in either gives `b`.
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a` where `a < b`, else `b`: a NaN in either gives `b`.
    unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector;
}
