//! The same table as plain Candle operations, on any device: slow on the CPU, where it is the
//! yardstick of the fused kernels. Its bits depend on Candle's blocking and are published nowhere.

use candle_core::{Device, Module, Result, Tensor};
use candle_nn::{Conv2d, Conv2dConfig};

use crate::model::extractor::Network;
use crate::model::pooling::Pooling;
use crate::model::table::{Activation, Groups, Source, Table};

/// A network as Candle tensors.
#[derive(Debug)]
pub struct Graph {
    table: Table,
    /// Weight `[out, in per group, kernel, kernel]` and bias `[out]` of each layer. Borders are not
    /// theirs: those may differ from side to side.
    layers: Vec<Conv2d>,
}

impl Graph {
    /// Copies a network's weights to `device`.
    ///
    /// # Errors
    ///
    /// Candle cannot place them there.
    pub fn new(network: &Network, device: &Device) -> Result<Self> {
        let mut layers = Vec::with_capacity(network.weights.len());
        for (layer, folded) in network.table.layers.iter().zip(&network.weights) {
            let shape = (layer.channels_out, layer.channels_seen(), layer.kernel, layer.kernel);
            let weight = Tensor::from_slice(&folded.weight, shape, device)?;
            let bias = Tensor::from_slice(&folded.bias, layer.channels_out, device)?;
            let groups = match layer.groups {
                Groups::One => 1,
                Groups::PerChannel => layer.channels_in,
            };
            let config = Conv2dConfig { stride: layer.stride, groups, ..Default::default() };
            layers.push(Conv2d::new(weight, Some(bias), config));
        }
        Ok(Self { table: network.table.clone(), layers })
    }

    /// Features `[batch, features]` of photographs `[batch, height, width, 3]`.
    ///
    /// # Errors
    ///
    /// The shape is another, or Candle fails.
    pub fn features(&self, photographs: &Tensor, pooling: Pooling) -> Result<Tensor> {
        let photographs = photographs.permute((0, 3, 1, 2))?.contiguous()?;
        let mut maps: Vec<Tensor> = Vec::with_capacity(self.layers.len());
        for (layer, convolution) in self.table.layers.iter().zip(&self.layers) {
            let input = match layer.input {
                Source::Photograph => &photographs,
                Source::Layer(index) => &maps[index],
            };
            let (_, _, height, width) = input.dims4()?;
            let (top, bottom) = layer.border(height);
            let (left, right) = layer.border(width);
            let padded = input.pad_with_zeros(2, top, bottom)?.pad_with_zeros(3, left, right)?;
            let mut map = convolution.forward(&padded)?;
            if let Some(residual) = layer.residual {
                map = (map + &maps[residual])?;
            }
            maps.push(match layer.activation {
                Activation::None => map,
                Activation::Relu => map.relu()?,
                Activation::Relu6 => map.clamp(0f32, 6f32)?,
            });
        }
        let Some(last) = maps.pop() else {
            candle_core::bail!("a network has layers");
        };
        match pooling {
            Pooling::Avg => last.flatten_from(2)?.mean(2),
            Pooling::Max => last.flatten_from(2)?.max(2),
            Pooling::None => last.permute((0, 2, 3, 1))?.contiguous()?.flatten_from(1),
        }
    }
}
