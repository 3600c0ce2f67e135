//! One outcome of several range tests. Range tests of one setting are one curve, seen on several stretches: a ramp that ends
//! at rate 3 cannot show the fall that another shows at 6, and does not deny it.

use artifacts::suggestion::Outcome;

use super::Read;
use crate::smooth::median;

/// A ramp that ends no further above the end of the curve than this factor may not have seen it.
const UNSEEN_FACTOR: f64 = 1.5;
/// The outcomes, those first that win where as many range tests say each.
const ORDER: [Outcome; 5] =
    [Outcome::NoLearning, Outcome::CollapseAndRecovery, Outcome::Divergence, Outcome::Plateau, Outcome::Hill];

/// What range tests say together.
pub(super) struct Joint {
    /// The one outcome.
    pub outcome: Outcome,
    /// Of each range test, in order.
    pub votes: Vec<Vote>,
}

/// How a range test stands to the one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vote {
    /// It shows it.
    Shows,
    /// It ends too soon to show it, and shows nothing else up to there.
    EndsSooner,
    /// It shows something else.
    Differs,
}

impl Joint {
    /// Reads the outcome off several range tests, at least one.
    pub(super) fn of(reads: &[Read]) -> Self {
        let outcome = outcome(reads);
        let end = end_of(reads, outcome);
        Self { outcome, votes: reads.iter().map(|read| vote(read, outcome, end)).collect() }
    }

    /// Range tests that show the outcome or end sooner.
    pub(super) fn agree(&self) -> usize {
        self.count(Vote::Shows) + self.count(Vote::EndsSooner)
    }

    pub(super) fn count(&self, vote: Vote) -> usize {
        self.votes.iter().filter(|one| **one == vote).count()
    }
}

fn outcome(reads: &[Read]) -> Outcome {
    let learnt: Vec<&Read> = reads.iter().filter(|read| read.reading.outcome != Outcome::NoLearning).collect();
    if 2 * learnt.len() < reads.len() || learnt.is_empty() {
        return Outcome::NoLearning;
    }
    let counted = |outcome: Outcome| learnt.iter().filter(|read| read.reading.outcome == outcome).count();
    if 2 * counted(Outcome::CollapseAndRecovery) > learnt.len() {
        return Outcome::CollapseAndRecovery;
    }
    // Ramps that reach the rate at which others blew up must have blown up there too.
    if let Some(end) = end_of(reads, Outcome::Divergence) {
        let reach = learnt.iter().filter(|read| read.curve.highest_rate() >= end).count();
        if 2 * counted(Outcome::Divergence) >= reach {
            return Outcome::Divergence;
        }
    }
    // Of the rest those decide that reach the fall of the others.
    let end = end_of(reads, Outcome::Hill).unwrap_or(0.0);
    let reach: Vec<&&Read> = learnt.iter().filter(|read| read.curve.highest_rate() > UNSEEN_FACTOR * end).collect();
    let votes = |outcome: &Outcome| {
        let among =
            |reads: &mut dyn Iterator<Item = &Read>| reads.filter(|read| read.reading.outcome == *outcome).count();
        if reach.is_empty() { among(&mut learnt.iter().copied()) } else { among(&mut reach.iter().map(|read| **read)) }
    };
    let most = ORDER.iter().map(votes).max().unwrap_or(0);
    ORDER.into_iter().find(|outcome| votes(outcome) == most).unwrap_or(Outcome::NoLearning)
}

/// The rate at which the curve ends in the range tests that show an outcome: the middle of them.
fn end_of(reads: &[Read], outcome: Outcome) -> Option<f64> {
    let ends: Vec<f64> =
        reads.iter().filter(|read| read.reading.outcome == outcome).filter_map(end).map(f64::ln).collect();
    (!ends.is_empty()).then(|| median(&ends).exp())
}

/// Where one range test shows the end of the curve: its blow-up, or else its fall.
fn end(read: &Read) -> Option<f64> {
    read.blown_from().or_else(|| read.reading.lost_at())
}

fn vote(read: &Read, outcome: Outcome, end: Option<f64>) -> Vote {
    let own = read.reading.outcome;
    if own == outcome {
        return Vote::Shows;
    }
    let ends_sooner = end.is_some_and(|end| read.curve.highest_rate() <= UNSEEN_FACTOR * end);
    let may_go_on = matches!(
        (own, outcome),
        (Outcome::Plateau, Outcome::Hill | Outcome::Divergence | Outcome::CollapseAndRecovery)
            | (Outcome::Hill, Outcome::Divergence | Outcome::CollapseAndRecovery)
    );
    if ends_sooner && may_go_on { Vote::EndsSooner } else { Vote::Differs }
}
