//! Weight decay: a coarse grid in exponents, then the best one's neighbourhood bisected in the exponent. Where there is
//! budget, a range test of each value beside, to be drawn together.

use artifacts::number::{rate, round_digits};
use artifacts::recipe::{Decision, Training};

use super::{Provisional, affordable, folders, provisional_rate, ramp_steps, suggested};
use crate::Result;
use crate::halving::{self, Candidate, Scored, Standing};
use crate::pick::pick;
use crate::search::{Next, Search, record};
use crate::trial::{Trial, TrialKind};

const QUESTION: &str = "How much weight decay reaches the highest validation accuracy?";
/// Candidates of the last round.
const FINALISTS: usize = 3;

#[derive(Clone, Debug)]
struct DecaySweep {
    grid: Vec<f64>,
    bisect: bool,
    finalists: usize,
    ramps: bool,
}

impl DecaySweep {
    fn runs(&self) -> f64 {
        (self.grid.len() + if self.bisect { 2 } else { 0 } + self.finalists) as f64
    }
}

pub(super) fn next(search: &Search) -> Result<Next> {
    let training = &search.recipe.training;
    let (max_lr, mut ramps) = match provisional_rate(search)? {
        Provisional::Ask(next) => return Ok(next),
        Provisional::Known(max_lr, ramps) => (max_lr, ramps),
    };
    let left = search.allotment() - search.spent(&ramps)?.amount(search.remaining().unit);
    let Some((sweep, steps)) = affordable(sweeps(search, left)) else {
        let why = "The budget is too small to compare weight decays";
        return search.skipped(QUESTION, rate(training.weight_decay), why, Some((max_lr, &ramps)));
    };
    let decays: Vec<Trial> = if sweep.ramps {
        sweep.grid.iter().map(|decay| decay_ramp(search, *decay, max_lr, steps)).collect()
    } else {
        Vec::new()
    };
    let missing = search.missing(&decays)?;
    if !missing.is_empty() {
        return Ok(Next::Run(missing));
    }
    let left = left - search.spent(&decays)?.amount(search.remaining().unit);
    let candidate = |decay: &f64| Candidate {
        name: name(*decay),
        training: with(training, Some(max_lr), *decay),
        iterations: steps,
    };
    let mut candidates: Vec<Candidate> = sweep.grid.iter().map(candidate).collect();
    let coarse = match halving::standing(search, &candidates, &[sweep.grid.len()], left)? {
        Standing::Run(missing) => return Ok(Next::Run(missing)),
        Standing::Over(scored) => scored,
    };
    if sweep.bisect {
        let between = bisected(&coarse, &sweep.grid, search);
        candidates.extend(between.iter().map(candidate));
    }
    let mut rounds = vec![candidates.len()];
    rounds.extend((sweep.finalists > 0).then_some(sweep.finalists));
    let scored = match halving::standing(search, &candidates, &rounds, left)? {
        Standing::Run(missing) => return Ok(Next::Run(missing)),
        Standing::Over(scored) => scored,
    };
    let ramps_before = ramps.len();
    ramps.extend(decays);
    decide(search, scored, max_lr, &ramps, ramps_before)
}

/// From generous to modest: sweeps, each with the steps of its runs.
fn sweeps(search: &Search, left: f64) -> Vec<(DecaySweep, u64)> {
    let training = &search.recipe.training;
    // Decoupled weight decay is multiplied by the rate, which is small: its useful values are larger.
    let decoupled = training.optimizer == "adamw";
    let exponents = if decoupled { [-4, -3, -2, -1, 0] } else { [-6, -5, -4, -3, -2] };
    let powers: Vec<f64> = exponents.iter().map(|exponent| power(f64::from(*exponent))).collect();
    let mut wide = vec![0.0, 1e-9];
    wide.extend(&powers);
    let narrow = vec![0.0, powers[1], powers[2], powers[3]];
    let seeds = search.seeds.len();
    let sweeps = [
        DecaySweep { grid: wide.clone(), bisect: true, finalists: if seeds > 1 { FINALISTS } else { 0 }, ramps: true },
        DecaySweep { grid: wide.clone(), bisect: true, finalists: 0, ramps: false },
        DecaySweep { grid: narrow, bisect: false, finalists: 0, ramps: false },
    ];
    let remaining = search.remaining();
    let steps = |sweep: &DecaySweep| {
        let mut each = left / sweep.runs();
        for _ in 0..20 {
            let steps = remaining.steps(each, training.batch_size);
            let ramps = if sweep.ramps {
                sweep.grid.len() as f64 * remaining.cost(ramp_steps(steps), training.batch_size)
            } else {
                0.0
            };
            let total = ramps + sweep.runs() * remaining.cost(steps, training.batch_size);
            if total <= left {
                return steps;
            }
            each *= 0.99 * left / total;
        }
        0
    };
    sweeps.into_iter().map(|sweep| (steps(&sweep), sweep)).map(|(steps, sweep)| (sweep, steps)).collect()
}

/// Halfway to the neighbours of the best, in the exponent: 3e-4, not 5e-4, between 1e-4 and 1e-3. Of 0 and of 1e-9, which
/// are as good as nothing, there is no halfway.
fn bisected(coarse: &[Scored], grid: &[f64], search: &Search) -> Vec<f64> {
    let picked = pick(coarse, search.recipe.setting.held_out_images, |training| distance(search, training));
    picked.map_or_else(Vec::new, |picked| around(coarse[picked.index].candidate.training.weight_decay, grid))
}

/// Halfway to either side of the best, but for what is in the grid.
fn around(best: f64, grid: &[f64]) -> Vec<f64> {
    if best < 1e-8 {
        return Vec::new();
    }
    let halfway = [-0.5, 0.5].map(|half| round_digits(power(best.log10().round() + half), 1));
    halfway.into_iter().filter(|decay| !grid.contains(decay)).collect()
}

/// From a 64th of the rate in use to 16 times it, as a range test around a critical rate: the same rates for every decay.
fn decay_ramp(search: &Search, decay: f64, max_lr: f64, steps: u64) -> Trial {
    let [min_lr, max_lr] = [max_lr / 64.0, max_lr * 16.0].map(|lr| round_digits(lr, 4));
    let kind = TrialKind::Ramp { min_lr, max_lr, probe: None };
    let training = with(&search.recipe.training, None, decay);
    let training = Training { max_momentum: None, min_momentum: None, ..training };
    Trial { name: name(decay), kind, training, iterations: ramp_steps(steps), seed: search.seeds[0] }
}

/// In decades from the weight decay that the step starts from; all that is as good as nothing counts as 1e-9.
fn distance(search: &Search, training: &Training) -> f64 {
    let decades = |decay: f64| decay.max(1e-9).log10();
    (decades(training.weight_decay) - decades(search.recipe.training.weight_decay)).abs()
}

fn power(exponent: f64) -> f64 {
    round_digits(10f64.powf(exponent), 1)
}

fn with(training: &Training, max_lr: Option<f64>, weight_decay: f64) -> Training {
    Training { weight_decay, max_lr: max_lr.or(training.max_lr), ..training.clone() }
}

fn name(decay: f64) -> String {
    rate(decay)
}

fn decide(search: &Search, mut scored: Vec<Scored>, max_lr: f64, ramps: &[Trial], before: usize) -> Result<Next> {
    let Some(picked) = pick(&scored, search.recipe.setting.held_out_images, |training| distance(search, training))
    else {
        return Err(super::no_rate(search));
    };
    let chosen = scored[picked.index].candidate.training.clone();
    let mut trials = ramps.to_vec();
    trials.extend(halving::trials(search, &scored));
    let reason = format!(
        "All at highest rate {}. {}{}{}",
        rate(max_lr),
        picked.reason,
        halving::settled_sentence(&scored),
        tolerated(search, &ramps[before..])?
    );
    // In the order of the values, the bisected ones among the others.
    scored.sort_by(|a, b| a.candidate.training.weight_decay.total_cmp(&b.candidate.training.weight_decay));
    let ramp_of = |decay: f64| -> Vec<String> {
        let own: Vec<Trial> =
            ramps[before..].iter().filter(|ramp| ramp.training.weight_decay == decay).cloned().collect();
        folders(search, &own)
    };
    let decision = Decision {
        step: search.step.name().to_owned(),
        question: QUESTION.to_owned(),
        candidates: scored.iter().map(|one| record(one, ramp_of(one.candidate.training.weight_decay))).collect(),
        chosen: rate(chosen.weight_decay),
        reason,
        spent: search.spent(&trials)?,
    };
    search.decided(|training| *training = chosen, decision, &trials)
}

/// What the range tests say of the largest decay: Smith asks for the largest that still lets a high rate be used.
fn tolerated(search: &Search, ramps: &[Trial]) -> Result<String> {
    let mut rates = Vec::new();
    for ramp in ramps {
        let max_lr = suggested(search, std::slice::from_ref(ramp))?.and_then(|suggestion| suggestion.max_lr);
        rates.extend(max_lr.map(|max_lr| (ramp.training.weight_decay, max_lr)));
    }
    let highest = rates.iter().map(|(_, lr)| *lr).fold(0.0, f64::max);
    let within = rates.iter().filter(|(_, lr)| *lr >= highest / 2.0).map(|(decay, _)| *decay).reduce(f64::max);
    Ok(within.map_or_else(String::new, |decay| {
        format!(
            " In the range tests the largest decay whose highest useful rate is within a factor of 2 of the highest ({}) is {}.",
            rate(highest),
            rate(decay)
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bisection_is_in_the_exponent() {
        let grid = [0.0, 1e-9, 1e-5, 1e-4, 1e-3];
        assert_eq!(around(1e-4, &grid), [3e-5, 3e-4]);
        assert_eq!(around(1e-3, &grid), [3e-4, 3e-3]);
        assert_eq!(around(0.0, &grid), [0.0; 0]);
        assert_eq!(around(1e-9, &grid), [0.0; 0]);
    }
}
