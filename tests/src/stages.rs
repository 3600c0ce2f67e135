//! Every stage of the chain, set up to be killed.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::kill::Stage;
use crate::{command, small_setting, study, succeed, workspace};

const SHARED: &str = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet --out runs/x --resume";

/// The programs by themselves, all in one folder; `length` is the steps of a run.
pub struct Stages {
    folder: tempfile::TempDir,
    length: u64,
}

impl Stages {
    /// A folder with data, weights and finished runs.
    ///
    /// # Panics
    /// When they cannot be made.
    pub fn new(length: u64) -> Self {
        let folder = small_setting("lenet");
        let made = Self { folder, length };
        for (program, name, flags) in [
            ("sc-rangetest", "log", "--scale log --min-lr 1e-4 --max-lr 3"),
            ("sc-rangetest", "linear", "--scale linear --min-lr 0 --max-lr 0.02"),
            ("sc-train", "low", "--schedule constant --lr 0.002"),
            ("sc-train", "high", "--schedule constant --lr 0.005"),
        ] {
            let shared = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet --iterations 40";
            let arm = if program == "sc-train" { format!("--arm {name}") } else { String::new() };
            succeed(made.path(), program, &format!("{flags} {shared} {arm} --out made/{name}"));
        }
        made
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn stage(&self, name: &'static str, outputs: &[&str], program: &'static str, arguments: &str) -> Stage {
        let (folder, arguments) = (self.path().to_owned(), arguments.to_owned());
        Stage::new(name, self.path(), outputs, move || command(&folder, program, &arguments))
    }

    /// `sc-prep`.
    pub fn prep(&self) -> Stage {
        let source = workspace().join("data/mnist5k");
        let arguments = format!("mnist {} --limit-per-class 100 --out prepared.safetensors --quiet", source.display());
        self.stage("sc-prep", &["prepared.safetensors"], "sc-prep", &arguments)
    }

    /// `sc-init`.
    pub fn init(&self) -> Stage {
        let arguments = "--net resnet56 --data data.safetensors --seed 1 --out weights.safetensors";
        self.stage("sc-init", &["weights.safetensors"], "sc-init", arguments)
    }

    /// `sc-rangetest`.
    pub fn rangetest(&self) -> Stage {
        let ramp = format!("--scale log --min-lr 1e-4 --max-lr 10 --iterations {} --checkpoint-every 7", self.length);
        self.stage("sc-rangetest", &["runs/x"], "sc-rangetest", &format!("{ramp} {SHARED}"))
    }

    /// `sc-train` with all that a run can keep: looks at the test set, recorded batches, Adam, a plateau schedule.
    pub fn train(&self) -> Stage {
        let train = format!(
            "--schedule plateau --lr 0.003 --patience 1 --optimizer adam --iterations {} --val-every 9 --test-every 11 \
             --augment crop-flip --record-batches --checkpoint-every 5",
            self.length
        );
        self.stage("sc-train", &["runs/x"], "sc-train", &format!("{train} {SHARED}"))
    }

    /// `sc-train` saving by time, as it does by default, but far more often.
    pub fn train_by_time(&self) -> Stage {
        let train = format!("--schedule 1cycle --max-lr 0.005 --iterations {} --checkpoint-seconds 0.05", self.length);
        self.stage("sc-train, saving by time", &["runs/x"], "sc-train", &format!("{train} {SHARED}"))
    }

    /// `sc-train` to a divergence.
    pub fn diverging(&self) -> Stage {
        // The rate grows until the loss is not finite, in the last tenth of the run.
        let (most, rest) = (self.length * 9 / 10, self.length - self.length * 9 / 10);
        let train = format!(
            "--schedule piecewise --pieces {most}:0.002,{rest}:1e30 --iterations {} --checkpoint-every 6",
            self.length
        );
        self.stage("sc-train, diverging", &["runs/x"], "sc-train", &format!("{train} {SHARED}"))
    }

    /// `sc-probe`.
    pub fn probe(&self) -> Stage {
        let arguments = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet --out probe.json";
        self.stage("sc-probe", &["probe.json"], "sc-probe", arguments)
    }

    /// `sc-analyze suggest`.
    pub fn suggest(&self) -> Stage {
        self.stage("sc-analyze suggest", &["s.json"], "sc-analyze", "suggest made/log made/linear --out s.json")
    }

    /// `sc-analyze choose`.
    pub fn choose(&self) -> Stage {
        self.stage("sc-analyze choose", &["c.json"], "sc-analyze", "choose made/low made/high --out c.json")
    }

    /// `sc-analyze report`.
    pub fn report(&self) -> Stage {
        let arguments = "report made/log made/linear made/low made/high --out report";
        self.stage("sc-analyze report", &["report"], "sc-analyze", arguments)
    }
}

/// A whole study by `make`, in a checkout of its own, which is returned to be kept.
pub fn whole_study() -> (tempfile::TempDir, Stage) {
    let checkout = study::checkout();
    let folder = checkout.path().to_owned();
    let at = folder.clone();
    let make = move || -> Command { study::make(&at, &["superconvergence"]) };
    for name in ["init", "runs", "reports"] {
        let _ = fs::remove_dir_all(folder.join(name));
    }
    let outputs = ["init", "runs", "reports", "data/mnist5k-few.safetensors", "data/mnist5k-few.safetensors.args"];
    let stage = Stage::new("make superconvergence", &folder, &outputs, make);
    (checkout, stage.with_times_in(&["index.html", "summary.csv", "summary.json", "summary.parquet"]))
}
