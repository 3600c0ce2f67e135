//! What `sc-analyze` takes for records that are long and many: six runs of 100,000 steps, and 1,000 runs of 1,000 steps in one
//! report. Makes them up in a folder, runs the program on them, and prints seconds, peak memory and the size of the page.
//!
//!     make large

#![forbid(unsafe_code)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use artifacts::metrics::{FILE, LineWriter, Metrics};
use artifacts::run::{Kind, RESULT_FILE, RUN_FILE, ResultRecord, RunRecord};
use artifacts::{ArtifactError, json};
use end_to_end::made_up;
use serde_json::{Value, json};

/// How often the memory of the program is looked at.
const LOOK: Duration = Duration::from_millis(5);

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder] = arguments.as_slice() else {
        eprintln!("large: expected one argument, the folder to make the runs in");
        return ExitCode::from(2);
    };
    match measure(folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("large: {why}");
            ExitCode::FAILURE
        }
    }
}

fn measure(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let long: Vec<(&str, u64, u64)> = vec![
        ("range-test", 100_000, 1),
        ("range-test", 100_000, 2),
        ("1cycle", 100_000, 1),
        ("1cycle", 100_000, 2),
        ("piecewise", 100_000, 1),
        ("piecewise", 100_000, 2),
    ];
    let mut many: Vec<(&str, u64, u64)> = (1..=10).map(|seed| ("range-test", 1_000, seed)).collect();
    for seed in 1..=165 {
        for length in [250, 500, 1_000] {
            many.extend([("1cycle", length, seed), ("piecewise", length, seed)]);
        }
    }
    println!("{:<40} {:>9} {:>12} {:>12}", "", "seconds", "peak memory", "page");
    for (name, runs) in [("long", long), ("many", many)] {
        let folder = folder.join(name);
        let folders = runs.iter().map(|run| make(&folder, *run)).collect::<Result<Vec<_>, _>>()?;
        let lines: u64 = runs.iter().map(|(_, steps, _)| steps).sum();
        println!("{name}: {} runs, {lines} lines", folders.len());
        let tests: Vec<&PathBuf> =
            folders.iter().filter(|folder| folder.to_string_lossy().contains("range-test")).collect();
        let report = folder.join("report");
        analyze("suggest", &tests, &["--json"], None)?;
        analyze("report", &folders.iter().collect::<Vec<_>>(), &["--out", &report.to_string_lossy()], Some(&report))?;
        analyze("table", &folders.iter().collect::<Vec<_>>(), &["--force"], None)?;
        analyze("verify", &folders.iter().collect::<Vec<_>>(), &[], None)?;
    }
    Ok(())
}

/// Runs `sc-analyze` and prints what it took. `verify` finds faults, rightly: there are no data and no weights.
fn analyze(command: &str, folders: &[&PathBuf], more: &[&str], report: Option<&Path>) -> io::Result<()> {
    // An example runs as TARGET/release/examples/NAME.
    let own = std::env::current_exe()?;
    let program = own.ancestors().nth(2).unwrap_or(Path::new(".")).join("sc-analyze");
    let start = Instant::now();
    let mut child = Command::new(program).arg(command).args(folders).args(more).stdout(Stdio::null()).spawn()?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_of(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        sleep(LOOK);
    };
    let page = report.map_or_else(
        || Ok(String::new()),
        |folder| fs::metadata(folder.join("index.html")).map(|facts| format!("{} KB", facts.len() / 1000)),
    )?;
    if !status.success() && command != "verify" {
        return Err(io::Error::other(format!("sc-analyze {command}: {status}")));
    }
    println!("  {command:<38} {:>9.1} {:>9} MB {page:>12}", start.elapsed().as_secs_f64(), peak / 1000);
    Ok(())
}

/// The largest resident memory of a process so far, in kB; none where the system does not say.
fn peak_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok())
}

/// Makes one run, unless it is there.
fn make(folder: &Path, (arm, steps, seed): (&str, u64, u64)) -> Result<PathBuf, ArtifactError> {
    let name = format!("{arm}-it{steps}-seed{seed}");
    let folder = folder.join(&name);
    if folder.join(RESULT_FILE).exists() {
        return Ok(folder);
    }
    json::write(&folder.join(RUN_FILE), &record(&name, arm, steps, seed))?;
    let mut lines = LineWriter::open::<Metrics>(&folder.join(FILE), 0)?;
    (1..=steps).try_for_each(|step| lines.append(&line(arm, step, steps, seed)))?;
    lines.flush()?;
    json::write(&folder.join(RESULT_FILE), &result(steps, seed))?;
    Ok(folder)
}

fn line(arm: &str, step: u64, steps: u64, seed: u64) -> Metrics {
    let way = step as f64 / steps as f64;
    let wobble = 0.02 * ((step * 7 + seed * 3) as f64).sin();
    let lr = if arm == "range-test" { 1e-4 * 1e5_f64.powf(way) } else { 0.2 * (1.0 - way) + 1e-3 };
    let learnt =
        if arm == "range-test" { 1.0 / (1.0 + (-6.0 * (lr.log10() + 2.0)).exp()) } else { 1.0 - (-4.0 * way).exp() };
    let measured = step.is_multiple_of(10) || step == steps;
    Metrics {
        iteration: step,
        epoch: step as f64 / 391.0,
        lr,
        momentum: 0.9,
        train_loss: Some(2.3 - 2.0 * learnt + wobble),
        train_accuracy: Some(0.1 + 0.8 * learnt + wobble),
        grad_norm: Some(1.0 + wobble),
        val_loss: measured.then_some(2.3 - 1.8 * learnt),
        val_accuracy: measured.then_some(0.1 + 0.7 * learnt),
        ema_val_loss: None,
        ema_val_accuracy: None,
    }
}

fn record(name: &str, arm: &str, iterations: u64, seed: u64) -> RunRecord {
    let (kind, schedule, schedule_parameters): (Kind, &str, Value) = match arm {
        "range-test" => (Kind::RangeTest, "ramp-log", json!({"min_lr": 1e-4, "max_lr": 10.0})),
        "1cycle" => (Kind::Train, "1cycle", json!({"min_lr": 0.1, "max_lr": 1.0, "variant": "smith"})),
        _ => (Kind::Train, "piecewise", json!({"pieces": [{"iterations": iterations, "lr": 0.2}]})),
    };
    let config = made_up::config(kind, seed, iterations, schedule, schedule_parameters);
    RunRecord { train_images: 50_000, val_images: 5_000, ..made_up::record(name, arm, config) }
}

fn result(iterations: u64, seed: u64) -> ResultRecord {
    ResultRecord {
        final_val_accuracy: Some(0.9),
        final_val_loss: Some(0.4),
        final_train_accuracy: Some(0.95),
        final_train_loss: Some(0.2),
        test_accuracy: Some(0.9 + 1e-4 * (seed % 17) as f64),
        test_loss: Some(0.4),
        ..made_up::result(iterations)
    }
}
