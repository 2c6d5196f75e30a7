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

#[cfg(test)]
mod tests {
    use super::{Conv, Engine, From, Into, Run, split};

    #[test]
    fn blocks_cover_everything_once_and_differ_by_one_at_most() {
        assert_eq!(split(0, 14).count(), 0);
        for count in 1..200 {
            let blocks: Vec<_> = split(count, 14).collect();
            assert_eq!(blocks.len(), count.div_ceil(14));
            let mut next = 0;
            for &(start, len) in &blocks {
                assert!(start == next && (1..=14).contains(&len));
                next += len;
            }
            let lens = blocks.iter().map(|&(_, len)| len);
            assert!(next == count && lens.clone().max().unwrap() - lens.min().unwrap() <= 1);
        }
    }

    #[test]
    fn a_job_that_reaches_beyond_its_slices_is_caught_before_it_runs() {
        let engine = Engine::new(None).unwrap();
        let panel = engine.panel();
        let caught = |input: usize, weights: usize, bias: usize, out: usize| {
            let (input, weights, bias) = (vec![0.0; input], vec![0.0; weights], vec![0.0; bias]);
            let job = Conv {
                input: &input,
                from: From { base: 0, row: panel, pixel: panel },
                runs: &[Run { offset: 0, len: 3 }],
                weights: &weights,
                bias: &bias,
                vectors: 2,
                rows: 2,
                width: 1,
                into: Into { base: 0, row: panel, ring: 2, first: 0 },
                residual: None,
                low: 0.0,
                high: 6.0,
            };
            let mut out = vec![0.0; out];
            let run = std::panic::AssertUnwindSafe(|| engine.convolve(&job, &mut out));
            std::panic::catch_unwind(run).is_err()
        };
        let (input, weights, out) = (panel + 3, 3 * panel, 2 * panel);
        assert!(!caught(input, weights, panel, out));
        assert!(caught(input - 1, weights, panel, out));
        assert!(caught(input, weights - 1, panel, out));
        assert!(caught(input, weights, panel - 1, out));
        assert!(caught(input, weights, panel, out - 1));
    }
}
