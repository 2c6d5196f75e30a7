//! The fruitnode node: every side effect of the system lives in this crate.
//!
//! Layers, each using only what stands right of it, checked by `tests/tests/layering.rs`:
//! `cli -> {local, member} -> actors -> tasks -> {fitted_file, verify, story, hub} ->
//! {storage, pipeline, output, mesh, consensus} -> {model, pca} -> rows -> coordinator -> proto`.

pub mod actors;
pub mod cli;
pub mod config;
pub mod consensus;
pub mod demo;
mod env;
pub mod failure;
pub mod fitted_file;
pub mod http;
pub mod hub;
pub mod local;
pub mod member;
pub mod memory;
pub mod mesh;
pub mod model;
pub mod output;
pub mod pca;
pub mod pipeline;
pub mod rows;
#[cfg(test)]
mod skipped;
pub mod storage;
pub mod story;
pub mod tasks;
pub mod verified;
pub mod verify;
pub mod wire;
