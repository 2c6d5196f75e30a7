//! Parquet back into rows, exactly: what another program wrote under our names is refused in words.

use std::panic::{UnwindSafe, catch_unwind};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::check::{check_rows, check_subjects};
use super::schema::{Table, WIDTH_KEY};
use crate::error::ReadError;
use crate::rows::{BadRow, FeatureRows, ScoreRows, Subject};

/// Rows decoded at a time: what a damaged file claims to hold is never allocated on its word.
const BATCH_ROWS: usize = 1_024;
/// Values per row beyond which a footer is not believed.
const WIDTH_MAX: usize = 1 << 24;

/// Reads what [`features_part`](super::features_part) wrote.
pub fn read_features_part(bytes: &Bytes) -> Result<FeatureRows, ReadError> {
    let (subjects, dim, values) = contained(Table::Features, || vectors(Table::Features, bytes))?;
    Ok(FeatureRows { subjects, dim, values })
}

/// Reads what [`scores_part`](super::scores_part) wrote.
pub fn read_scores_part(bytes: &Bytes) -> Result<ScoreRows, ReadError> {
    let (subjects, k, values) = contained(Table::Scores, || vectors(Table::Scores, bytes))?;
    Ok(ScoreRows { subjects, k, values })
}

/// Reads what [`quarantine_part`](super::quarantine_part) wrote.
pub fn read_quarantine_part(bytes: &Bytes) -> Result<Vec<BadRow>, ReadError> {
    contained(Table::Quarantine, || bad_rows(bytes))
}

/// Runs the library's decoder, whose assertions some damaged bytes do trip, and gives its panic
/// back as an error.
fn contained<T>(
    table: Table,
    read: impl FnOnce() -> Result<T, ReadError> + UnwindSafe,
) -> Result<T, ReadError> {
    catch_unwind(read).unwrap_or_else(|_| {
        let reason = "its pages are damaged";
        Err(ReadError::new(table.format(), reason))
    })
}

fn bad_rows(bytes: &Bytes) -> Result<Vec<BadRow>, ReadError> {
    let table = Table::Quarantine;
    let mut rows = Vec::new();
    for batch in open(table, bytes)?.batches {
        let batch = batch.map_err(|error| ReadError::new(table.format(), error))?;
        let (codes, details) =
            (batch.column(4).as_string::<i32>(), batch.column(5).as_string::<i32>());
        for (row, subject) in subjects(table, &batch)?.into_iter().enumerate() {
            rows.push(BadRow {
                subject,
                code: codes.value(row).to_owned(),
                detail: details.value(row).to_owned(),
            });
        }
    }
    check_subjects(rows.iter().map(|row| &row.subject))
        .map_err(|error| ReadError::new(table.format(), error))?;
    Ok(rows)
}

/// A file whose columns are those of its table.
struct Open {
    width: usize,
    batches: ParquetRecordBatchReader,
}

fn open(table: Table, bytes: &Bytes) -> Result<Open, ReadError> {
    let refuse = |reason: String| ReadError::new(table.format(), reason);
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes.clone())
        .map_err(|error| refuse(error.to_string()))?;
    let expected = table.schema();
    if builder.schema().fields() != expected.fields() {
        let columns: Vec<_> = builder.schema().fields().iter().map(|f| f.name()).collect();
        return Err(refuse(format!(
            "its columns {columns:?} or their types are not the ones fruitnode writes"
        )));
    }
    let width = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .into_iter()
        .flatten()
        .find(|entry| entry.key == WIDTH_KEY)
        .and_then(|entry| entry.value.as_deref()?.parse().ok())
        .filter(|width| *width <= WIDTH_MAX)
        .ok_or_else(|| refuse(format!("its footer has no valid `{WIDTH_KEY}`")))?;
    let batches =
        builder.with_batch_size(BATCH_ROWS).build().map_err(|error| refuse(error.to_string()))?;
    Ok(Open { width, batches })
}

fn vectors(table: Table, bytes: &Bytes) -> Result<(Vec<Subject>, usize, Vec<f32>), ReadError> {
    let Open { width, batches } = open(table, bytes)?;
    let (mut all, mut values) = (Vec::new(), Vec::new());
    for batch in batches {
        let batch = batch.map_err(|error| ReadError::new(table.format(), error))?;
        let lists = batch.column(4).as_list::<i32>();
        for list in lists.iter() {
            let list = list.filter(|list| list.len() == width).ok_or_else(|| {
                let reason =
                    format!("a row does not have the {width} values that the footer gives");
                ReadError::new(table.format(), reason)
            })?;
            values.extend_from_slice(list.as_primitive::<Float32Type>().values());
        }
        all.append(&mut subjects(table, &batch)?);
    }
    check_rows(&all, width, &values).map_err(|error| ReadError::new(table.format(), error))?;
    Ok((all, width, values))
}

fn subjects(table: Table, batch: &RecordBatch) -> Result<Vec<Subject>, ReadError> {
    let (paths, labels) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
    let sizes = batch.column(2).as_primitive::<Int64Type>();
    let modified = batch.column(3).as_primitive::<TimestampMicrosecondType>();
    (0..batch.num_rows())
        .map(|row| {
            let size = u64::try_from(sizes.value(row))
                .map_err(|_| ReadError::new(table.format(), "a row has a negative size"))?;
            Ok(Subject {
                path: paths.value(row).to_owned(),
                label: labels.is_valid(row).then(|| labels.value(row).to_owned()),
                size,
                modified_us: modified.value(row),
            })
        })
        .collect()
}
