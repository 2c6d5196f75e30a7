//! Rows into Parquet.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float32Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::OffsetBuffer;
use parquet::arrow::ArrowWriter;

use super::check::{check_rows, check_subjects};
use super::schema::{Table, element};
use crate::error::WriteError;
use crate::rows::{BadRow, FeatureRows, ScoreRows, Subject};

/// Rows handed to the encoder at a time, which bounds its copies.
const BATCH_ROWS: usize = 1_024;

/// One partition's features as a Parquet file. Rows must ascend strictly by key.
pub fn features_part(rows: &FeatureRows) -> Result<Vec<u8>, WriteError> {
    vectors(Table::Features, &rows.subjects, rows.dim, &rows.values)
}

/// One partition's scores as a Parquet file. Rows must ascend strictly by key.
pub fn scores_part(rows: &ScoreRows) -> Result<Vec<u8>, WriteError> {
    vectors(Table::Scores, &rows.subjects, rows.k, &rows.values)
}

/// One partition's bad rows as a Parquet file. Rows must ascend strictly by key.
pub fn quarantine_part(rows: &[BadRow]) -> Result<Vec<u8>, WriteError> {
    check_subjects(rows.iter().map(|row| &row.subject))?;
    let mut part = Part::new(Table::Quarantine, 0)?;
    for rows in rows.chunks(BATCH_ROWS) {
        let mut columns = subject_columns(rows.iter().map(|row| &row.subject));
        columns.push(Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.code))));
        columns.push(Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.detail))));
        part.push(columns)?;
    }
    part.finish()
}

fn vectors(
    table: Table,
    subjects: &[Subject],
    width: usize,
    values: &[f32],
) -> Result<Vec<u8>, WriteError> {
    check_rows(subjects, width, values)?;
    let mut part = Part::new(table, width)?;
    for (batch, subjects) in subjects.chunks(BATCH_ROWS).enumerate() {
        let first = batch * BATCH_ROWS * width;
        let values = Float32Array::from(values[first..first + subjects.len() * width].to_vec());
        let offsets = OffsetBuffer::from_repeated_length(width, subjects.len());
        let vectors = ListArray::try_new(element(), offsets, Arc::new(values), None)
            .map_err(|error| part.error(error))?;
        let mut columns = subject_columns(subjects.iter());
        columns.push(Arc::new(vectors));
        part.push(columns)?;
    }
    part.finish()
}

fn subject_columns<'a>(subjects: impl Iterator<Item = &'a Subject> + Clone) -> Vec<ArrayRef> {
    let sizes = subjects.clone().map(|subject| {
        i64::try_from(subject.size).expect("sizes beyond 63 bits were refused before")
    });
    let modified = subjects.clone().map(|subject| subject.modified_us);
    vec![
        Arc::new(StringArray::from_iter_values(subjects.clone().map(|subject| &subject.path))),
        Arc::new(StringArray::from_iter(subjects.map(|subject| subject.label.as_deref()))),
        Arc::new(Int64Array::from_iter_values(sizes)),
        Arc::new(TimestampMicrosecondArray::from_iter_values(modified).with_timezone("UTC")),
    ]
}

/// A Parquet file in the making.
struct Part {
    table: Table,
    writer: ArrowWriter<Vec<u8>>,
}

impl Part {
    fn new(table: Table, width: usize) -> Result<Self, WriteError> {
        let options = table.options(width);
        ArrowWriter::try_new_with_options(Vec::new(), table.schema(), options)
            .map(|writer| Self { table, writer })
            .map_err(|error| encode(table, error))
    }

    fn push(&mut self, columns: Vec<ArrayRef>) -> Result<(), WriteError> {
        let batch = RecordBatch::try_new(self.table.schema(), columns)
            .map_err(|error| self.error(error))?;
        self.writer.write(&batch).map_err(|error| encode(self.table, error))
    }

    fn finish(self) -> Result<Vec<u8>, WriteError> {
        self.writer.into_inner().map_err(|error| encode(self.table, error))
    }

    fn error(&self, error: impl ToString) -> WriteError {
        encode(self.table, error)
    }
}

fn encode(table: Table, error: impl ToString) -> WriteError {
    WriteError::Encode { format: table.format(), reason: error.to_string() }
}
