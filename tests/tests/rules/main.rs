//! The rules of the house: layers, and what every file keeps to.

mod layering;
mod tidy;
