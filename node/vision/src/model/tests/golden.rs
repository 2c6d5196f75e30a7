//! The embedded weights beside torch on decoded photographs of Fruits-360.
//!
//! The arrays are made by `make_golden.py` of the shared folder and lie there.

use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};

use crate::model::extractor::{Extractor, Options, embedded};

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];
/// Greatest difference over greatest value.
const TOLERANCE: f32 = 1e-4;

#[test]
fn features_of_photographs_at_100_pixels_agree_with_torch() {
    agree("decoded_64x100x100x3_u8.npy", "features_100_64x1280_f32.npy");
}

#[test]
fn features_of_photographs_at_224_pixels_agree_with_torch() {
    agree("resized_bicubic_16x224x224x3_u8.npy", "features_224_bicubic_16x1280_f32.npy");
}

fn agree(photographs: &str, features: &str) {
    let Some(folder) = golden() else { return };
    let photographs = Tensor::read_npy(folder.join(photographs)).unwrap();
    let expected = Tensor::read_npy(folder.join(features)).unwrap().to_vec2::<f32>().unwrap();
    let (count, height, width, _) = photographs.dims4().unwrap();
    assert_eq!(count, expected.len());
    let pixels = photographs.to_dtype(DType::F32).unwrap().flatten_from(1).unwrap();
    let extractor = Extractor::load(embedded(), &Options::default()).unwrap();
    let mut worst: f32 = 0.0;
    for (pixels, expected) in pixels.to_vec2::<f32>().unwrap().iter().zip(expected) {
        let input: Vec<f32> =
            (0..).zip(pixels).map(|(i, v)| (v / 255.0 - MEAN[i % 3]) / STD[i % 3]).collect();
        let mut found = vec![0.0; extractor.dim(height, width)];
        extractor.features(&input, height, width, &mut found).unwrap();
        let greatest = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let difference = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        worst = worst.max(difference.fold(0.0, f32::max) / greatest);
    }
    eprintln!("worst difference over {count} photographs: {worst:e}");
    assert!(worst < TOLERANCE, "{worst}");
}

/// The folder of reference numbers beside the repository, if it is there.
fn golden() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden");
    if folder.is_dir() {
        return Some(folder);
    }
    fruitnode_env::skipped::say("../shared is not there");
    None
}
