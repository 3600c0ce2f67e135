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

use app::App;
use flags::Flags;
use watcher::{Asked, Watcher};

const PROGRAM: &str = "sc-watch";
/// Columns of curves that are printed where no terminal says how many it has.
const COLUMNS: u16 = 80;

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
    let is_ascii = flags.ascii || !terminal::is_utf8();
    if flags.chart {
        print(&with_chart(&mut watcher, is_ascii))?;
        return Ok(0);
    }
    if flags.once || !std::io::stdout().is_terminal() {
        print(&text::lines(&watcher.look(&BTreeSet::new(), None)))?;
        return Ok(0);
    }
    let ended = live::watch(watcher, flags.interval, is_ascii)?;
    // What was seen last stays; a terminal that is gone takes nothing.
    let _ = print(&text::lines(&ended.last));
    Ok(ended.code)
}

/// The state, and above it the curves that the live view would begin with.
fn with_chart(watcher: &mut Watcher, is_ascii: bool) -> Vec<String> {
    let mut app = App::new(is_ascii);
    // The first look finds the runs, the second reads the curves of the newest.
    app.show(watcher.look(&BTreeSet::new(), None));
    app.show(watcher.look(&app.charted(), None));
    let mut lines = screen::printed(&app, terminal::columns().unwrap_or(COLUMNS));
    lines.push(String::new());
    lines.extend(text::lines(&app.snapshot));
    lines
}

fn print(text: &[String]) -> Result<(), Failure> {
    let mut lines = output::Lines::new();
    for line in text {
        lines.line(line)?;
    }
    lines.finish()
}
