//! `sc-watch`: runs in a terminal, in progress or finished. It reads their files and does nothing else.

#![forbid(unsafe_code)]

mod answer;
mod app;
mod find;
mod flags;
mod history;
mod holder;
mod live;
mod pace;
mod run;
mod screen;
mod tail;
mod terminal;
mod text;
mod watcher;

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::process::ExitCode;

use artifacts::error::display_path;
use cli::{Failure, arguments, output};

use flags::Flags;
use watcher::{Asked, Snapshot, Watcher};

const PROGRAM: &str = "sc-watch";

fn main() -> ExitCode {
    let flags: Flags = arguments::parse();
    cli::run(PROGRAM, watch(&flags))
}

fn watch(flags: &Flags) -> Result<u8, Failure> {
    let asked = Asked { paths: flags.paths.clone(), wait: flags.wait, superseded: flags.superseded };
    let mut watcher = Watcher::new(&asked);
    if let Some(path) = watcher.missing().first().filter(|_| !asked.wait) {
        let message = format!("{}: there is no such run or folder of runs", display_path(path));
        return Err(Failure::unusable(message).hint("pass --wait to wait for runs that have not begun"));
    }
    if flags.once || !std::io::stdout().is_terminal() {
        print(&watcher.look(&BTreeSet::new(), None))?;
        return Ok(0);
    }
    let ended = live::watch(watcher, flags.interval, flags.ascii || !terminal::is_utf8())?;
    // What was seen last stays; a terminal that is gone takes nothing.
    let _ = print(&ended.last);
    Ok(ended.code)
}

fn print(snapshot: &Snapshot) -> Result<(), Failure> {
    let mut lines = output::Lines::new();
    for line in text::lines(snapshot) {
        lines.line(line)?;
    }
    lines.finish()
}
