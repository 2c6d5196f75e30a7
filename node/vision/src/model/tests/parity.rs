//! Features beside those of torchvision, timm and Transformers (recorded), and beside plain Candle.

use std::path::Path;

use candle_core::{Device, Tensor};

use crate::model::extractor::{Extractor, Network, Options};
use crate::model::graph::Graph;
use crate::model::naming::Family;
use crate::model::pooling::Pooling;
use crate::model::tests::synthetic::{File, photograph};
use crate::model::weights::Archive;

/// Greatest difference over greatest value.
const TOLERANCE: f32 = 1e-4;
/// The recording holds every eighth feature.
const EVERY: usize = 8;
const FAMILIES: [(Family, &str); 3] = [
    (Family::TorchvisionMobilenetV2, "torchvision"),
    (Family::TimmMobilenetV2, "timm"),
    (Family::TransformersMobilenetV2, "transformers"),
];
const WIDTHS: [(u32, &str); 3] = [(35, "0.35"), (100, "1.0"), (140, "1.4")];
const SIZES: [(usize, usize); 5] = [(96, 96), (97, 97), (131, 131), (224, 224), (131, 97)];

#[test]
fn features_agree_with_torchvision_timm_and_transformers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/data/mobilenet_features.safetensors");
    let recording = std::fs::read(path).unwrap();
    let recording = Archive::parse(&recording).unwrap();
    let mut worst: f32 = 0.0;
    for (family, library) in FAMILIES {
        for (width, width_name) in WIDTHS {
            let weights = File::of(family, width).bytes();
            let extractor = Extractor::load(&weights, &Options::default()).unwrap();
            assert_eq!(
                (extractor.family(), extractor.width()),
                (family, Some(f64::from(width) / 100.0))
            );
            for (height, across) in SIZES {
                let features = run(&extractor, height, across);
                let name = format!("{library}/{width_name}/{height}x{across}");
                let len = features.len() / EVERY;
                let expected = recording.values(&name, &[len], "recorded").unwrap();
                let found: Vec<f32> = features.into_iter().step_by(EVERY).collect();
                let difference = difference(&found, &expected);
                assert!(difference < TOLERANCE, "{name}: {difference}");
                worst = worst.max(difference);
            }
        }
    }
    eprintln!("worst difference from the libraries: {worst:e}");
}

#[test]
fn the_fused_operation_agrees_with_plain_candle() {
    let mut worst: f32 = 0.0;
    for (family, _) in FAMILIES {
        for (width, _) in WIDTHS {
            let weights = File::of(family, width).bytes();
            let network = Network::read(&weights).unwrap();
            let graph = Graph::new(&network, &Device::Cpu).unwrap();
            let extractor = Extractor::load(&weights, &Options::default()).unwrap();
            for (height, across) in SIZES {
                let found = run(&extractor, height, across);
                let expected = plain(&graph, height, across, Pooling::Avg);
                let difference = difference(&found, &expected);
                assert!(
                    difference < TOLERANCE,
                    "{family:?} {width} {height}x{across}: {difference}"
                );
                worst = worst.max(difference);
            }
        }
    }
    eprintln!("worst difference from plain Candle: {worst:e}");
}

#[test]
fn every_pooling_and_odd_shape_agrees_with_plain_candle() {
    for (width, family) in
        [(25, Family::TorchvisionMobilenetV2), (50, Family::TransformersMobilenetV2)]
    {
        let weights = File::of(family, width).bytes();
        let graph = Graph::new(&Network::read(&weights).unwrap(), &Device::Cpu).unwrap();
        for pooling in [Pooling::Avg, Pooling::Max, Pooling::None] {
            let options = Options { pooling, ..Options::default() };
            let extractor = Extractor::load(&weights, &options).unwrap();
            for (height, across) in [(1, 1), (2, 65), (33, 1), (64, 96), (300, 40)] {
                let found = run(&extractor, height, across);
                let expected = plain(&graph, height, across, pooling);
                let difference = difference(&found, &expected);
                assert!(
                    difference < TOLERANCE,
                    "{width} {pooling} {height}x{across}: {difference}"
                );
            }
        }
    }
}

fn run(extractor: &Extractor, height: usize, width: usize) -> Vec<f32> {
    let mut out = vec![0.0; extractor.dim(height, width)];
    extractor.features(&photograph(height, width), height, width, &mut out).unwrap();
    out
}

fn plain(graph: &Graph, height: usize, width: usize, pooling: Pooling) -> Vec<f32> {
    let photograph = photograph(height, width);
    let photograph = Tensor::from_vec(photograph, (1, height, width, 3), &Device::Cpu).unwrap();
    graph.features(&photograph, pooling).unwrap().squeeze(0).unwrap().to_vec1().unwrap()
}

fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let greatest = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    assert!(greatest > 1e-3, "the recorded features are all but zero");
    let difference = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    difference.fold(0.0, f32::max) / greatest
}
