//! Columns and encodings. Whatever is set here is part of the published bytes: a change of any of
//! it is a change of format, and the digests in the tests will say so.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

/// Footer key that holds the number of values per row, which an empty table could not tell.
pub(super) const WIDTH_KEY: &str = "fruitnode.width";

/// On features of MobileNetV2, level 3 takes 1.7 times as long and saves another 3 % of the bytes.
/// `BYTE_STREAM_SPLIT` would save 11 %, but Spark's vectorised reader refuses it.
const ZSTD_LEVEL: i32 = 1;
/// Rows of one row group; fewer where they are wide.
const GROUP_ROWS_MAX: usize = 8_192;
/// Bytes of vector in one row group: a reader holds a whole one.
const GROUP_BYTES_MAX: usize = 64 << 20;

const BY_PATH: SortingColumn =
    SortingColumn { column_idx: 0, descending: false, nulls_first: false };

/// The kinds of table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Features,
    Scores,
    Quarantine,
}

impl Table {
    /// How messages call it.
    pub(super) fn format(self) -> &'static str {
        match self {
            Self::Features => "features table",
            Self::Scores => "scores table",
            Self::Quarantine => "quarantine table",
        }
    }

    /// Name of the column of vectors.
    fn vector(self) -> Option<&'static str> {
        match self {
            Self::Features => Some("features"),
            Self::Scores => Some("pca"),
            Self::Quarantine => None,
        }
    }

    /// The columns, in order.
    pub(super) fn schema(self) -> SchemaRef {
        let text = |name, null| Field::new(name, DataType::Utf8, null);
        let modified = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let mut fields = vec![
            text("path", false),
            text("label", true),
            Field::new("size", DataType::Int64, false),
            Field::new("modified", modified, false),
        ];
        match self.vector() {
            Some(name) => fields.push(Field::new(name, DataType::List(element()), false)),
            None => fields.extend([text("code", false), text("detail", false)]),
        }
        Arc::new(Schema::new(fields))
    }

    /// How rows of `width` values are encoded.
    pub(super) fn options(self, width: usize) -> ArrowWriterOptions {
        let zstd = ZstdLevel::try_new(ZSTD_LEVEL).expect("the level is between 1 and 22");
        let mut properties = WriterProperties::builder()
            .set_created_by("fruitnode".to_owned())
            .set_compression(Compression::ZSTD(zstd))
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_max_row_group_row_count(Some(group_rows(width)))
            // Rows stand in key order: readers may skip by it.
            .set_sorting_columns(Some(vec![BY_PATH]))
            .set_key_value_metadata(Some(vec![KeyValue::new(
                WIDTH_KEY.to_owned(),
                width.to_string(),
            )]));
        for repeated in ["label", "code"] {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(repeated), true);
        }
        if let Some(vector) = self.vector() {
            let values = ColumnPath::new(vec![vector.into(), "list".into(), "element".into()]);
            properties = properties.set_column_statistics_enabled(values, EnabledStatistics::None);
        }
        // The root's name is what Spark writes; Arrow's own schema would add nothing but bytes
        // that follow the library's version.
        ArrowWriterOptions::new()
            .with_properties(properties.build())
            .with_schema_root("spark_schema".to_owned())
            .with_skip_arrow_metadata(true)
    }
}

/// The field inside a list, named as the format's specification names it.
pub(super) fn element() -> FieldRef {
    Arc::new(Field::new("element", DataType::Float32, false))
}

fn group_rows(width: usize) -> usize {
    (GROUP_BYTES_MAX / (width * size_of::<f32>()).max(1)).clamp(1, GROUP_ROWS_MAX)
}
