//! Candidates against each other in rounds: all with the first seed, the better half with the next, and so on
//! (successive halving, Jamieson and Talwalkar, arXiv:1502.07943, over seeds instead of lengths).

use anyhow::Result;
use artifacts::recipe::Training;

use super::Search;
use super::trial::{Done, Kind, Trial};
use crate::stats::summary;

/// One candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Contestant {
    /// Its name.
    pub name: String,
    /// How it trains.
    pub training: Training,
    /// Steps of each of its runs.
    pub iterations: u64,
}

/// A candidate with what its runs measured.
#[derive(Clone, Debug)]
pub struct Scored {
    /// The candidate.
    pub contestant: Contestant,
    /// Final held-out accuracy of each run, at chance where it diverged.
    pub accuracies: Vec<f64>,
    /// Final held-out loss of each run; none where it diverged.
    pub losses: Vec<Option<f64>>,
    /// Runs that diverged.
    pub diverged: usize,
    /// Folders of the runs.
    pub folders: Vec<String>,
    /// Images a second, where it was a matter of the contest.
    pub images_per_second: Option<f64>,
}

impl Scored {
    /// A candidate that has not run.
    pub fn new(contestant: &Contestant) -> Self {
        Self {
            contestant: contestant.clone(),
            accuracies: Vec::new(),
            losses: Vec::new(),
            diverged: 0,
            folders: Vec::new(),
            images_per_second: None,
        }
    }

    /// The score of a single run, its speed with it.
    pub fn of(contestant: &Contestant, done: &Done) -> Self {
        let mut scored = Self::new(contestant);
        scored.add(done);
        scored.images_per_second = done.run.result.images_per_second;
        scored
    }

    /// Mean accuracy.
    pub fn mean_accuracy(&self) -> Option<f64> {
        summary(&self.accuracies).map(|summary| summary.mean)
    }

    /// Mean loss; none where a run diverged.
    pub fn mean_loss(&self) -> Option<f64> {
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

/// How a contest stands.
#[derive(Clone, Debug)]
pub enum Standing {
    /// These runs are missing.
    Run(Vec<Trial>),
    /// All rounds are over.
    Over(Vec<Scored>),
}

/// The number of candidates in each round: all, and after the first round half as many each time, at least two.
pub fn rounds(candidates: usize, seeds: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut size = candidates;
    for _ in 0..seeds {
        sizes.push(size);
        size = size.div_ceil(2).max(2).min(candidates);
    }
    sizes
}

/// Runs of a contest over so many rounds.
pub fn runs(candidates: usize, seeds: usize) -> usize {
    rounds(candidates, seeds).iter().sum()
}

/// The trial of a candidate with a seed.
pub fn trial(contestant: &Contestant, seed: u64) -> Trial {
    Trial {
        name: contestant.name.clone(),
        kind: Kind::Cycle,
        training: contestant.training.clone(),
        iterations: contestant.iterations,
        seed,
    }
}

/// The runs behind these scores.
pub fn trials(search: &Search, scored: &[Scored]) -> Vec<Trial> {
    let of = |one: &Scored| -> Vec<Trial> {
        search.seeds.iter().take(one.accuracies.len()).map(|seed| trial(&one.contestant, *seed)).collect()
    };
    scored.iter().flat_map(of).collect()
}

/// How the contest of these candidates stands, with so many of them in each round ([`rounds`]), each round with a seed of
/// its own. A later round is not begun when it would cost
/// more than `left`; what was begun is finished.
///
/// # Errors
/// When a record cannot be read.
pub fn standing(search: &Search, contestants: &[Contestant], sizes: &[usize], left: f64) -> Result<Standing> {
    let mut scored: Vec<Scored> = contestants.iter().map(Scored::new).collect();
    let mut left = left;
    for (round, (size, seed)) in sizes.iter().zip(&search.seeds).enumerate() {
        let among = best(&scored, round, *size);
        let trials: Vec<Trial> = among.iter().map(|i| trial(&contestants[*i], *seed)).collect();
        let missing = search.missing(&trials)?;
        let purse = search.purse();
        let cost: f64 = missing.iter().map(|trial| purse.cost(trial.iterations, trial.training.batch_size)).sum();
        left -= search.spent(&trials)?.amount(purse.unit);
        if !missing.is_empty() {
            let untouched = missing.len() == trials.len();
            if round > 0 && untouched && cost > left {
                return Ok(Standing::Over(scored));
            }
            return Ok(Standing::Run(missing));
        }
        for (i, trial) in among.iter().zip(&trials) {
            if let Some(done) = search.done(trial)? {
                scored[*i].add(&done);
            }
        }
    }
    Ok(Standing::Over(scored))
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
pub(super) mod tests {
    use super::*;

    pub(in crate::search) fn scored(name: &str, accuracies: &[f64], loss: f64) -> Scored {
        Scored {
            contestant: Contestant {
                name: name.to_owned(),
                training: super::super::start::tests::training(),
                iterations: 100,
            },
            accuracies: accuracies.to_vec(),
            losses: vec![Some(loss); accuracies.len()],
            diverged: 0,
            folders: Vec::new(),
            images_per_second: None,
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
