//! The header of a safetensors file, read from bytes that nobody vouches for.
//!
//! Layout: eight bytes with the header's length (little endian), the header in JSON, then the data
//! of all tensors without gap or overlap.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor};

use crate::model::error::WeightsError;

/// Longest header accepted, in bytes; real ones have tens of kilobytes.
pub(crate) const HEADER_BYTES_MAX: u64 = 10_000_000;

const LENGTH_BYTES: usize = 8;
const METADATA_KEY: &str = "__metadata__";

/// Where a tensor lies and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Type of the values as declared, such as `F32`.
    pub(crate) dtype: String,
    /// Lengths of the axes.
    pub(crate) shape: Vec<usize>,
    /// First byte, counted from the first byte of data.
    pub(crate) start: usize,
    /// End, likewise; at least `start` and inside the file.
    pub(crate) end: usize,
}

/// A header whose tensors are known to fit in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The tensors by name.
    pub(crate) tensors: BTreeMap<String, Entry>,
    /// Free text of the file's maker.
    pub(crate) metadata: BTreeMap<String, String>,
    /// Place of the first byte of data in the file.
    pub(crate) data: usize,
}

impl Header {
    /// Reads and checks the header of `file`, which is the whole file.
    ///
    /// # Errors
    ///
    /// One for each way in which header and file can disagree, naming the tensor.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, WeightsError> {
        let (length, rest) = file
            .split_first_chunk::<LENGTH_BYTES>()
            .ok_or(WeightsError::TooShort { len: file.len() })?;
        let declared = u64::from_le_bytes(*length);
        if declared > HEADER_BYTES_MAX {
            return Err(WeightsError::HeaderTooLong { declared, limit: HEADER_BYTES_MAX });
        }
        let json_len = usize::try_from(declared).expect("the limit fits in a usize");
        let json = rest
            .get(..json_len)
            .ok_or(WeightsError::HeaderTruncated { declared, available: rest.len() })?;
        let raw: RawHeader = serde_json::from_slice(json)
            .map_err(|error| WeightsError::Header { detail: error.to_string() })?;
        let data_len = rest.len() - json_len;
        let mut tensors = BTreeMap::new();
        for (name, raw) in raw.tensors {
            let entry = raw.check(&name, data_len)?;
            if tensors.insert(name.clone(), entry).is_some() {
                return Err(WeightsError::Duplicate { name });
            }
        }
        check_cover(&tensors, data_len)?;
        Ok(Self { tensors, metadata: raw.metadata, data: LENGTH_BYTES + json_len })
    }
}

/// The tensors in file order, repeated names included, and the metadata.
#[derive(Default)]
struct RawHeader {
    tensors: Vec<(String, RawEntry)>,
    metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl RawEntry {
    fn check(self, name: &str, data_len: usize) -> Result<Entry, WeightsError> {
        let [start, end] = self.data_offsets;
        if start > end || end > data_len as u64 {
            let name = name.to_owned();
            return Err(WeightsError::OutOfRange { name, start, end, len: data_len });
        }
        let count = self.shape.iter().try_fold(1u64, |count, &axis| count.checked_mul(axis));
        let bytes = end - start;
        let agrees = match bytes_per_value(&self.dtype) {
            Some(size) => count.and_then(|count| count.checked_mul(size)) == Some(bytes),
            // A type this version has not heard of is refused where the tensor is used.
            None => count.is_some(),
        };
        if !agrees {
            let (name, shape, dtype) = (name.to_owned(), self.shape, self.dtype);
            return Err(WeightsError::Size { name, shape, dtype, bytes });
        }
        let fits = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Ok(Entry {
            dtype: self.dtype,
            shape: self.shape.into_iter().map(fits).collect(),
            start: fits(start),
            end: fits(end),
        })
    }
}

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

/// Keeps repeated names apart, which a map would silently merge.
struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = RawHeader;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
        let mut header = RawHeader::default();
        while let Some(name) = map.next_key::<String>()? {
            let named = |error: A::Error| A::Error::custom(format!("{name:?}: {error}"));
            if name == METADATA_KEY {
                header.metadata = map.next_value().map_err(named)?;
            } else {
                let entry = map.next_value().map_err(named)?;
                header.tensors.push((name, entry));
            }
        }
        Ok(header)
    }
}

/// Tensors must cover the data once and wholly: anything else is damage or smuggled bytes.
fn check_cover(tensors: &BTreeMap<String, Entry>, len: usize) -> Result<(), WeightsError> {
    let mut order: Vec<(&String, &Entry)> = tensors.iter().collect();
    order.sort_by_key(|(_, entry)| (entry.start, entry.end));
    let mut covered = 0;
    let mut last = "";
    for (name, entry) in order {
        if entry.start < covered {
            return Err(WeightsError::Overlap { name: name.clone(), other: last.to_owned() });
        }
        if entry.start > covered {
            let bytes = entry.start - covered;
            return Err(WeightsError::Gap { name: name.clone(), bytes });
        }
        (covered, last) = (entry.end, name);
    }
    if covered < len {
        return Err(WeightsError::Gap { name: last.to_owned(), bytes: len - covered });
    }
    Ok(())
}

/// Bytes of one value of a safetensors type.
fn bytes_per_value(dtype: &str) -> Option<u64> {
    match dtype {
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" => Some(1),
        "U16" | "I16" | "F16" | "BF16" => Some(2),
        "U32" | "I32" | "F32" => Some(4),
        "U64" | "I64" | "F64" => Some(8),
        _ => None,
    }
}
