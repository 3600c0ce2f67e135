//! Nets as graphs, initial weights, random streams, the order and augmentation of images, and the one training loop that
//! range tests and training runs share.
//!
//! Nothing here parses flags, prints, exits, or reads the clock or the environment: the engine and an observer of the run
//! are passed in.

#![forbid(unsafe_code)]

mod average;
pub mod data;
pub mod initial;
pub mod nets;
pub mod probe;
pub mod samples;
pub mod scores;
pub mod spec;
pub mod state;
pub mod stream;
pub mod training;
pub mod tuning;
