//! Every file that passes between the stages of superconv: its schema, its reader, its writer.
//!
//! Readers refuse what they do not know, naming the file, the key and what they wanted. Writers are atomic: a file
//! under its final name is whole. Equal content gives equal bytes. This crate knows neither candle nor nets.

#![forbid(unsafe_code)]

pub mod atomic;
pub mod batches;
pub mod checkpoint;
pub mod choice;
pub mod correct;
pub mod dataset;
pub mod error;
pub mod finished;
pub mod format;
pub mod json;
pub mod keys;
pub mod magic;
pub mod metrics;
pub mod names;
pub mod number;
pub mod probe;
pub mod recipe;
pub mod run;
pub mod same_file;
pub mod setting;
pub mod sha256;
pub mod suggestion;
pub mod tensors;
pub mod torch;
pub mod weights;

pub use error::{Action, ArtifactError, Result};
