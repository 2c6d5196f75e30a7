//! The arithmetic of the networks, for each kind of CPU, with the same bits on all of them.
//!
//! Maps of activations are stored in panels: all pixels of the first panel of channels, then all of
//! the next; within a panel the channels of a pixel lie side by side. A panel is two vectors wide.
//! This is the only part of the crate with `unsafe`: raw pointers and CPU-specific instructions,
//! behind functions that check every bound and the CPU first.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod buffer;
mod conv;
mod depthwise;
mod kernel;
mod lanes;
mod portable;

pub(crate) use buffer::Buffer;
pub(crate) use conv::{Conv, From, Into, Run};
pub(crate) use depthwise::{Depthwise, SIDE};
pub(crate) use kernel::Engine;
pub use kernel::{Kernel, UnavailableKernel};

/// Cuts `count` into blocks of at most `max` that differ by one at most: (start, length).
pub(crate) fn split(count: usize, max: usize) -> impl Iterator<Item = (usize, usize)> {
    let blocks = count.div_ceil(max);
    let (len, longer) = (count / blocks.max(1), count % blocks.max(1));
    (0..blocks).map(move |i| (i * len + i.min(longer), len + usize::from(i < longer)))
}
