//! What is measured of a run, in points: percent of images, or of their differences.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use artifacts::finished::Run;
use artifacts::metrics::{self, Metrics};
use serde::{Deserialize, Serialize};

use crate::{Result, frame, overfit};

/// A measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Measure {
    /// Final accuracy on the test set; chance where the run diverged.
    Test,
    /// Final accuracy on the training images, in evaluation mode; chance where the run diverged.
    Train,
    /// Final accuracy on validation images; chance where the run diverged.
    Validation,
    /// The highest accuracy on validation images along the run.
    Best,
    /// Mean accuracy on validation images over the last tenth of the measurements.
    End,
    /// Mean step from one measurement on validation images to the next, up or down.
    Jitter,
    /// How far above chance validation accuracy rose after the net had learned and then fallen to chance; 0 where it never did.
    Rebound,
    /// 100 where training accuracy was complete before the annealing, else 0: its mean is the share of such runs.
    Complete,
}

const NAMES: [(&str, Measure, &str); 8] = [
    ("test", Measure::Test, "test accuracy"),
    ("train", Measure::Train, "training accuracy"),
    ("validation", Measure::Validation, "validation accuracy"),
    ("best", Measure::Best, "best along the run"),
    ("end", Measure::End, "mean at the end"),
    ("jitter", Measure::Jitter, "jitter"),
    ("rebound", Measure::Rebound, "rebound"),
    ("complete", Measure::Complete, "complete before annealing"),
];

/// A net has learned at so many points above chance.
const LEARNED: f64 = 10.0;
/// And is at chance within so many.
const AT_CHANCE: f64 = 2.0;

impl Measure {
    /// Heading of its column.
    pub(super) fn title(self) -> &'static str {
        NAMES.into_iter().find(|(_, measure, _)| *measure == self).map_or("", |(_, _, title)| title)
    }

    /// Whether it is read off the curve of validation accuracy.
    pub(super) fn is_of_curve(self) -> bool {
        matches!(self, Self::Best | Self::End | Self::Jitter | Self::Rebound)
    }

    /// Its value of a run, in points; none where the run does not have it.
    ///
    /// # Errors
    /// When the run's metrics cannot be read.
    pub(super) fn of(self, run: &Run) -> Result<Option<f64>> {
        let chance = 100.0 * run.chance();
        let last = |accuracy: Option<f64>| accuracy.map(|a| 100.0 * a).or_else(|| run.diverged().then_some(chance));
        match self {
            Self::Test => Ok(last(run.result.test_accuracy)),
            Self::Train => Ok(last(run.result.final_train_accuracy)),
            Self::Validation => Ok(last(run.result.final_val_accuracy)),
            Self::Complete => {
                let saturation = overfit::saturation(run, &frame::of_steps(&run.folder)?)?;
                Ok(Some(if saturation.is_some() { 100.0 } else { 0.0 }))
            }
            Self::Best | Self::End | Self::Jitter | Self::Rebound => {
                let mut accuracy: Vec<f64> = curve(run)?.iter().map(|point| 100.0 * point.accuracy).collect();
                if run.diverged() {
                    accuracy.push(chance);
                }
                Ok(self.of_curve(&accuracy, chance))
            }
        }
    }

    /// Its value of a curve of accuracies.
    fn of_curve(self, accuracy: &[f64], chance: f64) -> Option<f64> {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        match self {
            Self::Best => accuracy.iter().copied().reduce(f64::max),
            Self::End => {
                (!accuracy.is_empty()).then(|| mean(&accuracy[accuracy.len() - accuracy.len().div_ceil(10)..]))
            }
            Self::Jitter => {
                let steps: Vec<f64> = accuracy.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
                (!steps.is_empty()).then(|| mean(&steps))
            }
            Self::Rebound => Some(rebound(accuracy, chance)),
            Self::Test | Self::Train | Self::Validation | Self::Complete => None,
        }
    }
}

fn rebound(accuracy: &[f64], chance: f64) -> f64 {
    let learned = accuracy.iter().position(|a| *a >= chance + LEARNED);
    let fallen = learned.and_then(|from| (from..accuracy.len()).find(|at| accuracy[*at] <= chance + AT_CHANCE));
    let after = fallen.map_or(&[][..], |from| &accuracy[from..]);
    after.iter().map(|a| a - chance).fold(0.0, f64::max)
}

/// A measurement on validation images.
pub(super) struct Point {
    pub step: f64,
    pub lr: f64,
    pub accuracy: f64,
}

/// The measurements on validation images along a run.
///
/// # Errors
/// When its metrics cannot be read.
pub(super) fn curve(run: &Run) -> Result<Vec<Point>> {
    let (steps, _) = metrics::read::<Metrics>(&run.folder.join(metrics::FILE))?;
    let point = |step: &Metrics| Some(Point { step: step.iteration as f64, lr: step.lr, accuracy: step.val_accuracy? });
    Ok(steps.iter().filter_map(point).collect())
}

impl Display for Measure {
    fn fmt(&self, formatter: &mut Formatter) -> std::fmt::Result {
        formatter.write_str(self.title())
    }
}

impl FromStr for Measure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = NAMES.into_iter().find(|(name, _, _)| *name == text).map(|(_, measure, _)| measure);
        let names = NAMES.map(|(name, _, _)| name).join(", ");
        known.ok_or_else(|| format!("{text} is no measure; there are {names}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_measured_as_their_names_say() {
        let curve = [10.0, 30.0, 40.0, 20.0, 11.0, 10.0, 25.0, 18.0, 12.0, 16.0];
        let of = |measure: Measure| measure.of_curve(&curve, 10.0).unwrap();
        assert_eq!((of(Measure::Best), of(Measure::End)), (40.0, 16.0));
        assert!((of(Measure::Jitter) - (20.0 + 10.0 + 20.0 + 9.0 + 1.0 + 15.0 + 7.0 + 6.0 + 4.0) / 9.0).abs() < 1e-12);
        assert_eq!(of(Measure::Rebound), 15.0);
    }

    #[test]
    fn there_is_no_rebound_without_a_collapse_after_learning() {
        let rebound = |curve: &[f64]| rebound(curve, 10.0);
        assert_eq!(rebound(&[10.0, 12.0, 30.0, 40.0]), 0.0, "chance at the start is no collapse");
        assert_eq!(rebound(&[10.0, 30.0, 15.0, 30.0]), 0.0, "15 is not chance");
        assert_eq!(rebound(&[10.0, 30.0, 10.0, 9.0]), 0.0, "nothing comes back");
        assert_eq!(rebound(&[]), 0.0);
    }
}
