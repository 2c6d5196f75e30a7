//! The fitted model as files: for Rust and PyTorch, for NumPy and scikit-learn, and in words.

mod arrays;
mod facts;
mod npz;
mod readme;
mod safetensors;
#[cfg(test)]
pub(crate) mod tests;
mod words;

pub use arrays::{FittedView, ModelArrays};
pub use facts::{ModelFacts, SCHEMA_VERSION, Setting, Standardize, Target, Weights};
pub use npz::model_npz;
pub use readme::model_readme;
pub use safetensors::model_safetensors;
pub(crate) use safetensors::read_model_safetensors;
pub use words::model_json;
pub(crate) use words::read_model_json;
