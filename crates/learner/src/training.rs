//! The one training loop: step, record, evaluate, save. A range test and a training run differ in their schedule and in what
//! ends them, and in nothing else.
//!
//! An engine may return the outcomes of steps late and several at a time, so that its device need not wait for the loop.
//! Records, divergence and evaluations are the same as with immediate outcomes, only later; steps that were made beyond a
//! divergence leave no trace.

use std::collections::VecDeque;
use std::path::Path;

use artifacts::ArtifactError;
use artifacts::checkpoint::Checkpoint;
use artifacts::metrics::{Metrics, TestMetrics, finite};
use artifacts::run::Divergence;
use kernels::engine::{Batch, Buffers, DataSet, Engine, EngineError, Evaluation, Split, StepOutcome, Update};
use kernels::graph::Graph;
use schedules::{PlateauState, StepParameters};

use crate::average::Average;
use crate::samples::{Division, Look, Samples};
use crate::spec::RunSpec;
use crate::state;

/// The final training accuracy is measured on at most this many training images.
const FINAL_TRAIN_IMAGES: usize = 5000;

/// With this many outcomes pending, the loop waits for them.
const MAX_PENDING_STEPS: usize = 50;

/// What a run reports to: it keeps the records and the time, and may stop the run.
pub trait Observer {
    /// A training step is about to begin. The time to [`Observer::step_finished`] is that of training.
    fn step_started(&mut self);
    /// A training step is done; no evaluation after it has begun.
    fn step_finished(&mut self);
    /// The record of a step.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn metrics(&mut self, line: &Metrics) -> Result<(), ArtifactError>;
    /// The record of an evaluation on the test set during the run.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn test(&mut self, line: &TestMetrics) -> Result<(), ArtifactError>;
    /// Whether a checkpoint is due after this step.
    fn checkpoint_due(&self, iteration: u64) -> bool;
    /// A checkpoint, to be kept with all records so far.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), ArtifactError>;
    /// Whether the run should stop after this step, to be resumed later.
    fn interrupted(&self) -> bool;
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// All steps were made.
    Completed,
    /// The loss (in a range test: the weights) was no longer finite.
    Diverged(Divergence),
    /// Stopped by the observer, after a checkpoint.
    Interrupted {
        /// Steps done.
        iteration: u64,
    },
}

/// What is measured at the end of a finished run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Validation images, training images and the test set.
    All,
    /// Validation images alone: all that choosing needs, and the test set stays unseen.
    ValidationOnly,
}

/// What a finished run measured at its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FinalMeasurement {
    /// On the validation images, if there are any.
    pub val: Option<Evaluation>,
    /// On training images without augmentation, if asked for.
    pub train: Option<Evaluation>,
    /// On the test images, if asked for and if there are any.
    pub test: Option<Evaluation>,
    /// The class that the net gives to each test image; empty where `test` is none.
    pub test_classes: Vec<u32>,
    /// Batch norm's statistics as the evaluations used them.
    pub buffers: Buffers,
    /// The same of the moving average of the weights, with these, if one is kept.
    pub average: Option<Box<(FinalMeasurement, Vec<Vec<f32>>)>>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The device failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A record could not be kept.
    #[error(transparent)]
    Record(#[from] ArtifactError),
}

type Result<T, E = TrainingError> = std::result::Result<T, E>;

/// A run in progress.
pub struct Training<'a> {
    spec: &'a RunSpec,
    graph: &'a Graph,
    engine: &'a mut dyn Engine,
    samples: Samples,
    val: Vec<u32>,
    test: Vec<u32>,
    /// Training batches that batch norm's statistics are estimated from before an evaluation; empty where its running
    /// statistics are used.
    reestimation: Vec<Vec<u32>>,
    plateau: PlateauState,
    /// The moving average of the weights, if one is kept.
    average: Option<Average>,
    iteration: u64,
    /// Steps whose outcomes the engine has not returned yet, oldest first.
    pending: VecDeque<(u64, StepParameters)>,
    last_finite_loss: Option<f64>,
}

impl<'a> Training<'a> {
    /// A run at its start, on a data set that was divided. The engine holds the initial weights.
    pub fn new(
        spec: &'a RunSpec,
        graph: &'a Graph,
        engine: &'a mut dyn Engine,
        division: Division,
        data: &DataSet,
    ) -> Self {
        let config = &spec.config;
        let look = Look::new(spec.augment, data, graph);
        let samples = Samples::new(division.train, config.seed, config.batch_size, look);
        let reestimation_batches = if graph.buffers.is_empty() { 0 } else { config.bn_reestimate };
        Self {
            spec,
            graph,
            engine,
            reestimation: samples.fixed_batches(reestimation_batches),
            samples,
            val: division.val,
            test: (0..data.test.labels.len() as u32).collect(),
            plateau: PlateauState::default(),
            average: Average::new(config.ema),
            iteration: 0,
            pending: VecDeque::new(),
            last_finite_loss: None,
        }
    }

    /// Returns to where a checkpoint, read from `path`, was made.
    ///
    /// # Errors
    /// When the checkpoint is not of this run.
    pub fn restore(&mut self, path: &Path, mut checkpoint: Checkpoint) -> Result<(), state::RestoreError> {
        let parse = |error| ArtifactError::content(path, "the state of a schedule", error);
        self.plateau = serde_json::from_str(&checkpoint.schedule).map_err(parse)?;
        self.last_finite_loss = serde_json::from_str(&checkpoint.last_finite_loss).map_err(parse)?;
        let iterations = self.spec.config.iterations;
        if checkpoint.iteration > iterations {
            let expected = format!("an iteration up to {iterations}");
            return Err(ArtifactError::content(path, expected, checkpoint.iteration).into());
        }
        self.iteration = checkpoint.iteration;
        if let Some(average) = &mut self.average {
            average.restore(&self.graph.parameters, path, &mut checkpoint)?;
        }
        state::restore(self.engine, self.graph, path, checkpoint)
    }

    /// Makes the remaining steps.
    ///
    /// # Errors
    /// When the device or a record fails.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<Ending> {
        while !self.is_complete() {
            observer.step_started();
            let outcomes = self.step()?;
            observer.step_finished();
            if let Some(divergence) = self.record_all(observer, outcomes)? {
                return Ok(Ending::Diverged(divergence));
            }
            let interrupted = !self.is_complete() && observer.interrupted();
            let checkpoint_due = !self.is_complete() && (interrupted || observer.checkpoint_due(self.iteration));
            if checkpoint_due && let Some(divergence) = self.save(observer)? {
                return Ok(Ending::Diverged(divergence));
            }
            if interrupted {
                return Ok(Ending::Interrupted { iteration: self.iteration });
            }
        }
        Ok(Ending::Completed)
    }

    /// The measurements at the end of a run that made all its steps.
    ///
    /// # Errors
    /// When the device fails.
    pub fn measure(&mut self, what: Measure) -> Result<FinalMeasurement> {
        let mut measurement = self.measure_weights(what)?;
        if self.average.is_some() {
            let averaged = self.with_average(|training| training.measure_weights(what))?;
            let values = self.average.as_ref().map_or_else(Vec::new, |average| average.values().to_vec());
            measurement.average = Some(Box::new((averaged, values)));
        }
        Ok(measurement)
    }

    /// Calls `what` with the moving average in the place of the weights, which are then put back.
    fn with_average<T>(&mut self, what: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let (parameters, buffers) = (self.engine.parameters()?, self.engine.buffers()?);
        if let Some(average) = &self.average {
            self.engine.set_state(average.values(), &buffers)?;
        }
        let outcome = what(self);
        self.engine.set_state(&parameters, &buffers)?;
        outcome
    }

    fn measure_weights(&mut self, what: Measure) -> Result<FinalMeasurement> {
        let statistics = self.statistics()?;
        let mut measurement = FinalMeasurement::default();
        if !self.val.is_empty() {
            measurement.val = Some(self.evaluate_val(statistics.as_ref())?);
        }
        if what == Measure::All {
            let train = self.samples.fixed_images(FINAL_TRAIN_IMAGES);
            measurement.train = Some(self.engine.evaluate(&Batch::plain(Split::Train, &train), statistics.as_ref())?);
            if !self.test.is_empty() {
                let test = Batch::plain(Split::Test, &self.test);
                let (evaluation, classes) = self.engine.classify(&test, statistics.as_ref())?;
                (measurement.test, measurement.test_classes) = (Some(evaluation), classes);
            }
        }
        measurement.buffers = statistics.map_or_else(|| self.engine.buffers(), Ok)?;
        Ok(measurement)
    }

    /// Steps done.
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// The current weights, in the graph's order.
    ///
    /// # Errors
    /// When the device fails.
    pub fn parameters(&self) -> Result<Vec<Vec<f32>>> {
        Ok(self.engine.parameters()?)
    }

    fn is_complete(&self) -> bool {
        self.iteration == self.spec.config.iterations
    }

    /// Begins the next step. Returns the outcomes that are known by now, oldest first.
    fn step(&mut self) -> Result<Vec<StepOutcome>> {
        let RunSpec { config, schedule, optimizer, .. } = self.spec;
        let next = self.iteration + 1;
        let parameters = schedule.at(next, config.iterations, config.momentum, &self.plateau);
        let StepParameters { lr, momentum } = parameters;
        let update = Update { optimizer: *optimizer, lr, momentum, weight_decay: config.weight_decay };
        let outcome = self.engine.begin_step(&self.samples.batch(next), config.bn_momentum, &update)?;
        self.iteration = next;
        self.pending.push_back((next, parameters));
        if let Some(average) = &mut self.average {
            average.take(self.engine.parameters()?);
        }
        match outcome {
            Some(outcome) => Ok(vec![outcome]),
            None if self.needs_outcomes() => Ok(self.engine.outcomes()?),
            None => Ok(Vec::new()),
        }
    }

    /// Whether the loop cannot continue without the outcomes of all steps so far.
    fn needs_outcomes(&self) -> bool {
        self.is_complete()
            || self.pending.len() >= MAX_PENDING_STEPS
            || self.val_due(self.iteration, false)
            || self.test_due(self.iteration, false)
    }

    /// Records the outcomes of the oldest pending steps. Returns the divergence that ends the run, if there is one.
    fn record_all(&mut self, observer: &mut dyn Observer, outcomes: Vec<StepOutcome>) -> Result<Option<Divergence>> {
        for outcome in outcomes {
            let (iteration, parameters) = self.pending.pop_front().expect("an outcome belongs to a pending step");
            if outcome.loss.is_finite() {
                self.last_finite_loss = Some(outcome.loss);
            }
            let divergence = self.divergence(iteration, parameters.lr, &outcome)?;
            let is_last = iteration == self.spec.config.iterations && divergence.is_none();
            self.record(observer, iteration, parameters, &outcome, is_last)?;
            if divergence.is_some() {
                // Steps beyond this one do not count.
                self.iteration = iteration;
                return Ok(divergence);
            }
        }
        Ok(None)
    }

    /// A training run diverges at the first loss that is not finite, a range test at weights that are not. The weights are
    /// looked at only where loss or gradient is suspicious, and after the last step.
    fn divergence(&self, iteration: u64, lr: f64, outcome: &StepOutcome) -> Result<Option<Divergence>> {
        let bad_loss = !outcome.loss.is_finite();
        let is_last = iteration == self.spec.config.iterations;
        let suspicious = bad_loss || !outcome.grad_norm.is_finite() || is_last;
        let diverged = (bad_loss && !self.spec.outlives_bad_loss())
            || (suspicious && !outcome.weights_finite.map_or_else(|| self.weights_are_finite(), Ok)?);
        Ok(diverged.then_some(Divergence { iteration, lr, last_finite_loss: self.last_finite_loss }))
    }

    fn weights_are_finite(&self) -> Result<bool> {
        Ok(self.engine.parameters()?.iter().flatten().all(|weight| weight.is_finite()))
    }

    /// Records a step, after the evaluations that are due.
    fn record(
        &mut self,
        observer: &mut dyn Observer,
        iteration: u64,
        parameters: StepParameters,
        outcome: &StepOutcome,
        is_last: bool,
    ) -> Result<()> {
        let (val_due, test_due) = (self.val_due(iteration, is_last), self.test_due(iteration, is_last));
        let statistics = if val_due || test_due { self.statistics()? } else { None };
        let mut line = Metrics {
            iteration,
            epoch: self.samples.epochs(iteration),
            lr: parameters.lr,
            momentum: parameters.momentum,
            train_loss: finite(outcome.loss),
            train_accuracy: Some(outcome.correct as f64 / self.spec.config.batch_size as f64),
            grad_norm: finite(outcome.grad_norm),
            val_loss: None,
            val_accuracy: None,
            ema_val_loss: None,
            ema_val_accuracy: None,
        };
        if val_due {
            let val = self.evaluate_val(statistics.as_ref())?;
            (line.val_loss, line.val_accuracy) = means(&val);
            self.spec.schedule.observe(&mut self.plateau, val.loss_sum / val.count as f64);
            if self.average.is_some() {
                let averaged = self.with_average(|training| {
                    let statistics = training.statistics()?;
                    training.evaluate_val(statistics.as_ref())
                })?;
                (line.ema_val_loss, line.ema_val_accuracy) = means(&averaged);
            }
        }
        observer.metrics(&line)?;
        if test_due {
            let (test_loss, test_accuracy) = means(&self.evaluate_test(statistics.as_ref())?);
            observer.test(&TestMetrics { iteration, test_loss, test_accuracy })?;
        }
        Ok(())
    }

    fn val_due(&self, iteration: u64, is_last: bool) -> bool {
        !self.val.is_empty() && (is_last || is_multiple(iteration, self.spec.config.val_every))
    }

    fn test_due(&self, iteration: u64, is_last: bool) -> bool {
        let every = self.spec.config.test_every;
        !self.test.is_empty() && every > 0 && (is_last || is_multiple(iteration, every))
    }

    fn evaluate_val(&mut self, statistics: Option<&Buffers>) -> Result<Evaluation> {
        Ok(self.engine.evaluate(&Batch::plain(Split::Train, &self.val), statistics)?)
    }

    fn evaluate_test(&mut self, statistics: Option<&Buffers>) -> Result<Evaluation> {
        Ok(self.engine.evaluate(&Batch::plain(Split::Test, &self.test), statistics)?)
    }

    /// Batch norm's statistics for an evaluation; none where the running ones are used.
    fn statistics(&mut self) -> Result<Option<Buffers>> {
        if self.reestimation.is_empty() {
            return Ok(None);
        }
        let batches: Vec<_> = self.reestimation.iter().map(|indices| Batch::plain(Split::Train, indices)).collect();
        Ok(Some(self.engine.batch_statistics(&batches)?))
    }

    /// Hands a checkpoint over, all steps so far recorded. Returns the divergence that one of those may show.
    fn save(&mut self, observer: &mut dyn Observer) -> Result<Option<Divergence>> {
        let outcomes = self.engine.outcomes()?;
        let divergence = self.record_all(observer, outcomes)?;
        if divergence.is_none() {
            observer.checkpoint(self.checkpoint()?)?;
        }
        Ok(divergence)
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        let json = |value: serde_json::Result<String>| value.expect("plain data is JSON");
        let mut checkpoint = Checkpoint {
            iteration: self.iteration,
            schedule: json(serde_json::to_string(&self.plateau)),
            last_finite_loss: json(serde_json::to_string(&self.last_finite_loss)),
            ..Checkpoint::default()
        };
        state::save(self.engine, self.graph, &mut checkpoint)?;
        if let Some(average) = &self.average {
            average.save(&self.graph.parameters, &mut checkpoint);
        }
        Ok(checkpoint)
    }
}

fn is_multiple(iteration: u64, every: u64) -> bool {
    every > 0 && iteration.is_multiple_of(every)
}

/// Mean loss (none where it is not finite) and accuracy of an evaluation.
pub fn means(evaluation: &Evaluation) -> (Option<f64>, Option<f64>) {
    let count = evaluation.count as f64;
    (finite(evaluation.loss_sum / count), Some(evaluation.correct as f64 / count))
}
