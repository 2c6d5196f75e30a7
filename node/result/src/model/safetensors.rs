//! `model/pca.safetensors`. The header is written by hand: the crate that defines the format keeps
//! its metadata in a hash map, whose order changes from run to run.

use std::collections::BTreeMap;

use safetensors::{Dtype, SafeTensors};
use serde::Serialize;

use crate::error::{ReadError, WriteError};
use crate::model::arrays::{FittedView, ModelArrays};

const FORMAT: &str = "model/pca.safetensors";
/// The header is filled up with blanks so that the doubles after it lie on their own size.
const ALIGNMENT: usize = 8;

/// Doubles under the names `components` (k x dim), `eigenvalues`, `explained_variance_ratio`,
/// `mean`, `scale` (dim each) and `singular_values` (k), with the facts as metadata.
pub fn model_safetensors(model: &FittedView<'_>) -> Result<Vec<u8>, WriteError> {
    model.check()?;
    let (k, dim) = (model.k(), model.mean.len());
    let singular_values = model.singular_values();
    let tensors: BTreeMap<&str, (Vec<usize>, &[f64])> = BTreeMap::from([
        ("components", (vec![k, dim], model.components)),
        ("eigenvalues", (vec![dim], model.eigenvalues)),
        ("explained_variance_ratio", (vec![dim], model.ratios)),
        ("mean", (vec![dim], model.mean)),
        ("scale", (vec![dim], model.scale)),
        ("singular_values", (vec![k], singular_values.as_slice())),
    ]);
    let mut entries = BTreeMap::from([("__metadata__", Entry::Metadata(metadata(model)))]);
    let mut offset = 0;
    for (name, (shape, values)) in &tensors {
        let end = offset + size_of_val(*values);
        entries.insert(
            name,
            Entry::Tensor { dtype: "F64", shape: shape.clone(), data_offsets: [offset, end] },
        );
        offset = end;
    }
    let mut header = serde_json::to_vec(&entries).expect("all keys are strings");
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    let mut bytes = Vec::with_capacity(8 + header.len() + offset);
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.append(&mut header);
    for value in tensors.values().flat_map(|(_, values)| *values) {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    Ok(bytes)
}

/// Reads what [`model_safetensors`] wrote.
pub(crate) fn read_model_safetensors(bytes: &[u8]) -> Result<ModelArrays, ReadError> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| ReadError::new(FORMAT, error))?;
    let of = |name: &str| -> Result<Vec<f64>, ReadError> {
        let tensor = tensors.tensor(name).map_err(|error| ReadError::new(FORMAT, error))?;
        if tensor.dtype() != Dtype::F64 {
            return Err(ReadError::new(FORMAT, format!("`{name}` is not of doubles")));
        }
        let values = tensor.data().chunks_exact(size_of::<f64>());
        Ok(values
            .map(|bytes| f64::from_le_bytes(bytes.try_into().expect("chunks of 8 bytes")))
            .collect())
    };
    Ok(ModelArrays {
        mean: of("mean")?,
        scale: of("scale")?,
        components: of("components")?,
        eigenvalues: of("eigenvalues")?,
        ratios: of("explained_variance_ratio")?,
    })
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry {
    Metadata(BTreeMap<&'static str, String>),
    Tensor { dtype: &'static str, shape: Vec<usize>, data_offsets: [usize; 2] },
}

fn metadata(model: &FittedView<'_>) -> BTreeMap<&'static str, String> {
    let facts = model.facts;
    let standardize = serde_json::to_value(facts.standardize).expect("a plain enum");
    BTreeMap::from([
        ("centred", facts.centred.to_string()),
        ("convention", facts.convention.clone()),
        ("eigenvalue_ddof", facts.eigenvalue_ddof.to_string()),
        ("format", "fruitnode.pca".to_owned()),
        ("rank", facts.rank.to_string()),
        ("rows", facts.rows.to_string()),
        ("scale_ddof", facts.scale_ddof.to_string()),
        ("schema_version", facts.schema_version.to_string()),
        ("standardize", standardize.as_str().unwrap_or_default().to_owned()),
        ("target", facts.target.to_string()),
        ("weights_sha256", facts.weights.sha256.clone()),
    ])
}
