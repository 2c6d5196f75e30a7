//! The order of the checks.

use std::collections::BTreeMap;

use super::arithmetic::Arithmetic;
use super::certificate::{check_moments, figures, figures_of_given};
use super::folder::Folder;
use super::model::{self, Model};
use super::parts::{self, Walk};
use super::published::Published;
use super::report::{self, is_given};
use super::verdict::{Check, GIVEN_MODEL, Verdict};
use crate::names::{self, Name, PCA_FILES, REPORT, SUCCESS};
use crate::{Report, Success};

/// Checks a published result. Never fails and never panics: what cannot be read is a finding.
/// The figures and findings tell a person what is wrong and what to do.
pub fn verify<A: Arithmetic>(published: &dyn Published, arithmetic: &A) -> Verdict {
    let mut complete = Check::new("complete");
    let success = match published.read(SUCCESS) {
        Ok(bytes) => Success::parse(&bytes).map_err(|error| error.to_string()),
        Err(error) => Err(format!(
            "cannot be read: {error}: the job has not finished, or only part of the folder was \
             copied"
        )),
    };
    let success = match success {
        Ok(success) => success,
        Err(reason) => {
            complete.fail(format!("{SUCCESS}: {reason}"));
            return Verdict { checks: vec![complete] };
        }
    };
    complete.figures(format!("{} files", success.files.len()));
    let listing = check_listing(published, &success);
    let mut folder = Folder::new(published, success);
    let mut checks = vec![complete, listing];
    checks.extend(check_contents(&mut folder, arithmetic));
    Verdict { checks }
}

/// Every file that `_SUCCESS` names is there, and nothing else is public.
fn check_listing(published: &dyn Published, success: &Success) -> Check {
    let mut check = Check::new("listing");
    let listed = match published.list() {
        Ok(listed) => listed,
        Err(error) => {
            check.fail(format!("cannot list the folder: {error}"));
            return check;
        }
    };
    let mut missing: BTreeMap<&str, ()> = success.files.keys().map(|n| (n.as_str(), ())).collect();
    for name in success.files.keys() {
        let part_of_it =
            !matches!(names::published(name), None | Some(Name::Success | Name::Aside));
        check.expect(part_of_it, || {
            format!("{SUCCESS}: names {name}, which is not part of a result of this release")
        });
    }
    let mut aside = 0u64;
    for name in &listed {
        match names::published(name) {
            Some(Name::Success) => {}
            Some(Name::Aside) => aside += 1,
            _ => check.expect(missing.remove(name.as_str()).is_some(), || {
                format!("{name}: is not part of the result: remove it, or run the job again")
            }),
        }
    }
    for name in missing.into_keys() {
        check.fail(format!("{name}: is missing: copy it again or run the job again"));
    }
    let public = listed.len() as u64 - aside;
    check.figures(format!("{public} published files, {aside} others"));
    check
}

fn check_contents<A: Arithmetic>(folder: &mut Folder<'_>, arithmetic: &A) -> Vec<Check> {
    let mut on_report = Check::new("report");
    let report = match folder.load(REPORT).map(|bytes| Report::parse(&bytes)) {
        Some(Ok(report)) => Some(report),
        Some(Err(error)) => {
            on_report.fail(format!("{REPORT}: {error}"));
            None
        }
        None => {
            on_report.hinder(format!("{REPORT} is damaged or missing"));
            None
        }
    };
    let with_pca = folder.success.files.keys().any(|name| of_pca(name))
        || report.as_ref().is_some_and(|report| report.pca.is_some());
    let (on_model, model) = match with_pca {
        true => model::load(folder),
        false => (Check::new("model"), None),
    };
    let walk = parts::walk(folder, arithmetic, with_pca, model.as_ref(), report.as_ref());
    folder.read_rest();
    if let Some(report) = &report {
        on_report.expect(report.pca.is_some() == with_pca, || {
            format!("{REPORT}: has no components, but the result does: run the job again")
        });
        report::check(report, folder, model.as_ref(), &mut on_report);
    }
    let given = report.as_ref().is_some_and(is_given);
    let certified = match given {
        true => vec![certify_given(model.as_ref())],
        false => certify(arithmetic, &walk, model.as_ref()).to_vec(),
    };
    let figures =
        format!("{} files, {} bytes", folder.sizes.len(), folder.sizes.values().sum::<u64>());
    folder.digests.figures(figures);
    let mut checks = vec![folder.digests.clone(), on_report, walk.rows, walk.keys];
    if with_pca {
        checks.extend([on_model, walk.scores, walk.projection]);
        checks.extend(walk.csv);
        checks.extend(certified);
    }
    checks
}

/// Whether a file is there only if components were asked for.
fn of_pca(name: &str) -> bool {
    matches!(names::published(name), Some(Name::Scores(_))) || PCA_FILES.contains(&name)
}

/// Checks a model that was given as far as it goes without the features it was fitted to.
fn certify_given(model: Option<&Model>) -> Check {
    let mut check = Check::new(GIVEN_MODEL);
    let Some(view) = model.and_then(Model::view) else {
        check.hinder("the model is damaged or missing");
        return check;
    };
    for figure in figures_of_given(&view) {
        check.expect(figure.holds(), || {
            format!(
                "model/pca.safetensors: {} is {:e}, and at most {:e} is allowed: this model was \
                 not fitted by fruitnode",
                figure.name, figure.value, figure.limit
            )
        });
    }
    check.figures(format!(
        "fitted to {} other photographs: not certified against these features",
        view.facts.rows
    ));
    check
}

/// Compares the model with the moments of the features, if both are whole.
fn certify<A: Arithmetic>(
    arithmetic: &A,
    walk: &Walk<A::Moments>,
    model: Option<&Model>,
) -> [Check; 2] {
    let (mut moments, mut certificate) = (Check::new("moments"), Check::new("certificate"));
    let both = (walk.moments.as_ref(), model.and_then(Model::view));
    let (Some(of_rows), Some(view)) = both else {
        for check in [&mut moments, &mut certificate] {
            check.hinder("a features part or the model is damaged or missing");
        }
        return [moments, certificate];
    };
    let whole = arithmetic.whole(of_rows);
    let dim = view.mean.len();
    if whole.mean.len() != dim || whole.products.len() != dim * dim {
        moments.fail(format!(
            "model/model.json: is for {dim} columns, but features/ has {}",
            whole.mean.len()
        ));
        certificate.hinder("the model does not match these features");
        return [moments, certificate];
    }
    check_moments(&whole, &view, &mut moments);
    let measured = figures(&whole, &view);
    for figure in &measured {
        certificate.expect(figure.holds(), || {
            format!(
                "model/pca.safetensors: {} is {:e}, and at most {:e} is allowed: the components do \
                 not match features/: run the job again",
                figure.name, figure.value, figure.limit
            )
        });
    }
    let words: Vec<_> =
        measured.iter().map(|figure| format!("{} {:.1e}", figure.name, figure.value)).collect();
    certificate.figures(words.join(", "));
    [moments, certificate]
}
