//! Schedules against PyTorch's schedulers, step by step. The fixture was made by `tests/parity/schedules.py`. What PyTorch has
//! no counterpart of (`smith` and `paper` of 1cycle) is compared with tables beside the code.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use schedules::{PlateauState, Schedule};
use serde::Deserialize;

/// Relative tolerance.
const RELATIVE: f64 = 1e-12;
/// Tolerance as a share of the largest rate, which the formulas subtract from a number of its size where the rate is small.
const OF_LARGEST: f64 = 1e-15;

#[derive(Deserialize)]
struct Fixture {
    base_momentum: f64,
    cases: Vec<Case>,
    plateaus: Vec<PlateauCase>,
}

#[derive(Deserialize)]
struct Case {
    source: String,
    schedule: Schedule,
    iterations: u64,
    rows: Vec<(u64, f64, f64)>,
}

#[derive(Deserialize)]
struct PlateauCase {
    schedule: Schedule,
    losses: Vec<f64>,
    lr: Vec<f64>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/schedules.json")).expect("the fixture is as its script writes it")
}

fn assert_close(found: f64, expected: f64, largest: f64, context: &str) {
    let tolerance = RELATIVE * expected.abs() + OF_LARGEST * largest;
    assert!((found - expected).abs() <= tolerance, "{context}: expected {expected:e}, found {found:e}");
}

#[test]
fn every_schedule_is_compared() {
    let Fixture { cases, plateaus, .. } = fixture();
    let names = cases.iter().map(|case| case.schedule.name());
    let compared: BTreeSet<&str> = names.chain(plateaus.iter().map(|case| case.schedule.name())).collect();
    let all = [
        "1cycle",
        "constant",
        "cosine",
        "exp-range",
        "piecewise",
        "plateau",
        "poly",
        "ramp-linear",
        "ramp-log",
        "sgdr",
        "triangular",
        "triangular2",
    ];
    assert_eq!(compared, all.into());
    for variant in ["torch", "torch-three-phase", "fastai"] {
        let is_it =
            |case: &Case| matches!(&case.schedule, Schedule::OneCycle(cycle) if cycle.variant.name() == variant);
        assert!(cases.iter().any(is_it), "{variant}");
    }
}

#[test]
fn every_step_is_as_in_the_reference() {
    let Fixture { base_momentum, cases, .. } = fixture();
    assert!(cases.len() > 40, "{} cases", cases.len());
    for Case { source, schedule, iterations, rows } in cases {
        schedule.validate(iterations).unwrap();
        assert_eq!((rows[0].0, rows[rows.len() - 1].0), (1, iterations), "both ends of every run are compared");
        let largest = rows.iter().map(|row| row.1).fold(0.0, f64::max);
        for (step, lr, momentum) in rows {
            let found = schedule.at(step, iterations, base_momentum, &PlateauState::default());
            let context = format!("{source}, {} of {iterations}, step {step}", schedule.name());
            assert_close(found.lr, lr, largest, &context);
            assert_close(found.momentum, momentum, 1.0, &context);
        }
    }
}

#[test]
fn plateau_lowers_the_rate_when_pytorch_does() {
    let Fixture { base_momentum, plateaus, .. } = fixture();
    for PlateauCase { schedule, losses, lr } in plateaus {
        schedule.validate(losses.len() as u64).unwrap();
        assert!(lr.windows(2).filter(|pair| pair[1] < pair[0]).count() >= 2, "the rate falls more than once");
        let mut state = PlateauState::default();
        for (step, (loss, expected)) in (1..).zip(losses.iter().zip(lr)) {
            schedule.observe(&mut state, *loss);
            let found = schedule.at(step + 1, 1000, base_momentum, &state);
            assert_close(found.lr, expected, 0.0, &format!("{schedule:?}, measurement {step}"));
        }
    }
}
