//! Rivals that use less than the streamlined search, or the same knowledge otherwise: what it is worth shows beside them. Each starts
//! from the same setting and may train on as many images in all, the last run counted.

use artifacts::number::{count, rate, round_digits};
use artifacts::recipe::{Decision, Spent, Training, Unit};
use cli::Failure;

use super::moves_by_the_rate;
use super::random::{Round, Scores, best_of, chosen, draw, lengths, round};
use crate::Result;
use crate::halving::Candidate;
use crate::search::{Next, Search};

/// Customary highest rates, a person's first grid: for SGD, and for methods that move each weight by about the rate itself.
const CUSTOMARY: [[f64; 4]; 2] = [[0.01, 0.03, 0.1, 0.3], [3e-4, 1e-3, 3e-3, 1e-2]];
/// Draws around a setting lie within this factor of its rate, either way.
const RATE_FACTOR: f64 = 4.0;
/// Of its 1 - momentum.
const MOMENTUM_FACTOR: f64 = 3.0;
/// Of its weight decay.
const DECAY_FACTOR: f64 = 30.0;
/// Share of a full training that each draw around a setting gets at first.
const FIRST_SHARE: f64 = 0.25;

/// Four customary rates at the setting as it is, one run each; the best trains once more, as long as each of them.
pub(super) fn rate_grid(search: &Search) -> Result<Next> {
    let remaining = search.remaining();
    if remaining.unit != Unit::Images {
        return Err(
            Failure::unusable("a grid of rates needs a budget in steps").hint("start the search with --budget 5000it")
        );
    }
    let training = &search.recipe.training;
    let rates = CUSTOMARY[usize::from(moves_by_the_rate(&training.optimizer))];
    let iterations = remaining.steps(remaining.amount / (rates.len() + 1) as f64, training.batch_size);
    let candidates = rates.map(|max_lr| Candidate {
        name: rate(max_lr),
        training: Training { max_lr: Some(max_lr), ..training.clone() },
        iterations,
    });
    let scores = match round(search, &candidates)? {
        Round::Ask(next) => return Ok(next),
        Round::Over(scores) => scores,
    };
    let best = best_of(&scores.scored)?.clone();
    let reason = format!("of {} customary rates {} has the highest validation accuracy.", rates.len(), best.name);
    chosen(search, "Which of four customary rates is best?", best, &scores, reason)
}

/// No search: the setting as it is, at its rate, for all that is left.
pub(super) fn whole(search: &Search) -> Result<Next> {
    let (remaining, training) = (search.remaining(), &search.recipe.training);
    needs_rate(training)?;
    let iterations = remaining.steps(remaining.amount, training.batch_size);
    let decision = Decision {
        step: search.step.name().to_owned(),
        question: "How long does the last run train?".to_owned(),
        candidates: Vec::new(),
        chosen: count(iterations),
        reason: "all that is left goes into the last run.".to_owned(),
        spent: Spent::default(),
    };
    search.decided(|training| training.iterations = Some(iterations), decision, &[])
}

/// Random draws around the setting and its rate, by successive halving over length: each trains for a quarter of a full training,
/// the best quarter of them for a full one. The setting itself is the first draw.
pub(super) fn random_around(search: &Search) -> Result<Next> {
    needs_rate(&search.recipe.training)?;
    let (remaining, images) = lengths(search)?;
    // Half of what the last run leaves for the first round, half for the second.
    let trainings = remaining / images - 1.0;
    let draws = (0.5 * trainings / FIRST_SHARE) as usize;
    let short: Vec<Candidate> = (0..draws).map(|k| drawn(search, k, FIRST_SHARE * images)).collect();
    let first = match round(search, &short)? {
        Round::Ask(next) => return Ok(next),
        Round::Over(scores) => scores,
    };
    let mut order: Vec<usize> = (0..first.scored.len()).collect();
    let accuracy = |index: &usize| first.scored[*index].mean_accuracy().unwrap_or(0.0);
    order.sort_by(|a, b| accuracy(b).total_cmp(&accuracy(a)));
    order.truncate(((0.5 * trainings) as usize).max(1));
    let finalists: Vec<Candidate> = order.iter().map(|index| full(&short[*index], images)).collect();
    let second = match round(search, &finalists)? {
        Round::Ask(next) => return Ok(next),
        Round::Over(scores) => scores,
    };
    let best = best_of(&second.scored)?.clone();
    let reason = format!(
        "{draws} draws around the setting, {} of them trained in full; {} has the highest validation accuracy.",
        finalists.len(),
        best.name
    );
    let mut all = Scores { scored: first.scored, trials: first.trials };
    all.scored.extend(second.scored);
    all.trials.extend(second.trials);
    chosen(
        search,
        "Which of some draws around the setting reaches the highest validation accuracy?",
        best,
        &all,
        reason,
    )
}

/// Draw number `k`; the first is the setting itself. Rate, 1 - momentum and weight decay log-uniform around the setting's, the
/// batch half, once or twice as large.
fn drawn(search: &Search, k: usize, images: f64) -> Candidate {
    let given = &search.recipe.training;
    let around = |what: &str, factor: f64| factor.powf(2.0 * draw(search, k, what) - 1.0);
    let mut training = given.clone();
    if k > 0 {
        let most = search.recipe.setting.train_images / 4;
        let sizes = [given.batch_size / 2, given.batch_size, 2 * given.batch_size];
        let size = sizes[((3.0 * draw(search, k, "batch size")) as usize).min(2)];
        training.batch_size = if size >= 8 && size <= most { size } else { given.batch_size };
        let left = (1.0 - given.momentum) * around("momentum", MOMENTUM_FACTOR);
        training.momentum = round_digits(1.0 - left.clamp(0.01, 1.0), 3);
        training.weight_decay = round_digits(given.weight_decay * around("weight decay", DECAY_FACTOR), 3);
        training.max_lr = given.max_lr.map(|max_lr| round_digits(max_lr * around("rate", RATE_FACTOR), 3));
    }
    let name = format!(
        "draw{}-bs{}-m{}-wd{}-lr{}",
        k + 1,
        training.batch_size,
        training.momentum,
        rate(training.weight_decay),
        rate(training.max_lr.unwrap_or_default())
    );
    Candidate { name, iterations: (images / training.batch_size as f64) as u64, training }
}

/// The same draw as a full training.
fn full(short: &Candidate, images: f64) -> Candidate {
    let iterations = (images / short.training.batch_size as f64) as u64;
    Candidate { name: format!("{}-full", short.name), training: short.training.clone(), iterations }
}

fn needs_rate(training: &Training) -> Result<()> {
    if training.max_lr.is_some() {
        return Ok(());
    }
    Err(Failure::unusable("the recipe has no highest rate to start from").hint("make the step rate first"))
}
