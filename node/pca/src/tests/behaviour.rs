//! What is refused, capped, warned of, and where the bits come from.

use super::{everything, generator, options, reduced};
use crate::moments::Moments;
use crate::{Convention, FitError, FitOptions, Standardize, Target, Warning, fit};

fn default(target: Target) -> FitOptions {
    options(Standardize::Mean, target)
}

#[test]
fn fewer_than_two_photographs_are_refused() {
    let any = default(Target::Components(2));
    assert_eq!(fit(&Moments::empty(3), &any), Err(FitError::NoRows));
    assert_eq!(fit(&Moments::empty(0), &any), Err(FitError::NoColumns));
    let one = Moments::of_rows(&[1.0, 2.0, 3.0], 3);
    assert_eq!(fit(&one, &any), Err(FitError::OneRow));
}

#[test]
fn photographs_that_are_all_the_same_have_nothing_to_explain() {
    let same = reduced(&[0.1, -7.5, 1e30].repeat(50), 3, 7);
    for standardize in [Standardize::None, Standardize::Mean, Standardize::MeanStd] {
        let error = fit(&same, &everything(standardize)).expect_err("no variance");
        assert_eq!(error, FitError::AllConstant { dim: 3, rows: 50 });
    }
}

#[test]
fn a_value_that_is_not_finite_is_found_and_its_column_named() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for row in [0, 9] {
            let mut values = generator(10, 5);
            values[row * 5 + 3] = bad;
            let moments = reduced(&values, 5, 4);
            let error = fit(&moments, &everything(Standardize::Mean)).expect_err("not finite");
            assert_eq!(error, FitError::NotFinite { column: 3 });
        }
    }
}

#[test]
fn targets_that_mean_nothing_are_refused() {
    let moments = Moments::of_rows(&generator(10, 5), 5);
    let refused = |target| fit(&moments, &default(target)).expect_err("refused");
    assert_eq!(refused(Target::Components(0)), FitError::NoComponents);
    for share in [0.0, 1.0, -0.5, 95.0, f64::INFINITY] {
        assert_eq!(refused(Target::Share(share)), FitError::InvalidShare { share });
    }
    assert!(matches!(refused(Target::Share(f64::NAN)), FitError::InvalidShare { .. }));
}

#[test]
fn more_components_than_the_rank_are_refused_or_capped_with_a_warning() {
    let moments = Moments::of_rows(&generator(6, 40), 40);
    let refused = fit(&moments, &default(Target::Components(50))).expect_err("there are 5");
    assert_eq!(refused, FitError::BeyondRank { asked: 50, rank: 5, rows: 6 });
    assert!(refused.to_string().contains("at-most:50"), "{refused}");
    assert_eq!(fit(&moments, &default(Target::Components(5))).expect("a fit").k, 5);
    let fitted = fit(&moments, &default(Target::AtMost(50))).expect("a fit");
    assert_eq!((fitted.rank, fitted.k), (5, 5));
    assert_eq!(fitted.components.len(), 5 * 40);
    assert_eq!(fitted.spectrum.len(), 40);
    let asked_too_much = Warning::BeyondRank { asked: 50, rank: 5 };
    let few_rows = Warning::FewRows { rows: 6, dim: 40 };
    assert_eq!(fitted.warnings, [asked_too_much, few_rows]);
}

#[test]
fn a_share_that_only_rounding_could_fill_is_refused_with_what_is_reachable() {
    // A hundred columns with a 6e-14th of the first one's variance each: not told from 0.
    let dim = 101;
    let mut values = generator(400, dim);
    for row in values.chunks_exact_mut(dim) {
        row.iter_mut().for_each(|value| *value -= value.floor());
        row[1..].iter_mut().for_each(|value| *value *= 2.5e-7);
    }
    let moments = reduced(&values, dim, 128);
    let modest = fit(&moments, &default(Target::Share(0.999))).expect("one is enough");
    assert_eq!((modest.rank, modest.k), (1, 1));
    let share = 1.0 - 1e-12;
    let error = fit(&moments, &default(Target::Share(share))).expect_err("out of reach");
    let FitError::ShareUnreachable { reachable, rank, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(rank, 1);
    assert!(reachable < share && reachable > 1.0 - 1e-10, "{reachable}");
    assert_eq!(reachable, modest.cumulative_ratios()[0]);
}

#[test]
fn constant_columns_take_no_part_and_load_exactly_zero() {
    let dim = 12;
    let mut values = generator(30, dim);
    for row in values.chunks_exact_mut(dim) {
        row[0] = 0.1;
        row[7] = -3e20;
    }
    for standardize in [Standardize::Mean, Standardize::MeanStd] {
        let fitted = fit(&reduced(&values, dim, 8), &everything(standardize)).expect("a fit");
        assert_eq!(fitted.constant, [0, 7]);
        assert_eq!((fitted.scale[0], fitted.scale[7]), (1.0, 1.0));
        assert_eq!((fitted.mean[0], fitted.mean[7]), (f64::from(0.1f32), f64::from(-3e20f32)));
        assert_eq!(fitted.rank, 10);
        assert_eq!(fitted.spectrum[10..], [0.0, 0.0]);
        for c in 0..fitted.k {
            let component = fitted.component(c);
            assert_eq!((component[0].to_bits(), component[7].to_bits()), (0, 0));
        }
        assert!(fitted.warnings.contains(&Warning::ConstantColumns { count: 2, dim }));
    }
}

#[test]
fn the_largest_loading_is_positive_and_of_equal_ones_the_first_decides() {
    let fitted = fit(&reduced(&generator(200, 30), 30, 50), &everything(Standardize::MeanStd))
        .expect("a fit");
    for c in 0..fitted.k {
        let component = fitted.component(c);
        let largest = component.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
        let lead = component.iter().find(|v| v.abs() >= largest * (1.0 - 1e-6));
        assert!(lead.is_some_and(|&lead| lead > 0.0), "component {c}");
    }
    // Two columns that mirror each other: both loadings are as large, with opposite signs.
    let mirrored: Vec<f32> = (0..9u8).flat_map(|r| [f32::from(r), -f32::from(r)]).collect();
    let fitted = fit(&Moments::of_rows(&mirrored, 2), &everything(Standardize::Mean));
    let component = fitted.expect("a fit").components;
    assert!(component[0] > 0.0 && component[1] < 0.0, "{component:?}");
}

#[test]
fn equal_variances_are_named() {
    let axes = [1.0f32, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let values: Vec<f32> = axes.iter().chain(&axes.map(|v| -v)).copied().collect();
    let fitted = fit(&Moments::of_rows(&values, 3), &default(Target::Components(2)));
    let warnings = fitted.expect("a fit").warnings;
    assert_eq!(warnings, [Warning::EqualVariances { first: 1, last: 3 }]);
}

#[test]
fn one_column_is_its_own_component() {
    let fitted =
        fit(&Moments::of_rows(&[1.0, 2.0, 6.0], 1), &everything(Standardize::Mean)).expect("a fit");
    assert_eq!((fitted.k, fitted.components[0], fitted.spectrum[0]), (1, 1.0, 7.0));
    assert_eq!(fitted.ratios, [1.0]);
}

#[test]
fn the_conventions_differ_in_divisor_and_centring_alone() {
    let moments = reduced(&generator(50, 9), 9, 16);
    let with = |like, standardize| {
        let target = Target::Components(4);
        let options = FitOptions { standardize, target, like };
        fit(&moments, &options).expect("a fit")
    };
    assert!(!with(Convention::Spark, Standardize::None).centred);
    assert!(with(Convention::Spark, Standardize::Mean).centred);
    assert!(with(Convention::Default, Standardize::None).centred);
    assert!(with(Convention::Sklearn, Standardize::None).centred);
    let spark = with(Convention::Spark, Standardize::MeanStd);
    let sklearn = with(Convention::Sklearn, Standardize::MeanStd);
    for (unbiased, biased) in spark.scale.iter().zip(&sklearn.scale) {
        assert!((unbiased / biased - libm::sqrt(50.0 / 49.0)).abs() < 1e-15);
    }
    for (a, b) in spark.components.iter().zip(&sklearn.components) {
        assert!((a - b).abs() < 1e-12);
    }
}

#[test]
fn the_same_moments_give_the_same_bits() {
    let moments = reduced(&generator(300, 140), 140, 64);
    let bits = || {
        let fitted = fit(&moments, &everything(Standardize::MeanStd)).expect("a fit");
        let numbers = fitted.components.into_iter().chain(fitted.spectrum);
        numbers.map(f64::to_bits).collect::<Vec<_>>()
    };
    let first = bits();
    for shift in 1..4 {
        // Other allocations between, so that addresses differ.
        let hold: Vec<u8> = vec![1; shift * 1000 + shift];
        assert!(bits() == first, "after {} bytes", hold.len());
    }
}
