//! What the programs that run a net share on the command line: flags, the run's folder, progress, signals, exit codes.
//!
//! Programs stay thin: they turn their flags into a schedule and hand it to [`run::Prepared::launch`], or a record to [`replay::repeat`].

pub mod flags;
pub mod folder;
pub mod inputs;
pub mod machine;
pub mod observer;
pub mod progress;
pub mod recipe;
pub mod replay;
pub mod run;
pub mod stop;
pub mod tell;
