//! Iterations saved: how many steps a baseline needs for what an arm reaches.
//!
//! The baseline's curve is its mean ln(error) over ln(steps), straight between the lengths that were run. Where it is first as
//! low as the arm's mean at some length, the baseline has the arm's error: the ratio of the two lengths is the factor. A seed
//! that is off the two means by d is off in ln(factor) by d over the slope of the curve there, so every seed has its own
//! factor, and the interval is Student's t over seeds. Nothing is extrapolated: an arm that ends below the baseline at every
//! length has no factor, but a difference to the best that the baseline reaches.

use reading::stats::{Summary, interval95, summary};
use serde::Serialize;

use super::comparison::{self, Difference};
use super::{ArmRuns, FinalAccuracy};

/// Means of ln(error) that differ by less are equal: sums of the same numbers in another order differ by rounding.
const ROUNDING: f64 = 1e-9;

/// An error of zero counts as this: half of one image in 10,000.
const LEAST_ERROR: f64 = 5e-5;

/// How many times as many steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Factor {
    /// The geometric mean over seeds.
    pub times: f64,
    /// Its 95% interval.
    pub interval: Option<(f64, f64)>,
}

/// Where a baseline stands to what an arm reaches at one length.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reach {
    /// It gets there in so many times as many steps.
    In(Factor),
    /// It ends above the arm's error even where it ends lowest.
    Never {
        /// Steps of the run in which it ends lowest.
        best: u64,
        /// Steps of its longest run.
        longest: u64,
        /// The arm's accuracy minus the baseline's there.
        difference: Difference,
    },
    /// It is there in its shortest run.
    AtOnce {
        /// Steps of that.
        shortest: u64,
    },
}

/// An arm against a baseline over all lengths.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Saving {
    /// The arm.
    pub arm: String,
    /// The baseline.
    pub baseline: String,
    /// Seeds that both have at every length.
    pub seeds: usize,
    /// By length of the arm, ascending.
    pub by_length: Vec<(u64, Reach)>,
    /// Over the lengths whose errors the baseline gets to; none where it gets to none.
    pub pooled: Option<Factor>,
    /// The least and the most that these lengths can show: an end of the interval beyond is extrapolated.
    pub can_show: (f64, f64),
}

/// ln(error) of a group by seed, in the order of `seeds`.
struct Point {
    iterations: u64,
    errors: Vec<f64>,
}

impl Point {
    fn new(group: &ArmRuns, seeds: &[u64], accuracy: FinalAccuracy) -> Option<Self> {
        let of = |seed: &u64| {
            let (_, run) = group.runs.iter().find(|(_, run)| run.record.config.seed == *seed)?;
            Some((1.0 - accuracy.of(run)?).max(LEAST_ERROR).ln())
        };
        Some(Self { iterations: group.iterations, errors: seeds.iter().map(of).collect::<Option<_>>()? })
    }

    fn mean(&self) -> f64 {
        self.errors.iter().sum::<f64>() / self.errors.len() as f64
    }

    fn ln_steps(&self) -> f64 {
        (self.iterations as f64).ln()
    }
}

/// `arm` and `baseline`: the groups of each, by length, ascending. None where they share no seed.
pub(crate) fn saving(arm: &[&ArmRuns], baseline: &[&ArmRuns], accuracy: FinalAccuracy) -> Option<Saving> {
    let seeds = common_seeds(arm.iter().chain(baseline).copied());
    let points = |groups: &[&ArmRuns]| groups.iter().map(|group| Point::new(group, &seeds, accuracy)).collect();
    let (ours, curve): (Option<Vec<Point>>, Option<Vec<Point>>) = (points(arm), points(baseline));
    let (ours, curve) = (ours?, curve?);
    if seeds.is_empty() || ours.is_empty() || curve.is_empty() {
        return None;
    }
    let mut by_length = Vec::new();
    let mut shifts: Vec<Vec<f64>> = Vec::new();
    for (point, group) in ours.iter().zip(arm) {
        let reach = match crossing(point, &curve) {
            Crossing::Before => Reach::AtOnce { shortest: curve[0].iterations },
            Crossing::At(shift) => {
                let reach = Reach::In(factor(&shift)?);
                shifts.push(shift);
                reach
            }
            Crossing::None => never(group, baseline, &curve, accuracy)?,
        };
        by_length.push((point.iterations, reach));
    }
    let of_seed = |seed: usize| shifts.iter().map(|shift| shift[seed]).sum::<f64>() / shifts.len() as f64;
    let pooled = if shifts.is_empty() { None } else { factor(&(0..seeds.len()).map(of_seed).collect::<Vec<_>>()) };
    let can_show = limits(&by_length, &curve);
    let (arm, baseline) = (arm[0].arm.clone(), baseline[0].arm.clone());
    Some(Saving { arm, baseline, seeds: seeds.len(), by_length, pooled, can_show })
}

fn common_seeds<'a>(mut groups: impl Iterator<Item = &'a ArmRuns<'a>>) -> Vec<u64> {
    let of = |group: &ArmRuns| group.runs.iter().map(|(_, run)| run.record.config.seed).collect::<Vec<_>>();
    let Some(first) = groups.next() else { return Vec::new() };
    groups.fold(of(first), |seeds, group| {
        let others = of(group);
        seeds.into_iter().filter(|seed| others.contains(seed)).collect()
    })
}

/// The geometric means of the least and of the greatest ratio of the curve's lengths to those at which it is crossed.
fn limits(by_length: &[(u64, Reach)], curve: &[Point]) -> (f64, f64) {
    let crossed = by_length.iter().filter(|(_, reach)| matches!(reach, Reach::In(_)));
    let logs: Vec<f64> = crossed.map(|(steps, _)| (*steps as f64).ln()).collect();
    let mean = logs.iter().sum::<f64>() / logs.len().max(1) as f64;
    let ratio = |point: Option<&Point>| point.map_or(1.0, |point| (point.ln_steps() - mean).exp());
    (ratio(curve.first()), ratio(curve.last()))
}

fn factor(shift: &[f64]) -> Option<Factor> {
    let Summary { mean, .. } = summary(shift)?;
    Some(Factor { times: mean.exp(), interval: interval95(shift).map(|(low, high)| (low.exp(), high.exp())) })
}

fn never(arm: &ArmRuns, baseline: &[&ArmRuns], curve: &[Point], accuracy: FinalAccuracy) -> Option<Reach> {
    let lowest = (0..curve.len()).min_by(|a, b| curve[*a].mean().total_cmp(&curve[*b].mean()))?;
    let difference = comparison::difference(&comparison::pairs(arm, baseline[lowest], accuracy), accuracy)?;
    Some(Reach::Never { best: curve[lowest].iterations, longest: curve.last()?.iterations, difference })
}

enum Crossing {
    /// The curve begins below.
    Before,
    /// ln(factor) of each seed.
    At(Vec<f64>),
    /// The curve ends above.
    None,
}

/// Where `curve` first comes down to the mean of `point`.
fn crossing(point: &Point, curve: &[Point]) -> Crossing {
    let level = point.mean();
    if curve[0].mean() < level - ROUNDING {
        return Crossing::Before;
    }
    for pair in curve.windows(2) {
        let [before, after] = pair else { continue };
        let (above, below) = (before.mean(), after.mean());
        let run = after.ln_steps() - before.ln_steps();
        if below > level + ROUNDING || above <= below || run <= 0.0 {
            continue;
        }
        let share = ((above - level) / (above - below)).clamp(0.0, 1.0);
        let slope = (below - above) / run;
        let at = before.ln_steps() + share * run;
        let of_seed = |(ours, (before, after)): (&f64, (&f64, &f64))| {
            let theirs = (1.0 - share) * before + share * after;
            at - point.ln_steps() + (ours - theirs) / slope
        };
        let theirs = before.errors.iter().zip(&after.errors);
        return Crossing::At(point.errors.iter().zip(theirs).map(of_seed).collect());
    }
    Crossing::None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group of a length whose seeds are off by `wobble`.
    fn point(iterations: u64, ln_error: f64, wobble: &[f64]) -> Point {
        Point { iterations, errors: wobble.iter().map(|w| ln_error + w).collect() }
    }

    #[test]
    fn a_shifted_curve_is_found_whole() {
        // error = 1 / steps: three times as fast is three times as many steps, wherever it is read.
        let wobble = [-0.05, 0.02, 0.03];
        let curve: Vec<Point> = [20, 60, 200, 600].map(|steps| point(steps, -(steps as f64).ln(), &[0.0; 3])).into();
        for steps in [20, 40, 100] {
            let Crossing::At(shift) = crossing(&point(steps, -(3.0 * steps as f64).ln(), &wobble), &curve) else {
                panic!("{steps}");
            };
            // The slope is -1: a seed whose error is higher by w is slower by w.
            for (found, w) in shift.iter().zip(wobble) {
                assert!((found - (3f64.ln() - w)).abs() < 1e-12, "{steps}: {found}");
            }
            let factor = factor(&shift).unwrap();
            let (low, high) = factor.interval.unwrap();
            assert!((factor.times - 3.0).abs() < 1e-9 && low < 3.0 && 3.0 < high, "{factor:?}");
        }
    }

    #[test]
    fn the_first_length_that_is_low_enough_counts_and_nothing_is_extrapolated() {
        // Saturated and wobbling: the curve goes up again.
        let curve: Vec<Point> = [(10, -1.0), (20, -2.0), (40, -1.9), (80, -2.1)]
            .map(|(steps, error)| point(steps, error, &[0.0, 0.0]))
            .into();
        let Crossing::At(shift) = crossing(&point(10, -1.5, &[0.0, 0.0]), &curve) else { panic!("it is there") };
        assert!((shift[0] - 0.5 * 2f64.ln()).abs() < 1e-12, "{shift:?}");
        let Crossing::At(late) = crossing(&point(10, -2.05, &[0.0, 0.0]), &curve) else { panic!("it is there") };
        assert!((late[0] - (4f64.ln() + 0.75 * 2f64.ln())).abs() < 1e-12, "{late:?}");
        assert!(matches!(crossing(&point(10, -2.2, &[0.0, 0.0]), &curve), Crossing::None));
        assert!(matches!(crossing(&point(10, -0.9, &[0.0, 0.0]), &curve), Crossing::Before));
    }

    /// Normal numbers out of a linear congruential generator (Knuth's MMIX), by Box and Muller.
    struct Normal(u64);

    impl Normal {
        fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64
        }

        fn draw(&mut self, sd: f64) -> f64 {
            let (u, v) = (self.uniform(), self.uniform());
            sd * (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        }
    }

    /// On a curve that bends and saturates, with ten seeds that share some of their luck, the interval holds the truth in about
    /// 95 of 100 studies, though the curve is taken as straight between lengths.
    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let (seeds, studies, truth) = (10, 2000, 1.7f64);
        let curve_at = |steps: f64| (0.055 + 12.0 / steps.powf(1.1)).ln();
        let mut normal = Normal(1);
        let (mut reached, mut held) = (0, 0);
        for _ in 0..studies {
            let luck: Vec<f64> = (0..seeds).map(|_| normal.draw(0.05)).collect();
            let mut run = |steps: u64, faster: f64| {
                let level = curve_at(faster * steps as f64);
                let sd = 0.08 * (1.0 + 40.0 / steps as f64);
                Point { iterations: steps, errors: luck.iter().map(|luck| level + luck + normal.draw(sd)).collect() }
            };
            let baseline: Vec<Point> = [40, 80, 160, 320].map(|steps| run(steps, 1.0)).into();
            let Crossing::At(shift) = crossing(&run(80, truth), &baseline) else { continue };
            let (low, high) = factor(&shift).unwrap().interval.unwrap();
            reached += 1;
            held += usize::from(low < truth && truth < high);
        }
        let share = held as f64 / reached as f64;
        assert!(reached > studies * 9 / 10 && (0.93..0.98).contains(&share), "{held} of {reached}");
    }
}
