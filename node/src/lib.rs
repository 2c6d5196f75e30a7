//! The fruitnode node: every side effect of the system lives in this crate.
//!
//! Layers, each using only what stands right of it:
//! `cli -> actors -> {storage, pipeline, output} -> {model, pca} -> rows -> coordinator -> proto`.

pub mod actors;
pub mod cli;
pub mod demo;
mod env;
pub mod fitted_file;
pub mod local;
pub mod memory;
pub mod model;
pub mod output;
pub mod pca;
pub mod pipeline;
pub mod rows;
pub mod storage;
pub mod tasks;
pub mod verified;
pub mod verify;
