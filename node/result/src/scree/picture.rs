//! The spectrum as a picture: the share of each of the first components, and below it what the
//! first ones hold together, with the numbers that common shares take.

use super::scales::Scales;
use crate::error::WriteError;
use crate::model::FittedView;
use crate::plots::words::{counted, grouped, percent};
use crate::plots::{Anchor, Axis, Ink, Item, Picture};

const WIDTH: u32 = 720;
const HEIGHT: u32 = 836;
const LEFT: f64 = 72.0;
/// Right end of the bars, and of the curve, which has words beside it.
const RIGHT: f64 = 696.0;
const CURVE_RIGHT: f64 = 560.0;
const BARS_TOP: f64 = 128.0;
const BARS_BOTTOM: f64 = 328.0;
const CURVE_TOP: f64 = 452.0;
const CURVE_BOTTOM: f64 = 776.0;

/// `scree.svg`: one self-contained file without script, its text left as text.
///
/// # Errors
/// When the arrays of the model do not fit each other.
pub fn scree_svg(model: &FittedView<'_>) -> Result<Vec<u8>, WriteError> {
    Ok(picture(model)?.to_svg())
}

/// `scree.png`: the same as pixels.
///
/// # Errors
/// As [`scree_svg`], and when the encoder refuses.
pub fn scree_png(model: &FittedView<'_>) -> Result<Vec<u8>, WriteError> {
    picture(model)?.to_png()
}

fn picture(model: &FittedView<'_>) -> Result<Picture, WriteError> {
    model.check()?;
    let scales = Scales::of(model);
    let facts = model.facts;
    let mut picture = Picture {
        width: WIDTH,
        height: HEIGHT,
        title: "Explained variance".to_owned(),
        summary: format!(
            "{}, {}; {} kept, {} of the variance",
            counted(facts.rows, "photograph"),
            counted(facts.dim.into(), "feature"),
            counted(facts.k.into(), "component"),
            percent(model.share(), 2),
        ),
        items: Vec::new(),
    };
    bars(&mut picture, &scales, model);
    curve(&mut picture, &scales, model);
    Ok(picture)
}

fn bars(picture: &mut Picture, scales: &Scales, model: &FittedView<'_>) {
    let y = scales.heights(BARS_BOTTOM, BARS_TOP);
    across(picture, &y, RIGHT);
    let words = "share of the variance, each component".to_owned();
    picture.text(Ink::Text, Anchor::Start, (24.0, BARS_TOP - 16.0), words);
    let pitch = (RIGHT - LEFT) / scales.bars as f64;
    for (component, ratio) in model.ratios.iter().take(scales.bars).enumerate() {
        let ink = if component < model.k() { Ink::Kept } else { Ink::Rest };
        let (x, top) = (LEFT + (component as f64 + 0.12) * pitch, y.place(*ratio));
        picture.items.push(Item::Rect(ink, [x, top, 0.76 * pitch, BARS_BOTTOM - top]));
        let number = component + 1;
        if scales.bars <= 12 || number == 1 || number.is_multiple_of(5) {
            let at = (x + 0.38 * pitch, BARS_BOTTOM + 20.0);
            picture.text(Ink::Quiet, Anchor::Middle, at, number.to_string());
        }
    }
    let words = match (scales.bars, model.facts.rank as usize) {
        (bars, rank) if bars < rank => {
            format!("component (the first {bars} of {})", grouped(rank as u64))
        }
        _ => "component".to_owned(),
    };
    let middle = ((LEFT + RIGHT) / 2.0, BARS_BOTTOM + 44.0);
    picture.text(Ink::Text, Anchor::Middle, middle, words);
}

fn curve(picture: &mut Picture, scales: &Scales, model: &FittedView<'_>) {
    let y = Axis::between(0.0, 1.0, CURVE_BOTTOM, CURVE_TOP);
    let x = scales.counts(LEFT, CURVE_RIGHT);
    across(picture, &y, CURVE_RIGHT);
    let words = "share of the variance, first components together".to_owned();
    picture.text(Ink::Text, Anchor::Start, (24.0, CURVE_TOP - 40.0), words);
    for (value, words) in x.ticks() {
        let at = (x.place(value), CURVE_BOTTOM + 20.0);
        picture.text(Ink::Quiet, Anchor::Middle, at, words);
    }
    let middle = ((LEFT + CURVE_RIGHT) / 2.0, CURVE_BOTTOM + 44.0);
    picture.text(Ink::Text, Anchor::Middle, middle, "components".to_owned());
    for (share, k) in scales.needed {
        let (at, height) = (x.place(k as f64), y.place(share));
        let line = vec![(LEFT, height), (CURVE_RIGHT, height)];
        picture.items.push(Item::Line(Ink::Goal, 1.0, line));
        let drop = vec![(at, y.place(scales.share(k))), (at, CURVE_BOTTOM)];
        picture.items.push(Item::Line(Ink::Goal, 1.0, drop));
        let words = format!("{}: k = {}", percent(share, 0), grouped(k as u64));
        picture.text(Ink::Goal, Anchor::Start, (CURVE_RIGHT + 8.0, height + 4.5), words);
    }
    let kept = x.place(model.k() as f64);
    let border = vec![(kept, CURVE_TOP - 6.0), (kept, CURVE_BOTTOM)];
    picture.items.push(Item::Line(Ink::Text, 1.5, border));
    let at = (kept.clamp(LEFT + 72.0, RIGHT - 72.0), CURVE_TOP - 14.0);
    let words = format!("kept: k = {}", grouped(model.k() as u64));
    picture.text(Ink::Text, Anchor::Middle, at, words);
    let line = scales.curve();
    let line = line.iter().map(|(count, share)| (x.place(*count as f64), y.place(*share)));
    picture.items.push(Item::Line(Ink::Sum, 2.0, line.collect()));
}

/// Lines across and their shares.
fn across(picture: &mut Picture, axis: &Axis, right: f64) {
    for (value, words) in axis.percents() {
        let y = axis.place(value);
        picture.items.push(Item::Line(Ink::Grid, 1.0, vec![(LEFT, y), (right, y)]));
        picture.text(Ink::Quiet, Anchor::End, (LEFT - 8.0, y + 4.5), words);
    }
}
