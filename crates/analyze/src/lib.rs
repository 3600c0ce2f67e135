//! Reads the records of runs: suggests rates from range tests, compares runs, and draws reports.
//!
//! Knows the files that runs leave behind (crate `artifacts`) and nothing of nets or training. Flags, printing and exit
//! codes are the program's, `sc-analyze`.

pub mod choose;
pub mod curve;
pub mod error;
pub mod escape;
pub mod frame;
pub mod glob;
pub mod number;
pub mod overfit;
pub mod plot;
pub mod regret;
pub mod report;
pub mod runs;
pub mod search;
pub mod smooth;
pub mod stats;
pub mod study;
pub mod suggest;
pub mod table;
pub mod verify;
