//! The steps, one a file, and what they share.

mod batch_size;
mod length;
mod momentum;
mod random;
mod rate;
mod rivals;
mod weight_decay;

use std::path::Path;

use artifacts::probe;
use artifacts::recipe::Training;
use artifacts::suggestion::Suggestion;
use cli::Failure;
pub(crate) use length::length_of;
use reading::curve::{self, Curve};
use reading::suggest;

use crate::Result;
use crate::budget::Remaining;
use crate::search::{Next, Search};
use crate::trial::{Trial, TrialKind, initial_probe};

/// Steps of a range test at least.
pub(crate) const MIN_RANGE_TEST_STEPS: u64 = 24;
/// Steps of a training that candidates are compared by at least: momentum needs some to build up.
const MIN_TRAINING_STEPS: u64 = 40;
/// Batches whose gradients a range test's probe takes: as few as it may, for its critical rate is what counts.
const RAMP_PROBE_BATCHES: usize = 2;
/// A range test is this share of the training that it serves, but of [`MIN_RANGE_TEST_STEPS`] at least.
const RAMP_SHARE: f64 = 0.25;

/// A step of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Which batch size is best at equal time?
    BatchSize,
    /// Which momentum?
    Momentum,
    /// How much weight decay?
    WeightDecay,
    /// How high may the rate go?
    Rate,
    /// How few steps are enough?
    Length,
    /// A rival: all at once, at random, from wide ranges.
    Random,
    /// A rival: all at once, at random around the setting and its rate, short trainings first.
    RandomAround,
    /// A rival: four customary rates and no other choice.
    RateGrid,
    /// A rival: no search. All that is left goes into the last run.
    Whole,
}

impl Step {
    /// Every step, with its name.
    pub(crate) const NAMES: [(&'static str, Self); 9] = [
        ("batch-size", Self::BatchSize),
        ("momentum", Self::Momentum),
        ("weight-decay", Self::WeightDecay),
        ("rate", Self::Rate),
        ("length", Self::Length),
        ("random", Self::Random),
        ("random-around", Self::RandomAround),
        ("rate-grid", Self::RateGrid),
        ("whole", Self::Whole),
    ];

    /// The step of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, step)| step)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, step)| *step == self).map_or("", |(name, _)| *name)
    }

    /// Its share of the budget that is left when it begins: of the search's parts (in percent: batch size 16, momentum
    /// 13, weight decay 18, rate 9, and 44 for the lengths and the last run) those that are still to come.
    pub(crate) fn share(self) -> f64 {
        match self {
            Self::BatchSize => 16.0 / 100.0,
            Self::Momentum => 13.0 / 84.0,
            Self::WeightDecay => 18.0 / 71.0,
            Self::Rate => 9.0 / 53.0,
            Self::Length | Self::Random | Self::RandomAround | Self::RateGrid | Self::Whole => 1.0,
        }
    }
}

/// What is to be done next in the step that `search` is at.
///
/// # Errors
/// When a record cannot be read, or what was found cannot be decided on.
pub(crate) fn next(search: &Search) -> Result<Next> {
    match search.step {
        Step::BatchSize => batch_size::next(search),
        Step::Momentum => momentum::next(search),
        Step::WeightDecay => weight_decay::next(search),
        Step::Rate => rate::next(search),
        Step::Length => length::next(search),
        Step::Random => random::next(search),
        Step::RandomAround => rivals::random_around(search),
        Step::RateGrid => rivals::rate_grid(search),
        Step::Whole => rivals::whole(search),
    }
}

/// Range tests that are asked for together.
enum Ramps {
    /// Something is missing.
    Ask(Next),
    /// All are finished.
    Ready(Vec<Trial>),
}

/// What a range test is of: its name, how it trains, and its seed.
type RampOf = (String, Training, u64);

/// Range tests around the critical rate of the first step, which `sc-probe` measures at the initial weights; over all rates
/// where it finds none. `steps`: of each.
fn ramps(search: &Search, of: &[RampOf], steps: &[u64]) -> Result<Ramps> {
    let mut probes = Vec::new();
    let mut ramps = Vec::new();
    for ((name, training, seed), iterations) in of.iter().zip(steps) {
        // Momentum at the highest rate: there a rate is too high or not.
        let training = Training { max_momentum: None, min_momentum: None, ..training.clone() };
        let asked = initial_probe(search, &training, *seed, RAMP_PROBE_BATCHES);
        if !asked.out.exists() {
            probes.push(asked);
            continue;
        }
        let kind = if probe::read(&asked.out)?.critical.lr.is_some() {
            TrialKind::Around(asked.out)
        } else {
            let (min_lr, max_lr) = rate_range(&training.optimizer);
            TrialKind::Ramp { min_lr, max_lr, probe: Some(asked.out) }
        };
        ramps.push(Trial { name: name.clone(), kind, training, iterations: *iterations, seed: *seed });
    }
    if !probes.is_empty() {
        return Ok(Ramps::Ask(Next::Probe(probes)));
    }
    let missing = search.missing(&ramps)?;
    Ok(if missing.is_empty() { Ramps::Ready(ramps) } else { Ramps::Ask(Next::Run(missing)) })
}

/// About what the probe of a range test costs: for each of 3 batches of up to 64 images the direction of a step and 7 losses,
/// two thirds of a step each; and the gradients of [`RAMP_PROBE_BATCHES`].
fn probe_cost(remaining: &Remaining, batch_size: usize) -> f64 {
    let critical = (17 * batch_size.min(64)).div_ceil(batch_size);
    remaining.cost((critical + RAMP_PROBE_BATCHES) as u64, batch_size)
}

/// Rates from useless to diverging: adaptive methods move each weight by about the rate itself.
fn rate_range(optimizer: &str) -> (f64, f64) {
    if moves_by_the_rate(optimizer) { (1e-6, 1.0) } else { (1e-4, 30.0) }
}

/// Whether each step moves a weight by about the rate, whatever its gradient.
fn moves_by_the_rate(optimizer: &str) -> bool {
    matches!(optimizer, "adam" | "adamw" | "rmsprop")
}

/// Steps of the range test for a training of so many.
fn ramp_steps(training_steps: u64) -> u64 {
    ((training_steps as f64 * RAMP_SHARE) as u64).max(MIN_RANGE_TEST_STEPS)
}

fn curve_of(folder: &Path) -> Result<Curve> {
    let (curve, _) = curve::run::read(folder).map_err(|error| match error {
        reading::Error::File(error) => error.into(),
        reading::Error::Curve { message, hint } => Failure::unusable(message).hint(hint),
    })?;
    Ok(curve)
}

/// What the finished range tests suggest together; none where nothing can be read from them.
fn suggested(search: &Search, ramps: &[Trial]) -> Result<Option<Suggestion>> {
    let mut curves = Vec::new();
    for ramp in ramps {
        if let Some(done) = search.done(ramp)? {
            curves.push(curve_of(&done.run.folder)?);
        }
    }
    Ok(suggest::suggest(&curves).ok())
}

/// Folders of trials, as the recipe keeps them.
fn folders(search: &Search, trials: &[Trial]) -> Vec<String> {
    trials.iter().map(|trial| trial.folder(search).display().to_string()).collect()
}

/// A rate to try candidates at, and the range tests behind it.
enum Provisional {
    /// Something is missing.
    Ask(Next),
    /// The rate, and the range tests that it comes from: none where the recipe had one.
    Known(f64, Vec<Trial>),
}

/// The recipe's highest rate; where it has none yet, the one that a range test suggests.
fn provisional_rate(search: &Search) -> Result<Provisional> {
    let training = &search.recipe.training;
    if let Some(max_lr) = training.max_lr {
        return Ok(Provisional::Known(max_lr, Vec::new()));
    }
    let steps = search.remaining().steps(0.1 * search.allotment(), training.batch_size).max(MIN_RANGE_TEST_STEPS);
    let ramps = match ramps(search, &[("start".to_owned(), training.clone(), search.seeds[0])], &[steps])? {
        Ramps::Ask(next) => return Ok(Provisional::Ask(next)),
        Ramps::Ready(ramps) => ramps,
    };
    match suggested(search, &ramps)?.and_then(|suggestion| suggestion.max_lr) {
        Some(max_lr) => Ok(Provisional::Known(max_lr, ramps)),
        None => Err(no_rate(search)),
    }
}

fn no_rate(search: &Search) -> Failure {
    let setting = &search.recipe.setting;
    let (low, high) = rate_range(&search.recipe.training.optimizer);
    let message = format!(
        "no rate from {low} to {high} trains {} on {} in the range tests in {}",
        setting.net,
        setting.data_name,
        search.folder.display()
    );
    Failure::unusable(message)
        .hint("a larger budget makes them longer; `sc-analyze suggest RUN --json` says what each of them shows")
}

/// The first of some plans, from generous to modest, whose runs have [`MIN_TRAINING_STEPS`] steps at least.
fn affordable<T>(plans: Vec<(T, u64)>) -> Option<(T, u64)> {
    plans.into_iter().find(|(_, steps)| *steps >= MIN_TRAINING_STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_budget_are_the_whole() {
        let mut left = 1.0;
        let mut parts = Vec::new();
        for step in [Step::BatchSize, Step::Momentum, Step::WeightDecay, Step::Rate, Step::Length] {
            let part = left * step.share();
            parts.push((100.0 * part).round());
            left -= part;
        }
        assert_eq!(parts, [16.0, 13.0, 18.0, 9.0, 44.0]);
        assert!(left.abs() < 1e-12);
    }
}
