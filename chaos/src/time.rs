//! Virtual time.

/// Milliseconds of virtual time.
pub(crate) type Time = u64;
