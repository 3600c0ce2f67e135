//! The fixtures of tests/parity: what PyTorch says, and how near to it one has to come.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use artifacts::sha256;
use artifacts::tensors::{TensorFile, Values};
use end_to_end::workspace;
use serde::Deserialize;

/// What a tensor is compared by.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Summary {
    norm: f64,
    sum: f64,
    /// What deviations are a share of: the norm, or for weights that of their change from the initial ones.
    scale: f64,
    count: usize,
    entries: Vec<f64>,
}

type Summaries = BTreeMap<String, Summary>;

/// Every quantity of a run of ten steps, in float64.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quantities {
    pub(super) logits_start: Vec<f64>,
    pub(super) losses: Vec<f64>,
    pub(super) gradient_norms: Vec<f64>,
    pub(super) correct: Vec<usize>,
    pub(super) gradients_1: Summaries,
    pub(super) weights_1: Summaries,
    pub(super) buffers_1: Summaries,
    pub(super) weights_last: Summaries,
    pub(super) buffers_last: Summaries,
    pub(super) logits_last: Vec<f64>,
    pub(super) buffers_reestimated: Summaries,
}

/// The largest deviation of each quantity that passes, as a share of the norm (of weights: of the norm of their change).
/// tests/parity/README.md says where they come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Logits, loss and batch norm's statistics of the first step: what no gradient has touched.
    pub(super) forward: f64,
    /// The first gradient, and its norm.
    pub(super) gradient: f64,
    /// The weights' change in the first step.
    pub(super) first_change: f64,
    /// Losses and norms of the gradient, over all steps.
    pub(super) course: f64,
    /// The weights' change in ten steps.
    pub(super) whole_change: f64,
    /// Logits and batch norm's statistics after ten steps.
    pub(super) state: f64,
}

/// Of nets with many kinks (ReLU, max pooling): a value that rounding takes across one changes gradients by
/// a leap, and later steps make more of it.
const KINKED: Limits =
    Limits { forward: 3e-5, gradient: 1e-2, first_change: 1e-2, course: 1e-2, whole_change: 2e-1, state: 2e-2 };

/// Of LeNet, whose 500 ReLUs and few windows are seldom that near to a kink.
const SMOOTH: Limits =
    Limits { forward: 3e-5, gradient: 1e-4, first_change: 3e-4, course: 1e-4, whole_change: 3e-4, state: 1e-4 };

/// Of torchvision's nets, whose last stage has 2 x 2 pixels of 4 images here: batch norm over so few makes much of little.
/// Their rate is low, so that rounding is a larger share of the weights' change.
const DEEP: Limits =
    Limits { forward: 3e-5, gradient: 1e-3, first_change: 1e-1, course: 3e-2, whole_change: 5e-1, state: 2e-1 };

/// Of 50 layers PyTorch's own float32 gradient is off by 4e-2 at once.
const DEEPEST: Limits = Limits { forward: 1e-4, gradient: 1.5e-1, first_change: 2e-1, ..DEEP };

impl Limits {
    /// Of the net of this name.
    pub(super) fn of(net: &str) -> Self {
        match net {
            "lenet" => SMOOTH,
            "resnet18" => DEEP,
            "resnet34" => Self { gradient: 1e-2, ..DEEP },
            "resnet50" => DEEPEST,
            _ => KINKED,
        }
    }
}

/// What the files that PyTorch was given held.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Fingerprints {
    pub(super) data: String,
    pub(super) init: String,
    pub(super) batches: String,
}

/// One of tests/parity/fixtures.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Fixture {
    pub(super) net: String,
    pub(super) shortcut: String,
    pub(super) seed: u64,
    pub(super) lr: f64,
    pub(super) momentum: f64,
    pub(super) weight_decay: f64,
    pub(super) fingerprints: Fingerprints,
    pub(super) float64: Quantities,
}

impl Fixture {
    /// Reads a fixture.
    pub(super) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut fixture: Self =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if !fixture.net.starts_with("resnet") {
            fixture.shortcut.clear(); // PyTorch's script names one for every net of its own
        }
        fixture
    }

    /// Where the fixture of this name lies.
    pub(super) fn path(name: &str) -> PathBuf {
        workspace().join(format!("tests/parity/fixtures/{name}.json"))
    }
}

/// SHA-256 over names and bytes of a file's tensors, as in tests/parity/safetensors_file.py.
pub(super) fn fingerprint(path: &Path) -> String {
    let mut bytes = Vec::new();
    for (name, tensor) in TensorFile::read(path).unwrap().tensors {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        match tensor.values {
            Values::U8(values) => bytes.extend(values),
            Values::U32(values) => bytes.extend(values.iter().flat_map(|v| v.to_le_bytes())),
            Values::F32(values) => bytes.extend(values.iter().flat_map(|v| v.to_le_bytes())),
        }
    }
    sha256::of_bytes(&bytes)
}

/// The places that a tensor of `count` elements is looked at, as in tests/parity/nets.py: all, or `entries` of them.
fn positions(count: usize, entries: usize) -> Vec<usize> {
    if count <= entries {
        return (0..count).collect();
    }
    (1..=entries as u64).map(|k| (k * 2_654_435_761 % count as u64) as usize).collect()
}

/// Compares what was found with what is right, and remembers all that is too far off, and how near the rest came.
#[derive(Debug)]
pub(super) struct Comparison {
    what: String,
    failures: Vec<String>,
    worst: BTreeMap<String, f64>,
}

impl Comparison {
    /// Of a thing of this name.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), failures: Vec::new(), worst: BTreeMap::new() }
    }

    /// A list of numbers: the norm of the difference, as a share of the norm.
    pub(super) fn list(&mut self, quantity: &str, found: &[f64], right: &[f64], limit: f64) {
        assert_eq!(found.len(), right.len(), "{}: {quantity}", self.what);
        self.check(quantity, quantity, distance(found, right) / norm(right), limit);
    }

    /// Tensors by name, as a share of their scale: entries as a list; norm and sum by as much as they move if all
    /// entries are off by that share.
    pub(super) fn tensors<'a>(
        &mut self,
        quantity: &str,
        found: impl IntoIterator<Item = (&'a str, &'a [f32])>,
        right: &Summaries,
        limit: f64,
    ) {
        let mut count = 0;
        for (name, values) in found {
            let Some(right) = right.get(name) else { panic!("{}: {quantity}: PyTorch has no {name}", self.what) };
            assert_eq!(values.len(), right.count, "{}: {quantity}: {name}", self.what);
            let all: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
            let entries: Vec<f64> = positions(all.len(), right.entries.len()).into_iter().map(|at| all[at]).collect();
            let off = distance(&entries, &right.entries) * (all.len() as f64 / entries.len() as f64).sqrt();
            let scale = right.scale.max(f64::MIN_POSITIVE);
            let each = format!("{quantity} {name}");
            self.check(quantity, &format!("{each}: entries"), off / scale, limit);
            self.check(quantity, &format!("{each}: norm"), (norm(&all) - right.norm).abs() / scale, limit);
            let most = scale * (all.len() as f64).sqrt();
            self.check(quantity, &format!("{each}: sum"), (all.iter().sum::<f64>() - right.sum).abs() / most, limit);
            count += 1;
        }
        assert_eq!(count, right.len(), "{}: {quantity}: tensors", self.what);
    }

    /// Fails with everything that was too far off; else prints how near each quantity came.
    pub(super) fn finish(self) {
        assert!(self.failures.is_empty(), "{}:\n{}", self.what, self.failures.join("\n"));
        let line = self.worst.iter().map(|(quantity, off)| format!("{quantity} {off:.0e}"));
        println!("{}: off by at most {}", self.what, line.collect::<Vec<_>>().join(", "));
    }

    fn check(&mut self, quantity: &str, what: &str, off: f64, limit: f64) {
        let passes = off <= limit; // NaN does not
        if !passes {
            self.failures.push(format!("{what}: off by {off:.2e}, at most {limit:.2e} expected"));
        }
        let worst = self.worst.entry(quantity.to_owned()).or_insert(0.0);
        *worst = worst.max(off);
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// The test of the test: what is off is seen.
#[test]
fn a_comparison_sees_what_is_off() {
    let entries: Vec<f64> = (0..10).map(f64::from).collect();
    let summary = Summary { norm: norm(&entries), sum: 45.0, scale: norm(&entries), count: 10, entries };
    let right = Summaries::from([("w".to_owned(), summary)]);
    let failures = |spoil: fn(&mut Vec<f32>)| {
        let mut values: Vec<f32> = (0..10u8).map(f32::from).collect();
        spoil(&mut values);
        let mut comparison = Comparison::new("test");
        comparison.tensors("weights", [("w", values.as_slice())], &right, 1e-5);
        comparison.failures.len()
    };
    assert_eq!(failures(|_| ()), 0);
    assert_eq!(failures(|values| values[9] += 1e-5), 0);
    assert_eq!(failures(|values| values[9] += 1e-2), 3);
    assert_eq!(failures(|values| values.swap(1, 2)), 1);
    assert_eq!(failures(|values| values[0] = f32::NAN), 3);
}
