//! What is made of finished runs: choices, tables, comparisons, checks and reports.
//!
//! Knows the files that runs leave behind (crate `artifacts`) and nothing of nets or training. Flags, printing and exit
//! codes are the program's, `sc-analyze`.

pub mod choose;
pub mod escape;
pub mod frame;
pub mod glob;
pub mod grid;
pub mod overfit;
pub mod plot;
pub mod report;
pub mod study;
pub mod table;
pub mod verify;
