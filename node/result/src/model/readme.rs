//! `model/README.md`: how to use the model in Python. The lines between the fences are run against
//! scikit-learn by `tests/reference/output_readers.py`.

use std::fmt::Write;

use crate::decimal::fixed;
use crate::error::WriteError;
use crate::model::arrays::FittedView;
use crate::model::facts::{ModelFacts, Setting, Standardize};
use crate::model::words::{divisor, meaning};

const NEW: &str = "\
`fruitnode transform --model DIR --from photos --to result`, with this folder as `DIR` and the same
weights, projects other photographs onto these components.
";

const PYTHON: &str = r#"```python
import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

f = np.load("pca.npz")
k, dim = f["components"].shape
scaler = StandardScaler()
scaler.mean_, scaler.scale_, scaler.var_ = f["center"], f["scale"], f["scale"] ** 2
scaler.n_features_in_, scaler.n_samples_seen_ = dim, int(f["n_samples"])
pca = PCA(n_components=k)
pca.components_, pca.mean_ = f["components"], np.zeros(dim)  # the scaler has subtracted it
pca.explained_variance_ = f["explained_variance"]
pca.explained_variance_ratio_ = f["explained_variance_ratio"]
pca.singular_values_, pca.noise_variance_ = f["singular_values"], float(f["noise_variance"])
pca.n_components_, pca.n_samples_, pca.n_features_in_ = k, int(f["n_samples"]), dim
model = make_pipeline(scaler, pca)
```

`model.transform(features)` takes an array of shape (n, dim), best in double precision, and gives
the scores. The published tables show it:

```python
import pandas as pd

table = pd.read_parquet("../features", columns=["features"])
published = pd.read_parquet("../pca", columns=["pca"])
scores = model.transform(np.stack(table["features"]).astype(np.float64))
assert np.allclose(scores, np.stack(published["pca"]), rtol=1e-5, atol=1e-5)
```
"#;

/// What the model is, what its arrays mean, and the Python lines that load it.
pub fn model_readme(model: &FittedView<'_>) -> Result<Vec<u8>, WriteError> {
    model.check()?;
    let mut text = String::new();
    write_all(model, &mut text).expect("a String takes all");
    Ok(text.into_bytes())
}

fn write_all(model: &FittedView<'_>, text: &mut String) -> std::fmt::Result {
    let facts = model.facts;
    writeln!(text, "# Principal components of fruit photographs\n")?;
    writeln!(text, "| | |\n|---|---|")?;
    writeln!(text, "| photographs fitted | {} |", facts.rows)?;
    writeln!(text, "| features | {} of {} |", facts.dim, facts.weights.family)?;
    writeln!(text, "| components | {} (asked: {}) |", facts.k, facts.target)?;
    writeln!(text, "| share of the variance kept | {} % |", fixed(100.0 * model.share(), 2))?;
    writeln!(text, "| components that the data determine | {} |", facts.rank)?;
    writeln!(text, "| columns | {} |", columns(facts))?;
    writeln!(text, "| convention | {} |", facts.convention)?;
    writeln!(text, "| weights, SHA-256 | `{}` |", facts.weights.sha256)?;
    for Setting { name, value, .. } in &facts.preprocessing {
        writeln!(text, "| {} | {value} |", name.replace('_', " "))?;
    }
    writeln!(text, "| pooling | {} |", facts.pooling)?;
    writeln!(text, "\n## What the arrays mean\n\n| name | meaning |\n|---|---|")?;
    for (name, words) in meaning(facts) {
        writeln!(text, "| `{name}` | {words} |")?;
    }
    writeln!(
        text,
        "\n`pca.safetensors` holds the means, scales, components and the whole spectrum;"
    )?;
    writeln!(text, "`pca.npz` holds what scikit-learn needs, for the kept components.")?;
    writeln!(text, "\n## New photographs\n\n{NEW}")?;
    writeln!(text, "## In scikit-learn\n\n{PYTHON}")?;
    writeln!(text, "## In Spark\n\n{}", spark(facts.centred))
}

fn columns(facts: &ModelFacts) -> String {
    let mut done = Vec::new();
    if facts.centred {
        done.push("mean subtracted".to_owned());
    }
    if facts.standardize == Standardize::MeanStd {
        let divisor = divisor(facts.scale_ddof);
        done.push(format!("divided by the standard deviation (divisor {divisor})"));
    }
    match done.is_empty() {
        true => "as they are".to_owned(),
        false => done.join(", "),
    }
}

fn spark(centred: bool) -> &'static str {
    match centred {
        true => {
            "`PCAModel.transform` multiplies by the components and does not subtract the mean.\n\
             These scores are centred: they equal those of a `StandardScaler(withMean=True)`\n\
             followed by `PCA`, up to the sign of each component."
        }
        false => {
            "`PCAModel.transform` multiplies by the components and does not subtract the mean.\n\
             Neither do these scores: they equal its own, up to the sign of each component."
        }
    }
}
