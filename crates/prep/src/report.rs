//! What `sc-prep` says: progress on stderr, the result on stdout.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use artifacts::dataset::DataSet;
use cli::{Failure, output, progress};
use prep::progress::Progress;
use serde_json::json;

use crate::PROGRAM;

/// The progress of one stage after another.
#[derive(Default)]
pub(crate) struct Stages {
    current: RefCell<Option<progress::Progress>>,
}

impl Stages {
    /// The last stage is over.
    pub(crate) fn finish(&self) {
        if let Some(last) = self.current.take() {
            last.finish();
        }
    }
}

impl Progress for Stages {
    fn stage(&self, name: &'static str, total: Option<u64>) {
        self.finish();
        self.current.replace(Some(progress::Progress::new(name, 0, total)));
    }

    fn advance(&self, steps: u64) {
        if let Some(current) = &mut *self.current.borrow_mut() {
            current.advance(steps);
        }
    }

    fn note(&self, text: &str) {
        let line = format!("{PROGRAM}: {text}");
        match &*self.current.borrow() {
            Some(current) => current.note(line),
            None => output::note(line),
        }
    }

    fn warning(&self, text: &str) {
        match &*self.current.borrow() {
            Some(current) => current.warning(PROGRAM, text),
            None => output::warning(PROGRAM, text),
        }
    }
}

/// What was made, without its pixels.
pub(crate) struct Summary {
    out: PathBuf,
    name: String,
    train: usize,
    test: usize,
    shape: [usize; 3],
    train_size: Option<usize>,
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
            train_size: data.train_size,
            classes: data.classes.clone(),
            mean: data.mean.clone(),
            std: data.std.clone(),
            sources: data.sources.clone(),
        }
    }

    /// Prints it, with the hash of the file.
    pub(crate) fn print(&self, sha256: &str, as_json: bool) -> Result<(), Failure> {
        output::result(if as_json { self.json(sha256) } else { self.text(sha256) })
    }

    fn text(&self, sha256: &str) -> String {
        let Self { train, test, shape: [c, h, w], .. } = self;
        let seen = self.train_size.map_or_else(String::new, |side| format!(", of which nets see {side}x{side}"));
        let numbers = |values: &[f64]| values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(" ");
        let lines = [
            format!("{}", self.out.display()),
            format!("  images   {train} training, {test} test, {c}x{h}x{w}{seen}"),
            format!("  classes  {}: {}", self.classes.len(), few(&self.classes)),
            format!("  mean     {}", numbers(&self.mean)),
            format!("  std      {}", numbers(&self.std)),
            format!("  sha256   {sha256}"),
        ];
        lines.join("\n")
    }

    fn json(&self, sha256: &str) -> String {
        let sources: serde_json::Map<_, _> = self.sources.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        let mut summary = json!({
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
        });
        if let Some(side) = self.train_size {
            summary["train_size"] = json!(side);
        }
        summary.to_string()
    }
}

/// The first names of a list.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown}, ...") } else { shown }
}
