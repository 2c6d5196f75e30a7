//! Made-up weights and photographs: functions of (tensor name, index) that
//! `tests/reference/mobilenet.py` computes too, written as safetensors.

use std::collections::BTreeMap;

use crate::model::mobilenet_v2::Variant;
use crate::model::naming::{Family, layer_names};
use crate::model::table::Padding;

/// `count` values in `0..1`: SplitMix64 from the FNV-1a hash of the name, upper 24 bits.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    (1..=count as u64).map(move |index| {
        let mut z = seed.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 24)
    })
}

/// A prepared photograph `[height, width, 3]` with values in `-2..2`.
pub(super) fn photograph(height: usize, width: usize) -> Vec<f32> {
    uniform("photograph", height * width * 3).map(|u| (u * 4.0 - 2.0) as f32).collect()
}

/// A safetensors file in the making: everything can be changed, nothing is checked.
#[derive(Debug, Clone, Default)]
pub(super) struct File {
    /// Type, shape and bytes by name; laid out in the order of the names.
    pub(super) tensors: BTreeMap<String, (String, Vec<usize>, Vec<u8>)>,
    /// Free text.
    pub(super) metadata: BTreeMap<String, String>,
}

impl File {
    /// The weights of a network as `family` saves it, with a classifier of one class.
    pub(super) fn of(family: Family, width: u32) -> Self {
        Self::of_variant(family, Variant::of_width(width))
    }

    /// The same for any depth and channels.
    pub(super) fn of_variant(family: Family, variant: Variant) -> Self {
        let mut file = Self::default();
        let prefix = match family {
            Family::TransformersMobilenetV2 => "mobilenet_v2.",
            Family::TorchvisionMobilenetV2 | Family::TimmMobilenetV2 => "",
        };
        let table = variant.table(Padding::Symmetric);
        let names = layer_names(family, prefix, &variant.blocks);
        assert_eq!(names.len(), table.layers.len());
        for (layer, names) in table.layers.iter().zip(names) {
            let shape = [layer.channels_out, layer.channels_seen(), layer.kernel, layer.kernel];
            file.add(&names.weight, &shape);
            for part in ["weight", "bias", "running_mean", "running_var"] {
                file.add(&format!("{}.{part}", names.norm), &[layer.channels_out]);
            }
        }
        file.add("classifier.weight", &[1, variant.head]);
        file
    }

    /// Adds the made-up tensor of this name.
    pub(super) fn add(&mut self, name: &str, shape: &[usize]) {
        let count = shape.iter().product();
        let values = uniform(name, count).map(|u| {
            if let &[_, seen, rows, columns] = shape {
                (u * 2.0 - 1.0) * (6.0 / (seen * rows * columns) as f64).sqrt()
            } else if name.ends_with("running_var") || name.ends_with(".weight") {
                0.5 + u
            } else {
                u - 0.5
            }
        });
        let bytes = values.flat_map(|value| (value as f32).to_le_bytes()).collect();
        self.tensors.insert(name.to_owned(), ("F32".to_owned(), shape.to_vec(), bytes));
    }

    /// Sets one value of an F32 tensor.
    pub(super) fn set(&mut self, name: &str, index: usize, value: f32) {
        let bytes = &mut self.tensors.get_mut(name).unwrap().2;
        bytes[index * 4..][..4].copy_from_slice(&value.to_le_bytes());
    }

    /// The header's entries, `"name":{...}` each, and the data behind them.
    pub(super) fn parts(&self) -> (Vec<String>, Vec<u8>) {
        let mut data = Vec::new();
        let mut entries = Vec::new();
        if !self.metadata.is_empty() {
            entries.push(format!(
                "\"__metadata__\":{}",
                serde_json::to_string(&self.metadata).unwrap()
            ));
        }
        for (name, (dtype, shape, bytes)) in &self.tensors {
            let start = data.len();
            data.extend_from_slice(bytes);
            let end = data.len();
            let what = format!("\"dtype\":{dtype:?},\"shape\":{shape:?}");
            entries.push(format!("{name:?}:{{{what},\"data_offsets\":[{start},{end}]}}"));
        }
        (entries, data)
    }

    /// The whole file.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let (entries, data) = self.parts();
        assemble(&format!("{{{}}}", entries.join(",")), &data)
    }
}

/// A file from a header and data that may not fit each other.
pub(super) fn assemble(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(data);
    file
}
