//! The fixtures of tests/parity: what PyTorch says, and how near to it one has to come.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use artifacts::sha256;
use artifacts::tensors::{TensorFile, Values};
use end_to_end::workspace;
use serde::Deserialize;

/// How much further from the truth than PyTorch's own float32 one may be: see tests/parity/README.md.
const MARGIN: f64 = 8.0;

/// Where PyTorch's own float32 is nearer than this, by luck, this is near enough.
pub(super) const FLOOR: f64 = 1e-5;

/// The same for gradients and what follows from them where Winograd's algorithm convolves.
pub(super) const WINOGRAD_FLOOR: f64 = 1e-3;

/// What a tensor is compared by.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Summary {
    norm: f64,
    sum: f64,
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

/// How far PyTorch's own float32 is from its float64, as a share of the norm.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deviations {
    pub(super) logits_start: f64,
    pub(super) losses: f64,
    pub(super) gradient_norms: f64,
    pub(super) gradients_1: BTreeMap<String, f64>,
    pub(super) weights_1: BTreeMap<String, f64>,
    pub(super) buffers_1: BTreeMap<String, f64>,
    pub(super) weights_last: BTreeMap<String, f64>,
    pub(super) buffers_last: BTreeMap<String, f64>,
    pub(super) logits_last: f64,
    pub(super) buffers_reestimated: BTreeMap<String, f64>,
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
    pub(super) float32_deviations: Deviations,
    pub(super) float64: Quantities,
}

impl Fixture {
    /// Reads a fixture.
    pub(super) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut fixture: Self =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if !fixture.net.starts_with("resnet") {
            fixture.shortcut.clear(); // PyTorch's script names one for every net
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

/// The places that a tensor of `count` elements is looked at, as in tests/parity/nets.py.
fn positions(count: usize) -> Vec<usize> {
    const ENTRIES: usize = 64;
    if count <= ENTRIES {
        return (0..count).collect();
    }
    (1..=ENTRIES as u64).map(|k| (k * 2_654_435_761 % count as u64) as usize).collect()
}

/// Compares what was found with what is right, and remembers all that is too far off, and how near the rest came.
#[derive(Debug)]
pub(super) struct Comparison {
    what: String,
    floor: f64,
    failures: Vec<String>,
    worst: BTreeMap<String, (f64, f64)>,
}

impl Comparison {
    /// Of a thing of this name, with this allowance where PyTorch's own float32 is better by luck.
    pub(super) fn new(what: impl Into<String>, floor: f64) -> Self {
        Self { what: what.into(), floor, failures: Vec::new(), worst: BTreeMap::new() }
    }

    /// A list of numbers: the norm of the difference, as a share of the norm.
    pub(super) fn list(&mut self, quantity: &str, found: &[f64], right: &[f64], own: f64) {
        assert_eq!(found.len(), right.len(), "{}: {quantity}", self.what);
        let limit = self.limit(own);
        self.check(quantity, quantity, distance(found, right) / norm(right), limit);
    }

    /// Tensors by name: entries as a list; norm, and sum, by as much as entries off by the same share could move them.
    pub(super) fn tensors<'a>(
        &mut self,
        quantity: &str,
        found: impl IntoIterator<Item = (&'a str, &'a [f32])>,
        right: &Summaries,
        own: &BTreeMap<String, f64>,
    ) {
        let mut count = 0;
        for (name, values) in found {
            let Some(right) = right.get(name) else { panic!("{}: {quantity}: PyTorch has no {name}", self.what) };
            let limit = self.limit(own[name]);
            let all: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
            let entries: Vec<f64> = positions(all.len()).into_iter().map(|at| all[at]).collect();
            let scale = norm(&right.entries).max(f64::MIN_POSITIVE);
            let each = format!("{quantity} {name}");
            self.check(quantity, &format!("{each}: entries"), distance(&entries, &right.entries) / scale, limit);
            let whole = right.norm.max(f64::MIN_POSITIVE);
            self.check(quantity, &format!("{each}: norm"), (norm(&all) - right.norm).abs() / whole, limit);
            let most = whole * (all.len() as f64).sqrt();
            self.check(quantity, &format!("{each}: sum"), (all.iter().sum::<f64>() - right.sum).abs() / most, limit);
            count += 1;
        }
        assert_eq!(count, right.len(), "{}: {quantity}: tensors", self.what);
    }

    /// Fails with everything that was too far off; else prints how near each quantity came.
    pub(super) fn finish(self) {
        assert!(self.failures.is_empty(), "{}:\n{}", self.what, self.failures.join("\n"));
        let line = self.worst.iter().map(|(quantity, (off, share))| format!("{quantity} {off:.0e} ({share:.2})"));
        println!("{}: worst deviation (and share of its limit): {}", self.what, line.collect::<Vec<_>>().join(", "));
    }

    fn limit(&self, own: f64) -> f64 {
        (MARGIN * own).max(self.floor)
    }

    fn check(&mut self, quantity: &str, what: &str, off: f64, limit: f64) {
        // Written so that NaN fails.
        if !(off <= limit) {
            self.failures.push(format!("{what}: off by {off:.2e} of the norm, at most {limit:.2e} expected"));
        }
        let worst = self.worst.entry(quantity.to_owned()).or_insert((0.0, 0.0));
        if off / limit >= worst.1 {
            *worst = (off, off / limit);
        }
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
    let right: Vec<f64> = (0..10).map(f64::from).collect();
    let summary = Summary { norm: norm(&right), sum: 45.0, entries: right };
    let right = Summaries::from([("w".to_owned(), summary)]);
    let own = BTreeMap::from([("w".to_owned(), 1e-6)]);
    let failures = |spoil: fn(&mut Vec<f32>)| {
        let mut values: Vec<f32> = (0..10u8).map(f32::from).collect();
        spoil(&mut values);
        let mut comparison = Comparison::new("test", FLOOR);
        comparison.tensors("weights", [("w", values.as_slice())], &right, &own);
        comparison.failures.len()
    };
    assert_eq!(failures(|_| ()), 0);
    assert_eq!(failures(|values| values[9] += 1e-5), 0);
    assert_eq!(failures(|values| values[9] += 1e-2), 3);
    assert_eq!(failures(|values| values.swap(1, 2)), 1);
    assert_eq!(failures(|values| values[0] = f32::NAN), 3);
}
