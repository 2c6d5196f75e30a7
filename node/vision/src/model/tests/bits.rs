//! The same bits whatever computes them: kernel, thread, memory, neighbour.

use std::thread;

use sha2::{Digest, Sha256};

use crate::model::extractor::{Extractor, Options, embedded};
use crate::model::kernels::Kernel;
use crate::model::naming::Family;
use crate::model::pooling::Pooling;
use crate::model::tests::synthetic::{File, photograph};

#[test]
fn every_kernel_of_this_cpu_gives_the_bits_of_the_portable_one() {
    let fixtures = [
        (File::of(Family::TorchvisionMobilenetV2, 100).bytes(), (97, 66)),
        (File::of(Family::TransformersMobilenetV2, 35).bytes(), (96, 128)),
        (File::of(Family::TimmMobilenetV2, 25).bytes(), (33, 64)),
        (File::of(Family::TimmMobilenetV2, 140).bytes(), (64, 65)),
    ];
    let mut compared = 0;
    for (weights, (height, width)) in fixtures {
        for pooling in [Pooling::Avg, Pooling::Max, Pooling::None] {
            let portable = bits(&weights, pooling, Kernel::Portable, height, width);
            for kernel in [Kernel::Avx2, Kernel::Avx512] {
                if kernel.runs_here() {
                    assert!(bits(&weights, pooling, kernel, height, width) == portable, "{kernel}");
                    compared += 1;
                } else {
                    fruitnode_env::skipped::say(&format!("this CPU has no {kernel}"));
                }
            }
        }
    }
    assert!(compared > 0 || !Kernel::Avx2.runs_here());
}

#[test]
fn the_bits_are_those_of_the_release() {
    // Whoever changes this digest changes published bytes: raise the numerics number with it.
    const RECORDED: &str = "88426a8e32499d4ba19b6ad18e0b90b02fd072ccd205990d04b265e1708d4d3f";
    let extractor = Extractor::load(embedded(), &Options::default()).unwrap();
    let mut digest = Sha256::new();
    for (height, width) in [(100, 100), (224, 224), (65, 34)] {
        for bits in run(&extractor, height, width) {
            digest.update(bits.to_le_bytes());
        }
    }
    let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, RECORDED);
}

#[test]
fn neither_size_nor_strips_change_what_a_kernel_computes() {
    // At 224 the blocks are cut into strips, at different rows for each width of the panels.
    let weights = File::of(Family::TransformersMobilenetV2, 100).bytes();
    let kernels = Kernel::ALL.into_iter().filter(|kernel| kernel.runs_here());
    let kernels: Vec<Kernel> = kernels.filter(|kernel| *kernel != Kernel::Portable).collect();
    let all: Vec<Vec<u32>> =
        kernels.iter().map(|&kernel| bits(&weights, Pooling::Avg, kernel, 224, 224)).collect();
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn threads_that_share_an_extractor_get_the_bits_of_one_that_does_not() {
    let extractor = Extractor::load(embedded(), &Options::default()).unwrap();
    let sizes = [(100, 100), (64, 48), (131, 97), (32, 32)];
    let alone: Vec<Vec<u32>> = sizes
        .iter()
        .map(|&(height, width)| {
            let fresh = Extractor::load(embedded(), &Options::default()).unwrap();
            run(&fresh, height, width)
        })
        .collect();
    thread::scope(|scope| {
        for first in 0..4 {
            let (extractor, alone) = (&extractor, &alone);
            scope.spawn(move || {
                // Sizes follow each other, so that workspaces hold other maps' remains.
                for step in 0..12 {
                    let index = (first + step * 3) % sizes.len();
                    let (height, width) = sizes[index];
                    assert!(run(extractor, height, width) == alone[index]);
                }
            });
        }
    });
}

fn bits(weights: &[u8], pooling: Pooling, kernel: Kernel, height: usize, width: usize) -> Vec<u32> {
    let options = Options { pooling, kernel: Some(kernel) };
    let extractor = Extractor::load(weights, &options).unwrap();
    assert_eq!(extractor.kernel(), kernel);
    run(&extractor, height, width)
}

fn run(extractor: &Extractor, height: usize, width: usize) -> Vec<u32> {
    let mut out = vec![0.0; extractor.dim(height, width)];
    extractor.features(&photograph(height, width), height, width, &mut out).unwrap();
    out.into_iter().map(f32::to_bits).collect()
}
