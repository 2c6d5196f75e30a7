//! `model/model.json`: the facts, and in words what each array means under them. For nearly every
//! name in a PCA two conventions are in use, so the file says which it follows.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{ReadError, WriteError};
use crate::model::arrays::FittedView;
use crate::model::facts::{ModelFacts, SCHEMA_VERSION, Standardize};

const FORMAT: &str = "model/model.json";

/// The facts as indented JSON with a line end, preceded by what they mean.
pub fn model_json(model: &FittedView<'_>) -> Result<Vec<u8>, WriteError> {
    model.check()?;
    let file =
        ModelJson { meaning: meaning(model.facts), share: model.share(), facts: model.facts };
    let mut bytes = serde_json::to_vec_pretty(&file)
        .map_err(|error| WriteError::Encode { format: FORMAT, reason: error.to_string() })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads the facts that [`model_json`] wrote.
pub(crate) fn read_model_json(bytes: &[u8]) -> Result<ModelFacts, ReadError> {
    let facts: ModelFacts =
        serde_json::from_slice(bytes).map_err(|error| ReadError::new(FORMAT, error))?;
    if facts.schema_version != SCHEMA_VERSION {
        let reason = format!(
            "its schema_version is {}, but this release reads {SCHEMA_VERSION}: use the release \
             that wrote it",
            facts.schema_version
        );
        return Err(ReadError::new(FORMAT, reason));
    }
    Ok(facts)
}

#[derive(Serialize)]
struct ModelJson<'a> {
    meaning: BTreeMap<&'static str, String>,
    /// Share of the variance that the kept components hold.
    share: f64,
    #[serde(flatten)]
    facts: &'a ModelFacts,
}

/// What each array and table column is, under these facts.
pub(super) fn meaning(facts: &ModelFacts) -> BTreeMap<&'static str, String> {
    let scale = match facts.standardize {
        Standardize::None | Standardize::Mean => {
            "1 for every column: nothing is divided".to_owned()
        }
        Standardize::MeanStd => format!(
            "standard deviation of each column, divisor {}; 1 for a constant column",
            divisor(facts.scale_ddof)
        ),
    };
    let eigenvalues = match facts.standardize {
        Standardize::None | Standardize::Mean => "the covariance",
        Standardize::MeanStd => "the covariance of the scaled columns",
    };
    let center = match facts.centred {
        true => "the column means, which are subtracted before projection",
        false => "0 for every column: the means are not subtracted before projection",
    };
    BTreeMap::from([
        ("center", center.to_owned()),
        (
            "components",
            "unit vectors in rows; of each, the entry that is largest in absolute value is positive"
                .to_owned(),
        ),
        (
            "eigenvalues",
            format!("of {eigenvalues}, divisor {}, descending", divisor(facts.eigenvalue_ddof)),
        ),
        (
            "explained_variance_ratio",
            "each eigenvalue divided by the sum of all of them (Spark calls it explainedVariance)"
                .to_owned(),
        ),
        ("scale", scale),
        ("scores", "components times ((features - center) / scale)".to_owned()),
        (
            "singular_values",
            format!("sqrt(eigenvalue * ({}))", divisor(facts.eigenvalue_ddof)),
        ),
    ])
}

/// `n` or `n - 1`, for people.
pub(super) fn divisor(ddof: u32) -> String {
    match ddof {
        0 => "n".to_owned(),
        ddof => format!("n - {ddof}"),
    }
}
