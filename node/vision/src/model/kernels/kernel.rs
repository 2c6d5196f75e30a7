//! Which set of instructions runs, and the checked door to it.

use std::fmt;
use std::str::FromStr;

use crate::model::kernels::conv::Conv;
use crate::model::kernels::depthwise::Depthwise;
use crate::model::kernels::lanes::Lanes;
use crate::model::kernels::portable;
#[cfg(target_arch = "x86_64")]
use crate::model::kernels::{avx2, avx512};

/// A set of CPU instructions. Results have the same bits with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kernel {
    /// Plain Rust, on every CPU; very slow where there is no fused multiply-add.
    Portable,
    /// x86-64 with AVX2 and FMA (Haswell, Zen 1 and later).
    Avx2,
    /// x86-64 with AVX-512F (Skylake-SP, Zen 4 and later).
    Avx512,
}

/// A kernel that cannot be had here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnavailableKernel {
    /// No kernel has this name.
    #[error("unknown kernel {0:?}: use portable, avx2 or avx512")]
    Unknown(String),
    /// The CPU lacks its instructions.
    #[error("this CPU cannot run the {0} kernel: omit the option, or use portable")]
    Lacking(Kernel),
}

impl Kernel {
    /// Every kernel, slowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The fastest that this CPU can run.
    #[must_use]
    pub fn best() -> Self {
        let runnable = Self::ALL.into_iter().rev().find(|kernel| kernel.runs_here());
        runnable.unwrap_or(Self::Portable)
    }

    /// Whether this CPU has the instructions.
    #[must_use]
    pub(crate) fn runs_here(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// Its name, as [`FromStr`] reads it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kernel {
    type Err = UnavailableKernel;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|kernel| kernel.name() == name);
        known.ok_or_else(|| UnavailableKernel::Unknown(name.to_owned()))
    }
}

/// A kernel that this CPU was seen to have. Its methods are safe: they check every bound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Engine(Kernel);

impl Engine {
    /// The kernel asked for, or the best.
    pub(crate) fn new(choice: Option<Kernel>) -> Result<Self, UnavailableKernel> {
        match choice {
            None => Ok(Self(Kernel::best())),
            Some(kernel) if kernel.runs_here() => Ok(Self(kernel)),
            Some(kernel) => Err(UnavailableKernel::Lacking(kernel)),
        }
    }

    /// What runs.
    pub(crate) fn kernel(self) -> Kernel {
        self.0
    }

    /// Lanes of a vector.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            Kernel::Portable => portable::Portable::WIDTH,
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => avx2::Avx2::WIDTH,
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => avx512::Avx512::WIDTH,
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx2 | Kernel::Avx512 => unreachable!("an engine runs here"),
        }
    }

    /// Channels of a panel: two vectors.
    pub(crate) fn panel(self) -> usize {
        2 * self.lanes()
    }

    /// A convolution of one panel of output channels.
    pub(crate) fn convolve(self, job: &Conv, out: &mut [f32]) {
        match self.0 {
            Kernel::Portable => {
                job.check(portable::Portable::WIDTH, portable::Portable::PIXELS, out);
                // SAFETY: `new` has checked the CPU, `check` the bounds.
                unsafe { portable::convolve(job, out) }
            }
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => {
                job.check(avx2::Avx2::WIDTH, avx2::Avx2::PIXELS, out);
                // SAFETY: `new` has checked the CPU, `check` the bounds.
                unsafe { avx2::convolve(job, out) }
            }
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => {
                job.check(avx512::Avx512::WIDTH, avx512::Avx512::PIXELS, out);
                // SAFETY: `new` has checked the CPU, `check` the bounds.
                unsafe { avx512::convolve(job, out) }
            }
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx2 | Kernel::Avx512 => unreachable!("an engine runs here"),
        }
    }

    /// A depthwise convolution of one panel of channels.
    pub(crate) fn convolve_depthwise(self, job: &Depthwise, out: &mut [f32]) {
        job.check(self.lanes(), out);
        match self.0 {
            // SAFETY: `new` has checked the CPU, `check` the bounds.
            Kernel::Portable => unsafe { portable::convolve_depthwise(job, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` has checked the CPU, `check` the bounds.
            Kernel::Avx2 => unsafe { avx2::convolve_depthwise(job, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` has checked the CPU, `check` the bounds.
            Kernel::Avx512 => unsafe { avx512::convolve_depthwise(job, out) },
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx2 | Kernel::Avx512 => unreachable!("an engine runs here"),
        }
    }
}
