//! Length ("do fewer iterations"): the longest training that the budget allows, a half and a quarter of it. The shortest
//! that ends within noise of the longest is taken; the budget keeps what the last run needs.

use artifacts::number::{count, percent};
use artifacts::recipe::{Decision, Recipe, Training};

use super::{MIN_RANGE_TEST_STEPS, Provisional, provisional_rate};
use crate::Result;
use crate::budget::Remaining;
use crate::cycle;
use crate::halving::{self, Candidate, Scored};
use crate::pick::noise;
use crate::search::{Next, Search, record};
use crate::trial::Trial;

const QUESTION: &str = "How few steps are enough?";
/// Lengths tried, as shares of the longest.
const SHARES: [f64; 3] = [1.0, 0.5, 0.25];

/// Steps of the longest training, where trainings of all `SHARES` and the last run may cost `left`.
pub(crate) fn length_of(remaining: &Remaining, recipe: &Recipe, left: f64) -> u64 {
    let batch_size = recipe.training.batch_size;
    let images = recipe.setting.train_images + recipe.setting.held_out_images;
    let last = remaining.last_measurements(recipe.setting.test_images, images, batch_size);
    let overheads = (SHARES.len() + 1) as f64 * remaining.cost(0, batch_size);
    let of_steps = (left - last - overheads).max(0.0) / (SHARES.iter().sum::<f64>() + 1.0);
    remaining.steps(of_steps + remaining.cost(0, batch_size), batch_size)
}

pub(super) fn next(search: &Search) -> Result<Next> {
    let (max_lr, ramps) = match provisional_rate(search)? {
        Provisional::Ask(next) => return Ok(next),
        Provisional::Known(max_lr, ramps) => (max_lr, ramps),
    };
    let remaining = search.remaining();
    let left = remaining.amount - search.spent(&ramps)?.amount(remaining.unit);
    let longest = length_of(&remaining, &search.recipe, left);
    let mut training = Training { max_lr: Some(max_lr), ..search.recipe.training.clone() };
    let lengths =
        SHARES.iter().map(|share| (longest as f64 * share) as u64).filter(|steps| *steps >= MIN_RANGE_TEST_STEPS);
    let mut scored: Vec<Scored> = Vec::new();
    let mut trials = ramps;
    for length in lengths {
        let candidate = Candidate { name: length.to_string(), training: training.clone(), iterations: length };
        let first = halving::settle(search, &candidate, search.seeds[0], true)?;
        let settled = match first.missing {
            // What is begun must be finished, and the last run be paid for.
            Some(trial) => {
                let mut before = trials.clone();
                before.extend(first.scored.abandoned.iter().cloned());
                let cost = search.spent(&before)?.amount(remaining.unit) + remaining.cost(length, training.batch_size);
                let fits = cost + last_run(search, longest, &scored) <= remaining.amount;
                if fits || (scored.is_empty() && first.scored.abandoned.is_empty()) {
                    return Ok(Next::Run(vec![trial]));
                }
                halving::settle(search, &candidate, search.seeds[0], false)?
            }
            None => first,
        };
        if settled.missing.is_some() {
            break;
        }
        trials.extend(halving::trials(search, std::slice::from_ref(&settled.scored)));
        // The rate that a longer training settled for holds for the shorter ones too.
        training = settled.scored.candidate.training.clone();
        scored.push(settled.scored);
    }
    decide(search, training, longest, &scored, &trials)
}

/// What the last run costs at this length, at the speed of the runs just made.
fn last_run(search: &Search, steps: u64, scored: &[Scored]) -> f64 {
    let setting = &search.recipe.setting;
    let batch_size = search.recipe.training.batch_size;
    let slowest = scored.iter().filter_map(|one| one.images_per_second).reduce(f64::min);
    let remaining = search.remaining().with_speeds(slowest.map(|speed| (batch_size, speed)).into_iter().collect());
    let images = setting.train_images + setting.held_out_images;
    remaining.cost(steps, batch_size) + remaining.last_measurements(setting.test_images, images, batch_size)
}

fn decide(search: &Search, training: Training, longest: u64, scored: &[Scored], trials: &[Trial]) -> Result<Next> {
    let remaining = search.remaining();
    let spent = search.spent(trials)?;
    let left = remaining.amount - spent.amount(remaining.unit);
    let (chosen, mut reason) = shortest_as_good(search, longest, scored);
    // On a machine that has become slower the chosen length may no longer fit.
    let affordable = chosen.min(affordable(search, left, scored)).max(2);
    if affordable < chosen {
        reason = format!("{reason} What is left of the budget is enough for only {} steps.", count(affordable));
    }
    let decision = Decision {
        step: search.step.name().to_owned(),
        question: QUESTION.to_owned(),
        candidates: scored.iter().rev().map(|one| record(one, Vec::new())).collect(),
        chosen: format!("{} steps", count(affordable)),
        reason: format!("{reason}{}", halving::settled_sentence(scored)),
        spent,
    };
    let change = |of_recipe: &mut Training| {
        *of_recipe = training;
        cycle::set_length(of_recipe, affordable);
    };
    search.decided(change, decision, trials)
}

fn affordable(search: &Search, left: f64, scored: &[Scored]) -> u64 {
    let none = last_run(search, 0, scored);
    let all = last_run(search, 1_000_000, scored);
    ((left - none).max(0.0) / (all - none) * 1e6) as u64
}

fn shortest_as_good(search: &Search, longest: u64, scored: &[Scored]) -> (u64, String) {
    let Some(best) = scored.first() else {
        return (longest, "The budget is too small to compare lengths: the last run gets what is left.".to_owned());
    };
    let accuracy = |one: &Scored| one.mean_accuracy().unwrap_or(0.0);
    let noise = noise(scored, &[0], accuracy(best), search.recipe.setting.held_out_images);
    let measured: Vec<String> = scored
        .iter()
        .map(|one| format!("{} steps {}", count(one.candidate.iterations), percent(accuracy(one))))
        .collect();
    let measured = format!("Validation accuracy: {}.", measured.join(", "));
    if search.longest {
        return (best.candidate.iterations, format!("{measured} The longest was asked for."));
    }
    let as_good = scored.iter().filter(|one| accuracy(best) - accuracy(one) <= noise);
    let shortest = as_good.map(|one| one.candidate.iterations).min().unwrap_or(longest);
    let points = format!("{:.1} points", 100.0 * noise);
    let why = if shortest == best.candidate.iterations {
        format!("No shorter one ends within noise ({points}) of the longest.")
    } else {
        format!("{} steps is the shortest that ends within noise ({points}) of the longest tried.", count(shortest))
    };
    (shortest, format!("{measured} {why}"))
}
