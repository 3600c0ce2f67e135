//! The front door: a study by `make`, a second time, and with a changed variable.

use std::path::Path;
use std::process::{Command, Output};

use end_to_end::study::{self, checkout};
use end_to_end::workspace;

pub(crate) fn make(folder: &Path, arguments: &[&str]) -> Output {
    study::make(folder, arguments).output().unwrap()
}

pub(crate) fn commands(folder: &Path, arguments: &[&str]) -> Vec<String> {
    let output = make(folder, &[&["-n"], arguments].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| line.contains("sc-")).map(str::to_owned).collect()
}

#[test]
fn a_study_settles_and_a_changed_variable_reruns_what_it_touches() {
    let checkout = checkout();
    let folder = checkout.path();
    let study = "superconvergence";
    let planned = commands(folder, &[study]);
    assert_eq!(planned.iter().filter(|line| line.contains("sc-rangetest ")).count(), 2 + 3);
    assert_eq!(planned.iter().filter(|line| line.contains("sc-train ")).count(), 2 * 2 + 2 * (2 + 2));

    let output = make(folder, &["-j2", study]);
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("index.html"), "it ends by saying where the report lies:\n{text}");
    assert!(folder.join("reports/superconvergence_mnist5k_lenet_bs32/summary.parquet").exists());

    assert_eq!(make(folder, &["-q", study]).status.code(), Some(0), "make -q: a second make has nothing to do");
    assert_eq!(commands(folder, &[study]), Vec::<String>::new());

    // Another length of the range test: range tests, what hangs on the suggestion, and the report; not the baseline.
    let changed = commands(folder, &[study, "RANGE_ITERATIONS=61"]);
    assert!(changed.iter().any(|line| line.contains("sc-rangetest ")));
    assert!(changed.iter().any(|line| line.contains("--schedule 1cycle")));
    assert!(!changed.iter().any(|line| line.contains("--schedule piecewise")), "{changed:#?}");

    // Another 1cycle: its runs and the report alone. What was measured before is moved aside.
    let rerun = make(folder, &[study, "VARIANT=torch"]);
    assert!(rerun.status.success(), "{}", String::from_utf8_lossy(&rerun.stderr));
    let aside = folder.join("runs/superconvergence_mnist5k_lenet_bs32/1cycle-it6-seed1.superseded-1/result.json");
    assert!(aside.exists());
    assert_eq!(make(folder, &["-q", study, "VARIANT=torch"]).status.code(), Some(0));
    assert_eq!(make(folder, &["-q", study]).status.code(), Some(1), "the variable is back at its old value");
}

#[test]
fn help_lists_every_target_and_variable() {
    let checkout = checkout();
    let output = make(checkout.path(), &["help"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for name in ["superconvergence", "rangetest", "test", "clean", "WEIGHT_DECAY", "LENGTHS", "RANGE_MAX_LR"] {
        assert!(text.contains(name), "{name} is missing in\n{text}");
    }
    let today = text.lines().find(|line| line.trim_start().starts_with("BATCH ") && line.trim_end().ends_with("32"));
    assert!(today.is_some(), "today's value of BATCH is missing in\n{text}");
    assert!(String::from_utf8_lossy(&output.stderr).is_empty());
}

#[test]
fn a_missing_driver_is_named_before_anything_is_built_for_it() {
    let need = |library: &str| {
        let script = workspace().join("pipelines/need-library");
        Command::new(script).args([library, "the test needs it"]).output().unwrap()
    };
    let missing = need("libnone.so.7");
    assert_eq!(missing.status.code(), Some(2));
    let message = "make: libnone.so.7: expected a library that the loader finds, found none\n  the test needs it";
    assert!(String::from_utf8_lossy(&missing.stderr).starts_with(message));
    if need("libcuda.so.1").status.success() {
        return; // a machine with a driver: make would go on
    }
    let checkout = checkout();
    let output = make(checkout.path(), &["superconvergence", "DEVICE=cuda"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("libcuda.so.1: expected a library"));
    assert!(!checkout.path().join("runs").exists(), "nothing was run");
    assert!(!checkout.path().join("target/cuda").exists(), "nothing was built");
}
