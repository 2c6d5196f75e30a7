//! The `fruitnode` binary.
fn main() {}
