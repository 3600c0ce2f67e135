//! The one loop: step, record, measure, save. A range test and a training run differ in their schedule and in what ends
//! them, and in nothing else.
//!
//! An engine may hand the outcomes of steps over late and several at a time, so that its device need not wait for the
//! loop. Records, divergence and measurements are then the same as with outcomes at once; what comes late is seen late,
//! and steps that were made beyond a divergence leave no trace.

use std::collections::VecDeque;

use artifacts::ArtifactError;
use artifacts::checkpoint::Checkpoint;
use artifacts::metrics::{Metrics, TestMetrics, finite};
use artifacts::run::Divergence;
use kernels::engine::{Batch, Buffers, Engine, EngineError, Evaluation, Split, StepOutcome, Update};
use kernels::graph::Graph;

use crate::plan::Plan;
use crate::samples::{Division, Samples};
use crate::schedule::{PlateauState, Rates};
use crate::state;

/// Training images that the final training accuracy is measured on, at most.
pub const FINAL_TRAIN_IMAGES: usize = 5000;

/// Steps under way, at most, before their outcomes are waited for.
const MOST_UNDER_WAY: usize = 50;

/// Who watches a run: keeps its records, tells the time, and may stop it.
pub trait Observer {
    /// A training step is about to begin; with [`Observer::step_finished`], the time to measure.
    fn step_started(&mut self);
    /// A training step is done, its evaluation not yet begun.
    fn step_finished(&mut self);
    /// The record of a step.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn metrics(&mut self, line: &Metrics) -> Result<(), ArtifactError>;
    /// A look at the test set along the way.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn test(&mut self, line: &TestMetrics) -> Result<(), ArtifactError>;
    /// Whether a checkpoint should be made after this step.
    fn checkpoint_due(&self, iteration: u64) -> bool;
    /// A checkpoint, to be kept together with all records so far.
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
    /// Stopped by the observer, a checkpoint made.
    Interrupted {
        /// Steps done.
        iteration: u64,
    },
}

/// What a finished run is to measure at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// Held-out images, training images and the test set.
    All,
    /// Held-out images alone: a choice needs no more, and the test set stays unseen.
    HeldOut,
}

/// What a finished run measured at its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FinalMeasurement {
    /// On the held-out training images; none where none are held out.
    pub val: Option<Evaluation>,
    /// On training images as they are, where asked for.
    pub train: Option<Evaluation>,
    /// On the test images, where asked for; none where there are none.
    pub test: Option<Evaluation>,
    /// Batch norm's statistics as the evaluations used them.
    pub buffers: Buffers,
}

/// What stops a run before its end.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The device.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A record.
    #[error(transparent)]
    Record(#[from] ArtifactError),
}

type Result<T, E = TrainingError> = std::result::Result<T, E>;

/// A run in progress.
pub struct Training<'a> {
    plan: &'a Plan,
    graph: &'a Graph,
    engine: &'a mut dyn Engine,
    samples: Samples,
    val: Vec<u32>,
    test: Vec<u32>,
    reestimation: Vec<Vec<u32>>,
    plateau: PlateauState,
    iteration: u64,
    /// Steps that were begun and whose outcomes are not known yet: number and rates.
    under_way: VecDeque<(u64, Rates)>,
    last_finite_loss: Option<f64>,
}

impl<'a> Training<'a> {
    /// A run at its start. The engine holds the initial weights; `test_images` is the size of the test set.
    pub fn new(
        plan: &'a Plan,
        graph: &'a Graph,
        engine: &'a mut dyn Engine,
        division: Division,
        test_images: usize,
    ) -> Self {
        let config = &plan.config;
        let samples = Samples::new(division.train, config.seed, config.batch_size, plan.augment);
        let reestimate = if graph.buffers.is_empty() { 0 } else { config.bn_reestimate };
        Self {
            plan,
            graph,
            engine,
            reestimation: samples.fixed_batches(reestimate),
            samples,
            val: division.val,
            test: (0..test_images as u32).collect(),
            plateau: PlateauState::default(),
            iteration: 0,
            under_way: VecDeque::new(),
            last_finite_loss: None,
        }
    }

    /// Goes back to where a checkpoint was made.
    ///
    /// # Errors
    /// When the checkpoint is not of this run.
    pub fn restore(&mut self, path: &std::path::Path, checkpoint: Checkpoint) -> Result<(), state::RestoreError> {
        let parse = |error| ArtifactError::content(path, "the state of a schedule", error);
        self.plateau = serde_json::from_str(&checkpoint.schedule).map_err(parse)?;
        self.last_finite_loss = serde_json::from_str(&checkpoint.last_finite_loss).map_err(parse)?;
        let iterations = self.plan.config.iterations;
        if checkpoint.iteration > iterations {
            let expected = format!("an iteration up to {iterations}");
            return Err(ArtifactError::content(path, expected, checkpoint.iteration).into());
        }
        self.iteration = checkpoint.iteration;
        state::restore(self.engine, self.graph, path, checkpoint)
    }

    /// Makes the remaining steps.
    ///
    /// # Errors
    /// When the device or a record fails.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<Ending> {
        let iterations = self.plan.config.iterations;
        while self.iteration < iterations {
            observer.step_started();
            let outcomes = self.step()?;
            observer.step_finished();
            if let Some(divergence) = self.settle(observer, outcomes)? {
                return Ok(Ending::Diverged(divergence));
            }
            let is_last = self.iteration == iterations;
            let interrupted = observer.interrupted() && !is_last;
            if !is_last && (interrupted || observer.checkpoint_due(self.iteration)) {
                let outcomes = self.engine.outcomes()?;
                if let Some(divergence) = self.settle(observer, outcomes)? {
                    return Ok(Ending::Diverged(divergence));
                }
                let checkpoint = self.checkpoint()?;
                observer.checkpoint(checkpoint)?;
            }
            if interrupted {
                return Ok(Ending::Interrupted { iteration: self.iteration });
            }
        }
        Ok(Ending::Completed)
    }

    /// The last measurements of a run that made all its steps.
    ///
    /// # Errors
    /// When the device fails.
    pub fn measure(&mut self, what: Measured) -> Result<FinalMeasurement> {
        let statistics = self.statistics()?;
        let train = self.samples.fixed_images(FINAL_TRAIN_IMAGES);
        let all = what == Measured::All;
        let on = |engine: &mut dyn Engine, split, images: &[u32]| {
            engine.evaluate(&Batch::plain(split, images), statistics.as_ref())
        };
        Ok(FinalMeasurement {
            val: (!self.val.is_empty()).then(|| on(self.engine, Split::Train, &self.val)).transpose()?,
            train: all.then(|| on(self.engine, Split::Train, &train)).transpose()?,
            test: (all && !self.test.is_empty()).then(|| on(self.engine, Split::Test, &self.test)).transpose()?,
            buffers: statistics.map_or_else(|| self.engine.buffers(), Ok)?,
        })
    }

    /// Steps done.
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// The weights as they are.
    ///
    /// # Errors
    /// When the device fails.
    pub fn parameters(&self) -> Result<Vec<Vec<f32>>> {
        Ok(self.engine.parameters()?)
    }

    fn rates(&self, iteration: u64) -> Rates {
        let config = &self.plan.config;
        self.plan.schedule.rates(iteration, config.iterations, config.momentum, &self.plateau)
    }

    /// Begins the next step; the outcomes that are known now, oldest first.
    fn step(&mut self) -> Result<Vec<StepOutcome>> {
        let Plan { config, optimizer, .. } = self.plan;
        let rates = self.rates(self.iteration + 1);
        let batch = self.samples.batch(self.iteration + 1);
        let update =
            Update { optimizer: *optimizer, lr: rates.lr, momentum: rates.momentum, weight_decay: config.weight_decay };
        let at_once = self.engine.begin_step(&batch, config.bn_momentum, &update)?;
        self.iteration += 1;
        self.under_way.push_back((self.iteration, rates));
        match at_once {
            Some(outcome) => Ok(vec![outcome]),
            None if self.has_to_wait() => Ok(self.engine.outcomes()?),
            None => Ok(Vec::new()),
        }
    }

    /// Whether the loop cannot go on without the outcomes of all steps so far.
    fn has_to_wait(&self) -> bool {
        let is_last = self.iteration == self.plan.config.iterations;
        is_last
            || self.under_way.len() >= MOST_UNDER_WAY
            || self.looks_at_val(self.iteration, false)
            || self.looks_at_test(self.iteration, false)
    }

    /// Records the oldest steps under way, whose outcomes these are; the divergence that ends the run, if there is one.
    fn settle(&mut self, observer: &mut dyn Observer, outcomes: Vec<StepOutcome>) -> Result<Option<Divergence>> {
        for outcome in outcomes {
            let (iteration, rates) = self.under_way.pop_front().expect("an outcome is of a step");
            if outcome.loss.is_finite() {
                self.last_finite_loss = Some(outcome.loss);
            }
            let diverged = self.diverged(iteration, rates, &outcome)?;
            let is_last = iteration == self.plan.config.iterations && diverged.is_none();
            self.record(observer, iteration, rates, &outcome, is_last)?;
            if diverged.is_some() {
                // Steps beyond this one do not count.
                self.iteration = iteration;
                return Ok(diverged);
            }
        }
        Ok(None)
    }

    /// A training run ends at the first loss that is not finite, a range test at weights that are not; the weights are
    /// looked at only where loss or gradient gives cause, and after the last step.
    fn diverged(&self, iteration: u64, rates: Rates, outcome: &StepOutcome) -> Result<Option<Divergence>> {
        let bad_loss = !outcome.loss.is_finite();
        let suspicious = bad_loss || !outcome.grad_norm.is_finite() || iteration == self.plan.config.iterations;
        let weights_are_finite = || outcome.weights_finite.map_or_else(|| self.weights_are_finite(), Ok);
        let ended = (bad_loss && !self.plan.outlives_bad_loss()) || (suspicious && !weights_are_finite()?);
        Ok(ended.then_some(Divergence { iteration, lr: rates.lr, last_finite_loss: self.last_finite_loss }))
    }

    fn weights_are_finite(&self) -> Result<bool> {
        Ok(self.engine.parameters()?.iter().flatten().all(|weight| weight.is_finite()))
    }

    fn record(
        &mut self,
        observer: &mut dyn Observer,
        iteration: u64,
        rates: Rates,
        outcome: &StepOutcome,
        is_last: bool,
    ) -> Result<()> {
        let config = &self.plan.config;
        let (looks_at_val, looks_at_test) =
            (self.looks_at_val(iteration, is_last), self.looks_at_test(iteration, is_last));
        let statistics = if looks_at_val || looks_at_test { self.statistics()? } else { None };
        let mut line = Metrics {
            iteration,
            epoch: self.samples.epochs(iteration),
            lr: rates.lr,
            momentum: rates.momentum,
            train_loss: finite(outcome.loss),
            train_accuracy: Some(outcome.correct as f64 / config.batch_size as f64),
            grad_norm: finite(outcome.grad_norm),
            val_loss: None,
            val_accuracy: None,
        };
        if looks_at_val {
            let val = self.engine.evaluate(&Batch::plain(Split::Train, &self.val), statistics.as_ref())?;
            (line.val_loss, line.val_accuracy) = means(&val);
            self.plan.schedule.observe(&mut self.plateau, val.loss_sum / val.count as f64);
        }
        observer.metrics(&line)?;
        if looks_at_test {
            let test = self.engine.evaluate(&Batch::plain(Split::Test, &self.test), statistics.as_ref())?;
            let (test_loss, test_accuracy) = means(&test);
            observer.test(&TestMetrics { iteration, test_loss, test_accuracy })?;
        }
        Ok(())
    }

    fn looks_at_val(&self, iteration: u64, is_last: bool) -> bool {
        !self.val.is_empty() && is_due(iteration, self.plan.config.val_every, is_last)
    }

    fn looks_at_test(&self, iteration: u64, is_last: bool) -> bool {
        let every = self.plan.config.test_every;
        !self.test.is_empty() && every > 0 && is_due(iteration, every, is_last)
    }

    fn statistics(&mut self) -> Result<Option<Buffers>> {
        if self.reestimation.is_empty() {
            return Ok(None);
        }
        let batches: Vec<_> = self.reestimation.iter().map(|indices| Batch::plain(Split::Train, indices)).collect();
        Ok(Some(self.engine.batch_statistics(&batches)?))
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
        Ok(checkpoint)
    }
}

fn is_due(iteration: u64, every: u64, is_last: bool) -> bool {
    is_last || (every > 0 && iteration.is_multiple_of(every))
}

/// Mean loss (none where it is not finite) and accuracy of an evaluation.
pub fn means(evaluation: &Evaluation) -> (Option<f64>, Option<f64>) {
    let count = evaluation.count as f64;
    (finite(evaluation.loss_sum / count), Some(evaluation.correct as f64 / count))
}
