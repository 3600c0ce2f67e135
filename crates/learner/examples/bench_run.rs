//! What a whole `sc-train` run costs beyond its bare training steps: order and augmentation, records, progress, signals.
//! Validation and the measurements at the end are left out.
//!
//!     cargo run --release -p learner --example bench_run -- DATA.safetensors [NET]...
//!
//! Runs the real `sc-init` and `sc-train`, which must lie in `target/release`, in a temporary folder: batch 128, crop and
//! flip, as many steps as take some seconds. From the run's own `timing.jsonl` comes what passed between its steps,
//! start and end apart; what drawing an order and augmentations takes, which the run counts as part of a step, is timed
//! here, over the same batches. Both are shares of the bare step.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use artifacts::metrics::{self, Timing};
use artifacts::{dataset, run};
use learner::samples::{Augment, Look, Samples, divide};

type Failure = Box<dyn std::error::Error>;

const BATCH: usize = 128;
const THREADS: &str = "2";

/// Nets by default, with steps that take some seconds.
const NETS: [(&str, u64); 3] = [("lenet", 1500), ("resnet8", 500), ("resnet20", 150)];

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let data = PathBuf::from(arguments.next().ok_or("expected a data file, such as data/mnist5k.safetensors")?);
    let named: Vec<String> = arguments.collect();
    println!("batch {BATCH}, crop and flip, {THREADS} threads; shares of the bare step");
    println!(
        "{:10} {:>6} {:>12} {:>14} {:>22} {:>8}",
        "net", "steps", "bare step", "between steps", "order, augmentation", "in all"
    );
    if named.is_empty() {
        NETS.iter().try_for_each(|(net, steps)| report(&data, net, *steps))
    } else {
        named.iter().try_for_each(|net| report(&data, net, steps_of(net)))
    }
}

fn steps_of(net: &str) -> u64 {
    NETS.iter().find(|(name, _)| *name == net).map_or(150, |(_, steps)| *steps)
}

/// Runs a net and prints its line.
fn report(data: &Path, net: &str, steps: u64) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let times = run_of(data, net, steps, folder.path())?;
    let drawing = seconds_to_draw(data, steps)?;
    let bare = times.step - drawing;
    let (between, drawing_share) = (times.between / bare * 100.0, drawing / bare * 100.0);
    println!(
        "{net:10} {steps:>6} {:>9.3} ms {between:>12.2} % {drawing_share:>20.2} % {:>6.2} %",
        bare * 1e3,
        between + drawing_share
    );
    Ok(())
}

/// Seconds per step, as the run measured them.
struct Times {
    /// In the step: its batch drawn, and the engine.
    step: f64,
    /// From one step to the next.
    between: f64,
}

fn run_of(data: &Path, net: &str, steps: u64, folder: &Path) -> Result<Times, Failure> {
    let (init, out) = (folder.join("init.safetensors"), folder.join("run"));
    let (count, steps) = (steps, steps.to_string());
    program("sc-init", data, &["--net", net, "--seed", "1", "--quiet", "--out", path(&init)?])?;
    let flags = ["--init", path(&init)?, "--schedule", "constant", "--lr", "0.001", "--iterations", &steps];
    let batch = BATCH.to_string();
    let more = ["--batch-size", &batch, "--augment", "crop-flip", "--val-from-train", "0", "--val-every", "0"];
    let last = ["--threads", THREADS, "--out", path(&out)?];
    program("sc-train", data, &[&flags[..], &more, &last].concat())?;
    if run::read_result(&out)?.is_none() {
        return Err(format!("{}: expected a finished run", out.display()).into());
    }
    between_lines(&metrics::read::<Timing>(&out.join(metrics::TIMING_FILE))?.0, count)
}

/// The first line comes after start and warming up; that of all `count` steps after the measurements of the end.
fn between_lines(lines: &[Timing], count: u64) -> Result<Times, Failure> {
    let (Some(first), Some(last)) = (lines.first(), lines.iter().rfind(|line| line.iteration < count)) else {
        return Err("timing.jsonl: expected lines".into());
    };
    let steps = (last.iteration - first.iteration) as f64;
    if steps < 1.0 {
        return Err("timing.jsonl: expected two lines of a run, found one: more steps are needed".into());
    }
    let (step, wall) = (last.train_seconds - first.train_seconds, last.wall_seconds - first.wall_seconds);
    Ok(Times { step: step / steps, between: (wall - step) / steps })
}

/// Seconds per step for drawing the batches of a run.
fn seconds_to_draw(data: &Path, steps: u64) -> Result<f64, Failure> {
    let file = dataset::read(data)?;
    let train = divide(&file.train.labels, file.classes.len(), 0.0, None).train;
    let look = Look { augment: Augment::CropFlip, ..Look::PLAIN };
    let mut samples = Samples::new(train, 1, BATCH, look);
    let start = Instant::now();
    for iteration in 1..=steps {
        std::hint::black_box(samples.batch(iteration));
    }
    Ok(start.elapsed().as_secs_f64() / steps as f64)
}

fn program(name: &str, data: &Path, flags: &[&str]) -> Result<(), Failure> {
    let done = Command::new(Path::new("target/release").join(name)).arg("--data").arg(data).args(flags).output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{name}: {}\n{}", done.status, String::from_utf8_lossy(&done.stderr)).into())
}

fn path(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| format!("{}: not UTF-8", path.display()).into())
}
