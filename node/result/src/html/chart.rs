//! Charts inside a page. Places are shares of the width and the height, sizes of letters and marks
//! are pixels: so a chart is as wide as the page, and its words are as large as those around it.

use std::fmt::{Result as Written, Write};

use crate::markup::escaped;
use crate::plots::words::px;

/// More ticks than these are too close on a telephone: there, every second one is left out.
const TICKS_NARROW_MAX: usize = 5;

/// A chart: axes in percent of its sides, and marks.
pub(crate) struct Chart {
    /// What it shows, for those who cannot see it.
    pub(crate) words: String,
    /// Classes for the room that its words need beside it.
    pub(crate) room: &'static str,
    /// Height in pixels.
    pub(crate) height: u32,
    /// Ticks across, from the left.
    pub(crate) x: Vec<(f64, String)>,
    /// Ticks upwards, from the top.
    pub(crate) y: Vec<(f64, String)>,
    /// Whether ticks across have a line each.
    pub(crate) uprights: bool,
    /// Words below and above the axes; none if empty.
    pub(crate) x_title: String,
    pub(crate) y_title: String,
    /// What is drawn before the lines of the axes, and what after them.
    pub(crate) behind: String,
    pub(crate) marks: String,
}

impl Chart {
    /// Writes it.
    pub(crate) fn write(&self, out: &mut String) -> Written {
        let Self { room, height, .. } = self;
        writeln!(out, "<div class=\"chart\">\n<p>{}</p>", escaped(&self.y_title))?;
        writeln!(
            out,
            "<div class=\"plot{room}\" style=\"height:{height}px\"><svg role=\"img\" \
             aria-label=\"{}\">",
            escaped(&self.words)
        )?;
        out.write_str(&self.behind)?;
        let narrow = self.x.len() > TICKS_NARROW_MAX;
        for (nth, (at, words)) in self.x.iter().enumerate() {
            let x = px(*at);
            if self.uprights {
                writeln!(out, "<line class=\"g\" x1=\"{x}%\" x2=\"{x}%\" y2=\"100%\"/>")?;
            }
            let class = if narrow && nth % 2 == 1 { "m s" } else { "m" };
            let words = escaped(words);
            writeln!(
                out,
                "<text class=\"{class}\" x=\"{x}%\" y=\"100%\" dy=\"18\">{words}</text>"
            )?;
        }
        for (at, words) in &self.y {
            let (y, words) = (px(*at), escaped(words));
            writeln!(
                out,
                "<line class=\"g\" x2=\"100%\" y1=\"{y}%\" y2=\"{y}%\"/><text class=\"e\" x=\"-8\" \
                 y=\"{y}%\" dy=\"4\">{words}</text>"
            )?;
        }
        out.write_str(&self.marks)?;
        writeln!(out, "</svg></div>\n<p>{}</p>\n</div>", escaped(&self.x_title))
    }
}

/// A filled rectangle: left, top, width and height in percent.
pub(crate) fn rect_mark(out: &mut String, class: &str, sides: [f64; 4]) -> Written {
    let [x, y, width, height] = sides.map(px);
    writeln!(
        out,
        "<rect class=\"{class}\" x=\"{x}%\" y=\"{y}%\" width=\"{width}%\" height=\"{height}%\"/>"
    )
}

/// Straight lines from point to point, in percent.
pub(crate) fn curve_mark(
    out: &mut String,
    class: &str,
    points: impl Iterator<Item = (f64, f64)>,
) -> Written {
    out.write_str("<svg viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\">")?;
    write!(out, "<path class=\"{class}\" d=\"")?;
    for (at, (x, y)) in points.enumerate() {
        let verb = if at == 0 { 'M' } else { 'L' };
        write!(out, "{verb}{} {}", px(x), px(y))?;
    }
    out.write_str("\"/></svg>\n")
}
