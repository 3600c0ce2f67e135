//! The GPU's kernels (`crates/kernels/src/gpu/kernels.cu`), compiled for the processor by this package's build script: C
//! functions `emulate_float32`, `emulate_bf16` and `emulate_threads`, which the tests of the kernels declare and call.
//!
//! A package of its own, because cargo builds the dependencies of tests for tests alone, while a build script of the
//! kernels would run for every program.

#![forbid(unsafe_code)]
