//! A network as data: the list of its layers, from which both the fused kernels and the plain
//! Candle graph are made. Names of tensors and values of weights are not its business.

/// Which inputs an output channel sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Groups {
    /// All channels.
    One,
    /// Its own channel alone: a depthwise convolution.
    PerChannel,
}

/// What happens to each output after the bias and the residual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
}

impl Activation {
    /// The activation as a clamp: lowest and highest output.
    #[must_use]
    pub fn bounds(self) -> (f32, f32) {
        match self {
            Self::None => (f32::NEG_INFINITY, f32::INFINITY),
            Self::Relu => (0.0, f32::INFINITY),
            Self::Relu6 => (0.0, 6.0),
        }
    }
}

/// Rule for the border of zeros around a layer's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// `(kernel - 1) / 2` on each side, as PyTorch models do.
    Symmetric,
    /// TensorFlow's `SAME`: as many as `ceil(size / stride)` outputs need, the odd one at the end.
    Same,
}

/// Where a layer's input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The photograph: three channels.
    Photograph,
    /// The output of the layer with this index, smaller than the reader's.
    Layer(usize),
}

/// A square convolution, with what follows it: bias, residual, activation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Where the input comes from.
    pub input: Source,
    /// Side of the kernel.
    pub kernel: usize,
    /// Distance between two outputs, in input pixels.
    pub stride: usize,
    /// Which inputs an output channel sees.
    pub groups: Groups,
    /// Rule for the border of zeros.
    pub padding: Padding,
    /// Input channels.
    pub channels_in: usize,
    /// Output channels.
    pub channels_out: usize,
    /// Index of the layer whose output is added before the activation.
    pub residual: Option<usize>,
    /// What follows.
    pub activation: Activation,
}

impl Layer {
    /// Input channels that one output channel sees.
    #[must_use]
    pub(crate) fn channels_seen(&self) -> usize {
        match self.groups {
            Groups::One => self.channels_in,
            Groups::PerChannel => 1,
        }
    }

    /// Zeros (before, after) an input side of `size` pixels.
    #[must_use]
    pub fn border(&self, size: usize) -> (usize, usize) {
        match self.padding {
            Padding::Symmetric => ((self.kernel - 1) / 2, (self.kernel - 1) / 2),
            Padding::Same => {
                let needed = (size.div_ceil(self.stride) - 1) * self.stride + self.kernel;
                let zeros = needed.saturating_sub(size);
                (zeros / 2, zeros - zeros / 2)
            }
        }
    }

    /// Output side for an input side of `size` pixels, both at least 1.
    #[must_use]
    pub(crate) fn output_side(&self, size: usize) -> usize {
        let (before, after) = self.border(size);
        (size + before + after).saturating_sub(self.kernel) / self.stride + 1
    }
}

/// The layers of a network in the order of their computation; the last one's output is pooled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// At least one layer, each reading earlier ones.
    pub layers: Vec<Layer>,
}

impl Table {
    /// (height, width) of each layer's output for a photograph of `height * width` pixels.
    #[must_use]
    pub fn sizes(&self, height: usize, width: usize) -> Vec<(usize, usize)> {
        let mut sizes: Vec<(usize, usize)> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let (height, width) = match layer.input {
                Source::Photograph => (height, width),
                Source::Layer(index) => sizes[index],
            };
            sizes.push((layer.output_side(height), layer.output_side(width)));
        }
        sizes
    }

    /// Channels of the last layer.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.channels_out)
    }
}
