//! Every name a job publishes, in one place. Names carry no job, host, time or attempt, so that
//! equal results have equal names.

/// Written last: the SHA-256 of every other published file.
pub const SUCCESS: &str = "_SUCCESS";
/// Everything below is the story of runs: never part of the result.
pub(crate) const RUN_PREFIX: &str = "_run/";
/// What was done, to what, and how well.
pub const REPORT: &str = "report.json";
/// All scores in one table.
pub const CSV: &str = "pca.csv";
/// The spectrum as a table.
pub const SCREE_CSV: &str = "scree.csv";
/// The spectrum as a picture.
pub const SCREE_SVG: &str = "scree.svg";
/// The spectrum as pixels.
pub const SCREE_PNG: &str = "scree.png";
/// The first two components as a picture.
pub const SCATTER_SVG: &str = "scatter.svg";
/// The first two components as pixels.
pub const SCATTER_PNG: &str = "scatter.png";
/// Photographs at the ends of the first components.
pub const EXTREMES_PNG: &str = "extremes.png";
/// The report for people.
pub const REPORT_HTML: &str = "report.html";
/// Scaler and components for Rust, PyTorch and everything that reads safetensors.
pub const MODEL_SAFETENSORS: &str = "model/pca.safetensors";
/// The model's conventions in words and numbers.
pub const MODEL_JSON: &str = "model/model.json";
/// Scaler and components for NumPy and scikit-learn.
pub const MODEL_NPZ: &str = "model/pca.npz";
/// How to use the model.
pub const MODEL_README: &str = "model/README.md";

/// The single files that stand beside the parts when a PCA was fitted.
pub const PCA_FILES: [&str; 11] = [
    CSV,
    SCREE_CSV,
    SCREE_SVG,
    SCREE_PNG,
    SCATTER_SVG,
    SCATTER_PNG,
    EXTREMES_PNG,
    MODEL_SAFETENSORS,
    MODEL_JSON,
    MODEL_NPZ,
    MODEL_README,
];

const FOLDERS: [&str; 5] = ["features/", "pca/", "model/", "_quarantine/", RUN_PREFIX];

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// Feature rows of one partition.
    Features(u32),
    /// Scores of one partition.
    Scores(u32),
    /// Photographs of one partition that have no features.
    Quarantine(u32),
    /// One of the single files.
    Single(&'static str),
    /// The mark of completeness.
    Success,
    /// Something below `_run/`, or an empty folder marker: tolerated, never part of the result.
    Aside,
}

/// `features/part-00000.parquet` for partition 0.
pub fn features_part(partition: u32) -> String {
    format!("features/part-{partition:05}.parquet")
}

/// `pca/part-00000.parquet` for partition 0.
pub fn scores_part(partition: u32) -> String {
    format!("pca/part-{partition:05}.parquet")
}

/// `_quarantine/part-00000.parquet` for partition 0. Published only where there is a bad row.
pub fn quarantine_part(partition: u32) -> String {
    format!("_quarantine/part-{partition:05}.parquet")
}

/// What `name`, relative to the output folder, stands for; `None` if fruitnode never wrote it.
pub fn published(name: &str) -> Option<Name> {
    if name == SUCCESS {
        return Some(Name::Success);
    }
    if name.starts_with(RUN_PREFIX) || FOLDERS.contains(&name) {
        return Some(Name::Aside);
    }
    let singles = PCA_FILES.iter().chain([&REPORT, &REPORT_HTML]);
    if let Some(single) = singles.into_iter().find(|single| **single == name) {
        return Some(Name::Single(single));
    }
    let (folder, part) = name.rsplit_once('/')?;
    let partition = partition_of(part)?;
    match folder {
        "features" => Some(Name::Features(partition)),
        "pca" => Some(Name::Scores(partition)),
        "_quarantine" => Some(Name::Quarantine(partition)),
        _ => None,
    }
}

/// Whether a name is one of ours. An output folder that holds any other is never overwritten.
pub fn is_ours(name: &str) -> bool {
    published(name).is_some()
}

fn partition_of(part: &str) -> Option<u32> {
    let digits = part.strip_prefix("part-")?.strip_suffix(".parquet")?;
    let partition: u32 = digits.parse().ok()?;
    // One partition has one name: `part-0` and `part-+0000` are not ours.
    (format!("{partition:05}") == digits).then_some(partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_recognised_as_what_it_is() {
        for partition in [0, 7, 99_999, 100_000, u32::MAX] {
            assert_eq!(published(&features_part(partition)), Some(Name::Features(partition)));
            assert_eq!(published(&scores_part(partition)), Some(Name::Scores(partition)));
            assert_eq!(published(&quarantine_part(partition)), Some(Name::Quarantine(partition)));
        }
        for single in PCA_FILES.into_iter().chain([REPORT, REPORT_HTML]) {
            assert_eq!(published(single), Some(Name::Single(single)));
        }
        assert_eq!(published("_SUCCESS"), Some(Name::Success));
        assert_eq!(published("_run/job-7/features/p0-a1"), Some(Name::Aside));
        assert_eq!(published("features/"), Some(Name::Aside));
    }

    #[test]
    fn what_others_wrote_is_never_taken_for_ours() {
        for foreign in [
            "",
            "thesis.docx",
            "Test/Apple Braeburn/0_100.jpg",
            "features/part-0.parquet",
            "features/part-000000.parquet",
            "features/part-+0000.parquet",
            "features/part-00000.parquet.bak",
            "features/part-00000-5f3c-c000.snappy.parquet",
            "features/old/part-00000.parquet",
            "features/part-99999999999.parquet",
            "old/features/part-00000.parquet",
            "other/part-00000.parquet",
            "part-00000.parquet",
            "model/pca.pkl",
            "_SUCCESS/x",
            "_running/x",
            "../_run/x",
            "Report.json",
        ] {
            assert!(!is_ours(foreign), "{foreign}");
        }
    }
}
