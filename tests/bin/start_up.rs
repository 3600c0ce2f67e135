//! What the programs weigh, and how soon they start: of each the size without symbols, and the shortest of many times of
//! `--version`, from fork to exit. The first line is the start of any process: `true`.
//!
//!     make bench-start
//!
//! Arguments: the folder of the programs, and their names.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const ROUNDS: usize = 40;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((folder, names)) = arguments.split_first() else {
        eprintln!("start_up: expected the folder of the programs, and their names");
        return ExitCode::from(2);
    };
    println!("| program | size, stripped | starts in |");
    println!("|---|---|---|");
    println!("| (`true`) | | {:.1} ms |", start(OsStr::new("true")));
    let mut sum = 0.0;
    for name in names {
        let program = Path::new(folder).join(name);
        let megabytes = stripped(&program);
        sum += megabytes;
        println!("| {name} | {megabytes:.1} MB | {:.1} ms |", start(program.as_os_str()));
    }
    println!("\n{sum:.0} MB in all");
    ExitCode::SUCCESS
}

/// Milliseconds that a program takes to say its version, the shortest of all rounds.
fn start(program: &OsStr) -> f64 {
    let once = || {
        let begun = Instant::now();
        let status = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()), "{} does not run", program.display());
        1e3 * begun.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(|_| once()).fold(f64::INFINITY, f64::min)
}

/// Megabytes of a program without its symbols.
fn stripped(program: &Path) -> f64 {
    let copy = tempfile::NamedTempFile::new().expect("a file beside");
    let strip = Command::new("strip").arg("-o").arg(copy.path()).arg(program).status();
    assert!(strip.is_ok_and(|status| status.success()), "strip (binutils) could not read {}", program.display());
    fs::metadata(copy.path()).expect("it was written").len() as f64 / 1e6
}
