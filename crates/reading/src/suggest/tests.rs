//! Suggestions on made-up curves of every outcome, through noise, sparse validation, both scales, few and many steps.

use artifacts::suggestion::Outcome;

use super::*;
use crate::curve::{Curve, Given, Point};

const CHANCE: f64 = 0.1;
const TOP: f64 = 0.85;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The progress at a log10 rate, with a start of learning at 0.01.
type Shape = fn(f64) -> f64;

fn rise(x: f64) -> f64 {
    sigmoid(6.0 * (x + 2.0))
}
fn hill(x: f64) -> f64 {
    rise(x) * sigmoid(-5.0 * (x + 0.6))
}
fn plateau(x: f64) -> f64 {
    rise(x) * (1.0 - 0.05 * sigmoid(4.0 * x))
}
fn plateau_that_ends(x: f64) -> f64 {
    rise(x) * sigmoid(-6.0 * (x - 1.0))
}
fn cliff(x: f64) -> f64 {
    if x < 0.3 { rise(x) } else { 0.0 }
}
fn collapse_and_recovery(x: f64) -> f64 {
    rise(x) * sigmoid(-14.0 * (x - 0.3)) + 0.6 * sigmoid(20.0 * (x - 1.1))
}
fn nothing(_: f64) -> f64 {
    0.0
}

#[derive(Clone, Copy, Debug)]
struct Ramp {
    log: bool,
    steps: usize,
    low: f64,
    high: f64,
}

const RAMPS: [Ramp; 5] = [
    Ramp { log: true, steps: 100, low: 1e-4, high: 30.0 },
    Ramp { log: true, steps: 1000, low: 1e-4, high: 30.0 },
    Ramp { log: true, steps: 4000, low: 1e-5, high: 30.0 },
    Ramp { log: false, steps: 2000, low: 0.0, high: 30.0 },
    Ramp { log: false, steps: 20_000, low: 0.0, high: 30.0 },
];

impl Ramp {
    fn lr(&self, step: usize) -> f64 {
        let share = (step - 1) as f64 / (self.steps - 1) as f64;
        if self.log { self.low * (self.high / self.low).powf(share) } else { self.low + (self.high - self.low) * share }
    }
}

/// A small generator of its own (Lehmer's, as in Park and Miller): made-up noise must be the same for ever.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        self.0 as f64 / 2_147_483_647.0
    }

    /// Nearly normal: a sum of twelve uniform numbers.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// What a range test of another tool leaves: validation accuracy and loss every `every` steps.
fn validated(shape: Shape, ramp: Ramp, noise: f64, every: usize, seed: u64) -> Curve {
    let mut random = Noise(seed + 1);
    let points = (1..=ramp.steps).filter(|step| step % every == 0).map(|step| {
        let lr = ramp.lr(step);
        let progress = shape(lr.max(1e-9).log10());
        let accuracy = (CHANCE + (TOP - CHANCE) * progress + noise * random.normal()).clamp(0.0, 1.0);
        let loss = (2.3 - 1.8 * progress + noise * random.normal()).max(0.01);
        Point { iteration: step as u64, lr, val_accuracy: Some(accuracy), val_loss: Some(loss), ..Point::default() }
    });
    curve(points.collect())
}

/// What our range test leaves: a noisy training loss and accuracy at every step, validation ones now and then.
fn ours(shape: Shape, ramp: Ramp, seed: u64) -> Curve {
    let mut curve = validated(shape, ramp, 0.06, 1, seed);
    for point in &mut curve.points {
        (point.train_accuracy, point.train_loss) = (point.val_accuracy, point.val_loss);
        if point.iteration % 10 != 0 {
            (point.val_accuracy, point.val_loss) = (None, None);
        }
    }
    curve
}

fn curve(points: Vec<Point>) -> Curve {
    Curve { source: "made-up".to_owned(), classes: Some(10), points, ..Curve::default() }
}

fn outcome_of(curve: Curve) -> Outcome {
    suggest(&[curve]).unwrap().outcome
}

#[test]
fn every_outcome_is_read_on_every_ramp_through_noise_and_gaps() {
    let cases: [(Shape, Outcome); 6] = [
        (hill, Outcome::Hill),
        (plateau, Outcome::Plateau),
        (plateau_that_ends, Outcome::Plateau),
        (cliff, Outcome::Divergence),
        (collapse_and_recovery, Outcome::CollapseAndRecovery),
        (nothing, Outcome::NoLearning),
    ];
    for (i, (shape, expected)) in cases.into_iter().enumerate() {
        for ramp in RAMPS {
            for noise in [0.0, 0.01, 0.03] {
                // A linear ramp's first points must not lie beyond the hill.
                for every in [1, 2, if ramp.log { ramp.steps / 50 } else { 5 }] {
                    // A constant curve has nothing to read and is refused: another test.
                    if expected == Outcome::NoLearning && noise == 0.0 {
                        continue;
                    }
                    let outcome = outcome_of(validated(shape, ramp, noise, every.max(1), 7));
                    assert_eq!(outcome, expected, "shape {i}, {ramp:?}, noise {noise}, every {every}");
                }
            }
            for seed in 0..3 {
                assert_eq!(outcome_of(ours(shape, ramp, seed)), expected, "shape {i}, {ramp:?}, ours, seed {seed}");
            }
        }
    }
}

#[test]
fn a_loss_that_stops_being_finite_is_a_divergence() {
    for blown in [f64::NAN, f64::INFINITY, 87.3366] {
        let mut curve = ours(plateau, RAMPS[0], 1);
        for point in curve.points.iter_mut().filter(|point| point.lr > 3.0) {
            point.train_loss = Some(blown);
            (point.train_accuracy, point.val_accuracy, point.val_loss) = (Some(CHANCE), None, None);
        }
        let suggestion = suggest(&[curve]).unwrap();
        assert_eq!(suggestion.outcome, Outcome::Divergence);
        assert!(suggestion.max_lr.unwrap() < 1.6, "{suggestion:?}");
        assert!(suggestion.reasons[0].contains("no longer finite"), "{:?}", suggestion.reasons);
    }
}

#[test]
fn an_overflow_before_anything_was_learnt_is_no_divergence() {
    let mut curve = validated(plateau, RAMPS[3], 0.01, 20, 3);
    curve.points[0].val_loss = Some(87.3366);
    assert_eq!(outcome_of(curve), Outcome::Plateau);
}

#[test]
fn rates_lie_where_the_shape_was_drawn() {
    for ramp in RAMPS {
        for seed in 0..3 {
            let near = |rate: Option<f64>, low: f64, high: f64, what: &str| {
                let rate = rate.unwrap();
                assert!(rate >= low && rate <= high, "{what}: {rate}, not in {low} to {high}; {ramp:?}, seed {seed}");
            };
            let of = |shape| suggest(&[ours(shape, ramp, seed)]).unwrap();
            // Of what is learnt from 0.01 to 10 three quarters (squared) are learnt below 1.8 or so; half of that.
            near(of(plateau_that_ends).max_lr, 0.5, 1.6, "below the end of a plateau");
            near(of(plateau).max_lr, 8.0, 30.0, "plateau to the end");
            // The hill's top lies at 10^-1.25.
            near(of(hill).max_lr, 0.025, 0.12, "hill");
            near(of(cliff).max_lr, 0.05, 1.05, "cliff at 2");
            near(of(collapse_and_recovery).max_lr, 0.03, 1.6, "collapse at 2");
            if ramp.log {
                // The progress comes to a tenth at 10^(-2 - ln(9)/6) = 0.0043.
                near(of(plateau).min_lr, 0.0028, 0.0065, "start of learning");
            }
        }
    }
}

#[test]
fn half_the_points_give_the_same_answer() {
    for ramp in [RAMPS[1], RAMPS[4]] {
        let whole = ours(plateau_that_ends, ramp, 5);
        let half = curve(whole.points.iter().copied().step_by(2).collect());
        let [whole, half] = [whole, half].map(|curve| suggest(&[curve]).unwrap());
        assert_eq!(whole.outcome, half.outcome);
        let moved = whole.max_lr.unwrap() / half.max_lr.unwrap();
        assert!((0.75..1.33).contains(&moved), "{moved}");
    }
}

#[test]
fn spikes_fool_nobody() {
    let mut spiked = ours(hill, RAMPS[1], 2);
    for i in [30, 31, 400, 900] {
        spiked.points[i].train_loss = Some(0.001);
        spiked.points[i].train_accuracy = Some(1.0);
    }
    let [clean, spiked] = [ours(hill, RAMPS[1], 2), spiked].map(|curve| suggest(&[curve]).unwrap());
    assert_eq!(clean.outcome, spiked.outcome);
    let moved = clean.max_lr.unwrap() / spiked.max_lr.unwrap();
    assert!((0.8..1.25).contains(&moved), "{moved}");
}

#[test]
fn a_ramp_that_stopped_too_soon_says_so() {
    let short = Ramp { high: 0.012, ..RAMPS[1] };
    let suggestion = suggest(&[ours(plateau, short, 1)]).unwrap();
    let said = suggestion
        .reasons
        .iter()
        .any(|reason| reason.contains("still rising at the highest rate tried (0.012); test up to 0.05"));
    assert!(said, "{:?}", suggestion.reasons);
    assert!(suggestion.confidence < 0.5, "{}", suggestion.confidence);
    let whole = suggest(&[ours(plateau_that_ends, RAMPS[1], 1)]).unwrap();
    assert!(!whole.reasons.iter().any(|reason| reason.contains("test up to")), "{:?}", whole.reasons);
}

/// Programs find a reason by what it is about, whatever its words.
#[test]
fn reasons_say_what_they_are_about() {
    let about = |suggestion: &Suggestion, about: About| {
        suggestion.reasons.iter().filter(|reason| reason.about == about).map(|reason| reason.sentence.clone()).collect()
    };
    let suggestion = suggest(&[ours(plateau, RAMPS[0], 1), ours(plateau, RAMPS[0], 2)]).unwrap();
    let outcome: Vec<String> = about(&suggestion, About::Outcome);
    assert_eq!(outcome, [suggestion.reasons[0].sentence.clone()]);
    let highest: Vec<String> = about(&suggestion, About::HighestRate);
    assert!(highest.len() == 1 && highest[0].contains("is the middle of 2 range tests"), "{highest:?}");
    let none: Vec<String> = about(&suggest(&[ours(nothing, RAMPS[0], 1)]).unwrap(), About::HighestRate);
    assert!(none.is_empty(), "{none:?}");
}

#[test]
fn nothing_learnt_suggests_nothing_and_says_why() {
    let suggestion = suggest(&[ours(nothing, RAMPS[0], 1)]).unwrap();
    assert_eq!((suggestion.min_lr, suggestion.max_lr, suggestion.max_lr_interval), (None, None, None));
    assert!(
        suggestion.reasons.iter().any(|reason| reason.contains("no rate is suggested")),
        "{:?}",
        suggestion.reasons
    );
}

#[test]
fn seeds_and_scales_are_read_together() {
    let curves: Vec<Curve> =
        (0..3).flat_map(|seed| [RAMPS[1], RAMPS[3]].map(|ramp| ours(plateau_that_ends, ramp, seed))).collect();
    let together = suggest(&curves).unwrap();
    let alone: Vec<f64> =
        curves.iter().map(|curve| suggest(std::slice::from_ref(curve)).unwrap().max_lr.unwrap()).collect();
    let (low, high) = alone.iter().fold((f64::INFINITY, 0.0f64), |(low, high), lr| (low.min(*lr), high.max(*lr)));
    let interval = together.max_lr_interval.unwrap();
    assert!(together.max_lr.unwrap() >= low && together.max_lr.unwrap() <= high);
    assert!(interval.low <= low && interval.high >= high);
    assert_eq!(together.sources.len(), 6);
}

#[test]
fn different_settings_are_refused_by_key() {
    let mut other = ours(plateau, RAMPS[0], 1);
    other.setting.momentum = Some(0.9);
    let mut one = ours(plateau, RAMPS[0], 2);
    one.setting.momentum = Some(0.95);
    let message = suggest(&[one.clone(), other.clone()]).unwrap_err().to_string();
    assert!(message.contains("momentum is 0.95 in one and 0.9 in the other"), "{message}");
    one.setting.momentum = Some(0.9);
    (one.setting.iterations, other.setting.iterations) = (Some(100), Some(200));
    let setting = suggest(&[one, other]).unwrap().setting;
    assert_eq!((setting.momentum, setting.iterations), (Some(0.9), None));
}

#[test]
fn lagging_running_statistics_do_not_decide() {
    // Validation accuracy that peaks a hundred times too low, as batch norm's running statistics make it on short ramps.
    let mut lagging = ours(plateau, RAMPS[1], 1);
    for point in &mut lagging.points {
        let progress = hill(point.lr.log10() + 0.8);
        point.val_accuracy = point.val_accuracy.map(|_| CHANCE + 0.4 * progress);
    }
    let suggestion = suggest(&[lagging]).unwrap();
    assert_eq!(suggestion.outcome, Outcome::Plateau);
    assert!(suggestion.max_lr.unwrap() > 10.0);
    let said = suggestion.reasons.iter().any(|reason| reason.contains("validation accuracy alone would read hill"));
    assert!(said, "{:?}", suggestion.reasons);
}

#[test]
fn a_curve_of_losses_alone_is_read() {
    let mut losses = ours(plateau_that_ends, RAMPS[1], 1);
    for point in &mut losses.points {
        (point.train_accuracy, point.val_accuracy, point.val_loss) = (None, None, None);
    }
    let suggestion = suggest(&[losses]).unwrap();
    assert_eq!(suggestion.outcome, Outcome::Plateau);
    // Half of what is learnt from 0.01 to 10 is learnt below 0.32, four times which is 1.3.
    assert!((0.7..2.4).contains(&suggestion.max_lr.unwrap()), "{suggestion:?}");
}

/// A loss as most tools leave it, alone: a log ramp from 1e-5 to 50 that learns from 1e-3 on and blows up at 20, through noise.
fn losses_alone(steps: usize, every: usize) -> Curve {
    let ramp = Ramp { log: true, steps, low: 1e-5, high: 50.0 };
    let mut random = Noise(11);
    let points = (1..=steps).map(|step| {
        let lr = ramp.lr(step);
        let x = lr.log10();
        let fall = 1.0 * sigmoid(4.0 * (x + 3.0)) * sigmoid(-4.0 * (x - 1.0));
        let loss = 2.3 - fall + 0.1 * random.normal() + if x > 1.2 { 10f64.powf(10.0 * (x - 1.2)) } else { 0.0 };
        Point { iteration: step as u64, lr, train_loss: Some(loss), ..Point::default() }
    });
    let points: Vec<Point> = points.collect();
    Curve { classes: None, ..curve(points.into_iter().step_by(every).collect()) }
}

#[test]
fn a_loss_that_grows_manyfold_diverges_in_every_thinning() {
    let whole = suggest(&[losses_alone(2000, 1)]).unwrap();
    for (every, classes) in [(1, Some(10)), (2, None), (20, None), (30, None), (80, None), (80, Some(10))] {
        let thin = suggest(&[Curve { classes, ..losses_alone(2000, every) }]).unwrap();
        assert_eq!(thin.outcome, Outcome::Divergence, "every {every}: {:?}", thin.reasons);
        let moved = thin.max_lr.unwrap() / whole.max_lr.unwrap();
        assert!((0.5..2.0).contains(&moved), "every {every}, classes {classes:?}: {moved}");
    }
    // Half of what is learnt between 0.001 and 10 is learnt below 0.1.
    assert!((0.15..0.9).contains(&whole.max_lr.unwrap()), "{whole:?}");
    assert!(whole.reasons[0].contains("grows manyfold from"), "{:?}", whole.reasons);
}

/// Single batches of two classes: from half of them right up to 87%, one batch with none.
#[test]
fn chance_comes_from_the_start_and_not_from_one_batch() {
    let mut random = Noise(3);
    let points = (0..60).map(|i| {
        let x = -3.0 + 3.0 * f64::from(i) / 59.0;
        let accuracy = 0.5 + 0.37 * sigmoid(5.0 * (x + 1.4)) + 0.04 * random.normal();
        let accuracy = if i == 12 { 0.0 } else { accuracy };
        Point { iteration: i as u64 + 1, lr: 10f64.powf(x), train_accuracy: Some(accuracy), ..Point::default() }
    });
    let suggestion = suggest(&[Curve { classes: None, ..curve(points.collect()) }]).unwrap();
    assert!(suggestion.reasons[0].contains("from 50.0%"), "{:?}", suggestion.reasons);
}

/// Accuracies of two classes in batches of 128, that reach 63% and fall to 53% for a while.
#[test]
fn a_dip_of_a_noisy_curve_is_no_collapse() {
    let mut random = Noise(5);
    let points = (0..300).map(|i| {
        let x = -3.0 + 4.5 * f64::from(i) / 299.0;
        let dip = 0.6 * (-((x + 1.1) / 0.2).powi(2)).exp();
        let progress = sigmoid(8.0 * (x + 2.7)) * sigmoid(-12.0 * x) * (1.0 - dip);
        let accuracy = 0.5 + 0.12 * progress + 0.044 * random.normal();
        let (lr, loss) = (10f64.powf(x), 0.69 - 0.05 * progress + 0.02 * random.normal());
        let (train_accuracy, train_loss) = (Some(accuracy), Some(loss));
        Point { iteration: i as u64 + 1, lr, train_accuracy, train_loss, ..Point::default() }
    });
    let points: Vec<Point> = points.collect();
    for classes in [None, Some(2)] {
        let suggestion = suggest(&[Curve { classes, ..curve(points.clone()) }]).unwrap();
        assert_ne!(suggestion.outcome, Outcome::CollapseAndRecovery, "{:?}", suggestion.reasons);
        assert!((0.05..0.6).contains(&suggestion.max_lr.unwrap()), "{suggestion:?}");
    }
}

#[test]
fn small_batches_show_learning_by_all_their_images() {
    let mut random = Noise(9);
    let points = (0..100).map(|i| {
        let share = if i < 30 { 0.1 } else { 0.21 };
        let right = (0..16).filter(|_| random.uniform() < share).count();
        let lr = 1e-3 * 10f64.powf(3.0 * f64::from(i) / 99.0);
        let (train_accuracy, train_loss) = (Some(right as f64 / 16.0), Some(2.3 + 0.2 * random.normal()));
        Point { iteration: i as u64 + 1, lr, train_accuracy, train_loss, ..Point::default() }
    });
    let mut quiet = curve(points.collect());
    quiet.setting.batch_size = Some(16);
    let suggestion = suggest(&[quiet]).unwrap();
    assert!(suggestion.outcome != Outcome::NoLearning && suggestion.max_lr.is_some(), "{suggestion:?}");
}

/// Too few and too noisy steps to show learning, but the loss comes apart at 1.
#[test]
fn where_the_loss_rises_is_an_answer_of_its_own() {
    let points = (0..14).map(|i| {
        let x = -4.0 + 5.0 * f64::from(i) / 13.0;
        let wobble = if i % 2 == 0 { 0.05 } else { -0.05 };
        let loss = 2.4 + wobble + if x > 0.0 { 2.0 * x } else { 0.0 };
        let (train_accuracy, train_loss) = (Some(CHANCE + 0.3 * wobble), Some(loss));
        Point { iteration: i as u64 + 1, lr: 10f64.powf(x), train_accuracy, train_loss, ..Point::default() }
    });
    let suggestion = suggest(&[curve(points.collect())]).unwrap();
    assert_eq!(suggestion.outcome, Outcome::NoLearning);
    assert!((0.1..1.5).contains(&suggestion.max_lr.unwrap()), "{suggestion:?}");
    let says = |what: &str| suggestion.reasons.iter().any(|reason| reason.contains(what));
    assert!(says("rests on where the loss rises") && !says("no rate is suggested"), "{:?}", suggestion.reasons);
}

/// A linear ramp flat to 3, and log ramps of which one ends at 8: one curve that falls at 10.
#[test]
fn ramps_that_end_sooner_agree_with_those_that_see_the_fall() {
    let to = |high: f64, log: bool| Ramp { log, high, ..if log { RAMPS[1] } else { RAMPS[3] } };
    let falls = |x: f64| rise(x) * sigmoid(-9.0 * (x - 1.0)) * sigmoid(-1.2 * (x + 0.7));
    let curves = [to(30.0, true), to(8.0, true), to(3.0, false)].map(|ramp| ours(falls, ramp, 1));
    let seen = suggest(&curves[..1]).unwrap().outcome;
    let together = suggest(&curves).unwrap();
    assert_eq!(together.outcome, seen);
    assert!(
        together.reasons.iter().any(|reason| reason.contains("3 of 3 range tests agree")),
        "{:?}",
        together.reasons
    );
    let other = ours(plateau, RAMPS[1], 1);
    let [a, b, _] = curves;
    let differing = suggest(&[a.clone(), a, b, other]).unwrap();
    assert!(
        differing.reasons.iter().any(|reason| reason.contains("3 of 4 range tests agree")),
        "{:?}",
        differing.reasons
    );
}

#[test]
fn super_convergence_is_said_of_sgd_alone_and_at_high_rates() {
    let of = |shape, optimizer: &str, scale: f64| {
        let mut curve = ours(shape, RAMPS[1], 1);
        curve.setting.optimizer = Some(optimizer.to_owned());
        for point in &mut curve.points {
            point.lr *= scale;
        }
        let reasons = suggest(&[curve]).unwrap().reasons;
        reasons.into_iter().map(|reason| reason.sentence).find(|sentence| sentence.contains("super-convergence"))
    };
    assert!(of(plateau, "sgd", 1.0).unwrap().contains("may be had"));
    assert!(of(hill, "sgd", 1.0).unwrap().contains("no sign"));
    assert_eq!(of(plateau, "sgd", 1e-3), None, "rates up to 0.03 say nothing of it");
    assert_eq!(of(plateau, "rmsprop", 1e-3), None);
    assert_eq!(of(plateau, "adam", 1.0), None);
}

/// What sentences must never say, of every shape: gains that turn round, empty clauses, a lag where statistics were re-estimated.
#[test]
fn sentences_are_true_of_their_curves() {
    let shapes: [Shape; 7] = [hill, plateau, plateau_that_ends, cliff, collapse_and_recovery, nothing, rise];
    for (i, shape) in shapes.into_iter().enumerate() {
        for alone in [false, true] {
            let mut one = ours(shape, RAMPS[1], 4);
            if alone {
                for point in &mut one.points {
                    (point.train_accuracy, point.val_accuracy) = (None, None);
                }
            }
            one.conditions = vec![("bn_reestimate", "4".to_owned())];
            for point in &mut one.points {
                point.val_accuracy = point.val_accuracy.map(|_| CHANCE + 0.3 * hill(point.lr.log10() + 0.8));
            }
            for reason in suggest(&[one]).unwrap().reasons {
                for untrue in
                    ["loss rises to", "; .", ": .", "-0%", "% are left, -", "statistics", "--bn-reestimate", "NaN"]
                {
                    assert!(!reason.contains(untrue), "shape {i}, losses alone {alone}: {:?}", reason.sentence);
                }
                assert!(reason.ends_with('.'), "{:?}", reason.sentence);
            }
        }
    }
}

#[test]
fn a_loss_below_0_is_read_and_said_to_be_none() {
    let mut negative = losses_alone(400, 1);
    for point in &mut negative.points {
        point.train_loss = point.train_loss.map(|loss| loss - 2.6);
    }
    let suggestion = suggest(&[negative]).unwrap();
    assert!((0.1..1.5).contains(&suggestion.max_lr.unwrap()), "{suggestion:?}");
    assert!(suggestion.reasons.iter().any(|reason| reason.contains("no cross-entropy")), "{:?}", suggestion.reasons);
}

/// Other tools' curves, where a folder with them is at hand: `SUPERCONV_OTHER_TOOLS` names it. What is right is in its README.
#[test]
fn other_tools_curves_are_read_right_whole_and_thinned() {
    /// Name, classes, the lowest and the highest answer that is right, and the rows of which every so many are read.
    type Case = (&'static str, Option<usize>, f64, f64, &'static [usize]);
    let Some(folder) = std::env::var_os("SUPERCONV_OTHER_TOOLS") else {
        eprintln!("skipped: other_tools_curves_are_read_right (SUPERCONV_OTHER_TOOLS is not set)");
        return;
    };
    let folder = std::path::Path::new(&folder).join("curves");
    let cases: [Case; 13] = [
        ("log-sgd-momentum.csv", None, 0.2, 0.6, &[1, 2, 20, 30, 80]),
        ("log-sgd-momentum.csv", Some(10), 0.2, 0.6, &[1, 2, 20, 30, 80]),
        ("blowup-98rows.csv", None, 0.1, 20.0, &[1, 2]),
        ("dogs-range.csv", Some(2), 0.1, 0.5, &[1]),
        ("dogs-range.csv", None, 0.1, 0.5, &[1]),
        ("inflated-start.csv", None, 0.06, 0.24, &[1]),
        ("low-start.csv", None, 0.02, 0.2, &[1]),
        ("keras-rates.csv", None, 0.01, 0.05, &[1]),
        ("keras-corrected.csv", None, 0.01, 0.05, &[1]),
        ("lightning-as-saved.csv", None, 0.02, 0.2, &[1]),
        ("lightning-unsmoothed.csv", None, 0.01, 0.06, &[1]),
        ("negative.csv", None, 0.003, 0.7, &[1]),
        ("pl21141-noisy.csv", None, 0.5, 2.0, &[1]),
    ];
    for (name, classes, low, high, thinnings) in cases {
        for every in thinnings {
            let given = Given { classes, ..Given::default() };
            let (whole, _) = crate::curve::read(&folder.join(name), &given).unwrap();
            let thin = Curve { points: whole.points.into_iter().step_by(*every).collect(), ..whole };
            let suggestion = suggest(&[thin]).unwrap();
            let (rate, what) =
                (suggestion.max_lr.unwrap_or(f64::NAN), format!("{name}, classes {classes:?}, every {every}"));
            assert!((low..=high).contains(&rate), "{what}: {rate}, not in {low} to {high}: {:?}", suggestion.reasons);
        }
    }
}

/// The author's curves, where a folder with them is at hand: `SUPERCONV_REFERENCE` names it.
#[test]
fn the_authors_curves_are_read_right_at_all_and_at_half_the_points() {
    let Some(folder) = std::env::var_os("SUPERCONV_REFERENCE") else {
        eprintln!("skipped: the_authors_curves_are_read_right (SUPERCONV_REFERENCE is not set)");
        return;
    };
    let folder = std::path::Path::new(&folder).join("range-tests");
    let mut read = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = if name.contains("Clip") { Outcome::Hill } else { Outcome::Plateau };
        let (whole, _) = crate::curve::read(&path, &Given::default()).unwrap();
        for start in [0, 1] {
            let half = Curve { points: whole.points.iter().copied().skip(start).step_by(2).collect(), ..whole.clone() };
            assert_eq!(outcome_of(half), expected, "{name}, half from {start}");
        }
        assert_eq!(outcome_of(whole), expected, "{name}");
        read += 1;
    }
    assert_eq!(read, 7, "curves in {}", folder.display());
}

/// A ramp from a 64th of the critical rate to 16 times it, whose training loss is least at `least` and rises from there.
fn around(critical: f64, least: f64, steps: usize, momentum: f64) -> Curve {
    let mut random = Noise(7);
    let points = (0..steps).map(|k| {
        let lr = critical / 64.0 * 1024f64.powf(k as f64 / (steps - 1) as f64);
        let off = (lr / least).log10();
        let loss = 2.3 - 1.5 / (1.0 + off * off) + 0.02 * random.normal();
        Point { iteration: k as u64 + 1, lr, train_loss: Some(loss), train_accuracy: Some(0.5), ..Point::default() }
    });
    let mut curve = Curve { critical_lr: Some(critical), ..curve(points.collect()) };
    curve.setting.momentum = Some(momentum);
    curve
}

#[test]
fn around_a_critical_rate_the_highest_lies_between_it_and_the_first_minimum() {
    let max = |steps, momentum| suggest(&[around(0.8, 0.1, steps, momentum)]).unwrap().max_lr.unwrap();
    // (0.8 x 2 sqrt(0.1))^0.4 0.1^0.6
    let expected = 0.1912;
    for steps in [27, 60, 300] {
        let ratio = max(steps, 0.9) / expected;
        assert!((0.8..1.25).contains(&ratio), "{steps} steps: {ratio}");
    }
    // (0.8 x 2 sqrt(0.55))^0.7 0.1^0.3
    assert!((0.85..1.18).contains(&(max(300, 0.45) / 0.5648)));
    // Too short a ramp for its momentum, or none: what the critical rate says alone, 0.8 x 2 sqrt(1 - m).
    for (steps, momentum, expected) in [(12, 0.9, 0.50596), (24, 0.95, 0.35777), (300, 0.0, 1.6)] {
        assert!((max(steps, momentum) / expected - 1.0).abs() < 1e-3, "{steps} steps, momentum {momentum}");
    }
}

/// A loss that still falls at the end of the ramp says that rates far above b are good, not how far.
#[test]
fn a_late_minimum_counts_as_no_more_than_eight_times_what_the_critical_rate_says() {
    let max = suggest(&[around(0.8, 100.0, 60, 0.9)]).unwrap().max_lr.unwrap();
    // b = 0.8 x 2 sqrt(0.1); b^0.4 (8 b)^0.6
    assert!((max / 1.7619 - 1.0).abs() < 1e-3, "{max}");
}

#[test]
fn small_batches_lower_the_rate_and_large_ones_raise_it() {
    let max = |size: Option<usize>| {
        let mut curve = around(0.8, 0.1, 60, 0.9);
        curve.setting.batch_size = size;
        suggest(&[curve]).unwrap()
    };
    let at_128 = max(Some(128)).max_lr.unwrap();
    assert_eq!(max(None).max_lr, Some(at_128), "where the batch is not known it changes nothing");
    for (size, factor) in [(8, 0.5), (2048, 2.0)] {
        let suggestion = max(Some(size));
        let ratio = suggestion.max_lr.unwrap() / at_128;
        assert!((ratio / factor - 1.0).abs() < 1e-3, "{size}: {ratio}");
        let said = format!("; batches of {size} make that ");
        assert!(suggestion.reasons.iter().any(|reason| reason.contains(&said)), "{:?}", suggestion.reasons);
    }
}

#[test]
fn what_one_batch_does_moves_the_highest_rate_little() {
    let calm = suggest(&[around(0.8, 0.1, 60, 0.9)]).unwrap().max_lr.unwrap();
    let mut spiked = around(0.8, 0.1, 60, 0.9);
    for index in [10, 25] {
        spiked.points[index].train_loss = Some(6.0);
    }
    let ratio = suggest(&[spiked]).unwrap().max_lr.unwrap() / calm;
    assert!((0.8..1.25).contains(&ratio), "{ratio}");
}

#[test]
fn a_ramp_that_shows_no_learning_leaves_the_answer_of_the_critical_rate() {
    let mut quiet = around(0.8, 0.1, 12, 0.9);
    for point in &mut quiet.points {
        point.train_accuracy = Some(CHANCE);
    }
    let seen = suggest(&[Curve { critical_lr: None, ..quiet.clone() }]).unwrap();
    assert_eq!(seen.outcome, Outcome::NoLearning);
    let suggestion = suggest(&[quiet]).unwrap();
    assert_eq!(suggestion.outcome, Outcome::NoLearning);
    // 0.8 x 2 sqrt(0.1): of so short a ramp nothing else counts.
    assert!((suggestion.max_lr.unwrap() / 0.50596 - 1.0).abs() < 1e-3, "{suggestion:?}");
    assert!(suggestion.max_lr_interval.is_some());
    let says = |what: &str| suggestion.reasons.iter().any(|reason| reason.contains(what));
    assert!(says("rests on the critical rate") && !says("no rate is suggested"), "{:?}", suggestion.reasons);
}
