//! Writes man pages and shell completions of programs, from what they say of themselves by `--help`.
//!
//!     manual PROGRAMS OUT NAME...
//!
//! PROGRAMS: the folder of the programs. OUT gets `man/man1`, `bash-completion/completions`, `zsh/site-functions` and
//! `fish/vendor_completions.d`, as they lie below PREFIX/share. The same programs give the same bytes.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use end_to_end::manual;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [programs, out, names @ ..] = arguments.as_slice() else {
        eprintln!("usage: manual PROGRAMS OUT NAME...");
        return ExitCode::from(2);
    };
    for name in names {
        if let Err(error) = manual::write(&Path::new(programs).join(name), Path::new(out)) {
            eprintln!("manual: {name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
