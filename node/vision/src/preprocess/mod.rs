//! From RGB to the tensor of a network: plain resize (no crop), then per channel
//! `(value * scale - mean) / std`.
//!
//! What applies is settled once per job, field by field: a flag before the weights' own
//! metadata, these before the habit of the family. Nothing is guessed beyond that.

mod described;
mod settle;
#[cfg(test)]
mod tests;

pub use settle::{Flags, Origin, Origins, PreprocessError, Profile, Size};

use crate::decode::Rgb;
use crate::model::profile::{ChannelOrder, Filter};
use crate::resize::{ResizeWorkspace, resize};

/// Preparation of the photographs of one job, fully settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocess {
    /// Size of the input in pixels.
    pub size: Size,
    /// Resampling filter, for photographs of another size.
    pub filter: Filter,
    /// Order of the channels in the tensor, and of `mean` and `std`.
    pub channel_order: ChannelOrder,
    /// Factor on the values of 0 to 255.
    pub scale: f64,
    /// Subtracted after scaling.
    pub mean: [f64; 3],
    /// Divided by last.
    pub std: [f64; 3],
    /// Who said so, per field.
    pub origins: Origins,
    tables: Tables,
}

/// The tensor's value for each byte, per channel of the tensor.
#[derive(Clone, PartialEq)]
struct Tables(Box<[[f32; 256]; 3]>);

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tables")
    }
}

/// Buffers that one thread keeps from one photograph to the next.
#[derive(Debug, Clone, Default)]
pub struct PreprocessWorkspace {
    resize: ResizeWorkspace,
    resized: Rgb,
}

impl PreprocessWorkspace {
    /// The last photograph as the network saw it, made smaller or larger.
    pub fn seen(&mut self, width: u32, height: u32) -> Rgb {
        let mut out = Rgb::default();
        resize(&self.resized, width, height, Filter::Bicubic, &mut self.resize, &mut out);
        out
    }
}

impl Preprocess {
    /// Writes the tensor of one photograph: `height * width * 3` values (HWC), channels in
    /// `channel_order`. The allocation of `out` is reused.
    pub fn apply(&self, rgb: &Rgb, workspace: &mut PreprocessWorkspace, out: &mut Vec<f32>) {
        let PreprocessWorkspace { resize: passes, resized } = workspace;
        let Size { width, height } = self.size;
        resize(rgb, width, height, self.filter, passes, resized);
        let pixels = &resized.pixels;
        let [first, second, third] = &*self.tables.0;
        out.clear();
        out.resize(pixels.len(), 0.0);
        for (to, pixel) in out.chunks_exact_mut(3).zip(pixels.chunks_exact(3)) {
            let [a, b, c] = match self.channel_order {
                ChannelOrder::Rgb => [pixel[0], pixel[1], pixel[2]],
                ChannelOrder::Bgr => [pixel[2], pixel[1], pixel[0]],
            };
            to[0] = first[usize::from(a)];
            to[1] = second[usize::from(b)];
            to[2] = third[usize::from(c)];
        }
    }

    /// Name, value in words and origin of every field, to print and to report.
    pub fn describe(&self) -> [(&'static str, String, Origin); 6] {
        let filter = self.filter.name();
        let order = match self.channel_order {
            ChannelOrder::Rgb => "rgb",
            ChannelOrder::Bgr => "bgr",
        };
        let three = |v: [f64; 3]| format!("{}, {}, {}", v[0], v[1], v[2]);
        let origins = &self.origins;
        [
            ("size", self.size.to_string(), origins.size),
            ("filter", filter.to_owned(), origins.filter),
            ("channel_order", order.to_owned(), origins.channel_order),
            ("scale", self.scale.to_string(), origins.scale),
            ("mean", three(self.mean), origins.mean),
            ("std", three(self.std), origins.std),
        ]
    }
}

impl Tables {
    /// Rounds where torch and numpy do: the scaled value, the difference and the quotient are
    /// each rounded to f32.
    fn new(scale: f64, mean: [f64; 3], std: [f64; 3]) -> Self {
        let mut tables = Box::new([[0.0; 256]; 3]);
        for (channel, table) in tables.iter_mut().enumerate() {
            for (value, entry) in table.iter_mut().enumerate() {
                let scaled = (value as f64 * scale) as f32;
                *entry = (scaled - mean[channel] as f32) / std[channel] as f32;
            }
        }
        Tables(tables)
    }
}
