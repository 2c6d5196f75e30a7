//! The sections of the page, in the order in which they are read.

use std::collections::BTreeMap;
use std::fmt::{Result as Written, Write};

use crate::output::Report;
use crate::output::markup::{base64, escaped};
use crate::output::names::{CSV, REPORT, SUCCESS};
use crate::output::plots::words::{grouped, percent};

/// Files told one by one; a job of millions has its digests in `_SUCCESS`.
const FILES_TOLD_MAX: usize = 200;

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
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code, pre { font-family: ui-monospace, monospace; font-size: .85em; }
code { overflow-wrap: anywhere; }
pre { background: var(--box); padding: .8rem; overflow-x: auto; border-radius: 6px; }
img { width: 100%; height: auto; border: 1px solid var(--line); border-radius: 6px; }
.warn { background: var(--warn); padding: .5rem .8rem; border-radius: 6px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem; }
.facts div { background: var(--box); padding: .6rem .8rem; border-radius: 6px; }
.facts b { display: block; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
.facts span, .quiet { color: var(--quiet); font-size: .9rem; }
";

/// What the page shows beside the report.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// The spectrum, as SVG.
    pub scree: Option<Vec<u8>>,
    /// The first two components, as SVG.
    pub scatter: Option<Vec<u8>>,
    /// The first key of each code of the quarantine.
    pub examples: BTreeMap<String, String>,
}

/// The bytes of the page. `report.files` lists the files that were there before it.
pub fn report_html(report: &Report, look: &Look) -> Vec<u8> {
    let mut out = String::new();
    write_page(&mut out, report, look).expect("a String takes all");
    out.into_bytes()
}

fn write_page(out: &mut String, report: &Report, look: &Look) -> Written {
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>fruitnode: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>",
        escaped(&report.source)
    )?;
    write_opening(out, report)?;
    write_pictures(out, look)?;
    write_quarantine(out, report, look)?;
    write_certificate(out, report)?;
    write_origins(out, report)?;
    write_loading(out, report)?;
    write_files(out, report)?;
    out.write_str("</body>\n</html>\n")
}

fn write_opening(out: &mut String, report: &Report) -> Written {
    let (counts, weights) = (&report.counts, &report.weights);
    write!(
        out,
        "<h1>Features of {} photographs</h1>\n<p>fruitnode {} listed <code>{}</code>, read {} \
         photographs, and turned {} of them into {} features each with {}. ",
        grouped(counts.good),
        escaped(&report.fruitnode),
        escaped(&report.source),
        grouped(counts.listed),
        grouped(counts.good),
        grouped(weights.dim.into()),
        escaped(&weights.family),
    )?;
    match &report.pca {
        Some(pca) => write!(
            out,
            "A principal component analysis keeps {} of {} components, which hold {} of the \
             variance.",
            grouped(pca.k.into()),
            grouped(pca.rank.into()),
            percent(pca.share, 2)
        )?,
        None => out.write_str("No components were asked for.")?,
    }
    out.write_str("</p>\n<div class=\"facts\">\n")?;
    for (words, number) in [
        ("listed", counts.listed),
        ("with features", counts.good),
        ("in quarantine", counts.bad),
        ("bytes of photographs", report.bytes),
        ("parts", report.partitions.into()),
    ] {
        writeln!(out, "<div><b>{}</b><span>{words}</span></div>", grouped(number))?;
    }
    out.write_str("</div>\n")?;
    for warning in &report.warnings {
        writeln!(out, "<p class=\"warn\">{}</p>", escaped(warning))?;
    }
    Ok(())
}

fn write_pictures(out: &mut String, look: &Look) -> Written {
    let pictures = [
        ("First components", "Scatter plot of the first components", &look.scatter),
        ("Spectrum", "Share of the variance by component", &look.scree),
    ];
    for (heading, words, svg) in pictures {
        let Some(svg) = svg else { continue };
        // As an image, the picture's styles and ids cannot meet those of the page.
        writeln!(
            out,
            "<h2>{heading}</h2>\n<img alt=\"{words}\" src=\"data:image/svg+xml;base64,{}\">",
            base64(svg)
        )?;
    }
    Ok(())
}

fn write_quarantine(out: &mut String, report: &Report, look: &Look) -> Written {
    out.write_str("<h2>Quarantine</h2>\n")?;
    if report.counts.bad_by_code.is_empty() {
        return out.write_str("<p>Every listed photograph has features.</p>\n");
    }
    out.write_str(
        "<p>Every photograph without features is a row of <code>_quarantine/</code>.</p>\n",
    )?;
    let none = String::new();
    let rows = report.counts.bad_by_code.iter().map(|(code, count)| {
        let example = look.examples.get(code).unwrap_or(&none);
        [Cell::Text(code.clone()), Cell::Number(grouped(*count)), Cell::Code(example.clone())]
    });
    write_table(out, &["code", "photographs", "first of them"], rows)
}

fn write_certificate(out: &mut String, report: &Report) -> Written {
    if report.certificate.is_empty() {
        return Ok(());
    }
    out.write_str(
        "<h2>Certificate</h2>\n<p>Measured on the published numbers; <code>fruitnode verify</code> \
         measures again.</p>\n",
    )?;
    let rows = report.certificate.iter().map(|figure| {
        let holds = if figure.holds() { "holds" } else { "violated" };
        [
            Cell::Text(figure.name.clone()),
            Cell::Number(format!("{:.2e}", figure.value)),
            Cell::Number(format!("{:.0e}", figure.limit)),
            Cell::Text(holds.to_owned()),
        ]
    });
    write_table(out, &["figure", "measured", "at most", ""], rows)
}

fn write_origins(out: &mut String, report: &Report) -> Written {
    out.write_str("<h2>Preprocessing</h2>\n")?;
    let rows = report.preprocessing.iter().map(|setting| {
        [&setting.name, &setting.value, &setting.origin].map(|words| Cell::Text(words.clone()))
    });
    write_table(out, &["setting", "value", "who said so"], rows)?;
    out.write_str("<h2>Weights, options and classes</h2>\n")?;
    let weights = &report.weights;
    let mut rows = vec![
        ("weights", format!("{}, width {}", weights.family, weights.width)),
        ("weights, SHA-256", weights.sha256.clone()),
        ("compute class", report.classes.compute.clone()),
    ];
    rows.extend(report.classes.fit.clone().map(|class| ("fit class", class)));
    if let Some(pca) = &report.pca {
        rows.push(("convention", pca.convention.clone()));
    }
    rows.extend(report.options.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let rows = rows.into_iter().map(|(name, value)| [Cell::Text(name.into()), Cell::Code(value)]);
    write_table(out, &["name", "value"], rows)
}

fn write_loading(out: &mut String, report: &Report) -> Written {
    out.write_str(
        "<h2>How to load it</h2>\n<pre># pandas\nimport pandas as pd\n\
         features = pd.read_parquet(\"features\")\n",
    )?;
    if report.pca.is_some() {
        writeln!(out, "scores = pd.read_csv(\"{CSV}\")")?;
    }
    out.write_str("\n# Spark\nfeatures = spark.read.parquet(\"features\")\n")?;
    if report.pca.is_some() {
        out.write_str("scores = spark.read.parquet(\"pca\")\n")?;
    }
    out.write_str("</pre>\n")
}

fn write_files(out: &mut String, report: &Report) -> Written {
    writeln!(
        out,
        "<h2>Files</h2>\n<p>Beside this page and <code>{REPORT}</code>. \
         <code>sha256sum -c {SUCCESS}</code> checks all of them.</p>"
    )?;
    let rows = report.files.iter().take(FILES_TOLD_MAX).map(|(name, file)| {
        [
            Cell::Text(name.clone()),
            Cell::Number(grouped(file.bytes)),
            Cell::Code(file.sha256.clone()),
        ]
    });
    write_table(out, &["file", "bytes", "SHA-256"], rows)?;
    match report.files.len().saturating_sub(FILES_TOLD_MAX) {
        0 => Ok(()),
        more => writeln!(
            out,
            "<p class=\"quiet\">And {} more, all of them in <code>{SUCCESS}</code>.</p>",
            grouped(more as u64)
        ),
    }
}

enum Cell {
    Text(String),
    Number(String),
    Code(String),
}

fn write_table<const N: usize>(
    out: &mut String,
    heads: &[&str; N],
    rows: impl Iterator<Item = [Cell; N]>,
) -> Written {
    out.write_str("<table>\n<tr>")?;
    for head in heads {
        write!(out, "<th>{head}</th>")?;
    }
    out.write_str("</tr>\n")?;
    for row in rows {
        out.write_str("<tr>")?;
        for cell in row {
            match cell {
                Cell::Text(text) => write!(out, "<td>{}</td>", escaped(&text))?,
                Cell::Number(text) => write!(out, "<td class=\"n\">{}</td>", escaped(&text))?,
                Cell::Code(text) => write!(out, "<td><code>{}</code></td>", escaped(&text))?,
            }
        }
        out.write_str("</tr>\n")?;
    }
    out.write_str("</table>\n")
}
