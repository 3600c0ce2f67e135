//! Every parameter of every schedule is known to those who put runs side by side (`artifacts::keys`).

#![forbid(unsafe_code)]

use artifacts::keys::{self, Class, class_of};
use learner::spec::RunSpec;
use schedules::{
    Constant, Cosine, ExpRange, OneCycle, Piece, Piecewise, Plateau, Poly, RampScale, RangeRamp, Schedule, Sgdr,
    Triangular, Variant,
};

/// Every schedule with everything that it can be given: no `..`, so that a new parameter has to be added here.
fn schedules() -> Vec<Schedule> {
    let momentum = (Some(0.95), Some(0.85));
    let triangular =
        || Triangular { min_lr: 0.1, max_lr: 1.0, step_size: 10, max_momentum: momentum.0, min_momentum: momentum.1 };
    let all = vec![
        Schedule::Constant(Constant { lr: 0.1 }),
        Schedule::Piecewise(Piecewise { pieces: vec![Piece { iterations: 10, lr: 0.1 }] }),
        Schedule::Plateau(Plateau { lr: 0.1, factor: 0.1, patience: 1, threshold: 0.1, cooldown: 1, min_lr: 0.01 }),
        Schedule::Triangular(triangular()),
        Schedule::Triangular2(triangular()),
        Schedule::ExpRange(ExpRange::new(triangular(), 0.99)),
        Schedule::OneCycle(OneCycle {
            variant: Variant::Smith,
            max_lr: 1.0,
            min_lr: Some(0.1),
            final_lr: Some(0.01),
            step_size: Some(10),
            pct_start: Some(0.3),
            max_momentum: momentum.0,
            min_momentum: momentum.1,
        }),
        Schedule::Cosine(Cosine { lr: 0.1, min_lr: 0.01 }),
        Schedule::Sgdr(Sgdr { lr: 0.1, min_lr: 0.01, t_0: 10, t_mult: 2 }),
        Schedule::Poly(Poly { lr: 0.1, power: 1.0 }),
        Schedule::Ramp(RangeRamp { scale: RampScale::Log, min_lr: 0.1, max_lr: 1.0, critical_lr: Some(0.5) }),
    ];
    for schedule in &all {
        // A schedule that is added does not compile here, and then belongs into the list.
        match schedule {
            Schedule::Constant(_)
            | Schedule::Piecewise(_)
            | Schedule::Plateau(_)
            | Schedule::Triangular(_)
            | Schedule::Triangular2(_)
            | Schedule::ExpRange(_)
            | Schedule::OneCycle(_)
            | Schedule::Cosine(_)
            | Schedule::Sgdr(_)
            | Schedule::Poly(_)
            | Schedule::Ramp(_) => {}
        }
    }
    all
}

#[test]
fn every_parameter_of_every_schedule_is_classified() {
    for schedule in schedules() {
        let parameters = RunSpec::schedule_parameters(&schedule);
        for key in parameters.as_object().unwrap().keys() {
            let class = class_of(key);
            assert!(class.is_some(), "{}: {key}", schedule.name());
            assert_eq!(key.ends_with("lr") || key == "pieces", class == Some(Class::Rate), "{key}");
        }
    }
    assert_eq!(class_of(keys::CRITICAL_LR), Some(Class::Rate));
    assert_eq!(class_of("initial_lr"), None, "no schedule has it");
}
