//! The corpus, kind by kind.

use std::fs;
use std::io::Cursor;

use image::{GrayImage, ImageFormat};

use super::{Hostile, file, good};
use crate::repo_root;

/// One of the images that Pillow has judged (`tests/data/images`).
fn image(name: &str) -> Vec<u8> {
    let path = repo_root().join("tests/data/images").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What is no photograph, or one of another kind.
pub(super) fn strangers() -> Vec<Hostile> {
    vec![
        file("empty.jpg", b"", "empty"),
        file("one-byte.jpg", b"\xff", "unknown_format"),
        file("text.jpg", b"these are words\n", "unknown_format"),
        file("page.png", b"<!DOCTYPE html><html><body>404</body></html>", "unknown_format"),
        file("access-denied.jpg", b"<?xml version=\"1.0\"?><Error/>", "unknown_format"),
        file("script.jpg", b"#!/bin/sh\nrm -rf \"$HOME\"\n", "unknown_format"),
        file("zeros.jpg", vec![0; 4096], "unknown_format"),
        file("archive.jpg", b"PK\x03\x04\x14\0\0\0", "unknown_format"),
        file("program.jpg", b"\x7fELF\x02\x01\x01\0", "unknown_format"),
        file("riff.webp", b"RIFF\x04\0\0\0WAVE", "unknown_format"),
        file("moving.jpg", b"GIF89a\x01\0\x01\0\0\0\0;", "unsupported_format"),
        file("bitmap.jpg", b"BM\x3a\0\0\0\0\0\0\0", "unsupported_format"),
        file("little.jpg", b"II*\0\x08\0\0\0", "unsupported_format"),
        file("big.jpg", b"MM\0*\0\0\0\x08", "unsupported_format"),
        file("phone.jpg", b"\0\0\0\x18ftypheic\0\0\0\0", "unsupported_format"),
        file("modern.jpg", b"\0\0\0\x1cftypavif\0\0\0\0", "unsupported_format"),
    ]
}

/// Headers that say what is not so.
pub(super) fn lying_headers() -> Vec<Hostile> {
    let mut all = Vec::new();
    for (name, width, height, code) in [
        ("ihdr-zero.png", 0, 9, "zero_size"),
        ("ihdr-row.png", 70_000, 1, "side_too_long"),
        ("ihdr-column.png", 1, 70_000, "side_too_long"),
        ("ihdr-50k.png", 50_000, 50_000, "too_many_pixels"),
        ("ihdr-16k.png", 16_000, 16_000, "too_many_pixels"),
        ("ihdr-max.png", u32::MAX, u32::MAX, "side_too_long"),
        ("ihdr-wide.png", 300, 25, "png_corrupt"),
    ] {
        all.push(file(name, png(width, height, &stored_rows(20)), code));
    }
    let mut crc = png(9, 9, &stored_rows(9 * 10));
    crc[20] ^= 1;
    all.push(file("ihdr-checksum.png", crc, "png_crc"));
    all.push(file(
        "no-header.png",
        b"\x89PNG\r\n\x1a\n\0\0\0\0IDAT\x35\xaf\x06\x1e",
        "png_corrupt",
    ));
    let inflated = png(9, 9, b"this is nothing that inflates");
    all.push(file("no-deflate.png", inflated, "png_corrupt"));
    for (name, width, height, code) in [
        ("sof-row.jpg", 20_000_u16, 1_u16, "jpeg_corrupt"),
        ("sof-65k.jpg", 65_535, 65_535, "too_many_pixels"),
        ("sof-16k.jpg", 16_000, 16_000, "too_many_pixels"),
        ("sof-none.jpg", 0, 25, "zero_size"),
    ] {
        all.push(file(name, with_sof(width, height), code));
    }
    let mut segment = image("baseline_420.jpg");
    segment.splice(2..2, *b"\xff\xe5\0\x01");
    all.push(file("segment-length.jpg", segment, "jpeg_corrupt"));
    all.push(file("no-scan.jpg", b"\xff\xd8\xff\xd9", "jpeg_corrupt"));
    all
}

/// Little bytes, many pixels.
pub(super) fn bombs() -> Vec<Hostile> {
    let vp8x = |side: u32| {
        let mut body = b"WEBPVP8X\x0a\0\0\0\0\0\0\0".to_vec();
        body.extend(&(side - 1).to_le_bytes()[..3]);
        body.extend(&(side - 1).to_le_bytes()[..3]);
        riff(&body)
    };
    let vp8l = |side: u32| {
        let mut body = b"WEBPVP8L\x05\0\0\0\x2f".to_vec();
        body.extend(((side - 1) | (side - 1) << 14).to_le_bytes());
        body.push(0);
        riff(&body)
    };
    vec![
        file("bomb-canvas.webp", vp8x(1 << 24), "side_too_long"),
        file("bomb-pixels.webp", vp8x(16_000), "too_many_pixels"),
        file("bomb-lossless.webp", vp8l(16_384), "too_many_pixels"),
        file("bomb-memory.webp", vp8l(8_000), "decoder_memory"),
        // Good photographs, for all we know: 81 million pixels of one colour in little room.
        good("bomb-flat.png", flat(9_000, ImageFormat::Png)),
        good("bomb-flat.jpg", flat(9_000, ImageFormat::Jpeg)),
    ]
}

/// A black square.
fn flat(side: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    GrayImage::new(side, side).write_to(&mut bytes, format).expect("a Vec takes all");
    bytes.into_inner()
}

/// Cuts all over files of each kind.
pub(super) fn truncations() -> Vec<Hostile> {
    let mut all = Vec::new();
    for (name, kind, code) in [
        ("baseline_420.jpg", "jpg", "jpeg_truncated"),
        ("progressive_420.jpg", "jpg", "jpeg_truncated"),
        ("rgb_8.png", "png", "png_truncated"),
        ("lossless.webp", "webp", "webp_truncated"),
        ("lossy.webp", "webp", "webp_truncated"),
        ("animated.webp", "webp", "webp_truncated"),
    ] {
        let whole = image(name);
        for eighth in 1..8 {
            let cut = whole.len() * eighth / 8;
            let (stem, _) = name.split_once('.').expect("names have an ending");
            all.push(file(format!("cut-{stem}-{eighth}.{kind}"), &whole[..cut], code));
        }
    }
    all
}

/// What Pillow opens among the recorded images, and EXIF of every kind.
pub(super) fn accepted() -> Vec<Hostile> {
    let mut all = Vec::new();
    let mut add = |folder: &str| {
        let folder = repo_root().join("tests/data").join(folder);
        let index = fs::read_to_string(folder.join("index.txt")).expect("an index of the images");
        for line in index.lines().filter(|line| !line.contains(" refused ")) {
            let name = line.split(' ').next().expect("a name");
            let bytes = fs::read(folder.join(name)).expect("a recorded image");
            all.push(good(format!("good-{name}"), bytes));
        }
    };
    add("images");
    add("exif");
    // The name lies about the kind, the bytes do not.
    all.push(good("really-a-jpeg.png", image("baseline_420.jpg")));
    all.push(good("really-a-png.jpg", image("rgb_8.png")));
    all.push(good("really-a-webp.jpeg", image("lossy.webp")));
    all
}

/// 90 million pixels of which the first are there: decoded alone, and found to be cut.
pub fn huge_and_cut() -> Vec<u8> {
    png(9_500, 9_500, &stored_rows(20))
}

/// A gray PNG of 8 bits with this image data.
fn png(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 0, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, body) in [(b"IHDR", &header[..]), (b"IDAT", data), (b"IEND", &[])] {
        bytes.extend((body.len() as u32).to_be_bytes());
        let chunk: Vec<u8> = kind.iter().chain(body).copied().collect();
        bytes.extend(&chunk);
        bytes.extend(crc32(&chunk).to_be_bytes());
    }
    bytes
}

/// A zlib stream of so many zeros, stored, that says that more follows.
fn stored_rows(zeros: u16) -> Vec<u8> {
    let mut bytes = vec![0x78, 0x01, 0];
    bytes.extend(zeros.to_le_bytes());
    bytes.extend((!zeros).to_le_bytes());
    bytes.resize(bytes.len() + usize::from(zeros), 0);
    bytes
}

fn with_sof(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = image("baseline_420.jpg");
    let at = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a baseline frame");
    bytes[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    bytes[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

fn riff(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 }
        })
    })
}
