//! Nets, schedules, optimizers, augmentation, and the one loop that range test and training share.
//!
//! Nothing here parses flags, prints, exits, or reads the clock or the environment: random streams, the engine and an
//! observer of what happens are passed in.

pub mod data;
pub mod initial;
pub mod nets;
pub mod plan;
pub mod probe;
pub mod samples;
pub mod schedule;
pub mod state;
pub mod stream;
pub mod training;
