//! Rows as Parquet and back. One file per partition and kind, readable by Spark, pandas, polars
//! and DuckDB alike.
//!
//! All begin with `path` (string), `label` (string or null), `size` (int64) and `modified` (UTC
//! timestamp in microseconds). Then come `features` or `pca` (list of float32), and in the
//! quarantine `code` and `detail` (strings).

mod check;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use check::check_rows;
pub use read::{read_features_part, read_quarantine_part, read_scores_part};
pub use write::{features_part, quarantine_part, scores_part};
