//! Where results go: a reader that went away is no failure, a disk that is full is one. Never a panic.

use std::fs::File;
use std::process::{Command, Output, Stdio};

use end_to_end::made_up::Runs;

use crate::stderr;

/// A command of every kind, each with what it prints to stdout.
fn commands(runs: &Runs) -> Vec<Vec<String>> {
    let grid = [runs.training("grid", 60, 1, 0.1, 0.8), runs.training("grid", 60, 1, 0.2, 0.9)];
    let ramp = runs.range_test("ramp", 1, |_| ());
    let command = |command: &str, runs: &[String], more: &[&str]| -> Vec<String> {
        let more = more.iter().map(|word| (*word).to_owned());
        std::iter::once(command.to_owned()).chain(runs.iter().cloned()).chain(more).collect()
    };
    let (choice, report) = (runs.path("choice.json"), runs.path("report"));
    vec![
        command("suggest", std::slice::from_ref(&ramp), &[]),
        command("suggest", std::slice::from_ref(&ramp), &["--json"]),
        command("suggest", std::slice::from_ref(&ramp), &["--out", &runs.path("suggestion.json")]),
        command("report", &[&grid[..], std::slice::from_ref(&ramp)].concat(), &["--out", &report]),
        command("choose", &grid, &["--out", &choice]),
        command("compare", &grid, &[]),
        command("table", &grid, &["--csv"]),
        command("table", &grid, &["--json"]),
        command("verify", &grid, &[]),
        command("verify", &grid, &["--json"]),
        command("--help", &[], &[]),
    ]
}

fn run(arguments: &[String], stdout: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sc-analyze"));
    let child = command.args(arguments).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    child.wait_with_output().unwrap()
}

/// A pipe whose reader has gone away.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let runs = Runs::new();
    for arguments in commands(&runs) {
        let output = run(&arguments, closed_pipe());
        // Made-up runs do not hold, which verify says by its exit code.
        let expected = i32::from(arguments[0] == "verify");
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stderr(&output).matches("panicked").count(), 0, "{arguments:?}: {}", stderr(&output));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_at_stdout_is_a_failure_that_is_said() {
    let runs = Runs::new();
    for arguments in commands(&runs) {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = run(&arguments, full.into());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", stderr(&output));
        let said = stderr(&output);
        assert!(said.contains("sc-analyze: standard output: cannot write: "), "{arguments:?}: {said}");
        assert_eq!(said.matches("No space left").count(), 1, "{arguments:?}: {said}");
    }
}
