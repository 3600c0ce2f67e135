//! Reads range tests: curves from runs and from files of any tool, their smoothing, what happened along them, the rates that they
//! suggest, and what other tools' rules answer.
//!
//! Knows the files that runs leave behind (crate `artifacts`) and nothing of nets, training, flags or terminals.

#![forbid(unsafe_code)]

pub mod curve;
mod error;
mod mended;
mod noise;
mod smooth;
pub mod stats;
pub mod suggest;

pub use error::{Error, Result};
pub use smooth::{Smooth, WINDOW_DECADES};
