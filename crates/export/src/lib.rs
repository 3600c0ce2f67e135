//! A trained net in the formats of other runtimes: [`onnx`].
//!
//! Knows what a graph's operations are called there, and nothing of files.

#![forbid(unsafe_code)]

pub mod onnx;
mod protobuf;
