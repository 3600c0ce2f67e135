//! Runs that blow up are recorded and outlived: by every optimizer, by a range test, by a study and its report.

use std::fs;

use artifacts::run::{self, Status};
use end_to_end::study::{checkout, make};
use end_to_end::{run as run_program, small_setting, succeed};
use learner::spec::OPTIMIZERS;

const SHARED: &str = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet --bn-reestimate 1";

/// No rate, momentum or schedule makes a program panic; what diverged says where, and with which last finite loss.
#[test]
fn every_optimizer_blows_up_in_order() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    for (optimizer, _) in OPTIMIZERS {
        for (name, schedule) in [
            ("constant", "--schedule constant --lr 1e30"),
            ("plateau", "--schedule plateau --lr 1e30 --patience 0 --val-every 1"),
            ("late", "--schedule piecewise --pieces 4:0.01,4:1e38"),
        ] {
            let out = format!("runs/{optimizer}-{name}");
            succeed(
                folder,
                "sc-train",
                &format!("{schedule} --iterations 8 --optimizer {optimizer} {SHARED} --out {out}"),
            );
            let result = run::read_result(&folder.join(&out)).unwrap().unwrap();
            match (result.status, result.divergence) {
                (Status::Completed, None) => assert_eq!(result.iterations, 8, "{out}"),
                (Status::Diverged, Some(found)) => {
                    assert!(found.lr >= 1e29 && found.iteration == result.iterations, "{out}: {found:?}");
                    assert!(found.last_finite_loss.is_some_and(f64::is_finite), "{out}: {found:?}");
                    assert!(!folder.join(&out).join(run::MODEL_FILE).exists(), "{out}: weights of a run that blew up");
                }
                other => panic!("{out}: {other:?}"),
            }
        }
        let ramp = "--scale log --min-lr 1e-3 --max-lr 1e38 --iterations 12";
        succeed(
            folder,
            "sc-rangetest",
            &format!("{ramp} --optimizer {optimizer} {SHARED} --out runs/{optimizer}-range"),
        );
    }
    let sgd = run::read_result(&folder.join("runs/sgd-constant")).unwrap().unwrap();
    assert_eq!(sgd.status, Status::Diverged);
}

/// A grid with a rate that blows up, and 1cycle at one that does: the study goes on to its report, which shows them.
#[test]
fn a_study_goes_on_past_diverged_runs_and_its_report_shows_them() {
    let checkout = checkout();
    let folder = checkout.path();
    let output = make(folder, &["superconvergence", "GRID=0.01 1e30", "CYCLE_FLAGS=--max-lr 1e30"]).output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");

    let runs = folder.join("runs/superconvergence_mnist5k-few_lenet_bs32");
    let of = |name: &str| run::read_result(&runs.join(name)).unwrap().unwrap().status;
    assert_eq!(of("grid-it6-lr1e30-seed101"), Status::Diverged);
    assert_eq!(of("1cycle-it6-seed1"), Status::Diverged);
    assert_eq!(of("piecewise-it6-seed1"), Status::Completed);
    let choice = artifacts::choice::read(&runs.join("choice-it6.json")).unwrap();
    assert_eq!(choice.lr, 0.01);
    assert_eq!(choice.candidates.iter().map(|candidate| candidate.diverged).collect::<Vec<_>>(), [0, 1]);

    let report = folder.join("reports/superconvergence_mnist5k-few_lenet_bs32");
    let page = fs::read_to_string(report.join("index.html")).unwrap();
    assert!(page.contains("diverged"), "the page says nothing of diverged runs");
    let rows = fs::read_to_string(report.join("summary.csv")).unwrap();
    // At that rate: the grid at three lengths, 1cycle at two with two seeds. Others may diverge too.
    let at_that_rate = |row: &&str| row.contains(",1e+30,") && row.contains(",diverged,");
    assert_eq!(rows.lines().filter(at_that_rate).count(), 3 + 4, "{rows}");
    let summary: serde_json::Value = serde_json::from_slice(&fs::read(report.join("summary.json")).unwrap()).unwrap();
    assert!(summary.to_string().contains(r#""diverged":2"#), "cells count them: {summary}");
}

#[test]
fn choosing_among_diverged_runs() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    for (name, lr) in [("good", "0.002"), ("bad", "1e30"), ("worse", "1e31")] {
        let train = format!("--schedule constant --lr {lr} --iterations 6 {SHARED} --arm {name} --out runs/{name}");
        succeed(folder, "sc-train", &train);
    }
    let said = succeed(folder, "sc-analyze", "choose runs/good runs/bad --out c.json");
    assert!(said.contains("learning rate 0.002"), "{said}");
    let output = run_program(folder, "sc-analyze", "choose runs/worse runs/bad --out d.json");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("every run of the grid diverged"), "{message}");
    assert!(!folder.join("d.json").exists());
    let table = succeed(folder, "sc-analyze", "compare runs/good runs/bad --vary lr,arm");
    assert!(table.contains("diverged"), "{table}");
    succeed(folder, "sc-analyze", "report runs/good runs/bad runs/worse --out report");
}
