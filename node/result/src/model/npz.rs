//! `model/pca.npz`: the model for NumPy, without pickle. A zip of stored `.npy` files (format 1.0,
//! numpy.lib.format), every entry dated 1980-01-01, the first day that a zip can name.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::error::WriteError;
use crate::model::arrays::FittedView;

/// What precedes the data of an `.npy` file is filled up to a multiple of this.
const NPY_ALIGNMENT: usize = 64;

/// `center`, `mean`, `scale` (dim), `components` (k x dim), `explained_variance`,
/// `explained_variance_ratio`, `singular_values` (k) as doubles, the scalars `noise_variance`
/// (double) and `n_samples` (64-bit integer).
pub fn model_npz(model: &FittedView<'_>) -> Result<Vec<u8>, WriteError> {
    model.check()?;
    let (k, dim) = (model.k(), model.mean.len());
    let rows = i64::try_from(model.facts.rows).unwrap_or(i64::MAX);
    let vector = format!("({dim},)");
    let kept = format!("({k},)");
    let arrays = [
        ("center", doubles(&vector, &model.center())),
        ("components", doubles(&format!("({k}, {dim})"), model.components)),
        ("explained_variance", doubles(&kept, &model.eigenvalues[..k])),
        ("explained_variance_ratio", doubles(&kept, &model.ratios[..k])),
        ("mean", doubles(&vector, model.mean)),
        ("n_samples", npy("<i8", "()", &rows.to_le_bytes())),
        ("noise_variance", doubles("()", &[model.noise_variance()])),
        ("scale", doubles(&vector, model.scale)),
        ("singular_values", doubles(&kept, &model.singular_values())),
    ];
    stored(&arrays)
        .map_err(|error| WriteError::Encode { format: "model/pca.npz", reason: error.to_string() })
}

fn stored(arrays: &[(&str, Vec<u8>)]) -> Result<Vec<u8>, zip::result::ZipError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644)
            .large_file(u32::try_from(bytes.len()).is_err());
        zip.start_file(format!("{name}.npy"), options)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn doubles(shape: &str, values: &[f64]) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    npy("<f8", shape, &data)
}

fn npy(dtype: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    const PREAMBLE: usize = 10;
    let mut header =
        format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}").into_bytes();
    // The header ends with a line end, and the data begin on a multiple of the alignment.
    let whole = (PREAMBLE + header.len() + 1).next_multiple_of(NPY_ALIGNMENT);
    header.resize(whole - PREAMBLE - 1, b' ');
    header.push(b'\n');
    let length = u16::try_from(header.len()).expect("a header has about 118 bytes");
    let mut bytes = Vec::with_capacity(whole + data.len());
    bytes.extend_from_slice(b"\x93NUMPY\x01\x00");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.append(&mut header);
    bytes.extend_from_slice(data);
    bytes
}
