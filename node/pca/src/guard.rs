//! Whether a PCA over so many columns can fit into memory: asked before any photograph is read.

use thiserror::Error;

use super::solver;
use crate::moments::packed_len;

/// Moments that a node may hold beyond the depth of the reduction tree.
const HELD_BEYOND_DEPTH: u64 = 2;
/// Moments in the hands of a merge beside those held: the result, and one side in flight.
const MERGING: u64 = 2;
/// Rows whose deviations are laid out at once, twice over, while moments are made.
const GATHERED_ROWS: u64 = 128;
/// Room for the solver's packed blocks of matrices, which do not grow with the columns.
const SOLVER_FIXED_BYTES: u64 = 64 << 20;

/// A PCA that this machine cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GuardError {
    /// More memory than there is.
    #[error(
        "a PCA over {dim} columns needs {} of memory, but only {} are available: use --pooling \
         avg, which gives far fewer columns, or --pca off, or a machine with more memory",
        in_words(*.needed_bytes), in_words(*.available_bytes)
    )]
    TooLarge {
        /// Columns.
        dim: usize,
        /// Bytes that the job may need at once on one node.
        needed_bytes: u64,
        /// Bytes that there are.
        available_bytes: u64,
    },
}

/// Bytes that one node may need at once for moments and fit over `dim` columns.
///
/// Moments are triangles of f64: `tree_depth + 2` of them are held, and beside them stands either
/// a merge (or the making of new ones) or the fit with its matrix, its vectors and the solver's
/// workspace.
pub fn memory_needed(dim: usize, tree_depth: u32) -> u64 {
    let columns = dim as u64;
    let moments = 8 * (packed_len(dim) as u64 + columns);
    let held = (u64::from(tree_depth) + HELD_BEYOND_DEPTH) * moments;
    let gathering = moments + 2 * 8 * GATHERED_ROWS * columns;
    let merging = MERGING * moments;
    let matrix = 8 * columns * columns;
    let fitting = matrix + solver::eigen_bytes(dim) + SOLVER_FIXED_BYTES;
    held + gathering.max(merging).max(fitting)
}

/// Refuses what [`memory_needed`] says cannot fit.
pub fn check_memory(dim: usize, tree_depth: u32, available_bytes: u64) -> Result<(), GuardError> {
    let needed_bytes = memory_needed(dim, tree_depth);
    if needed_bytes > available_bytes {
        return Err(GuardError::TooLarge { dim, needed_bytes, available_bytes });
    }
    Ok(())
}

fn in_words(bytes: u64) -> String {
    let mib = bytes.div_ceil(1 << 20);
    if mib < 1024 {
        format!("{mib} MiB")
    } else {
        format!("{}.{} GiB", mib / 1024, mib % 1024 * 10 / 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn pooled_features_fit_a_small_machine() {
        for dim in [512, 1280, 2048] {
            assert_eq!(check_memory(dim, 20, 2 * GIB), Ok(()), "{dim}");
        }
    }

    #[test]
    fn features_that_nobody_pooled_are_refused_in_words() {
        for dim in [25_088, 62_720, 100_352] {
            let words = check_memory(dim, 10, 16 * GIB).expect_err("too large").to_string();
            assert!(words.contains(&format!("{dim} columns")), "{words}");
            assert!(words.contains("16.0 GiB are available"), "{words}");
            assert!(words.contains("--pooling avg"), "{words}");
            assert!(words.contains("--pca off"), "{words}");
        }
    }

    #[test]
    fn the_need_grows_with_the_square_of_the_columns_and_with_the_depth() {
        let need = |dim, depth| memory_needed(dim, depth) - SOLVER_FIXED_BYTES;
        let ratio = need(20_000, 10) as f64 / need(10_000, 10) as f64;
        assert!((3.9..4.1).contains(&ratio), "{ratio}");
        let triangle = 8 * (packed_len(1280) as u64 + 1280);
        assert_eq!(need(1280, 11) - need(1280, 10), triangle);
    }
}
