//! `report.json`: what was done, to what, and how well. It certifies the result, so it holds
//! nothing of the run that made it: no time, no host, no job, no count of attempts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::ReadError;
use crate::model::{Setting, Standardize, Target, Weights};

/// Version of the layout. Raised when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// The whole report. Fields are written in this order, maps in the byte order of their keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Release that computed the result.
    pub fruitnode: String,
    /// Where the photographs were listed.
    pub source: String,
    /// Photographs by how they ended.
    pub counts: Counts,
    /// Bytes of all listed photographs.
    pub bytes: u64,
    /// Partitions, which is also the number of parts.
    pub partitions: u32,
    /// Options that select bits, by name.
    pub options: BTreeMap<String, String>,
    /// How photographs became input of the network, and who said so.
    pub preprocessing: Vec<Setting>,
    /// The network.
    pub weights: Weights,
    /// The components; absent when none were asked for.
    pub pca: Option<Components>,
    /// Figures that show that the components are what they claim to be.
    pub certificate: Vec<Figure>,
    /// Which machines give these very bits.
    pub classes: Classes,
    /// What the reader should know before using the result.
    pub warnings: Vec<String>,
    /// Every published file but this one and `_SUCCESS`.
    pub files: BTreeMap<String, File>,
}

/// Photographs by how they ended: `listed = good + bad`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Keys listed.
    pub listed: u64,
    /// Rows of the features.
    pub good: u64,
    /// Rows of the quarantine.
    pub bad: u64,
    /// Rows of the quarantine by code.
    pub bad_by_code: BTreeMap<String, u64>,
}

/// The components in short; the model has them in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Components {
    /// What was done to the columns first.
    pub standardize: Standardize,
    /// Whose convention decides centring and divisors.
    pub convention: String,
    /// What was asked for.
    pub target: Target,
    /// Components kept.
    pub k: u32,
    /// Components that the data determine.
    pub rank: u32,
    /// Share of the variance that is kept, 0 to 1.
    pub share: f64,
    /// Shares of the first components.
    pub spectrum_head: Vec<f64>,
    /// Whether they were given, and not fitted to these features. The shares are then those of the
    /// photographs that they were fitted to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given: bool,
}

/// A number that must not exceed a limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The measure.
    pub value: f64,
    /// The most it may be.
    pub limit: f64,
}

impl Figure {
    /// Whether the limit is kept; a measure that is no number does not.
    pub fn holds(&self) -> bool {
        self.value <= self.limit
    }
}

/// Which machines give these very bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classes {
    /// For the features.
    pub compute: String,
    /// For the components and all that follows from them; absent without components.
    pub fit: Option<String>,
}

/// A published file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Size.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Report {
    /// The file: indented JSON with a line end. Numbers are the shortest that read back.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("all keys are strings");
        bytes.push(b'\n');
        bytes
    }

    /// Reads what [`Report::to_bytes`] wrote.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        let refuse = |reason: String| ReadError::new("report.json", reason);
        let Version { schema_version } =
            serde_json::from_slice(bytes).map_err(|error| refuse(error.to_string()))?;
        if schema_version != SCHEMA_VERSION {
            return Err(refuse(format!(
                "its schema_version is {schema_version}, but this release reads {SCHEMA_VERSION}: \
                 use the release that wrote it"
            )));
        }
        serde_json::from_slice(bytes).map_err(|error| refuse(error.to_string()))
    }
}

#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::digest::sha256;

    pub(crate) fn example() -> Report {
        Report {
            schema_version: SCHEMA_VERSION,
            fruitnode: "0.1.0".to_owned(),
            source: "s3://fruits/Test".to_owned(),
            counts: Counts {
                listed: 3,
                good: 2,
                bad: 1,
                bad_by_code: BTreeMap::from([("jpeg_truncated".to_owned(), 1)]),
            },
            bytes: 12_345,
            partitions: 1,
            options: BTreeMap::from([("label".to_owned(), "parent".to_owned())]),
            preprocessing: vec![Setting {
                name: "scale".to_owned(),
                value: "1/127.5".to_owned(),
                origin: "weights".to_owned(),
            }],
            weights: Weights {
                family: "mobilenet_v2".to_owned(),
                width: "1.0".to_owned(),
                sha256: "00".repeat(32),
                dim: 1_280,
            },
            pca: Some(Components {
                standardize: Standardize::Mean,
                convention: "spark".to_owned(),
                target: Target::Share(0.95),
                k: 1,
                rank: 1,
                share: 1.0,
                spectrum_head: vec![1.0, 0.0],
                given: false,
            }),
            certificate: vec![Figure { name: "residual".to_owned(), value: 1.5e-15, limit: 1e-9 }],
            classes: Classes {
                compute: "cpu/1".to_owned(),
                fit: Some("x86_64/avx2/faer-0.24.4/seq".to_owned()),
            },
            warnings: Vec::new(),
            files: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut report = example();
        assert_eq!(Report::parse(&report.to_bytes()), Ok(report.clone()));
        report.pca = None;
        assert_eq!(Report::parse(&report.to_bytes()), Ok(report));
    }

    #[test]
    fn another_version_and_plain_damage_are_told_apart() {
        let text = String::from_utf8(example().to_bytes()).unwrap();
        let newer = text.replace("\"schema_version\": 1", "\"schema_version\": 2");
        let error = Report::parse(newer.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("use the release that wrote it"), "{error}");
        assert!(Report::parse(&text.as_bytes()[..text.len() / 2]).is_err());
        assert!(Report::parse(b"").is_err());
        assert!(Report::parse(&b"[".repeat(100_000)).is_err());
    }

    /// A digest that changes here means that published bytes change: say so in the release notes.
    #[test]
    fn the_bytes_are_those_of_the_last_release() {
        let digest = sha256(&example().to_bytes()).hex();
        assert_eq!(digest[..16], *"a207909d2458b70f");
    }

    #[test]
    fn a_measure_that_is_no_number_does_not_hold() {
        let figure = |value| Figure { name: "residual".to_owned(), value, limit: 1e-9 };
        assert!(figure(1e-9).holds());
        assert!(!figure(2e-9).holds());
        assert!(!figure(f64::NAN).holds());
    }
}
