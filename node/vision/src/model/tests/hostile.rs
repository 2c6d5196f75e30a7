//! Files of weights that nobody should trust: each is refused with an error that names the thing.

use crate::model::error::{ModelError, WeightsError};
use crate::model::extractor::{Extractor, Options, embedded};
use crate::model::header::HEADER_BYTES_MAX;
use crate::model::kernels::{Kernel, UnavailableKernel};
use crate::model::metadata::SIDE_MAX;
use crate::model::naming::Family;
use crate::model::pooling::Pooling;
use crate::model::tests::synthetic::{File, assemble};

/// A tensor in the middle of the network.
const CONV: &str = "features.5.conv.1.0.weight";
const NORM: &str = "features.5.conv.1.1";

/// What is done to a file's entries (each `"name":{...}`) and data.
type Damage = fn(&mut Vec<String>, &mut Vec<u8>);

fn refusal(bytes: &[u8]) -> WeightsError {
    Extractor::load(bytes, &Options::default()).unwrap_err()
}

fn file() -> File {
    File::of(Family::TorchvisionMobilenetV2, 35)
}

#[test]
fn files_too_short_or_with_a_lying_length_are_refused() {
    let whole = file().bytes();
    assert_eq!(refusal(&[]), WeightsError::TooShort { len: 0 });
    assert_eq!(refusal(&whole[..7]), WeightsError::TooShort { len: 7 });
    let truncated = WeightsError::HeaderTruncated { declared: 50, available: 1 };
    assert_eq!(refusal(&[50, 0, 0, 0, 0, 0, 0, 0, b'{']), truncated);
    let long = u64::MAX.to_le_bytes();
    let limit = HEADER_BYTES_MAX;
    assert_eq!(refusal(&long), WeightsError::HeaderTooLong { declared: u64::MAX, limit });
    let data_only = whole[whole.len() - 100_000..].to_vec();
    assert!(matches!(refusal(&data_only), WeightsError::HeaderTooLong { .. }));
}

#[test]
fn a_file_cut_anywhere_is_refused_and_names_a_tensor() {
    let whole = file().bytes();
    for kept in [whole.len() - 1, whole.len() / 2, whole.len() / 9] {
        let error = refusal(&whole[..kept]);
        assert!(
            matches!(&error, WeightsError::OutOfRange { name, .. } if !name.is_empty()),
            "{kept}: {error}"
        );
    }
}

#[test]
fn headers_that_are_not_what_they_should_be_are_refused() {
    for (header, hint) in [
        ("", "EOF"),
        ("[]", "a map of tensors"),
        ("{\"a\":1}", "\"a\""),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "\"a\""),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", "\"a\""),
        ("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F16\",\"shape\":[]}}", "\"a\""),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", "\"a\""),
        ("{\"__metadata__\":{\"arch\":7}}", "__metadata__"),
        ("\u{1}", "expected value"),
    ] {
        let error = refusal(&assemble(header, &[0; 4]));
        let detail = error.to_string();
        assert!(matches!(error, WeightsError::Header { .. }), "{header}: {detail}");
        assert!(detail.contains(hint), "{header}: {detail}");
    }
    let nested = "[".repeat(200_000);
    assert!(matches!(refusal(&assemble(&nested, &[])), WeightsError::Header { .. }));
}

#[test]
fn offsets_that_lie_are_refused() {
    let entry = |name: &str, shape: &str, start: u64, end: u64| {
        format!("{name:?}:{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{start},{end}]}}")
    };
    let error = |entries: &[String], data: usize| {
        refusal(&assemble(&format!("{{{}}}", entries.join(",")), &vec![0; data])).to_string()
    };
    let named = |error: String, word: &str| {
        assert!(error.contains("\"a\"") && error.contains(word), "{error}");
    };
    named(error(&[entry("a", "[2]", 0, 8)], 7), "truncated");
    named(error(&[entry("a", "[2]", 8, 0)], 8), "8..0");
    named(error(&[entry("a", "[1]", u64::MAX - 4, u64::MAX)], 8), "truncated");
    named(error(&[entry("a", "[3]", 0, 8)], 8), "cannot have 8 bytes");
    let huge = format!("[{0},{0},{0}]", u64::MAX);
    named(error(&[entry("a", &huge, 0, 8)], 8), "cannot have 8 bytes");
    named(error(&[entry("b", "[2]", 0, 8), entry("a", "[2]", 4, 12)], 12), "overlaps tensor \"b\"");
    named(error(&[entry("b", "[1]", 0, 4), entry("a", "[1]", 8, 12)], 12), "4 bytes");
    named(error(&[entry("a", "[2]", 0, 8)], 10), "2 bytes");
    named(error(&[entry("a", "[1]", 0, 4), entry("a", "[1]", 4, 8)], 8), "twice");
}

#[test]
fn damage_to_entries_is_refused() {
    let cases: [(Damage, &str); 3] = [
        (|entries, _| entries.push(entries[0].clone()), "declared twice"),
        (|_, data| data.push(0), "1 bytes"),
        (|_, data| data.truncate(9), "truncated"),
    ];
    for (damage, word) in cases {
        let (mut entries, mut data) = file().parts();
        damage(&mut entries, &mut data);
        let error = refusal(&assemble(&format!("{{{}}}", entries.join(",")), &data)).to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_missing_tensor_is_named() {
    for family in Family::ALL {
        let whole = File::of(family, 35);
        for name in whole.tensors.keys().filter(|name| !name.starts_with("classifier")) {
            let mut file = whole.clone();
            file.tensors.remove(name);
            let error = refusal(&file.bytes());
            let blames = match &error {
                // Without its first tensor a family is not recognised, and without the middle of
                // a stage timm's next block has no place.
                WeightsError::Unrecognised { .. } => {
                    name.contains("stem") || name == "features.0.0.weight"
                }
                WeightsError::Unexpected { name: found, .. } => found.starts_with("blocks."),
                WeightsError::Missing { name: found, .. } => found == name,
                _ => false,
            };
            assert!(blames, "{name}: {error}");
        }
    }
}

#[test]
fn values_that_are_no_numbers_are_named() {
    for (name, index, value) in [
        (CONV, 17, f32::NAN),
        (CONV, 0, f32::INFINITY),
        ("features.5.conv.1.1.weight", 3, f32::NEG_INFINITY),
        ("features.18.1.running_mean", 1279, f32::NAN),
    ] {
        let mut file = file();
        file.set(name, index, value);
        assert_eq!(
            refusal(&file.bytes()),
            WeightsError::NotFinite { name: name.to_owned(), index }
        );
    }
}

#[test]
fn batch_norms_that_cannot_be_folded_are_named() {
    let mut negative = file();
    negative.set(&format!("{NORM}.running_var"), 2, -0.5);
    let name = format!("{NORM}.running_var");
    assert_eq!(refusal(&negative.bytes()), WeightsError::Variance { name, index: 2 });
    let mut overflowing = file();
    overflowing.set(&format!("{NORM}.weight"), 1, 1e38);
    overflowing.set(&format!("{NORM}.running_var"), 1, 0.0);
    let error = refusal(&overflowing.bytes());
    assert!(matches!(&error, WeightsError::NotFinite { name, .. } if name == CONV), "{error}");
}

#[test]
fn other_types_and_shapes_are_named() {
    let retyped = |dtype: &str, size: usize| {
        let mut file = file();
        let tensor = file.tensors.get_mut(CONV).unwrap();
        let count: usize = tensor.1.iter().product();
        (tensor.0, tensor.2) = (dtype.to_owned(), vec![0; count * size]);
        refusal(&file.bytes())
    };
    for (dtype, size) in [("F64", 8), ("I64", 8), ("F8_E4M3", 1), ("NEW", 3)] {
        let expected = WeightsError::Dtype { name: CONV.to_owned(), dtype: dtype.to_owned() };
        assert_eq!(retyped(dtype, size), expected);
    }
    for shape in [&[96, 1, 5, 5][..], &[96, 9], &[0, 1, 3, 3], &[]] {
        let mut file = file();
        file.tensors.remove(CONV);
        file.add(CONV, shape);
        let error = refusal(&file.bytes());
        assert!(matches!(&error, WeightsError::Shape { name, .. } if name == CONV), "{error}");
    }
    let mut flat = file();
    flat.tensors.remove("features.0.0.weight");
    flat.add("features.0.0.weight", &[432]);
    assert!(matches!(refusal(&flat.bytes()), WeightsError::Shape { .. }));
}

#[test]
fn photographs_that_do_not_fit_are_refused() {
    let extractor = Extractor::load(embedded(), &Options::default()).unwrap();
    let mut out = vec![0.0; 1280];
    for (height, width) in [(0, 10), (10, 0), (SIDE_MAX + 1, 1), (1, usize::MAX)] {
        let error = extractor.features(&[], height, width, &mut out).unwrap_err();
        assert!(matches!(error, ModelError::Side { .. }), "{error}");
        assert_eq!(extractor.dim(height, width), 0);
    }
    let error = extractor.features(&[0.0; 11], 2, 2, &mut out).unwrap_err();
    assert_eq!(error.to_string(), "the input has 11 values where 12 are expected");
    let error = extractor.features(&[0.0; 12], 2, 2, &mut out[1..]).unwrap_err();
    assert_eq!(error.to_string(), "the output has 1279 values where 1280 are expected");
}

#[test]
fn a_sum_that_overflows_to_no_number_is_refused_and_not_clamped_away() {
    // The stream between blocks has no clamp: two enormous shifts add up to infinity there, and
    // the next layer's weights of both signs make infinity minus infinity.
    let mut file = file();
    for channel in 0..8 {
        for block in [2, 3] {
            file.set(&format!("features.{block}.conv.3.bias"), channel, f32::MAX);
            file.set(&format!("features.{block}.conv.3.running_mean"), channel, 0.0);
        }
    }
    for pooling in [Pooling::Avg, Pooling::Max, Pooling::None] {
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.runs_here()) {
            let options = Options { pooling, kernel: Some(kernel) };
            let extractor = Extractor::load(&file.bytes(), &options).unwrap();
            let mut out = vec![0.0; extractor.dim(32, 32)];
            let error = extractor.features(&[1.0; 32 * 32 * 3], 32, 32, &mut out).unwrap_err();
            assert!(matches!(error, ModelError::NotFinite { .. }), "{kernel} {pooling}: {error}");
        }
    }
}

#[test]
fn an_unknown_kernel_is_refused_by_name() {
    let error = "sse2".parse::<Kernel>().unwrap_err();
    assert_eq!(error, UnavailableKernel::Unknown("sse2".to_owned()));
    assert_eq!(error.to_string(), "unknown kernel \"sse2\": use portable, avx2 or avx512");
    for kernel in Kernel::ALL {
        assert_eq!(kernel.name().parse(), Ok(kernel));
        let options = Options { kernel: Some(kernel), ..Options::default() };
        let loaded = Extractor::load(embedded(), &options);
        assert_eq!(loaded.is_ok(), kernel.runs_here(), "{kernel}");
    }
}
