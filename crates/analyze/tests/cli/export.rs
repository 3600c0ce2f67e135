//! What is written for other tools. That those read it is tested in `integrations/test_export.py`.

use std::fs;
use std::path::Path;

use artifacts::metrics::{LineWriter, TEST_FILE, TIMING_FILE, TestMetrics, Timing};
use artifacts::run::RESULT_FILE;
use end_to_end::made_up::Runs;
use polars::prelude::{ParquetReader, SerReader as _};

use super::{analyze, arguments, refuse, stderr, succeed};

const EVENTS: &str = "events.out.tfevents.0.superconv";

/// The data of the records in a TFRecord file; its checksums have tests of their own.
fn records(file: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        records.push(&rest[12..12 + length]);
        rest = &rest[16 + length..];
    }
    records
}

/// Whether a record gives `tag` the value `value`, as protobuf writes it.
fn says(record: &[u8], tag: &str, value: f64) -> bool {
    let mut wanted = vec![0x0A, tag.len() as u8];
    wanted.extend(tag.as_bytes());
    wanted.push(0x15);
    wanted.extend((value as f32).to_le_bytes());
    record.windows(wanted.len()).any(|part| part == wanted)
}

fn add_times(folder: &str) {
    let mut lines = LineWriter::open::<Timing>(&Path::new(folder).join(TIMING_FILE), 0).unwrap();
    for (iteration, train_seconds) in [(0, 0.0), (50, 5.0), (100, 15.0)] {
        lines.append(&Timing { iteration, train_seconds, wall_seconds: 99.0, event: None }).unwrap();
    }
    lines.flush().unwrap();
}

#[test]
fn event_files_have_every_step_with_its_rate_and_time_and_the_same_bytes_again() {
    let runs = Runs::new();
    let tests = [runs.range_test("a", 1, |_| ()), runs.range_test("b", 2, |_| ())];
    add_times(&tests[0]);
    let mut lines = LineWriter::open::<TestMetrics>(&Path::new(&tests[0]).join(TEST_FILE), 0).unwrap();
    lines.append(&TestMetrics { iteration: 75, test_loss: Some(1.5), test_accuracy: None }).unwrap();
    lines.flush().unwrap();
    let out = runs.path("tb");
    let said = succeed(&arguments("export", &tests, &["--tensorboard", &out]));
    assert!(said.starts_with("2 event files: tensorboard --logdir "), "{said}");
    let read = |name: &str| fs::read(Path::new(&out).join(name).join(EVENTS)).unwrap();
    let first = read("a");
    let events = records(&first);
    assert_eq!(events.len(), 101, "the version, and an event per step");
    assert_eq!(events[0], b"\x1a\x0dbrain.Event:2");
    // Step 75: between 5 seconds at step 50 and 15 at step 100.
    let step = events[75];
    assert!(step.starts_with(&[&[0x09][..], &10.0f64.to_le_bytes(), &[0x10, 75]].concat()), "{step:?}");
    let lr = 1e-4 * 1e5f64.powf(74.0 / 99.0);
    assert!(says(step, "lr", lr) && says(step, "test/loss", 1.5) && !says(step, "val/loss", 0.0));
    assert!(says(events[1], "lr", 1e-4) && says(events[1], "momentum", 0.9) && says(events[100], "lr", 10.0));
    assert!(first != read("b"));
    succeed(&arguments("export", &tests, &["--tensorboard", &out]));
    assert!(first == read("a"), "equal files in, equal bytes out");
}

#[test]
fn results_have_a_row_per_measurement_with_no_empty_field() {
    let runs = Runs::new();
    let run = runs.range_test("a", 1, |_| ());
    add_times(&run);
    let out = runs.path("csv");
    succeed(&["export", &run, "--csv", &out]);
    let text = fs::read_to_string(Path::new(&out).join("a/results.csv")).unwrap();
    let mut lines = text.lines();
    let head = "step,epoch,time,train/loss,train/accuracy,val/loss,metrics/accuracy_top1,lr/pg0,momentum";
    assert_eq!(lines.next().unwrap(), head);
    let rows: Vec<Vec<f64>> = lines.map(|line| line.split(',').map(|field| field.parse().unwrap()).collect()).collect();
    let steps: Vec<f64> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(steps, (1..=10).map(|row| 10.0 * f64::from(row)).collect::<Vec<_>>());
    assert_eq!((rows[5][2], rows[9][7]), (7.0, 10.0), "seconds and rate of the step measured");
    let losses = (11..=20).map(|step| end_to_end::made_up::ramp_step(step, 1).train_loss.unwrap());
    assert!((rows[1][3] - losses.sum::<f64>() / 10.0).abs() < 1e-12, "the mean since the last measurement");

    // Nothing is known of validation images or of times here: a row per step, without those columns.
    let training = runs.training("1cycle", 60, 1, 1.0, 0.9);
    succeed(&["export", &training, "--csv", &out]);
    let text = fs::read_to_string(Path::new(&out).join("1cycle-it60-lr1-seed1/results.csv")).unwrap();
    assert_eq!(text.lines().next().unwrap(), "step,epoch,train/loss,train/accuracy,lr/pg0,momentum");
    assert_eq!(text.lines().count(), 61);
    assert!(!text.contains(",,"));
}

#[test]
fn a_parquet_file_has_all_steps_of_all_runs() {
    let runs = Runs::new();
    let both = [runs.range_test("a", 1, |_| ()), runs.training("1cycle", 60, 2, 1.0, 0.9)];
    let out = runs.path("steps.parquet");
    let said = succeed(&arguments("export", &both, &["--parquet", &out]));
    assert!(said.starts_with("160 steps in "), "{said}");
    let frame = ParquetReader::new(fs::File::open(&out).unwrap()).finish().unwrap();
    assert_eq!(frame.shape(), (160, 20));
    let text = |name: &str, row: usize| frame.column(name).unwrap().str().unwrap().get(row).unwrap().to_owned();
    let number = |name: &str, row: usize| frame.column(name).unwrap().f64().unwrap().get(row);
    assert_eq!((text("run", 99), text("run", 100)), ("a".to_owned(), "1cycle-it60-lr1-seed2".to_owned()));
    assert_eq!(number("lr", 99), Some(10.0));
    assert_eq!((number("val_accuracy", 98), number("seconds", 0)), (None, None));
    assert_eq!(number("val_loss", 9), end_to_end::made_up::ramp_step(10, 1).val_loss);
}

#[test]
fn a_run_in_progress_is_exported_as_far_as_it_got() {
    let runs = Runs::new();
    let run = runs.training("1cycle", 60, 1, 1.0, 0.9);
    fs::remove_file(Path::new(&run).join(RESULT_FILE)).unwrap();
    let metrics = Path::new(&run).join("metrics.jsonl");
    let text = fs::read(&metrics).unwrap();
    fs::write(&metrics, &text[..text.len() - 9]).unwrap();
    let out = runs.path("tb");
    let output = analyze(&["export", &run, "--tensorboard", &out]);
    assert!(output.status.success());
    let said = stderr(&output);
    assert!(said.contains("has not finished, exported as far as it got") && said.contains("torn last line"), "{said}");
    let file = fs::read(Path::new(&out).join("1cycle-it60-lr1-seed1").join(EVENTS)).unwrap();
    assert_eq!(records(&file).len(), 60);
}

#[test]
fn nothing_is_written_where_something_cannot_be_exported() {
    let runs = Runs::new();
    let run = runs.range_test("a", 1, |_| ());
    let same_name = runs.path("other");
    fs::create_dir_all(&same_name).unwrap();
    fs::create_dir(runs.path("other/a")).unwrap();
    for file in fs::read_dir(&run).unwrap().flatten() {
        fs::copy(file.path(), Path::new(&same_name).join("a").join(file.file_name())).unwrap();
    }
    let out = runs.path("tb");
    let said = refuse(&["export", &run, &runs.path("other/a"), "--tensorboard", &out]);
    assert!(said.contains("are both called a") && said.contains("a folder of its own"), "{said}");
    fs::write(runs.path("other/a/metrics.jsonl"), "{}\n").unwrap();
    fs::rename(runs.path("other/a"), runs.path("other/b")).unwrap();
    let said = refuse(&["export", &run, &runs.path("other/b"), "--tensorboard", &out, "--csv", &out]);
    assert!(said.contains("metrics.jsonl: expected a record on line 1"), "{said}");
    assert!(!Path::new(&out).exists());
    assert!(refuse(&["export", &run]).contains("<--tensorboard <DIR>|--csv <DIR>|--parquet <FILE>>"));
}
