//! What the programs that run a net share: flags, the run's folder and its lock, replay, what failures of the libraries mean.
//!
//! Programs stay thin: they turn their flags into a schedule and hand it to [`run::Prepared::launch`], or a record to [`replay::repeat`].

#![forbid(unsafe_code)]

mod class_weights;
pub mod critical;
pub mod failure;
pub mod flags;
pub mod folder;
pub mod input;
pub mod inputs;
pub mod machine;
pub mod made_for;
pub mod model;
pub mod observer;
pub mod recipe;
pub mod replay;
pub mod run;
mod sheet;
mod summary;
pub mod tuning;
