//! Ten steps of every optimizer against PyTorch. `tests/parity/optimizers.py` made the fixture: parameters in float64,
//! and how far from them PyTorch's own float32 comes.

use kernels::engine::{Optimizer, Update};
use kernels::isa::Isa;
use kernels::optimizer::{self, FlatState};
use kernels::threads::Threads;
use serde::Deserialize;

/// How many times as far from the exact numbers as PyTorch's float32 ours may be: both round, in different orders.
const TIMES_PYTORCH: f64 = 3.0;
/// And one rounding of the largest parameter beside.
const ROUNDING: f64 = 1.2e-7;

#[derive(Deserialize)]
struct Fixture {
    start: Vec<f32>,
    gradients: Vec<Vec<f32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    optimizer: String,
    weight_decay: f64,
    /// Rate and momentum of each step.
    rates: Vec<(f64, f64)>,
    after: Vec<After>,
}

#[derive(Deserialize)]
struct After {
    step: usize,
    parameters: Vec<f64>,
    float32_distance: f64,
}

impl After {
    fn tolerance(&self) -> f64 {
        let largest = self.parameters.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let tolerance = TIMES_PYTORCH * self.float32_distance + ROUNDING * largest;
        assert!(tolerance < 3e-6 * largest, "a tolerance of {tolerance:e} would show nothing");
        tolerance
    }
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/optimizers.json")).expect("the fixture is as its script writes it")
}

fn named(name: &str) -> Optimizer {
    match name {
        "sgd" => Optimizer::Sgd { nesterov: false },
        "nesterov" => Optimizer::Sgd { nesterov: true },
        "adagrad" => Optimizer::Adagrad,
        "adadelta" => Optimizer::Adadelta,
        "rmsprop" => Optimizer::RmsProp,
        "adam" => Optimizer::Adam,
        "adamw" => Optimizer::AdamW,
        other => panic!("the fixture has an unknown optimizer: {other}"),
    }
}

/// Parameters after every step.
fn run(fixture: &Fixture, case: &Case, isa: Isa) -> Vec<Vec<f32>> {
    let threads = Threads::new(1).unwrap();
    let mut state = FlatState::default();
    let mut parameters = fixture.start.clone();
    let steps = fixture.gradients.iter().zip(&case.rates);
    let after = steps.map(|(gradients, &(lr, momentum))| {
        let update = Update { optimizer: named(&case.optimizer), lr, momentum, weight_decay: case.weight_decay };
        optimizer::step(&threads, isa, &update, &mut state, &mut parameters, gradients);
        parameters.clone()
    });
    after.collect()
}

#[test]
fn ten_steps_are_pytorch_s() {
    let fixture = fixture();
    for case in &fixture.cases {
        for isa in Isa::supported() {
            let found = run(&fixture, case, isa);
            for expected in &case.after {
                let tolerance = expected.tolerance();
                for (entry, (found, exact)) in found[expected.step - 1].iter().zip(&expected.parameters).enumerate() {
                    assert!(
                        (f64::from(*found) - exact).abs() <= tolerance,
                        "{} at {:?} with decay {}, {isa}, step {}, entry {entry}: expected {exact} within \
                         {tolerance:e}, found {found}",
                        case.optimizer,
                        case.rates[0],
                        case.weight_decay,
                        expected.step,
                    );
                }
            }
        }
    }
}

#[test]
fn every_optimizer_is_among_the_cases() {
    let cases = fixture().cases;
    for name in ["sgd", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw"] {
        let own = || cases.iter().filter(|case| case.optimizer == name);
        assert!(own().any(|case| case.weight_decay > 0.0), "{name} with weight decay");
        assert!(own().any(|case| case.rates.iter().any(|(lr, _)| *lr >= 10.0)), "{name} at rate 10");
        let cycles = |case: &Case| case.rates.windows(2).any(|pair| pair[0].1 != pair[1].1);
        assert!(matches!(name, "adagrad" | "adadelta") || own().any(cycles), "{name} with a momentum that changes");
    }
}
