//! Parity with PyTorch over whole nets: tests/parity/README.md says how the fixtures were made and what the limits mean.

mod fixture;
mod replay;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use artifacts::metrics::{self, Metrics};
use artifacts::tensors::{TensorFile, Values};
use artifacts::{batches, dataset, weights};
use end_to_end::{succeed, workspace};
use fixture::{Comparison, FLOOR, Fixture, WINOGRAD_FLOOR};
use kernels::cpu::{CpuEngine, CpuOptions};
use kernels::isa::Isa;
use kernels::reference::CandleEngine;
use learner::{data, nets, state};
use replay::{Start, named};

const FIXTURES: [&str; 4] = ["resnet8", "resnet8-avgpool", "lenet", "shallow"];

/// The embedded digits, prepared once for all tests of this file.
fn digits() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let source = workspace().join("data/mnist5k");
        succeed(folder.path(), "sc-prep", &format!("mnist {} --out data.safetensors --quiet", source.display()));
        folder
    });
    folder.path()
}

/// A fixture's initial weights and run of ten steps, made anew by the programs.
struct Recorded {
    folder: tempfile::TempDir,
    fixture: Fixture,
}

impl Recorded {
    fn new(name: &str, more_flags: &str) -> Self {
        let fixture = Fixture::read(&Fixture::path(name));
        let Fixture { net, shortcut, seed, lr, momentum, weight_decay, .. } = &fixture;
        let folder = tempfile::tempdir().unwrap();
        let data = digits().join("data.safetensors").display().to_string();
        let shortcut = if shortcut.is_empty() { String::new() } else { format!("--shortcut {shortcut}") };
        let init = format!("--net {net} {shortcut} --data {data} --seed {seed} --out init.safetensors --quiet");
        succeed(folder.path(), "sc-init", &init);
        let train = format!(
            "--data {data} --init init.safetensors --out run --schedule constant --lr {lr} --momentum {momentum} \
             --weight-decay {weight_decay} --iterations 10 --batch-size 32 --augment crop-flip --val-from-train 0 \
             --bn-momentum 0.1 --record-batches --threads 2 --quiet {more_flags}"
        );
        succeed(folder.path(), "sc-train", &train);
        Self { folder, fixture }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self) -> Start {
        let file = dataset::read(&digits().join("data.safetensors")).unwrap();
        let Fixture { net, shortcut, .. } = &self.fixture;
        let graph = nets::build(net, shortcut, file.shape, file.classes.len()).unwrap();
        let (_, tensors) = weights::open(&self.path("init.safetensors")).unwrap();
        let (parameters, buffers) = state::take(&graph, tensors, net).unwrap();
        let batches = batches::read(&self.path("run/batches.safetensors")).unwrap();
        Start { graph, data: data::of_file(file), parameters, buffers, batches }
    }
}

/// If this fails, initial weights, order or augmentation of a seed are no longer what they were: that breaks every
/// recorded study, and the fixtures with it.
#[test]
fn a_seed_still_means_the_same_run() {
    for name in FIXTURES {
        let recorded = Recorded::new(name, "");
        let expected = &recorded.fixture.fingerprints;
        assert_eq!(fixture::fingerprint(&digits().join("data.safetensors")), expected.data, "{name}: images");
        assert_eq!(fixture::fingerprint(&recorded.path("init.safetensors")), expected.init, "{name}: weights");
        assert_eq!(fixture::fingerprint(&recorded.path("run/batches.safetensors")), expected.batches, "{name}: order");
    }
}

#[test]
fn a_run_of_sc_train_is_pytorchs() {
    for (flags, floor) in [("", WINOGRAD_FLOOR), ("--exact-conv", FLOOR)] {
        for name in FIXTURES {
            let recorded = Recorded::new(name, flags);
            let (right, own) = (&recorded.fixture.float64, &recorded.fixture.float32_deviations);
            let mut compare = Comparison::new(format!("sc-train {flags} {name}"), floor);
            let (lines, _) = metrics::read::<Metrics>(&recorded.path("run/metrics.jsonl")).unwrap();
            let losses: Vec<f64> = lines.iter().map(|line| line.train_loss.unwrap()).collect();
            compare.list("losses", &losses, &right.losses, own.losses);
            let norms: Vec<f64> = lines.iter().map(|line| line.grad_norm.unwrap()).collect();
            compare.list("gradient_norms", &norms, &right.gradient_norms, own.gradient_norms);
            let graph = recorded.start().graph;
            let (_, tensors) = weights::open(&recorded.path("run/model.safetensors")).unwrap();
            let (parameters, buffers) = state::take(&graph, tensors, name).unwrap();
            let parameters = named(&graph.parameters, &parameters);
            compare.tensors("weights_last", parameters, &right.weights_last, &own.weights_last);
            compare.tensors("buffers_last", named(&graph.buffers, &buffers), &right.buffers_last, &own.buffers_last);
            compare.finish();
        }
    }
}

#[test]
fn the_engine_is_pytorchs_on_every_instruction_set() {
    for name in FIXTURES {
        let recorded = Recorded::new(name, "");
        let start = recorded.start();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_supported()) {
            for (exact_conv, floor) in [(true, FLOOR), (false, WINOGRAD_FLOOR)] {
                let options = CpuOptions { threads: 2, isa, exact_conv };
                let batch_size = start.batches.batch_size;
                let mut engine = CpuEngine::new(&start.graph, &start.data, batch_size, options).unwrap();
                let exact = if exact_conv { " exact" } else { "" };
                let mut compare = Comparison::new(format!("{name} {isa}{exact}"), floor);
                replay::first_step(&mut engine, &start, &recorded.fixture, &mut compare);
                replay::later_steps(&mut engine, &start, &recorded.fixture, &mut compare);
                compare.finish();
            }
        }
    }
}

#[test]
fn the_reference_engine_is_pytorchs() {
    for name in FIXTURES {
        let recorded = Recorded::new(name, "");
        let start = recorded.start();
        let device = candle_core::Device::Cpu;
        let mut engine = CandleEngine::new(&start.graph, &start.data, start.batches.batch_size, device).unwrap();
        let mut compare = Comparison::new(format!("{name} candle"), FLOOR);
        replay::first_step(&mut engine, &start, &recorded.fixture, &mut compare);
        compare.finish();
    }
}

/// As PyTorch saves it: no metadata, tensors in their own order, and counters of 64 bits among them.
#[test]
fn a_state_dict_of_pytorchs_is_taken_over() {
    let recorded = Recorded::new("resnet8", "");
    let init = TensorFile::read(&recorded.path("init.safetensors")).unwrap();
    let (mut header, mut bytes) = (serde_json::Map::new(), Vec::new());
    for (name, tensor) in init.tensors.iter().rev() {
        let Values::F32(values) = &tensor.values else { panic!("{name} is not of f32") };
        let begin = bytes.len();
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        let entry = serde_json::json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [begin, bytes.len()]});
        header.insert(name.clone(), entry);
    }
    let offsets = [bytes.len(), bytes.len() + 8];
    let counter = serde_json::json!({"dtype": "I64", "shape": [], "data_offsets": offsets});
    header.insert("bn1.num_batches_tracked".to_owned(), counter);
    bytes.extend(0i64.to_le_bytes());
    let header = serde_json::to_vec(&header).unwrap();
    let file = [(header.len() as u64).to_le_bytes().to_vec(), header, bytes].concat();
    fs::write(recorded.path("torch.safetensors"), file).unwrap();
    let data = digits().join("data.safetensors");
    let flags = "--net resnet8 --from-torch torch.safetensors --out taken.safetensors --quiet";
    succeed(recorded.folder.path(), "sc-init", &format!("{flags} --data {}", data.display()));
    assert_eq!(TensorFile::read(&recorded.path("taken.safetensors")).unwrap().tensors, init.tensors);
}

/// Kaiming's initial weights are normal: so many within one deviation of 0, so many within two.
#[test]
fn initial_weights_are_normal() {
    let recorded = Recorded::new("resnet8", "");
    let init = TensorFile::read(&recorded.path("init.safetensors")).unwrap();
    let name = "layer3.0.conv2.weight";
    let Values::F32(values) = &init.tensors[name].values else { panic!("{name} is not of f32") };
    let deviation = (2.0f64 / (64.0 * 9.0)).sqrt();
    for (within, expected) in [(1.0, 0.6827), (2.0, 0.9545), (3.0, 0.9973)] {
        let count = values.iter().filter(|v| f64::from(v.abs()) < within * deviation).count();
        let share = count as f64 / values.len() as f64;
        assert!((share - expected).abs() < 0.01, "{share} within {within} deviations, expected {expected}");
    }
}

/// The Python that PEER_PYTHON names, if it has torch; else says that `test` is skipped, and why.
fn python(test: &str) -> Option<String> {
    let Ok(python) = std::env::var("PEER_PYTHON") else {
        eprintln!("skipped: {test}: PEER_PYTHON does not name a Python with torch");
        return None;
    };
    let has_torch = Command::new(&python).args(["-c", "import torch"]).output().is_ok_and(|o| o.status.success());
    assert!(has_torch, "PEER_PYTHON: expected a Python with torch, found {python}");
    Some(python)
}

/// Runs a script of tests/parity.
fn script(python: &str, arguments: &[&str]) {
    let parity = workspace().join("tests/parity");
    let output = Command::new(python).args(["-W", "ignore"]).args(arguments).current_dir(parity).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The fixtures are what their script makes of the files of today.
#[test]
fn pytorch_says_today_what_the_fixtures_say() {
    let Some(python) = python("pytorch_says_today_what_the_fixtures_say") else { return };
    for name in FIXTURES {
        let recorded = Recorded::new(name, "");
        let text = |name: &str| recorded.path(name).display().to_string();
        let (data, lr) = (digits().join("data.safetensors").display().to_string(), recorded.fixture.lr.to_string());
        let (init, batches, out) = (text("init.safetensors"), text("run/batches.safetensors"), text("fixture.json"));
        let shortcut = if name.ends_with("avgpool") { "avgpool" } else { "a" };
        let mut arguments = vec!["nets.py", "--net", &recorded.fixture.net, "--shortcut", shortcut, "--lr", &lr];
        arguments.extend(["--data", &data, "--init", &init, "--batches", &batches, "--out", &out]);
        script(&python, &arguments);
        let (today, right) = (Fixture::read(&recorded.path("fixture.json")).float64, &recorded.fixture.float64);
        let mut compare = Comparison::new(format!("PyTorch today, {name}"), FLOOR);
        compare.list("losses", &today.losses, &right.losses, 0.0);
        compare.list("logits_start", &today.logits_start, &right.logits_start, 0.0);
        compare.list("logits_last", &today.logits_last, &right.logits_last, 0.0);
        compare.list("gradient_norms", &today.gradient_norms, &right.gradient_norms, 0.0);
        compare.finish();
    }
}

/// A module's own state_dict, through `sc-init --from-torch` and back into a module.
#[test]
fn pytorchs_own_weights_go_there_and_back() {
    let Some(python) = python("pytorchs_own_weights_go_there_and_back") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (theirs, ours) = (folder.path().join("theirs.safetensors"), folder.path().join("ours.safetensors"));
    let code = |text: &str| text.replace("THEIRS", &theirs.display().to_string()).replace("OURS", &ours.display().to_string());
    let save = "import safetensors_file, torch_nets\n\
                net = torch_nets.build('resnet8', 1, 28, 10)\n\
                safetensors_file.write('THEIRS', net.state_dict())";
    script(&python, &["-c", &code(save)]);
    let flags = format!("--net resnet8 --from-torch {} --out {} --quiet", theirs.display(), ours.display());
    succeed(folder.path(), "sc-init", &format!("{flags} --data {}", digits().join("data.safetensors").display()));
    let load = "import nets, safetensors_file, torch_nets\n\
                net = torch_nets.build('resnet8', 1, 28, 10)\n\
                taken, theirs = safetensors_file.read('OURS')[0], safetensors_file.read('THEIRS')[0]\n\
                nets.load(net, taken)\n\
                assert all((net.state_dict()[name] == theirs[name]).all() for name in theirs)";
    script(&python, &["-c", &code(load)]);
}
