//! Progress on stderr: a bar on a terminal, a line now and then elsewhere, nothing with `--quiet`.

use std::fmt::Display;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Shows how far some work is.
pub struct Progress {
    style: Style,
    name: String,
    done: u64,
    total: Option<u64>,
}

enum Style {
    Quiet,
    Bar(ProgressBar),
    Lines { next: Instant },
}

impl Progress {
    /// Progress of work called `name`, of `total` steps where that is known, `done` of them already made.
    pub fn new(name: &str, done: u64, total: Option<u64>) -> Self {
        let style = if output::is_quiet() {
            Style::Quiet
        } else if std::io::stderr().is_terminal() {
            Style::Bar(bar(name, done, total))
        } else {
            Style::Lines { next: Instant::now() + BETWEEN_LINES }
        };
        Self { style, name: name.to_owned(), done, total }
    }

    /// `done` steps are made; `details` says more, where something is shown.
    pub fn set(&mut self, done: u64, details: impl FnOnce() -> String) {
        self.done = done;
        match &mut self.style {
            Style::Quiet => {}
            Style::Bar(bar) => {
                bar.set_message(details());
                bar.set_position(done);
            }
            Style::Lines { next } => {
                let now = Instant::now();
                if now >= *next {
                    *next = now + BETWEEN_LINES;
                    output::note(line(&self.name, done, self.total, &details()));
                }
            }
        }
    }

    /// So many more steps are made.
    pub fn advance(&mut self, steps: u64) {
        self.set(self.done + steps, String::new);
    }

    /// A warning, above the bar where there is one.
    pub fn warning(&self, program: &str, text: impl Display) {
        match &self.style {
            Style::Bar(bar) => bar.suspend(|| output::warning(program, text)),
            _ => output::warning(program, text),
        }
    }

    /// A note, above the bar where there is one.
    pub fn note(&self, line: impl Display) {
        match &self.style {
            Style::Bar(bar) => bar.suspend(|| output::note(line)),
            _ => output::note(line),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Style::Bar(bar) = &self.style {
            bar.finish_and_clear();
        }
    }
}

/// Work that fails leaves no bar behind.
impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn bar(name: &str, done: u64, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{prefix} {pos}/{len} {bar:20} {eta} left  {wide_msg}"),
        None => (ProgressBar::new_spinner(), "{prefix} {pos}  {wide_msg}"),
    };
    bar.set_style(ProgressStyle::with_template(template).expect("the templates are well formed"));
    bar.set_prefix(name.to_owned());
    bar.with_position(done)
}

fn line(name: &str, done: u64, total: Option<u64>, details: &str) -> String {
    let total = total.map_or_else(String::new, |total| format!("/{total}"));
    let details = if details.is_empty() { String::new() } else { format!(": {details}") };
    format!("{name} {done}{total}{details}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_name_position_and_details() {
        assert_eq!(line("runs/x", 3, Some(9), "rate 0.1"), "runs/x 3/9: rate 0.1");
        assert_eq!(line("hashing", 3, None, ""), "hashing 3");
    }
}
