//! Scores: whose they agree with, and that they are the same bits everywhere.

use serde::Deserialize;

use super::{everything, generator, options, reduced};
use crate::moments::Moments;
use crate::moments::kernel::Kernel;
use crate::project::project_with;
use crate::{Convention, FitOptions, Fitted, ProjectError, Standardize, Target, fit, project};

#[derive(Deserialize)]
struct Recorded {
    dim: usize,
    k: usize,
    values: Vec<f64>,
    fits: Vec<RecordedFit>,
}

#[derive(Deserialize)]
struct RecordedFit {
    like: Convention,
    standardize: Standardize,
    scores: Vec<f64>,
    variances: Option<Vec<f64>>,
}

fn sample(rows: usize, dim: usize, k: usize) -> (Vec<f32>, Fitted) {
    let values = generator(rows, dim);
    let moments = reduced(&values, dim, 32);
    let fitted = fit(&moments, &options(Standardize::MeanStd, Target::Components(k)));
    (values, fitted.expect("a fit"))
}

fn scores(kernel: Kernel, fitted: &Fitted, values: &[f32]) -> Vec<u32> {
    let mut out = Vec::new();
    project_with(kernel, fitted, values, &mut out).expect("whole rows");
    out.into_iter().map(f32::to_bits).collect()
}

#[test]
fn scores_are_those_of_the_convention_asked_for() {
    let text = include_str!("../../../../tests/data/pca/conventions.json");
    let recorded: Recorded = serde_json::from_str(text).expect("the recorded scores");
    let values: Vec<f32> = recorded.values.iter().map(|&v| v as f32).collect();
    let moments = Moments::of_rows(&values, recorded.dim);
    assert_eq!(recorded.fits.len(), 9);
    for expected in &recorded.fits {
        let fitted = fit(
            &moments,
            &FitOptions {
                standardize: expected.standardize,
                target: Target::Components(recorded.k),
                like: expected.like,
            },
        )
        .expect("a fit");
        let mut out = Vec::new();
        project(&fitted, &values, &mut out).expect("whole rows");
        assert_eq!(out.len(), expected.scores.len());
        let largest = expected.scores.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
        for (found, expected) in out.iter().zip(&expected.scores) {
            let error = (f64::from(*found) - expected).abs();
            assert!(error <= 1e-7 * largest, "{fitted:?}: {found} for {expected}");
        }
        for (found, expected) in fitted.spectrum.iter().zip(expected.variances.iter().flatten()) {
            assert!((found / expected - 1.0).abs() < 1e-12, "{found} for {expected}");
        }
    }
}

#[test]
fn every_kernel_gives_the_same_bits() {
    for (rows, dim, k) in [(1, 7, 3), (65, 33, 24), (130, 50, 31), (40, 29, 25)] {
        let (values, fitted) = sample(rows.max(40), dim, k);
        let values = &values[..rows * dim];
        let portable = scores(Kernel::portable(), &fitted, values);
        assert_eq!(portable.len(), rows * fitted.k);
        for kernel in Kernel::available() {
            assert_eq!(scores(kernel, &fitted, values), portable, "{dim}: {kernel:?}");
        }
    }
}

#[test]
fn a_row_has_the_same_scores_whatever_stands_beside_it() {
    let (values, fitted) = sample(150, 20, 9);
    let whole = scores(Kernel::detect(), &fitted, &values);
    for rows in [1, 3, 8, 64, 149] {
        let apart: Vec<u32> = values
            .chunks(rows * 20)
            .flat_map(|part| scores(Kernel::detect(), &fitted, part))
            .collect();
        assert_eq!(apart, whole, "{rows} at a time");
    }
}

#[test]
fn a_score_is_the_sum_that_its_definition_says() {
    let (values, fitted) = sample(40, 11, 11);
    let found = scores(Kernel::detect(), &fitted, &values);
    for (r, row) in values.chunks_exact(11).enumerate() {
        for c in 0..fitted.k {
            let mut sum = 0.0f64;
            for (column, &value) in row.iter().enumerate() {
                let scaled = (f64::from(value) - fitted.mean[column]) / fitted.scale[column];
                sum = scaled.mul_add(fitted.component(c)[column], sum);
            }
            assert_eq!(found[r * fitted.k + c], (sum as f32).to_bits());
        }
    }
}

#[test]
fn centred_scores_have_the_variances_of_the_spectrum() {
    let (values, fitted) = sample(500, 16, 16);
    let mut out = Vec::new();
    project(&fitted, &values, &mut out).expect("whole rows");
    let moments = Moments::of_rows(&out, fitted.k);
    for c in 0..fitted.k {
        let variance = moments.covariance(c, c, 1).expect("many rows");
        assert!((variance / fitted.spectrum[c] - 1.0).abs() < 1e-5);
        assert!(moments.mean()[c].abs() < 1e-5);
    }
}

#[test]
fn features_of_another_width_are_refused_and_no_rows_give_no_scores() {
    let (values, fitted) = sample(40, 11, 4);
    let mut out = vec![1.0];
    let refused = project(&fitted, &values[..21], &mut out);
    let (values, dim) = (21, 11);
    assert_eq!(refused, Err(ProjectError::NotWholeRows { values, dim }));
    assert_eq!(project(&fitted, &[], &mut out), Ok(()));
    assert!(out.is_empty());
}

#[test]
fn a_constant_column_adds_nothing_to_a_score() {
    let mut values = generator(30, 6);
    values.iter_mut().skip(2).step_by(6).for_each(|v| *v = 1e30);
    let fitted = fit(&Moments::of_rows(&values, 6), &everything(Standardize::Mean)).expect("a fit");
    let mut out = Vec::new();
    project(&fitted, &values, &mut out).expect("whole rows");
    assert!(out.iter().all(|score| score.abs() < 1e4));
}
