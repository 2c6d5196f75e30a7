//! A picture as PNG, twice the size of the SVG, on light ground. Nothing but sums, products and
//! comparisons of doubles, which are the same on every machine.

use super::letters;
use super::picture::{Anchor, Form, HUES, Ink, Item, LIGHT, Picture};
use crate::error::WriteError;
use crate::thumbnails::{self, SIDE, Thumbnail};

/// Pixels for one of the SVG's.
const SCALE: f64 = 2.0;
/// Samples of a pixel along each side.
const FINE: usize = 4;

impl Picture {
    /// The bytes of the file.
    ///
    /// # Errors
    /// When the encoder refuses.
    pub fn to_png(&self) -> Result<Vec<u8>, WriteError> {
        self.to_png_with(&[])
    }

    /// The same, with photographs in it.
    pub(super) fn to_png_with(&self, photos: &[Photo]) -> Result<Vec<u8>, WriteError> {
        let (width, height) = (2 * self.width, 2 * self.height);
        let mut canvas = Canvas {
            width: width as usize,
            height: height as usize,
            pixels: vec![255; 3 * width as usize * height as usize],
        };
        canvas.text(Ink::Text, Anchor::Start, (24.0, 32.0), &self.title);
        for (line, base) in self.summary_lines() {
            canvas.text(Ink::Quiet, Anchor::Start, (24.0, base), line);
        }
        self.items.iter().for_each(|item| canvas.draw(item));
        photos.iter().for_each(|photo| canvas.photo(photo));
        thumbnails::encode(width, height, &canvas.pixels, png::Compression::Balanced)
    }
}

/// A thumbnail at its place, in pixels of the SVG.
pub(super) struct Photo {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) pixels: Thumbnail,
}

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn draw(&mut self, item: &Item) {
        match item {
            Item::Rect(ink, [x, y, width, height]) => {
                let [left, top] = [x * SCALE, y * SCALE];
                let [right, bottom] = [left + width * SCALE, top + height * SCALE];
                self.fill(*ink, [left, top, right, bottom], |x, y| {
                    x >= left && x < right && y >= top && y < bottom
                });
            }
            Item::Ellipse(ink, (x, y), (across, up)) => {
                let [x, y, across, up] = [x * SCALE, y * SCALE, across * SCALE, up * SCALE];
                self.fill(*ink, [x - across, y - up, x + across, y + up], |px, py| {
                    let (dx, dy) = ((px - x) * up, (py - y) * across);
                    dx * dx + dy * dy <= across * across * up * up
                });
            }
            Item::Line(ink, width, points) => {
                for ends in points.windows(2) {
                    self.segment(*ink, width * SCALE / 2.0, ends[0], ends[1]);
                }
            }
            Item::Mark { ink, form, hollow, at, radius } => {
                let (x, y, r) = (at.0 * SCALE, at.1 * SCALE, radius * SCALE);
                let reach = 1.5 * r;
                self.fill(*ink, [x - reach, y - reach, x + reach, y + reach], |px, py| {
                    let (dx, dy) = ((px - x) / r, (py - y) / r);
                    let out = if *hollow { 1.12 } else { 1.0 };
                    let hole = *hollow && inside(*form, dx / 0.62, dy / 0.62);
                    inside(*form, dx / out, dy / out) && !hole
                });
            }
            Item::Text { ink, anchor, at, text } => self.text(*ink, *anchor, *at, text),
        }
    }

    /// Twice its size, softened: each new pixel is three parts the nearest old one, one part the
    /// next, along both sides.
    fn photo(&mut self, photo: &Photo) {
        let side = SIDE as usize;
        let (left, top) = ((photo.left * SCALE) as usize, (photo.top * SCALE) as usize);
        let pair = |at: usize| {
            let near = at / 2;
            let next = if at.is_multiple_of(2) { near.saturating_sub(1) } else { near + 1 };
            [(near, 3), (next.min(side - 1), 1)]
        };
        for (row, column) in (0..2 * side).flat_map(|row| (0..2 * side).map(move |x| (row, x))) {
            if top + row >= self.height || left + column >= self.width {
                continue;
            }
            let to = 3 * ((top + row) * self.width + left + column);
            for channel in 0..3 {
                let mut sum = 8;
                for (y, down) in pair(row) {
                    for (x, across) in pair(column) {
                        let value = photo.pixels[3 * (y * side + x) + channel];
                        sum += down * across * u32::from(value);
                    }
                }
                self.pixels[to + channel] = (sum / 16) as u8;
            }
        }
    }

    /// All that is nearer to the line between two points than `half`.
    fn segment(&mut self, ink: Ink, half: f64, from: (f64, f64), to: (f64, f64)) {
        let (x0, y0, x1, y1) = (from.0 * SCALE, from.1 * SCALE, to.0 * SCALE, to.1 * SCALE);
        let (dx, dy) = (x1 - x0, y1 - y0);
        let length = dx * dx + dy * dy;
        let bounds = [x0.min(x1) - half, y0.min(y1) - half, x0.max(x1) + half, y0.max(y1) + half];
        self.fill(ink, bounds, |x, y| {
            let along = ((x - x0) * dx + (y - y0) * dy) / length.max(1e-9);
            let along = along.clamp(0.0, 1.0);
            let (ex, ey) = (x - x0 - along * dx, y - y0 - along * dy);
            ex * ex + ey * ey <= half * half
        });
    }

    fn fill(&mut self, ink: Ink, bounds: [f64; 4], inside: impl Fn(f64, f64) -> bool) {
        let to = |value: f64, most: usize| (value.max(0.0) as usize).min(most);
        let [left, top, right, bottom] = bounds;
        for row in to(top, self.height)..to(bottom + 1.0, self.height) {
            for column in to(left, self.width)..to(right + 1.0, self.width) {
                let at =
                    |pixel: usize, part: usize| pixel as f64 + (part as f64 + 0.5) / FINE as f64;
                let hits = (0..FINE * FINE)
                    .filter(|n| inside(at(column, n % FINE), at(row, n / FINE)))
                    .count();
                self.blend(column, row, ink, (hits * 255 / (FINE * FINE)) as u32);
            }
        }
    }

    fn text(&mut self, ink: Ink, anchor: Anchor, at: (f64, f64), text: &str) {
        let step = letters::width();
        let length = (text.chars().count() * step) as f64;
        let left = at.0 * SCALE
            - match anchor {
                Anchor::Start => 0.0,
                Anchor::Middle => length / 2.0,
                Anchor::End => length,
            };
        let (left, top) = (left.max(0.0) as usize, (at.1 * SCALE - letters::BASE).max(0.0));
        for (nth, letter) in text.chars().enumerate() {
            for (y, row) in letters::rows(letter).enumerate() {
                for (x, cover) in row.iter().enumerate() {
                    let column = left + nth * step + x;
                    self.blend(column, top as usize + y, ink, u32::from(*cover));
                }
            }
        }
    }

    fn blend(&mut self, column: usize, row: usize, ink: Ink, cover: u32) {
        if cover == 0 || column >= self.width || row >= self.height {
            return;
        }
        let at = 3 * (row * self.width + column);
        for (pixel, ink) in self.pixels[at..at + 3].iter_mut().zip(color(ink)) {
            let mixed = u32::from(*pixel) * (255 - cover) + u32::from(ink) * cover;
            *pixel = ((mixed + 127) / 255) as u8;
        }
    }
}

/// Whether a point, in radii from the centre, lies within a form: by how often a line to the
/// right of it crosses the border.
fn inside(form: Form, x: f64, y: f64) -> bool {
    let corners = form.corners();
    let Some(mut before) = corners.last().copied() else { return x * x + y * y <= 1.0 };
    let mut within = false;
    for &corner in corners {
        let (x0, y0) = before;
        let (x1, y1) = corner;
        if (y0 > y) != (y1 > y) && x < x0 + (y - y0) * (x1 - x0) / (y1 - y0) {
            within = !within;
        }
        before = corner;
    }
    within
}

fn color(ink: Ink) -> [u8; 3] {
    match ink {
        Ink::Text => [31, 35, 40],
        Ink::Quiet => [89, 99, 110],
        Ink::Grid => [216, 222, 228],
        Ink::Kept => [26, 111, 181],
        Ink::Rest => [169, 199, 227],
        Ink::Sum => [179, 72, 15],
        Ink::Goal => [122, 70, 168],
        Ink::Cloud => [233, 236, 240],
        Ink::Hue(hue) => LIGHT[hue % HUES],
        Ink::Faint => [184, 192, 200],
    }
}
