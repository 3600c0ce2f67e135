//! Memory that kernels work in, kept between calls.

/// Working memory of the kernels: grows once, reused between calls and between layers.
#[derive(Debug, Default)]
pub struct Scratch {}
