//! Keeps a run's records in its folder, tells the time, shows progress, and passes signals on.

use std::time::{Duration, Instant};

use artifacts::checkpoint::{self, Checkpoint};
use artifacts::metrics::{self, LineWriter, Metrics, TestMetrics, Timing};
use artifacts::{ArtifactError, number};
use cli::progress::Progress;
use cli::signals;
use learner::training::Observer;

use crate::folder::RunFolder;

/// Time between lines of times, and between moments at which other programs can see new records.
const BETWEEN_TIMES: Duration = Duration::from_secs(1);

/// The observer of a run that lives in a folder.
pub struct Recorder<'a> {
    folder: &'a RunFolder,
    metrics: LineWriter,
    test: Option<LineWriter>,
    timing: LineWriter,
    progress: Progress,
    batch_size: usize,
    cadence: Cadence,
    clock: Clock,
}

/// When checkpoints are due; at whichever comes first.
#[derive(Clone, Copy, Debug)]
pub struct Cadence {
    /// After every so many steps; 0: not by steps.
    pub every: u64,
    /// After so much time; none: not by time.
    pub time: Option<Duration>,
}

struct Clock {
    began: Instant,
    earlier: Timing,
    step: Instant,
    training: Duration,
    steps: u64,
    last_checkpoint: Instant,
    last_times: Instant,
}

impl<'a> Recorder<'a> {
    /// Opens the records in `folder`, cut back to `done` steps. `test_lines` is how many looks at the test set belong to
    /// those steps; none where the run takes no looks. `began`: when the program did, so that what it took to read its
    /// input counts.
    ///
    /// # Errors
    /// When a record cannot be read or written, or those of steps done are missing.
    pub fn open(
        folder: &'a RunFolder,
        done: u64,
        batch_size: usize,
        cadence: Cadence,
        test_lines: Option<u64>,
        began: Instant,
        progress: Progress,
    ) -> Result<Self, ArtifactError> {
        let at = |name| folder.path.join(name);
        let timing = at(metrics::TIMING_FILE);
        let nothing = Timing { iteration: 0, train_seconds: 0.0, wall_seconds: 0.0, event: None };
        // Times decide nothing: what cannot be read of them is measured no more.
        let earlier = if timing.exists() {
            metrics::read::<Timing>(&timing).map_or(Vec::new(), |read| read.0)
        } else {
            Vec::new()
        };
        let earlier = earlier.into_iter().rfind(|line| line.iteration <= done).unwrap_or(nothing);
        let now = Instant::now();
        Ok(Self {
            folder,
            metrics: LineWriter::go_on::<Metrics>(&at(metrics::FILE), done, done)?,
            test: test_lines
                .map(|lines| LineWriter::go_on::<TestMetrics>(&at(metrics::TEST_FILE), done, lines))
                .transpose()?,
            timing: LineWriter::open::<Timing>(&timing, done)?,
            progress,
            batch_size,
            cadence,
            clock: Clock {
                began,
                earlier,
                step: now,
                training: Duration::ZERO,
                steps: 0,
                last_checkpoint: now,
                last_times: now,
            },
        })
    }

    /// Images a second in the training steps of this process; none before the first.
    pub fn images_per_second(&self) -> Option<f64> {
        let Clock { steps, training, .. } = self.clock;
        (steps > 0).then(|| (steps * self.batch_size as u64) as f64 / training.as_secs_f64())
    }

    /// Seconds that the run took so far, earlier parts of a resumed run counted.
    pub fn wall_seconds(&self) -> f64 {
        self.clock.earlier.wall_seconds + self.clock.began.elapsed().as_secs_f64()
    }

    /// Adds a line of times, with what happened besides.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_time(&mut self, iteration: u64, event: Option<String>) -> Result<(), ArtifactError> {
        self.clock.last_times = Instant::now();
        self.timing.append(&Timing {
            iteration,
            train_seconds: self.clock.earlier.train_seconds + self.clock.training.as_secs_f64(),
            wall_seconds: self.wall_seconds(),
            event,
        })
    }

    /// Waits until all records are on the disk.
    ///
    /// # Errors
    /// When they cannot be written, or the folder is no longer there.
    pub fn sync(&mut self) -> Result<(), ArtifactError> {
        self.folder.check()?;
        self.metrics.sync()?;
        self.test.as_mut().map_or(Ok(()), LineWriter::sync)?;
        self.timing.sync()
    }

    /// Takes the progress bar away.
    pub fn finish(&self) {
        self.progress.finish();
    }
}

impl Observer for Recorder<'_> {
    fn step_started(&mut self) {
        self.clock.step = Instant::now();
    }

    fn step_finished(&mut self) {
        self.clock.training += self.clock.step.elapsed();
        self.clock.steps += 1;
    }

    fn metrics(&mut self, line: &Metrics) -> Result<(), ArtifactError> {
        self.metrics.append(line)?;
        let speed = self.images_per_second().unwrap_or_default();
        self.progress.set(line.iteration, || details(line, speed));
        if self.clock.last_times.elapsed() >= BETWEEN_TIMES {
            self.note_time(line.iteration, None)?;
            self.metrics.flush()?;
            self.timing.flush()?;
        }
        Ok(())
    }

    fn test(&mut self, line: &TestMetrics) -> Result<(), ArtifactError> {
        self.test.as_mut().map_or(Ok(()), |test| test.append(line))
    }

    fn checkpoint_due(&self, iteration: u64) -> bool {
        let Cadence { every, time } = self.cadence;
        let by_step = every > 0 && iteration.is_multiple_of(every);
        by_step || time.is_some_and(|time| self.clock.last_checkpoint.elapsed() >= time)
    }

    /// Records come first: a checkpoint never knows of steps that the records do not.
    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), ArtifactError> {
        self.note_time(checkpoint.iteration, None)?;
        self.sync()?;
        checkpoint::write(&self.folder.path.join(checkpoint::FILE), checkpoint)?;
        self.clock.last_checkpoint = Instant::now();
        Ok(())
    }

    fn interrupted(&self) -> bool {
        signals::interrupted()
    }
}

/// What progress says of the latest step.
fn details(line: &Metrics, images_per_second: f64) -> String {
    let accuracy = |value: f64| format!("{value:.3}");
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let val = line.val_accuracy.map_or_else(String::new, |value| format!(", validation accuracy {}", accuracy(value)));
    format!(
        "rate {}, loss {}, accuracy {}{val}, {images_per_second:.0} images/s",
        number::rate(line.lr),
        or_dash(line.train_loss.map(number::loss)),
        or_dash(line.train_accuracy.map(accuracy))
    )
}
