//! Progress on stderr: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use artifacts::metrics::Metrics;
use indicatif::{ProgressBar, ProgressStyle};

use crate::tell;

const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Shows how far a run is.
pub struct Progress {
    style: Style,
    name: String,
    total: u64,
}

enum Style {
    Quiet,
    Bar(ProgressBar),
    Lines { next: Instant },
}

impl Progress {
    /// Progress of a run of `total` steps, `done` of them already made.
    pub fn new(name: &str, done: u64, total: u64, quiet: bool) -> Self {
        let style = if quiet {
            Style::Quiet
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(total).with_position(done);
            let template = "{prefix} {pos}/{len} {bar:20} {msg}, {eta} left";
            bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
            bar.set_prefix(name.to_owned());
            Style::Bar(bar)
        } else {
            Style::Lines { next: Instant::now() + BETWEEN_LINES }
        };
        Self { style, name: name.to_owned(), total }
    }

    /// Shows the latest step; `images_per_second` in training steps.
    pub fn show(&mut self, line: &Metrics, images_per_second: f64) {
        match &mut self.style {
            Style::Quiet => {}
            Style::Bar(bar) => {
                bar.set_message(summary(line, images_per_second));
                bar.set_position(line.iteration);
            }
            Style::Lines { next } => {
                let now = Instant::now();
                if now >= *next {
                    *next = now + BETWEEN_LINES;
                    let Metrics { iteration, .. } = line;
                    let summary = summary(line, images_per_second);
                    tell::note(format!("{} {iteration}/{}: {summary}", self.name, self.total));
                }
            }
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Style::Bar(bar) = &self.style {
            bar.finish_and_clear();
        }
    }
}

fn summary(line: &Metrics, images_per_second: f64) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let val = line.val_accuracy.map_or_else(String::new, |accuracy| format!(", held-out accuracy {accuracy:.3}"));
    format!(
        "rate {:.4}, loss {}, accuracy {}{val}, {images_per_second:.0} images/s",
        line.lr,
        number(line.train_loss),
        number(line.train_accuracy)
    )
}
