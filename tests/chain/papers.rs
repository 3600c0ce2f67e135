//! `make paper` and `make team`: what every experiment would run, and two that do run, at a hundredth of their size.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::study::checkout;
use end_to_end::workspace;

use crate::makefile::{commands, make};

/// The embedded digits stand in for CIFAR-10; two seeds, and as few steps as a cycle has room for.
const TINY: [&str; 4] =
    ["PAPER_CIFAR=mnist data/mnist5k", "PAPER_SEEDS=1 2", "PAPER_RATE_SEEDS=101", "PAPER_SHORTEN=100"];

/// The experiment on the runs of the default study, which is no part of any other.
const DEFAULT_STUDY: &str = "paper-digits";

/// The files of all other experiments, by target.
fn experiments() -> BTreeMap<String, PathBuf> {
    let of_kind = |kind: &str| {
        let files = fs::read_dir(workspace().join("pipelines").join(kind)).unwrap().flatten().map(|entry| entry.path());
        let named = |path: PathBuf| (format!("{kind}-{}", path.file_stem().unwrap().to_str().unwrap()), path);
        files.map(named).collect::<Vec<_>>()
    };
    let mut all: BTreeMap<String, PathBuf> = ["paper", "team"].into_iter().flat_map(of_kind).collect();
    all.remove(DEFAULT_STUDY).expect("a file of its own, which names the runs of another study");
    assert!(all.len() >= 16, "{all:?}");
    all
}

/// The arms that the claims of a file are about at a scale.
fn claimed(path: &Path, scale: &str) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let (mut is_asked, mut arms) = (true, Vec::new());
    for line in text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim) {
        if line.starts_with("claim:") {
            is_asked = true;
        } else if let Some(at) = line.strip_prefix("at: ") {
            is_asked = at == scale;
        } else if let Some(comparison) = line.strip_prefix("holds if: ").filter(|_| is_asked) {
            let words: Vec<&str> = comparison.split(' ').collect();
            for (at, word) in words.iter().enumerate() {
                let is_measure = words.get(at + 1) == Some(&"of");
                let is_sign = ["of", ">", "<", "=", "+", "-"].contains(word);
                if !is_measure && !is_sign && word.parse::<f64>().is_err() {
                    arms.push((*word).to_owned());
                }
            }
        }
    }
    arms
}

#[test]
fn every_experiment_runs_the_arms_that_its_claims_are_about() {
    let checkout = checkout();
    for scale in ["small", "full"] {
        let mut of_all = 0;
        for (target, path) in experiments() {
            let arguments = [target.as_str(), &format!("SCALE={scale}"), "PAPER_CIFAR=mnist data/mnist5k"];
            let planned = commands(checkout.path(), &arguments);
            let claimed = claimed(&path, scale);
            assert!(!claimed.is_empty(), "{target} at {scale} claims nothing");
            for arm in claimed {
                let runs = planned.iter().filter(|line| line.contains(&format!(" --arm {arm} "))).count();
                assert_eq!(runs, 3, "{target} at {scale}: arm {arm}, by seeds:\n{planned:#?}");
            }
            let last = planned.last().unwrap();
            assert!(
                last.ends_with(&format!(" --of {} --scale {scale}", path.strip_prefix(workspace()).unwrap().display())),
                "{last}"
            );
            of_all +=
                planned.iter().filter(|line| line.contains("sc-train ") || line.contains("sc-rangetest ")).count();
        }
        let all =
            commands(checkout.path(), &["paper", "team", &format!("SCALE={scale}"), "PAPER_CIFAR=mnist data/mnist5k"]);
        let runs = all.iter().filter(|line| line.contains("sc-train ") || line.contains("sc-rangetest ")).count();
        assert_eq!(runs, of_all, "`make paper team` is all of them");
    }
}

#[test]
fn the_default_study_is_held_against_the_same_claims() {
    let checkout = checkout();
    let planned = |arguments: &[&str]| {
        let mut make = Command::new("make");
        make.args(["-n", DEFAULT_STUDY]).args(arguments).current_dir(checkout.path());
        make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").output().unwrap()
    };
    let plan = String::from_utf8(planned(&[]).stdout).unwrap();
    let (last, before) =
        plan.trim_end().split('\n').collect::<Vec<_>>().split_last().map(|(l, b)| (*l, b.join("\n"))).unwrap();
    let of_study = last.split(' ').filter(|word| word.starts_with("runs/superconvergence_"));
    let runs: Vec<&str> = of_study.collect();
    assert_eq!(runs.len(), 4 * 10, "{last}");
    for run in runs {
        assert!(before.contains(&format!(" --out {run} ")), "{run} is no run of the study");
    }
    for changed in ["NET=lenet", "SCALE=full"] {
        let output = planned(&[changed]);
        let said = String::from_utf8_lossy(&output.stderr);
        let name = changed.split('=').next().unwrap();
        assert!(said.contains(&format!("is about the default study: leave {name} as they are")), "{said}");
    }
}

#[test]
fn an_experiment_ends_in_a_table_a_picture_and_a_verdict_for_each_claim() {
    let checkout = checkout();
    let folder = checkout.path();
    let arguments = |targets: &[&'static str]| [targets, &TINY].concat();
    let output = make(folder, &arguments(&["-j2", "paper-lengths", "team-range"]));
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("lengths (small): resnet8 on cifar10-small, 500 training images, batch 32\n"), "{text}");
    for (target, path) in
        experiments().into_iter().filter(|(target, _)| ["paper-lengths", "team-range"].contains(&&**target))
    {
        let claims = fs::read_to_string(path).unwrap().matches("\n# claim: ").count();
        let verdicts = ["holds: ", "holds not: ", "cannot tell at this scale: "];
        assert!(claims >= 4, "{target}");
        let said = text.lines().filter(|line| verdicts.iter().any(|verdict| line.starts_with(verdict))).count();
        assert!(said >= claims, "{target}:\n{text}");
    }

    // The page lists what was run with its figures, and what was not with its cost.
    let page = fs::read_to_string(folder.join("docs/results/papers.md")).unwrap();
    let rows = |start: &str| page.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>();
    let answered = rows("| lengths |");
    assert_eq!(answered.iter().filter(|row| row.contains("; 2 seeds and images |")).count(), 4, "{answered:#?}");
    let elsewhere: Vec<&&str> =
        answered.iter().filter(|row| row.contains("| asked at another scale alone |")).collect();
    assert!(elsewhere.len() == 1 && elsewhere[0].ends_with("| cannot tell at this scale |"), "{answered:#?}");
    for row in rows("| decay |") {
        assert!(row.contains("| cost: small ") && row.ends_with("| not run yet |"), "{row}");
    }
    assert!(!rows("| decay |").is_empty());
    assert!(page.contains("\n## decay: ") && page.contains("\nNot run yet.\n"));
    assert!(page.contains("![lengths at scale small](papers/lengths-small.svg)"), "{page}");
    let picture = fs::read_to_string(folder.join("docs/results/papers/lengths-small.svg")).unwrap();
    assert!(picture.contains("customary-long"), "{picture}");
    let team = fs::read_to_string(folder.join("docs/results/team.md")).unwrap();
    assert!(
        team.contains("| range | ") && team.contains("rebound") && team.contains("(team/range-small.svg)"),
        "{team}"
    );

    // The pages are made anew from what was found.
    fs::remove_file(folder.join("docs/results/papers.md")).unwrap();
    assert!(make(folder, &arguments(&["claims"])).status.success());
    assert_eq!(fs::read_to_string(folder.join("docs/results/papers.md")).unwrap(), page);

    // A second time nothing is trained.
    let again = commands(folder, &arguments(&["paper-lengths", "team-range"]));
    assert!(again.len() == 2 && again.iter().all(|line| line.contains("sc-analyze claims ")), "{again:#?}");
}

#[test]
fn an_experiment_or_a_scale_that_is_none_is_answered_with_the_nearest() {
    let checkout = checkout();
    for (arguments, expected) in [
        (["paper-lenghts", "SCALE=small"], "paper-lenghts: no such experiment; did you mean make paper-lengths?"),
        (["team-anealing", "SCALE=small"], "did you mean make team-annealing?"),
        (
            ["paper-decay", "SCALE=long"],
            "SCALE=long: there is no such size of paper-decay; did you mean SCALE=small or SCALE=full?",
        ),
    ] {
        let output = make(checkout.path(), &arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}
