//! What the pages for people are put together from. All that is not ours is escaped.

use std::fmt::{Result as Written, Write};

use super::style::write_style;
use crate::markup::escaped;

/// The beginning of a page, down to its body.
pub(crate) fn write_head(out: &mut String, title: &str) -> Written {
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>",
        escaped(title)
    )?;
    write_style(out)?;
    out.write_str("</style>\n</head>\n<body>\n")
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
    /// A published file, by its name.
    File(String),
}

/// A table, which scrolls where it is wider than the page. The head of a column of numbers stands
/// to the right, as they do. `class` says what else is to be known of how it looks.
pub(crate) fn write_table<const N: usize>(
    out: &mut String,
    class: &str,
    heads: &[&str; N],
    rows: impl Iterator<Item = [Cell; N]>,
) -> Written {
    let mut rows = rows.peekable();
    let first = rows.peek();
    // With a place in the order of the keyboard, so that it can be scrolled without a pointer.
    write!(out, "<div class=\"scroll\" tabindex=\"0\">\n<table class=\"{class}\">\n<tr>")?;
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
                Cell::File(name) => {
                    let name = escaped(&name);
                    write!(out, "<td><a class=\"nowrap\" href=\"{name}\">{name}</a></td>")?;
                }
                Cell::Code(text) => write!(out, "<td><code>{}</code></td>", escaped(&text))?,
            }
        }
        out.write_str("</tr>\n")?;
    }
    out.write_str("</table>\n</div>\n")
}
