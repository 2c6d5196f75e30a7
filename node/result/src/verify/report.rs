//! The report against the files it stands beside.

use super::folder::Folder;
use super::model::Model;
use super::verdict::Check;
use crate::Report;
use crate::names::{REPORT, SUCCESS};

/// Compares files, components and certificate. Counts are compared where the rows are counted.
pub(super) fn check(
    report: &Report,
    folder: &Folder<'_>,
    model: Option<&Model>,
    check: &mut Check,
) {
    check_files(report, folder, check);
    for figure in &report.certificate {
        check.expect(figure.holds(), || {
            format!(
                "{REPORT}: certifies that {} is {:e}, but at most {:e} is allowed",
                figure.name, figure.value, figure.limit
            )
        });
    }
    check_components(report, model, check);
    check.figures(format!(
        "{} files, {} figures certified",
        report.files.len(),
        report.certificate.len()
    ));
}

/// Whether the report says that the components were not fitted to these features.
pub(super) fn is_given(report: &Report) -> bool {
    report.pca.as_ref().is_some_and(|pca| pca.given)
}

fn check_files(report: &Report, folder: &Folder<'_>, check: &mut Check) {
    let due = folder.success.files.iter().filter(|(name, _)| *name != REPORT);
    for (name, digest) in due {
        let Some(file) = report.files.get(name) else {
            check.fail(format!("{REPORT}: does not list {name}, but {SUCCESS} does"));
            continue;
        };
        check.expect(file.sha256 == digest.hex(), || {
            format!("{REPORT}: gives a different SHA-256 for {name} than {SUCCESS}")
        });
        let size = folder.sizes.get(name).copied().unwrap_or(file.bytes);
        check.expect(size == file.bytes, || {
            format!("{REPORT}: gives {} bytes for {name}, which has {size}", file.bytes)
        });
    }
    for name in report.files.keys() {
        check.expect(folder.success.files.contains_key(name), || {
            format!("{REPORT}: lists {name}, but {SUCCESS} does not")
        });
    }
}

fn check_components(report: &Report, model: Option<&Model>, check: &mut Check) {
    let (Some(pca), Some(view)) = (&report.pca, model.and_then(Model::view)) else {
        return;
    };
    let facts = view.facts;
    let said = (pca.k, pca.rank, pca.standardize, pca.convention.as_str(), pca.target);
    let due = (facts.k, facts.rank, facts.standardize, facts.convention.as_str(), facts.target);
    check.expect(said == due && report.weights == facts.weights, || {
        format!("{REPORT}: describes a different model than model/model.json")
    });
    // Numbers read from JSON may be off by their last bit.
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-12;
    let head = pca.spectrum_head.iter().zip(view.ratios);
    let same = near(pca.share, view.share())
        && pca.spectrum_head.len() <= view.ratios.len()
        && head.into_iter().all(|(a, b)| near(*a, *b));
    check.expect(same, || {
        format!("{REPORT}: gives different shares of the variance than model/pca.safetensors")
    });
}
