//! Checks a published result from its own files alone: that it is whole, that its files agree with
//! each other, and that the numbers follow from the features. Nothing is taken on trust but the
//! features themselves, and nothing that is wrong with a file makes it panic.

mod arithmetic;
mod certificate;
mod checks;
mod csv;
mod folder;
mod keys;
mod model;
mod parts;
mod published;
mod report;
#[cfg(test)]
mod tests;
mod verdict;

pub use arithmetic::{Arithmetic, Whole};
pub use certificate::{ORTHONORMALITY_MAX, RESIDUAL_MAX, figures_of_given};
pub use checks::verify;
pub use published::Published;
pub use verdict::{Check, GIVEN_MODEL, Status, Verdict};
