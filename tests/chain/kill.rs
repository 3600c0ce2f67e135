//! A few kills of every stage; `make torture` has hundreds.

use end_to_end::kill::Stage;
use end_to_end::stages::Stages;

#[test]
fn every_stage_survives_being_killed() {
    let stages = Stages::new(60);
    for (make_stage, kills) in [
        (Stages::prep as fn(&Stages) -> Stage, 2),
        (Stages::init, 2),
        (Stages::rangetest, 3),
        (Stages::train, 5),
        (Stages::diverging, 2),
        (Stages::probe, 1),
        (Stages::suggest, 1),
        (Stages::choose, 1),
        (Stages::report, 2),
    ] {
        let tally = make_stage(&stages).survive(kills, 7);
        assert!(tally.is_clean(), "{tally:#?}");
    }
}
