//! Why a program stops before its end, and the exit code that says so.

use std::fmt::Display;
use std::process::ExitCode;

use artifacts::ArtifactError;
use kernels::engine::EngineError;
use learner::plan::PlanError;
use learner::state::RestoreError;
use learner::training::TrainingError;

use crate::tell;

/// The run could not go on, for a reason that lies in this machine.
pub const FAILED: u8 = 1;
/// Arguments or input cannot be used; nothing was written.
pub const UNUSABLE: u8 = 2;
/// A divergence, where `--fail-on-divergence` asks for it.
pub const DIVERGED: u8 = 3;
/// Interrupted; a checkpoint was written.
pub const INTERRUPTED: u8 = 130;

/// A message for the user, a hint at what to do, and the exit code.
#[derive(Debug)]
pub struct Stop {
    /// Exit code.
    pub code: u8,
    /// One line: what was expected, what was found.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Stop {
    /// Arguments or input that cannot be used.
    pub fn unusable(message: impl Display) -> Self {
        Self { code: UNUSABLE, message: message.to_string(), hint: None }
    }

    /// A failure of this machine.
    pub fn failed(message: impl Display) -> Self {
        Self { code: FAILED, message: message.to_string(), hint: None }
    }

    /// Adds what to do about it, where there is nothing said yet.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hint.get_or_insert_with(|| hint.to_string());
        self
    }
}

impl From<ArtifactError> for Stop {
    fn from(error: ArtifactError) -> Self {
        if error.is_input() { Self::unusable(error) } else { Self::failed(error) }
    }
}

impl From<PlanError> for Stop {
    fn from(error: PlanError) -> Self {
        Self::unusable(error)
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unavailable { hint, .. } => Self::unusable(error).hint(hint),
            EngineError::Tensor { .. } => Self::unusable(error),
            EngineError::Device(_) => Self::failed(error),
        }
    }
}

impl From<TrainingError> for Stop {
    fn from(error: TrainingError) -> Self {
        match error {
            TrainingError::Engine(error) => Self::failed(error),
            TrainingError::Record(error) => Self::failed(error),
        }
    }
}

impl From<RestoreError> for Stop {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::File(error) => error.into(),
            RestoreError::Engine(error) => error.into(),
        }
    }
}

/// Runs a program and turns its outcome into an exit code; a [`Stop`] is told on stderr in one line and a hint.
pub fn exit_code(program: &str, outcome: Result<u8, Stop>) -> ExitCode {
    match outcome {
        Ok(code) => code.into(),
        Err(Stop { code, message, hint }) => {
            tell::note(format!("{program}: {message}"));
            if let Some(hint) = hint {
                tell::note(format!("  {hint}"));
            }
            code.into()
        }
    }
}
