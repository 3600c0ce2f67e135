//! The streamlined search (Smith, arXiv:1803.09820): batch size, momentum, weight decay, highest rate, cycle, length.
//!
//! A step is a function of files: the recipe that it starts from and the results of its own runs. It answers either with
//! the runs that are to be made next, or with the recipe that it leaves behind. So a search that was killed goes on
//! where it stopped, and `make` sees each step as one file.
//!
//! Every choice reads validation images, held out of the training images; nothing here looks at the test set.

use std::path::PathBuf;

use artifacts::probe::{self, Probe};
use artifacts::recipe::{self, Decision, Recipe, Spent, Training};
use cli::Failure;

use crate::budget::{self, Remaining};
use crate::halving::Scored;
use crate::steps::{self, Step};
use crate::trial::{Done, ProbeRequest, Trial};
use crate::{Result, pytorch};

/// One step of a search, with all that it may look at.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// The step.
    pub step: Step,
    /// What is decided so far.
    pub recipe: Recipe,
    /// Folder of the step's runs.
    pub folder: PathBuf,
    /// Seeds of initial weights and order, the first to be used first.
    pub seeds: Vec<u64>,
    /// Take the longest training tried, not the shortest that is as good.
    pub longest: bool,
    /// Steps x batch of each training of a random search.
    pub images_each: Option<f64>,
}

/// What a step says.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    /// These runs are to be made, in this order; then ask again.
    Run(Vec<Trial>),
    /// These measurements are to be made; then ask again.
    Probe(Vec<ProbeRequest>),
    /// The step is over.
    Decided(Box<Recipe>),
}

impl Search {
    /// What is to be done next.
    ///
    /// # Errors
    /// When a record cannot be read, or what was found cannot be decided on.
    pub(crate) fn what_next(&self) -> Result<Next> {
        if self.seeds.is_empty() {
            return Err(Failure::unusable("--seeds is empty").hint("for example --seeds 1,2"));
        }
        steps::next(self)
    }

    /// What this step may cost: its share of the remaining budget.
    pub(crate) fn allotment(&self) -> f64 {
        self.remaining().amount * self.step.share()
    }

    /// The remaining budget as this step finds it.
    pub(crate) fn remaining(&self) -> Remaining {
        Remaining::of(&self.recipe.budget)
    }

    /// The finished run of a trial, if there is one of this data.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub(crate) fn done(&self, trial: &Trial) -> Result<Option<Done>> {
        trial.done(self)
    }

    /// Those of the trials that have not been run.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub(crate) fn missing(&self, trials: &[Trial]) -> Result<Vec<Trial>> {
        let mut missing = Vec::new();
        for trial in trials {
            if self.done(trial)?.is_none() {
                missing.push(trial.clone());
            }
        }
        Ok(missing)
    }

    /// What finished trials cost.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub(crate) fn spent(&self, trials: &[Trial]) -> Result<Spent> {
        let mut spent = Spent::default();
        for trial in trials {
            if let Some(done) = self.done(trial)? {
                spent = spent.plus(&done.spent());
                if let Some(path) = trial.probe() {
                    spent = spent.plus(&self.probe_spent(&probe::read(path)?));
                }
            }
        }
        Ok(spent)
    }

    /// What a probe cost: it keeps no times of its own. A gradient takes as long as a training step.
    pub(crate) fn probe_spent(&self, probe: &Probe) -> Spent {
        let images = (probe.noise.batches * probe.noise.batch_size) as f64 + probe.critical.images();
        let seconds = images / self.remaining().speed(probe.batch_size) + self.recipe.budget.overhead_seconds;
        Spent { seconds, images, runs: 0 }
    }

    /// The recipe with one more decision, its cost added, and the sentence for PyTorch made anew.
    ///
    /// # Errors
    /// When the record of a trial cannot be read.
    pub(crate) fn decided(
        &self,
        change: impl FnOnce(&mut Training),
        decision: Decision,
        trials: &[Trial],
    ) -> Result<Next> {
        let mut recipe = self.recipe.clone();
        recipe.budget.spent = recipe.budget.spent.plus(&decision.spent);
        let done: Vec<Done> = trials.iter().filter_map(|trial| self.done(trial).transpose()).collect::<Result<_>>()?;
        budget::measure(&mut recipe.budget, &done);
        change(&mut recipe.training);
        recipe.decisions.push(decision);
        recipe.pytorch = pytorch::sentence(&recipe.training);
        Ok(Next::Decided(Box::new(recipe)))
    }

    /// A question left open, because what is left is too little to answer it. `found`: the range tests made all the
    /// same, and the rate that they gave.
    ///
    /// # Errors
    /// When the record of a range test cannot be read.
    pub(crate) fn skipped(
        &self,
        question: &str,
        kept: String,
        why: &str,
        found: Option<(f64, &[Trial])>,
    ) -> Result<Next> {
        let (max_lr, trials) = found.map_or((None, &[][..]), |(max_lr, trials)| (Some(max_lr), trials));
        let decision = Decision {
            step: self.step.name().to_owned(),
            question: question.to_owned(),
            candidates: Vec::new(),
            chosen: kept,
            reason: format!("{why}: what it started from was kept."),
            spent: self.spent(trials)?,
        };
        self.decided(|training| training.max_lr = max_lr.or(training.max_lr), decision, trials)
    }
}

/// What the recipe keeps of a scored candidate.
pub(crate) fn record(scored: &Scored, range_tests: Vec<String>) -> recipe::Candidate {
    let accuracies = reading::stats::summary(&scored.accuracies);
    recipe::Candidate {
        name: scored.candidate.name.clone(),
        iterations: scored.candidate.iterations,
        batch_size: scored.candidate.training.batch_size,
        max_lr: scored.candidate.training.max_lr,
        mean_val_accuracy: accuracies.map(|summary| summary.mean),
        sd_val_accuracy: accuracies.and_then(|summary| summary.sd),
        mean_val_loss: scored.mean_loss(),
        runs: scored.accuracies.len(),
        diverged: scored.diverged,
        images_per_second: scored.images_per_second,
        folders: scored.folders.clone(),
        range_tests,
    }
}

/// Images of the longest training that a search tried; none where it tried no lengths.
pub(crate) fn longest_images(recipe: &Recipe) -> Option<f64> {
    let lengths = recipe.decisions.iter().filter(|decision| decision.step == Step::Length.name());
    let images =
        lengths.flat_map(|decision| &decision.candidates).map(|one| (one.iterations * one.batch_size as u64) as f64);
    let chosen = recipe.training.iterations.map(|steps| (steps * recipe.training.batch_size as u64) as f64);
    images.reduce(f64::max).or(chosen)
}
