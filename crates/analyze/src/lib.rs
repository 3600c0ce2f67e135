//! What is made of finished runs: choices, tables, comparisons, checks, reports, and verdicts on claims.
//!
//! Knows the files that runs leave behind (crate `artifacts`), and range tests (crate `reading`); nothing of nets or training.
//! Flags and printing are the program's, `sc-analyze`.

#![forbid(unsafe_code)]

pub mod choose;
pub mod claims;
pub mod export;
mod frame;
pub mod glob;
mod grid;
mod overfit;
pub mod plot;
pub mod printed;
pub mod report;
mod study;
pub mod table;
pub mod unfinished;
pub mod verify;

use cli::Failure;

/// A result, or why the program cannot go on.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What it means to a program that a range test cannot be read.
pub fn unreadable(error: reading::Error) -> Failure {
    match error {
        reading::Error::File(error) => error.into(),
        reading::Error::Curve { message, hint } => Failure::unusable(message).hint(hint),
    }
}
