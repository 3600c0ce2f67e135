//! The baseline: random search over the same choices (Bergstra and Bengio, JMLR 13, 2012). Every draw is trained as long as
//! the last run, and the best by validation accuracy is taken.

use artifacts::number::{rate, round_digits};
use artifacts::recipe::{Decision, Training, Unit};
use artifacts::sha256;
use cli::Failure;
use schedules::MOMENTUM_BOUNDS;

use super::{MIN_RANGE_TEST_STEPS, moves_by_the_rate};
use crate::Result;
use crate::halving::{self, Candidate, Scored};
use crate::search::{Next, Search, record};
use crate::trial::Trial;

const QUESTION: &str = "Which of some random draws reaches the highest validation accuracy?";

pub(super) fn next(search: &Search) -> Result<Next> {
    let (remaining, images) = lengths(search)?;
    let draws = ((remaining / images) as usize).saturating_sub(1);
    let candidates: Vec<Candidate> = (0..draws).map(|k| drawn(search, k, images)).collect();
    let round = match round(search, &candidates)? {
        Round::Ask(next) => return Ok(next),
        Round::Over(round) => round,
    };
    let best = best_of(&round.scored)?;
    let reason = format!("{draws} draws, one run each; {} has the highest validation accuracy.", best.name);
    chosen(search, QUESTION, best.clone(), &round, reason)
}

/// What is left of a budget of images, and the images that each full training takes.
pub(super) fn lengths(search: &Search) -> Result<(f64, f64)> {
    let remaining = search.remaining();
    if let Some(images) = search.images_each.filter(|_| remaining.unit == Unit::Images) {
        return Ok((remaining.amount, images));
    }
    let hint = "start the search with --budget 5000it, and pass --like with the recipe to compare with";
    let message = "a random search needs a budget in steps and a length for its trainings";
    Err(Failure::unusable(message).hint(hint))
}

/// Candidates that train once each, all with the first seed.
pub(super) enum Round {
    /// Something is missing.
    Ask(Next),
    /// All are scored.
    Over(Scores),
}

/// What they reached, and their runs.
pub(super) struct Scores {
    /// In the order of the candidates.
    pub(super) scored: Vec<Scored>,
    /// Their runs.
    pub(super) trials: Vec<Trial>,
}

/// Scores candidates by one run each.
pub(super) fn round(search: &Search, candidates: &[Candidate]) -> Result<Round> {
    let trials: Vec<_> = candidates.iter().map(|candidate| halving::trial(candidate, search.seeds[0])).collect();
    let missing = search.missing(&trials)?;
    if !missing.is_empty() {
        return Ok(Round::Ask(Next::Run(missing)));
    }
    let mut scored = Vec::new();
    for (candidate, trial) in candidates.iter().zip(&trials) {
        scored.extend(search.done(trial)?.map(|done| Scored::of(candidate, &done)));
    }
    Ok(Round::Over(Scores { scored, trials }))
}

/// The candidate with the highest accuracy, the first of equals.
pub(super) fn best_of(scored: &[Scored]) -> Result<&Candidate> {
    let accuracy = |one: &Scored| one.mean_accuracy().unwrap_or(0.0);
    let best = scored.iter().reduce(|best, one| if accuracy(one) > accuracy(best) { one } else { best });
    best.map(|best| &best.candidate).ok_or_else(|| {
        Failure::unusable("the budget is too small for one draw and the last run").hint("use a larger --budget")
    })
}

/// The recipe with the chosen candidate's training, for as many steps as the candidate says.
pub(super) fn chosen(
    search: &Search,
    question: &str,
    best: Candidate,
    scores: &Scores,
    reason: String,
) -> Result<Next> {
    let decision = Decision {
        step: search.step.name().to_owned(),
        question: question.to_owned(),
        candidates: scores.scored.iter().map(|one| record(one, Vec::new())).collect(),
        chosen: best.name,
        reason,
        spent: search.spent(&scores.trials)?,
    };
    search.decided(
        |training| {
            *training = best.training;
            training.iterations = Some(best.iterations);
        },
        decision,
        &scores.trials,
    )
}

/// Draw number `k`: batch size one of those that the streamlined search tries; momentum .95 to .85 in one of five, else
/// 1 - momentum log-uniform from 0.01 to 0.2; weight decay log-uniform from 1e-9 to 1e-2; highest rate log-uniform from
/// 1e-3 to 10 (adaptive methods: 1e-5 to 0.1).
fn drawn(search: &Search, k: usize, images: f64) -> Candidate {
    let training = &search.recipe.training;
    let draw = |what: &str| draw(search, k, what);
    let log_uniform = |what: &str, low: f64, high: f64| low * (high / low).powf(draw(what));
    let most = (search.recipe.setting.train_images / 4).min((images / MIN_RANGE_TEST_STEPS as f64) as usize);
    let sizes: Vec<usize> = [0.25, 0.5, 1.0, 2.0, 4.0]
        .iter()
        .map(|factor| (training.batch_size as f64 * factor) as usize)
        .filter(|size| *size == training.batch_size || (*size >= 8 && *size <= most))
        .collect();
    let batch_size = sizes[((draw("batch size") * sizes.len() as f64) as usize).min(sizes.len() - 1)];
    let cycles = draw("cycle") < 0.2;
    let (upper, lower) = MOMENTUM_BOUNDS;
    let momentum = if cycles { lower } else { round_digits(1.0 - log_uniform("momentum", 0.01, 0.2), 3) };
    let (low, high) = if moves_by_the_rate(&training.optimizer) { (1e-5, 0.1) } else { (1e-3, 10.0) };
    let training = Training {
        batch_size,
        momentum,
        max_momentum: cycles.then_some(upper),
        min_momentum: cycles.then_some(lower),
        weight_decay: round_digits(log_uniform("weight decay", 1e-9, 1e-2), 3),
        max_lr: Some(round_digits(log_uniform("rate", low, high), 3)),
        ..training.clone()
    };
    let name = format!(
        "draw{}-bs{batch_size}-m{momentum}-wd{}-lr{}",
        k + 1,
        rate(training.weight_decay),
        rate(training.max_lr.unwrap_or_default())
    );
    Candidate { name, iterations: (images / batch_size as f64) as u64, training }
}

/// A number from 0 to below 1 for choice `what` of draw `k`. The data, the net and the optimizer go into it beside the seed: other
/// settings are tried at other points, so that their luck is drawn anew.
pub(super) fn draw(search: &Search, k: usize, what: &str) -> f64 {
    let setting = &search.recipe.setting;
    let optimizer = &search.recipe.training.optimizer;
    uniform(&format!("{} {} {optimizer} {} {k} {what}", setting.data_sha256, setting.net, search.seeds[0]))
}

/// A number from 0 to below 1 that depends on `what` alone: the first 52 bits of its SHA-256.
fn uniform(what: &str) -> f64 {
    let bytes = sha256::digest(what.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    (u64::from_be_bytes(first) >> 12) as f64 / (1u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread_over_the_unit_interval_and_repeat() {
        let draws: Vec<f64> = (0..1000).map(|k| uniform(&format!("1 {k} rate"))).collect();
        let mean = draws.iter().sum::<f64>() / 1000.0;
        assert!((mean - 0.5).abs() < 0.03 && draws.iter().all(|u| (0.0..1.0).contains(u)), "{mean}");
        assert_eq!(draws[7], uniform("1 7 rate"));
    }
}
