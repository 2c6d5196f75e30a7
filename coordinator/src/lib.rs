//! Every decision of a fruitnode cluster, as pure functions over plain data.
//!
//! Architecture invariant: nothing here reads a clock, a file, a socket or a random source, and
//! nothing is async. The crate's dependency tree is checked by `tests/tests/layering.rs`.

pub mod ids;
pub mod moments;
pub mod retry;
pub mod task;
pub mod tree;
