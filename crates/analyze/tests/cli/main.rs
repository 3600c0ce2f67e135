//! The commands of `sc-analyze` over made-up runs: what they write, what they print, and what they refuse.

#![forbid(unsafe_code)]

mod claims;
mod export;
mod files;
mod output;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use artifacts::metrics::{FILE, Metrics};
use artifacts::run::{self, Config, Kind, RESULT_FILE, RUN_FILE, ResultRecord, RunRecord, Status};
use artifacts::{choice, json, suggestion};
use end_to_end::made_up::{Runs, config, result, training_step};
use serde_json::{Value, json};

fn analyze(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sc-analyze")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn succeed(arguments: &[&str]) -> String {
    let output = analyze(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

/// Runs a command that must exit with 2, and returns what it says.
fn refuse(arguments: &[&str]) -> String {
    let output = analyze(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    stderr(&output)
}

fn arguments<'a>(command: &'a str, runs: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec![command];
    all.extend(runs.iter().map(String::as_str));
    all.extend(more);
    all
}

#[test]
fn a_suggestion_holds_for_the_setting_that_it_was_read_from() {
    let runs = Runs::new();
    let tests = [runs.range_test("a", 1, |_| ()), runs.range_test("b", 2, |_| ())];
    let out = runs.path("suggestion.json");
    let said = succeed(&arguments("suggest", &tests, &["--out", &out]));
    assert!(said.starts_with("plateau: learning rates from "), "{said}");
    let suggestion = suggestion::read(Path::new(&out)).unwrap();
    assert_eq!(suggestion.outcome, suggestion::Outcome::Plateau);
    assert!((7.0..=10.0).contains(&suggestion.max_lr.unwrap()), "{suggestion:?}");
    assert!((0.003..0.007).contains(&suggestion.min_lr.unwrap()), "{suggestion:?}");
    assert_eq!(suggestion.setting.net.as_deref(), Some("resnet8"));
    assert_eq!(suggestion.setting.batch_size, Some(128));
    assert_eq!(suggestion.sources, ["a", "b"]);
    for rule in
        ["steepest", "valley", "slide", "minimum_over_10", "steep", "loss_minimum", "accuracy_peak", "max_over_10"]
    {
        assert!(suggestion.other_rules.contains_key(rule), "{rule}");
    }
    let printed: Value = serde_json::from_str(&succeed(&arguments("suggest", &tests, &["--json"]))).unwrap();
    assert_eq!(printed, serde_json::to_value(&suggestion).unwrap());
}

#[test]
fn curves_from_which_nothing_can_be_read_are_refused() {
    let runs = Runs::new();
    let path = runs.path("curve.csv");
    let out = runs.path("suggestion.json");
    let refusal = |header: &str, row: &dyn Fn(u32) -> String, rows: u32| {
        fs::write(&path, header.to_owned() + "\n" + &(0..rows).map(|i| row(i) + "\n").collect::<String>()).unwrap();
        let said = refuse(&["suggest", &path, "--out", &out]);
        assert!(!Path::new(&out).exists());
        assert!(said.lines().count() >= 2, "no hint: {said}");
        said
    };
    let good = |i: u32| format!("{i},{},{}", 0.01 * f64::from(i + 1), 2.0 - 0.01 * f64::from(i));
    assert!(
        refusal("iteration,lr,test_loss", &good, 5).contains("5 rates above 0 are too few: a curve needs at least 12")
    );
    assert!(refusal("iteration,lr,test_loss", &|i| format!("{i},0.{i:02},nan"), 30).contains("not finite"));
    assert!(refusal("iteration,lr,test_loss", &|i| format!("{i},0.{i:02},2.3"), 30).contains("the same"));
    assert!(
        refusal("iteration,lr,test_loss", &|i| good(i % 20), 30)
            .contains("rates must rise from row to row, but after 0.2 in line 21 comes 0.01 in line 22")
    );
    assert!(refusal("iteration,lr,test_loss", &|i| format!("{i},0.1,{i}"), 30).contains("appears twice"));
    assert!(refusal("step,temperature,test_loss", &good, 30).contains("but a range test needs a rate (lr"));
    let missing = refuse(&["suggest", &runs.path("none.csv"), "--json"]);
    assert!(missing.contains("none.csv: cannot read"), "{missing}");
    assert_eq!(missing.matches("No such file").count(), 1, "the system's words once: {missing}");
}

#[test]
fn range_tests_of_different_settings_are_not_mixed() {
    let runs = Runs::new();
    let tests = [runs.range_test("a", 1, |_| ()), runs.range_test("b", 2, |config| config.weight_decay = 1e-3)];
    let said = refuse(&arguments("suggest", &tests, &["--json"]));
    assert!(said.contains("weight_decay is 0.0001 in one and 0.001 in the other"), "{said}");
    let training = runs.training("1cycle", 60, 1, 1.0, 0.9);
    assert!(refuse(&["suggest", &training, "--json"]).contains("this is a training run, not a range test"));
}

#[test]
fn a_torn_line_and_an_unfinished_range_test_are_said() {
    let runs = Runs::new();
    let folder = PathBuf::from(runs.range_test("a", 1, |_| ()));
    let text = fs::read(folder.join(FILE)).unwrap();
    fs::write(folder.join(FILE), &text[..text.len() - 9]).unwrap();
    fs::remove_file(folder.join(RESULT_FILE)).unwrap();
    let output = analyze(&["suggest", &folder.to_string_lossy(), "--json"]);
    assert!(output.status.success());
    let said = stderr(&output);
    assert!(said.contains("torn last line") && said.contains("has not finished"), "{said}");
}

#[test]
fn a_report_says_where_an_arm_wins_and_ties() {
    let runs = Runs::new();
    let study = runs.study();
    let out = runs.path("report");
    let said = succeed(&arguments("report", &study, &["--out", &out, "--title", "Digits & <rates>"]));
    assert!(said.contains("1cycle against piecewise: wins at 60 steps, ties at 120 steps"), "{said}");
    assert!(said.contains("60 steps: 1cycle 90.2 ± 0.1%, piecewise 88.3 ± 0.2%: +1.9 points"), "{said}");
    let saved =
        "iterations saved: 1cycle against piecewise: for what 1cycle reaches in 60 and 120 steps, piecewise needs 1.1";
    assert!(said.contains(saved), "{said}");
    assert!(said.contains("piecewise's best rate on validation images: 0.2 at 60 steps"), "{said}");
    assert!(said.contains("each rate of the grid rests on one run"), "{said}");
    assert!(said.contains("overfitting: 1cycle at 120 steps"), "{said}");
    assert!(said.trim_end().ends_with("report/index.html"), "{said}");

    let file = |name: &str| fs::read(Path::new(&out).join(name)).unwrap();
    let page = String::from_utf8(file("index.html")).unwrap();
    assert!(page.contains("<h1>Digits &amp; &lt;rates&gt;</h1>"));
    assert_stands_alone(&page);
    assert_answers(&page);
    for name in
        ["accuracy-by-length", "range-test-log", "range-test-linear", "grid", "schedules", "curves-60", "curves-120"]
    {
        assert!(file(&format!("{name}.svg")).starts_with(b"<svg"), "{name}");
        assert!(file(&format!("{name}.png")).starts_with(b"\x89PNG"), "{name}");
    }
    assert!(file("summary.parquet").starts_with(b"PAR1"));
    let csv = String::from_utf8(file("summary.csv")).unwrap();
    assert_eq!(csv.lines().count(), study.len() + 1);
    assert!(csv.lines().next().unwrap().starts_with("name,study,arm,data,net,schedule,iterations,seed,"));
    let summary: Value = serde_json::from_slice(&file("summary.json")).unwrap();
    let verdicts: Vec<&str> =
        summary["comparisons"].as_array().unwrap().iter().map(|c| c["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["wins", "ties"]);
    assert_eq!(summary["grid"][1]["chosen"], true);
    assert_eq!(summary["suggestions"][0]["outcome"], "plateau");
    // By hand: ln of the errors over ln of the steps, the baseline's 0.117 at 60 and 0.048 at 120 steps, 1cycle's 0.098 at 60.
    let saved = &summary["iterations_saved"][0];
    let times = saved["by_length"][0][1]["in"]["times"].as_f64().unwrap();
    assert!((times - 1.148).abs() < 2e-3, "{saved}");
    assert!((saved["by_length"][1][1]["in"]["times"].as_f64().unwrap() - 1.0).abs() < 1e-6, "{saved}");
}

/// What stands on the page besides the findings: the question, how sure the answer is, the command that repeats each run, a table
/// behind every figure, and what the script draws from.
fn assert_answers(page: &str) {
    for said in [
        "Does 1cycle end higher than piecewise, at the best rate of a grid for each length, from the same initial weights, seed by seed? resnet8 on digits, batch 128: 30, 60 and 120 steps.",
        "Which learning rates are worth training at? resnet8 on digits, batch 128: 1 range test.",
        "points (95%, 3 seeds): where a comparison is undecided, a smaller one is not excluded.",
        "confidence",
    ] {
        assert!(page.contains(said), "{said:?} is not on the page");
    }
    assert_eq!(page.matches("<code>sc-train --replay ").count(), 18, "a command per training run");
    assert!(page.contains("-it60-lr1-seed2/run.json'</code>"), "a path with a space and a quote is quoted for a shell");
    assert_eq!(
        page.matches("The numbers of this figure").count(),
        6,
        "two of the range test, schedules, three lengths"
    );
    let (_, data) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(data["runs"].as_array().unwrap().len(), 19);
    let first = &data["charts"]["curves-60"]["series"][0];
    assert_eq!((&first["g"], &first["m"]), (&json!("1cycle"), &json!(", training loss")));
    assert_eq!((first["x"].as_array().unwrap().len(), &first["k"][1]), (60, &json!(128)));
    assert_eq!(data["charts"]["accuracy-by-length"]["series"][0]["y"], json!([0.902, 0.952]));
}

/// A page that fetches nothing, runs no script but its own, and forbids the browser anything else: the only addresses in it are
/// the names of XML's vocabularies.
fn assert_stands_alone(page: &str) {
    for forbidden in ["<link", "<iframe", "src=", "@import", "url(", "https://", "fetch(", "XMLHttpRequest", "import("]
    {
        assert!(!page.contains(forbidden), "{forbidden} in the page");
    }
    assert!(page.contains("content=\"default-src 'none'; "), "no policy");
    let addresses = page.matches("http://").count();
    assert!(addresses > 0 && addresses == page.matches("\"http://www.w3.org/").count(), "{addresses} addresses");
}

#[test]
fn a_page_that_fetches_something_does_not_stand_alone() {
    let namespace = "<meta content=\"default-src 'none'; x\"><svg xmlns=\"http://www.w3.org/2000/svg\"/>";
    assert_stands_alone(namespace);
    for fetches in ["<script>fetch('x')", "<img src=x>", "<a href=\"http://example.org\">"] {
        let page = format!("{namespace}{fetches}");
        assert!(std::panic::catch_unwind(|| assert_stands_alone(&page)).is_err(), "{fetches}");
    }
}

/// Errors that fall as 1 / steps to a floor, 1cycle's three times as fast: the other arms' lengths reach past the factor, or
/// do not.
fn shifted_study(runs: &Runs, seeds: u64) -> Vec<String> {
    let error = |steps: u64, floor: f64| (4.0 / steps as f64).max(floor);
    let mut study = vec![runs.range_test("range-test-log-seed1", 1, |_| ())];
    for seed in 1..=seeds {
        // Every seed of 1cycle is off by its own factor of the error, up or down.
        let luck = 1.0 + 0.04 * (seed as f64 - (seeds + 1) as f64 / 2.0);
        for steps in [40, 80, 160] {
            study.push(runs.training("1cycle", steps, seed, 0.5, 1.0 - luck * error(3 * steps, 0.0)));
            study.push(runs.training("linear", steps, seed, 0.4, 1.0 - luck * error(3 * steps, 0.0)));
        }
        for steps in [40, 80, 160, 320] {
            study.push(runs.training("piecewise", steps, seed, 0.4, 1.0 - error(steps, 0.0)));
        }
        for steps in [80, 320] {
            study.push(runs.training("customary", steps, seed, 0.1, 1.0 - error(steps, 0.06)));
        }
    }
    for steps in [40, 80, 160] {
        study.extend([0.2, 0.4, 0.8].map(|lr| runs.training("grid", steps, 101, lr, 0.9 - (lr - 0.4).abs())));
    }
    study
}

#[test]
fn a_study_of_1cycle_ends_in_five_sentences() {
    let runs = Runs::new();
    let study = shifted_study(&runs, 5);
    let out = runs.path("report");
    let said = succeed(&arguments("report", &study, &["--out", &out]));
    let lines: Vec<&str> = said.lines().collect();
    let [.., heading, reached, customary, piecewise, linear, spent, report] = lines.as_slice() else {
        panic!("{said}")
    };
    assert_eq!((*heading, report.starts_with("report: ")), ("In short:", true), "{said}");
    assert!(
        reached.starts_with("1cycle at a highest rate of 0.5, which range tests suggest, reaches 99.2 ± "),
        "{reached}"
    );
    assert!(
        reached.contains(
            " in 160 steps, 98.3 ± 0.1% in 80 steps and 96.7 ± 0.2% in 40 steps (mean and deviation of 5 seeds"
        )
    );
    // The floor of 0.06: 40 steps of 1cycle are below it, with 1/30.
    let never =
        "what 1cycle reaches in 40 steps, customary does not reach in 320, 8 times as many (+2.7 points, 95% interval ";
    assert!(
        customary.starts_with("A piecewise constant rate at the customary 0.1: ") && customary.contains(never),
        "{customary}"
    );
    // By seed ln(3 / luck), luck .92 to 1.08: mean ln 3.005, standard error .0284, 2.776 of them for 5 seeds: 2.78 to 3.25.
    let three =
        "for what 1cycle reaches in 40 and 80 steps, piecewise needs 3.0 times (95% interval 2.8 to 3.3) as many";
    assert!(piecewise.starts_with("A piecewise constant rate, the best of a grid at each length: "), "{piecewise}");
    assert!(
        piecewise.contains(three) && piecewise.contains("in 160 steps, piecewise does not reach in 320, 2 times"),
        "{piecewise}"
    );
    // The arms are equal.
    assert!(linear.contains("in 40, 80 and 160 steps, linear needs 1.0 times"), "{linear}");
    assert!(linear.ends_with("; so nothing that 1cycle gains can be put down to the cycle."), "{linear}");
    assert_eq!(
        *spent,
        "Steps spent in all, to find a rate and train once for 160 steps: 1cycle 260 (1 range tests with their probes 100, \
         training 160), piecewise 640 (3 runs of its grid 480, training 160) and the customary rate 160."
    );
    let page = fs::read_to_string(Path::new(&out).join("index.html")).unwrap();
    assert!(page.contains(three), "the page says it too");
}

#[test]
fn a_difference_is_a_tie_only_within_the_margin() {
    let runs = Runs::new();
    let study = shifted_study(&runs, 5);
    let verdict = |margin: &str| {
        let said = succeed(&arguments("report", &study, &["--out", &runs.path("report"), "--margin", margin]));
        said.lines().find(|line| line.starts_with("1cycle against linear: ")).unwrap().to_owned()
    };
    assert!(verdict("0.5").starts_with("1cycle against linear: ties at 40, 80 and 160 steps"));
    let mut apart = study.clone();
    // Equal in the mean, and far apart seed by seed.
    for seed in 1..=5 {
        let lucky = if seed % 2 == 0 { 0.9 } else { 0.99 };
        apart.retain(|run| !run.ends_with(&format!("linear-it40-lr0.4-seed{seed}")));
        fs::remove_dir_all(runs.path(&format!("linear-it40-lr0.4-seed{seed}"))).unwrap();
        apart.push(runs.training("linear", 40, seed, 0.4, lucky));
    }
    let said = succeed(&arguments("report", &apart, &["--out", &runs.path("apart")]));
    assert!(said.contains("1cycle against linear: ties at 80 and 160 steps, is undecided at 40 steps"), "{said}");
    assert!(refuse(&arguments("report", &study, &["--out", &runs.path("x"), "--margin", "0"])).contains("--margin"));
}

#[test]
fn images_count_as_a_sample_where_runs_say_which_they_have_right() {
    let runs = Runs::new();
    let study = shifted_study(&runs, 3);
    let said = || succeed(&arguments("report", &study, &["--out", &runs.path("report")]));
    assert!(!said().contains("where the images count"));
    for (arm, wrong) in [("1cycle-it40-lr0.5", 10), ("piecewise-it40-lr0.4", 4)] {
        for seed in 1..=3 {
            let is_correct: Vec<bool> = (0..100).map(|image| image % wrong != 0).collect();
            let folder = PathBuf::from(runs.path(&format!("{arm}-seed{seed}")));
            artifacts::correct::write(&folder.join(artifacts::correct::FILE), &is_correct).unwrap();
        }
    }
    let with_images = said();
    // Every seed has the same images right. 1cycle alone in 20 of 100, piecewise alone in 5: 0.15 with a deviation of 0.479,
    // so 15 points and 4.303 * 4.79 on either side.
    let sentence = "-5.6 to +35.6 where the images count as a sample too";
    assert!(with_images.contains(sentence), "{with_images}");
}

#[test]
fn a_report_made_again_has_the_same_bytes_and_no_stale_plots() {
    let runs = Runs::new();
    let study = runs.study();
    let out = runs.path("report");
    let read = |name: &str| fs::read(Path::new(&out).join(name)).unwrap();
    succeed(&arguments("report", &study, &["--out", &out]));
    let (page, picture) = (read("index.html"), read("range-test-log.png"));
    fs::write(Path::new(&out).join("notes.txt"), "mine").unwrap();
    succeed(&arguments("report", &study, &["--out", &out]));
    assert!(page == read("index.html") && picture == read("range-test-log.png"));
    let shorter: Vec<String> = study.into_iter().filter(|run| !run.contains("it120")).collect();
    succeed(&arguments("report", &shorter, &["--out", &out]));
    assert!(!Path::new(&out).join("curves-120.png").exists());
    assert_eq!(read("notes.txt"), b"mine");
}

#[test]
fn a_run_that_has_not_finished_is_left_out_of_a_report() {
    let runs = Runs::new();
    let study = runs.study();
    let unfinished = study.iter().find(|run| run.ends_with("1cycle-it60-lr1-seed3")).unwrap();
    fs::remove_file(Path::new(unfinished).join(RESULT_FILE)).unwrap();
    let output = analyze(&arguments("report", &study, &["--out", &runs.path("report")]));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("1cycle-it60-lr1-seed3: has not finished"), "{}", stderr(&output));
    assert!(stdout(&output).contains("2 seeds"), "{}", stdout(&output));
}

#[test]
fn a_run_that_diverged_counts_at_chance() {
    let runs = Runs::new();
    let mut study = runs.study();
    let config = config(Kind::Train, 4, 60, "1cycle", json!({"max_lr": 1.0, "min_lr": 0.1}));
    let diverged = ResultRecord { status: Status::Diverged, ..result(20) };
    let metrics: Vec<Metrics> = (1..=20).map(|step| training_step(step, 60, 1.0)).collect();
    study.push(runs.add("diverged", "1cycle", config, &metrics, Some(diverged)));
    study.push(runs.training("piecewise", 60, 4, 0.2, 0.88));
    let said = succeed(&arguments("report", &study, &["--out", &runs.path("report")]));
    assert!(said.contains("1cycle at 60 steps diverged in 1 of 4 runs"), "{said}");
    assert!(said.contains("ties at 120 steps, is undecided at 60 steps"), "{said}");
}

#[test]
fn runs_of_different_data_get_no_common_report() {
    let runs = Runs::new();
    let mut study = runs.study();
    let folder = PathBuf::from(&study[1]);
    let mut record = run::read_run(&folder).unwrap();
    record.data.sha256 = "e".repeat(64);
    json::write(&folder.join(RUN_FILE), &record).unwrap();
    let out = runs.path("report");
    assert!(refuse(&arguments("report", &study, &["--out", &out])).contains("are of different data"));
    assert!(!Path::new(&out).exists());
    study.clear();
    study.push(runs.path("nowhere"));
    assert!(refuse(&arguments("report", &study, &["--out", &out])).contains("run.json: cannot read"));
}

#[test]
fn the_best_rate_is_chosen_on_validation_images() {
    let runs = Runs::new();
    let mut grid = Vec::new();
    for (lr, accuracies) in [(0.1, [0.80, 0.84]), (0.2, [0.90, 0.86]), (0.4, [0.88, 0.88]), (0.8, [0.2, 0.3])] {
        for (seed, accuracy) in (1..).zip(accuracies) {
            grid.push(runs.training("grid", 60, seed, lr, accuracy));
        }
    }
    let out = runs.path("choice.json");
    succeed(&arguments("choose", &grid, &["--out", &out]));
    let chosen = choice::read(Path::new(&out)).unwrap();
    // 0.2 and 0.4 are equal: the lower one.
    assert_eq!((chosen.lr, chosen.at_edge, chosen.iterations), (0.2, false, 60));
    assert_eq!(chosen.candidates.len(), 4);
    let said = succeed(&arguments("choose", &grid[4..], &["--out", &out]));
    assert!(said.contains("at the edge of its grid"), "{said}");
    assert!(choice::read(Path::new(&out)).unwrap().at_edge);
}

#[test]
fn choosing_needs_one_length_and_validation_accuracy() {
    let runs = Runs::new();
    let out = runs.path("choice.json");
    let mixed = [runs.training("grid", 60, 1, 0.1, 0.9), runs.training("grid", 120, 1, 0.2, 0.9)];
    assert!(refuse(&arguments("choose", &mixed, &["--out", &out])).contains("differ in iterations: 60 and 120"));
    let no_validation = [runs.training("piecewise", 60, 1, 0.1, 0.9)];
    let said = refuse(&arguments("choose", &no_validation, &["--out", &out]));
    assert!(said.contains("the run has no validation accuracy") && said.contains("--val-from-train"), "{said}");
    fs::remove_file(Path::new(&mixed[0]).join(RESULT_FILE)).unwrap();
    assert!(refuse(&arguments("choose", &mixed[..1], &["--out", &out])).contains("has not finished"));
    assert!(!Path::new(&out).exists());
}

#[test]
fn tables_show_what_differs_and_comparisons_refuse_what_must_not() {
    let runs = Runs::new();
    let both = [runs.training("1cycle", 60, 1, 1.0, 0.9), runs.training("1cycle", 60, 2, 2.0, 0.91)];
    let table = succeed(&arguments("compare", &both, &[]));
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(&header[..5], ["name", "init", "seed", "min_lr", "max_lr"]);
    assert_eq!(lines.count(), 2);
    let said = refuse(&arguments("compare", &both, &["--vary", "seed"]));
    assert!(said.contains("differ in min_lr: 0.1 and 0.2") || said.contains("differ in max_lr: 1 and 2"), "{said}");
    let other = runs.training("piecewise", 60, 1, 0.1, 0.9);
    assert!(refuse(&["compare", &both[0], &other]).contains("differ in schedule"));

    let pattern = runs.path("*-it60-*");
    let said = refuse(&["table", &pattern, "--csv"]);
    // Every reason, and the flag that says it may be.
    assert!(
        said.contains("differ in schedule: 1cycle and piecewise; ") && said.contains("differ in variant"),
        "{said}"
    );
    assert!(said.contains("--vary lr,seed,schedule"), "{said}");
    for shown in [&["--vary", "lr,seed,schedule"][..], &["--vary", "any"], &["--force"]] {
        let csv = succeed(&[&["table", &pattern, &pattern, "--csv"], shown].concat());
        assert_eq!(csv.lines().count(), 4, "{shown:?}");
    }
    let rows: Value = serde_json::from_str(&succeed(&["table", &pattern, "--json", "--force"])).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert_eq!(rows[0]["test_accuracy"], 0.9);
    assert!(refuse(&["table", &runs.path("none*")]).contains("no run has such a name"));
}

/// The lists of what is compared come from the configuration itself: neither is left out, nor one that follows another.
#[test]
fn precision_is_compared_and_the_rates_around_a_critical_one_come_with_the_seed() {
    let runs = Runs::new();
    let training = |schedule: &str, parameters: Value, change: &dyn Fn(&mut Config)| {
        let mut config = config(Kind::Train, 1, 20, schedule, parameters);
        change(&mut config);
        let name = format!("{schedule}-{}-{}", config.precision, config.exact_conv);
        let metrics: Vec<Metrics> = (1..=20).map(|step| training_step(step, 20, 1.0)).collect();
        runs.add(&name, "", config, &metrics, Some(result(20)))
    };
    let plain = training("constant", json!({"lr": 0.1}), &|_| ());
    let cosine = training("cosine", json!({"lr": 0.1, "min_lr": 0.0}), &|_| ());
    let bf16 = training("cosine", json!({"lr": 0.1, "min_lr": 0.0}), &|config| config.precision = "bf16".to_owned());
    let exact = training("cosine", json!({"lr": 0.1, "min_lr": 0.0}), &|config| config.exact_conv = true);
    succeed(&["compare", &plain, &cosine, "--vary", "schedule"]);
    for (other, expected) in [(&bf16, "differ in precision: float32 and bf16"), (&exact, "differ in exact_conv")] {
        let said = refuse(&["compare", &plain, other, "--vary", "schedule"]);
        assert!(said.contains(expected), "{said}");
    }
    succeed(&["compare", &plain, &bf16, "--vary", "schedule,precision"]);

    let around = |name: &str, seed: u64, critical: f64| {
        runs.range_test(name, seed, |config| {
            config.schedule_parameters = json!({
                "schedule": "ramp", "scale": "log", "min_lr": critical / 64.0, "max_lr": critical * 16.0,
                "critical_lr": critical,
            });
        })
    };
    let seeds = [around("a", 1, 0.5), around("b", 2, 0.625)];
    succeed(&arguments("compare", &seeds, &["--vary", "seed"]));
    succeed(&arguments("compare", &seeds, &[]));
    let by_hand = runs.range_test("c", 2, |config| {
        config.schedule_parameters = json!({"schedule": "ramp", "scale": "log", "min_lr": 1e-3, "max_lr": 10.0});
    });
    let said = refuse(&["compare", &seeds[0], &by_hand, "--vary", "seed"]);
    assert!(said.contains("differ in min_lr") && said.contains("critical_lr: 0.5 and none"), "{said}");
}

#[test]
fn runs_of_other_data_or_another_processor_are_not_shown_as_equals() {
    let runs = Runs::new();
    let both = [runs.training("1cycle", 60, 1, 1.0, 0.9), runs.training("1cycle", 60, 2, 1.0, 0.91)];
    let change = |change: &dyn Fn(&mut RunRecord)| {
        let folder = PathBuf::from(&both[1]);
        let mut record = run::read_run(&folder).unwrap();
        change(&mut record);
        json::write(&folder.join(RUN_FILE), &record).unwrap();
    };
    change(&|record| record.kernels = "cpu portable".to_owned());
    let output = analyze(&arguments("table", &both, &[]));
    assert!(output.status.success());
    assert!(stderr(&output).contains("differ in kernels: equal seeds need not give equal bits"), "{}", stderr(&output));
    change(&|record| record.data.sha256 = "e".repeat(64));
    for command in ["compare", "table"] {
        let said = refuse(&arguments(command, &both, &["--vary", "lr,seed,data"]));
        assert!(said.contains("differ in data") && said.contains("cannot be compared"), "{said}");
    }
    succeed(&arguments("table", &both, &["--vary", "any"]));
}

#[test]
fn a_missing_command_or_flag_exits_with_2() {
    for arguments in [&[][..], &["report"], &["suggest"], &["compare", "one"], &["table", "--json", "--csv", "x"]] {
        assert_eq!(analyze(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert!(succeed(&["--help"]).contains("suggest"));
    for (moved, now) in [("start", "sc-search start"), ("next", "sc-search next"), ("regret", "rule-bench")] {
        let said = refuse(&[moved, "momentum", "--recipe", "start.json"]);
        assert!(said.contains(&format!("`sc-analyze {moved}` is now `{now}`")), "{said}");
    }
}
