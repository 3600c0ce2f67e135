//! The highest rate, by the rule that `sc-analyze suggest` applies to range tests of the setting as it now is; and the
//! cycle that follows from it.

use artifacts::number::rate;
use artifacts::recipe::{self, Decision, Recipe, Spent, Training};
use artifacts::suggestion::{About, Suggestion};

use super::{
    MIN_RANGE_TEST_STEPS, MIN_TRAINING_STEPS, RampOf, Ramps, folders, no_rate, probe_cost, ramp_steps, suggested,
};
use crate::Result;
use crate::cycle;
use crate::halving::{self, Candidate, Scored, Standing};
use crate::pick::noise;
use crate::search::{Next, Search, record};
use crate::steps::length_of;

const QUESTION: &str = "How high may the learning rate go?";
/// Rates nearer than this factor are not compared by runs.
const SAME: f64 = 1.15;

pub(super) fn next(search: &Search) -> Result<Next> {
    let (remaining, training) = (search.remaining(), &search.recipe.training);
    let allotment = search.allotment();
    // As long as the training that is to come asks for, but at most half of what this step may cost.
    let served = length_of(&remaining, &search.recipe, remaining.amount - allotment);
    let seeds = &search.seeds[..search.seeds.len().min(2)];
    let each = 0.5 * allotment / seeds.len() as f64 - probe_cost(&remaining, training.batch_size);
    let afford = remaining.steps(each.max(0.0), training.batch_size);
    let steps = ramp_steps(served).min(afford).max(MIN_RANGE_TEST_STEPS);
    let seeds = if afford < MIN_RANGE_TEST_STEPS { &seeds[..1] } else { seeds };
    let of: Vec<RampOf> = seeds.iter().map(|seed| ("rate".to_owned(), training.clone(), *seed)).collect();
    let ramps = match super::ramps(search, &of, &vec![steps; of.len()])? {
        Ramps::Ask(next) => return Ok(next),
        Ramps::Ready(ramps) => ramps,
    };
    let suggestion = suggested(search, &ramps)?;
    let by_rule = suggestion.as_ref().and_then(|suggestion| suggestion.max_lr);
    let why = suggestion.map(|suggestion| why(&suggestion)).unwrap_or_default();
    let left = allotment - search.spent(&ramps)?.amount(remaining.unit);
    let (chosen, reason, candidates, trials) = match (by_rule, training.max_lr) {
        (None, None) => return Err(no_rate(search)),
        (None, Some(before)) => (
            before,
            "The rule found no rate here: the one that the steps before used was kept.".to_owned(),
            Vec::new(),
            ramps.clone(),
        ),
        (Some(rule), before) => {
            let among = candidates_of(search, rule, before, left);
            let sizes = halving::rounds(among.len(), 2.min(search.seeds.len()));
            let scored = match halving::standing(search, &among, &sizes, left)? {
                Standing::Run(missing) => return Ok(Next::Run(missing)),
                Standing::Over(scored) => scored,
            };
            let (chosen, sentence) = guarded(search, rule, &scored);
            let mut trials = ramps.clone();
            trials.extend(halving::trials(search, &scored));
            let ramps = folders(search, &ramps);
            let mut candidates: Vec<recipe::Candidate> = scored.iter().map(|one| record(one, ramps.clone())).collect();
            if candidates.is_empty() {
                candidates.push(without_runs(search, rule, ramps));
            }
            (chosen, format!("{why} {sentence}{}", halving::settled_sentence(&scored)), candidates, trials)
        }
    };
    let decision = Decision {
        step: search.step.name().to_owned(),
        question: QUESTION.to_owned(),
        candidates,
        chosen: rate(chosen),
        reason: reason.trim().to_owned(),
        spent: search.spent(&trials)?,
    };
    let next = search.decided(|training| cycle::set_rates(training, chosen), decision, &trials)?;
    Ok(match next {
        Next::Decided(recipe) => Next::Decided(Box::new(with_cycle(*recipe))),
        other => other,
    })
}

/// What a reader of the decision needs of the suggestion's reasons: what happened, and where the rate comes from.
fn why(suggestion: &Suggestion) -> String {
    let wanted = suggestion.reasons.iter().filter(|reason| matches!(reason.about, About::Outcome | About::HighestRate));
    let sentences = wanted.map(|reason| {
        let mut letters = reason.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    });
    sentences.collect::<Vec<String>>().join(" ")
}

/// The rule's rate where nothing was run to check it: the report still shows its range tests.
fn without_runs(search: &Search, rule: f64, range_tests: Vec<String>) -> recipe::Candidate {
    let training = Training { max_lr: Some(rule), ..search.recipe.training.clone() };
    let candidate = Candidate { name: format!("{} (rule)", rate(rule)), training, iterations: 0 };
    record(&Scored::new(&candidate), range_tests)
}

/// The rule's rate against the one that the steps before used: the costly error is a rate past the cliff.
fn candidates_of(search: &Search, rule: f64, before: Option<f64>, left: f64) -> Vec<Candidate> {
    let training = &search.recipe.training;
    let candidate = |name: &str, max_lr: f64, iterations: u64| Candidate {
        name: format!("{} ({name})", rate(max_lr)),
        training: Training { max_lr: Some(max_lr), ..training.clone() },
        iterations,
    };
    let differs = |before: &f64| (before / rule).max(rule / before) > SAME;
    let Some(before) = before.filter(differs) else {
        return Vec::new();
    };
    let runs = halving::runs(2, 2.min(search.seeds.len())) as f64;
    let steps = [runs, 2.0].map(|runs| search.remaining().steps(left / runs, training.batch_size));
    match steps.into_iter().find(|steps| *steps >= MIN_TRAINING_STEPS) {
        Some(steps) => vec![candidate("rule", rule, steps), candidate("before", before, steps)],
        None => Vec::new(),
    }
}

/// The rule's rate, unless short runs show that the other ends higher beyond noise.
fn guarded(search: &Search, rule: f64, scored: &[Scored]) -> (f64, String) {
    let means: Vec<f64> = scored.iter().filter_map(Scored::mean_accuracy).collect();
    let [of_rule, of_before] = means[..] else {
        return (rule, "Taken as the rule gives it.".to_owned());
    };
    let rule = scored[0].candidate.training.max_lr.unwrap_or(rule);
    let noise = noise(scored, &[0, 1], of_rule.max(of_before), search.recipe.setting.held_out_images);
    let before = scored[1].candidate.training.max_lr.unwrap_or(rule);
    let points = |fraction: f64| format!("{:.1}", 100.0 * fraction);
    let compared = format!(
        "short runs at {} end at {}% and at {}, the rate of the steps before, at {}% validation accuracy (noise {} points)",
        rate(rule),
        points(of_rule),
        rate(before),
        points(of_before),
        points(noise)
    );
    if of_before - of_rule > noise {
        (before, format!("But {compared}: that rate was kept."))
    } else {
        (rule, format!("In support, {compared}."))
    }
}

/// Adds the decision that needs no run: where the cycle starts and how it ends.
fn with_cycle(mut recipe: Recipe) -> Recipe {
    let training = &recipe.training;
    let momentum = match (training.max_momentum, training.min_momentum) {
        (Some(max), Some(min)) => format!("momentum cycles from {max} down to {min} and back, against the rate"),
        _ => format!("momentum stays at {}", training.momentum),
    };
    let (chosen, origin) = cycle::in_words(training);
    let reason = format!("{origin}; {momentum}. No run was spent on this.");
    recipe.decisions.push(Decision {
        step: "cycle".to_owned(),
        question: "Where does the cycle start, and how does it end?".to_owned(),
        candidates: Vec::new(),
        chosen,
        reason,
        spent: Spent::default(),
    });
    recipe
}
