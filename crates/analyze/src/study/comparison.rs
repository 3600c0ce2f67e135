//! How an arm ends against another of the same length, paired by seed.

use reading::stats::{Summary, detectable, interval90, interval95, summary};
use serde::Serialize;

use super::images;
use super::{ArmRuns, FinalAccuracy};

/// How an arm ends against another of the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Higher: the 95% interval of the difference holds only gains.
    Wins,
    /// As high: the 90% interval of the difference lies within the margin (two one-sided tests at 5%).
    Ties,
    /// Lower: the 95% interval of the difference holds only losses.
    Loses,
    /// The seeds do not decide between the others.
    Undecided,
    /// One seed: no interval.
    Unclear,
}

/// An arm against another at one length, paired by seed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    /// The arm.
    pub arm: String,
    /// The arm that it is compared with.
    pub baseline: String,
    /// Steps of each run.
    pub iterations: u64,
    /// Seeds that both have.
    pub pairs: usize,
    /// The difference of final accuracy, the arm's minus the baseline's.
    #[serde(flatten)]
    pub difference: Difference,
    /// What that amounts to.
    pub verdict: Verdict,
}

/// A mean difference of final accuracy over seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Difference {
    /// The mean.
    #[serde(rename = "mean_difference")]
    pub mean: f64,
    /// Its 95% interval over seeds: for the images of this test set.
    pub interval: Option<(f64, f64)>,
    /// Its 95% interval over seeds and images: for images like these. None where a run does not say which it has right.
    pub interval_over_images: Option<(f64, f64)>,
    /// The difference that so many seeds, with this spread, show in four studies of five.
    pub detectable: Option<f64>,
}

/// The runs of two groups that share a seed. The seeds of each group ascend.
pub(crate) fn pairs<'a>(
    arm: &ArmRuns<'a>,
    other: &ArmRuns<'a>,
    accuracy: FinalAccuracy,
) -> Vec<[(&'a artifacts::finished::Run, f64); 2]> {
    let scored = |run: &'a artifacts::finished::Run| Some((run, accuracy.of(run)?));
    let seed = |run: &artifacts::finished::Run| run.record.config.seed;
    let partner = |run| other.runs.iter().map(|(_, other)| *other).find(|other| seed(other) == seed(run));
    arm.runs.iter().filter_map(|(_, run)| Some([scored(run)?, scored(partner(run)?)?])).collect()
}

/// The difference over pairs of runs; none of no pair.
pub(crate) fn difference(
    pairs: &[[(&artifacts::finished::Run, f64); 2]],
    accuracy: FinalAccuracy,
) -> Option<Difference> {
    let differences: Vec<f64> = pairs.iter().map(|[(_, ours), (_, theirs)]| ours - theirs).collect();
    let Summary { mean, .. } = summary(&differences)?;
    let runs: Vec<_> = pairs.iter().map(|[(ours, _), (theirs, _)]| (*ours, *theirs)).collect();
    let interval_over_images = if accuracy == FinalAccuracy::Test { images::interval95(&runs) } else { None };
    let detectable = detectable(&differences);
    Some(Difference { mean, interval: interval95(&differences), interval_over_images, detectable })
}

/// `arm` against `baseline`, of the same length; none where they share no seed. `margin`: the difference that is too small to
/// matter.
pub(crate) fn compare(arm: &ArmRuns, baseline: &ArmRuns, accuracy: FinalAccuracy, margin: f64) -> Option<Comparison> {
    let pairs = pairs(arm, baseline, accuracy);
    let difference = difference(&pairs, accuracy)?;
    let differences: Vec<f64> = pairs.iter().map(|[(_, ours), (_, theirs)]| ours - theirs).collect();
    let within = |(low, high): (f64, f64)| low > -margin && high < margin;
    let verdict = match difference.interval {
        None => Verdict::Unclear,
        Some((low, _)) if low > 0.0 => Verdict::Wins,
        Some((_, high)) if high < 0.0 => Verdict::Loses,
        Some(_) if interval90(&differences).is_some_and(within) => Verdict::Ties,
        Some(_) => Verdict::Undecided,
    };
    Some(Comparison {
        arm: arm.arm.clone(),
        baseline: baseline.arm.clone(),
        iterations: arm.iterations,
        pairs: pairs.len(),
        difference,
        verdict,
    })
}
