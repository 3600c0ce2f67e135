//! Batch size: candidates get equal time, not equal steps. Each has a range test of its own, because the useful rate
//! changes with the batch, and which also measures how fast it trains.

use std::path::Path;

use artifacts::number::count;
use artifacts::probe::{self, Probe};
use artifacts::recipe::{Decision, Spent, Training};
use artifacts::run::MODEL_FILE;

use super::{MIN_TRAINING_STEPS, RampOf, Ramps, folders, no_rate, probe_cost, ramp_steps, suggested};
use crate::Result;
use crate::halving::{self, Candidate, Standing};
use crate::pick::pick;
use crate::search::{Next, Search, record};
use crate::trial::{ProbeRequest, Trial, Weights};

const QUESTION: &str = "Which batch size reaches the highest validation accuracy in the same time?";

/// Batches that the noise of the gradient is measured over.
const PROBE_BATCHES: usize = 8;

/// Batch sizes to try, and rounds to try them in.
#[derive(Clone, Debug)]
struct SizeSweep {
    sizes: Vec<usize>,
    rounds: usize,
    /// Steps of each size's runs, at the speeds known so far.
    steps: Vec<u64>,
}

pub(super) fn next(search: &Search) -> Result<Next> {
    let base = search.recipe.training.batch_size;
    let Some(sweep) = sweep(search) else {
        return search.skipped(QUESTION, base.to_string(), "The budget is too small to compare batch sizes", None);
    };
    let of: Vec<RampOf> =
        sweep.sizes.iter().map(|size| (size.to_string(), of_size(search, *size), search.seeds[0])).collect();
    let steps: Vec<u64> = sweep.steps.iter().map(|steps| ramp_steps(*steps)).collect();
    let ramps = match super::ramps(search, &of, &steps)? {
        Ramps::Ask(next) => return Ok(next),
        Ramps::Ready(ramps) => ramps,
    };
    let left = search.allotment() - search.spent(&ramps)?.amount(search.remaining().unit);
    let candidates = candidates(search, &sweep, &ramps, left)?;
    if candidates.is_empty() {
        return Err(no_rate(search));
    }
    let sizes = halving::rounds(candidates.len(), sweep.rounds);
    match halving::standing(search, &candidates, &sizes, left)? {
        Standing::Run(missing) => Ok(Next::Run(missing)),
        Standing::Over(scored) => decide(search, &sweep, &ramps, scored),
    }
}

fn sweep(search: &Search) -> Option<SizeSweep> {
    let base = search.recipe.training.batch_size;
    let most = search.recipe.setting.train_images / 4;
    let around = |factors: &[f64]| -> Vec<usize> {
        let sizes = factors.iter().map(|factor| (base as f64 * factor) as usize);
        sizes.filter(|size| *size == base || (*size >= 8 && *size <= most)).collect()
    };
    let (wide, narrow) = (around(&[0.25, 0.5, 1.0, 2.0, 4.0]), around(&[0.5, 1.0, 2.0]));
    let sweeps = [(wide.clone(), 2), (wide, 1), (narrow, 1)];
    sweeps
        .into_iter()
        .filter(|(sizes, _)| sizes.len() > 1)
        .find_map(|(sizes, rounds)| affordable(search, sizes, rounds))
}

/// The sweep, with as many steps as the allotment allows; none where those are too few.
fn affordable(search: &Search, sizes: Vec<usize>, rounds: usize) -> Option<SizeSweep> {
    let (remaining, allotment) = (search.remaining(), search.allotment());
    let rounds = rounds.min(search.seeds.len());
    let each = halving::runs(sizes.len(), rounds) as f64 / sizes.len() as f64;
    let counts: Vec<(usize, f64)> = sizes.iter().map(|size| (*size, each)).collect();
    let mut amount = allotment;
    for _ in 0..20 {
        let steps = remaining.equal_time(amount, &counts);
        let total: f64 = sizes
            .iter()
            .zip(&steps)
            .map(|(size, steps)| {
                each * remaining.cost(*steps, *size)
                    + remaining.cost(ramp_steps(*steps), *size)
                    + probe_cost(&remaining, *size)
            })
            .sum();
        if total <= allotment {
            let enough = steps.iter().all(|steps| *steps >= MIN_TRAINING_STEPS);
            return enough.then_some(SizeSweep { sizes, rounds, steps });
        }
        amount *= 0.99 * allotment / total;
    }
    None
}

fn of_size(search: &Search, batch_size: usize) -> Training {
    Training { batch_size, ..search.recipe.training.clone() }
}

/// The sizes that have a rate, each with as many steps as its measured speed allows in the same time.
fn candidates(search: &Search, sweep: &SizeSweep, ramps: &[Trial], left: f64) -> Result<Vec<Candidate>> {
    let mut speeds = Vec::new();
    for (size, ramp) in sweep.sizes.iter().zip(ramps) {
        let speed = search.done(ramp)?.and_then(|done| done.run.result.images_per_second);
        speeds.extend(speed.map(|speed| (*size, speed)));
    }
    let remaining = search.remaining().with_speeds(speeds);
    let each = halving::runs(sweep.sizes.len(), sweep.rounds) as f64 / sweep.sizes.len() as f64;
    let counts: Vec<(usize, f64)> = sweep.sizes.iter().map(|size| (*size, each)).collect();
    let steps = remaining.equal_time(left, &counts);
    let mut candidates = Vec::new();
    for ((size, ramp), steps) in sweep.sizes.iter().zip(ramps).zip(steps) {
        let rate = suggested(search, std::slice::from_ref(ramp))?.and_then(|suggestion| suggestion.max_lr);
        candidates.extend(rate.map(|max_lr| Candidate {
            name: size.to_string(),
            training: Training { max_lr: Some(max_lr), ..of_size(search, *size) },
            iterations: steps.max(2),
        }));
    }
    Ok(candidates)
}

/// In factors of two from the size that the search starts from.
fn distance(search: &Search, training: &Training) -> f64 {
    (training.batch_size as f64 / search.recipe.training.batch_size as f64).log2().abs()
}

/// What the gradient's noise says of the batch size: McCandlish et al., arXiv:1812.06162, section 2.
fn noise_sentence(probe: &Probe, batch_size: usize) -> String {
    let Some(scale) = probe.noise.scale else {
        return " At the end of its run noise hides the gradient: by that measure a larger batch would still help."
            .to_owned();
    };
    let verdict = match batch_size as f64 / scale {
        ratio if ratio < 0.5 => "well above this batch: a larger one would still make better use of its images",
        ratio if ratio > 2.0 => "well below this batch: part of its images repeat what the others say",
        _ => "near this batch: larger ones would bring diminishing returns",
    };
    format!(" The gradient noise scale at the end of its run is {} images, {verdict}.", count(scale.round() as u64))
}

fn decide(search: &Search, sweep: &SizeSweep, ramps: &[Trial], mut scored: Vec<halving::Scored>) -> Result<Next> {
    for one in &mut scored {
        let at = sweep.sizes.iter().position(|size| *size == one.candidate.training.batch_size);
        if let Some(done) = at.map(|at| search.done(&ramps[at])).transpose()?.flatten() {
            one.images_per_second = done.run.result.images_per_second;
        }
    }
    let Some(picked) = pick(&scored, search.recipe.setting.held_out_images, |training| distance(search, training))
    else {
        return Err(no_rate(search));
    };
    let chosen = scored[picked.index].candidate.training.clone();
    let model = scored[picked.index].folders.first().map(|folder| Path::new(folder).join(MODEL_FILE));
    let mut noise = String::new();
    let mut of_probe = Spent::default();
    if let Some(model) = model.filter(|model| model.exists()) {
        let out = model.with_file_name("probe.json");
        if !out.exists() {
            let weights = Weights::File(model);
            let mut request = ProbeRequest::new(search, &chosen, weights, out, PROBE_BATCHES);
            request.flags.flag("--critical-batches", &1);
            return Ok(Next::Probe(vec![request]));
        }
        let probe = probe::read(&out)?;
        noise = noise_sentence(&probe, chosen.batch_size);
        of_probe = search.probe_spent(&probe);
    }
    let mut trials = ramps.to_vec();
    trials.extend(halving::trials(search, &scored));
    let ramp_of = |size: usize| {
        sweep.sizes.iter().position(|other| *other == size).map_or_else(Vec::new, |at| folders(search, &ramps[at..=at]))
    };
    let decision = Decision {
        step: search.step.name().to_owned(),
        question: QUESTION.to_owned(),
        candidates: scored.iter().map(|one| record(one, ramp_of(one.candidate.training.batch_size))).collect(),
        chosen: chosen.batch_size.to_string(),
        reason: format!(
            "Every size trained equally long, at the rate that its own range test suggests. {}{}{noise}",
            picked.reason,
            halving::settled_sentence(&scored)
        ),
        spent: search.spent(&trials)?.plus(&of_probe),
    };
    search.decided(|training| *training = chosen, decision, &trials)
}
