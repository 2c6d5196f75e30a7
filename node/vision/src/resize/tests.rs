//! Resizing against Pillow: the shared golden arrays, and random sizes whose results'
//! digests `tests/reference/pillow_resize.py` recorded.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{ResizeWorkspace, resize};
use crate::decode::Rgb;
use crate::model::profile::Filter;

/// Pixels that the Python script makes too: the high bytes of a linear congruential generator.
fn noise(width: u32, height: u32) -> Rgb {
    let mut state = u64::from(width * 1_000 + height);
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    Rgb { width, height, pixels: (0..3 * width * height).map(|_| next()).collect() }
}

fn filter_named(name: &str) -> Filter {
    match name {
        "bicubic" => Filter::Bicubic,
        "bilinear" => Filter::Bilinear,
        other => panic!("filter {other}"),
    }
}

#[test]
fn random_sizes_give_the_bytes_of_pillow() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/pillow_resize.txt");
    let mut workspace = ResizeWorkspace::default();
    let mut out = Rgb::default();
    let mut checked = 0;
    for line in fs::read_to_string(list).unwrap().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let sides: Vec<u32> = words[..4].iter().map(|word| word.parse().unwrap()).collect();
        let src = noise(sides[0], sides[1]);
        resize(&src, sides[2], sides[3], filter_named(words[4]), &mut workspace, &mut out);
        assert_eq!((out.width, out.height), (sides[2], sides[3]));
        let digest = Sha256::digest(&out.pixels);
        let found: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, words[5], "{line}");
        checked += 1;
    }
    assert!(checked >= 200, "{checked} sizes were checked");
}

#[test]
fn the_same_size_is_a_copy() {
    let src = noise(31, 7);
    let mut out = Rgb::default();
    resize(&src, 31, 7, Filter::Bicubic, &mut ResizeWorkspace::default(), &mut out);
    assert_eq!(out, src);
}

#[test]
fn a_used_workspace_changes_nothing() {
    let mut used = ResizeWorkspace::default();
    let mut out = Rgb::default();
    for (from, to) in [(50, 80), (9, 80), (50, 20), (50, 80)] {
        let src = noise(from, from + 1);
        resize(&src, to, to / 2, Filter::Bilinear, &mut used, &mut out);
        let mut fresh = Rgb::default();
        resize(&src, to, to / 2, Filter::Bilinear, &mut ResizeWorkspace::default(), &mut fresh);
        assert_eq!(out, fresh);
    }
}

#[test]
fn golden_photographs_give_the_bytes_of_pillow() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden");
    if !golden.is_dir() {
        fruitnode_env::skipped::say("../shared is not there");
        return;
    }
    let decoded = npy(golden.join("decoded_64x100x100x3_u8.npy"), 64 * 30_000);
    let mut workspace = ResizeWorkspace::default();
    let mut out = Rgb::default();
    for (name, width, height) in [
        ("bicubic_16x224x224x3", 224, 224),
        ("bicubic_16x48x64x3", 64, 48),
        ("bilinear_16x224x224x3", 224, 224),
        ("bilinear_16x48x64x3", 64, 48),
    ] {
        let filter = filter_named(name.split('_').next().unwrap());
        let size = 3 * (width * height) as usize;
        let expected = npy(golden.join(format!("resized_{name}_u8.npy")), 16 * size);
        for (pixels, expected) in decoded.chunks_exact(30_000).zip(expected.chunks_exact(size)) {
            let src = Rgb { width: 100, height: 100, pixels: pixels.to_vec() };
            resize(&src, width, height, filter, &mut workspace, &mut out);
            assert!(out.pixels == expected, "{name}");
        }
    }
}

/// The last `len` bytes of an `.npy` file: its array, after the text header.
fn npy(path: PathBuf, len: usize) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    bytes[bytes.len() - len..].to_vec()
}
