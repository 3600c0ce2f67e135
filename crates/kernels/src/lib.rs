//! Differentiable operations for training image classifiers, on a CPU and on NVIDIA GPUs.
//!
//! A net is described once as a [`graph::Graph`]; an [`engine::Engine`] runs it. [`cpu`] is the fast engine, in plain
//! `f32` buffers with hand-written kernels; [`gpu`] is the one for CUDA; [`mod@reference`] runs the same graph through
//! candle's own operations and autograd: the reference of every test. [`device`] decides which.
//! This crate knows operations, not nets. It alone may hold `unsafe` code.

pub mod aligned;
pub mod batch_norm;
mod channels;
pub mod conv;
pub mod cpu;
pub mod device;
mod disjoint;
pub mod engine;
mod flat;
mod gemm;
pub mod gpu;
pub mod graph;
pub mod input;
pub mod isa;
pub mod linear;
pub mod optimizer;
pub mod pooling;
pub mod reference;
pub mod relu;
mod resample;
pub mod shortcut;
mod simd;
mod softmax_cross_entropy;
pub mod threads;
