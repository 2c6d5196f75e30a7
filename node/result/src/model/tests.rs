//! The model's files read back, and their digests.

use std::io::Cursor;
use std::io::Read;

use super::*;
use crate::digest::sha256;

pub(crate) fn facts() -> ModelFacts {
    ModelFacts {
        schema_version: SCHEMA_VERSION,
        dim: 4,
        rows: 9,
        k: 2,
        rank: 3,
        target: Target::Share(0.9),
        standardize: Standardize::MeanStd,
        convention: "spark".to_owned(),
        centred: true,
        eigenvalue_ddof: 1,
        scale_ddof: 1,
        fit_class: "x86_64/avx2/faer-0.24.4/seq".to_owned(),
        weights: Weights {
            family: "mobilenet_v2".to_owned(),
            width: "1.0".to_owned(),
            sha256: "ab".repeat(32),
            dim: 4,
        },
        preprocessing: vec![Setting {
            name: "filter".to_owned(),
            value: "bicubic".to_owned(),
            origin: "default".to_owned(),
        }],
        pooling: "avg".to_owned(),
        compute_class: "cpu-test".to_owned(),
    }
}

pub(crate) fn arrays() -> ModelArrays {
    ModelArrays {
        mean: vec![1.0, -2.0, 0.1, 1e-300],
        scale: vec![1.0, 0.5, 3.0, 1.0],
        components: vec![0.6, 0.8, 0.0, 0.0, -0.8, 0.6, 0.0, 0.0],
        eigenvalues: vec![2.0, 1.0, 0.5, 0.0],
        ratios: vec![2.0 / 3.5, 1.0 / 3.5, 0.5 / 3.5, 0.0],
    }
}

#[test]
fn safetensors_come_back_as_they_went_and_lie_aligned() {
    let (facts, arrays) = (facts(), arrays());
    let bytes = model_safetensors(&arrays.view(&facts).unwrap()).unwrap();
    assert_eq!(read_model_safetensors(&bytes), Ok(arrays));
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!((8 + header) % 8, 0);
}

#[test]
fn the_crate_of_the_format_reads_the_metadata() {
    let facts = facts();
    let bytes = model_safetensors(&arrays().view(&facts).unwrap()).unwrap();
    let (_, header) = ::safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().as_ref().unwrap();
    assert_eq!(metadata["target"], "0.9");
    assert_eq!(metadata["standardize"], "mean-std");
    assert_eq!(metadata["centred"], "true");
}

#[test]
fn the_npz_holds_what_scikit_learn_needs() {
    let facts = facts();
    let bytes = model_npz(&arrays().view(&facts).unwrap()).unwrap();
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    assert_eq!(zip.len(), 9);
    let mut read = |name: &str| {
        let mut entry = zip.by_name(name).unwrap();
        let when = entry.last_modified().unwrap();
        assert_eq!((when.year(), when.month(), when.day()), (1980, 1, 1));
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!(header % 64, 0);
        let words = String::from_utf8(bytes[10..header].to_vec()).unwrap();
        let values = bytes[header..].chunks(8).map(|b| b.try_into().unwrap());
        (words, values.map(f64::from_le_bytes).collect::<Vec<_>>())
    };
    let (words, values) = read("components.npy");
    assert!(words.starts_with("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 4), }"));
    assert_eq!(values, arrays().components);
    // sqrt(eigenvalue * (9 - 1)), and the mean of 0.5 and 0 that were left out.
    assert_eq!(read("singular_values.npy").1, [4.0, 8.0f64.sqrt()]);
    assert_eq!(read("noise_variance.npy").1, [0.25]);
    assert_eq!(read("center.npy").1, arrays().mean);
}

#[test]
fn what_is_not_subtracted_is_zero_in_the_npz() {
    let facts = ModelFacts { centred: false, ..facts() };
    let (arrays, expected) = (arrays(), [0.0; 4]);
    assert_eq!(arrays.view(&facts).unwrap().center(), expected);
}

#[test]
fn the_noise_counts_no_more_components_than_there_are_rows() {
    let facts = ModelFacts { rows: 3, ..facts() };
    assert_eq!(arrays().view(&facts).unwrap().noise_variance(), 0.5);
}

#[test]
fn facts_come_back_as_they_went() {
    for target in [Target::Share(0.1 + 0.2), Target::Components(50)] {
        let facts = ModelFacts { target, ..facts() };
        let bytes = model_json(&arrays().view(&facts).unwrap()).unwrap();
        assert_eq!(read_model_json(&bytes), Ok(facts));
    }
}

#[test]
fn a_target_is_a_count_or_a_share() {
    assert_eq!("50".parse(), Ok(Target::Components(50)));
    assert_eq!("0.95".parse(), Ok(Target::Share(0.95)));
    for wrong in ["0", "1.0", "-1", "0.0", "1.5", "NaN", "", "many"] {
        let error = wrong.parse::<Target>().unwrap_err();
        assert!(error.contains("neither a number of components"), "{error}");
    }
}

#[test]
fn arrays_that_do_not_fit_each_other_are_refused() {
    let facts = facts();
    let mut short = arrays();
    short.components.pop();
    assert_eq!(
        short.view(&facts).unwrap_err().to_string(),
        "not a valid model: the components of the model has 7 values instead of 8"
    );
    let mut broken = arrays();
    broken.mean[2] = f64::NAN;
    assert!(broken.view(&facts).is_err());
    let above_rank = ModelFacts { rank: 1, ..facts };
    assert!(arrays().view(&above_rank).is_err());
}

#[test]
fn shares_are_summed_without_losing_a_digit() {
    let mut facts = facts();
    facts.dim = 1_001;
    facts.rank = 1_001;
    let mut arrays = arrays();
    arrays.ratios = vec![5e-17; 1_001];
    arrays.ratios[0] = 1.0 - 5e-14;
    arrays.eigenvalues = arrays.ratios.clone();
    arrays.mean = vec![0.0; 1_001];
    arrays.scale = vec![1.0; 1_001];
    arrays.components = vec![0.0; 2_002];
    let view = arrays.view(&facts).unwrap();
    assert!((view.cumulative()[1_000] - 1.0).abs() <= f64::EPSILON);
    // A plain sum loses every one of the small shares.
    assert!(view.ratios.iter().sum::<f64>() < 1.0 - 4e-14);
}

#[test]
fn damaged_models_are_refused_and_never_panic() {
    let facts = facts();
    let bytes = model_safetensors(&arrays().view(&facts).unwrap()).unwrap();
    for length in 0..bytes.len() {
        assert!(read_model_safetensors(&bytes[..length]).is_err());
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x11;
        if let Ok(arrays) = read_model_safetensors(&damaged) {
            let _: Result<_, _> = arrays.view(&facts).map(|view| view.share());
        }
    }
}

/// A digest that changes here means that published bytes change: say so in the release notes.
#[test]
fn the_bytes_are_those_of_the_last_release() {
    let (facts, arrays) = (facts(), arrays());
    let view = arrays.view(&facts).unwrap();
    let of = [
        model_safetensors(&view).unwrap(),
        model_npz(&view).unwrap(),
        model_json(&view).unwrap(),
        model_readme(&view).unwrap(),
    ];
    assert_eq!(
        of.map(|bytes| sha256(&bytes).hex()[..16].to_owned()),
        ["378b657745ea40c6", "11a13d725720650d", "c675ad55dce27a84", "0ed500ebe0b82376"]
    );
}
