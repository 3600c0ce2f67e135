//! Curves of other tools, what is said of them by flags, and the answer that a person reads.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use artifacts::metrics::{Metrics, finite};
use artifacts::run::{Config, Kind};
use end_to_end::made_up::{Runs, config, ramp_step, result};
use serde_json::{Value, json};

use crate::{analyze, arguments, refuse, stderr, stdout, succeed};

/// What `--json` prints, and what is said beside it.
fn suggestion(arguments: &[&str]) -> (Value, String) {
    let output = analyze(&[&["suggest"], arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    (serde_json::from_str(&stdout(&output)).unwrap(), stderr(&output))
}

/// The range test of a run as a table of another tool.
fn table(header: &str, row: impl Fn(u64, &Metrics) -> String) -> String {
    let mut text = header.to_owned() + "\n";
    for step in 1..=100 {
        writeln!(text, "{}", row(step, &ramp_step(step, 1))).unwrap();
    }
    text
}

/// What a suggestion rests on, whatever it was read from.
fn answer(suggestion: &Value) -> Value {
    let keys = ["outcome", "min_lr", "max_lr", "min_lr_interval", "max_lr_interval", "confidence", "reasons", "rivals"];
    keys.iter().map(|key| suggestion[key].clone()).collect()
}

#[test]
fn a_table_of_another_tool_is_read_with_warnings_whatever_its_name() {
    let runs = Runs::new();
    let text =
        table("test_accuracy,lr,iteration,note", |step, m| format!("{},{},{step},x", m.train_accuracy.unwrap(), m.lr));
    for name in ["curve.csv", "caffe.log.test", "history", "lr find.TXT"] {
        let path = runs.path(name);
        fs::write(&path, format!("{text}0.9,,101,\n")).unwrap();
        let (suggestion, said) = suggestion(&[&path]);
        assert_eq!(suggestion["outcome"], "plateau", "{name}");
        assert!(said.contains("dropped 1 row without a rate") && said.contains("column note is not used"), "{said}");
    }
}

#[test]
fn a_history_as_json_and_a_table_of_the_same_numbers_get_one_answer() {
    let runs = Runs::new();
    let (csv, history) = (runs.path("a.csv"), runs.path("b.json"));
    let steps: Vec<Metrics> = (1..=100).map(|step| ramp_step(step, 1)).collect();
    fs::write(&csv, table("lr;loss", |_, m| format!("{};{}", m.lr, m.train_loss.unwrap()).replace('.', ","))).unwrap();
    let lists = json!({
        "lr": steps.iter().map(|m| m.lr).collect::<Vec<_>>(),
        "loss": steps.iter().map(|m| m.train_loss).collect::<Vec<_>>(),
    });
    fs::write(&history, lists.to_string()).unwrap();
    assert_eq!(answer(&suggestion(&[&csv]).0), answer(&suggestion(&[&history]).0));
}

/// The first line of integrations/superconv_lr.py's file, by key.
fn first_line(text: &str) -> Vec<(&str, &str)> {
    let line = text.lines().next().unwrap().strip_prefix("# superconv: ").unwrap();
    line.split(' ').map(|pair| pair.split_once('=').unwrap()).collect()
}

/// A range test that PyTorch made (`tests/parity/range_test.py`) and the same steps as a run of ours: the file's first line, or
/// flags, say what the run records, and the judged rule answers.
#[test]
fn a_range_test_of_pytorch_gets_the_answer_that_the_same_run_of_ours_gets() {
    let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/fixtures/range-test.csv");
    let text = fs::read_to_string(&fixture).unwrap();
    let known = first_line(&text);
    let number = |key: &str| known.iter().find(|(found, _)| *found == key).unwrap().1.parse::<f64>().unwrap();
    let parameters = json!({"min_lr": 0.1, "max_lr": 1.0, "critical_lr": number("critical_lr")});
    let config = Config {
        batch_size: number("batch_size") as usize,
        momentum: number("momentum"),
        weight_decay: number("weight_decay"),
        ..config(Kind::RangeTest, 1, 60, "ramp-log", parameters)
    };
    let row = |line: &str| {
        let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        let [iteration, lr, loss, accuracy] = cells[..] else { panic!("{line}") };
        let (train_loss, train_accuracy) = (finite(loss), finite(accuracy));
        let unmeasured = Metrics { val_loss: None, val_accuracy: None, grad_norm: None, ..ramp_step(1, 1) };
        Metrics { iteration: iteration as u64, lr, train_loss, train_accuracy, ..unmeasured }
    };
    let steps: Vec<Metrics> = text.lines().skip(2).map(row).collect();
    assert!(steps.len() > 40 && steps.iter().any(|step| step.train_loss.is_none()), "it goes on to where it blows up");
    let runs = Runs::new();
    let ours = runs.add("ours", "range-test", config, &steps, Some(result(60)));

    let (ours, _) = suggestion(&[&ours, "--for-iterations", "240"]);
    let (theirs, said) = suggestion(&[&fixture.to_string_lossy()]);
    assert_eq!(said, "");
    assert_eq!(answer(&theirs), answer(&ours));
    assert_eq!((&theirs["for_iterations"], &ours["for_iterations"]), (&json!(240), &json!(240)));
    for key in ["optimizer", "momentum", "weight_decay", "batch_size"] {
        assert_eq!(theirs["setting"][key], ours["setting"][key], "{key}");
    }
    let reasons = theirs["reasons"].to_string();
    assert!(reasons.contains("the first step overshoots at") && !reasons.contains("weaker rule"), "{reasons}");

    let bare = runs.path("bare.csv");
    fs::write(&bare, text.split_once('\n').unwrap().1).unwrap();
    let flags: Vec<String> = known.iter().map(|(key, value)| format!("--{}={value}", key.replace('_', "-"))).collect();
    let flags: Vec<&str> = std::iter::once(&*bare).chain(flags.iter().map(String::as_str)).collect();
    assert_eq!(answer(&suggestion(&flags).0), answer(&ours));

    let (weaker, _) = suggestion(&[&bare]);
    assert_ne!(weaker["max_lr"], ours["max_lr"]);
    let reasons = weaker["reasons"].to_string();
    assert!(reasons.contains("this is the weaker rule") && reasons.contains("--critical-lr gives it"), "{reasons}");
}

#[test]
fn a_flag_counts_more_than_a_file_and_less_than_the_record_of_a_run() {
    let runs = Runs::new();
    let path = runs.path("curve.csv");
    let header = "# superconv: critical_lr=0.5 optimizer=sgd momentum=0.9\nlr,loss";
    fs::write(&path, table(header, |_, m| format!("{},{}", m.lr, m.train_loss.unwrap()))).unwrap();
    let (suggested, said) = suggestion(&[&path, "--momentum", "0.5", "--optimizer", "SGD"]);
    assert!(said.contains("--momentum 0.5 is taken, though the file says 0.9"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(suggested["setting"]["momentum"], 0.5);
    let run = runs.range_test("a", 1, |_| ());
    let said = refuse(&["suggest", &run, "--momentum", "0.5"]);
    assert!(said.contains("`--momentum 0.5` does not apply to a, which was run with 0.9"), "{said}");
    assert!(said.contains("leave out --momentum"), "{said}");
    let (said_again, _) = suggestion(&[&run, "--momentum", "0.9", "--critical-lr", "0.5"]);
    assert!(said_again["reasons"].to_string().contains("the first step overshoots at 0.5"));
    for (flag, value) in [
        ("--critical-lr", "0"),
        ("--critical-lr", "nan"),
        ("--noise-scale", "-1"),
        ("--momentum", "1"),
        ("--weight-decay", "x"),
        ("--batch-size", "0"),
        ("--for-iterations", "0"),
        ("--optimizer", ""),
    ] {
        assert!(refuse(&["suggest", &path, &format!("{flag}={value}")]).contains(flag), "{flag} {value}");
    }
}

#[test]
fn a_run_is_found_by_its_folder_and_by_each_of_its_records() {
    let runs = Runs::new();
    let run = runs.range_test("a", 1, |_| ());
    let (expected, _) = suggestion(&[&run]);
    for record in ["run.json", "result.json", "metrics.jsonl"] {
        assert_eq!(suggestion(&[&format!("{run}/{record}")]).0, expected, "{record}");
    }
    let said = refuse(&["suggest", &runs.folder().to_string_lossy()]);
    assert!(said.contains("this folder is not a run") && said.contains("name the file"), "{said}");
}

#[test]
fn without_a_file_to_write_the_answer_is_for_a_person() {
    let runs = Runs::new();
    let tests = [runs.range_test("a", 1, |_| ()), runs.range_test("b", 2, |_| ())];
    let said = succeed(&arguments("suggest", &tests, &["--for-iterations", "1200"]));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "highest rate  10");
    assert!(lines[1].starts_with("lowest rate   0.00") && lines[1].contains(" to "), "{said}");
    assert_eq!(lines[2], "outcome       plateau");
    assert!(lines[3].starts_with("confidence    0."), "{said}");
    assert_eq!(
        lines[4],
        "holds for     resnet8, on digits, sgd, momentum 0.9, weight decay 1e-4, batch 128, 1,200 steps"
    );
    assert_eq!(lines[5], "");
    assert!(lines[6].starts_with("- plateau: "), "{said}");
    assert!(lines.len() > 8 && lines[5..].iter().all(|line| line.chars().count() <= 92), "{said}");
    assert!(!said.contains('\u{1b}'), "no style in a pipe: {said}");
    // A file to write leaves one line and the reasons.
    let said = succeed(&arguments("suggest", &tests, &["--out", &runs.path("s.json")]));
    assert!(said.starts_with("plateau: learning rates from "), "{said}");
    assert!(!fs::read_to_string(runs.path("s.json")).unwrap().contains("for_iterations"), "not said");
}
