//! Which device runs a net: decided here and nowhere else.

use std::fmt;
use std::str::FromStr;

use crate::cpu::{CpuEngine, CpuOptions};
use crate::engine::{DataSet, Engine, EngineError};
use crate::graph::Graph;
use crate::isa::Isa;

/// A device, as flags name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU, by number.
    Cuda(usize),
}

impl FromStr for Device {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.parse().ok().map(Self::Cuda);
        match name {
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            _ => name.strip_prefix("cuda:").and_then(number),
        }
        .ok_or_else(|| format!("--device: expected cpu, cuda or cuda:N, found {name:?}"))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// How the processor is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Worker threads.
    pub threads: usize,
    /// Instruction set, which the processor must support.
    pub isa: Isa,
    /// Convolve directly, never by Winograd's algorithm.
    pub exact_conv: bool,
}

/// A net on a device, its parameters and buffers zero until set.
///
/// # Errors
/// When the device is not to be had, or refuses.
pub fn open(
    device: &Device,
    graph: &Graph,
    data: &DataSet,
    batch_size: usize,
    options: &Options,
) -> Result<Box<dyn Engine>, EngineError> {
    match device {
        Device::Cpu => {
            let Options { threads, isa, exact_conv } = *options;
            Ok(Box::new(CpuEngine::new(graph, data, batch_size, CpuOptions { threads, isa, exact_conv })?))
        }
        Device::Cuda(number) => cuda(*number, graph, data, batch_size),
    }
}

#[cfg(feature = "cuda")]
fn cuda(number: usize, graph: &Graph, data: &DataSet, batch_size: usize) -> Result<Box<dyn Engine>, EngineError> {
    let device = candle_core::Device::new_cuda(number).map_err(|error| EngineError::Device(error.to_string()))?;
    Ok(Box::new(crate::reference::CandleEngine::new(graph, data, batch_size, device)?))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: usize, _: &Graph, _: &DataSet, _: usize) -> Result<Box<dyn Engine>, EngineError> {
    Err(EngineError::Device("expected a build with CUDA, found one without: take --device cpu".to_owned()))
}
