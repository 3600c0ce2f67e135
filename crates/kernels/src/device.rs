//! Which device runs a net: decided here and nowhere else.

use std::fmt;
use std::str::FromStr;

use crate::cpu::{CpuEngine, CpuOptions};
use crate::engine::{DataSet, Engine, EngineError};
use crate::graph::Graph;
use crate::isa::Isa;
use crate::reference::CandleEngine;

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
        .ok_or_else(|| "expected cpu, cuda or cuda:N".to_owned())
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

/// Whose operations compute, on whichever device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// Our kernels.
    #[default]
    Fast,
    /// candle's operations and autograd: slow, in float32 alone, and independent of our kernels.
    Candle,
}

impl EngineKind {
    /// Every kind, with the name that flags and records use.
    pub const NAMES: [(&'static str, EngineKind); 2] = [("fast", EngineKind::Fast), ("candle", EngineKind::Candle)];
}

impl FromStr for EngineKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let hit = Self::NAMES.into_iter().find(|(known, _)| *known == name);
        hit.map(|(_, kind)| kind).ok_or_else(|| "expected fast or candle".to_owned())
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.into_iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name);
        write!(f, "{name}")
    }
}

/// In what activations are kept and products are taken. Parameters, gradients of parameters, statistics, optimizer state
/// and all sums are float32 or wider under each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// IEEE float32 throughout; TensorFloat-32 is off.
    #[default]
    Float32,
    /// Activations in float32; the factors of convolutions and dense layers are rounded to TensorFloat-32 (10 bits of
    /// fraction) by the GPU's tensor cores.
    Tf32,
    /// Mixed precision: activations, their gradients and a copy of the weights in bfloat16 (7 bits of fraction).
    Bf16,
}

impl Precision {
    /// Every kind, with the name that flags and records use.
    pub const NAMES: [(&'static str, Precision); 3] =
        [("float32", Precision::Float32), ("tf32", Precision::Tf32), ("bf16", Precision::Bf16)];
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let hit = Self::NAMES.into_iter().find(|(known, _)| *known == name);
        hit.map(|(_, kind)| kind).ok_or_else(|| "expected float32, tf32 or bf16".to_owned())
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.into_iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name);
        write!(f, "{name}")
    }
}

/// Why a device cannot be used as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// CUDA was left out of the program.
    #[error("device {0} needs a program built with CUDA")]
    NotBuilt(Device),
    /// There is no such GPU, or the system or its driver refuses it.
    #[error("device {device} cannot be used: {reason}")]
    Gpu {
        /// The device.
        device: Device,
        /// What the driver says.
        reason: String,
    },
    /// The device does not compute in these numbers.
    #[error("device {device} has no precision {precision}: {reason}")]
    Precision {
        /// The device.
        device: Device,
        /// What was asked for.
        precision: Precision,
        /// What the device has.
        reason: String,
    },
    /// candle's operations do not compute in these numbers.
    #[error("engine candle has no precision {0}: it computes in float32 alone")]
    CandlePrecision(Precision),
    /// candle's operations leave no choice of how to convolve.
    #[error("engine candle has no exact convolutions to ask for: it never uses Winograd's algorithm")]
    CandleExactConv,
}

/// How the device is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whose operations compute.
    pub engine: EngineKind,
    /// Worker threads of the processor.
    pub threads: usize,
    /// Instruction set of our kernels, which the processor must support; candle's operations choose for themselves.
    pub isa: Isa,
    /// Convolve directly, never by Winograd's algorithm.
    pub exact_conv: bool,
    /// Numbers of activations and products; the processor has float32 alone.
    pub precision: Precision,
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
    let Options { engine, threads, isa, exact_conv, precision } = *options;
    match device {
        _ if engine == EngineKind::Candle => {
            let device = candle_device(device, options)?;
            Ok(Box::new(CandleEngine::new(graph, data, batch_size, device, threads)?))
        }
        Device::Cpu if precision != Precision::Float32 => {
            let reason = "it computes in float32 alone".to_owned();
            Err(Unavailable::Precision { device: *device, precision, reason }.into())
        }
        Device::Cpu => Ok(Box::new(CpuEngine::new(graph, data, batch_size, CpuOptions { threads, isa, exact_conv })?)),
        Device::Cuda(number) => cuda(*number, graph, data, batch_size, options),
    }
}

/// The device as candle has it, for a run that candle's operations can compute.
fn candle_device(device: &Device, options: &Options) -> Result<candle_core::Device, EngineError> {
    if options.precision != Precision::Float32 {
        return Err(Unavailable::CandlePrecision(options.precision).into());
    }
    if options.exact_conv {
        return Err(Unavailable::CandleExactConv.into());
    }
    match device {
        Device::Cpu => Ok(candle_core::Device::Cpu),
        #[cfg(feature = "cuda")]
        Device::Cuda(number) => Ok(candle_core::Device::Cuda(crate::gpu::cuda::open_device(*number)?)),
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(_) => Err(Unavailable::NotBuilt(*device).into()),
    }
}

#[cfg(feature = "cuda")]
fn cuda(
    number: usize,
    graph: &Graph,
    data: &DataSet,
    batch_size: usize,
    options: &Options,
) -> Result<Box<dyn Engine>, EngineError> {
    let gpu = crate::gpu::cuda::Cuda::open(number, options)?;
    Ok(Box::new(crate::gpu::GpuEngine::new(gpu, graph, data, batch_size)?))
}

#[cfg(not(feature = "cuda"))]
fn cuda(number: usize, _: &Graph, _: &DataSet, _: usize, _: &Options) -> Result<Box<dyn Engine>, EngineError> {
    Err(Unavailable::NotBuilt(Device::Cuda(number)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for name in ["cpu", "cuda:0", "cuda:7"] {
            assert_eq!(name.parse::<Device>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
        for name in ["gpu", "cuda:", "cuda:-1", "cuda:x", "CPU", ""] {
            let error = name.parse::<Device>().unwrap_err();
            assert!(error.contains("expected cpu, cuda or cuda:N"), "{error}");
        }
        for (name, precision) in Precision::NAMES {
            assert_eq!((name.parse(), precision.to_string().as_str()), (Ok(precision), name));
        }
        assert!("fp16".parse::<Precision>().is_err());
        for (name, engine) in EngineKind::NAMES {
            assert_eq!((name.parse(), engine.to_string().as_str()), (Ok(engine), name));
        }
        assert!("torch".parse::<EngineKind>().is_err());
    }
}
