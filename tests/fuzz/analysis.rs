//! What `sc-analyze` reads, and what it makes of it: a suggestion, a report.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use analyze::report::{Report, page, summary};
use analyze::verify::{self, Sources};
use analyze::{plot, unfinished};
use artifacts::finished;
use artifacts::metrics;
use artifacts::run::{Config, Kind, MODEL_FILE, RESULT_FILE, RUN_FILE, ResultRecord, RunRecord};
use artifacts::sha256;
use artifacts::weights::{self, Origin};
use end_to_end::made_up;
use reading::curve::{self, Given};
use reading::suggest::suggest;
use serde_json::json;

use crate::artifact::{metric_lines, suggestion};
use crate::driver::{Answer, Prepared, Reader};
use crate::mutate::{self, Choices};
use crate::scratch::Scratch;

const MIB: usize = 1 << 20;

/// The readers.
pub(crate) fn readers() -> Vec<Reader> {
    let reader = |name, inputs, one_in, bound, prepare| Reader { name, inputs, one_in, bound, prepare };
    vec![
        reader("table, and suggest", 1_000, 1, 16 * MIB, curve_table),
        reader("JSON, and suggest", 1_000, 1, 16 * MIB, curve_json),
        reader("run, and suggest", 1_000, 1, 16 * MIB, range_test),
        reader("summary.json", 2_000, 1, 4 * MIB, earlier_summary),
        reader("verify", 1_000, 1, 4 * MIB, verified),
        reader("report", 100, 100, 64 * MIB, report),
    ]
}

/// A run's record: `arm` is `range-test`, `1cycle`, `piecewise` or `grid`.
pub(crate) fn record(arm: &str, seed: u64, iterations: u64) -> RunRecord {
    let (kind, schedule, schedule_parameters) = match arm {
        "range-test" => (Kind::RangeTest, "ramp-log", json!({"min_lr": 1e-3, "max_lr": 10.0})),
        "1cycle" => (Kind::Train, "1cycle", json!({"min_lr": 0.1, "max_lr": 1.0, "variant": "smith"})),
        _ => (Kind::Train, "piecewise", json!({"pieces": [{"iterations": iterations, "lr": 0.2}]})),
    };
    let config = made_up::config(kind, seed, iterations, schedule, schedule_parameters);
    let config = Config { batch_size: 64, val_every: 2, ..config };
    made_up::record(&format!("{arm}-seed{seed}"), arm, config)
}

/// The result of a run that ended as it should.
pub(crate) fn result(iterations: u64, accuracy: f64) -> ResultRecord {
    ResultRecord {
        final_val_accuracy: Some(accuracy),
        final_val_loss: Some(0.5),
        final_train_accuracy: Some(0.95),
        final_train_loss: Some(0.2),
        test_accuracy: Some(accuracy),
        test_loss: Some(0.5),
        ..made_up::result(iterations)
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("records are JSON")
}

fn to_lines(steps: u64) -> Vec<u8> {
    metric_lines(steps).iter().flat_map(|line| [to_json(line), vec![b'\n']].concat()).collect()
}

/// Tables of several kinds, under a name that says nothing.
fn curve_table() -> Prepared {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let row = |mut text: String, line: metrics::Metrics| {
        let metrics::Metrics { iteration, lr, train_loss, train_accuracy, .. } = line;
        writeln!(text, "{iteration},{lr},{},{},note", number(train_loss), number(train_accuracy)).expect("text grows");
        text
    };
    let head = "iteration,lr,train_loss,train_accuracy,note\n".to_owned();
    let table = metric_lines(24).into_iter().fold(head, row);
    let german = table.replace(',', ";").replace('.', ",");
    let wide = table.encode_utf16().flat_map(u16::to_le_bytes);
    let table = format!("# superconv: critical_lr=0.5 optimizer=sgd momentum=0.9\n{table}");
    curve_file(vec![[0xff, 0xfe].into_iter().chain(wide).collect(), german.into_bytes(), table.into_bytes()])
}

/// A history as JSON: lists by name, objects, lines.
fn curve_json() -> Prepared {
    let lines = metric_lines(24);
    let lists = json!({"results": {
        "lr": lines.iter().map(|line| line.lr).collect::<Vec<_>>(),
        "loss": lines.iter().map(|line| line.train_loss).collect::<Vec<_>>(),
    }});
    curve_file(vec![to_json(&lists), to_json(&json!({"log_history": lines})), to_lines(24)])
}

fn curve_file(valid: Vec<Vec<u8>>) -> Prepared {
    let scratch = Scratch::new();
    Prepared {
        valid,
        mutate: mutate::lines,
        place: "mutated".into(),
        read: Box::new(move |input| {
            let path = scratch.write("mutated", input);
            let (curve, _) = curve::read(&path, &Given::default()).map_err(|error| error.to_string())?;
            suggest(&[curve]).map(|_| ()).map_err(|refusal| refusal.to_string())
        }),
    }
}

fn range_test() -> Prepared {
    let scratch = Scratch::new();
    scratch.write(RUN_FILE, &to_json(&record("range-test", 1, 24)));
    Prepared {
        valid: vec![to_lines(24)],
        mutate: mutate::lines,
        // The reader of lines names the file, that of curves the run.
        place: String::new(),
        read: Box::new(move |input| {
            scratch.write(metrics::FILE, input);
            let (curve, _) = curve::run::read(scratch.path()).map_err(|error| error.to_string())?;
            suggest(&[curve]).map(|_| ()).map_err(|refusal| refusal.to_string())
        }),
    }
}

/// Names files to be removed: never one outside the report's folder.
fn earlier_summary() -> Prepared {
    let scratch = Scratch::new();
    let summary = json!({"format": summary::FORMAT, "title": "x", "files": ["a.svg", "b.png", "../c", "/d", ".e"]});
    Prepared {
        valid: vec![to_json(&summary)],
        mutate: mutate::text,
        place: String::new(),
        read: Box::new(move |input| {
            scratch.write("summary.json", input);
            let files = summary::files_of(scratch.path());
            assert!(files.iter().all(|name| !name.contains('/') && !name.starts_with('.')));
            if files.is_empty() { Err("no files".into()) } else { Ok(()) }
        }),
    }
}

/// The runs of the report's sample: arm, seed and steps.
const RUNS: [(&str, u64, u64); 6] = [
    ("range-test", 1, 24),
    ("1cycle", 1, 20),
    ("1cycle", 2, 20),
    ("piecewise", 1, 20),
    ("piecewise", 2, 20),
    ("grid", 1, 20),
];

/// A study with one of its files mutated.
fn report() -> Prepared {
    let scratch = Scratch::new();
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for (arm, seed, steps) in RUNS {
        let folder = format!("{arm}-{seed}");
        files.push((format!("{folder}/{RUN_FILE}"), to_json(&record(arm, seed, steps))));
        files.push((format!("{folder}/{RESULT_FILE}"), to_json(&result(steps, 0.8 + 0.01 * seed as f64))));
        files.push((format!("{folder}/{}", metrics::FILE), to_lines(steps)));
    }
    files.push(("suggestion.json".into(), to_json(&suggestion())));
    let folders: Vec<PathBuf> =
        RUNS.iter().map(|(arm, seed, _)| scratch.path().join(format!("{arm}-{seed}"))).collect();
    one_of(files, scratch, move |folder| drawn(&folders, &folder.join("suggestion.json")))
}

/// A run with one of its files mutated: it holds, or a sentence says what does not.
fn verified() -> Prepared {
    let scratch = Scratch::new();
    let data = scratch.write("data.safetensors", b"data");
    let weights = || vec![("fc.bias".to_owned(), vec![2], vec![0.5, 0.25])];
    let origin = Origin { net: "resnet8".into(), ..Origin::default() };
    let (init, model) = (scratch.path().join("init.safetensors"), scratch.path().join(MODEL_FILE));
    weights::write(&init, &origin, weights()).expect("the sample can be written");
    weights::write(&model, &origin, weights()).expect("the sample can be written");
    let mut record = record("1cycle", 1, 12);
    for (source, path) in [(&mut record.data, &data), (&mut record.init, &init)] {
        source.path = path.display().to_string();
        source.sha256 = sha256::of_file(path).expect("it was written");
    }
    let mut result = result(12, 0.8);
    let last = metric_lines(12)[11];
    (result.final_val_loss, result.final_val_accuracy) = (last.val_loss, last.val_accuracy);
    let files = vec![
        (RUN_FILE.to_owned(), to_json(&record)),
        (RESULT_FILE.to_owned(), to_json(&result)),
        (metrics::FILE.to_owned(), to_lines(12)),
        (
            metrics::TIMING_FILE.to_owned(),
            b"{\"iteration\":12,\"train_seconds\":1.0,\"wall_seconds\":1.0,\"event\":null}\n".to_vec(),
        ),
        (MODEL_FILE.to_owned(), std::fs::read(&model).expect("it was written")),
    ];
    one_of(files, scratch, |folder| {
        let verdict = verify::run(folder, &mut Sources::in_folder(Path::new(".")));
        verdict.faults.first().map_or(Ok(()), |fault| Err(fault.clone()))
    })
}

/// Files of one folder, one of them mutated at a time: an input is the number of the file and its content. `read` is given
/// the folder.
fn one_of(
    files: Vec<(String, Vec<u8>)>,
    scratch: Scratch,
    mut read: impl FnMut(&Path) -> Answer + 'static,
) -> Prepared {
    files.iter().for_each(|(name, content)| drop(scratch.write(name, content)));
    let valid =
        files.iter().enumerate().map(|(number, (_, content))| [&[number as u8][..], content].concat()).collect();
    Prepared {
        valid,
        mutate: one_file,
        place: String::new(),
        read: Box::new(move |input| {
            let (number, content) = input.split_first().expect("an input names its file");
            let (name, whole) = &files[usize::from(*number)];
            scratch.write(name, content);
            let answer = read(scratch.path());
            scratch.write(name, whole);
            answer
        }),
    }
}

fn one_file(choices: &mut Choices, corpus: &[Vec<u8>]) -> Vec<u8> {
    let file = choices.one(corpus).to_vec();
    [vec![file[0]], mutate::lines(choices, &[file[1..].to_vec()])].concat()
}

/// Everything but the writing and the .png files, which say the same as the .svg.
fn drawn(folders: &[PathBuf], path: &Path) -> Answer {
    let made = || -> analyze::Result<usize> {
        let suggestion = artifacts::suggestion::read(path)?;
        let (runs, left_out) = finished::load(folders)?;
        let report = Report::new("title", runs, 0.005, vec![suggestion], unfinished::warnings(&left_out))?;
        let mut drawings = Vec::new();
        for figure in &report.figures {
            drawings.push((figure.name.clone(), plot::render::svg(figure)?));
        }
        Ok(page::html(&report, &drawings)?.len())
    };
    made().map(|_| ()).map_err(|error| error.to_string())
}
