//! What the pages for people are put together from. All that is not ours is escaped.

use std::fmt::{Result as Written, Write};

use crate::markup::escaped;

const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1f2328; --quiet: #59636e; --line: #d8dee4;
  --ground: #ffffff; --box: #f6f8fa; --warn: #fff4d6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --quiet: #9198a1; --line: #30363d;
  --ground: #0d1117; --box: #161b22; --warn: #3a2f12; } }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; background: var(--ground);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--quiet); font-weight: 600; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--quiet); }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code, pre { font-family: ui-monospace, monospace; font-size: .85em; }
code { overflow-wrap: anywhere; }
pre { background: var(--box); padding: .8rem; overflow-x: auto; border-radius: 6px; }
img { width: 100%; height: auto; border: 1px solid var(--line); border-radius: 6px; }
.warn { background: var(--warn); padding: .5rem .8rem; border-radius: 6px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; }
.facts div { background: var(--box); padding: .6rem .8rem; border-radius: 6px; }
.facts b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.facts span, .quiet { color: var(--quiet); font-size: .9rem; }
";

/// The beginning of a page, down to its body.
pub(crate) fn write_head(out: &mut String, title: &str) -> Written {
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>",
        escaped(title)
    )
}

/// The end of a page.
pub(crate) fn write_foot(out: &mut String) -> Written {
    out.write_str("</body>\n</html>\n")
}

/// Figures to be seen first.
pub(crate) fn write_facts(out: &mut String, facts: &[(&str, String)]) -> Written {
    out.write_str("<div class=\"facts\">\n")?;
    for (words, figure) in facts {
        writeln!(out, "<div><b>{}</b><span>{words}</span></div>", escaped(figure))?;
    }
    out.write_str("</div>\n")
}

/// What stands in a table.
pub(crate) enum Cell {
    /// Words.
    Text(String),
    /// A number, to the right.
    Number(String),
    /// A key, a digest, a setting.
    Code(String),
    /// Several of them, one a line.
    Codes(Vec<String>),
}

/// A table. The head of a column of numbers stands to the right, as they do.
pub(crate) fn write_table<const N: usize>(
    out: &mut String,
    heads: &[&str; N],
    rows: impl Iterator<Item = [Cell; N]>,
) -> Written {
    let mut rows = rows.peekable();
    let first = rows.peek();
    out.write_str("<table>\n<tr>")?;
    for (column, head) in heads.iter().enumerate() {
        let number = first.is_some_and(|row| matches!(row[column], Cell::Number(_)));
        let class = if number { " class=\"n\"" } else { "" };
        write!(out, "<th{class}>{head}</th>")?;
    }
    out.write_str("</tr>\n")?;
    for row in rows {
        out.write_str("<tr>")?;
        for cell in row {
            match cell {
                Cell::Text(text) => write!(out, "<td>{}</td>", escaped(&text))?,
                Cell::Number(text) => write!(out, "<td class=\"n\">{}</td>", escaped(&text))?,
                Cell::Codes(texts) => {
                    let codes = texts.iter().map(|text| format!("<code>{}</code>", escaped(text)));
                    write!(out, "<td>{}</td>", codes.collect::<Vec<_>>().join("<br>"))?;
                }
                Cell::Code(text) => write!(out, "<td><code>{}</code></td>", escaped(&text))?,
            }
        }
        out.write_str("</tr>\n")?;
    }
    out.write_str("</table>\n")
}
