//! Where photographs come from and results go: one trait, a folder today.
