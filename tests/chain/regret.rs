//! `rule-bench` over a benchmark of two small settings.

use std::fs;
use std::path::Path;

use artifacts::probe;
use end_to_end::{command, refused, run, small_setting, succeed};

const SHARED: &str = "--data data.safetensors --batch-size 16 --val-from-train 0.2 --quiet";
const STEPS: u64 = 24;
const RAMP: u64 = 12;

/// The truth at three rates, the last of which diverges; a probe and the range test around it; of two seeds each.
fn measure(folder: &Path, setting: &str, momentum: f64) {
    for seed in [1, 2] {
        let shared = format!("{SHARED} --momentum {momentum} --seed {seed} --init init.safetensors");
        for lr in ["0.0005", "0.004", "1000"] {
            let flags = format!("--schedule 1cycle --max-lr {lr} --iterations {STEPS} --arm truth --val-every 0");
            run(folder, "sc-train", &format!("{flags} {shared} --out bench/{setting}/truth-{lr}-{seed}"));
        }
        let probe = format!("bench/{setting}/probe-{seed}.json");
        succeed(folder, "sc-probe", &format!("{shared} --batches 2 --out {probe}"));
        let flags = format!("--around {probe} --iterations {RAMP} --arm around --val-every 0");
        run(folder, "sc-rangetest", &format!("{flags} {shared} --out bench/{setting}/around-{seed}"));
    }
}

/// The lines of a table that start so, each split at its commas.
fn lines(folder: &Path, table: &str, start: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(folder.join("out").join(table)).unwrap();
    let lines = text.lines().filter(|line| line.starts_with(start));
    lines.map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn every_rule_is_scored_and_what_needs_no_range_test_costs_its_probe_alone() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    measure(folder, "A", 0.9);
    measure(folder, "B", 0.0);
    let refused = |roles: &str, expected: &str| {
        refused(folder, "rule-bench", &format!("bench --out out {roles}"), expected);
    };
    refused("--tuning A B --judging B", "B is both a tuning and a judging setting");
    succeed(folder, "rule-bench", "bench --tuning A --judging B --draw around --out out");

    // B's momentum is 0: 2 sqrt(1 - 0) times the critical rate, and a ramp that adds nothing; at batches of 16 the rule takes
    // (16 / 128)^(1/4) of that.
    let rate = |rule: &str, kind: &str, seed: u64| -> f64 {
        let answers = lines(folder, "answers.csv", &format!("B,{kind},{seed},{rule},"));
        assert_eq!(answers.len(), 1, "{rule} on {kind}, seed {seed}");
        answers[0][4].parse().unwrap()
    };
    let mut images = Vec::new();
    for seed in [1, 2] {
        let critical = probe::read(&folder.join(format!("bench/B/probe-{seed}.json"))).unwrap().critical;
        images.push(critical.images());
        let critical = critical.lr.unwrap();
        for (rule, kind, expected) in [
            ("critical_rate", "probe", critical),
            ("critical_rate_by_momentum", "probe", 2.0 * critical),
            ("superconv", "around", 2.0 * critical * 0.125f64.powf(0.25)),
        ] {
            let found = rate(rule, kind, seed);
            assert!((found / expected - 1.0).abs() < 1e-4, "{rule}: {found}, expected {expected}");
        }
    }
    let probing = f64::midpoint(images[0], images[1]) / 16.0;
    for (rule, kind, steps) in
        [("critical_rate_by_momentum", "probe", probing), ("superconv", "around", probing + RAMP as f64)]
    {
        let scores = lines(folder, "rules.csv", &format!("judging,{rule},{kind},"));
        assert_eq!(scores.len(), 1, "{rule} on {kind}");
        let cost: f64 = scores[0][13].parse().unwrap();
        assert!((cost - steps / STEPS as f64).abs() < 1e-3, "{rule}: {cost}, expected {steps} steps of {STEPS}");
    }
    let diverged = lines(folder, "truth.csv", "B,1000,");
    assert!(diverged.len() == 2 && diverged.iter().all(|run| run[3] == "0.1000"), "what diverges is at chance");
    assert_eq!(lines(folder, "settings.csv", "").len(), 3);

    // What is measured is written before it is printed.
    fs::remove_dir_all(folder.join("out")).unwrap();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut again = command(folder, "rule-bench", "bench --tuning A --judging B --draw around --out out");
    let output = again.stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("rule-bench: standard output: cannot write: ") && !said.contains("panicked"), "{said}");
    assert!(folder.join("out/rules.csv").exists() && folder.join("out/truth-judging.png").exists());

    // A run that has not ended is no measurement.
    fs::remove_file(folder.join("bench/B/truth-0.004-2/result.json")).unwrap();
    fs::remove_dir_all(folder.join("out")).unwrap();
    refused("--finding A --judging B", "truth-0.004-2");
}
