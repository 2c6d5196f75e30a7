//! The certificate holds for what `fit` makes, and for nothing else.

use super::{everything, generator, options, reduced};
use crate::moments::Moments;
use crate::{CertificateViolation, Fitted, Standardize, Target, certificate, fit};

fn sample() -> (Moments, Fitted) {
    let mut values = generator(120, 20);
    values.iter_mut().skip(4).step_by(20).for_each(|v| *v = 2.5);
    let moments = reduced(&values, 20, 32);
    let fitted = fit(&moments, &options(Standardize::MeanStd, Target::Components(6)));
    (moments, fitted.expect("a fit"))
}

/// The measure that is violated once the fit is spoilt.
fn violated(spoil: impl FnOnce(&mut Fitted)) -> String {
    let (moments, mut fitted) = sample();
    spoil(&mut fitted);
    let proof = certificate(&moments, &fitted).expect("the shapes still fit");
    match proof.holds().expect_err("a spoilt fit") {
        CertificateViolation::Above { measure, .. } => measure.to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_fit_over_more_columns_than_the_solver_takes_at_once_holds() {
    // Beyond 128 columns the solver divides and conquers; 11 rows leave 1,269 variances of 0.
    for (rows, dim) in [(11, 1280), (700, 300), (130, 129)] {
        let moments = reduced(&generator(rows, dim), dim, 64);
        for standardize in [Standardize::Mean, Standardize::MeanStd] {
            let fitted = fit(&moments, &everything(standardize)).expect("a fit");
            assert_eq!(fitted.rank, dim.min(rows - 1));
            let proof = certificate(&moments, &fitted).expect("its own moments");
            assert_eq!(proof.holds(), Ok(()), "{proof:?}");
        }
    }
}

#[test]
fn each_kind_of_spoilt_fit_violates_its_own_measure() {
    let (moments, fitted) = sample();
    let proof = certificate(&moments, &fitted).expect("its own moments");
    assert_eq!(proof.holds(), Ok(()), "{proof:?}");

    assert_eq!(violated(|f| f.components[0] += 1e-6), "orthonormality_max");
    assert_eq!(violated(|f| f.components[0] = f64::NAN), "orthonormality_max");
    let swap = |f: &mut Fitted| f.components.rotate_left(20);
    assert_eq!(violated(swap), "residual_max");
    assert_eq!(violated(|f| f.spectrum[2] *= 1.0 + 1e-6), "residual_max");
    assert_eq!(violated(|f| f.spectrum[12] *= 1.001), "trace_relative");
    let same_trace = |f: &mut Fitted| {
        f.spectrum[12] += 1e-4;
        f.spectrum[13] -= 1e-4;
    };
    assert_eq!(violated(same_trace), "squares_relative");
    assert_eq!(violated(|f| f.mean[3] *= 1.0 + 1e-12), "scaler_relative");
    assert_eq!(violated(|f| f.components[4] = 1e-300), "constant_loading_max");
    assert_eq!(violated(|f| f.ratios[0] += 1e-9), "ratios_sum_error");
    assert_eq!(violated(|f| f.spectrum.swap(12, 14)), "NotDescending");
    assert_eq!(violated(|f| f.rank += 1), "NotDescending");
}

#[test]
fn a_fit_of_other_features_is_foreign() {
    let (moments, mut fitted) = sample();
    let foreign = |fitted: &Fitted| certificate(&moments, fitted).expect_err("foreign").to_string();
    fitted.rows += 1;
    assert!(foreign(&fitted).contains("number of rows is 121, not 120"));
    fitted.rows -= 1;
    fitted.components.pop();
    assert!(foreign(&fitted).contains("size of the components is 119, not 120"));
}
