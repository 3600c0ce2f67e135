//! The edge of every program: what it prints, how it fails, how it shows progress and how it is interrupted.
//!
//! A program parses its arguments with [`arguments::parse`], works, and ends in [`run`], which prints a [`Failure`] and
//! turns the outcome into an exit code. Results go to stdout and all else to stderr, through [`output`]. What a run
//! computes is none of this crate's business: it knows neither candle nor nets.

#![forbid(unsafe_code)]

pub mod arguments;
mod failure;
pub mod output;
mod processor;
pub mod progress;
pub mod signals;

pub use failure::{DIVERGED, FAILED, Failure, INTERRUPTED, SOME_UNREADABLE, UNUSABLE, run};
