//! What `sc-prep` says: progress on stderr, the result on stdout.

use std::path::{Path, PathBuf};

use artifacts::dataset::DataSet;
use indicatif::{ProgressBar, ProgressStyle};
use prep::progress::Progress;
use serde_json::json;

/// A progress bar on stderr, drawn only where that is a terminal.
pub(crate) struct Bar {
    bar: ProgressBar,
    quiet: bool,
}

impl Bar {
    /// A bar; with `quiet` it never shows.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { bar: if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() }, quiet }
    }

    /// Says something that the user should know, above the bar.
    pub(crate) fn warn(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| eprintln!("sc-prep: warning: {text}"));
        }
    }

    /// Removes the bar.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn stage(&self, name: &'static str, total: Option<u64>) {
        let template = if total.is_some() { "{msg} {bar:30} {pos} of {len}, {eta} left" } else { "{msg} {pos}" };
        self.bar.set_style(ProgressStyle::with_template(template).expect("the templates are valid"));
        self.bar.reset();
        self.bar.set_message(name);
        match total {
            Some(total) => self.bar.set_length(total),
            None => self.bar.unset_length(),
        }
    }

    fn advance(&self, steps: u64) {
        self.bar.inc(steps);
    }
}

/// What was made, without its pixels.
pub(crate) struct Summary {
    out: PathBuf,
    name: String,
    train: usize,
    test: usize,
    shape: [usize; 3],
    classes: Vec<String>,
    mean: Vec<f64>,
    std: Vec<f64>,
    sources: Vec<(String, String)>,
}

impl Summary {
    /// Of a set that is written to `out`.
    pub(crate) fn new(out: &Path, data: &DataSet) -> Self {
        Self {
            out: out.to_owned(),
            name: data.name.clone(),
            train: data.train.labels.len(),
            test: data.test.labels.len(),
            shape: data.shape,
            classes: data.classes.clone(),
            mean: data.mean.clone(),
            std: data.std.clone(),
            sources: data.sources.clone(),
        }
    }

    /// Prints it, with the hash of the file.
    pub(crate) fn print(&self, sha256: &str, as_json: bool) {
        println!("{}", if as_json { self.json(sha256) } else { self.text(sha256) });
    }

    fn text(&self, sha256: &str) -> String {
        let Self { train, test, shape: [c, h, w], .. } = self;
        let numbers = |values: &[f64]| values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(" ");
        let lines = [
            format!("{}", self.out.display()),
            format!("  images   {train} training, {test} test, {c}x{h}x{w}"),
            format!("  classes  {}: {}", self.classes.len(), few(&self.classes)),
            format!("  mean     {}", numbers(&self.mean)),
            format!("  std      {}", numbers(&self.std)),
            format!("  sha256   {sha256}"),
        ];
        lines.join("\n")
    }

    fn json(&self, sha256: &str) -> String {
        let sources: serde_json::Map<_, _> = self.sources.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        json!({
            "file": self.out.to_string_lossy(),
            "sha256": sha256,
            "name": self.name,
            "train_images": self.train,
            "test_images": self.test,
            "shape": self.shape,
            "classes": self.classes,
            "mean": self.mean,
            "std": self.std,
            "sources": sources,
        })
        .to_string()
    }
}

/// The first names of a list.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown}, ...") } else { shown }
}
