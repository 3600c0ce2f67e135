//! 1cycle (Smith and Topin, arXiv:1708.07120; Smith, arXiv:1803.09820): one rise, one fall, and a tail.
//!
//! Five programs of that name differ in shape. With S the step size and P the share of the run that is the rise:
//!
//! | variant | rise | fall | tail | cycled momentum |
//! |---|---|---|---|---|
//! | `smith` | line, min to max in S | line, max to 0 in S | constant at the final rate | line down in S, up in S, then on in cycles, each half as deep |
//! | `paper` | line, min to max in S | line, max to min in S | line, min to the final rate | line down in S, up in S, then the upper bound |
//! | `torch` | half a cosine, min to max in P | half a cosine, max to the final rate | none | mirrors the rate |
//! | `torch-three-phase` | the same | half a cosine, max to min, as long as the rise | half a cosine, min to the final rate | mirrors the rate, then the upper bound |
//! | `fastai` | half a cosine, min to max in P | half a cosine, max to the final rate | none | mirrors the rate |
//!
//! `smith` is what the logs of lnsmith54/hyperParam1 show of Smith's own Caffe, `torch` is PyTorch's `OneCycleLR`, and
//! `fastai` is `fit_one_cycle` of fastai 2. The papers leave the tail's shape open; `paper` ends it on the last step.
//! What min, the final rate, S and P are by default is in [`Variant::defaults`] and nowhere else.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::StepParameters;
use crate::curve;
use crate::cyclical::halving_height;
use crate::error::{self, Result, require, require_bound, require_unused};
use crate::momentum::{self, Bounds};

/// Whose 1cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// As Smith's own solver ran it.
    #[default]
    Smith,
    /// As his papers describe it.
    Paper,
    /// PyTorch's `OneCycleLR`.
    Torch,
    /// The same with `three_phase=True`.
    TorchThreePhase,
    /// fastai's `fit_one_cycle`.
    Fastai,
}

/// What a variant takes for the parameters that are not given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defaults {
    /// The highest rate over that of the first step.
    pub div_factor: f64,
    /// The rate of the tail, or at its end.
    pub final_lr: FinalRate,
    /// The length of the rise.
    pub rise: Rise,
}

/// A final rate, as a fraction of another rate of the cycle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FinalRate {
    /// The rate of the first step over this number.
    MinOver(f64),
    /// The highest rate over this number.
    MaxOver(f64),
}

/// How the length of the rise is given, and what it is by default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rise {
    /// By [`OneCycle::step_size`]: by default this percentage of the steps, rounded down.
    StepSize {
        /// Of the run.
        percent: u64,
    },
    /// By [`OneCycle::pct_start`]: by default this share of the run.
    PctStart(f64),
}

impl fmt::Display for FinalRate {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::MinOver(divisor) => write!(f, "min/{divisor}"),
            Self::MaxOver(divisor) => write!(f, "max/{divisor}"),
        }
    }
}

impl Defaults {
    /// The default step size for a run of `iterations` steps, where the variant has one.
    pub fn step_size(&self, iterations: u64) -> Option<u64> {
        match self.rise {
            Rise::StepSize { percent } => Some((iterations.saturating_mul(percent) / 100).max(1)),
            Rise::PctStart(_) => None,
        }
    }

    fn pct_start(&self) -> Option<f64> {
        match self.rise {
            Rise::StepSize { .. } => None,
            Rise::PctStart(share) => Some(share),
        }
    }
}

impl Variant {
    /// Every variant, with the name that flags and records use.
    pub const NAMES: [(&'static str, Variant); 5] = [
        ("smith", Variant::Smith),
        ("paper", Variant::Paper),
        ("torch", Variant::Torch),
        ("torch-three-phase", Variant::TorchThreePhase),
        ("fastai", Variant::Fastai),
    ];

    /// The variant of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, variant)| variant)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.into_iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// What it takes for the parameters that are not given.
    pub fn defaults(self) -> Defaults {
        match self {
            Self::Smith | Self::Paper => Defaults {
                div_factor: 10.0,
                final_lr: FinalRate::MinOver(1000.0),
                rise: Rise::StepSize { percent: 45 },
            },
            Self::Torch | Self::TorchThreePhase => {
                Defaults { div_factor: 25.0, final_lr: FinalRate::MinOver(1e4), rise: Rise::PctStart(0.3) }
            }
            Self::Fastai => {
                Defaults { div_factor: 25.0, final_lr: FinalRate::MaxOver(1e5), rise: Rise::PctStart(0.25) }
            }
        }
    }

    /// One default of every variant in words, such as `max/10 (smith, paper), max/25 (torch, ...)`: for help texts and
    /// documentation. `words` says it of one variant, where that has it.
    pub fn in_words(words: impl Fn(&Defaults) -> Option<String>) -> String {
        let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
        for (name, variant) in Self::NAMES {
            let Some(text) = words(&variant.defaults()) else { continue };
            match groups.iter_mut().find(|(known, _)| *known == text) {
                Some((_, names)) => names.push(name),
                None => groups.push((text, vec![name])),
            }
        }
        groups.iter().map(|(text, names)| format!("{text} ({})", names.join(", "))).collect::<Vec<_>>().join(", ")
    }
}

/// One cycle. What is `None` takes the variant's default; [`OneCycle::resolved`] fills it in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneCycle {
    /// Whose 1cycle.
    pub variant: Variant,
    /// The highest rate.
    pub max_lr: f64,
    /// Rate of the first step.
    #[serde(default)]
    pub min_lr: Option<f64>,
    /// Rate of the tail, or at its end.
    #[serde(default)]
    pub final_lr: Option<f64>,
    /// Steps of the rise, and of the fall; in the variants whose rise is [`Rise::StepSize`].
    #[serde(default)]
    pub step_size: Option<u64>,
    /// Share of the run that is the rise; in the variants whose rise is [`Rise::PctStart`].
    #[serde(default)]
    pub pct_start: Option<f64>,
    /// Momentum at the lowest rate; constant where it has no bounds.
    #[serde(default)]
    pub max_momentum: Option<f64>,
    /// Momentum at the highest rate.
    #[serde(default)]
    pub min_momentum: Option<f64>,
}

impl OneCycle {
    /// One cycle to `max_lr`, everything else by default.
    pub fn new(variant: Variant, max_lr: f64) -> Self {
        Self {
            variant,
            max_lr,
            min_lr: None,
            final_lr: None,
            step_size: None,
            pct_start: None,
            max_momentum: None,
            min_momentum: None,
        }
    }

    /// The same cycle with the variant's defaults for a run of `iterations` steps filled in.
    #[must_use]
    pub fn resolved(&self, iterations: u64) -> Self {
        let defaults = self.variant.defaults();
        let min_lr = self.min_lr.unwrap_or(self.max_lr / defaults.div_factor);
        let final_lr = self.final_lr.unwrap_or(match defaults.final_lr {
            FinalRate::MinOver(divisor) => min_lr / divisor,
            FinalRate::MaxOver(divisor) => self.max_lr / divisor,
        });
        Self {
            min_lr: Some(min_lr),
            final_lr: Some(final_lr),
            step_size: self.step_size.or(defaults.step_size(iterations)),
            pct_start: self.pct_start.or(defaults.pct_start()),
            ..self.clone()
        }
    }

    pub(crate) fn validate(&self, iterations: u64) -> Result {
        error::positive("max_lr", self.max_lr)?;
        let shape = self.shape(iterations);
        let max = ("max_lr", self.max_lr);
        error::positive("min_lr", shape.min_lr)?;
        error::below("min_lr", shape.min_lr, max)?;
        error::not_negative("final_lr", shape.final_lr)?;
        error::below("final_lr", shape.final_lr, max)?;
        match self.variant.defaults().rise {
            Rise::StepSize { .. } => self.validate_step_size(shape.step_size, iterations)?,
            Rise::PctStart(_) => self.validate_pct_start(shape.pct_start)?,
        }
        momentum::validate(self.max_momentum, self.min_momentum)
    }

    fn validate_step_size(&self, step_size: u64, iterations: u64) -> Result {
        require_unused(self.pct_start.is_some(), "pct_start", "variant", self.variant.name())?;
        require(iterations >= 2, "iterations", "at least 2, a step up and a step down", iterations)?;
        error::at_least_one("step_size", step_size)?;
        let most = iterations / 2;
        let half = format!("at most {most}, half of");
        require_bound(step_size <= most, "step_size", &half, ("iterations", iterations), step_size)
    }

    fn validate_pct_start(&self, pct_start: f64) -> Result {
        require_unused(self.step_size.is_some(), "step_size", "variant", self.variant.name())?;
        require((0.0..=1.0).contains(&pct_start), "pct_start", "a share from 0 to 1", pct_start)
    }

    pub(crate) fn parameters(&self, elapsed: u64, iterations: u64, base_momentum: f64) -> StepParameters {
        let shape = self.shape(iterations);
        let (lr, height) = match self.variant {
            Variant::Smith => shape.smith(elapsed),
            Variant::Paper => shape.paper(elapsed, iterations),
            Variant::Torch => in_phases(&shape.two_phases(iterations), elapsed),
            Variant::TorchThreePhase => in_phases(&shape.three_phases(iterations), elapsed),
            Variant::Fastai => shape.fastai(elapsed, iterations),
        };
        let bounds = Bounds::new(self.max_momentum, self.min_momentum);
        StepParameters { lr, momentum: bounds.map_or(base_momentum, |bounds| bounds.at(height)) }
    }

    fn shape(&self, iterations: u64) -> Shape {
        let resolved = self.resolved(iterations);
        Shape {
            min_lr: resolved.min_lr.unwrap_or_default(),
            max_lr: self.max_lr,
            final_lr: resolved.final_lr.unwrap_or_default(),
            step_size: resolved.step_size.unwrap_or_default(),
            pct_start: resolved.pct_start.unwrap_or_default(),
        }
    }
}

/// A resolved cycle; of `step_size` and `pct_start` the one that the variant does not have is 0. Its functions give the rate
/// and the height that a cycled momentum mirrors, from 0 to 1.
struct Shape {
    min_lr: f64,
    max_lr: f64,
    final_lr: f64,
    step_size: u64,
    pct_start: f64,
}

impl Shape {
    /// Smith's fall has the slope max/S and would reach 0 where the tail begins. His momentum has a clock of its own,
    /// which does not stop there: the logs of WRN-32 (S 2246, 0.95 to 0.85) have 0.947596 at 4600 and 0.943143 at 4800,
    /// a second cycle of half the depth, as in `triangular2`.
    fn smith(&self, elapsed: u64) -> (f64, f64) {
        let size = self.step_size as f64;
        let lr = if elapsed <= self.step_size {
            curve::linear(self.min_lr, self.max_lr, elapsed as f64 / size)
        } else if elapsed < 2 * self.step_size {
            self.max_lr * ((2 * self.step_size - elapsed) as f64 / size)
        } else {
            self.final_lr
        };
        (lr, halving_height(elapsed, self.step_size))
    }

    fn paper(&self, elapsed: u64, iterations: u64) -> (f64, f64) {
        let cycle = 2 * self.step_size;
        if elapsed <= cycle {
            let height = elapsed.min(cycle - elapsed) as f64 / self.step_size as f64;
            return (curve::linear(self.min_lr, self.max_lr, height), height);
        }
        let fraction = (elapsed - cycle) as f64 / (iterations - 1).saturating_sub(cycle).max(1) as f64;
        (curve::linear(self.min_lr, self.final_lr, fraction), 0.0)
    }

    /// The phases of `OneCycleLR`. They end on fractional steps, one before the share that they are named after, or two.
    fn two_phases(&self, iterations: u64) -> [Phase; 2] {
        let fall = Phase { end: iterations as f64 - 1.0, lr: (self.max_lr, self.final_lr), height: (1.0, 0.0) };
        [self.rise(iterations), fall]
    }

    fn three_phases(&self, iterations: u64) -> [Phase; 3] {
        let total = iterations as f64;
        let fall_end = 2.0 * self.pct_start * total - 2.0;
        [
            self.rise(iterations),
            Phase { end: fall_end, lr: (self.max_lr, self.min_lr), height: (1.0, 0.0) },
            Phase { end: total - 1.0, lr: (self.min_lr, self.final_lr), height: (0.0, 0.0) },
        ]
    }

    fn rise(&self, iterations: u64) -> Phase {
        let end = self.pct_start * iterations as f64 - 1.0;
        Phase { end, lr: (self.min_lr, self.max_lr), height: (0.0, 1.0) }
    }

    /// fastai's position is the share of steps done before this one, so the end itself is never reached.
    fn fastai(&self, elapsed: u64, iterations: u64) -> (f64, f64) {
        let position = elapsed as f64 / iterations as f64;
        if position < self.pct_start {
            let fraction = position / self.pct_start;
            return (curve::cosine(self.min_lr, self.max_lr, fraction), curve::cosine(0.0, 1.0, fraction));
        }
        let fraction = (position - self.pct_start) / (1.0 - self.pct_start);
        (curve::cosine(self.max_lr, self.final_lr, fraction), curve::cosine(1.0, 0.0, fraction))
    }
}

/// Half a cosine of PyTorch's.
struct Phase {
    /// Where it ends, counting steps from 0.
    end: f64,
    /// Rates at its two ends.
    lr: (f64, f64),
    /// Heights at its two ends.
    height: (f64, f64),
}

/// Rate and height of a step in phases that follow one another.
fn in_phases(phases: &[Phase], elapsed: u64) -> (f64, f64) {
    let step = elapsed as f64;
    let current = phases.iter().position(|phase| step <= phase.end).unwrap_or(phases.len() - 1);
    let start = current.checked_sub(1).map_or(0.0, |before| phases[before].end);
    let Phase { end, lr, height } = phases[current];
    // A phase without length has only its end; PyTorch divides by zero there.
    let fraction = if end > start { (step - start) / (end - start) } else { 1.0 };
    (curve::cosine(lr.0, lr.1, fraction), curve::cosine(height.0, height.1, fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycle(variant: Variant) -> OneCycle {
        OneCycle { max_momentum: Some(0.95), min_momentum: Some(0.85), ..OneCycle::new(variant, 3.0) }
    }

    fn check(schedule: &OneCycle, iterations: u64, table: &[(u64, f64, f64)]) {
        schedule.validate(iterations).unwrap();
        for &(step, lr, momentum) in table {
            let found = schedule.parameters(step - 1, iterations, 0.9);
            let close = |found: f64, expected: f64| (found - expected).abs() <= 1e-14 * expected + 1e-15;
            assert!(close(found.lr, lr) && close(found.momentum, momentum), "step {step}: {found:?}");
        }
    }

    #[test]
    fn smith() {
        check(
            &cycle(Variant::Smith),
            100,
            &[
                (1, 0.3, 0.95),
                (2, 0.36, 0.95 - 0.1 / 45.0),
                (45, 2.94, 0.85 + 0.1 / 45.0),
                (46, 3.0, 0.85),
                (47, 3.0 * 44.0 / 45.0, 0.85 + 0.1 / 45.0),
                (90, 3.0 / 45.0, 0.95 - 0.1 / 45.0),
                (91, 0.0003, 0.95),
                (92, 0.0003, 0.95 - 0.05 / 45.0),
                (100, 0.0003, 0.94),
            ],
        );
    }

    /// What Smith's solver logged, to six digits: WRN-32, 4882 iterations, stepsize 2246, 0.1 to 1; and ResNet-56 on
    /// CIFAR-100, 7080 iterations, stepsize 3417, 0.1 to 1.2; momentum 0.95 to 0.85. Its iterations count from 0.
    #[test]
    fn smith_is_what_his_solver_logged() {
        let wide = [
            (0, 0.1, 0.95),
            (200, 0.180142, 0.941095),
            (1000, 0.500712, 0.905476),
            (2200, 0.981567, 0.852048),
            (2400, 0.931434, 0.856857),
            (3000, 0.664292, 0.883571),
            (4400, 0.0409617, 0.945904),
            (4600, 0.0001, 0.947596),
            (4800, 0.0001, 0.943143),
        ];
        let residual = [
            (4000, 0.995259, 0.867062),
            (5000, 0.644074, 0.896327),
            (6700, 0.0470588, 0.946078),
            (6800, 0.0119403, 0.949005),
            (6900, 0.0001, 0.949034),
            (7000, 0.0001, 0.947571),
        ];
        for (iterations, step_size, max_lr, table) in [(4882, 2246, 1.0, &wide[..]), (7080, 3417, 1.2, &residual)] {
            let schedule = OneCycle { max_lr, min_lr: Some(0.1), step_size: Some(step_size), ..cycle(Variant::Smith) };
            schedule.validate(iterations).unwrap();
            for &(iteration, lr, momentum) in table {
                let found = schedule.parameters(iteration, iterations, 0.9);
                assert!((found.lr / lr - 1.0).abs() < 5e-6, "{iteration}: {found:?}");
                assert!((found.momentum / momentum - 1.0).abs() < 1e-6, "{iteration}: {found:?}");
            }
        }
    }

    #[test]
    fn paper() {
        check(
            &cycle(Variant::Paper),
            100,
            &[
                (1, 0.3, 0.95),
                (45, 2.94, 0.85 + 0.1 / 45.0),
                (46, 3.0, 0.85),
                (47, 2.94, 0.85 + 0.1 / 45.0),
                (90, 0.36, 0.95 - 0.1 / 45.0),
                (91, 0.3, 0.95),
                (94, 0.2001, 0.95),
                (97, 0.1002, 0.95),
                (100, 0.0003, 0.95),
            ],
        );
    }

    #[test]
    fn a_cycle_as_long_as_the_run_has_no_tail() {
        for variant in [Variant::Smith, Variant::Paper] {
            let schedule = OneCycle { step_size: Some(50), ..cycle(variant) };
            check(&schedule, 100, &[(1, 0.3, 0.95), (51, 3.0, 0.85)]);
            assert!(schedule.parameters(99, 100, 0.9).lr > 0.05);
        }
        check(&OneCycle { step_size: Some(50), ..cycle(Variant::Paper) }, 101, &[(51, 3.0, 0.85), (101, 0.3, 0.95)]);
    }

    #[test]
    fn torch() {
        check(
            &cycle(Variant::Torch),
            100,
            &[(1, 0.12, 0.95), (30, 3.0, 0.85), (65, 1.500006, 0.9), (100, 1.2e-5, 0.95)],
        );
        let half = OneCycle { pct_start: Some(0.5), ..cycle(Variant::Torch) };
        check(&half, 10, &[(1, 0.12, 0.95), (3, 1.56, 0.9), (5, 3.0, 0.85), (10, 1.2e-5, 0.95)]);
    }

    #[test]
    fn torch_three_phase() {
        check(
            &cycle(Variant::TorchThreePhase),
            100,
            &[(1, 0.12, 0.95), (30, 3.0, 0.85), (59, 0.12, 0.95), (100, 1.2e-5, 0.95)],
        );
        let even = OneCycle { pct_start: Some(0.4), ..cycle(Variant::TorchThreePhase) };
        check(&even, 10, &[(1, 0.12, 0.95), (4, 3.0, 0.85), (7, 0.12, 0.95), (10, 1.2e-5, 0.95)]);
    }

    #[test]
    fn fastai() {
        let last = 0.5 * (1.0 + (std::f64::consts::PI * 0.74 / 0.75).cos());
        check(
            &cycle(Variant::Fastai),
            100,
            &[(1, 0.12, 0.95), (26, 3.0, 0.85), (100, 3e-5 + (3.0 - 3e-5) * last, 0.95 - 0.1 * last)],
        );
        check(&cycle(Variant::Fastai), 8, &[(1, 0.12, 0.95), (2, 1.56, 0.9), (3, 3.0, 0.85), (6, 1.500015, 0.9)]);
    }

    #[test]
    fn momentum_is_constant_without_bounds() {
        for (_, variant) in Variant::NAMES {
            let schedule = OneCycle::new(variant, 3.0);
            assert!((0..100).all(|elapsed| schedule.parameters(elapsed, 100, 0.7).momentum == 0.7));
        }
    }

    #[test]
    fn any_length_from_two_steps_on_gives_usable_rates() {
        for (_, variant) in Variant::NAMES {
            for iterations in 2..60 {
                let schedule = cycle(variant);
                schedule.validate(iterations).unwrap();
                for elapsed in 0..iterations {
                    let StepParameters { lr, momentum } = schedule.parameters(elapsed, iterations, 0.9);
                    assert!(lr > 0.0 && lr <= 3.0 + 1e-12, "{variant:?} {elapsed} of {iterations}: {lr}");
                    assert!((0.85 - 1e-12..=0.95 + 1e-12).contains(&momentum), "{variant:?} {momentum}");
                }
            }
        }
    }

    #[test]
    fn rates_above_one_are_accepted() {
        for (_, variant) in Variant::NAMES {
            assert_eq!(OneCycle::new(variant, 30.0).validate(100), Ok(()));
        }
    }

    #[test]
    fn names_are_those_of_records() {
        for (name, variant) in Variant::NAMES {
            assert_eq!(serde_json::to_value(variant).unwrap(), name);
            assert_eq!((variant.name(), Variant::from_name(name)), (name, Some(variant)));
        }
        assert_eq!(Variant::from_name("caffe"), None);
    }

    #[test]
    fn defaults_fill_in_what_is_not_given() {
        let open = |variant| OneCycle::new(variant, 3.0).resolved(4882);
        let close = |found: Option<f64>, expected: f64| (found.unwrap() / expected - 1.0).abs() < 1e-15;
        for variant in [Variant::Smith, Variant::Paper] {
            let found = open(variant);
            assert_eq!((found.step_size, found.pct_start), (Some(2196), None));
            assert!(close(found.min_lr, 0.3) && close(found.final_lr, 3e-4));
        }
        for variant in [Variant::Torch, Variant::TorchThreePhase] {
            let found = open(variant);
            assert_eq!((found.step_size, found.pct_start), (None, Some(0.3)));
            assert!(close(found.min_lr, 0.12) && close(found.final_lr, 1.2e-5));
        }
        let fastai = open(Variant::Fastai);
        assert_eq!((fastai.step_size, fastai.pct_start), (None, Some(0.25)));
        assert!(close(fastai.min_lr, 0.12) && close(fastai.final_lr, 3e-5));

        let given = OneCycle { min_lr: Some(1.0), step_size: Some(9), ..OneCycle::new(Variant::Smith, 3.0) };
        let resolved = OneCycle { final_lr: Some(1e-3), ..given.clone() };
        assert_eq!(given.resolved(100), resolved, "what is given stays, and the rest follows from it");
    }

    #[test]
    fn a_default_is_said_once_for_all_variants_that_share_it() {
        let words = Variant::in_words(|defaults| Some(defaults.final_lr.to_string()));
        assert_eq!(words, "min/1000 (smith, paper), min/10000 (torch, torch-three-phase), max/100000 (fastai)");
        let words = Variant::in_words(|defaults| defaults.step_size(100).map(|steps| format!("{steps}%")));
        assert_eq!(words, "45% (smith, paper)");
    }

    #[test]
    fn unusable_parameters_are_refused_by_name() {
        let smith = cycle(Variant::Smith);
        let torch = cycle(Variant::Torch);
        for (schedule, message) in [
            (OneCycle { max_lr: 0.0, ..smith.clone() }, "max_lr: expected a finite number above 0, found 0"),
            (OneCycle { min_lr: Some(0.0), ..smith.clone() }, "min_lr: expected a finite number above 0, found 0"),
            (OneCycle { min_lr: Some(5.0), ..smith.clone() }, "min_lr: expected a rate below max_lr (3), found 5"),
            (OneCycle { final_lr: Some(3.0), ..smith.clone() }, "final_lr: expected a rate below max_lr (3), found 3"),
            (OneCycle { step_size: Some(0), ..smith.clone() }, "step_size: expected at least 1, found 0"),
            (
                OneCycle { step_size: Some(51), ..smith.clone() },
                "step_size: expected at most 50, half of iterations (100), found 51",
            ),
            (OneCycle { pct_start: Some(0.3), ..smith.clone() }, "pct_start does not apply to variant smith"),
            (OneCycle { step_size: Some(9), ..torch.clone() }, "step_size does not apply to variant torch"),
            (OneCycle { pct_start: Some(1.5), ..torch }, "pct_start: expected a share from 0 to 1, found 1.5"),
            (OneCycle { min_momentum: None, ..smith }, "max_momentum requires min_momentum"),
        ] {
            assert_eq!(schedule.validate(100).unwrap_err().to_string(), message);
        }
        let message = cycle(Variant::Smith).validate(1).unwrap_err().to_string();
        assert_eq!(message, "iterations: expected at least 2, a step up and a step down, found 1");
    }
}
