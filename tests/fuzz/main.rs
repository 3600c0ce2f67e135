//! Every reader against inputs mutated from valid ones, by a fixed seed: each is answered with a value or a refusal that
//! names its file, on one line. No panic, no hang, no memory beyond the bound that the reader's line states.
//!
//! `cargo test --test fuzz` tries some thousand inputs a reader; `make fuzz` a million. `FUZZ=N` sets how many, `FUZZ_SEED=N` the
//! seed, and a name on the command line the readers. What breaks a reader is kept in `target/fuzz/` with its number.
//!
//! A program of its own and not the test harness's: one reader at a time, or else the counted memory would be everybody's.

#![forbid(unsafe_code)]
#![allow(
    clippy::needless_for_each,
    clippy::duration_suboptimal_units,
    clippy::type_complexity,
    clippy::assigning_clones,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "short code that spoils files, where these lints find nothing that matters"
)]

mod analysis;
mod artifact;
mod driver;
mod mutate;
#[allow(dead_code, reason = "shared with the tests of sc-prep, which use the rest of it")]
#[path = "../../crates/prep/tests/cli/samples.rs"]
mod samples;
mod scratch;
mod sources;

use std::process::ExitCode;

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    driver::run(&[sources::readers(), artifact::readers(), analysis::readers()].concat())
}
