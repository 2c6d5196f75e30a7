//! Rows in the form they take between inference, files and reduction. Data only.

/// What is known of a photograph before it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Key below the job's source, `/`-separated.
    pub path: String,
    /// What the label rule found, if anything.
    pub label: Option<String>,
    /// Size in bytes as listed.
    pub size: u64,
    /// Modification time as listed, microseconds since 1970-01-01 UTC.
    pub modified_us: i64,
}

/// Feature rows of one partition, in key order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FeatureRows {
    /// One entry per row.
    pub subjects: Vec<Subject>,
    /// Values per row.
    pub dim: usize,
    /// `subjects.len() * dim` values, row after row.
    pub values: Vec<f32>,
}

/// A photograph that has no features, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The photograph.
    pub subject: Subject,
    /// Stable code of the reason, such as `jpeg_truncated`.
    pub code: String,
    /// The reason in words.
    pub detail: String,
}

/// Coordinates of one partition's rows in the space of the principal components.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScoreRows {
    /// One entry per row, those of the features.
    pub subjects: Vec<Subject>,
    /// Components kept.
    pub k: usize,
    /// `subjects.len() * k` values, row after row.
    pub values: Vec<f32>,
}
