//! `scree.svg`: share of the variance by component. One self-contained file without script, its
//! text left as text, readable on light and on dark ground.

use std::fmt::{Result as Written, Write};

use super::chart::{BOTTOM, Chart, HEIGHT, LEFT, RIGHT, TOP, WIDTH};
use crate::error::WriteError;
use crate::model::{FittedView, Target};
use crate::plots::words::{grouped, percent, px};

/// Plain rules before those for dark ground: not every program that draws SVG knows variables.
const STYLE: &str = "\
<style>
  text { font-family: sans-serif; font-size: 13px; fill: #1f2328; }
  .title { font-size: 18px; font-weight: bold; }
  .quiet { fill: #59636e; }
  .ground { fill: #ffffff; }
  .grid { stroke: #d8dee4; stroke-width: 1; }
  .kept { fill: #1a6fb5; }
  .rest { fill: #a9c7e3; }
  .sum { fill: none; stroke: #b3480f; stroke-width: 2; stroke-linejoin: round; }
  .goal { stroke: #2c7a3f; stroke-width: 1.5; stroke-dasharray: 6 4; }
  .cut { stroke: #1f2328; stroke-width: 1.5; stroke-dasharray: 2 3; }
  .end { text-anchor: end; }
  .middle { text-anchor: middle; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9198a1; }
    .ground { fill: #0d1117; }
    .grid { stroke: #262c34; }
    .kept { fill: #58a6e8; }
    .rest { fill: #2f4d6b; }
    .sum { stroke: #f0883e; }
    .goal { stroke: #57ab5a; }
    .cut { stroke: #e6edf3; }
  }
</style>
";

/// The plot: a bar per component, the running sum on the right axis, the kept components in a
/// stronger colour, and the share that was asked for, if one was.
pub fn scree_svg(model: &FittedView<'_>) -> Result<Vec<u8>, WriteError> {
    model.check()?;
    let largest = model.ratios.first().copied().unwrap_or(0.0);
    let plot = Plot {
        model,
        chart: Chart::new(model.facts.rank as usize, model.k(), largest),
        cumulative: model.cumulative(),
    };
    let mut out = String::new();
    plot.write(&mut out).expect("a String takes all");
    Ok(out.into_bytes())
}

struct Plot<'a> {
    model: &'a FittedView<'a>,
    chart: Chart,
    cumulative: Vec<f64>,
}

impl Plot<'_> {
    fn write(&self, out: &mut String) -> Written {
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"title summary\">"
        )?;
        out.write_str(STYLE)?;
        writeln!(out, "<rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>")?;
        self.headings(out)?;
        self.legend(out)?;
        self.axes(out)?;
        self.bars(out)?;
        self.sum(out)?;
        self.marks(out)?;
        out.write_str("</svg>\n")
    }

    fn headings(&self, out: &mut String) -> Written {
        let facts = self.model.facts;
        let kept = percent(self.model.share(), 2);
        let (components, keep) = match facts.k {
            1 => ("component", "keeps"),
            _ => ("components", "keep"),
        };
        writeln!(
            out,
            "<title id=\"title\">Share of variance by component</title>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"32\">Share of variance by component</text>"
        )?;
        for tag in ["desc id=\"summary\"", "text class=\"quiet\" x=\"64\" y=\"56\""] {
            let name = tag.split(' ').next().unwrap_or_default();
            writeln!(
                out,
                "<{tag}>{} photographs, {} features: {} {components} {keep} {kept}</{name}>",
                grouped(facts.rows),
                grouped(facts.dim.into()),
                grouped(facts.k.into()),
            )?;
        }
        Ok(())
    }

    fn legend(&self, out: &mut String) -> Written {
        let mut x = LEFT;
        for (class, words) in [("kept", "kept"), ("rest", "left out")] {
            writeln!(
                out,
                "<rect class=\"{class}\" x=\"{x}\" y=\"71\" width=\"12\" height=\"12\"/>"
            )?;
            writeln!(out, "<text x=\"{}\" y=\"82\">{words}</text>", x + 18.0)?;
            x += 84.0;
        }
        let asked = match self.model.facts.target {
            Target::Share(share) => Some(format!("{} % asked for", px(100.0 * share))),
            Target::Components(_) => None,
        };
        let lines = [("sum", Some("running sum (right)".to_owned())), ("goal", asked)];
        for (class, words) in lines {
            let Some(words) = words else { continue };
            writeln!(
                out,
                "<path class=\"{class}\" d=\"M{x} 77h24\"/><text x=\"{}\" y=\"82\">{words}</text>",
                x + 30.0
            )?;
            x += 180.0;
        }
        Ok(())
    }

    fn axes(&self, out: &mut String) -> Written {
        let (chart, decimals) = (&self.chart, self.chart.decimals());
        for tick in 0..=chart.ticks {
            let ratio = tick as f64 * chart.step;
            let y = chart.y_ratio(ratio);
            writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {y}H{RIGHT}\"/>\
                 <text class=\"quiet end\" x=\"{}\" y=\"{}\">{}</text>",
                LEFT - 8.0,
                px(y + 4.5),
                percent(ratio, decimals),
                y = px(y),
            )?;
        }
        for fifth in 0..=5u32 {
            let share = f64::from(fifth) / 5.0;
            writeln!(
                out,
                "<text class=\"quiet\" x=\"{}\" y=\"{}\">{}</text>",
                RIGHT + 8.0,
                px(chart.y_share(share) + 4.5),
                percent(share, 0),
            )?;
        }
        for component in chart.labelled() {
            writeln!(
                out,
                "<text class=\"quiet middle\" x=\"{}\" y=\"{}\">{component}</text>",
                px(chart.x(component) - chart.pitch() / 2.0),
                BOTTOM + 20.0,
            )?;
        }
        writeln!(
            out,
            "<text class=\"middle\" x=\"{}\" y=\"{}\">{}</text>",
            (LEFT + RIGHT) / 2.0,
            BOTTOM + 44.0,
            self.axis_title(),
        )
    }

    fn axis_title(&self) -> String {
        match (self.model.facts.rank as usize, self.chart.bars) {
            (rank, bars) if rank == bars => "component".to_owned(),
            (rank, bars) => format!("component (the first {bars} of {})", grouped(rank as u64)),
        }
    }

    fn bars(&self, out: &mut String) -> Written {
        let width = self.chart.pitch() * 0.76;
        for (component, ratio) in self.model.ratios.iter().take(self.chart.bars).enumerate() {
            let class = if component < self.model.k() { "kept" } else { "rest" };
            let y = self.chart.y_ratio(*ratio);
            writeln!(
                out,
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                px(self.chart.x(component) + self.chart.pitch() * 0.12),
                px(y),
                px(width),
                px(BOTTOM - y),
            )?;
        }
        Ok(())
    }

    fn sum(&self, out: &mut String) -> Written {
        out.write_str("<path class=\"sum\" d=\"")?;
        for (component, share) in self.cumulative.iter().take(self.chart.bars).enumerate() {
            let verb = if component == 0 { 'M' } else { 'L' };
            let x = self.chart.x(component) + self.chart.pitch() / 2.0;
            write!(out, "{verb}{} {}", px(x), px(self.chart.y_share(*share)))?;
        }
        writeln!(out, "\"/>")
    }

    /// The asked share, and the border between what is kept and what is left out.
    fn marks(&self, out: &mut String) -> Written {
        if let Target::Share(share) = self.model.facts.target {
            let y = px(self.chart.y_share(share));
            writeln!(out, "<path class=\"goal\" d=\"M{LEFT} {y}H{RIGHT}\"/>")?;
        }
        let k = self.model.k();
        let (x, words) = match k <= self.chart.bars {
            true => (self.chart.x(k), format!("k = {k}")),
            false => (RIGHT, format!("k = {} →", grouped(k as u64))),
        };
        if k <= self.chart.bars {
            writeln!(out, "<path class=\"cut\" d=\"M{x} {}V{BOTTOM}\"/>", TOP - 6.0, x = px(x))?;
        }
        writeln!(
            out,
            "<text class=\"middle\" x=\"{}\" y=\"{}\">{words}</text>",
            px(x.clamp(LEFT + 20.0, RIGHT - 20.0)),
            TOP - 12.0,
        )
    }
}
