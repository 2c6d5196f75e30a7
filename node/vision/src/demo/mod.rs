//! Draws synthetic photographs of fruit, so that a first run needs no data.
//!
//! Every picture is a small ray-marched scene whose pose, shape, colours and light come from a
//! seed of its own: the same bytes on every machine and for any number of threads. Files are
//! laid out as in Fruits-360, one folder per kind, 100x100 pixels but for one in eight.

mod geometry;
mod noise;
mod render;
mod scene;
mod shape;
mod skin;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use noise::SplitMix;
use scene::{KINDS, Kind, Scene};

use crate::decode::Rgb;

/// Pictures per kind that a demonstration draws unless told otherwise.
pub const PER_KIND_DEFAULT: u32 = 40;
/// Most pictures per kind, so that file names keep four digits.
pub(crate) const PER_KIND_MAX: u32 = 10_000;

const JPEG_QUALITY: u8 = 90;
const SIDE: u32 = 100;

/// Why the photographs could not be drawn.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message says what it means")]
pub enum DemoError {
    #[error("cannot draw {asked} photographs per kind; ask for 1 to {PER_KIND_MAX}")]
    Count { asked: u32 },
    #[error("cannot write {}; choose a folder that can be written to", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot encode {} as jpeg", path.display())]
    Encode { path: PathBuf, source: image::ImageError },
}

/// Draws `per_kind` photographs of each of eight kinds of fruit under `dir`, as
/// `dir/Apple Red/0007.jpg`, and returns how many there are. Existing files are replaced.
///
/// `on_drawn(done, all)` is called after each picture, on the caller's thread.
///
/// # Errors
/// If `per_kind` is 0 or too large, or a file cannot be written; what was written stays.
pub fn draw_photographs(
    dir: &Path,
    per_kind: u32,
    on_drawn: &mut dyn FnMut(usize, usize),
) -> Result<usize, DemoError> {
    if per_kind == 0 || per_kind > PER_KIND_MAX {
        return Err(DemoError::Count { asked: per_kind });
    }
    for kind in KINDS {
        let folder = dir.join(kind.name());
        fs::create_dir_all(&folder)
            .map_err(|source| DemoError::Write { path: folder.clone(), source })?;
    }
    let all = KINDS.len() * per_kind as usize;
    let threads = thread::available_parallelism().map_or(1, usize::from).min(all);
    thread::scope(|scope| {
        let (sender, drawn) = mpsc::channel();
        for first in 0..threads {
            let sender = sender.clone();
            scope.spawn(move || {
                for picture in (first..all).step_by(threads) {
                    let kind = KINDS[picture / per_kind as usize];
                    let outcome = draw_file(dir, kind, (picture % per_kind as usize) as u32);
                    // Nobody listens any more once a picture has failed.
                    if sender.send(outcome).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for done in 1..=all {
            drawn.recv().expect("a thread sends one outcome for each of its pictures")?;
            on_drawn(done, all);
        }
        Ok(all)
    })
}

/// One photograph, always the same, and of no size that a network wants.
pub fn photograph() -> Rgb {
    picture(KINDS[0], 5)
}

fn draw_file(dir: &Path, kind: Kind, number: u32) -> Result<(), DemoError> {
    let path = dir.join(kind.name()).join(format!("{number:04}.jpg"));
    let rgb = picture(kind, number);
    let mut bytes = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).encode(
        &rgb.pixels,
        rgb.width,
        rgb.height,
        ExtendedColorType::Rgb8,
    );
    if let Err(source) = encoded {
        return Err(DemoError::Encode { path, source });
    }
    fs::write(&path, bytes).map_err(|source| DemoError::Write { path, source })
}

/// The picture's pixels, from its kind and number alone.
fn picture(kind: Kind, number: u32) -> Rgb {
    let mut random = SplitMix::new(u64::from(number) << 8 | kind as u64);
    let (width, height) = match number % 8 {
        5 => (SIDE + random.below(100), SIDE + random.below(60)),
        _ => (SIDE, SIDE),
    };
    render::render(&Scene::random(kind, &mut random), width, height)
}
