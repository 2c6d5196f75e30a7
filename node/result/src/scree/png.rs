//! `scree.png`: the spectrum as pixels, with the scales of the SVG.

use super::chart::{BOTTOM, Chart, HEIGHT, LEFT, RIGHT, TOP, WIDTH};
use crate::error::WriteError;
use crate::model::FittedView;
use crate::plots::words::{grouped, percent};
use crate::plots::{Anchor, Ink, Item, Picture};

/// The plot: bars, running sum on the right axis, and the border of what is kept.
pub fn scree_png(model: &FittedView<'_>) -> Result<Vec<u8>, WriteError> {
    model.check()?;
    let largest = model.ratios.first().copied().unwrap_or(0.0);
    let chart = Chart::new(model.facts.rank as usize, model.k(), largest);
    let mut picture = Picture {
        width: WIDTH as u32,
        height: HEIGHT as u32,
        title: "Share of variance by component".to_owned(),
        summary: format!(
            "{} photographs, {} features: k = {} keeps {}; line: running sum (right)",
            grouped(model.facts.rows),
            grouped(model.facts.dim.into()),
            grouped(model.facts.k.into()),
            percent(model.share(), 2),
        ),
        items: Vec::new(),
    };
    axes(&mut picture, &chart);
    for (component, ratio) in model.ratios.iter().take(chart.bars).enumerate() {
        let ink = if component < model.k() { Ink::Kept } else { Ink::Rest };
        let (x, y) = (chart.x(component) + chart.pitch() * 0.12, chart.y_ratio(*ratio));
        picture.items.push(Item::Rect(ink, [x, y, chart.pitch() * 0.76, BOTTOM - y]));
    }
    let sums = model.cumulative();
    let place = |(component, share): (usize, &f64)| {
        (chart.x(component) + chart.pitch() / 2.0, chart.y_share(*share))
    };
    let line = sums.iter().take(chart.bars).enumerate().map(place).collect();
    picture.items.push(Item::Line(Ink::Sum, 2.0, line));
    if model.k() <= chart.bars {
        let x = chart.x(model.k());
        picture.items.push(Item::Line(Ink::Text, 1.5, vec![(x, TOP - 6.0), (x, BOTTOM)]));
        let x = x.clamp(LEFT + 20.0, RIGHT - 20.0);
        let words = format!("k = {}", model.k());
        picture.text(Ink::Text, Anchor::Middle, (x, TOP - 12.0), words);
    }
    picture.to_png()
}

fn axes(picture: &mut Picture, chart: &Chart) {
    for tick in 0..=chart.ticks {
        let ratio = tick as f64 * chart.step;
        let y = chart.y_ratio(ratio);
        picture.items.push(Item::Line(Ink::Grid, 1.0, vec![(LEFT, y), (RIGHT, y)]));
        let words = percent(ratio, chart.decimals());
        picture.text(Ink::Quiet, Anchor::End, (LEFT - 8.0, y + 4.5), words);
    }
    for fifth in 0..=5u32 {
        let share = f64::from(fifth) / 5.0;
        let at = (RIGHT + 8.0, chart.y_share(share) + 4.5);
        picture.text(Ink::Quiet, Anchor::Start, at, percent(share, 0));
    }
    for component in chart.labelled() {
        let at = (chart.x(component) - chart.pitch() / 2.0, BOTTOM + 20.0);
        picture.text(Ink::Quiet, Anchor::Middle, at, component.to_string());
    }
    let at = ((LEFT + RIGHT) / 2.0, BOTTOM + 44.0);
    picture.text(Ink::Text, Anchor::Middle, at, "component".to_owned());
}
