//! `docs/schedules.md` states 1cycle's defaults, which [`Variant::defaults`] decides.

#![forbid(unsafe_code)]

use schedules::{MOMENTUM_BOUNDS, Rise, Variant};

const PAGE: &str = include_str!("../../../docs/schedules.md");

/// The row of 1cycle's table of defaults for a flag, without the marks of code.
fn row(flag: &str) -> String {
    let start = format!("| `{flag}`");
    PAGE.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no row for {flag}")).replace('`', "")
}

#[test]
fn the_defaults_of_1cycle_are_those_of_the_code() {
    let min_lr = Variant::in_words(|defaults| Some(format!("max/{}", defaults.div_factor)));
    let final_lr = Variant::in_words(|defaults| Some(defaults.final_lr.to_string()));
    let step_size = Variant::in_words(|defaults| match defaults.rise {
        Rise::StepSize { percent } => Some(format!("{percent}% of the run, rounded down")),
        Rise::PctStart(_) => None,
    });
    let pct_start = Variant::in_words(|defaults| match defaults.rise {
        Rise::PctStart(share) => Some(share.to_string()),
        Rise::StepSize { .. } => None,
    });
    let momentum = format!("{} and {} are usual", MOMENTUM_BOUNDS.0, MOMENTUM_BOUNDS.1);
    for (flag, text) in [
        ("--min-lr", min_lr),
        ("--final-lr", final_lr),
        ("--step-size", step_size),
        ("--pct-start", pct_start),
        ("--max-momentum", momentum),
    ] {
        assert!(row(flag).contains(&text), "{flag}: expected {text:?} in\n{}", row(flag));
    }
    let default = format!("{} (default)", Variant::default().name());
    assert!(row(Variant::default().name()).contains(&default), "{default}");
}
