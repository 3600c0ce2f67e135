//! `sc-prep` as its users run it, on tiny inputs of every form, whole and broken.

#![forbid(unsafe_code)]

mod as_people_have_them;
mod commands;
mod downloads;
mod refusals;
mod samples;

use std::path::Path;
use std::process::{Command, Output};

/// Runs `sc-prep` in `dir`; arguments are separated by spaces.
fn sc_prep(dir: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sc-prep"));
    command.env("NO_PROXY", "*").current_dir(dir).args(arguments.split_whitespace()).output().expect("sc-prep starts")
}

/// What it prints when it succeeds.
fn stdout_of(dir: &Path, arguments: &str) -> String {
    let output = sc_prep(dir, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments}: {stderr}");
    String::from_utf8(output.stdout).expect("text")
}
