//! Successive halving (Jamieson and Talwalkar, arXiv:1502.07943), over seeds instead of lengths: all candidates train with
//! the first seed, the better half with the next, and so on.

use artifacts::number::round_digits;
use artifacts::recipe::Training;
use reading::stats::summary;

use crate::Result;
use crate::search::Search;
use crate::trial::{Done, Trial, TrialKind};

/// What a rate is divided by where a run failed at it.
const BACKOFF: f64 = 4.0;
/// Times that it may be.
const MOST_BACKOFFS: usize = 3;

/// One candidate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    /// Its name.
    pub name: String,
    /// How it trains.
    pub training: Training,
    /// Steps of each of its runs.
    pub iterations: u64,
}

/// A candidate with what its runs measured.
#[derive(Clone, Debug)]
pub(crate) struct Scored {
    /// The candidate.
    pub candidate: Candidate,
    /// Final validation accuracy of each run, at chance where it diverged.
    pub accuracies: Vec<f64>,
    /// Final validation loss of each run; none where it diverged.
    pub losses: Vec<Option<f64>>,
    /// Runs that diverged.
    pub diverged: usize,
    /// Folders of the runs.
    pub folders: Vec<String>,
    /// Images per second, where speeds were compared.
    pub images_per_second: Option<f64>,
    /// Runs given up at a rate that was too high.
    pub abandoned: Vec<Trial>,
}

impl Scored {
    /// A candidate that has not run.
    pub(crate) fn new(candidate: &Candidate) -> Self {
        Self {
            candidate: candidate.clone(),
            accuracies: Vec::new(),
            losses: Vec::new(),
            diverged: 0,
            folders: Vec::new(),
            images_per_second: None,
            abandoned: Vec::new(),
        }
    }

    /// The score of a single run, its speed with it.
    pub(crate) fn of(candidate: &Candidate, done: &Done) -> Self {
        let mut scored = Self::new(candidate);
        scored.add(done);
        scored.images_per_second = done.run.result.images_per_second;
        scored
    }

    /// Mean accuracy.
    pub(crate) fn mean_accuracy(&self) -> Option<f64> {
        summary(&self.accuracies).map(|summary| summary.mean)
    }

    /// Mean loss; none where a run diverged.
    pub(crate) fn mean_loss(&self) -> Option<f64> {
        let losses: Vec<f64> = self.losses.iter().copied().collect::<Option<_>>()?;
        summary(&losses).map(|summary| summary.mean)
    }

    fn add(&mut self, done: &Done) {
        self.accuracies.push(done.accuracy());
        self.losses.push(done.loss());
        self.diverged += usize::from(done.run.diverged());
        self.folders.push(done.run.folder.display().to_string());
    }
}

/// How far the rounds have come.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// These runs are missing.
    Run(Vec<Trial>),
    /// All rounds are over.
    Over(Vec<Scored>),
}

/// The number of candidates in each round: all, and after the first round half as many each time, at least two.
pub(crate) fn rounds(candidates: usize, seeds: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut size = candidates;
    for _ in 0..seeds {
        sizes.push(size);
        size = size.div_ceil(2).max(2).min(candidates);
    }
    sizes
}

/// Runs of so many candidates over so many rounds.
pub(crate) fn runs(candidates: usize, seeds: usize) -> usize {
    rounds(candidates, seeds).iter().sum()
}

/// The trial of a candidate with a seed.
pub(crate) fn trial(candidate: &Candidate, seed: u64) -> Trial {
    Trial {
        name: candidate.name.clone(),
        kind: TrialKind::Cycle,
        training: candidate.training.clone(),
        iterations: candidate.iterations,
        seed,
    }
}

/// The runs behind these scores.
pub(crate) fn trials(search: &Search, scored: &[Scored]) -> Vec<Trial> {
    let of = |one: &Scored| -> Vec<Trial> {
        let runs = search.seeds.iter().take(one.accuracies.len()).map(|seed| trial(&one.candidate, *seed));
        one.abandoned.iter().cloned().chain(runs).collect()
    };
    scored.iter().flat_map(of).collect()
}

/// A candidate with its first run; where that failed at its rate, at a lower one.
///
/// A range test of some steps cannot see all that a longer training at its rate will meet, and a candidate must not lose
/// for that alone: a run that blows up, or ends no better than a guess, is made again at a quarter of the rate.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    /// The run that is missing; none where the candidate is scored.
    pub missing: Option<Trial>,
    /// The candidate, at the rate that it settled for so far.
    pub scored: Scored,
}

/// How a candidate settles. `patient`: whether a failed run may be made again.
///
/// # Errors
/// When a record cannot be read.
pub(crate) fn settle(search: &Search, candidate: &Candidate, seed: u64, patient: bool) -> Result<Settled> {
    let mut scored = Scored::new(candidate);
    loop {
        let trial = trial(&scored.candidate, seed);
        let Some(done) = search.done(&trial)? else {
            return Ok(Settled { missing: Some(trial), scored });
        };
        let lower = scored.candidate.training.max_lr.map(|lr| round_digits(lr / BACKOFF, 4));
        if done.failed() && lower.is_some() && scored.abandoned.len() < MOST_BACKOFFS {
            let mut at_lower = scored.candidate.clone();
            at_lower.training.max_lr = lower;
            // The cycle keeps its shape.
            for rate in [&mut at_lower.training.min_lr, &mut at_lower.training.final_lr] {
                *rate = rate.map(|lr| round_digits(lr / BACKOFF, 4));
            }
            let known = search.done(&self::trial(&at_lower, seed))?.is_some();
            if patient || known {
                scored.abandoned.push(trial);
                scored.candidate = at_lower;
                continue;
            }
        }
        scored.add(&done);
        scored.images_per_second = done.run.result.images_per_second;
        return Ok(Settled { missing: None, scored });
    }
}

/// How far the rounds of these candidates have come, with so many of them in each ([`rounds`]), and a seed of its own for
/// each. A later round, or another try at a lower rate, is not begun when it would cost more than `left`; what was
/// begun is finished.
///
/// # Errors
/// When a record cannot be read.
pub(crate) fn standing(search: &Search, candidates: &[Candidate], sizes: &[usize], left: f64) -> Result<Standing> {
    let mut scored = match first_round(search, candidates, left)? {
        Standing::Over(scored) => scored,
        missing @ Standing::Run(_) => return Ok(missing),
    };
    let mut left = left - search.spent(&trials(search, &scored))?.amount(search.remaining().unit);
    for (round, (size, seed)) in sizes.iter().zip(&search.seeds).enumerate().skip(1) {
        let among = best(&scored, round, *size);
        let trials: Vec<Trial> = among.iter().map(|i| trial(&scored[*i].candidate, *seed)).collect();
        let missing = search.missing(&trials)?;
        left -= search.spent(&trials)?.amount(search.remaining().unit);
        if !missing.is_empty() {
            let untouched = missing.len() == trials.len();
            return Ok(if untouched && cost(search, &missing) > left {
                Standing::Over(scored)
            } else {
                Standing::Run(missing)
            });
        }
        for (i, trial) in among.iter().zip(&trials) {
            if let Some(done) = search.done(trial)? {
                scored[*i].add(&done);
            }
        }
    }
    Ok(Standing::Over(scored))
}

fn first_round(search: &Search, candidates: &[Candidate], left: f64) -> Result<Standing> {
    let Some(seed) = search.seeds.first() else {
        return Ok(Standing::Over(Vec::new()));
    };
    let settle_all = |patient: bool| {
        candidates.iter().map(|candidate| settle(search, candidate, *seed, patient)).collect::<Result<Vec<_>>>()
    };
    let mut settled = settle_all(true)?;
    let missing = |settled: &[Settled]| settled.iter().filter_map(|one| one.missing.clone()).collect::<Vec<_>>();
    let again = settled.iter().filter(|one| one.missing.is_some()).all(|one| !one.scored.abandoned.is_empty());
    if again && !missing(&settled).is_empty() {
        let all: Vec<Scored> = settled.iter().map(|one| one.scored.clone()).collect();
        let spent = search.spent(&trials(search, &all))?.amount(search.remaining().unit);
        if cost(search, &missing(&settled)) > left - spent {
            settled = settle_all(false)?;
        }
    }
    let missing = missing(&settled);
    Ok(if missing.is_empty() {
        Standing::Over(settled.into_iter().map(|one| one.scored).collect())
    } else {
        Standing::Run(missing)
    })
}

fn cost(search: &Search, trials: &[Trial]) -> f64 {
    let remaining = search.remaining();
    trials.iter().map(|trial| remaining.cost(trial.iterations, trial.training.batch_size)).sum()
}

/// What there is to say of candidates that had to settle for a lower rate.
pub(crate) fn settled_sentence(scored: &[Scored]) -> String {
    let lowered: Vec<&str> =
        scored.iter().filter(|one| !one.abandoned.is_empty()).map(|one| one.candidate.name.as_str()).collect();
    if lowered.is_empty() {
        return String::new();
    }
    format!(" At the rate first tried {} failed to train, and ran again at a lower one.", lowered.join(", "))
}

/// The `size` best of those that took part in every round so far, in the order of the candidates.
fn best(scored: &[Scored], rounds: usize, size: usize) -> Vec<usize> {
    let mut among: Vec<usize> = (0..scored.len()).filter(|i| scored[*i].accuracies.len() == rounds).collect();
    let key = |i: usize| (scored[i].mean_accuracy().unwrap_or(0.0), -scored[i].mean_loss().unwrap_or(f64::INFINITY));
    // A stable sort: of equals the candidate listed first stays.
    among.sort_by(|a, b| key(*b).partial_cmp(&key(*a)).unwrap_or(std::cmp::Ordering::Equal));
    among.truncate(size);
    among.sort_unstable();
    among
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn scored(name: &str, accuracies: &[f64], loss: f64) -> Scored {
        Scored {
            candidate: Candidate { name: name.to_owned(), training: crate::start::tests::training(), iterations: 100 },
            accuracies: accuracies.to_vec(),
            losses: vec![Some(loss); accuracies.len()],
            diverged: 0,
            folders: Vec::new(),
            images_per_second: None,
            abandoned: Vec::new(),
        }
    }

    #[test]
    fn every_round_halves_the_field() {
        assert_eq!(rounds(5, 3), [5, 3, 2]);
        assert_eq!(rounds(2, 2), [2, 2]);
        assert_eq!(rounds(1, 2), [1, 1]);
        assert_eq!((runs(7, 1), runs(7, 2)), (7, 11));
    }

    #[test]
    fn the_better_half_goes_on_in_its_old_order() {
        let mut field = vec![scored("a", &[0.7], 1.0), scored("b", &[0.9], 1.0), scored("c", &[0.7], 0.5)];
        field.push(scored("d", &[0.2], 0.1));
        assert_eq!(best(&field, 1, 2), [1, 2], "b, and of a and c the one with the lower loss");
        assert_eq!(best(&field, 0, 4), Vec::<usize>::new());
    }
}
