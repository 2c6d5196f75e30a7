//! The sections of the page, in the order in which they are read.

use std::collections::BTreeMap;
use std::fmt::{Result as Written, Write};

use super::parts::{Cell, write_facts, write_foot, write_head, write_table};
use crate::Report;
use crate::markup::{base64, escaped};
use crate::names::{CSV, REPORT, SUCCESS};
use crate::plots::Ends;
use crate::plots::words::{grouped, percent};

/// Files told one by one; a job of millions has its digests in `_SUCCESS`.
const FILES_TOLD_MAX: usize = 200;

/// What the page shows beside the report.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// The spectrum, as SVG.
    pub scree: Option<Vec<u8>>,
    /// The first two components, as SVG.
    pub scatter: Option<Vec<u8>>,
    /// Photographs at the ends of the first components, as PNG.
    pub extremes: Option<Vec<u8>>,
    /// Their keys.
    pub ends: Vec<Ends>,
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
    let title = format!("fruitnode: {}", report.source);
    write_head(out, &title)?;
    write_opening(out, report)?;
    write_pictures(out, look)?;
    write_ends(out, look)?;
    write_quarantine(out, report, look)?;
    write_certificate(out, report)?;
    write_origins(out, report)?;
    write_loading(out, report)?;
    write_files(out, report)?;
    write_foot(out)
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
        Some(pca) if pca.given => write!(
            out,
            "A model that was given projects them on {} components, which hold {} of the variance \
             of the photographs that it was fitted to.",
            grouped(pca.k.into()),
            percent(pca.share, 2)
        )?,
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
    out.write_str("</p>\n")?;
    let facts = [
        ("listed", counts.listed),
        ("with features", counts.good),
        ("in quarantine", counts.bad),
        ("bytes of photographs", report.bytes),
        ("parts", report.partitions.into()),
    ];
    write_facts(out, &facts.map(|(words, number)| (words, grouped(number))))?;
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

/// What the components mean: pictures, and the keys behind them.
fn write_ends(out: &mut String, look: &Look) -> Written {
    let Some(png) = &look.extremes else { return Ok(()) };
    writeln!(
        out,
        "<h2>What the components mean</h2>\n<img alt=\"Photographs at the ends of the first \
         components; their keys are below\" src=\"data:image/png;base64,{}\">\n<details>\
         <summary>Keys of these photographs</summary>",
        base64(png)
    )?;
    let rows = look.ends.iter().zip(1..).map(|(ends, component): (_, u64)| {
        [
            Cell::Number(component.to_string()),
            Cell::Codes(ends.low.clone()),
            Cell::Codes(ends.high.clone()),
        ]
    });
    write_table(out, &["component", "lowest", "highest"], rows)?;
    out.write_str("</details>\n")
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
    if report.pca.as_ref().is_some_and(|pca| pca.given) {
        out.write_str(
            "<p>The components were given: that they are those of the photographs they were \
             fitted to is certified by the result of that run, not by this one.</p>\n",
        )?;
    }
    let rows = report.certificate.iter().map(|figure| {
        let holds = if figure.holds() { "holds" } else { "violated" };
        [
            Cell::Text(figure.name.clone()),
            Cell::Number(figure_words(figure.value, 2)),
            Cell::Number(figure_words(figure.limit, 0)),
            Cell::Text(holds.to_owned()),
        ]
    });
    write_table(out, &["figure", "measured", "at most", ""], rows)
}

fn figure_words(value: f64, decimals: usize) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.decimals$e}") }
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
