//! What the page shows of the components: the plane, the spectrum, the photographs at their ends.

use std::collections::BTreeMap;
use std::fmt::{Result as Written, Write};

use super::chart::{Chart, curve_mark, rect_mark};
use super::parts::{Cell, write_table};
use crate::FittedView;
use crate::error::WriteError;
use crate::markup::{base64, escaped};
use crate::plots::words::{counted, grouped, percent, px};
use crate::plots::{Axis, Extremes, Look, Looks, Plane, Sample, Strip, outline};
use crate::scree::Scales;
use crate::thumbnails::SIDE;

/// Radius of a point in pixels.
const RADIUS: f64 = 3.6;
/// Chances that a photograph of the fit lies outside, by the definition of the ellipse.
const EXPECTED: &str = "5 %";

/// The sections of the page that show the components.
#[derive(Debug, Clone)]
pub struct Figures(pub(super) String);

/// Draws them. `given` says that the model was fitted to other photographs.
///
/// # Errors
/// When the arrays of the model do not fit each other, or an encoder refuses.
pub fn figures(
    sample: &Sample,
    extremes: &Extremes,
    model: &FittedView<'_>,
    given: bool,
) -> Result<Figures, WriteError> {
    model.check()?;
    let strips = extremes.strips()?;
    let mut out = String::new();
    write_plane(&mut out, sample, model, given)
        .and_then(|()| write_spectrum(&mut out, model, given))
        .and_then(|()| write_ends(&mut out, &strips, extremes, model))
        .expect("a String takes all");
    Ok(Figures(out))
}

fn write_plane(out: &mut String, sample: &Sample, model: &FittedView<'_>, given: bool) -> Written {
    let plane = Plane::of(sample, model, [0.0, 100.0, 100.0, 0.0]);
    let looks = Looks::of(sample);
    let title = if model.k() == 1 { "First component" } else { "First two components" };
    writeln!(out, "<h2>{title}</h2>\n<p>Each mark is a photograph ({}).</p>", plane.shown)?;
    let share = percent(sample.outside as f64 / sample.seen.max(1) as f64, 1);
    let lie = if sample.outside == 1 { "lies" } else { "lie" };
    let outside = format!("{} ({share})", grouped(sample.outside));
    let seen = counted(sample.seen, "photograph");
    let fitted = counted(model.facts.rows, "photograph");
    match given {
        true => writeln!(
            out,
            "<p>The grey area shows the {fitted} that the model was fitted to: it would contain \
             95 % of them if their scores were normally distributed. <b>{outside} of {seen} \
             {lie} outside it.</b> About {EXPECTED} is expected of photographs like those of the \
             fit; a much larger share means that these differ from them, and that a new fit is \
             worth considering. A small share proves less: what is new may differ in other \
             components alone.</p>"
        )?,
        false => writeln!(
            out,
            "<p>The grey area would contain 95 % of the photographs if their scores were normally \
             distributed; {outside} of {seen} {lie} outside it.</p>"
        )?,
    }
    let mut behind = String::new();
    if let Some([middle, half]) = plane.cloud(sample) {
        let [x, y, across, up] = [middle.0, middle.1, half.0, half.1].map(px);
        match model.k() {
            1 => rect_mark(&mut behind, "cloud", [middle.0 - half.0, 0.0, 2.0 * half.0, 100.0])?,
            _ => writeln!(
                behind,
                "<ellipse class=\"cloud\" cx=\"{x}%\" cy=\"{y}%\" rx=\"{across}%\" ry=\"{up}%\"/>"
            )?,
        }
    }
    let ticks = |axis: &Axis| -> Vec<(f64, String)> {
        axis.ticks().into_iter().map(|(value, words)| (axis.place(value), words)).collect()
    };
    Chart {
        words: format!(
            "Scatter plot of {} on {}, {}. {}.",
            plane.y_title, plane.x_title, plane.shown, plane.outside
        ),
        room: "",
        height: 460,
        x: ticks(&plane.x),
        y: if model.k() == 1 { Vec::new() } else { ticks(&plane.y) },
        uprights: true,
        x_title: plane.x_title.clone(),
        y_title: plane.y_title.clone(),
        behind,
        marks: points(sample, &plane, &looks)?,
    }
    .write(out)?;
    if looks.tell_apart() { write_legend(out, &looks) } else { Ok(()) }
}

/// The marks, each a copy of its label's.
fn points(sample: &Sample, plane: &Plane, looks: &Looks) -> Result<String, std::fmt::Error> {
    let mut out = String::from("<defs>");
    for (at, look) in looks.of.values().enumerate() {
        let (class, d) = (class(look), outline(look.form, (0.0, 0.0), RADIUS));
        write!(out, "<path id=\"l{at}\" class=\"{class}\" d=\"{d}\"/>")?;
    }
    out.push_str("</defs>\n");
    let numbers: BTreeMap<&Option<String>, usize> = looks.of.keys().zip(0..).collect();
    let mut bright = String::new();
    for point in sample.points.values() {
        let (x, y) = (px(plane.x.place(point.x)), px(plane.y.place(point.y)));
        match numbers.get(&point.label) {
            Some(at) => writeln!(bright, "<use href=\"#l{at}\" x=\"{x}%\" y=\"{y}%\"/>")?,
            None => {
                writeln!(out, "<circle class=\"faint\" cx=\"{x}%\" cy=\"{y}%\" r=\"3\"/>")?;
            }
        }
    }
    Ok(out + &bright)
}

fn write_legend(out: &mut String, looks: &Looks) -> Written {
    out.write_str("<ul class=\"legend\">\n")?;
    for (label, look) in &looks.of {
        let words = label.as_ref().map_or_else(|| "(no label)".to_owned(), |label| escaped(label));
        let (class, d) = (class(look), outline(look.form, (0.0, 0.0), 4.8));
        writeln!(
            out,
            "<li><svg width=\"14\" height=\"14\" viewBox=\"-7 -7 14 14\" aria-hidden=\"true\">\
             <path class=\"{class}\" d=\"{d}\"/></svg>{words}</li>"
        )?;
    }
    if looks.others > 0 {
        let words = counted(looks.others as u64, "other label");
        writeln!(out, "<li class=\"quiet\">{words}, as small grey discs</li>")?;
    }
    out.write_str("</ul>\n")
}

fn class(look: &Look) -> String {
    format!("{}{}", if look.hollow { 'o' } else { 'h' }, look.hue)
}

fn write_spectrum(out: &mut String, model: &FittedView<'_>, given: bool) -> Written {
    let scales = Scales::of(model);
    let (k, kept) = (model.k() as u64, percent(model.share(), 2));
    let whose = match given {
        true => " of the photographs that the model was fitted to",
        false => "",
    };
    let explain = if k == 1 { "explains" } else { "explain" };
    writeln!(
        out,
        "<h2>Explained variance</h2>\n<p>{} kept of {}. Together they {explain} {kept} of the \
         variance{whose}. <a href=\"scree.csv\">scree.csv</a> has the share of every \
         component.</p>",
        counted(k, "component"),
        grouped(model.facts.rank.into()),
    )?;
    let rows = scales.needed.iter().map(|(share, needed)| {
        [Cell::Number(percent(*share, 0)), Cell::Number(grouped(*needed as u64))]
    });
    let own = [Cell::Number(format!("kept: {kept}")), Cell::Number(grouped(k))];
    write_table(out, "short", &["share of the variance", "components needed"], rows.chain([own]))?;
    write_sum(out, &scales, model)?;
    write_bars(out, &scales, model)
}

/// The running sum, which crosses the shares that are often asked for.
fn write_sum(out: &mut String, scales: &Scales, model: &FittedView<'_>) -> Written {
    let x = scales.counts(0.0, 100.0);
    let y = Axis::between(0.0, 1.0, 100.0, 0.0);
    let mut marks = String::new();
    for (share, k) in scales.needed {
        let (at, height) = (px(x.place(k as f64)), px(y.place(share)));
        let met = px(y.place(scales.share(k)));
        let words = format!("{}: k = {}", percent(share, 0), grouped(k as u64));
        writeln!(
            marks,
            "<line class=\"goal\" x2=\"100%\" y1=\"{height}%\" y2=\"{height}%\"/>\
             <line class=\"goal\" x1=\"{at}%\" x2=\"{at}%\" y1=\"{met}%\" y2=\"100%\"/>\
             <text class=\"goal\" x=\"100%\" dx=\"6\" y=\"{height}%\" dy=\"4\">{words}</text>"
        )?;
    }
    let kept = px(x.place(model.k() as f64));
    writeln!(marks, "<line class=\"cut\" x1=\"{kept}%\" x2=\"{kept}%\" y1=\"-4\" y2=\"100%\"/>")?;
    let curve = scales.curve();
    let curve = curve.iter().map(|(count, share)| (x.place(*count as f64), y.place(*share)));
    curve_mark(&mut marks, "sum", curve)?;
    for (_, k) in scales.needed {
        let (at, met) = (px(x.place(k as f64)), px(y.place(scales.share(k))));
        writeln!(marks, "<circle class=\"dot\" cx=\"{at}%\" cy=\"{met}%\" r=\"3.5\"/>")?;
    }
    let told = scales.needed.map(|(share, k)| format!("{k} for {}", percent(share, 0)));
    Chart {
        words: format!(
            "Share of the variance that the first components hold together. Components needed: {}.",
            told.join(", ")
        ),
        room: " aside",
        height: 340,
        x: x.ticks().into_iter().map(|(value, words)| (x.place(value), words)).collect(),
        y: y.percents().into_iter().map(|(value, words)| (y.place(value), words)).collect(),
        uprights: false,
        x_title: "number of components; the upright line marks those kept".to_owned(),
        y_title: "Cumulative share of the variance".to_owned(),
        behind: String::new(),
        marks,
    }
    .write(out)
}

fn write_bars(out: &mut String, scales: &Scales, model: &FittedView<'_>) -> Written {
    let y = scales.heights(100.0, 0.0);
    let pitch = 100.0 / scales.bars as f64;
    let mut marks = String::new();
    for (component, ratio) in model.ratios.iter().take(scales.bars).enumerate() {
        let class = if component < model.k() { "kept" } else { "rest" };
        let (x, top) = ((component as f64 + 0.12) * pitch, y.place(*ratio));
        rect_mark(&mut marks, class, [x, top, 0.76 * pitch, 100.0 - top])?;
    }
    let told = |number: &usize| scales.bars <= 12 || *number == 1 || number.is_multiple_of(5);
    let of = match model.facts.rank as usize > scales.bars {
        true => format!(" (the first {} of {})", scales.bars, grouped(model.facts.rank.into())),
        false => String::new(),
    };
    let pale = if model.k() < scales.bars { "; pale ones are not kept" } else { "" };
    let first = model.ratios.first().copied().unwrap_or(0.0);
    Chart {
        words: format!(
            "Bars of the share of the variance of each component, from {} of the first one down.",
            percent(first, 1)
        ),
        room: "",
        height: 240,
        x: (1..=scales.bars)
            .filter(told)
            .map(|number| ((number as f64 - 0.5) * pitch, number.to_string()))
            .collect(),
        y: y.percents().into_iter().map(|(value, words)| (y.place(value), words)).collect(),
        uprights: false,
        x_title: format!("component{of}{pale}"),
        y_title: "Share of the variance, each component".to_owned(),
        behind: String::new(),
        marks,
    }
    .write(out)
}

/// What the components mean: photographs at both ends of each, and their keys.
fn write_ends(
    out: &mut String,
    strips: &[[Option<Strip>; 2]],
    extremes: &Extremes,
    model: &FittedView<'_>,
) -> Written {
    writeln!(
        out,
        "<h2>Lowest and highest scores</h2>\n<p>What the first components respond to: the \
         photographs with the lowest and the highest scores {}. Scores rise from left to \
         right.</p>",
        extremes.among()
    )?;
    for (component, [low, high]) in strips.iter().enumerate() {
        let number = component + 1;
        let share = percent(model.ratios.get(component).copied().unwrap_or(0.0), 1);
        writeln!(
            out,
            "<h3>Component {number} <span>{share} of the variance</span></h3>\n<div class=\"ends\">"
        )?;
        let both = high.is_some();
        for (strip, end) in [(low, "lowest"), (high, "highest")] {
            let Some(strip) = strip else { continue };
            let caption = if both { end } else { "all, lowest first" };
            let which = if both { format!("the {end} scores") } else { "rising scores".to_owned() };
            let alt = format!(
                "{} with {which} on component {number}: {}",
                counted(strip.keys.len() as u64, "photograph"),
                strip.keys.join(", ")
            );
            writeln!(
                out,
                "<figure><img width=\"{}\" height=\"{SIDE}\" alt=\"{}\" \
                 src=\"data:image/png;base64,{}\"><figcaption>{caption}</figcaption></figure>",
                SIDE as usize * strip.keys.len(),
                escaped(&alt),
                base64(&strip.png)
            )?;
        }
        out.write_str("</div>\n")?;
    }
    out.write_str("<details><summary>Keys of these photographs</summary>\n")?;
    let rows = strips.iter().zip(1_u64..).flat_map(|([low, high], component)| {
        let of = move |strip: &Option<Strip>, end: &str| {
            let strip = strip.as_ref()?;
            Some([
                Cell::Number(component.to_string()),
                Cell::Text(end.to_owned()),
                Cell::Codes(strip.keys.clone()),
            ])
        };
        let end = if high.is_some() { "lowest" } else { "all" };
        [of(low, end), of(high, "highest")].into_iter().flatten()
    });
    write_table(out, "", &["component", "scores", "keys, scores rising"], rows)?;
    out.write_str("</details>\n")
}
