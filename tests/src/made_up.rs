//! Made-up runs: what the programs would leave behind, without running them.

use std::path::Path;

use artifacts::json;
use artifacts::metrics::{FILE, LineWriter, Metrics, finite};
use artifacts::run::{self, Config, Kind, Machine, RESULT_FILE, RUN_FILE, ResultRecord, RunRecord, Source, Status};
use serde_json::{Value, json};

/// Runs in a folder of their own.
#[derive(Debug)]
pub struct Runs(tempfile::TempDir);

impl Default for Runs {
    fn default() -> Self {
        Self::new()
    }
}

impl Runs {
    /// None yet.
    pub fn new() -> Self {
        // A path with a space and a quote: every program must bear with both.
        Self(tempfile::Builder::new().prefix("somebody's runs ").tempdir().unwrap())
    }

    /// Their folder.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The path of a run, or of a file beside the runs.
    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_string_lossy().into_owned()
    }

    /// A run with the given metrics, and a result unless there is none.
    pub fn add(
        &self,
        name: &str,
        arm: &str,
        config: Config,
        metrics: &[Metrics],
        result: Option<ResultRecord>,
    ) -> String {
        let folder = self.0.path().join(name);
        json::write(&folder.join(RUN_FILE), &record(name, arm, config)).unwrap();
        let mut lines = LineWriter::open::<Metrics>(&folder.join(FILE), 0).unwrap();
        for line in metrics {
            lines.append(line).unwrap();
        }
        lines.flush().unwrap();
        if let Some(result) = result {
            json::write(&folder.join(RESULT_FILE), &result).unwrap();
        }
        self.path(name)
    }

    /// A finished range test of 100 steps.
    pub fn range_test(&self, name: &str, seed: u64, change: impl Fn(&mut Config)) -> String {
        let mut config = config(Kind::RangeTest, seed, 100, "ramp-log", json!({"min_lr": 1e-4, "max_lr": 10.0}));
        change(&mut config);
        let metrics: Vec<Metrics> = (1..=100).map(|step| ramp_step(step, seed)).collect();
        self.add(name, "range-test", config, &metrics, Some(result(100)))
    }

    /// A finished training run of an arm; those of a grid hold images out.
    pub fn training(&self, arm: &str, iterations: u64, seed: u64, lr: f64, test_accuracy: f64) -> String {
        let (schedule, parameters) = match arm {
            "1cycle" => ("1cycle", json!({"min_lr": lr / 10.0, "max_lr": lr, "variant": "smith"})),
            _ => ("piecewise", json!({"pieces": [{"iterations": iterations, "lr": lr}]})),
        };
        let config = config(Kind::Train, seed, iterations, schedule, parameters);
        let metrics: Vec<Metrics> = (1..=iterations).map(|step| training_step(step, iterations, lr)).collect();
        let result = ResultRecord {
            test_accuracy: Some(test_accuracy),
            final_val_accuracy: (arm == "grid").then_some(test_accuracy),
            final_train_accuracy: Some(0.99),
            ..result(iterations)
        };
        self.add(&format!("{arm}-it{iterations}-lr{lr}-seed{seed}"), arm, config, &metrics, Some(result))
    }

    /// Two arms at two lengths, three seeds each, a grid and a range test. At 60 steps 1cycle wins by 2 points; its 120
    /// steps tie.
    pub fn study(&self) -> Vec<String> {
        let mut runs = vec![self.range_test("range-test-log-seed1", 1, |_| ())];
        for seed in 1..=3 {
            let wobble = 0.001 * seed as f64;
            runs.push(self.training("1cycle", 60, seed, 1.0, 0.90 + wobble));
            runs.push(self.training("piecewise", 60, seed, 0.2, 0.88 + 1.5 * wobble));
            runs.push(self.training("1cycle", 120, seed, 1.0, 0.95 + wobble));
            runs.push(self.training("piecewise", 120, seed, 0.2, 0.954 - wobble));
            runs.push(self.training("piecewise", 30, seed, 0.2, 0.80 + wobble));
        }
        for (lr, accuracy) in [(0.1, 0.86), (0.2, 0.87), (0.4, 0.87)] {
            runs.push(self.training("grid", 60, 1, lr, accuracy));
        }
        runs
    }
}

/// A configuration of ResNet-8.
pub fn config(kind: Kind, seed: u64, iterations: u64, schedule: &str, schedule_parameters: Value) -> Config {
    Config {
        kind,
        net: "resnet8".to_owned(),
        shortcut: "a".to_owned(),
        seed,
        batch_size: 128,
        iterations,
        schedule: schedule.to_owned(),
        schedule_parameters,
        optimizer: "sgd".to_owned(),
        momentum: 0.9,
        weight_decay: 1e-4,
        bn_momentum: 0.1,
        bn_reestimate: 0,
        augment: "none".to_owned(),
        train_size: 0,
        normalise: String::new(),
        train_limit: None,
        val_from_train: 0.1,
        val_every: 10,
        test_every: 0,
        exact_conv: false,
        precision: "float32".to_owned(),
        engine: "fast".to_owned(),
        freeze: String::new(),
        freeze_bn: String::new(),
        group_rates: Vec::new(),
        label_smoothing: 0.0,
        class_weights: Vec::new(),
        ema: 0.0,
    }
}

/// What was asked of a run.
pub fn record(name: &str, arm: &str, config: Config) -> RunRecord {
    let source = |text: String| Source { sha256: format!("{text:0<64}"), path: text };
    RunRecord {
        format: run::FORMAT.to_owned(),
        name: name.to_owned(),
        study: "study".to_owned(),
        arm: arm.to_owned(),
        tool: "test".to_owned(),
        git_commit: None,
        build: None,
        data_name: "digits".to_owned(),
        classes: 10,
        train_images: 1280,
        val_images: 128,
        data: source("da7a".to_owned()),
        init: source(format!("1{}", config.seed)),
        config,
        rates_from: None,
        device: "cpu".to_owned(),
        kernels: "cpu".to_owned(),
        isa: None,
        threads: 1,
        machine: Machine::default(),
    }
}

/// What comes out of a run that completes, nothing measured.
pub fn result(iterations: u64) -> ResultRecord {
    ResultRecord {
        format: run::FORMAT.to_owned(),
        status: Status::Completed,
        divergence: None,
        iterations,
        final_val_accuracy: None,
        final_val_loss: None,
        final_train_accuracy: None,
        final_train_loss: None,
        test_accuracy: None,
        test_loss: None,
        ema: None,
        wall_seconds: 1.5,
        images_per_second: Some(1000.0),
        peak_rss_bytes: None,
    }
}

/// A plateau from 0.01 on; nothing but the wobble of the batches falls.
pub fn ramp_step(step: u64, seed: u64) -> Metrics {
    let lr = 1e-4 * 1e5f64.powf((step - 1) as f64 / 99.0);
    let share = 1.0 / (1.0 + (-6.0 * (lr.log10() + 2.0)).exp());
    let wobble = 0.02 * ((step * 7 + seed * 3) as f64).sin();
    let measured = step.is_multiple_of(10);
    Metrics {
        iteration: step,
        epoch: step as f64 / 10.0,
        lr,
        momentum: 0.9,
        train_loss: finite(2.3 - 1.9 * share + wobble),
        train_accuracy: finite(0.1 + 0.8 * share + wobble),
        grad_norm: Some(1.0),
        val_loss: measured.then_some(2.3 - 1.7 * share),
        val_accuracy: measured.then_some(0.1 + 0.7 * share),
        ema_val_loss: None,
        ema_val_accuracy: None,
    }
}

/// A step of a training run, its rate dropped to a tenth halfway.
pub fn training_step(step: u64, iterations: u64, lr: f64) -> Metrics {
    let share = step as f64 / iterations as f64;
    Metrics {
        iteration: step,
        epoch: step as f64 / 10.0,
        lr: if share <= 0.5 { lr } else { lr / 10.0 },
        momentum: 0.9,
        train_loss: finite(2.3 * (-3.0 * share).exp()),
        // Complete from 30% of the steps on: before the annealing at 50%.
        train_accuracy: finite(if share > 0.3 { 1.0 } else { 0.5 }),
        grad_norm: Some(1.0),
        val_loss: None,
        val_accuracy: None,
        ema_val_loss: None,
        ema_val_accuracy: None,
    }
}
