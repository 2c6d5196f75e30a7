//! Decoding against Pillow (images and pixels from `tests/reference/pillow_images.py` and
//! `exif_images.py`), on
//! damaged files, and with whatever SIMD the CPU has.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{CODES, DecodeError, Limits, decode};

fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/images")
}

fn image(name: &str) -> Vec<u8> {
    fs::read(images().join(name)).unwrap()
}

/// A hundred photographs from all over the shared corpus, or `None` (said aloud) without it.
fn photographs() -> Option<Vec<Vec<u8>>> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/fruits-360/Training");
    if !root.is_dir() {
        fruitnode_env::skipped::say("../shared is not there");
        return None;
    }
    let mut paths = Vec::new();
    for folder in fs::read_dir(root).unwrap() {
        let files = fs::read_dir(folder.unwrap().path()).unwrap();
        paths.extend(files.map(|file| file.unwrap().path()));
    }
    paths.sort();
    let step = paths.len() / 100;
    Some(paths.iter().step_by(step).take(100).map(|path| fs::read(path).unwrap()).collect())
}

/// Mean absolute difference, and the share of values that differ by more than 2.
fn difference(a: &[u8], b: &[u8]) -> (f64, f64) {
    assert_eq!(a.len(), b.len());
    let mut sum = 0;
    let mut far = 0;
    for (&a, &b) in a.iter().zip(b) {
        sum += u64::from(a.abs_diff(b));
        far += u64::from(a.abs_diff(b) > 2);
    }
    (sum as f64 / a.len() as f64, far as f64 / a.len() as f64)
}

#[test]
fn every_kind_of_image_gives_the_pixels_of_pillow_or_its_own_code() {
    let expected = image("expected.rgb");
    let mut expected = expected.as_slice();
    let index = String::from_utf8(image("index.txt")).unwrap();
    let mut complaints = Vec::new();
    for line in index.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let found = decode(&image(words[0]), &Limits::default());
        if words[1] == "refused" {
            let code = found.as_ref().map_or_else(DecodeError::code, |_| "opened");
            if code != words[2] {
                complaints.push(format!("{line}: {found:?}"));
            }
            continue;
        }
        let (width, height): (usize, usize) =
            (words[2].parse().unwrap(), words[3].parse().unwrap());
        let (pixels, rest) = expected.split_at(3 * width * height);
        expected = rest;
        match found {
            Err(error) => complaints.push(format!("{line}: {error}")),
            Ok(found) => {
                assert_eq!(
                    (found.width as usize, found.height as usize),
                    (width, height),
                    "{line}"
                );
                let (mean, far) = difference(&found.pixels, pixels);
                if (words[1] == "exact" && mean > 0.0) || mean > 0.3 || far > 0.01 {
                    complaints.push(format!("{line}: mean {mean:.3}, far {far:.5}"));
                }
            }
        }
    }
    assert!(expected.is_empty());
    assert!(complaints.is_empty(), "{:#?}", complaints);
}

#[test]
fn every_orientation_and_every_hostile_exif_gives_the_picture_of_pillow() {
    let folder = images().join("../exif");
    let expected = fs::read(folder.join("expected.rgb")).unwrap();
    let mut expected = expected.as_slice();
    let index = fs::read_to_string(folder.join("index.txt")).unwrap();
    let mut complaints = Vec::new();
    for line in index.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let size: (u32, u32) = (words[1].parse().unwrap(), words[2].parse().unwrap());
        let (pixels, rest) = expected.split_at(3 * (size.0 * size.1) as usize);
        expected = rest;
        match decode(&fs::read(folder.join(words[0])).unwrap(), &Limits::default()) {
            Err(error) => complaints.push(format!("{line}: {error}")),
            Ok(found) if (found.width, found.height) != size => {
                complaints.push(format!("{line}: {}x{}", found.width, found.height));
            }
            Ok(found) => {
                let (mean, _) = difference(&found.pixels, pixels);
                if mean > 0.3 {
                    complaints.push(format!("{line}: mean {mean:.3}"));
                }
            }
        }
    }
    assert!(expected.is_empty());
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn a_jpeg_cut_anywhere_is_bad() {
    for name in ["baseline_420.jpg", "progressive_420.jpg", "restarts.jpg", "with_metadata.jpg"] {
        let whole = image(name);
        assert!(decode(&whole, &Limits::default()).is_ok(), "{name}");
        for cut in 0..50 {
            let length = 2 + cut * (whole.len() - 2) / 50;
            let error = decode(&whole[..length], &Limits::default()).unwrap_err();
            assert_eq!(error.code(), "jpeg_truncated", "{name} cut to {length} bytes");
        }
        let error = decode(&whole[..whole.len() - 1], &Limits::default()).unwrap_err();
        assert_eq!(error.code(), "jpeg_truncated", "{name} without its last byte");
    }
}

#[test]
fn a_damaged_file_gives_an_error_or_an_image_and_never_a_panic() {
    let index = String::from_utf8(image("index.txt")).unwrap();
    let mut refused = 0;
    let mut outcomes = Sha256::new();
    for line in index.lines() {
        let whole = image(line.split(' ').next().unwrap());
        for round in 0..whole.len().min(60) {
            let mut broken = whole.clone();
            let at = round * whole.len() / 60;
            broken[at] ^= 1 << (round % 8);
            broken[(at * 7 + 3) % whole.len()] = (round * 37) as u8;
            match decode(&broken, &Limits::default()) {
                Ok(rgb) => {
                    assert_eq!(rgb.pixels.len(), 3 * (rgb.width * rgb.height) as usize, "{line}");
                    outcomes.update(&rgb.pixels);
                }
                Err(error) => {
                    assert!(CODES.iter().any(|(code, _)| *code == error.code()));
                    outcomes.update(error.to_string());
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 1_000, "{refused} of the damaged files were refused");
    assert_eq!(short_hex(outcomes), DAMAGED_DIGEST, "the same outcome on every CPU");
}

/// Positions of the segments and of the scan's data of a JPEG with one scan, by their markers.
fn segments(jpeg: &[u8]) -> Vec<(u8, std::ops::Range<usize>)> {
    let (mut found, mut at) = (Vec::new(), 2);
    loop {
        let marker = jpeg[at + 1];
        let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        found.push((marker, at..at + 2 + length));
        at += 2 + length;
        if marker == 0xda {
            found.push((0, at..jpeg.len() - 2));
            return found;
        }
    }
}

#[test]
fn what_libjpeg_passes_over_between_segments_changes_nothing() {
    let whole = image("baseline_420.jpg");
    let due = decode(&whole, &Limits::default()).unwrap();
    for (_, place) in segments(&whole).into_iter().skip(1) {
        if place.end == whole.len() - 2 {
            break;
        }
        for stray in [&b"\0\0"[..], b"twenty-six bytes of nothing", b"\xff\0", b"\xff\xff"] {
            let mut file = whole.clone();
            file.splice(place.start..place.start, stray.iter().copied());
            assert_eq!(decode(&file, &Limits::default()).unwrap(), due, "{place:?} {stray:?}");
        }
    }
}

#[test]
fn a_frame_of_motion_jpeg_has_the_tables_that_it_leaves_out() {
    // Written with the tables of the standard, as most encoders do that make one pass.
    let whole = image("baseline_420.jpg");
    let tables = segments(&whole).into_iter().filter(|(marker, _)| *marker == 0xc4);
    let mut file = whole.clone();
    for (_, place) in tables.collect::<Vec<_>>().into_iter().rev() {
        file.drain(place);
    }
    assert!(file.len() + 400 < whole.len());
    let decoded = decode(&file, &Limits::default()).unwrap();
    assert_eq!(decoded, decode(&whole, &Limits::default()).unwrap());
}

#[test]
fn a_scan_that_ends_early_or_lost_a_restart_is_no_photograph() {
    for name in ["baseline_420.jpg", "restarts.jpg"] {
        let whole = image(name);
        let (_, data) = segments(&whole).pop().unwrap();
        let half = data.start + data.len() / 2;
        let mut cut = whole[..half].to_vec();
        cut.extend(b"\xff\xd9");
        let error = decode(&cut, &Limits::default()).unwrap_err();
        assert_eq!(error.code(), "jpeg_corrupt", "{name}: {error}");
    }
    let whole = image("restarts.jpg");
    let (_, data) = segments(&whole).pop().unwrap();
    let is_restart = |at: &usize| whole[*at] == 0xff && (0xd0..=0xd7).contains(&whole[at + 1]);
    let mut data = data;
    let restart = data.find(is_restart).expect("it has some");
    let mut lost = whole.clone();
    lost.drain(restart..restart + 2);
    let error = decode(&lost, &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("a restart marker is missing"), "{error}");
    let mut wrong = whole.clone();
    wrong[restart + 1] ^= 1;
    assert_eq!(decode(&wrong, &Limits::default()).unwrap_err().code(), "jpeg_corrupt");
}

#[test]
fn limits_speak_before_the_decoder() {
    let file = image("baseline_420.jpg");
    let code = |limits: Limits| decode(&file, &limits).unwrap_err().code();
    let all = Limits::default();
    assert_eq!(code(Limits { file_bytes: 100, ..all }), "file_too_large");
    assert_eq!(code(Limits { side: 32, ..all }), "side_too_long");
    assert_eq!(code(Limits { pixels: 33 * 25 - 1, ..all }), "too_many_pixels");
    let needed = 33 * 25 * 3;
    assert_eq!(code(Limits { memory_bytes: needed - 1, ..all }), "decoder_memory");
    assert!(decode(&file, &Limits { memory_bytes: needed, ..all }).is_ok());
    let error = decode(&image("progressive_420.jpg"), &Limits { memory_bytes: needed, ..all });
    assert_eq!(error.unwrap_err().code(), "decoder_memory");
    for name in ["rgb_8.png", "lossless.webp", "lossy.webp", "animated.webp"] {
        let error = decode(&image(name), &Limits { side: 8, ..all }).unwrap_err();
        assert_eq!(error.code(), "side_too_long", "{name}");
    }
}

#[test]
fn every_code_stands_in_the_table_once() {
    let names: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len());
    let error = decode(b"\x89PNG\r\n\x1a\n", &Limits::default()).unwrap_err();
    assert_eq!((error.code(), names.contains(&error.code())), ("png_truncated", true));
    assert!(error.to_string().starts_with("the PNG ends before its last row"));
}

/// Digests of decoded pixels (of damaged files: of pixels or words), recorded with AVX-512.
/// `qemu-x86_64 -cpu Haswell` (AVX2) and `-cpu qemu64` (SSE2 alone) must give them too.
const OWN_IMAGES_DIGEST: &str = "b1c729e494b9178a";
const PHOTOGRAPHS_DIGEST: &str = "e3a116fa51b5050e";
const DAMAGED_DIGEST: &str = "7bef97c7b3763c8f";

#[test]
fn images_give_the_same_bytes_on_every_cpu() {
    let index = String::from_utf8(image("index.txt")).unwrap();
    let opened = index.lines().filter(|line| !line.contains(" refused "));
    let files = opened.map(|line| image(line.split(' ').next().unwrap()));
    assert_eq!(pixels_digest(files), OWN_IMAGES_DIGEST);
}

#[test]
fn photographs_give_the_same_bytes_on_every_cpu() {
    if let Some(files) = photographs() {
        assert_eq!(files.len(), 100);
        assert_eq!(pixels_digest(files.into_iter()), PHOTOGRAPHS_DIGEST);
    }
}

fn pixels_digest(files: impl Iterator<Item = Vec<u8>>) -> String {
    let mut hasher = Sha256::new();
    for file in files {
        hasher.update(&decode(&file, &Limits::default()).unwrap().pixels);
    }
    short_hex(hasher)
}

fn short_hex(hasher: Sha256) -> String {
    hasher.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn photographs_differ_from_pillow_by_the_inverse_transform_alone() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden");
    let Ok(listing) = fs::read_to_string(golden.join("files.txt")) else {
        fruitnode_env::skipped::say("../shared is not there");
        return;
    };
    let array = fs::read(golden.join("decoded_64x100x100x3_u8.npy")).unwrap();
    let expected = &array[array.len() - 64 * 30_000..];
    let mut found = Vec::new();
    for key in listing.lines() {
        let file = fs::read(golden.join("../data/fruits-360").join(key)).unwrap();
        found.extend(decode(&file, &Limits::default()).unwrap().pixels);
    }
    let (mean, far) = difference(&found, expected);
    eprintln!("mean {mean:.4} levels, {:.4} % of values by more than 2", 100.0 * far);
    assert!(mean <= 0.227 && far <= 0.000_65, "mean {mean}, far {far}");
}
