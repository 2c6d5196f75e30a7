//! Floats that start on a cache line, so that no vector of a panel straddles two.

use std::slice;

/// Floats of a cache line.
const LINE: usize = 16;

/// One cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// A growable run of floats aligned to 64 bytes.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    lines: Vec<Line>,
}

impl Buffer {
    /// `len` zeros, or a few more.
    pub(crate) fn zeros(len: usize) -> Self {
        Self { lines: vec![Line([0.0; LINE]); len.div_ceil(LINE)] }
    }

    /// Grows to at least `len` floats; what is there stays.
    pub(crate) fn reserve(&mut self, len: usize) {
        let lines = len.div_ceil(LINE);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0.0; LINE]));
        }
    }

    /// All floats.
    pub(crate) fn floats(&self) -> &[f32] {
        // SAFETY: `Line` is `repr(C)` around an array of floats without padding (64 bytes, align
        // 64), so the lines are `LINE * len` initialised floats in a row, borrowed as `self` is.
        unsafe { slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * LINE) }
    }

    /// All floats, to be written.
    pub(crate) fn floats_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `floats`, and borrowed mutably.
        unsafe {
            slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * LINE)
        }
    }
}
