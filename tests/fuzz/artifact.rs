//! What every stage reads of the stages before it: the files of `crates/artifacts`.

use std::collections::BTreeMap;
use std::fs;

use artifacts::batches::{self, Batches};
use artifacts::checkpoint::{self, Checkpoint};
use artifacts::choice::{self, Candidate, Choice};
use artifacts::dataset::{self, DataSet, Fit, Fitting, Images};
use artifacts::metrics::{self, Line, LineWriter, Metrics, TestMetrics, Timing};
use artifacts::names;
use artifacts::probe::{self, Critical, Noise, Probe};
use artifacts::recipe;
use artifacts::run::{self, RESULT_FILE, RUN_FILE, RunRecord};
use artifacts::setting::Setting;
use artifacts::suggestion::{self, Interval, Outcome, Suggestion};
use artifacts::tensors::TensorFile;
use artifacts::torch;
use artifacts::weights::{self, Origin, Task};
use learner::{nets, samples};
use serde_json::json;

use crate::analysis::{record, result};
use crate::driver::{Answer, Prepared, Reader};
use crate::mutate;
use crate::scratch::Scratch;

const MIB: usize = 1 << 20;

/// The readers.
pub(crate) fn readers() -> Vec<Reader> {
    let reader = |name, prepare| Reader { name, inputs: 3_000, one_in: 1, bound: MIB, prepare };
    vec![
        reader("data.safetensors", data_set),
        reader("init.safetensors", initial_weights),
        reader("torch.safetensors", torch_weights),
        reader("checkpoint", checkpoints),
        reader("batches", recorded_batches),
        reader("run.json", run_record),
        reader("result.json", result_record),
        reader("suggestion.json", suggestions),
        reader("choice.json", choices),
        reader("probe.json", probes),
        reader("recipe.json", recipes),
        reader("metrics.jsonl", || json_lines(&metric_lines(12))),
        reader("test.jsonl", || json_lines(&test_lines())),
        reader("timing.jsonl", || json_lines(&timing_lines())),
    ]
}

fn answer<T>(read: artifacts::Result<T>) -> Answer {
    read.map(|_| ()).map_err(|error| error.to_string())
}

fn data_set() -> Prepared {
    let scratch = Scratch::new();
    let path = scratch.path().join("mutated");
    let data = DataSet {
        name: "tiny".into(),
        shape: [1, 2, 2],
        train_size: Some(1),
        classes: vec!["a".into(), "b".into()],
        mean: vec![0.5],
        std: vec![0.25],
        train: Images {
            pixels: (0..12).collect(),
            labels: vec![0, 1, 1],
            files: ["train/a/1.png", "train/b/1.png", "train/b/2.png"].map(String::from).into(),
        },
        test: Images { pixels: vec![9; 4], labels: vec![0], files: Vec::new() },
        pictures: Some(Fitting { fit: Fit::Crop, orient: true }),
        sources: vec![("x.gz".into(), "00".into())],
        skipped: vec!["a.png: empty".into()],
    };
    dataset::write(&path, data).expect("the sample can be written");
    Prepared {
        valid: vec![fs::read(&path).expect("it was written")],
        mutate: mutate::safetensors,
        place: "mutated".into(),
        read: Box::new(move |input| {
            let path = scratch.write("mutated", input);
            let data = dataset::read(&path).map_err(|error| error.to_string())?;
            let size: usize = data.shape.iter().product();
            assert!(size > 0 && data.train.pixels.len() == size * data.train.labels.len());
            assert!(data.train.files.is_empty() || data.train.files.len() == data.train.labels.len());
            // What a run does next with it.
            let _ = nets::build("resnet8", "a", data.shape, data.classes.len());
            let _ = samples::divide(&data.train.labels, data.classes.len(), 0.1, None);
            Ok(())
        }),
    }
}

/// Tensors of a small net that nobody has.
const WANTED: [(&str, &[usize]); 3] = [("conv1.weight", &[2, 1, 3, 3]), ("bn1.running_mean", &[2]), ("fc.bias", &[3])];

fn named() -> weights::Named {
    let values = |shape: &[usize]| (0..shape.iter().product()).map(|i: usize| 0.1 * i as f32).collect();
    WANTED.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec(), values(shape))).collect()
}

fn initial_weights() -> Prepared {
    let scratch = Scratch::new();
    let path = scratch.path().join("mutated");
    let task = Task {
        classes: vec!["a".into(), "b".into()],
        shape: [1, 28, 28],
        stored: Some([30, 32]),
        mean: vec![0.5],
        std: vec![0.25],
        pictures: Some(Fitting { fit: Fit::Crop, orient: false }),
        data_name: "tiny".into(),
        data_sha256: "00".into(),
    };
    let (net, seed, scheme) = ("lenet".into(), "1".into(), "kaiming".into());
    let origin = Origin { net, seed, scheme, task: Some(task), ..Origin::default() };
    weights::write(&path, &origin, named()).expect("the sample can be written");
    Prepared {
        valid: vec![fs::read(&path).expect("it was written")],
        mutate: mutate::safetensors,
        place: "mutated".into(),
        read: Box::new(move |input| {
            let path = scratch.write("mutated", input);
            let (origin, file) = weights::open(&path).map_err(|error| error.to_string())?;
            if let Some(task) = &origin.task {
                // What a prediction does next with it.
                let [channels, height, width] = task.shape;
                assert!(channels * height * width > 0 && task.mean.len() == channels && task.std.len() == channels);
                let [_, stored_height, stored_width] = task.handed();
                assert!(!task.classes.is_empty() && stored_height >= height && stored_width >= width);
            }
            let _ = nets::build(&origin.net, &origin.shortcut, [1, 28, 28], 10);
            let values = weights::take(file, WANTED.into_iter(), &origin.net).map_err(|error| error.to_string())?;
            assert!(values.iter().flatten().all(|value| value.is_finite()));
            Ok(())
        }),
    }
}

fn torch_weights() -> Prepared {
    let scratch = Scratch::new();
    let path = scratch.path().join("mutated");
    let valid = ["", "module."].map(|prefix| {
        let mut file = TensorFile::default();
        for (name, shape, values) in named() {
            file.insert(format!("{prefix}{name}"), &shape, artifacts::tensors::Values::F32(values));
        }
        file.write(&path).expect("the sample can be written");
        fs::read(&path).expect("it was written")
    });
    Prepared {
        valid: valid.to_vec(),
        mutate: mutate::safetensors,
        place: "mutated".into(),
        read: Box::new(move |input| {
            let path = scratch.write("mutated", input);
            answer(torch::open(&path).and_then(|mut file| {
                let wanted = torch::Wanted { net: "lenet", tensors: WANTED.to_vec(), head: "fc", stem: "conv1.weight" };
                torch::fit(&mut file, &wanted, torch::Ways { adapt_stem: true, ..Default::default() })?;
                weights::take(file, WANTED.into_iter(), "lenet")
            }))
        }),
    }
}

fn checkpoints() -> Prepared {
    let scratch = Scratch::new();
    let path = scratch.path().join("mutated");
    let tensors = [("parameter.a", vec![2, 2], vec![0.5; 4]), ("optimizer.momentum.a", vec![2, 2], vec![0.0; 4])];
    let checkpoint = Checkpoint {
        iteration: 20,
        updates: 20,
        schedule: "null".into(),
        last_finite_loss: "1.5".into(),
        tensors: tensors.into_iter().map(|(name, shape, values)| (name.to_owned(), (shape, values))).collect(),
    };
    checkpoint::write(&path, checkpoint).expect("the sample can be written");
    Prepared {
        valid: vec![fs::read(&path).expect("it was written")],
        mutate: mutate::safetensors,
        place: "mutated".into(),
        read: Box::new(move |input| answer(checkpoint::read(&scratch.write("mutated", input)))),
    }
}

fn recorded_batches() -> Prepared {
    let scratch = Scratch::new();
    let path = scratch.path().join("mutated");
    let column = |top: u8| (0..6).map(|i| i % top).collect();
    let indices = (0..6).collect();
    let sample = Batches {
        batch_size: 3,
        indices,
        flip: column(2),
        crop_y: column(9),
        crop_x: column(5),
        parts: vec![1; 4 * 6],
    };
    batches::write(&path, sample).expect("the sample can be written");
    Prepared {
        valid: vec![fs::read(&path).expect("it was written")],
        mutate: mutate::safetensors,
        place: "mutated".into(),
        read: Box::new(move |input| {
            let read = batches::read(&scratch.write("mutated", input)).map_err(|error| error.to_string())?;
            assert!(read.batch_size > 0 && read.indices.len() == read.flip.len());
            Ok(())
        }),
    }
}

fn pretty<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("records are JSON")
}

fn run_record() -> Prepared {
    let scratch = Scratch::new();
    Prepared {
        valid: vec![pretty(&record("1cycle", 1, 40)), pretty(&record("piecewise", 2, 40))],
        mutate: mutate::text,
        place: RUN_FILE.into(),
        read: Box::new(move |input| {
            scratch.write(RUN_FILE, input);
            let record = run::read_run(scratch.path()).map_err(|error| error.to_string())?;
            let _ = names::of_run(&record.config, &record.data_name);
            Ok(())
        }),
    }
}

fn result_record() -> Prepared {
    let scratch = Scratch::new();
    Prepared {
        valid: vec![pretty(&result(40, 0.9))],
        mutate: mutate::text,
        place: RESULT_FILE.into(),
        read: Box::new(move |input| {
            scratch.write(RESULT_FILE, input);
            answer(run::read_result(scratch.path()))
        }),
    }
}

/// A suggestion with everything in it.
pub(crate) fn suggestion() -> Suggestion {
    Suggestion {
        format: suggestion::FORMAT.into(),
        outcome: Outcome::Plateau,
        min_lr: Some(0.01),
        max_lr: Some(1.0),
        min_lr_interval: Some(Interval { low: 0.005, high: 0.02 }),
        max_lr_interval: Some(Interval { low: 0.5, high: 2.0 }),
        confidence: 0.8,
        reasons: vec!["because".to_owned().into()],
        other_rules: BTreeMap::from([("steepest".into(), Some(0.1)), ("valley".into(), None)]),
        setting: Setting { net: Some("resnet8".into()), batch_size: Some(64), ..Setting::default() },
        for_iterations: Some(600),
        sources: vec!["range".into()],
    }
}

fn suggestions() -> Prepared {
    let scratch = Scratch::new();
    Prepared {
        valid: vec![pretty(&suggestion())],
        mutate: mutate::text,
        place: "mutated".into(),
        read: Box::new(move |input| answer(suggestion::read(&scratch.write("mutated", input)))),
    }
}

fn choices() -> Prepared {
    let scratch = Scratch::new();
    let candidate = |lr| Candidate { lr, mean_val_accuracy: Some(0.9), runs: 3, diverged: 0 };
    let choice = Choice {
        format: choice::FORMAT.into(),
        lr: 0.2,
        at_edge: false,
        iterations: 60,
        candidates: vec![candidate(0.1), candidate(0.2), candidate(0.4)],
        schedule: Some("piecewise".into()),
        setting: Some(suggestion().setting),
    };
    Prepared {
        valid: vec![pretty(&choice)],
        mutate: mutate::text,
        place: "mutated".into(),
        read: Box::new(move |input| answer(choice::read(&scratch.write("mutated", input)))),
    }
}

fn probes() -> Prepared {
    let scratch = Scratch::new();
    let RunRecord { data, init, .. } = record("1cycle", 1, 40);
    let probe = Probe {
        format: probe::FORMAT.into(),
        net: "resnet8".into(),
        batch_size: 64,
        optimizer: "sgd".into(),
        momentum: 0.9,
        weight_decay: 1e-4,
        engine: "fast".into(),
        tuning: String::new(),
        input: String::new(),
        seed: 1,
        data,
        init,
        loss: 2.3,
        noise: Noise { scale: Some(100.0), gradient_squared: 0.5, variance: 50.0, batch_size: 64, batches: 8 },
        critical: Critical {
            lr: Some(0.5),
            interval: Some(Interval { low: 0.25, high: 1.0 }),
            batch_size: 64,
            batches: 8,
            evaluations: 99,
        },
    };
    Prepared {
        valid: vec![pretty(&probe)],
        mutate: mutate::text,
        place: "mutated".into(),
        read: Box::new(move |input| answer(probe::read(&scratch.write("mutated", input)))),
    }
}

fn recipes() -> Prepared {
    let scratch = Scratch::new();
    let spent = json!({"seconds": 9.5, "images": 6400.0, "runs": 2});
    let candidate = json!({
        "name": "0.95-0.85", "iterations": 60, "batch_size": 64, "max_lr": 0.5, "mean_val_accuracy": 0.9,
        "sd_val_accuracy": null, "mean_val_loss": 0.4, "runs": 1, "diverged": 0, "images_per_second": null,
        "folders": ["runs/a"], "range_tests": [],
    });
    let recipe = json!({
        "format": recipe::FORMAT,
        "setting": {
            "data_sha256": "0".repeat(64), "data_name": "digits", "net": "resnet8", "shortcut": "a",
            "train_images": 640, "held_out_images": 64, "test_images": 100, "val_from_train": 0.1,
        },
        "training": {
            "batch_size": 64, "optimizer": "sgd", "momentum": 0.9, "max_momentum": 0.95, "min_momentum": 0.85,
            "weight_decay": 1e-4, "bn_momentum": 0.1, "bn_reestimate": 4, "augment": "none", "variant": "smith",
            "max_lr": 0.5, "min_lr": 0.05, "final_lr": null, "step_size": 27, "iterations": 60,
        },
        "decisions": [{
            "step": "momentum", "question": "which?", "candidates": [candidate], "chosen": "0.95-0.85",
            "reason": "the highest", "spent": spent,
        }],
        "budget": {
            "given": "10m", "unit": "seconds", "limit": 600.0, "spent": spent,
            "speeds": [{"batch_size": 64, "images_per_second": 1000.0}], "overhead_seconds": 0.5,
        },
        "pytorch": "OneCycleLR",
    });
    Prepared {
        valid: vec![pretty(&recipe)],
        mutate: mutate::text,
        place: "mutated".into(),
        read: Box::new(move |input| answer(recipe::read(&scratch.write("mutated", input)))),
    }
}

fn text_of<T: Line>(lines: &[T]) -> Vec<u8> {
    let one = |line: &T| json_line(line);
    lines.iter().flat_map(one).collect()
}

fn json_line<T: serde::Serialize>(line: &T) -> Vec<u8> {
    let mut text = serde_json::to_vec(line).expect("lines are JSON");
    text.push(b'\n');
    text
}

/// The metrics of a short range test, as lines.
pub(crate) fn metric_lines(steps: u64) -> Vec<Metrics> {
    let line = |step: u64| {
        let share = step as f64 / steps as f64;
        let measured = step.is_multiple_of(2);
        Metrics {
            iteration: step,
            epoch: share,
            lr: 1e-3 * 1e4_f64.powf(share),
            momentum: 0.9,
            train_loss: Some(2.3 - 2.0 * share),
            train_accuracy: Some(0.1 + 0.8 * share),
            grad_norm: Some(1.0),
            val_loss: measured.then_some(2.3 - 1.8 * share),
            val_accuracy: measured.then_some(0.1 + 0.7 * share),
            ema_val_loss: None,
            ema_val_accuracy: None,
        }
    };
    (1..=steps).map(line).collect()
}

fn test_lines() -> Vec<TestMetrics> {
    (1..=6).map(|i| TestMetrics { iteration: 10 * i, test_loss: Some(1.0), test_accuracy: None }).collect()
}

fn timing_lines() -> Vec<Timing> {
    let line = |i: u64| Timing {
        iteration: 10 * i,
        train_seconds: 0.5 * i as f64,
        wall_seconds: 0.6 * i as f64,
        event: (i == 3).then(|| "resumed".to_owned()),
    };
    (1..=6).map(line).collect()
}

/// Read, and cut back as a resumed run does: what is then there is read again, whole.
fn json_lines<T: Line + 'static>(lines: &[T]) -> Prepared {
    let scratch = Scratch::new();
    let middle = lines[lines.len() / 2].iteration();
    Prepared {
        valid: vec![text_of(lines)],
        mutate: mutate::lines,
        place: "mutated".into(),
        read: Box::new(move |input| {
            let path = scratch.write("mutated", input);
            let (lines, _) = metrics::read::<T>(&path).map_err(|error| error.to_string())?;
            drop(LineWriter::open::<T>(&path, middle).map_err(|error| error.to_string())?);
            let (kept, torn) = metrics::read::<T>(&path).expect("what was cut back is whole");
            assert!(!torn && kept.len() <= lines.len() && kept.iter().all(|line| line.iteration() <= middle));
            Ok(())
        }),
    }
}
