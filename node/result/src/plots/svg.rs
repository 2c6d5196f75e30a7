//! A picture as SVG: self-contained, without script, for light and dark ground.

use std::fmt::{Result as Written, Write};

use super::picture::{Anchor, DARK, Form, Ink, Item, LIGHT, Picture};
use super::words::px;
use crate::markup::escaped;

/// Plain rules before those for dark ground: not every program that draws SVG knows variables.
const STYLE: &str = "\
  text { font-family: sans-serif; font-size: 14px; fill: #1f2328; }
  .title { font-size: 18px; font-weight: bold; }
  .ground { fill: #ffffff; }
  text.quiet { fill: #59636e; }
  text.goal { fill: #7a46a8; }
  path.l { fill: none; stroke-linejoin: round; }
  .l-grid { stroke: #d8dee4; }
  .l-text { stroke: #1f2328; }
  .l-quiet { stroke: #59636e; }
  .l-sum { stroke: #b3480f; }
  .l-goal { stroke: #7a46a8; }
  .kept { fill: #1a6fb5; }
  .rest { fill: #a9c7e3; }
  .sum { fill: #b3480f; }
  .cloud { fill: #e9ecf0; }
  .faint { fill: #b8c0c8; }
  .middle { text-anchor: middle; }
  .end { text-anchor: end; }
";

const DARK_STYLE: &str = "\
    text { fill: #e6edf3; }
    .ground { fill: #0d1117; }
    text.quiet { fill: #9198a1; }
    text.goal { fill: #c9a3ef; }
    .l-grid { stroke: #262c34; }
    .l-text { stroke: #e6edf3; }
    .l-quiet { stroke: #9198a1; }
    .l-sum { stroke: #f0883e; }
    .l-goal { stroke: #c9a3ef; }
    .kept { fill: #58a6e8; }
    .rest { fill: #2f4d6b; }
    .sum { fill: #f0883e; }
    .cloud { fill: #20262e; }
    .faint { fill: #4a525b; }
";

impl Picture {
    /// The bytes of the file.
    pub fn to_svg(&self) -> Vec<u8> {
        let mut out = String::new();
        self.write(&mut out).expect("a String takes all");
        out.into_bytes()
    }

    fn write(&self, out: &mut String) -> Written {
        let Self { width, height, .. } = self;
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"title summary\">"
        )?;
        write!(out, "<style>\n{STYLE}")?;
        write_hues(out, &LIGHT)?;
        write!(out, "  @media (prefers-color-scheme: dark) {{\n{DARK_STYLE}")?;
        write_hues(out, &DARK)?;
        out.write_str("  }\n</style>\n")?;
        writeln!(out, "<title id=\"title\">{}</title>", escaped(&self.title))?;
        let lines = self.summary_lines();
        let summary = lines.map(|(line, _)| escaped(line)).collect::<Vec<_>>().join(". ");
        writeln!(out, "<desc id=\"summary\">{summary}</desc>")?;
        writeln!(out, "<rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>")?;
        let title = escaped(&self.title);
        writeln!(out, "<text class=\"title\" x=\"24\" y=\"32\">{title}</text>")?;
        for (line, base) in self.summary_lines() {
            let line = escaped(line);
            writeln!(out, "<text class=\"quiet\" x=\"24\" y=\"{}\">{line}</text>", px(base))?;
        }
        self.items.iter().try_for_each(|item| write_item(out, item))?;
        out.write_str("</svg>\n")
    }

    /// The lines below the title, and where they stand.
    pub(super) fn summary_lines(&self) -> impl Iterator<Item = (&str, f64)> {
        self.summary.lines().zip(0..).map(|(line, at)| (line, 56.0 + 20.0 * f64::from(at)))
    }
}

fn write_hues(out: &mut String, hues: &[[u8; 3]]) -> Written {
    for (hue, [red, green, blue]) in hues.iter().enumerate() {
        let rgb = format!("#{red:02x}{green:02x}{blue:02x}");
        writeln!(out, "  .h{hue} {{ fill: {rgb}; }} .o{hue} {{ fill: none; stroke: {rgb}; }}")?;
    }
    Ok(())
}

fn write_item(out: &mut String, item: &Item) -> Written {
    match item {
        Item::Rect(ink, sides) => {
            let [x, y, width, height] = sides.map(px);
            let class = class(*ink);
            writeln!(
                out,
                "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" \
                 height=\"{height}\"/>"
            )
        }
        Item::Ellipse(ink, middle, half) => {
            let [x, y, across, up] = [middle.0, middle.1, half.0, half.1].map(px);
            let class = class(*ink);
            writeln!(
                out,
                "<ellipse class=\"{class}\" cx=\"{x}\" cy=\"{y}\" rx=\"{across}\" ry=\"{up}\"/>"
            )
        }
        Item::Line(ink, width, points) => {
            write!(
                out,
                "<path class=\"l l-{}\" stroke-width=\"{}\" d=\"",
                class(*ink),
                px(*width)
            )?;
            write_corners(out, points.iter().copied())?;
            writeln!(out, "\"/>")
        }
        Item::Mark { ink, form, hollow, at, radius } => {
            let class = match (ink, hollow) {
                (Ink::Hue(hue), true) => format!("o{hue}"),
                _ => class(*ink),
            };
            writeln!(out, "<path class=\"{class}\" d=\"{}\"/>", outline(*form, *at, *radius))
        }
        Item::Text { ink, anchor, at, text } => {
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " middle",
                Anchor::End => " end",
            };
            let (class, x, y) = (class(*ink), px(at.0), px(at.1));
            let text = escaped(text);
            writeln!(out, "<text class=\"{class}{anchor}\" x=\"{x}\" y=\"{y}\">{text}</text>")
        }
    }
}

/// The border of a mark, for the attribute `d` of a path.
pub(crate) fn outline(form: Form, at: (f64, f64), radius: f64) -> String {
    let mut out = String::new();
    if form == Form::Disc {
        let (r, d) = (px(radius), px(2.0 * radius));
        let (x, y) = (px(at.0 - radius), px(at.1));
        return format!("M{x} {y}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0z");
    }
    let corners = form.corners().iter();
    let place = |(x, y): &(f64, f64)| (at.0 + x * radius, at.1 + y * radius);
    write_corners(&mut out, corners.map(place)).expect("a String takes all");
    out.push('z');
    out
}

fn write_corners(out: &mut String, points: impl Iterator<Item = (f64, f64)>) -> Written {
    for (at, (x, y)) in points.enumerate() {
        let verb = if at == 0 { 'M' } else { 'L' };
        write!(out, "{verb}{} {}", px(x), px(y))?;
    }
    Ok(())
}

fn class(ink: Ink) -> String {
    match ink {
        Ink::Text => "text".to_owned(),
        Ink::Quiet => "quiet".to_owned(),
        Ink::Grid => "grid".to_owned(),
        Ink::Kept => "kept".to_owned(),
        Ink::Rest => "rest".to_owned(),
        Ink::Sum => "sum".to_owned(),
        Ink::Goal => "goal".to_owned(),
        Ink::Cloud => "cloud".to_owned(),
        Ink::Hue(hue) => format!("h{hue}"),
        Ink::Faint => "faint".to_owned(),
    }
}
