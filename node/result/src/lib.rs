//! Writers of everything a job publishes, and readers of what is read again.
//!
//! Pure functions from data to bytes: equal input gives equal bytes, whatever the host, the time,
//! the number of threads or the order of arrival. Where the bytes go is the storage's affair.
//! [`verify`] checks a published result from its files alone; [`story`] is what is told beside it,
//! and never part of it.

pub mod columns;
pub mod csv;
pub(crate) mod decimal;
pub mod digest;
pub mod error;
pub mod fitted_file;
pub mod html;
pub(crate) mod markup;
pub mod model;
pub mod names;
pub mod plots;
pub mod report;
pub mod rows;
pub mod scree;
pub mod story;
pub mod success;
pub mod thumbnails;
pub mod verify;

pub use columns::{
    features_part, quarantine_part, read_features_part, read_quarantine_part, read_scores_part,
    scores_part,
};
pub use csv::{csv_header, csv_rows};
pub use error::{ReadError, WriteError};
pub use model::{FittedView, ModelFacts, Target};
pub use report::Report;
pub use success::Success;
