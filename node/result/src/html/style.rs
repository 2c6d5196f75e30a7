//! How the pages look, on a telephone and on a desk, by day and by night.

use std::fmt::{Result as Written, Write};

use crate::plots::{DARK, LIGHT};

const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1f2328; --quiet: #59636e; --line: #d8dee4;
  --ground: #ffffff; --box: #f6f8fa; --warn: #fff4d6; --link: #0b57a4; --kept: #1a6fb5;
  --rest: #a9c7e3; --sum: #b3480f; --goal: #7a46a8; --cloud: #e6e9ee; --faint: #b8c0c8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --quiet: #9198a1; --line: #30363d;
  --ground: #0d1117; --box: #161b22; --warn: #3a2f12; --link: #79b8ff; --kept: #58a6e8;
  --rest: #2f4d6b; --sum: #f0883e; --goal: #c9a3ef; --cloud: #20262e; --faint: #4a525b; } }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; background: var(--ground);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
@media (max-width: 40rem) { body { padding: 1rem; } }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .5rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
h3 span { font-weight: 400; color: var(--quiet); }
p, ul { margin: .5rem 0; }
a { color: var(--link); }
.scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .9rem; min-width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem 1.2rem .3rem 0;
  border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 600; white-space: nowrap; }
td code, .nowrap, .wide td { white-space: nowrap; }
.short { width: auto; min-width: 0; }
details { margin: .8rem 0; }
summary { cursor: pointer; color: var(--link); }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code, pre { font-family: ui-monospace, monospace; font-size: .85em; }
code { overflow-wrap: anywhere; }
pre { background: var(--box); padding: .8rem; overflow-x: auto; border-radius: 6px; }
.warn { background: var(--warn); padding: .5rem .8rem; border-radius: 6px; margin: .5rem 0; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(7rem, 1fr)); gap: .8rem;
  margin: 1rem 0; }
.facts div { background: var(--box); padding: .6rem .8rem; border-radius: 6px; }
.facts b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.facts span, .quiet { color: var(--quiet); font-size: .9rem; }
.keys { padding-left: 1.2rem; font-size: .9rem; }
.legend { list-style: none; padding: .5rem 0; font-size: .85rem; display: grid; gap: 0 .8rem;
  grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); max-height: 17rem;
  overflow-y: auto; }
.legend li { display: flex; align-items: center; gap: .4rem; overflow-wrap: anywhere; }
.legend svg { flex: none; overflow: visible; }
.ends { display: flex; flex-wrap: wrap; gap: .5rem 2rem; justify-content: space-between; }
.ends figure { margin: 0; max-width: 100%; }
.ends img { display: block; max-width: 100%; height: auto; border-radius: 4px; }
figcaption { color: var(--quiet); font-size: .85rem; }
.chart { margin: 1rem 0 1.6rem; font-size: .85rem; }
.chart p { margin: 0 0 .5rem; }
.chart p + div + p { margin: .2rem 0 0; text-align: center; }
.plot { margin: 0 .6rem 1.6rem 3.6rem; }
.plot.aside { margin-right: 6.5rem; }
.plot.named { margin-left: 7rem; }
.plot svg { display: block; width: 100%; height: 100%; overflow: visible; }
.plot text { font-size: 12px; fill: var(--quiet); }
.plot text.goal { fill: var(--goal); }
.plot text.ink { fill: var(--ink); }
.m { text-anchor: middle; }
.e { text-anchor: end; }
.g { stroke: var(--line); }
.plot .cloud { fill: var(--cloud); }
.plot .kept { fill: var(--kept); }
.plot .rest { fill: var(--rest); }
.plot .faint { fill: var(--faint); }
line.goal { stroke: var(--goal); stroke-width: 1; }
line.cut { stroke: var(--ink); stroke-width: 1.5; }
circle.dot { fill: var(--sum); }
path.sum { fill: none; stroke: var(--sum); stroke-width: 2; stroke-linejoin: round;
  vector-effect: non-scaling-stroke; }
@media (max-width: 40rem) { .s { display: none; } .plot.named { margin-left: 5rem; } }
";

/// The rules, for the head of a page.
pub(super) fn write_style(out: &mut String) -> Written {
    out.write_str(STYLE)?;
    write_hues(out, &LIGHT)?;
    out.write_str("@media (prefers-color-scheme: dark) {\n")?;
    write_hues(out, &DARK)?;
    out.write_str("}\n")
}

fn write_hues(out: &mut String, hues: &[[u8; 3]]) -> Written {
    for (hue, [red, green, blue]) in hues.iter().enumerate() {
        let rgb = format!("#{red:02x}{green:02x}{blue:02x}");
        writeln!(
            out,
            ".h{hue} {{ fill: {rgb}; }} .o{hue} {{ fill: none; stroke: {rgb}; stroke-width: 1.3; }}"
        )?;
    }
    Ok(())
}
