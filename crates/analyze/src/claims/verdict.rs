//! What runs say of a claim.

use std::fmt::{Display, Formatter};

use artifacts::finished::Run;
use reading::stats::{interval90, interval95, summary};
use serde::{Deserialize, Serialize};

use super::expression::Sign;
use crate::study::images;

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The interval holds only differences as claimed; of an equality, only ones that are too small to matter.
    Holds,
    /// The interval holds only the opposite; of a difference, or only ones that are too small to matter.
    HoldsNot,
    /// The seeds do not decide, or the claim is about another scale.
    CannotTell,
}

/// What our runs have for both sides of a claim, in points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ours {
    /// Mean of the left side.
    left: f64,
    /// Mean of the right side.
    right: f64,
    /// Mean difference, left minus right.
    difference: f64,
    /// Its 95% interval: over seeds and test images where the runs say which images they have right, else over seeds. None of
    /// one seed.
    interval: Option<(f64, f64)>,
    /// Whether images count in it.
    over_images: bool,
    /// Whether the 90% interval over seeds lies within the margin (two one-sided tests at 5%).
    within_margin: bool,
    seeds: usize,
}

impl Ours {
    /// Of the values of both sides by seed. `over_images`: the interval that counts images too, if there is one.
    pub(super) fn new(left: &[f64], right: &[f64], over_images: Option<(f64, f64)>, margin: f64) -> Self {
        let differences: Vec<f64> = left.iter().zip(right).map(|(left, right)| left - right).collect();
        let mean = |values: &[f64]| summary(values).map_or(f64::NAN, |summary| summary.mean);
        let within = interval90(&differences).is_some_and(|(low, high)| low > -margin && high < margin);
        Self {
            left: mean(left),
            right: mean(right),
            difference: mean(&differences),
            interval: over_images.or_else(|| interval95(&differences)),
            over_images: over_images.is_some(),
            within_margin: within,
            seeds: left.len(),
        }
    }

    /// What that amounts to.
    pub(super) fn verdict(&self, sign: Sign) -> Verdict {
        let Some((low, high)) = self.interval else { return Verdict::CannotTell };
        let is_equal = self.within_margin;
        let decided = |holds: bool, holds_not: bool| match (holds, holds_not) {
            (true, _) => Verdict::Holds,
            (false, true) => Verdict::HoldsNot,
            (false, false) => Verdict::CannotTell,
        };
        match sign {
            Sign::Above => decided(low > 0.0, high < 0.0 || is_equal),
            Sign::Below => decided(high < 0.0, low > 0.0 || is_equal),
            Sign::Equal => decided(is_equal, low > 0.0 || high < 0.0),
        }
    }
}

/// The 95% interval of the difference of test accuracy, over seeds and images, in points: of the pairs that share a seed.
pub(super) fn over_images(ours: &[&Run], theirs: &[&Run]) -> Option<(f64, f64)> {
    let seed = |run: &Run| run.record.config.seed;
    let partner = |run: &Run| theirs.iter().copied().find(|other| seed(other) == seed(run));
    let pairs: Vec<(&Run, &Run)> = ours.iter().filter_map(|run| Some((*run, partner(run)?))).collect();
    images::interval95(&pairs).map(|(low, high)| (100.0 * low, 100.0 * high))
}

impl Display for Ours {
    fn fmt(&self, formatter: &mut Formatter) -> std::fmt::Result {
        let Self { left, right, difference, seeds, .. } = self;
        write!(formatter, "{left:.1} against {right:.1}: {difference:+.1}")?;
        if let Some((low, high)) = self.interval {
            write!(formatter, ", 95% {low:+.1} to {high:+.1}")?;
        }
        let of = if self.over_images { " and images" } else { "" };
        write!(formatter, "; {seeds} seed{}{of}", if *seeds == 1 { "" } else { "s" })
    }
}

impl Display for Verdict {
    fn fmt(&self, formatter: &mut Formatter) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Holds => "holds",
            Self::HoldsNot => "holds not",
            Self::CannotTell => "cannot tell at this scale",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARGIN: f64 = 0.5;

    fn verdict(differences: &[f64], sign: Sign) -> Verdict {
        let zeros = vec![0.0; differences.len()];
        Ours::new(differences, &zeros, None, MARGIN).verdict(sign)
    }

    #[test]
    fn a_difference_holds_where_the_interval_says_so() {
        let (gain, loss) = ([2.0, 2.4, 2.2], [-2.0, -2.4, -2.2]);
        assert_eq!(verdict(&gain, Sign::Above), Verdict::Holds);
        assert_eq!(verdict(&gain, Sign::Below), Verdict::HoldsNot);
        assert_eq!(verdict(&gain, Sign::Equal), Verdict::HoldsNot);
        assert_eq!(verdict(&loss, Sign::Above), Verdict::HoldsNot);
        assert_eq!(verdict(&loss, Sign::Below), Verdict::Holds);
    }

    #[test]
    fn what_is_too_small_to_matter_is_equal() {
        let (none, small) = ([0.02, -0.02, 0.0], [0.1, 0.12, 0.11]);
        assert_eq!(verdict(&none, Sign::Equal), Verdict::Holds);
        assert_eq!(verdict(&none, Sign::Above), Verdict::HoldsNot);
        assert_eq!(verdict(&small, Sign::Equal), Verdict::Holds);
        assert_eq!(verdict(&small, Sign::Above), Verdict::Holds, "surely above, if by little");
    }

    #[test]
    fn scattered_seeds_and_a_single_one_cannot_tell() {
        for sign in [Sign::Above, Sign::Below, Sign::Equal] {
            assert_eq!(verdict(&[3.0, -1.0, 1.0], sign), Verdict::CannotTell);
            assert_eq!(verdict(&[3.0], sign), Verdict::CannotTell);
        }
    }

    #[test]
    fn images_widen_what_seeds_say() {
        let ours = Ours::new(&[2.0, 2.1, 2.2], &[0.0; 3], Some((-0.4, 4.6)), MARGIN);
        assert_eq!(ours.verdict(Sign::Above), Verdict::CannotTell);
        assert_eq!(ours.to_string(), "2.1 against 0.0: +2.1, 95% -0.4 to +4.6; 3 seeds and images");
    }
}
