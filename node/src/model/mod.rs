//! Feature extractors: tables of layers, their weights, and the kernels that run them.

pub mod profile;
