//! The files are there, open, differ, and are the same bytes each time.

use std::fs;

use sha2::{Digest, Sha256};

use super::{DemoError, KINDS, draw_photographs, picture};
use crate::decode::{Limits, decode};

#[test]
fn photographs_lie_in_folders_per_kind_and_open() {
    let dir = tempfile::tempdir().unwrap();
    let mut calls = Vec::new();
    let drawn = draw_photographs(dir.path(), 6, &mut |done, all| calls.push((done, all))).unwrap();
    assert_eq!(drawn, 6 * KINDS.len());
    assert_eq!(calls, (1..=drawn).map(|done| (done, drawn)).collect::<Vec<_>>());
    for kind in KINDS {
        for number in 0..6 {
            let path = dir.path().join(kind.name()).join(format!("{number:04}.jpg"));
            let rgb = decode(&fs::read(path).unwrap(), &Limits::default()).unwrap();
            let usual = number != 5;
            assert_eq!((rgb.width, rgb.height) == (100, 100), usual, "{} {number}", kind.name());
        }
    }
}

#[test]
fn a_picture_depends_on_its_kind_and_number_alone() {
    let first = tempfile::tempdir().unwrap();
    let second = tempfile::tempdir().unwrap();
    draw_photographs(first.path(), 2, &mut |_, _| ()).unwrap();
    draw_photographs(second.path(), 3, &mut |_, _| ()).unwrap();
    for kind in KINDS {
        let read =
            |dir: &tempfile::TempDir| fs::read(dir.path().join(kind.name()).join("0001.jpg"));
        assert_eq!(read(&first).unwrap(), read(&second).unwrap());
    }
}

#[test]
fn every_picture_shows_a_fruit_before_a_bright_background() {
    let mut means = Vec::new();
    for kind in KINDS {
        let rgb = picture(kind, 1);
        assert!(rgb.pixels[..3].iter().all(|&v| v > 225), "{}: the corner is paper", kind.name());
        let center = &rgb.pixels[30 * 300..70 * 300];
        let sum: u64 = center.iter().map(|&v| u64::from(v)).sum();
        means.push(sum / center.len() as u64);
        let colored = rgb.pixels.chunks_exact(3).filter(|p| p.iter().any(|&v| v < 200)).count();
        assert!(colored > 1_200, "{}: {colored} pixels of fruit", kind.name());
    }
    means.dedup();
    assert!(means.len() > 5, "kinds look different: {means:?}");
}

#[test]
fn impossible_requests_are_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let none = draw_photographs(dir.path(), 0, &mut |_, _| ());
    assert!(matches!(none, Err(DemoError::Count { asked: 0 })));
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = draw_photographs(&file, 1, &mut |_, _| ()).unwrap_err();
    assert!(error.to_string().contains("Apple Golden"), "{error}");
}

#[test]
fn pictures_are_the_same_pixels_on_every_machine() {
    let mut hasher = Sha256::new();
    for kind in KINDS {
        hasher.update(&picture(kind, 3).pixels);
    }
    let digest: String = hasher.finalize()[..8].iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(digest, "b3c6ed3d4ff601f7");
}
