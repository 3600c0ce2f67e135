//! `sc-analyze verify`: a line a run, and exit 1 where one does not hold.

use std::fs;
use std::path::{Path, PathBuf};

use artifacts::metrics::{FILE, LineWriter, Metrics, TIMING_FILE, Timing};
use artifacts::run::{self, Divergence, MODEL_FILE, RESULT_FILE, RUN_FILE, RunRecord, Status};
use artifacts::weights::{self, Named, Origin};
use artifacts::{batches, json, sha256};

use crate::{Runs, analyze, stdout, training_step};

/// A run of three steps that holds.
struct Whole {
    runs: Runs,
    folder: PathBuf,
}

impl Whole {
    fn new() -> Self {
        let runs = Runs::new();
        let folder = PathBuf::from(runs.training("1cycle", 3, 1, 1.0, 0.9));
        let whole = Self { runs, folder };
        fs::write(whole.runs.path("data.safetensors"), b"data").unwrap();
        whole.weights("init.safetensors", "resnet8", 0.5);
        whole.weights("1cycle-it3-lr1-seed1/model.safetensors", "resnet8", 0.25);
        whole.change(|record| {
            for (source, name) in [(&mut record.data, "data.safetensors"), (&mut record.init, "init.safetensors")] {
                name.clone_into(&mut source.path);
                source.sha256 = sha256::of_file(Path::new(&whole.runs.path(name))).unwrap();
            }
        });
        let mut times = LineWriter::open::<Timing>(&whole.folder.join(TIMING_FILE), 0).unwrap();
        times.append(&Timing { iteration: 3, train_seconds: 1.0, wall_seconds: 1.0, event: None }).unwrap();
        times.sync().unwrap();
        whole.change_result(|result| result.iterations = 3);
        whole
    }

    fn weights(&self, name: &str, net: &str, value: f32) {
        let tensors: Named = vec![("fc.weight".into(), vec![2, 2], vec![value; 4])];
        let origin = Origin { net: net.into(), ..Origin::default() };
        weights::write(Path::new(&self.runs.path(name)), &origin, tensors).unwrap();
    }

    fn change(&self, change: impl FnOnce(&mut RunRecord)) {
        let mut record = run::read_run(&self.folder).unwrap();
        change(&mut record);
        json::write(&self.folder.join(RUN_FILE), &record).unwrap();
    }

    fn change_result(&self, change: impl FnOnce(&mut run::ResultRecord)) {
        let mut result = run::read_result(&self.folder).unwrap().unwrap();
        change(&mut result);
        json::write(&self.folder.join(RESULT_FILE), &result).unwrap();
    }

    fn write_metrics(&self, steps: &[u64]) {
        fs::remove_file(self.folder.join(FILE)).unwrap();
        let mut lines = LineWriter::open::<Metrics>(&self.folder.join(FILE), 0).unwrap();
        for step in steps {
            lines.append(&training_step(*step, 3, 1.0)).unwrap();
        }
        lines.sync().unwrap();
    }

    /// Exit code and what is printed.
    fn verify(&self) -> (Option<i32>, String) {
        let root = self.runs.path("");
        let output = analyze(&["verify", &self.folder.to_string_lossy(), "--root", &root]);
        (output.status.code(), stdout(&output))
    }
}

#[test]
fn a_whole_run_holds() {
    let whole = Whole::new();
    let (code, said) = whole.verify();
    assert_eq!((code, said.lines().count()), (Some(0), 1), "{said}");
    assert!(said.contains("seed1: holds (3 steps"), "{said}");
    // As a pattern, and as what make names a run by.
    let (root, pattern, result) = (whole.runs.path(""), whole.runs.path("1cycle*"), whole.folder.join(RESULT_FILE));
    let output = analyze(&["verify", &pattern, &result.to_string_lossy(), "--root", &root, "--json"]);
    assert!(output.status.success());
    assert!(stdout(&output).contains("\"faults\": []"), "{}", stdout(&output));
}

#[test]
fn a_run_that_diverged_holds_without_weights() {
    let whole = Whole::new();
    whole.write_metrics(&[1, 2]);
    fs::remove_file(whole.folder.join(MODEL_FILE)).unwrap();
    let lr = training_step(2, 3, 1.0).lr;
    whole.change_result(|result| {
        result.status = Status::Diverged;
        result.iterations = 2;
        result.divergence = Some(Divergence { iteration: 2, lr, last_finite_loss: Some(1.0) });
    });
    fs::write(
        whole.folder.join(TIMING_FILE),
        "{\"iteration\":2,\"train_seconds\":1.0,\"wall_seconds\":1.0,\"event\":null}\n",
    )
    .unwrap();
    let (code, said) = whole.verify();
    assert_eq!(code, Some(0), "{said}");
}

type Spoil = fn(&Whole);

#[test]
fn what_does_not_hold_is_said_and_the_exit_code_is_1() {
    let cases: [(&str, Spoil, &str); 19] = [
        (
            "other data",
            |w| fs::write(w.runs.path("data.safetensors"), b"dat4").unwrap(),
            "data.safetensors: expected SHA-256",
        ),
        ("no data", |w| fs::remove_file(w.runs.path("data.safetensors")).unwrap(), "data.safetensors: cannot read"),
        ("other weights", |w| w.weights("init.safetensors", "resnet8", 0.75), "init.safetensors: expected SHA-256"),
        (
            "a path of two lines",
            |w| w.change(|record| record.data.path = "no\nsuch".to_owned()),
            "no?such: cannot read",
        ),
        (
            "a hash with a bell in it",
            |w| w.change(|record| record.data.sha256 = "\u{7}beef".to_owned()),
            "data.safetensors: expected SHA-256 ?beef, as run.json says",
        ),
        ("no record", |w| fs::remove_file(w.folder.join(RUN_FILE)).unwrap(), "run.json: cannot read"),
        ("not finished", |w| fs::remove_file(w.folder.join(RESULT_FILE)).unwrap(), "the run has not finished"),
        ("a gap", |w| w.write_metrics(&[1, 3]), "metrics.jsonl: expected iteration 2, found 3 on line 2"),
        ("a step twice", |w| w.write_metrics(&[1, 2, 2, 3]), "expected iteration 3, found 2 on line 3"),
        ("too short", |w| w.write_metrics(&[1, 2]), "expected 3 lines, the iterations of result.json, found 2"),
        (
            "torn",
            |w| {
                let text = fs::read(w.folder.join(FILE)).unwrap();
                fs::write(w.folder.join(FILE), &text[..text.len() - 5]).unwrap();
            },
            "metrics.jsonl: expected whole lines, found a torn last one",
        ),
        ("fewer steps", |w| w.change(|record| record.config.iterations = 4), "result.json: expected 4 iterations"),
        (
            "another result",
            |w| w.change_result(|result| result.final_val_accuracy = Some(0.99)),
            "expected the validation loss and accuracy of the last step",
        ),
        ("no model", |w| fs::remove_file(w.folder.join(MODEL_FILE)).unwrap(), "model.safetensors: cannot read"),
        (
            "a cut model",
            |w| {
                let model = fs::read(w.folder.join(MODEL_FILE)).unwrap();
                fs::write(w.folder.join(MODEL_FILE), &model[..model.len() - 1]).unwrap();
            },
            "model.safetensors: expected a whole safetensors file",
        ),
        (
            "a model of nothing",
            |w| w.weights("1cycle-it3-lr1-seed1/model.safetensors", "resnet8", f32::NAN),
            "expected finite numbers",
        ),
        (
            "another net",
            |w| w.weights("1cycle-it3-lr1-seed1/model.safetensors", "lenet", 0.5),
            "expected weights of resnet8, found \"lenet\"",
        ),
        (
            "another test accuracy",
            |w| {
                w.change_result(|result| result.test_accuracy = Some(0.75));
                artifacts::correct::write(&w.folder.join(artifacts::correct::FILE), &[true, false]).unwrap();
            },
            "correct.safetensors: expected a test accuracy of 0.75, as result.json says, found 0.5",
        ),
        (
            "other batches",
            |w| {
                let one = batches::Batches {
                    batch_size: 1,
                    indices: vec![0],
                    flip: vec![0],
                    crop_y: vec![0],
                    crop_x: vec![0],
                    parts: Vec::new(),
                };
                batches::write(&w.folder.join(batches::FILE), one).unwrap();
            },
            "expected 3 batches of 128, found 1 of 1",
        ),
    ];
    for (name, spoil, expected) in cases {
        let whole = Whole::new();
        spoil(&whole);
        let (code, said) = whole.verify();
        assert_eq!(code, Some(1), "{name}: {said}");
        assert!(said.contains("does not hold: ") && said.contains(expected), "{name}: {said}");
    }
}
