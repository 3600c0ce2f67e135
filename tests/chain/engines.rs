//! Two engines, one outcome: what our kernels compute is held against candle's own operations, over the real programs.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use artifacts::metrics::{self, Metrics};
use artifacts::run::{self, RunRecord};
use artifacts::{finished, probe};
use end_to_end::study::checkout;
use end_to_end::{bytes, command, refused, small_setting, succeed};

use crate::makefile::commands;

/// Batches so small that candle, which is slow, takes seconds.
const SHARED: &str = "--data data.safetensors --init init.safetensors --batch-size 4 --quiet";

/// How far two float32 trainings of this length may drift apart, as a share: rounding takes values across kinks (ReLU, max
/// pooling), and every later step makes more of it. The first step has seen no update: it is held to plain rounding.
const DRIFT: f64 = 2e-2;
const ROUNDING: f64 = 1e-5;

fn steps(folder: &Path, name: &str) -> Vec<Metrics> {
    metrics::read(&folder.join(name).join(metrics::FILE)).unwrap().0
}

fn record(folder: &Path, name: &str) -> RunRecord {
    run::read_run(&folder.join(name)).unwrap()
}

fn apart(one: Option<f64>, other: Option<f64>) -> f64 {
    let (one, other) = (one.unwrap(), other.unwrap());
    (one - other).abs() / one.abs().max(other.abs()).max(1e-9)
}

#[test]
fn a_short_training_of_every_kind_of_net_is_the_same_by_either_engine() {
    for net in ["lenet", "shallow", "resnet8", "bottleneck11"] {
        let setting = small_setting(net);
        let folder = setting.path();
        let train = "--schedule 1cycle --max-lr 0.02 --max-momentum 0.95 --min-momentum 0.85 --iterations 10 --val-every 5 \
                     --augment crop-flip --bn-reestimate 2";
        for engine in ["fast", "candle"] {
            succeed(folder, "sc-train", &format!("{train} {SHARED} --engine {engine} --out {engine}"));
        }
        let (ours, theirs) = (steps(folder, "fast"), steps(folder, "candle"));
        assert_eq!(ours.len(), 10);
        for (a, b) in ours.iter().zip(&theirs) {
            assert_eq!((a.iteration, a.epoch, a.lr, a.momentum), (b.iteration, b.epoch, b.lr, b.momentum));
            let limit = if a.iteration == 1 { ROUNDING } else { DRIFT };
            assert!(apart(a.train_loss, b.train_loss) < limit, "{net}:\n{a:?}\n{b:?}");
            assert!(apart(a.grad_norm, b.grad_norm) < 10.0 * limit, "{net}:\n{a:?}\n{b:?}");
            assert_eq!(a.val_loss.is_some(), b.val_loss.is_some());
            assert!(a.val_loss.is_none() || apart(a.val_loss, b.val_loss) < DRIFT, "{net}:\n{a:?}\n{b:?}");
        }
        let finished = |name: &str| finished::read(&folder.join(name)).unwrap().unwrap().result;
        let (ours, theirs) = (finished("fast"), finished("candle"));
        assert!(apart(ours.test_loss, theirs.test_loss) < DRIFT, "{net}: {ours:?} {theirs:?}");
        let (one, other) = (record(folder, "fast"), record(folder, "candle"));
        assert_eq!((one.config.engine.as_str(), other.config.engine.as_str()), ("fast", "candle"));
        assert!(other.kernels.starts_with("candle cpu") && other.isa().is_none(), "{}", other.kernels);
        let shared = |record: RunRecord| run::Config { engine: String::new(), ..record.config };
        assert_eq!(shared(one), shared(other));
    }
}

/// Threads, the variable that sets those of candle, and a kill change no bit; nor does a run repeated from its record.
#[test]
fn candle_goes_on_and_repeats_to_the_bit() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    let train = |out: &str| {
        format!(
            "--schedule plateau --lr 0.003 --patience 0 --optimizer adam --augment crop-flip --bn-reestimate 1 \
             --iterations 40 --val-every 10 --validation-only {SHARED} --engine candle --out {out}"
        )
    };
    succeed(folder, "sc-train", &format!("{} --threads 1", train("straight")));
    let stopped = format!("{} --threads 3 --checkpoint-every 1 --resume", train("stopped"));
    let mut child = command(folder, "sc-train", &stopped).env("RAYON_NUM_THREADS", "5").spawn().unwrap();
    let checkpoint = folder.join("stopped/checkpoint.safetensors");
    while !checkpoint.exists() && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.join("stopped/result.json").exists(), "killed too late");
    refused(
        folder,
        "sc-train",
        &stopped.replace("--engine candle", ""),
        "the run was started with engine candle, not fast",
    );
    succeed(folder, "sc-train", &stopped);
    for file in ["metrics.jsonl", "model.safetensors"] {
        let [one, other] = ["straight", "stopped"].map(|run| bytes(folder, &format!("{run}/{file}")));
        assert!(one == other, "{file} differs");
    }
    refused(folder, "sc-train", "--replay straight --engine fast", "--engine does not apply to --replay");
    refused(folder, "sc-train", "--replay straight --isa portable", "--isa portable does not apply to --engine candle");
    let said = succeed(folder, "sc-train", "--replay straight --out again --quiet");
    assert!(said.contains("the same bits as straight: metrics.jsonl, model.safetensors"), "{said}");
}

/// A gradient that remembers how it was computed would keep every step's activations alive.
#[test]
fn candle_forgets_a_step_that_is_done() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let memory = |iterations: u64| {
        let train = "--schedule constant --lr 0.001 --optimizer adam --validation-only --engine candle --threads 1";
        succeed(folder, "sc-train", &format!("{train} {SHARED} --iterations {iterations} --out {iterations}"));
        let result = run::read_result(&folder.join(iterations.to_string())).unwrap().unwrap();
        result.peak_rss_bytes.unwrap() as f64
    };
    let (few, many) = (memory(5), memory(200));
    assert!(many < 1.3 * few, "5 steps take {few} bytes, 200 take {many}");
}

/// What one engine measured is not taken for what the other did: neither a probe, nor range tests, nor results.
#[test]
fn engines_are_never_mixed() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    for engine in ["fast", "candle"] {
        succeed(folder, "sc-probe", &format!("{SHARED} --engine {engine} --out {engine}.json"));
        let ramp = format!("{SHARED} --engine {engine} --around {engine}.json --iterations 60 --out range-{engine}");
        succeed(folder, "sc-rangetest", &ramp);
        let train = "--schedule constant --lr 0.002 --iterations 2 --validation-only";
        succeed(folder, "sc-train", &format!("{train} {SHARED} --engine {engine} --out {engine}"));
    }
    let [ours, theirs] = ["fast.json", "candle.json"].map(|name| probe::read(&folder.join(name)).unwrap());
    assert!(apart(Some(ours.loss), Some(theirs.loss)) < ROUNDING, "{ours:?} {theirs:?}");
    assert!(apart(ours.noise.scale, theirs.noise.scale) < 1e-3, "{ours:?} {theirs:?}");
    assert!(apart(ours.critical.lr, theirs.critical.lr) < 1e-3, "{ours:?} {theirs:?}");

    let ramp = format!("{SHARED} --engine candle --around fast.json --iterations 4 --out x");
    refused(folder, "sc-rangetest", &ramp, "fast.json was made for engine fast; this run has engine candle");
    let said = "engine is fast in one and candle in the other";
    refused(folder, "sc-analyze", "suggest range-fast range-candle --out x.json", said);
    refused(folder, "sc-analyze", "compare fast candle", "differ in engine: fast and candle");
    succeed(folder, "sc-analyze", "suggest range-candle --out candle-suggestion.json");
    let text = fs::read_to_string(folder.join("candle-suggestion.json")).unwrap();
    assert!(text.contains(r#""engine": "candle""#), "{text}");
    let train = format!("--schedule 1cycle --suggestion candle-suggestion.json --iterations 4 {SHARED} --out x");
    refused(folder, "sc-train", &train, "was made for engine candle; this run has engine fast");
}

#[test]
fn what_candle_cannot_do_is_refused_by_name() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    for (flags, expected) in [
        ("--precision bf16", "--precision bf16 does not apply to --engine candle: it computes in float32 alone"),
        ("--exact-conv", "--exact-conv does not apply to --engine candle: it never uses Winograd's algorithm"),
        ("--isa portable", "--isa portable does not apply to --engine candle: it picks its instructions itself"),
        ("--device cuda", "--device cuda:0 needs a program built with CUDA"),
    ] {
        let train = format!("--schedule constant --lr 0.1 --iterations 2 {SHARED} --engine candle {flags} --out x");
        refused(folder, "sc-train", &train, expected);
    }
    refused(folder, "sc-probe", &format!("{SHARED} --engine torch"), "expected fast or candle");
}

/// A study by candle stands beside the other, in folders of its own, and asks for it in every run.
#[test]
fn a_study_by_candle_stands_beside_the_other() {
    let checkout = checkout();
    let folder = checkout.path();
    for study in ["superconvergence", "streamline", "rangetest"] {
        let (plain, candle) = (commands(folder, &[study]), commands(folder, &[study, "ENGINE=candle"]));
        assert!(plain.iter().all(|line| !line.contains("--engine") && !line.contains("candle")), "{plain:#?}");
        assert_eq!(plain.len(), candle.len());
        for line in candle.iter().filter(|line| !line.contains("sc-prep ") && !line.contains("sc-init ")) {
            assert!(line.contains("_candle"), "{line}");
            let runs = ["sc-train ", "sc-rangetest ", "sc-probe ", "search-step"];
            assert_eq!(line.contains("--engine candle"), runs.iter().any(|run| line.contains(run)), "{line}");
        }
    }
}
