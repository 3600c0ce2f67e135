//! What the failures of the libraries below mean to a program: its exit code, the flags that it calls things by, and what to
//! do about it.

use cli::Failure;
use kernels::device::Unavailable;
use kernels::engine::EngineError;
use learner::spec::ConfigError;
use learner::state::RestoreError;
use learner::training::TrainingError;
use schedules::ParameterError;

use crate::flags::flag;

/// Turns the errors of `kernels`, `learner` and `schedules`, which know of no flags and exit codes, into a [`Failure`].
pub trait OrFail<T> {
    /// The value, or why the program cannot go on.
    ///
    /// # Errors
    /// Those of `self`.
    fn or_fail(self) -> Result<T, Failure>;
}

impl<T, E: Cause> OrFail<T> for Result<T, E> {
    fn or_fail(self) -> Result<T, Failure> {
        self.map_err(Cause::into_failure)
    }
}

/// An error of a library.
pub trait Cause {
    /// What the program says.
    fn into_failure(self) -> Failure;
}

impl Cause for ConfigError {
    fn into_failure(self) -> Failure {
        Failure::unusable(self.message(flag))
    }
}

impl Cause for ParameterError {
    fn into_failure(self) -> Failure {
        Failure::unusable(self.message(flag))
    }
}

impl Cause for EngineError {
    fn into_failure(self) -> Failure {
        match self {
            Self::Unavailable(why) => why.into_failure(),
            Self::Tensor { .. } => Failure::unusable(self),
            Self::Device(_) => Failure::failed(self),
        }
    }
}

impl Cause for Unavailable {
    fn into_failure(self) -> Failure {
        match self {
            Self::NotBuilt(device) => Failure::unusable(format!("--device {device} needs a program built with CUDA"))
                .hint("build one with make programs DEVICE=cuda (docs/gpu.md), or pass --device cpu"),
            Self::Gpu { device, reason } => Failure::unusable(format!("--device {device} cannot be used: {reason}"))
                .hint("see with nvidia-smi which GPUs the driver has, or pass --device cpu"),
            Self::Precision { device, precision, reason } => {
                let message = format!("--precision {precision} does not apply to --device {device}: {reason}");
                Failure::unusable(message).hint("leave --precision out, or pass another --device")
            }
            Self::CandlePrecision(precision) => {
                let message =
                    format!("--precision {precision} does not apply to --engine candle: it computes in float32 alone");
                Failure::unusable(message).hint("leave --precision out, or pass --engine fast")
            }
            Self::CandleExactConv => {
                let message = "--exact-conv does not apply to --engine candle: it never uses Winograd's algorithm";
                Failure::unusable(message).hint("leave --exact-conv out, or pass --engine fast")
            }
        }
    }
}

impl Cause for TrainingError {
    fn into_failure(self) -> Failure {
        Failure::failed(self)
    }
}

impl Cause for RestoreError {
    fn into_failure(self) -> Failure {
        match self {
            Self::File(error) => error.into(),
            Self::Engine(error) => error.into_failure(),
        }
    }
}
