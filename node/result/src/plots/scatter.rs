//! The first two components by label. Colour, form and filling together tell labels apart.

use std::collections::BTreeMap;

use super::axis::Axis;
use super::picture::{Anchor, FORMS, HUES, Ink, Item, Picture};
use super::sample::{Point, Sample};
use super::words::{grouped, percent};
use crate::FittedView;

/// Labels that have a look of their own: every colour in every form, filled and hollow.
const LABELS_MAX: usize = HUES.len() * FORMS.len() * 2;
/// Letters of a label in the legend.
const LETTERS_MAX: usize = 25;

const WIDTH: u32 = 960;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 936.0;
const TOP: f64 = 80.0;
const BOTTOM: f64 = 640.0;
const COLUMNS: usize = 4;
const LINE: f64 = 20.0;
const LEGEND_TOP: f64 = 712.0;

/// How the points of a label are drawn.
type Look = (Ink, usize, bool);

/// The plot of a sample. `model` gives the shares for the axes.
pub fn scatter(sample: &Sample, model: &FittedView<'_>) -> Picture {
    let (looks, others) = looks(sample);
    let entries = looks.len() + usize::from(others > 0);
    let lines = entries.div_ceil(COLUMNS) as f64;
    let shown = grouped(sample.points.len() as u64);
    let summary = match sample.seen == sample.points.len() as u64 {
        true => format!("all {shown} photographs, {} labels", looks.len() + others),
        false => format!(
            "{shown} of {} photographs, chosen by the hashes of their keys; {} labels among them",
            grouped(sample.seen),
            looks.len() + others
        ),
    };
    let mut picture = Picture {
        width: WIDTH,
        height: (LEGEND_TOP + lines * LINE + 8.0) as u32,
        title: "Photographs in the plane of the first components".to_owned(),
        summary,
        items: Vec::new(),
    };
    let x = Axis::of(sample.points.values().map(|point| point.x), LEFT, RIGHT);
    let y = Axis::of(sample.points.values().map(|point| point.y), BOTTOM, TOP);
    grid(&mut picture, &x, &y, model);
    let mut faint = Vec::new();
    let mut bright = Vec::new();
    for point in sample.points.values() {
        let place = (x.place(point.x), y.place(point.y));
        match looks.get(&point.label) {
            Some(look) => bright.push(mark(*look, place)),
            None => faint.push(mark((Ink::Faint, 0, false), place)),
        }
    }
    picture.items.append(&mut faint);
    picture.items.append(&mut bright);
    legend(&mut picture, &looks, others);
    picture
}

/// Looks of the labels with the most points, given out in the order of their names; and how many
/// labels have none.
fn looks(sample: &Sample) -> (BTreeMap<Option<String>, Look>, usize) {
    let mut counts: BTreeMap<&Option<String>, usize> = BTreeMap::new();
    for Point { label, .. } in sample.points.values() {
        *counts.entry(label).or_default() += 1;
    }
    let all = counts.len();
    let mut ranked: Vec<_> = counts.into_iter().collect();
    // Stable: among labels with as many points, the first by name.
    ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    ranked.truncate(LABELS_MAX);
    ranked.sort_unstable();
    let look = |at: usize| {
        let round = at / HUES.len();
        (Ink::Hue(at % HUES.len()), round % FORMS.len(), round >= FORMS.len())
    };
    let looks = ranked.iter().enumerate().map(|(at, (label, _))| ((*label).clone(), look(at)));
    (looks.collect(), all - ranked.len())
}

fn mark((ink, form, hollow): Look, at: (f64, f64)) -> Item {
    Item::Mark { ink, form: FORMS[form], hollow, at, radius: 3.2 }
}

fn grid(picture: &mut Picture, x: &Axis, y: &Axis, model: &FittedView<'_>) {
    for (value, text) in x.ticks() {
        let at = x.place(value);
        picture.items.push(Item::Line(Ink::Grid, 1.0, vec![(at, TOP), (at, BOTTOM)]));
        picture.text(Ink::Quiet, Anchor::Middle, (at, BOTTOM + 20.0), text);
    }
    for (value, text) in y.ticks() {
        let at = y.place(value);
        picture.items.push(Item::Line(Ink::Grid, 1.0, vec![(LEFT, at), (RIGHT, at)]));
        picture.text(Ink::Quiet, Anchor::End, (LEFT - 8.0, at + 4.5), text);
    }
    let share = |at: usize| percent(model.ratios.get(at).copied().unwrap_or(0.0), 1);
    let words = match model.k() {
        1 => format!("across: component 1 ({}); upwards: spread, without meaning", share(0)),
        _ => format!("across: component 1 ({}); upwards: component 2 ({})", share(0), share(1)),
    };
    picture.text(Ink::Text, Anchor::Middle, ((LEFT + RIGHT) / 2.0, BOTTOM + 44.0), words);
}

fn legend(picture: &mut Picture, looks: &BTreeMap<Option<String>, Look>, others: usize) {
    let named = looks.iter().map(|(label, look)| match label {
        Some(label) => (*look, short(label)),
        None => (*look, "(no label)".to_owned()),
    });
    let more = (others > 0).then(|| ((Ink::Faint, 0, false), format!("{others} other labels")));
    let entries: Vec<(Look, String)> = named.chain(more).collect();
    let lines = entries.len().div_ceil(COLUMNS).max(1);
    let pitch = (RIGHT - 24.0) / COLUMNS as f64;
    for (at, (look, words)) in entries.into_iter().enumerate() {
        let left = 32.0 + (at / lines) as f64 * pitch;
        let base = LEGEND_TOP + (at % lines) as f64 * LINE;
        let (ink, form, hollow) = look;
        let (form, at) = (FORMS[form], (left, base - 4.5));
        picture.items.push(Item::Mark { ink, form, hollow, at, radius: 4.5 });
        picture.text(Ink::Quiet, Anchor::Start, (left + 12.0, base), words);
    }
}

/// A label cut to the width of its column.
fn short(label: &str) -> String {
    match label.chars().count() > LETTERS_MAX {
        true => label.chars().take(LETTERS_MAX - 2).chain("..".chars()).collect(),
        false => label.to_owned(),
    }
}
