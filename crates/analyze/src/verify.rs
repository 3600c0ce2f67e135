//! Whether a run is what its record says: whole, and made from the files that it names.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use artifacts::metrics::{self, Line, Metrics, TestMetrics, Timing};
use artifacts::run::{self, Kind, MODEL_FILE, ResultRecord, RunRecord, Source, Status};
use artifacts::tensors::{Tensor, TensorFile, Values};
use artifacts::{ArtifactError, batches, correct, sha256};
use serde::Serialize;

/// What was found of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// Its folder.
    pub run: String,
    /// Steps that it made; none where it has not finished.
    pub iterations: Option<u64>,
    /// What does not hold, a sentence each; empty where all does.
    pub faults: Vec<String>,
}

impl Verification {
    /// Whether everything holds.
    pub fn holds(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.holds() {
            let steps = artifacts::number::count(self.iterations.unwrap_or(0));
            write!(f, "{}: holds ({steps} steps, made from the files that it names)", self.run)
        } else {
            write!(f, "{}: does not hold: {}", self.run, self.faults.join("; "))
        }
    }
}

/// The files that runs were made from. Many runs share them: each is hashed once.
#[derive(Debug)]
pub struct Sources {
    root: PathBuf,
    hashes: HashMap<PathBuf, Result<String, String>>,
}

impl Sources {
    /// Paths in records are relative to `root`.
    pub fn in_folder(root: &Path) -> Self {
        Self { root: root.to_owned(), hashes: HashMap::new() }
    }

    fn path(&self, source: &Source) -> PathBuf {
        if self.root == Path::new(".") { PathBuf::from(&source.path) } else { self.root.join(&source.path) }
    }

    /// What is wrong with a file that a run was made from, if anything is.
    fn fault(&mut self, source: &Source) -> Option<String> {
        let path = self.path(source);
        let hash = || sha256::of_file(&path).map_err(|error| error.to_string());
        match self.hashes.entry(path.clone()).or_insert_with(hash) {
            Ok(found) if *found == source.sha256 => None,
            Ok(found) => {
                let recorded = format!("SHA-256 {}, as run.json says", source.sha256);
                Some(ArtifactError::content(&path, recorded, found).to_string())
            }
            Err(why) => Some(why.clone()),
        }
    }
}

/// Checks the run in `folder`.
pub fn run(folder: &Path, sources: &mut Sources) -> Verification {
    let mut check = Check { folder, faults: Vec::new() };
    let iterations = check.run(sources);
    Verification { run: folder.display().to_string(), iterations, faults: check.faults }
}

struct Check<'a> {
    folder: &'a Path,
    faults: Vec<String>,
}

impl Check<'_> {
    fn fault(&mut self, fault: impl fmt::Display) {
        self.faults.push(fault.to_string());
    }

    /// The value, or its absence and why.
    fn read<T>(&mut self, read: artifacts::Result<T>) -> Option<T> {
        read.map_err(|error| self.fault(error)).ok()
    }

    fn expect(&mut self, file: &str, expected: impl fmt::Display, found: impl fmt::Display) {
        self.fault(ArtifactError::content(&self.folder.join(file), expected, found));
    }

    fn run(&mut self, sources: &mut Sources) -> Option<u64> {
        let record = self.read(run::read_run(self.folder))?;
        for source in [Some(&record.data), Some(&record.init), record.rates_from.as_ref()].into_iter().flatten() {
            if let Some(fault) = sources.fault(source) {
                self.fault(fault);
            }
        }
        let Some(result) = self.read(run::read_result(self.folder))? else {
            self.fault(format!("{}: not there: the run has not finished", run::RESULT_FILE));
            return None;
        };
        self.length(&record, &result);
        self.metrics(&record, &result);
        self.times(&record, &result);
        if record.config.kind == Kind::Train && result.status == Status::Completed {
            self.model(&record, &sources.path(&record.init));
        }
        self.correct(&result);
        self.batches(&record);
        Some(result.iterations)
    }

    /// The result's own word: all steps, or fewer and a divergence at the last.
    fn length(&mut self, record: &RunRecord, result: &ResultRecord) {
        let (asked, made) = (record.config.iterations, result.iterations);
        match (result.status, &result.divergence) {
            (Status::Completed, None) if made == asked => {}
            (Status::Completed, _) => {
                self.expect(run::RESULT_FILE, format!("{asked} iterations and no divergence of a completed run"), made);
            }
            (Status::Diverged, Some(divergence)) if divergence.iteration == made && made <= asked => {}
            (Status::Diverged, _) => {
                let expected = format!("a divergence at the last of at most {asked} iterations");
                self.expect(run::RESULT_FILE, expected, made);
            }
        }
    }

    /// A line a step, none missing, and the last one the result's.
    fn metrics(&mut self, record: &RunRecord, result: &ResultRecord) {
        let Some(lines) = self.lines::<Metrics>(metrics::FILE) else { return };
        let expected = |step: usize| step as u64 + 1;
        if let Some(at) = (0..lines.len()).find(|at| lines[*at].iteration != expected(*at)) {
            let found = format!("{} on line {}", lines[at].iteration, at + 1);
            self.expect(metrics::FILE, format!("iteration {}", expected(at)), found);
        } else if lines.len() as u64 != result.iterations {
            let expected = format!("{} lines, the iterations of {}", result.iterations, run::RESULT_FILE);
            self.expect(metrics::FILE, expected, lines.len());
        }
        let Some(last) = lines.last() else { return };
        if let Some(divergence) = result.divergence.filter(|divergence| divergence.lr != last.lr) {
            self.expect(run::RESULT_FILE, format!("the rate {} of the last step", last.lr), divergence.lr);
        }
        let measured = record.val_images > 0 && result.status == Status::Completed;
        let final_val = (result.final_val_loss, result.final_val_accuracy);
        if measured && (last.val_loss, last.val_accuracy) != final_val {
            let expected =
                format!("the validation loss and accuracy of the last step, {:?}", (last.val_loss, last.val_accuracy));
            self.expect(run::RESULT_FILE, expected, format!("{final_val:?}"));
        }
    }

    /// Test measurements and times: in order, and to the end.
    fn times(&mut self, record: &RunRecord, result: &ResultRecord) {
        if record.config.test_every > 0
            && self.folder.join(metrics::TEST_FILE).exists()
            && let Some(lines) = self.lines::<TestMetrics>(metrics::TEST_FILE)
        {
            self.in_order(metrics::TEST_FILE, &lines, result.iterations);
        }
        if let Some(lines) = self.lines::<Timing>(metrics::TIMING_FILE) {
            self.in_order(metrics::TIMING_FILE, &lines, result.iterations);
            if lines.last().is_some_and(|last| last.iteration != result.iterations) {
                self.expect(metrics::TIMING_FILE, format!("a last line of step {}", result.iterations), "another");
            }
        }
    }

    fn in_order<T: Line>(&mut self, file: &str, lines: &[T], iterations: u64) {
        if lines.windows(2).any(|pair| pair[0].iteration() > pair[1].iteration()) {
            self.expect(file, "steps in order", "one before the line above it");
        }
        if let Some(beyond) = lines.iter().map(Line::iteration).find(|step| *step > iterations) {
            self.expect(file, format!("steps up to {iterations}"), beyond);
        }
    }

    fn lines<T: Line>(&mut self, file: &str) -> Option<Vec<T>> {
        let (lines, torn) = self.read(metrics::read(&self.folder.join(file)))?;
        if torn {
            self.expect(file, "whole lines", "a torn last one");
        }
        Some(lines)
    }

    /// The final weights: of the net that was asked for, its tensors those of the initial weights, every number finite.
    fn model(&mut self, record: &RunRecord, init: &Path) {
        let path = self.folder.join(MODEL_FILE);
        let Some(model) = self.read(TensorFile::read(&path)) else { return };
        let net = model.metadata.get("net").map_or("", String::as_str);
        if net != record.config.net {
            self.expect(MODEL_FILE, format!("weights of {}", record.config.net), format!("{net:?}"));
        }
        let finite = |tensor: &Tensor| match &tensor.values {
            Values::F32(values) => values.iter().all(|value| value.is_finite()),
            Values::U8(_) | Values::U32(_) => true,
        };
        if let Some((name, _)) = model.tensors.iter().find(|(_, tensor)| !finite(tensor)) {
            self.expect(MODEL_FILE, "finite numbers", format!("others in tensor {name:?}"));
        }
        // An init file that is missing or another was found by its hash.
        let Ok(init) = TensorFile::read(init) else { return };
        let shapes = |file: &TensorFile| -> Vec<(String, Vec<usize>)> {
            file.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect()
        };
        if shapes(&model) != shapes(&init) {
            self.expect(MODEL_FILE, format!("the tensors of {}", record.init.path), "others");
        }
    }

    /// Which test images are correct, where that was recorded: as many as the test accuracy says.
    fn correct(&mut self, result: &ResultRecord) {
        let path = self.folder.join(correct::FILE);
        if !path.exists() {
            return;
        }
        let Some(recorded) = self.read(correct::read(&path)) else { return };
        let right = recorded.iter().filter(|right| **right).count();
        let found = right as f64 / recorded.len() as f64;
        if result.test_accuracy != Some(found) {
            let test = result.test_accuracy.map_or_else(|| "none".to_owned(), |accuracy| accuracy.to_string());
            self.expect(correct::FILE, format!("a test accuracy of {test}, as result.json says"), found);
        }
    }

    /// Recorded batches, where there are any: one a step.
    fn batches(&mut self, record: &RunRecord) {
        let path = self.folder.join(batches::FILE);
        if !path.exists() {
            return;
        }
        let Some(recorded) = self.read(batches::read(&path)) else { return };
        let (steps, size) = (record.config.iterations, record.config.batch_size);
        let found = (recorded.indices.len() / recorded.batch_size, recorded.batch_size);
        if (found.0 as u64, found.1) != (steps, size) {
            self.expect(batches::FILE, format!("{steps} batches of {size}"), format!("{} of {}", found.0, found.1));
        }
    }
}
