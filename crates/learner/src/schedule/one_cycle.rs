//! 1cycle (Smith and Topin, arXiv:1708.07120; Smith, arXiv:1803.09820): up once, down once, and a tail.
//!
//! Five programs of that name differ in shape. Counting from 0, over N steps, S the step size:
//!
//! | variant | rise | fall | tail | cycled momentum |
//! |---|---|---|---|---|
//! | `smith` | line, min to max in S | line, max to 0 in S | constant min/1000 | line down in S, up in S, then on in cycles, each half as deep |
//! | `paper` | line, min to max in S | line, max to min in S | line, min to min/1000 | line down in S, up in S, then the upper bound |
//! | `torch` | half a cosine from max/25, 30% of N | half a cosine to max/250,000 | none | mirrors the rate |
//! | `torch-three-phase` | the same | as long as the rise, back to max/25 | half a cosine to max/250,000 | mirrors the rate, then the upper bound |
//! | `fastai` | half a cosine from max/25, 25% of N | half a cosine to max/100,000 | none | mirrors the rate |
//!
//! `smith` is what the logs of lnsmith54/hyperParam1 show of Smith's own Caffe, `torch` is PyTorch's `OneCycleLR`, and
//! `fastai` is `fit_one_cycle` of fastai 2. The papers leave the tail's shape open; `paper` ends it on the last step.

use serde::{Deserialize, Serialize};

use super::Rates;
use super::check::{self, Result, require};
use super::curve;
use super::cyclical::halving_height;
use super::momentum::{self, Bounds};

/// Whose shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// As Smith's own solver ran it.
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

impl Variant {
    /// Every variant, with the name that `--variant` and records use; the first is the default.
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

    /// Whether the cycle is given by its step size, and not by the share of its rise.
    fn has_step_size(self) -> bool {
        matches!(self, Self::Smith | Self::Paper)
    }
}

/// One cycle. What is `None` takes the variant's default; [`OneCycle::resolved`] fills it in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneCycle {
    /// `--variant`
    pub variant: Variant,
    /// `--max-lr`
    pub max_lr: f64,
    /// `--min-lr`, the rate of the first step: max/10 in `smith` and `paper`, max/25 in the others.
    #[serde(default)]
    pub min_lr: Option<f64>,
    /// `--final-lr`, the rate of the tail or at its end: min/1000 in `smith` and `paper`, min/10,000 in both of
    /// PyTorch's, max/100,000 in `fastai`.
    #[serde(default)]
    pub final_lr: Option<f64>,
    /// `--step-size`, in `smith` and `paper` alone: steps of the rise, and of the fall. 45% of the run, rounded down.
    #[serde(default)]
    pub step_size: Option<u64>,
    /// `--pct-start`, in the others alone: the share of the run that is the rise. 0.3 in both of PyTorch's, 0.25 in
    /// `fastai`.
    #[serde(default)]
    pub pct_start: Option<f64>,
    /// `--max-momentum`, at the lowest rate.
    #[serde(default)]
    pub max_momentum: Option<f64>,
    /// `--min-momentum`, at the highest rate.
    #[serde(default)]
    pub min_momentum: Option<f64>,
}

impl OneCycle {
    /// One cycle to `max_lr`, all else by default.
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
        let variant = self.variant;
        let shape = self.shape(iterations);
        Self {
            min_lr: Some(shape.min_lr),
            final_lr: Some(shape.final_lr),
            step_size: variant.has_step_size().then_some(shape.step_size),
            pct_start: (!variant.has_step_size()).then_some(shape.pct_start),
            ..self.clone()
        }
    }

    pub(super) fn validate(&self, iterations: u64) -> Result {
        check::positive("--max-lr", self.max_lr)?;
        let shape = self.shape(iterations);
        check::positive("--min-lr", shape.min_lr)?;
        check::ordered(shape.min_lr, "--max-lr", self.max_lr)?;
        check::not_negative("--final-lr", shape.final_lr)?;
        let below_max = format!("a rate below --max-lr {}", self.max_lr);
        require(shape.final_lr < self.max_lr, "--final-lr", &below_max, shape.final_lr)?;
        self.validate_length(&shape, iterations)?;
        momentum::validate(self.max_momentum, self.min_momentum)
    }

    fn validate_length(&self, shape: &Shape, iterations: u64) -> Result {
        if !self.variant.has_step_size() {
            let unused = "none, as --pct-start sets the rise of this --variant";
            require(self.step_size.is_none(), "--step-size", unused, self.step_size.unwrap_or_default())?;
            return require(
                (0.0..=1.0).contains(&shape.pct_start),
                "--pct-start",
                "a share from 0 to 1",
                shape.pct_start,
            );
        }
        let unused = "none, as --step-size sets the rise of this --variant";
        require(self.pct_start.is_none(), "--pct-start", unused, self.pct_start.unwrap_or_default())?;
        require(iterations >= 2, "--iterations", "at least 2, a step up and a step down", iterations)?;
        check::counted("--step-size", shape.step_size)?;
        let half = format!("at most {}, half of --iterations {iterations}", iterations / 2);
        require(shape.step_size <= iterations / 2, "--step-size", &half, shape.step_size)
    }

    pub(super) fn rates(&self, elapsed: u64, iterations: u64, base_momentum: f64) -> Rates {
        let shape = self.shape(iterations);
        let (lr, depth) = match self.variant {
            Variant::Smith => shape.smith(elapsed),
            Variant::Paper => shape.paper(elapsed, iterations),
            Variant::Torch | Variant::TorchThreePhase => shape.torch(elapsed, iterations, self.variant),
            Variant::Fastai => shape.fastai(elapsed, iterations),
        };
        let bounds = Bounds::of(self.max_momentum, self.min_momentum);
        Rates { lr, momentum: bounds.map_or(base_momentum, |bounds| bounds.at(depth)) }
    }

    fn shape(&self, iterations: u64) -> Shape {
        let (div, default_pct) = match self.variant {
            Variant::Smith | Variant::Paper => (10.0, 0.0),
            Variant::Torch | Variant::TorchThreePhase => (25.0, 0.3),
            Variant::Fastai => (25.0, 0.25),
        };
        let min_lr = self.min_lr.unwrap_or(self.max_lr / div);
        let default_final = match self.variant {
            Variant::Smith | Variant::Paper => min_lr / 1000.0,
            Variant::Torch | Variant::TorchThreePhase => min_lr / 1e4,
            Variant::Fastai => self.max_lr / 1e5,
        };
        Shape {
            min_lr,
            max_lr: self.max_lr,
            final_lr: self.final_lr.unwrap_or(default_final),
            step_size: self.step_size.unwrap_or_else(|| (iterations.saturating_mul(9) / 20).max(1)),
            pct_start: self.pct_start.unwrap_or(default_pct),
        }
    }
}

/// A cycle with nothing left open. Its functions give the rate and the momentum's depth: 0 at the upper bound, 1 at the
/// lower one.
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

    /// `OneCycleLR`: phases end on fractional steps, one before the share that they are named after, or two.
    fn torch(&self, elapsed: u64, iterations: u64, variant: Variant) -> (f64, f64) {
        let total = iterations as f64;
        let rise = (self.pct_start * total - 1.0, (self.min_lr, self.max_lr), (0.0, 1.0));
        let last = total - 1.0;
        let phases: &[Phase] = if variant == Variant::TorchThreePhase {
            &[
                rise,
                (2.0 * self.pct_start * total - 2.0, (self.max_lr, self.min_lr), (1.0, 0.0)),
                (last, (self.min_lr, self.final_lr), (0.0, 0.0)),
            ]
        } else {
            &[rise, (last, (self.max_lr, self.final_lr), (1.0, 0.0))]
        };
        let step = elapsed as f64;
        let current = phases.iter().position(|phase| step <= phase.0).unwrap_or(phases.len() - 1);
        let start = current.checked_sub(1).map_or(0.0, |before| phases[before].0);
        let (end, lr, depth) = phases[current];
        // A phase without length has only its end; PyTorch divides by zero there.
        let fraction = if end > start { (step - start) / (end - start) } else { 1.0 };
        (curve::cosine(lr.0, lr.1, fraction), curve::cosine(depth.0, depth.1, fraction))
    }

    /// fastai's position is the share of steps done before this one, so that the end itself is never reached.
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

/// Where a phase ends, counting from 0; its rates; and the momentum's depths at its two ends.
type Phase = (f64, (f64, f64), (f64, f64));

#[cfg(test)]
mod tests {
    use super::*;

    fn cycle(variant: Variant) -> OneCycle {
        OneCycle { max_momentum: Some(0.95), min_momentum: Some(0.85), ..OneCycle::new(variant, 3.0) }
    }

    fn check(schedule: &OneCycle, iterations: u64, table: &[(u64, f64, f64)]) {
        schedule.validate(iterations).unwrap();
        for &(step, lr, momentum) in table {
            let found = schedule.rates(step - 1, iterations, 0.9);
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
                let found = schedule.rates(iteration, iterations, 0.9);
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
            assert!(schedule.rates(99, 100, 0.9).lr > 0.05);
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
    fn momentum_stays_without_bounds() {
        for (_, variant) in Variant::NAMES {
            let schedule = OneCycle::new(variant, 3.0);
            assert!((0..100).all(|elapsed| schedule.rates(elapsed, 100, 0.7).momentum == 0.7));
        }
    }

    #[test]
    fn any_length_from_two_steps_on_gives_usable_rates() {
        for (_, variant) in Variant::NAMES {
            for iterations in 2..60 {
                let schedule = cycle(variant);
                schedule.validate(iterations).unwrap();
                for elapsed in 0..iterations {
                    let Rates { lr, momentum } = schedule.rates(elapsed, iterations, 0.9);
                    assert!(lr > 0.0 && lr <= 3.0 + 1e-12, "{variant:?} {elapsed} of {iterations}: {lr}");
                    assert!((0.85 - 1e-12..=0.95 + 1e-12).contains(&momentum), "{variant:?} {momentum}");
                }
            }
        }
    }

    #[test]
    fn rates_beyond_one_are_welcome() {
        for (_, variant) in Variant::NAMES {
            assert_eq!(OneCycle::new(variant, 30.0).validate(100), Ok(()));
        }
    }

    #[test]
    fn defaults_are_those_of_the_table() {
        let open = |variant| OneCycle::new(variant, 3.0).resolved(4882);
        let close = |found: Option<f64>, expected: f64| (found.unwrap() / expected - 1.0).abs() < 1e-15;
        let smith = open(Variant::Smith);
        assert_eq!((smith.step_size, smith.pct_start), (Some(2196), None));
        assert!(close(smith.min_lr, 0.3) && close(smith.final_lr, 3e-4));
        let fastai = open(Variant::Fastai);
        assert_eq!((fastai.step_size, fastai.pct_start), (None, Some(0.25)));
        assert!(close(fastai.min_lr, 0.12) && close(fastai.final_lr, 3e-5));
        assert_eq!(open(Variant::Torch).pct_start, Some(0.3));
    }

    #[test]
    fn unusable_parameters_are_named() {
        let smith = cycle(Variant::Smith);
        let torch = cycle(Variant::Torch);
        for (schedule, message) in [
            (OneCycle { max_lr: 0.0, ..smith.clone() }, "--max-lr: expected a finite number above 0, found 0"),
            (OneCycle { min_lr: Some(0.0), ..smith.clone() }, "--min-lr: expected a finite number above 0, found 0"),
            (OneCycle { min_lr: Some(5.0), ..smith.clone() }, "--min-lr: expected a rate below --max-lr 3, found 5"),
            (
                OneCycle { final_lr: Some(3.0), ..smith.clone() },
                "--final-lr: expected a rate below --max-lr 3, found 3",
            ),
            (OneCycle { step_size: Some(0), ..smith.clone() }, "--step-size: expected at least 1, found 0"),
            (
                OneCycle { step_size: Some(51), ..smith.clone() },
                "--step-size: expected at most 50, half of --iterations 100, found 51",
            ),
            (
                OneCycle { pct_start: Some(0.3), ..smith.clone() },
                "--pct-start: expected none, as --step-size sets the rise of this --variant, found 0.3",
            ),
            (
                OneCycle { step_size: Some(9), ..torch.clone() },
                "--step-size: expected none, as --pct-start sets the rise of this --variant, found 9",
            ),
            (OneCycle { pct_start: Some(1.5), ..torch }, "--pct-start: expected a share from 0 to 1, found 1.5"),
            (
                OneCycle { min_momentum: None, ..smith },
                "--min-momentum: expected a value, as --max-momentum has one, found none",
            ),
        ] {
            assert_eq!(schedule.validate(100).unwrap_err().to_string(), message);
        }
        let message = cycle(Variant::Smith).validate(1).unwrap_err().to_string();
        assert_eq!(message, "--iterations: expected at least 2, a step up and a step down, found 1");
    }
}
