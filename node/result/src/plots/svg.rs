//! A picture as SVG: self-contained, without script, for light and dark ground.

use std::fmt::{Result as Written, Write};

use super::picture::{Anchor, Form, HUES, Ink, Item, Picture};
use super::words::px;
use crate::markup::escaped;

const STYLE: &str = "\
<style>
  text { font-family: sans-serif; font-size: 13px; fill: #1f2328; }
  .title { font-size: 18px; font-weight: bold; }
  .ground { fill: #ffffff; }
  .l-quiet, .l-grid, .l-sum, .l-text { fill: none; }
  text.quiet { fill: #59636e; }
  .l-grid { stroke: #d8dee4; }
  .l-text { stroke: #1f2328; }
  .l-sum { stroke: #b3480f; }
  .kept { fill: #1a6fb5; }
  .rest { fill: #a9c7e3; }
  .faint { fill: #b8c0c8; }
  .middle { text-anchor: middle; }
  .end { text-anchor: end; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    text.quiet { fill: #9198a1; }
    .ground { fill: #0d1117; }
    .l-grid { stroke: #262c34; }
    .l-text { stroke: #e6edf3; }
    .faint { fill: #4a525b; }
  }
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
        out.write_str(STYLE)?;
        for (hue, [red, green, blue]) in HUES.iter().enumerate() {
            let rgb = format!("rgb({red},{green},{blue})");
            writeln!(out, "  .h{hue} {{ fill: {rgb}; }} .o{hue} {{ fill: none; stroke: {rgb}; }}")?;
        }
        writeln!(out, "</style>\n<title id=\"title\">{}</title>", escaped(&self.title))?;
        writeln!(out, "<desc id=\"summary\">{}</desc>", escaped(&self.summary))?;
        writeln!(out, "<rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>")?;
        let title = escaped(&self.title);
        writeln!(out, "<text class=\"title\" x=\"24\" y=\"32\">{title}</text>")?;
        let summary = escaped(&self.summary);
        writeln!(out, "<text class=\"quiet\" x=\"24\" y=\"56\">{summary}</text>")?;
        self.items.iter().try_for_each(|item| write_item(out, item))?;
        out.write_str("</svg>\n")
    }
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
        Item::Line(ink, width, points) => {
            write!(out, "<path class=\"l-{}\" stroke-width=\"{}\" d=\"", class(*ink), px(*width))?;
            write_corners(out, points.iter().copied())?;
            writeln!(out, "\"/>")
        }
        Item::Mark { ink, form, hollow, at, radius } => {
            let class = match (ink, hollow) {
                (Ink::Hue(hue), true) => format!("o{hue}"),
                _ => class(*ink),
            };
            write!(out, "<path class=\"{class}\" d=\"")?;
            if *form == Form::Disc {
                let (r, d) = (px(*radius), px(2.0 * radius));
                let (x, y) = (px(at.0 - radius), px(at.1));
                write!(out, "M{x} {y}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0")?;
            } else {
                let corners = form.corners().iter();
                let place = |(x, y): &(f64, f64)| (at.0 + x * radius, at.1 + y * radius);
                write_corners(out, corners.map(place))?;
            }
            writeln!(out, "z\"/>")
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
        Ink::Hue(hue) => format!("h{hue}"),
        Ink::Faint => "faint".to_owned(),
    }
}
