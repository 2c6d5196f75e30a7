//! The sections of the page, in the order in which they are read.

use std::collections::BTreeMap;
use std::fmt::{Result as Written, Write};

use super::figures::Figures;
use super::parts::{Cell, write_facts, write_foot, write_head, write_table};
use crate::Report;
use crate::markup::escaped;
use crate::names::{CSV, REPORT, SUCCESS};
use crate::plots::words::{counted, day, grouped, percent, sized};

/// Files told one by one; a job of millions has its digests in `_SUCCESS`.
const FILES_TOLD_MAX: usize = 200;

/// What the page shows beside the report.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// First and last time of modification of the photographs, in microseconds since 1970-01-01
    /// UTC, where it is known.
    pub modified_us: Option<(i64, i64)>,
    /// What the components look like.
    pub figures: Option<Figures>,
    /// A few photographs of each code of the quarantine, in key order.
    pub examples: BTreeMap<String, Vec<Example>>,
}

/// A photograph without features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Its key.
    pub path: String,
    /// Why, in words.
    pub detail: String,
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
    write_opening(out, report, look)?;
    if let Some(Figures(sections)) = &look.figures {
        out.write_str(sections)?;
    }
    write_quarantine(out, report, look)?;
    write_certificate(out, report)?;
    write_origins(out, report)?;
    write_loading(out, report)?;
    write_files(out, report)?;
    write_foot(out)
}

fn write_opening(out: &mut String, report: &Report, look: &Look) -> Written {
    let (counts, weights) = (&report.counts, &report.weights);
    write!(
        out,
        "<h1>Features of {}</h1>\n<p>Source: <code>{}</code>. fruitnode {} computed {} for each \
         photograph with {}",
        counted(counts.good, "photograph"),
        escaped(&report.source),
        escaped(&report.fruitnode),
        counted(weights.dim.into(), "feature"),
        escaped(&weights.family),
    )?;
    match &report.pca {
        Some(pca) => {
            let explain = if pca.k == 1 { "explains" } else { "explain" };
            let (k, share) = (counted(pca.k.into(), "component"), percent(pca.share, 2));
            match pca.given {
                true => write!(
                    out,
                    " and projected them onto the {k} of an existing model. In the photographs \
                     that the model was fitted to, {} {explain} {share} of the variance.",
                    if pca.k == 1 { "it" } else { "these" },
                )?,
                false => write!(
                    out,
                    " and fitted a PCA to them. Of {}, {} kept, which {explain} {share} of the \
                     variance.",
                    counted(pca.rank.into(), "component"),
                    if pca.k == 1 {
                        "1 is".to_owned()
                    } else {
                        format!("{} are", grouped(pca.k.into()))
                    },
                )?,
            }
        }
        None => out.write_str(". No PCA was requested.")?,
    }
    if let Some((first, last)) = look.modified_us.map(|(first, last)| (day(first), day(last))) {
        match first == last {
            true => write!(out, " The photographs were last modified on {first} (UTC).")?,
            false => write!(
                out,
                " The photographs were last modified between {first} and {last} (UTC)."
            )?,
        }
    }
    out.write_str("</p>\n")?;
    let mut facts = vec![
        ("photographs listed", grouped(counts.listed)),
        ("with features", grouped(counts.good)),
        ("in quarantine", grouped(counts.bad)),
        ("size of the photographs", sized(report.bytes)),
    ];
    if let Some(pca) = &report.pca {
        let kept = if pca.k == 1 { "component kept" } else { "components kept" };
        facts.push((kept, grouped(pca.k.into())));
        facts.push(("of the variance explained", percent(pca.share, 2)));
    }
    write_facts(out, &facts)?;
    for warning in &report.warnings {
        writeln!(out, "<p class=\"warn\">{}</p>", with_code(warning))?;
    }
    Ok(())
}

/// Words of which those between backticks are code.
fn with_code(words: &str) -> String {
    let pieces = words.split('`').enumerate().map(|(at, piece)| match at % 2 {
        0 => escaped(piece),
        _ => format!("<code>{}</code>", escaped(piece)),
    });
    pieces.collect()
}

fn write_quarantine(out: &mut String, report: &Report, look: &Look) -> Written {
    out.write_str("<h2>Quarantine</h2>\n")?;
    let counts = &report.counts;
    match counts.bad {
        0 => return out.write_str("<p>None: every photograph listed has features.</p>\n"),
        1 => out.write_str("<p>1 photograph has no features. It is a row")?,
        bad => write!(out, "<p>{} photographs have no features. Each is a row", grouped(bad))?,
    }
    out.write_str(" of <code>_quarantine/</code>, with a code and the reason in words.</p>\n")?;
    for (code, count) in &counts.bad_by_code {
        let shown = look.examples.get(code).map_or(&[][..], Vec::as_slice);
        write_code(out, code, *count, shown)?;
    }
    Ok(())
}

/// One code: the reason, where all that are shown have the same, and some photographs.
fn write_code(out: &mut String, code: &str, count: u64, shown: &[Example]) -> Written {
    let photographs = counted(count, "photograph");
    writeln!(out, "<h3><code>{}</code> <span>{photographs}</span></h3>", escaped(code))?;
    let Some(first) = shown.first() else { return Ok(()) };
    let alike = shown.iter().all(|example| example.detail == first.detail);
    if alike {
        writeln!(out, "<p>{}</p>", escaped(&first.detail))?;
    }
    out.write_str("<ul class=\"keys\">\n")?;
    for Example { path, detail } in shown {
        let words = if alike { String::new() } else { format!(": {}", escaped(detail)) };
        writeln!(out, "<li><code>{}</code>{words}</li>", escaped(path))?;
    }
    match count.saturating_sub(shown.len() as u64) {
        0 => {}
        more => writeln!(out, "<li class=\"quiet\">and {} more</li>", grouped(more))?,
    }
    out.write_str("</ul>\n")
}

fn write_certificate(out: &mut String, report: &Report) -> Written {
    if report.certificate.is_empty() {
        return Ok(());
    }
    out.write_str(
        "<h2>Certificate of the PCA</h2>\n<p>Numerical checks of the published model. \
         <code>fruitnode verify</code> repeats them from the files.</p>\n",
    )?;
    if report.pca.as_ref().is_some_and(|pca| pca.given) {
        out.write_str(
            "<p>The model was fitted to other photographs: whether its components are those of \
             these photographs' features is certified by the result of that fit, and cannot be \
             checked here.</p>\n",
        )?;
    }
    let rows = report.certificate.iter().map(|figure| {
        let verdict = if figure.holds() { "passed" } else { "failed" };
        [
            Cell::Text(figure.name.clone()),
            Cell::Number(figure_words(figure.value, 2)),
            Cell::Number(figure_words(figure.limit, 0)),
            Cell::Text(verdict.to_owned()),
            Cell::Text(meaning(&figure.name).to_owned()),
        ]
    });
    write_table(out, "wide", &["check", "measured", "limit", "result", "what is measured"], rows)
}

/// What a figure measures. `C` is the covariance of the scaled columns.
fn meaning(figure: &str) -> &'static str {
    match figure {
        "orthonormality_max" | "orthonormality" => {
            "largest deviation of the components from orthonormal vectors"
        }
        "residual_max" => "largest entry of |C v - lambda v|, relative to the largest eigenvalue",
        "trace_relative" => "sum of the eigenvalues against the trace of C",
        "squares_relative" => "sum of the squared eigenvalues against the squared entries of C",
        "scaler_relative" => "means and scales against those of the features",
        "constant_loading_max" => "largest loading of a constant column",
        "ratios_sum_error" | "ratios" => "sum of the variance ratios against 1",
        "not_descending" | "ascents" => "eigenvalues out of descending order",
        "signs" => "components whose largest loading is negative",
        "divisors" => "scales that are not positive",
        _ => "",
    }
}

fn figure_words(value: f64, decimals: usize) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.decimals$e}") }
}

fn write_origins(out: &mut String, report: &Report) -> Written {
    out.write_str("<h2>Settings</h2>\n<h3>Preprocessing of the photographs</h3>\n")?;
    let rows = report.preprocessing.iter().map(|setting| {
        [&setting.name, &setting.value, &setting.origin].map(|words| Cell::Text(words.clone()))
    });
    write_table(out, "", &["setting", "value", "set by"], rows)?;
    out.write_str("<h3>Network and options</h3>\n")?;
    let weights = &report.weights;
    let mut rows = vec![
        ("network", format!("{}, width {}", weights.family, weights.width)),
        ("weights, SHA-256", weights.sha256.clone()),
        ("compute class of the features", report.classes.compute.clone()),
    ];
    rows.extend(report.classes.fit.clone().map(|class| ("compute class of the fit", class)));
    if let Some(pca) = &report.pca {
        rows.push(("convention of the PCA", pca.convention.clone()));
    }
    rows.push(("parts", grouped(report.partitions.into())));
    rows.extend(report.options.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let rows = rows.into_iter().map(|(name, value)| [Cell::Text(name.into()), Cell::Code(value)]);
    write_table(out, "", &["name", "value"], rows)
}

fn write_loading(out: &mut String, report: &Report) -> Written {
    out.write_str(
        "<h2>Loading the result</h2>\n<pre># pandas\nimport pandas as pd\n\
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
        "<h2>Files</h2>\n<p><a href=\"{REPORT}\">{REPORT}</a> has what this page says for \
         programs. <code>sha256sum -c <a href=\"{SUCCESS}\">{SUCCESS}</a></code> checks every \
         file.</p>"
    )?;
    let rows = report.files.iter().take(FILES_TOLD_MAX).map(|(name, file)| {
        [
            Cell::File(name.clone()),
            Cell::Number(grouped(file.bytes)),
            Cell::Code(file.sha256.clone()),
        ]
    });
    write_table(out, "", &["file", "bytes", "SHA-256"], rows)?;
    match report.files.len().saturating_sub(FILES_TOLD_MAX) {
        0 => Ok(()),
        more => writeln!(
            out,
            "<p class=\"quiet\">{} more in <a href=\"{SUCCESS}\">{SUCCESS}</a>.</p>",
            counted(more as u64, "file")
        ),
    }
}
