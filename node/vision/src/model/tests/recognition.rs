//! Families, widths and metadata are recognised; sister networks and contradictions are refused.

use half::{bf16, f16};

use crate::model::error::WeightsError;
use crate::model::extractor::{Extractor, Network, Options, embedded};
use crate::model::mobilenet_v2::Variant;
use crate::model::naming::Family;
use crate::model::profile::{ChannelOrder, Declared, Filter};
use crate::model::table::Padding;
use crate::model::tests::synthetic::{File, photograph};

fn load(file: &File) -> Result<Extractor, WeightsError> {
    Extractor::load(&file.bytes(), &Options::default())
}

fn features(file: &File) -> Vec<f32> {
    let mut out = vec![0.0; 1280];
    load(file).unwrap().features(&photograph(33, 32), 33, 32, &mut out).unwrap();
    out
}

#[test]
fn the_embedded_weights_say_everything_about_themselves() {
    let extractor = Extractor::load(embedded(), &Options::default()).unwrap();
    assert_eq!(extractor.family(), Family::TorchvisionMobilenetV2);
    assert_eq!((extractor.width(), extractor.dim(100, 100)), (Some(1.0), 1280));
    assert_eq!(
        extractor.sha256(),
        "34e2516cf3d82bd6c39708a257e977b0112b40dd0846d90179337de930c25bca"
    );
    let expected = Declared {
        input_size: Some(100),
        channel_order: Some(ChannelOrder::Rgb),
        scale: Some(1.0 / 255.0),
        mean: Some([0.485, 0.456, 0.406]),
        std: Some([0.229, 0.224, 0.225]),
        filter: Some(Filter::Bicubic),
    };
    assert_eq!(extractor.declared(), expected);
}

#[test]
fn a_family_without_metadata_has_a_full_profile() {
    for family in Family::ALL {
        let extractor = load(&File::of(family, 50)).unwrap();
        assert_eq!((extractor.family(), extractor.width()), (family, Some(0.5)));
        assert_eq!(extractor.declared(), Declared::default());
        let profile = family.profile();
        assert!(profile.input_size.is_some() && profile.channel_order.is_some());
        assert!(profile.scale.is_some() && profile.mean.is_some());
        assert!(profile.std.is_some() && profile.filter.is_some());
    }
    assert_eq!(Family::TransformersMobilenetV2.profile().mean, Some([0.5; 3]));
}

#[test]
fn transformers_weights_are_recognised_with_and_without_the_prefix() {
    let with = File::of(Family::TransformersMobilenetV2, 35);
    let mut without = with.clone();
    without.tensors = with
        .tensors
        .iter()
        .filter_map(|(name, tensor)| {
            let name = name.strip_prefix("mobilenet_v2.")?;
            Some((name.to_owned(), tensor.clone()))
        })
        .collect();
    assert_eq!(features(&without), features(&with));
}

#[test]
fn the_deeper_variants_of_timm_are_recognised() {
    // mobilenetv2_120d: stages 1.2 times as wide, 1.4 times as deep, stem and head as they were.
    let variant =
        Variant { stem: 32, head: 1280, blocks: [1, 3, 5, 6, 5, 5, 1], ..Variant::of_width(120) };
    let file = File::of_variant(Family::TimmMobilenetV2, variant);
    let network = Network::read(&file.bytes()).unwrap();
    assert_eq!((network.width, network.table.layers.len()), (Some(120), 1 + 2 + 25 * 3 + 1));
}

#[test]
fn sixteen_bit_floats_are_widened() {
    let mut expected = File::of(Family::TorchvisionMobilenetV2, 35);
    let (mut halves, mut brains) = (expected.clone(), expected.clone());
    let mut expected_brains = expected.clone();
    for (name, (_, _, bytes)) in &mut expected.tensors {
        let values: Vec<f32> = bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        let half: Vec<f16> = values.iter().map(|&v| f16::from_f32(v)).collect();
        let brain: Vec<bf16> = values.iter().map(|&v| bf16::from_f32(v)).collect();
        let store = |file: &mut File, dtype: &str, bytes: Vec<u8>| {
            let tensor = file.tensors.get_mut(name).unwrap();
            (tensor.0, tensor.2) = (dtype.to_owned(), bytes);
        };
        store(&mut halves, "F16", half.iter().flat_map(|v| v.to_le_bytes()).collect());
        store(&mut brains, "BF16", brain.iter().flat_map(|v| v.to_le_bytes()).collect());
        *bytes = half.iter().flat_map(|v| v.to_f32().to_le_bytes()).collect();
        let widened = brain.iter().flat_map(|v| v.to_f32().to_le_bytes()).collect();
        store(&mut expected_brains, "F32", widened);
    }
    assert_eq!(features(&halves), features(&expected));
    assert_eq!(features(&brains), features(&expected_brains));
}

#[test]
fn metadata_override_border_and_epsilon() {
    let plain = File::of(Family::TransformersMobilenetV2, 35);
    let with = |key: &str, value: &str| {
        let mut file = plain.clone();
        file.metadata.insert(key.to_owned(), value.to_owned());
        file
    };
    let read = |file: &File| Network::read(&file.bytes()).unwrap();
    let habit = read(&plain);
    let symmetric = read(&with("padding", "symmetric"));
    assert_eq!(habit.table.layers[0].padding, Padding::Same);
    assert_eq!(symmetric.table.layers[0].padding, Padding::Symmetric);
    assert_eq!(habit.weights, read(&with("bn_eps", "0.001")).weights);
    assert_ne!(habit.weights, read(&with("bn_eps", "1e-5")).weights);
}

#[test]
fn metadata_that_cannot_be_right_are_refused() {
    for (key, value) in [
        ("arch", "resnet50"),
        ("width", "1.0"),
        ("width", "wide"),
        ("input_size", "0"),
        ("input_size", "99999"),
        ("input_size", "[3,224,224]"),
        ("channel_order", "grb"),
        ("scale", "0"),
        ("scale", "nan"),
        ("mean", "[1, 2]"),
        ("mean", "[0.5, 0.5, null]"),
        ("std", "[0.2, 0.0, 0.2]"),
        ("std", "0.5"),
        ("resize", "lanczos"),
        ("bn_eps", "-1e-5"),
        ("bn_eps", "inf"),
        ("padding", "valid"),
    ] {
        let mut file = File::of(Family::TorchvisionMobilenetV2, 35);
        file.metadata.insert(key.to_owned(), value.to_owned());
        match load(&file) {
            Err(WeightsError::Metadata { key: found, value: quoted, .. }) => {
                assert_eq!((found, quoted.as_str()), (key, value));
            }
            other => panic!("{key} = {value}: {:?}", other.err()),
        }
    }
    let mut long = File::of(Family::TorchvisionMobilenetV2, 35);
    long.metadata.insert("padding".to_owned(), "é".repeat(5000));
    assert!(load(&long).unwrap_err().to_string().len() < 300);
}

#[test]
fn sister_networks_with_the_same_names_are_refused() {
    // An EfficientNet of timm has squeeze-and-excite layers between those of MobileNetV2.
    let mut sister = File::of(Family::TimmMobilenetV2, 35);
    let name = "blocks.1.0.se.conv_reduce.weight";
    sister.add(name, &[4, 48, 1, 1]);
    let expected = WeightsError::Unexpected { name: name.to_owned(), family: "timm/mobilenetv2" };
    assert_eq!(load(&sister).unwrap_err(), expected);
    let mut other = File::default();
    other.add("conv1.weight", &[64, 3, 7, 7]);
    let expected = WeightsError::Unrecognised { example: "conv1.weight".to_owned() };
    assert_eq!(load(&other).unwrap_err(), expected);
    let empty = File::default();
    assert!(matches!(load(&empty).unwrap_err(), WeightsError::Unrecognised { .. }));
}

#[test]
fn counters_of_batches_do_not_disturb() {
    let mut file = File::of(Family::TorchvisionMobilenetV2, 35);
    let expected = features(&file);
    let counter = ("I64".to_owned(), vec![], vec![0; 8]);
    file.tensors.insert("features.0.1.num_batches_tracked".to_owned(), counter);
    assert_eq!(features(&file), expected);
}
