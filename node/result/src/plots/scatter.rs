//! The first two components by label, before the cloud of the photographs of the fit.

use super::axis::Axis;
use super::looks::{Look, Looks};
use super::picture::{Anchor, Form, Ink, Item, Picture};
use super::sample::Sample;
use super::words::{counted, grouped, percent};
use crate::FittedView;

/// Letters of a label in the legend.
const LETTERS_MAX: usize = 21;

const WIDTH: u32 = 720;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 704.0;
const TOP: f64 = 128.0;
const BOTTOM: f64 = 608.0;
const COLUMNS: usize = 3;
const LINE: f64 = 20.0;
const LEGEND_TOP: f64 = 684.0;

/// What every drawing of the plane shows: axes that hold all points and the cloud, and words.
pub(crate) struct Plane {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) x_title: String,
    pub(crate) y_title: String,
    /// How many photographs are shown.
    pub(crate) shown: String,
    /// How many of all lie outside the cloud.
    pub(crate) outside: String,
}

impl Plane {
    /// With axes from `left` to `right` and from `bottom` to `top`. `model` gives the shares.
    pub(crate) fn of(
        sample: &Sample,
        model: &FittedView<'_>,
        [left, right, bottom, top]: [f64; 4],
    ) -> Self {
        let reach = |component| sample.cloud().reach(component).into_iter();
        let ends = |component| reach(component).flat_map(|(mid, half)| [mid - half, mid + half]);
        let points = sample.points.values();
        let share = |at: usize| percent(model.ratios.get(at).copied().unwrap_or(0.0), 1);
        let shown = sample.points.len() as u64;
        let photographs = match sample.seen == shown {
            true => counted(shown, "photograph"),
            false => format!(
                "{} of {}, chosen by the hash of their keys",
                grouped(shown),
                counted(sample.seen, "photograph")
            ),
        };
        let labels = sample.label_words().unwrap_or_else(|| "no labels".to_owned());
        let of_all = sample.outside as f64 / (sample.seen.max(1)) as f64;
        Self {
            x: Axis::of(points.clone().map(|point| point.x).chain(ends(0)), left, right),
            y: Axis::of(points.map(|point| point.y).chain(ends(1)), bottom, top),
            x_title: format!("component 1 ({} of variance)", share(0)),
            y_title: match model.k() {
                1 => "no second component: heights have no meaning".to_owned(),
                _ => format!("component 2 ({} of variance)", share(1)),
            },
            shown: format!("{photographs}; {labels}"),
            outside: format!(
                "{} ({}) outside the 95 % ellipse of the fit",
                counted(sample.outside, "photograph"),
                percent(of_all, 1)
            ),
        }
    }

    /// The cloud's middle and half axes as the axes place them.
    pub(crate) fn cloud(&self, sample: &Sample) -> Option<[(f64, f64); 2]> {
        let cloud = sample.cloud();
        let (x, across) = cloud.reach(0)?;
        // Without a second component it is a band from top to bottom.
        let (y, up) = cloud.reach(1).unwrap_or((0.5, 0.5));
        let middle = (self.x.place(x), self.y.place(y));
        let half =
            |axis: &Axis, mid: f64, half: f64| (axis.place(mid + half) - axis.place(mid)).abs();
        Some([middle, (half(&self.x, x, across), half(&self.y, y, up))])
    }
}

/// The plot of a sample.
pub fn scatter(sample: &Sample, model: &FittedView<'_>) -> Picture {
    let looks = Looks::of(sample);
    let entries = if looks.tell_apart() { looks.of.len() } else { 0 };
    let lines = (entries + usize::from(looks.others > 0)).div_ceil(COLUMNS) as f64;
    let plane = Plane::of(sample, model, [LEFT, RIGHT, BOTTOM, TOP]);
    let mut picture = Picture {
        width: WIDTH,
        height: (LEGEND_TOP + lines * LINE - 4.0) as u32,
        title: "First two principal components".to_owned(),
        summary: format!("{}\n{}", plane.shown, plane.outside),
        items: Vec::new(),
    };
    if let Some([middle, half]) = plane.cloud(sample) {
        picture.items.push(match model.k() {
            1 => Item::Rect(Ink::Cloud, [middle.0 - half.0, TOP, 2.0 * half.0, BOTTOM - TOP]),
            _ => Item::Ellipse(Ink::Cloud, middle, half),
        });
    }
    grid(&mut picture, &plane);
    let mut faint = Vec::new();
    let mut bright = Vec::new();
    for point in sample.points.values() {
        let place = (plane.x.place(point.x), plane.y.place(point.y));
        match looks.of.get(&point.label) {
            Some(look) => bright.push(mark(*look, place, 3.2)),
            None => faint.push(faint_mark(place, 3.2)),
        }
    }
    picture.items.append(&mut faint);
    picture.items.append(&mut bright);
    if looks.tell_apart() {
        legend(&mut picture, &looks);
    }
    picture
}

fn mark(look: Look, at: (f64, f64), radius: f64) -> Item {
    Item::Mark { ink: Ink::Hue(look.hue), form: look.form, hollow: look.hollow, at, radius }
}

fn faint_mark(at: (f64, f64), radius: f64) -> Item {
    Item::Mark { ink: Ink::Faint, form: Form::Disc, hollow: false, at, radius }
}

fn grid(picture: &mut Picture, plane: &Plane) {
    for (value, text) in plane.x.ticks() {
        let at = plane.x.place(value);
        picture.items.push(Item::Line(Ink::Grid, 1.0, vec![(at, TOP), (at, BOTTOM)]));
        picture.text(Ink::Quiet, Anchor::Middle, (at, BOTTOM + 20.0), text);
    }
    for (value, text) in plane.y.ticks() {
        let at = plane.y.place(value);
        picture.items.push(Item::Line(Ink::Grid, 1.0, vec![(LEFT, at), (RIGHT, at)]));
        picture.text(Ink::Quiet, Anchor::End, (LEFT - 8.0, at + 4.5), text);
    }
    let middle = ((LEFT + RIGHT) / 2.0, BOTTOM + 44.0);
    picture.text(Ink::Text, Anchor::Middle, middle, plane.x_title.clone());
    picture.text(Ink::Text, Anchor::Start, (24.0, TOP - 14.0), plane.y_title.clone());
}

fn legend(picture: &mut Picture, looks: &Looks) {
    let named = looks.of.iter().map(|(label, look)| {
        let words = label.as_ref().map_or_else(|| "(no label)".to_owned(), |label| short(label));
        (Some(*look), words)
    });
    let more = (looks.others > 0).then(|| (None, counted(looks.others as u64, "other label")));
    let entries: Vec<(Option<Look>, String)> = named.chain(more).collect();
    let lines = entries.len().div_ceil(COLUMNS).max(1);
    let pitch = (RIGHT - 24.0) / COLUMNS as f64;
    for (at, (look, words)) in entries.into_iter().enumerate() {
        let left = 32.0 + (at / lines) as f64 * pitch;
        let base = LEGEND_TOP + (at % lines) as f64 * LINE;
        let place = (left, base - 4.5);
        let mark = look.map_or_else(|| faint_mark(place, 4.5), |look| mark(look, place, 4.5));
        picture.items.push(mark);
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
