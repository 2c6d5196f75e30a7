//! The name of what decides the bits of a fit beside its moments.
//!
//! `faer` picks its instructions at run time in two places: vector loops through `pulp`, products
//! of matrices by a check of their own. Both are named. With AVX2 and FMA or more, the order of
//! its sums depends on nothing else (blocks of 512 along a sum, whatever the caches). Without,
//! that block may grow with the first-level cache, which the name does not tell.

/// The solver's version, which `Cargo.toml` pins.
const SOLVER: &str = "faer-0.24.4";

/// The class of this machine: two fits of the same moments in one class have the same bits.
///
/// For instance `x86_64+avx512+faer-0.24.4+seq`.
pub fn fit_class() -> String {
    format!("{}+{}+{SOLVER}+seq", std::env::consts::ARCH, instructions())
}

#[cfg(target_arch = "x86_64")]
fn instructions() -> &'static str {
    let wide_products = std::is_x86_feature_detected!("avx512f");
    match pulp::Arch::new() {
        pulp::Arch::V4(_) => "avx512",
        pulp::Arch::V3(_) if wide_products => "avx2-avx512f",
        pulp::Arch::V3(_) => "avx2",
        _ if std::is_x86_feature_detected!("avx2") => "portable-avx2",
        _ => "portable",
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn instructions() -> &'static str {
    match pulp::Arch::new() {
        pulp::Arch::Scalar => "portable",
        _ => "simd",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solver_named_in_the_class_is_the_one_that_is_pinned() {
        let manifest = include_str!("../../../Cargo.toml");
        let version = SOLVER.strip_prefix("faer-").expect("named after the crate");
        assert!(manifest.contains(&format!("faer = {{ version = \"={version}\"")));
        assert!(fit_class().ends_with("+seq"));
    }
}
