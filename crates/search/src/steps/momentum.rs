//! Momentum: constant values and one that cycles against the rate, in short runs that share their starts.
//!
//! The best rate depends on the momentum, so candidates are not compared at equal rates, but each at the rate that the rule
//! for range tests gives for its momentum ([`suggest::momentum_factor`]). At equal rates the highest momentum would be tried far
//! beyond its best rate.

use artifacts::number::round_digits;
use artifacts::recipe::{Decision, Training};
use reading::suggest;
use schedules::MOMENTUM_BOUNDS;

use super::{Provisional, affordable, folders, provisional_rate};
use crate::Result;
use crate::halving::{self, Candidate, Standing};
use crate::pick::pick;
use crate::search::{Next, Search, record};

const QUESTION: &str = "Which momentum, constant or cycling against the rate, reaches the highest validation accuracy?";

/// Values to try: at the lowest rate, and at the highest.
const WIDE: [(f64, f64); 5] = [(0.8, 0.8), (0.9, 0.9), (0.95, 0.95), (0.99, 0.99), MOMENTUM_BOUNDS];
const NARROW: [(f64, f64); 3] = [(0.9, 0.9), (0.95, 0.95), MOMENTUM_BOUNDS];

pub(super) fn next(search: &Search) -> Result<Next> {
    let training = &search.recipe.training;
    if matches!(training.optimizer.as_str(), "adagrad" | "adadelta") {
        let why = format!("{} has no momentum", training.optimizer);
        return search.skipped(QUESTION, training.momentum.to_string(), &why, None);
    }
    let (max_lr, ramps) = match provisional_rate(search)? {
        Provisional::Ask(next) => return Ok(next),
        Provisional::Known(max_lr, ramps) => (max_lr, ramps),
    };
    let left = search.allotment() - search.spent(&ramps)?.amount(search.remaining().unit);
    let plan = |values: &[(f64, f64)], rounds: usize| {
        let rounds = rounds.min(search.seeds.len());
        let runs = halving::runs(values.len(), rounds) as f64;
        ((values.to_vec(), rounds), search.remaining().steps(left / runs, training.batch_size))
    };
    let Some(((values, rounds), steps)) = affordable(vec![plan(&WIDE, 2), plan(&WIDE, 1), plan(&NARROW, 1)]) else {
        let kept = name(training.max_momentum.unwrap_or(training.momentum), training.momentum);
        let why = "The budget is too small to compare momentums";
        return search.skipped(QUESTION, kept, why, Some((max_lr, &ramps)));
    };
    let candidates: Vec<Candidate> = values
        .iter()
        .map(|(max, min)| Candidate {
            name: name(*max, *min),
            training: with_momentum(training, max_lr, *max, *min),
            iterations: steps,
        })
        .collect();
    let sizes = halving::rounds(candidates.len(), rounds);
    let scored = match halving::standing(search, &candidates, &sizes, left)? {
        Standing::Run(missing) => return Ok(Next::Run(missing)),
        Standing::Over(scored) => scored,
    };
    let Some(picked) = pick(&scored, search.recipe.setting.held_out_images, |other| distance(training, other)) else {
        return Err(super::no_rate(search));
    };
    let chosen = scored[picked.index].candidate.clone();
    let mut trials = ramps.clone();
    trials.extend(halving::trials(search, &scored));
    let shown = folders(search, &ramps);
    let decision = Decision {
        step: search.step.name().to_owned(),
        question: QUESTION.to_owned(),
        candidates: scored.iter().map(|one| record(one, shown.clone())).collect(),
        chosen: chosen.name.clone(),
        reason: format!("{}{}{}", comparison(training), picked.reason, halving::settled_sentence(&scored)),
        spent: search.spent(&trials)?,
    };
    search.decided(|training| *training = chosen.training, decision, &trials)
}

fn comparison(training: &Training) -> &'static str {
    if suggest::depends_on_momentum(Some(&training.optimizer)) {
        "All start from the same weights and see the same images; rates keep rate / sqrt(1 - momentum) equal. "
    } else {
        "All start from the same weights, see the same images and have the same rate. "
    }
}

/// A training at another momentum. Where that cycles, the momentum at the highest rate decides the rate.
fn with_momentum(training: &Training, max_lr: f64, max: f64, min: f64) -> Training {
    let factor_at = |momentum: f64| suggest::momentum_factor(Some(&training.optimizer), momentum);
    let factor = factor_at(min) / factor_at(training.momentum);
    let cycles = max != min;
    Training {
        momentum: min,
        max_momentum: cycles.then_some(max),
        min_momentum: cycles.then_some(min),
        max_lr: Some(round_digits(max_lr * factor, 4)),
        ..training.clone()
    }
}

/// 0 of the momentum that the step starts from, 1 of any other.
fn distance(from: &Training, training: &Training) -> f64 {
    let bounds = |training: &Training| (training.max_momentum.unwrap_or(training.momentum), training.momentum);
    f64::from(u8::from(bounds(from) != bounds(training)))
}

fn name(max: f64, min: f64) -> String {
    if max == min { format!("{max}") } else { format!("{max}-{min}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::start::tests::training;

    #[test]
    fn rates_follow_the_rule() {
        let high = with_momentum(&training(), 0.5, 0.99, 0.99);
        let by_rule = round_digits(0.5 * (0.01f64 / 0.1).sqrt(), 4);
        assert_eq!((high.momentum, high.max_momentum, high.max_lr), (0.99, None, Some(by_rule)));
        let cycling = with_momentum(&training(), 0.5, 0.95, 0.85);
        assert_eq!((cycling.momentum, cycling.max_momentum, cycling.min_momentum), (0.85, Some(0.95), Some(0.85)));
        assert_eq!(cycling.max_lr, Some(0.6124), "the momentum at the highest rate counts");
        assert_eq!(with_momentum(&training(), 0.5, 0.9, 0.9).max_lr, Some(0.5));
        let adam = Training { optimizer: "adamw".to_owned(), ..training() };
        assert_eq!(with_momentum(&adam, 0.5, 0.99, 0.99).max_lr, Some(0.5));
    }
}
