//! Rows as Parquet and back. One file per partition and kind, readable by Spark, pandas, polars
//! and DuckDB alike.
//!
//! | table | columns |
//! |---|---|
//! | features | `path` string, `label` string or null, `size` int64, `modified` timestamp (UTC, microseconds), `features` list of float32 |
//! | scores | the same with `pca` in place of `features` |
//! | quarantine | the first four, `code` string, `detail` string |

mod check;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub use check::check_rows;
pub use read::{read_features_part, read_quarantine_part, read_scores_part};
pub use write::{features_part, quarantine_part, scores_part};
