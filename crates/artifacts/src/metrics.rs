//! `runs/NAME/metrics.jsonl`: one line a step, every key always there, `null` where nothing was measured or the number
//! is not finite. No times: two equal runs have equal bytes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Action, ArtifactError, Result, same_file};

/// Name of the file in a run's folder.
pub const FILE: &str = "metrics.jsonl";
/// Name of the file of test measurements along the way (`--test-every`): for looking, never for choosing.
pub const TEST_FILE: &str = "test.jsonl";
/// Name of the file of times.
pub const TIMING_FILE: &str = "timing.jsonl";

/// What one step used and what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Number of the optimizer step, from 1.
    pub iteration: u64,
    /// Passes over the training images so far: iteration x batch / images.
    pub epoch: f64,
    /// Learning rate that the step used.
    pub lr: f64,
    /// Momentum that the step used.
    pub momentum: f64,
    /// Mean cross-entropy of the batch, in nats, before the step.
    pub train_loss: Option<f64>,
    /// Fraction of the batch classified correctly, before the step.
    pub train_accuracy: Option<f64>,
    /// Euclidean norm of the gradient.
    pub grad_norm: Option<f64>,
    /// Mean cross-entropy of the validation images after the step.
    pub val_loss: Option<f64>,
    /// Fraction of the validation images classified correctly after the step.
    pub val_accuracy: Option<f64>,
    /// The same two of the moving average of the weights; these keys are left out where none is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema_val_loss: Option<f64>,
    /// See [`Metrics::ema_val_loss`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema_val_accuracy: Option<f64>,
}

/// A line of [`TEST_FILE`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestMetrics {
    /// Number of the step after which it was measured.
    pub iteration: u64,
    /// Mean cross-entropy of the test images, in nats.
    pub test_loss: Option<f64>,
    /// Fraction of the test images classified correctly.
    pub test_accuracy: Option<f64>,
}

/// A line of [`TIMING_FILE`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Steps done so far.
    pub iteration: u64,
    /// Seconds spent in training steps, the input pipeline included, since this process began.
    pub train_seconds: f64,
    /// Seconds since this process began.
    pub wall_seconds: f64,
    /// What happened besides, such as `resumed`.
    pub event: Option<String>,
}

/// A line with the step it belongs to.
pub trait Line: Serialize + DeserializeOwned {
    /// The step it belongs to.
    fn iteration(&self) -> u64;
}

impl Line for Metrics {
    fn iteration(&self) -> u64 {
        self.iteration
    }
}

impl Line for TestMetrics {
    fn iteration(&self) -> u64 {
        self.iteration
    }
}

impl Line for Timing {
    fn iteration(&self) -> u64 {
        self.iteration
    }
}

/// A number as a record keeps it: `null` where it is not finite.
pub fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// Appends lines to a file. What was appended before [`LineWriter::sync`] survives a crash.
#[derive(Debug)]
pub struct LineWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl LineWriter {
    /// Opens `path` for appending, after cutting it back to the lines of steps up to `last`: those after it will be
    /// written again. What a crash left behind them, torn or garbled, goes too.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open<T: Line>(path: &Path, last: u64) -> Result<Self> {
        Self::go_on::<T>(path, last, 0)
    }

    /// As [`LineWriter::open`], where of the steps up to `last` there must be `lines` lines.
    ///
    /// # Errors
    /// When the file cannot be read or written, or some of those lines are missing.
    pub fn go_on<T: Line>(path: &Path, last: u64, lines: u64) -> Result<Self> {
        let fail = |source| ArtifactError::io(path, Action::Write, source);
        let (found, length) = if path.exists() { lines_up_to::<T>(path, last)? } else { (0, 0) };
        if found < lines {
            let expected = format!("{lines} records of the {last} steps done");
            return Err(ArtifactError::content(path, expected, found));
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(fail)?;
        file.set_len(length).map_err(fail)?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Appends one line.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn append<T: Line>(&mut self, line: &T) -> Result<()> {
        let written = serde_json::to_writer(&mut self.file, line).map_err(io::Error::from);
        let written = written.and_then(|()| self.file.write_all(b"\n"));
        written.map_err(|source| ArtifactError::io(&self.path, Action::Write, source))
    }

    /// Hands what was appended to the system, so that other programs see it.
    ///
    /// # Errors
    /// When the system refuses, or the file is no longer the one under its name: what is written to a removed file is
    /// lost.
    pub fn flush(&mut self) -> Result<()> {
        let fail = |source| ArtifactError::io(&self.path, Action::Write, source);
        self.file.flush().map_err(fail)?;
        if same_file::is_at(self.file.get_ref(), &self.path).map_err(fail)? {
            return Ok(());
        }
        Err(fail(io::Error::new(io::ErrorKind::NotFound, "it was removed, moved or replaced meanwhile")))
    }

    /// As [`LineWriter::flush`], and waits until it is on the disk.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.file.get_ref().sync_data().map_err(|source| ArtifactError::io(&self.path, Action::Write, source))
    }
}

/// How many whole lines of steps up to `last` a file begins with, and their length in bytes.
fn lines_up_to<T: Line>(path: &Path, last: u64) -> Result<(u64, u64)> {
    let text = fs::read(path).map_err(|source| ArtifactError::io(path, Action::Read, source))?;
    let whole = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.last() == Some(&b'\n'));
    let (mut lines, mut length) = (0, 0);
    for line in whole {
        match serde_json::from_slice::<T>(line) {
            Ok(record) if record.iteration() <= last => {}
            _ => break,
        }
        lines += 1;
        length += line.len() as u64;
    }
    Ok((lines, length))
}

/// Reads all whole lines, and says whether a torn last one was dropped (the caller warns).
///
/// # Errors
/// When the file cannot be read, or a line before the last is not what the format asks for.
pub fn read<T: Line>(path: &Path) -> Result<(Vec<T>, bool)> {
    let text = fs::read(path).map_err(|source| ArtifactError::io(path, Action::Read, source))?;
    let mut lines = Vec::new();
    for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if line.last() != Some(&b'\n') {
            return Ok((lines, true));
        }
        let line: T = serde_json::from_slice(line)
            .map_err(|error| ArtifactError::content(path, format!("a record on line {}", number + 1), error))?;
        lines.push(line);
    }
    Ok((lines, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(iteration: u64) -> Metrics {
        Metrics {
            iteration,
            epoch: 0.1,
            lr: 3.0,
            momentum: 0.9,
            train_loss: finite(f64::NAN),
            train_accuracy: Some(0.5),
            grad_norm: finite(1.0),
            val_loss: None,
            val_accuracy: None,
            ema_val_loss: None,
            ema_val_accuracy: None,
        }
    }

    #[test]
    fn every_key_is_on_every_line() {
        let expected = r#"{"iteration":1,"epoch":0.1,"lr":3.0,"momentum":0.9,"train_loss":null,"train_accuracy":0.5,"grad_norm":1.0,"val_loss":null,"val_accuracy":null}"#;
        assert_eq!(serde_json::to_string(&line(1)).unwrap(), expected);
    }

    #[test]
    fn a_torn_line_is_dropped_and_a_resumed_file_is_cut_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let mut writer = LineWriter::open::<Metrics>(&path, 0).unwrap();
        (1..=5).for_each(|i| writer.append(&line(i)).unwrap());
        writer.sync().unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        let (lines, torn) = read::<Metrics>(&path).unwrap();
        assert_eq!((lines.len(), torn), (4, true));

        let mut writer = LineWriter::go_on::<Metrics>(&path, 3, 3).unwrap();
        (4..=5).for_each(|i| writer.append(&line(i)).unwrap());
        writer.sync().unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn a_line_that_is_no_record_is_refused_by_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        fs::write(&path, format!("{}\n{{}}\n", serde_json::to_string(&line(1)).unwrap())).unwrap();
        let message = read::<Metrics>(&path).unwrap_err().to_string();
        assert!(message.contains("a record on line 2"), "{message}");
    }

    /// A power cut may leave any bytes after those that were synced.
    #[test]
    fn garbage_after_the_steps_done_goes_and_a_hole_in_them_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let mut writer = LineWriter::open::<Metrics>(&path, 0).unwrap();
        (1..=5).for_each(|i| writer.append(&line(i)).unwrap());
        writer.sync().unwrap();
        let whole = fs::read(&path).unwrap();
        let three = whole.len() / 5 * 3;
        let mut garbled = whole.clone();
        garbled[three..].iter_mut().step_by(7).for_each(|byte| *byte = 0);
        fs::write(&path, &garbled).unwrap();

        let message = LineWriter::go_on::<Metrics>(&path, 4, 4).unwrap_err().to_string();
        assert!(message.contains("expected 4 records of the 4 steps done, found 3"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), garbled, "a refused file stays as it was");
        drop(LineWriter::go_on::<Metrics>(&path, 3, 3).unwrap());
        assert_eq!(fs::read(&path).unwrap(), whole[..three]);
    }

    #[test]
    fn a_file_that_is_removed_while_it_is_written_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let mut writer = LineWriter::open::<Metrics>(&path, 0).unwrap();
        writer.append(&line(1)).unwrap();
        writer.flush().unwrap();
        fs::remove_file(&path).unwrap();
        let message = writer.sync().unwrap_err().to_string();
        assert!(message.contains("metrics.jsonl: cannot write: it was removed"), "{message}");
    }
}
