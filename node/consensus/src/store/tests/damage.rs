//! Damaged files: refused in words, or read as they were written.

use std::fs;
use std::path::Path;

use fruitnode_replica::{LogStore, Vote};

use super::super::{RedbLog, StoreError};
use super::{Content, Draws, STORAGE, content, entry, place, snapshot};

/// Two images of one log: closed, and as a kill would leave it.
fn images(path: &Path) -> (Content, [Vec<u8>; 2]) {
    let mut log = RedbLog::create(path, STORAGE).unwrap();
    log.install(&snapshot(1, 1, 100_000), None).unwrap();
    for index in (2..300).step_by(3) {
        let entries: Vec<_> = (index..index + 3).map(|index| entry(index, 2, 200)).collect();
        log.append(&entries, Some(Vote { term: 2, vote: 1, commit: index })).unwrap();
    }
    log.compact(&snapshot(100, 2, 100_000), 50).unwrap();
    log.append(&[entry(301, 3, 40)], Some(Vote { term: 3, vote: 2, commit: 300 })).unwrap();
    let expected = content(&log);
    let killed = fs::read(path).unwrap();
    drop(log);
    (expected, [fs::read(path).unwrap(), killed])
}

/// Opens a damaged image. Anything but a refusal for damage, or the log as it was, is wrong.
fn is_refused(path: &Path, image: &[u8], expected: &Content, what: &str) -> bool {
    fs::write(path, image).unwrap();
    match RedbLog::open(path, STORAGE) {
        Ok(log) => {
            assert_eq!(content(&log), *expected, "{what}: another history");
            false
        }
        Err(
            refused @ (StoreError::Damaged { .. }
            | StoreError::RolledBack { .. }
            | StoreError::Newer { .. }
            | StoreError::OtherStorage { .. }),
        ) => {
            let words = refused.to_string();
            assert!(words.contains("log.redb") && words.contains("this node"), "{what}: {words}");
            true
        }
        Err(other) => panic!("{what}: {other}"),
    }
}

#[test]
fn a_flipped_bit_is_refused_or_harmless() {
    let (_folder, path) = place();
    let (expected, images) = images(&path);
    let mark = fs::read(path.with_extension("mark")).unwrap();
    for (kind, image) in ["closed", "killed"].iter().zip(images) {
        let used: Vec<usize> = (0..image.len()).filter(|at| image[*at] != 0).collect();
        let mut draws = Draws(7);
        let mut refused = 0;
        for round in 0..160 {
            // The first bytes rule over all others: many of the flips go there.
            let at = match round % 3 {
                0 => draws.below(320) as usize,
                _ => used[draws.below(used.len() as u64) as usize],
            };
            let bit = draws.below(8);
            let mut damaged = image.clone();
            damaged[at] ^= 1 << bit;
            fs::write(path.with_extension("mark"), &mark).unwrap();
            let what = format!("{kind}, bit {bit} of byte {at}");
            refused += u32::from(is_refused(&path, &damaged, &expected, &what));
        }
        assert!(refused > 60, "{kind}: only {refused} of 160 flips were found");
    }
}

#[test]
fn a_cut_file_is_refused() {
    let (_folder, path) = place();
    let (expected, images) = images(&path);
    let mark = fs::read(path.with_extension("mark")).unwrap();
    let mut draws = Draws(11);
    for (kind, image) in ["closed", "killed"].iter().zip(images) {
        let pages = image.len() as u64 / 4_096;
        let drawn: Vec<_> = (0..20).map(|_| draws.below(image.len() as u64) as usize).collect();
        let whole: Vec<_> = (0..20).map(|_| draws.below(pages) as usize * 4_096).collect();
        for end in [1, 63, 64, 320, 4_095, 4_096, 8_192].into_iter().chain(drawn).chain(whole) {
            fs::write(path.with_extension("mark"), &mark).unwrap();
            is_refused(&path, &image[..end], &expected, &format!("{kind}, cut at {end}"));
        }
    }
}

#[test]
fn pages_that_changed_places_are_refused_or_harmless() {
    let (_folder, path) = place();
    let (expected, images) = images(&path);
    let mark = fs::read(path.with_extension("mark")).unwrap();
    let mut draws = Draws(13);
    let mut refused = 0;
    for (kind, image) in ["closed", "killed"].iter().zip(images) {
        let filled = |page: &usize| image[page * 4_096..][..4_096].iter().any(|byte| *byte != 0);
        let filled: Vec<usize> = (1..image.len() / 4_096).filter(filled).collect();
        for _ in 0..30 {
            let one = filled[draws.below(filled.len() as u64) as usize];
            let other = filled[draws.below(filled.len() as u64) as usize];
            let mut damaged = image.clone();
            let page = image[one * 4_096..][..4_096].to_vec();
            damaged.copy_within(other * 4_096..(other + 1) * 4_096, one * 4_096);
            damaged[other * 4_096..][..4_096].copy_from_slice(&page);
            fs::write(path.with_extension("mark"), &mark).unwrap();
            let what = format!("{kind}, pages {one} and {other}");
            refused += u32::from(is_refused(&path, &damaged, &expected, &what));
        }
    }
    assert!(refused > 20, "only {refused} of 60 were found");
}
