//! The model's files against each other. All of them, and the files of the spectrum, are functions
//! of the arrays and the facts: so they are written again and must come out the same.

use bytes::Bytes;

use super::folder::Folder;
use super::verdict::Check;
use crate::error::WriteError;
use crate::model::{
    ModelArrays, ModelFacts, model_json, model_npz, model_readme, model_safetensors,
    read_model_json, read_model_safetensors,
};
use crate::names::{
    MODEL_JSON, MODEL_NPZ, MODEL_README, MODEL_SAFETENSORS, SCREE_CSV, SCREE_PNG, SCREE_SVG,
};
use crate::scree::{scree_csv, scree_png, scree_svg};
use crate::{FittedView, Target};

/// Least that a share may fall short of what was asked: the sum is rounded.
const SHARE_SLACK: f64 = 1e-12;

/// A model that was read and fits together.
pub(super) struct Model {
    facts: ModelFacts,
    arrays: ModelArrays,
    json: Bytes,
    tensors: Bytes,
}

impl Model {
    /// The model as it is used. It was checked when it was loaded.
    pub(super) fn view(&self) -> Option<FittedView<'_>> {
        self.arrays.view(&self.facts).ok()
    }
}

/// Reads the model and checks what follows from it alone.
pub(super) fn load(folder: &mut Folder<'_>) -> (Check, Option<Model>) {
    let mut check = Check::new("model");
    let model = match read(folder) {
        Ok(Some(model)) => model,
        Ok(None) => {
            check.hinder("a file below model/ is damaged or missing");
            return (check, None);
        }
        Err(finding) => {
            check.fail(finding);
            return (check, None);
        }
    };
    if let Some(view) = model.view() {
        check_target(&view, &mut check);
        check_copies(folder, &model, &view, &mut check);
        check.figures(format!(
            "{} components of {}, {:.4} of the variance",
            view.facts.k,
            view.facts.dim,
            view.share()
        ));
    }
    (check, Some(model))
}

fn read(folder: &mut Folder<'_>) -> Result<Option<Model>, String> {
    let (json, tensors) = (folder.load(MODEL_JSON), folder.load(MODEL_SAFETENSORS));
    let (Some(json), Some(tensors)) = (json, tensors) else {
        return Ok(None);
    };
    let facts = read_model_json(&json).map_err(|error| format!("{MODEL_JSON}: {error}"))?;
    let arrays = read_model_safetensors(&tensors)
        .map_err(|error| format!("{MODEL_SAFETENSORS}: {error}"))?;
    match arrays.view(&facts) {
        Err(error) => Err(format!("{MODEL_SAFETENSORS} and {MODEL_JSON}: {error}")),
        Ok(_) => Ok(Some(Model { facts, arrays, json, tensors })),
    }
}

/// Whether the number of components is what was asked for, and no larger than it need be.
fn check_target(view: &FittedView<'_>, check: &mut Check) {
    let facts = view.facts;
    match facts.target {
        Target::Components(asked) => {
            check.expect(facts.k == asked.min(facts.rank), || {
                format!("{MODEL_JSON}: keeps {} components, but {asked} were asked for", facts.k)
            });
        }
        Target::Share(asked) => {
            let (k, share, cumulative) = (view.k(), view.share(), view.cumulative());
            let enough = share >= asked - SHARE_SLACK;
            let needless = k >= 2 && cumulative[k - 2] >= asked + SHARE_SLACK;
            check.expect(enough && !needless, || {
                format!(
                    "{MODEL_JSON}: {k} components, which explain {share}, are not the fewest that \
                     explain {asked}"
                )
            });
        }
    }
}

type Writer = fn(&FittedView<'_>) -> Result<Vec<u8>, WriteError>;

fn check_copies(folder: &mut Folder<'_>, model: &Model, view: &FittedView<'_>, check: &mut Check) {
    let writers: [(&str, Writer); 7] = [
        (MODEL_SAFETENSORS, model_safetensors),
        (MODEL_JSON, model_json),
        (MODEL_NPZ, model_npz),
        (MODEL_README, model_readme),
        (SCREE_CSV, scree_csv),
        (SCREE_SVG, scree_svg),
        (SCREE_PNG, scree_png),
    ];
    for (name, write) in writers {
        let published = match name {
            MODEL_SAFETENSORS => Some(model.tensors.clone()),
            MODEL_JSON => Some(model.json.clone()),
            other => folder.load(other),
        };
        let Some(published) = published else {
            check.hinder(format!("{name} is damaged or missing"));
            continue;
        };
        check.expect(write(view).is_ok_and(|due| due == published), || {
            format!(
                "{name}: does not match the model, or was written by another release: verify with \
                 that release"
            )
        });
    }
}
