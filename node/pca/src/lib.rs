//! Standardisation and principal components in f64, from moments to scores.
//!
//! [`moments`] are what partitions add up to; [`fit`] makes scaler and components of them,
//! [`certificate`] proves these, [`project`] applies them to rows.
//!
//! Architecture invariant: no file, no clock, no thread; `faer` types never leave this crate. The
//! fit runs sequentially, so its bits depend on the moments and on the fit class alone. Scores are
//! the same bits on every processor, given the same components.

mod certificate;
mod class;
mod fit;
mod guard;
pub mod moments;
mod options;
mod project;
mod solver;
mod spectrum;
mod standardize;
#[cfg(test)]
mod tests;

pub use certificate::{Certificate, CertificateViolation, certificate};
pub use class::fit_class;
pub use fit::{FitError, Fitted, Warning, fit};
pub use guard::{GuardError, check_memory, memory_needed};
pub use options::{Convention, FitOptions, Standardize, Target};
pub use project::{ProjectError, project};
