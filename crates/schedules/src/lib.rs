//! Learning rate schedules: the learning rate and the momentum of every step, as a pure function of the step.
//!
//! A [`Schedule`] is plain data. What step k of N runs with depends on the schedule, k and N alone, so a run that was
//! interrupted continues with exactly the rates it would have had. Steps are numbered from 1; the formulas count from 0, as
//! their sources do (Caffe's `iter`, PyTorch's `last_epoch`): step k is their k - 1. The one schedule that looks back,
//! [`Plateau`], keeps what it saw in a [`PlateauState`] that the caller holds. `docs/schedules.md` describes them all.

#![forbid(unsafe_code)]

mod constant;
mod cosine;
mod curve;
mod cyclical;
mod error;
mod momentum;
mod one_cycle;
mod piecewise;
mod plateau;
mod poly;
mod ramp;
mod schedule;
mod sgdr;

pub use constant::Constant;
pub use cosine::Cosine;
pub use cyclical::{ExpRange, Triangular};
pub use error::ParameterError;
pub use momentum::MOMENTUM_BOUNDS;
pub use one_cycle::{Defaults, FinalRate, OneCycle, Rise, Variant};
pub use piecewise::{ParsePiecesError, Piece, Piecewise};
pub use plateau::{Plateau, PlateauState};
pub use poly::Poly;
pub use ramp::{RampScale, RangeRamp};
pub use schedule::{Schedule, StepParameters};
pub use sgdr::Sgdr;
