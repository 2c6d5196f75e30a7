//! Against what `tests/reference/pca.py` recorded.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{everything, generator, options, reduced};
use crate::{FitOptions, Fitted, Standardize, Target, certificate, fit};

#[derive(Deserialize)]
struct Case {
    rows: usize,
    dim: usize,
    values: Vec<f64>,
    mean: Vec<f64>,
    constant: Vec<usize>,
    scale: Vec<f64>,
    covariance: Spectrum,
    correlation: Spectrum,
}

#[derive(Deserialize)]
struct Spectrum {
    eigenvalues: Vec<f64>,
    ratios: Vec<f64>,
    shares: BTreeMap<String, usize>,
    components: Vec<Option<Vec<f64>>>,
}

#[derive(Deserialize)]
struct Large {
    rows: usize,
    dim: usize,
    mean: Vec<f64>,
    covariance: Ratios,
    correlation: Ratios,
}

#[derive(Deserialize)]
struct Ratios {
    ratios: Vec<f64>,
}

impl Case {
    /// What f64 can lose relatively: moments carry means rounded to their own size, and a merge
    /// sees the difference of two.
    fn rounding(&self) -> f64 {
        let apart = (0..self.dim)
            .filter(|column| !self.constant.contains(column))
            .map(|column| self.mean[column].abs() / self.scale[column])
            .fold(1.0, f64::max);
        1e-14 + f64::EPSILON * apart
    }
}

fn cases() -> BTreeMap<String, Case> {
    let text = include_str!("../../../../tests/data/pca/small.json");
    serde_json::from_str(text).expect("the recorded cases")
}

fn f32s(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

/// Fits each case in both ways, from moments merged in different shapes.
fn for_each_fit(mut check: impl FnMut(&str, &Case, &Spectrum, &Fitted)) {
    for (name, case) in &cases() {
        for rows_per_part in [1, 3, case.rows] {
            let moments = reduced(&f32s(&case.values), case.dim, rows_per_part);
            for (standardize, spectrum) in
                [(Standardize::Mean, &case.covariance), (Standardize::MeanStd, &case.correlation)]
            {
                let fitted = fit(&moments, &everything(standardize)).expect(name);
                let proof = certificate(&moments, &fitted).expect(name);
                proof.holds().unwrap_or_else(|violation| {
                    panic!("{name}, parts of {rows_per_part}: {violation} in {proof:?}")
                });
                check(name, case, spectrum, &fitted);
            }
        }
    }
}

fn assert_ratios(name: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        let allowed = if *expected > 1e-8 { 1e-6 * expected } else { 1e-13 };
        assert!(error <= allowed, "{name} {i}: {found} for {expected}");
    }
}

#[test]
fn shares_of_variance_are_those_of_exact_arithmetic() {
    for_each_fit(|name, case, spectrum, fitted| {
        assert_ratios(name, &fitted.ratios, &spectrum.ratios);
        for (found, expected) in fitted.spectrum.iter().zip(&spectrum.eigenvalues) {
            let error = (found - expected).abs() / spectrum.eigenvalues[0];
            assert!(error <= case.rounding(), "{name}: {found} for {expected}");
        }
    });
}

#[test]
fn the_scaler_is_that_of_exact_arithmetic() {
    for_each_fit(|name, case, _, fitted| {
        assert_eq!(fitted.constant, case.constant, "{name}");
        for column in 0..case.dim {
            let (mean, scale) = (case.mean[column], case.scale[column]);
            let error = (fitted.mean[column] - mean).abs();
            assert!(error <= 1e-14 * mean.abs() + 1e-14 * scale, "{name} {column}");
            let expected = match fitted.standardize {
                Standardize::MeanStd => scale,
                Standardize::None | Standardize::Mean => 1.0,
            };
            let error = (fitted.scale[column] - expected).abs();
            assert!(error <= case.rounding() * expected, "{name} {column}");
        }
    });
}

#[test]
fn rank_counts_the_variances_that_f64_can_tell_from_rounding() {
    for_each_fit(|name, _, spectrum, fitted| {
        let largest = spectrum.eigenvalues[0];
        let expected =
            spectrum.eigenvalues.iter().filter(|&&value| value > 2.3e-13 * largest).count();
        assert_eq!(fitted.rank, expected, "{name}");
        assert_eq!(fitted.k, expected, "{name}");
    });
}

#[test]
fn components_point_where_exact_arithmetic_says() {
    let mut compared = 0;
    for_each_fit(|name, case, spectrum, fitted| {
        for c in 0..fitted.k {
            let Some(expected) = &spectrum.components[c] else {
                continue;
            };
            // What f64 knows of a direction falls with its distance to the others.
            let gap = spectrum
                .eigenvalues
                .iter()
                .enumerate()
                .filter(|&(other, _)| other != c)
                .map(|(_, value)| (value - spectrum.eigenvalues[c]).abs())
                .fold(f64::INFINITY, f64::min);
            let allowed = case.rounding() * (1.0 + spectrum.eigenvalues[0] / gap);
            for (found, expected) in fitted.component(c).iter().zip(expected) {
                let error = (found - expected).abs();
                assert!(error <= allowed, "{name} {c}: {error:e} > {allowed:e}");
            }
            compared += 1;
        }
    });
    assert!(compared > 150, "{compared}");
}

#[test]
fn equal_variances_span_what_exact_arithmetic_says() {
    let case = &cases()["equal_eigenvalues"];
    let moments = reduced(&f32s(&case.values), case.dim, case.rows);
    let fitted = fit(&moments, &everything(Standardize::Mean)).expect("a fit");
    // The first axis has twice the deviation; the other three are equal, and span the rest.
    assert_eq!(fitted.component(0), [1.0, 0.0, 0.0, 0.0]);
    for (i, j) in [(1, 1), (2, 2), (3, 3), (1, 2), (1, 3), (2, 3)] {
        let projector: f64 = (1..4).map(|c| fitted.component(c)[i] * fitted.component(c)[j]).sum();
        let expected = if i == j { 1.0 } else { 0.0 };
        assert!((projector - expected).abs() < 1e-14);
    }
}

#[test]
fn a_share_takes_the_fewest_components_that_reach_it() {
    let mut compared = 0;
    for (name, case) in &cases() {
        let moments = reduced(&f32s(&case.values), case.dim, 4);
        for (standardize, spectrum) in
            [(Standardize::Mean, &case.covariance), (Standardize::MeanStd, &case.correlation)]
        {
            for (share, &expected) in &spectrum.shares {
                let share = share.parse().expect("a recorded share");
                let options: FitOptions = options(standardize, Target::Share(share));
                let fitted = fit(&moments, &options).expect(name);
                assert_eq!(fitted.k, expected, "{share} of {name}");
                compared += 1;
            }
        }
    }
    assert!(compared > 150, "{compared}");
}

#[test]
fn two_and_a_half_thousand_rows_have_the_shares_that_numpy_finds() {
    let text = include_str!("../../../../tests/data/pca/large.json");
    let large: Large = serde_json::from_str(text).expect("the recorded case");
    let values = generator(large.rows, large.dim);
    for rows_per_part in [large.rows, 1024, 100] {
        let moments = reduced(&values, large.dim, rows_per_part);
        for (found, expected) in moments.mean().iter().zip(&large.mean) {
            assert!((found - expected).abs() <= 1e-11, "{found} {expected}");
        }
        for (standardize, expected) in
            [(Standardize::Mean, &large.covariance), (Standardize::MeanStd, &large.correlation)]
        {
            let fitted = fit(&moments, &everything(standardize)).expect("a fit");
            assert_ratios("large", &fitted.ratios, &expected.ratios);
        }
    }
}
