//! What can be wrong with rows to be written and with bytes to be read. Neither knows file names:
//! the caller, who does, adds them.

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::retry::FailureReason;

/// Rows that must not be published. Always a fault of the program or of what it was given, never
/// of the storage: writing again cannot help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The values do not fill the rows.
    #[error("{values} values do not make {rows} rows of {columns} columns")]
    Shape {
        /// Rows announced.
        rows: usize,
        /// Columns announced.
        columns: usize,
        /// Values given.
        values: usize,
    },
    /// Rows out of key order, or one key twice.
    #[error("rows must be in strictly ascending key order, but `{after}` follows `{before}`")]
    Order {
        /// Key of the earlier row.
        before: String,
        /// Key of the later row.
        after: String,
    },
    /// A value that is not a number.
    #[error("column {column} of `{path}` is not finite: check the weights and the photograph")]
    NotFinite {
        /// Key of the row.
        path: String,
        /// Column, from 0.
        column: usize,
    },
    /// A size that a signed 64-bit column cannot hold.
    #[error("`{path}` has a listed size of {size} bytes, more than a table can hold")]
    Size {
        /// Key of the row.
        path: String,
        /// Listed size.
        size: u64,
    },
    /// A model whose parts do not fit each other.
    #[error("the {what} of the model has {found} values instead of {expected}")]
    Model {
        /// The part of the model.
        what: &'static str,
        /// Values that belong there.
        expected: usize,
        /// Values that are there.
        found: usize,
    },
    /// The library that writes the format refused.
    #[error("cannot encode {format}: {reason}")]
    Encode {
        /// Name of the format.
        format: &'static str,
        /// The library's words.
        reason: String,
    },
}

/// Rows that cannot be written come from the weights (values that are not finite) or from keys: no
/// attempt mends either.
impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::of(FailureReason::InvalidJob, &error)
    }
}

/// Bytes that are not what fruitnode publishes under that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {format}: {reason}")]
pub struct ReadError {
    /// What the bytes should have been.
    pub format: &'static str,
    /// What is wrong with them.
    pub reason: String,
}

/// Objects of the job are read with their digest checked, so that bytes which cannot be read were
/// damaged on the way.
impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::of(FailureReason::DigestMismatch, &error)
    }
}

impl ReadError {
    /// An error about bytes that should have been `format`.
    pub fn new(format: &'static str, reason: impl ToString) -> Self {
        Self { format, reason: reason.to_string() }
    }
}
