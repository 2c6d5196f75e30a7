//! Precedence of the sources, refusals, and the tensors against torch's and numpy's f32.

use super::{Flags, Origin, Preprocess, PreprocessError, PreprocessWorkspace, Profile, Size};
use crate::decode::Rgb;
use crate::model::profile::{ChannelOrder, Declared, Filter};

fn family() -> Declared {
    Declared {
        input_size: Some(224),
        filter: Some(Filter::Bilinear),
        ..Profile::Torchvision.declared()
    }
}

/// All 256 values in each channel, in a 16x16 square: red rises, green falls, blue jumps.
fn every_value() -> Rgb {
    let pixels = (0..=255u8).flat_map(|v| [v, 255 - v, v.wrapping_mul(7)]).collect();
    Rgb { width: 16, height: 16, pixels }
}

fn tensor(preprocess: &Preprocess, rgb: &Rgb) -> Vec<f32> {
    let mut out = vec![9.0; 5];
    preprocess.apply(rgb, &mut PreprocessWorkspace::default(), &mut out);
    out
}

#[test]
fn flags_come_before_weights_and_weights_before_the_family() {
    let weights = Declared { input_size: Some(96), mean: Some([0.5; 3]), ..Declared::default() };
    let settled = Preprocess::settle(&Flags::default(), &weights, &family()).unwrap();
    assert_eq!((settled.size, settled.origins.size), (Size::square(96), Origin::Weights));
    assert_eq!((settled.mean, settled.origins.mean), ([0.5; 3], Origin::Weights));
    assert_eq!((settled.std[0], settled.origins.std), (0.229, Origin::Family));
    let flags = Flags {
        size: Some("320x240".parse().unwrap()),
        filter: Some(Filter::Bicubic),
        profile: Some(Profile::Caffe),
    };
    let settled = Preprocess::settle(&flags, &weights, &family()).unwrap();
    assert_eq!(settled.size, Size { width: 320, height: 240 });
    assert_eq!((settled.filter, settled.channel_order), (Filter::Bicubic, ChannelOrder::Bgr));
    assert!(settled.describe().iter().all(|(_, _, origin)| *origin == Origin::Flag));
    assert_eq!(settled.describe()[0], ("size", "320x240".to_owned(), Origin::Flag));
    assert_eq!(settled.describe()[4].1, "103.939, 116.779, 123.68");
}

#[test]
fn a_field_that_nobody_says_is_named_with_its_flag() {
    let silent = Declared { scale: None, ..family() };
    let error = Preprocess::settle(&Flags::default(), &Declared::default(), &silent).unwrap_err();
    assert_eq!(error, PreprocessError::Undefined { field: "scale", flag: "--preprocess" });
    let silent = Declared { input_size: None, ..family() };
    let error = Preprocess::settle(&Flags::default(), &Declared::default(), &silent).unwrap_err();
    assert!(error.to_string().contains("use --size"), "{error}");
}

#[test]
fn values_that_cannot_be_computed_with_are_refused() {
    for weights in [
        Declared { std: Some([0.2, 0.0, 0.2]), ..Declared::default() },
        Declared { std: Some([0.2, -1.0, 0.2]), ..Declared::default() },
        Declared { mean: Some([0.2, f64::NAN, 0.2]), ..Declared::default() },
        Declared { scale: Some(0.0), ..Declared::default() },
        Declared { input_size: Some(0), ..Declared::default() },
    ] {
        let error = Preprocess::settle(&Flags::default(), &weights, &family()).unwrap_err();
        assert!(
            matches!(error, PreprocessError::Unusable { origin: Origin::Weights, .. }),
            "{error}"
        );
    }
}

#[test]
fn sizes_are_written_as_a_side_or_as_width_and_height() {
    assert_eq!("224".parse::<Size>().unwrap(), Size::square(224));
    assert_eq!("64x48".parse::<Size>().unwrap().to_string(), "64x48");
    for bad in ["", "x", "0", "224x", "-5", "+5", "99999", "2x3x4", "224X224", " 224"] {
        assert_eq!(bad.parse::<Size>(), Err(PreprocessError::BadSize(bad.to_owned())));
    }
    assert!("imagenet".parse::<Profile>().unwrap_err().to_string().contains("torchvision"));
}

#[test]
fn values_are_those_of_f32_arithmetic_in_torch_and_keras() {
    let rgb = every_value();
    let settled = |profile: Profile| {
        let flags = Flags { size: Some(Size::square(16)), profile: Some(profile), filter: None };
        Preprocess::settle(&flags, &Declared::default(), &family()).unwrap()
    };
    let (mean, std) = ([0.485f32, 0.456, 0.406], [0.229f32, 0.224, 0.225]);
    let found = tensor(&settled(Profile::Torchvision), &rgb);
    assert_eq!(found.len(), rgb.pixels.len());
    for (i, (&value, &byte)) in found.iter().zip(&rgb.pixels).enumerate() {
        assert_eq!(value, (f32::from(byte) / 255.0 - mean[i % 3]) / std[i % 3], "at {i}");
    }
    let found = tensor(&settled(Profile::Keras), &rgb);
    for (&value, &byte) in found.iter().zip(&rgb.pixels) {
        assert_eq!(value, f32::from(byte) / 127.5 - 1.0);
    }
    let found = tensor(&settled(Profile::Caffe), &rgb);
    for (values, bytes) in found.chunks_exact(3).zip(rgb.pixels.chunks_exact(3)) {
        assert_eq!(values[0], f32::from(bytes[2]) - 103.939);
        assert_eq!(values[2], f32::from(bytes[0]) - 123.68);
    }
}

#[test]
fn another_size_is_resized_and_a_used_workspace_changes_nothing() {
    let flags = Flags { size: Some("40x24".parse().unwrap()), ..Flags::default() };
    let settled = Preprocess::settle(&flags, &Declared::default(), &family()).unwrap();
    let rgb = every_value();
    let fresh = tensor(&settled, &rgb);
    assert_eq!(fresh.len(), 40 * 24 * 3);
    let mut workspace = PreprocessWorkspace::default();
    let mut out = Vec::new();
    let other = Rgb { width: 1, height: 1, pixels: vec![1, 2, 3] };
    settled.apply(&other, &mut workspace, &mut out);
    settled.apply(&rgb, &mut workspace, &mut out);
    assert_eq!(out, fresh);
}
