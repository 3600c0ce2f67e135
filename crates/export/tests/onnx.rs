//! ONNX models: read back by a reader of the wire format that knows nothing of the writer, and run by onnxruntime where
//! `PEER_PYTHON` names a Python that has it.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use artifacts::weights::{Origin, Task};
use export::onnx;
use kernels::cpu::{CpuEngine, CpuOptions};
use kernels::engine::{Batch, Buffers, DataSet, Engine, Images, Split};
use kernels::graph::Graph;
use kernels::isa::Isa;
use learner::initial::{self, Scheme};
use learner::nets;

const SHAPE: [usize; 3] = [3, 24, 20];
const IMAGES: usize = 8;

/// A net with weights, and with the statistics of the images that it is shown, as a training leaves them.
struct Net {
    graph: Graph,
    parameters: Vec<Vec<f32>>,
    buffers: Buffers,
    origin: Origin,
    task: Task,
}

fn net(name: &str, shortcut: &str) -> Net {
    let classes: Vec<String> = ["cat", "d\"og", "ö", "owl", "fox"].map(String::from).into();
    let graph = nets::build(name, shortcut, SHAPE, classes.len()).unwrap();
    let (parameters, buffers) = initial::draw(&graph, 1, Scheme::Kaiming);
    let task = Task {
        classes,
        shape: SHAPE,
        mean: vec![0.48, 0.45, 0.41],
        std: vec![0.22, 0.23, 0.24],
        data_name: "pets".into(),
        ..Task::default()
    };
    let origin = Origin { net: name.into(), shortcut: shortcut.into(), ..Origin::default() };
    let mut net = Net { graph, parameters, buffers, origin, task };
    net.buffers = net.engine(&pixels()).batch_statistics(&[Batch::plain(Split::Test, &EVERY)]).unwrap();
    net
}

/// The positions of all images.
const EVERY: [u32; IMAGES] = [0, 1, 2, 3, 4, 5, 6, 7];

/// Every net, with every shortcut that it takes.
fn all() -> Vec<Net> {
    let shortcuts = ["", "a", "avgpool"];
    let takes = |name: &str, shortcut: &str| nets::build(name, shortcut, SHAPE, 5).is_ok();
    let pairs = nets::NAMES.iter().flat_map(|name| shortcuts.iter().map(move |shortcut| (*name, *shortcut)));
    pairs.filter(|(name, shortcut)| takes(name, shortcut)).map(|(name, shortcut)| net(name, shortcut)).collect()
}

impl Net {
    fn file(&self) -> Vec<u8> {
        onnx::model(&self.graph, &self.parameters, &self.buffers, &self.origin, &self.task)
    }

    fn engine(&self, pixels: &[u8]) -> CpuEngine {
        let single = |values: &[f64]| values.iter().map(|value| *value as f32).collect();
        let labels = vec![0; IMAGES];
        let images = Images { pixels: pixels.into(), labels: labels.into() };
        let (mean, std) = (single(&self.task.mean), single(&self.task.std));
        let data = DataSet { shape: SHAPE, classes: 5, mean, std, train: images.clone(), test: images };
        let options = CpuOptions { threads: 1, isa: Isa::detect(), exact_conv: false };
        let mut engine = CpuEngine::new(&self.graph, &data, IMAGES, options).unwrap();
        engine.set_state(&self.parameters, &self.buffers).unwrap();
        engine
    }

    fn logits(&self, pixels: &[u8]) -> Vec<f32> {
        self.engine(pixels).logits(&Batch::plain(Split::Test, &EVERY), None).unwrap()
    }
}

fn pixels() -> Vec<u8> {
    (0..IMAGES * SHAPE.iter().product::<usize>()).map(|at| (at * 7919 % 251) as u8).collect()
}

/// A field of a message: its bytes, or its number.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Bytes(&'a [u8]),
    Number(u64),
}

/// The fields of a message by number, each in the order in which it comes.
struct Message<'a>(BTreeMap<u64, Vec<Value<'a>>>);

impl<'a> Message<'a> {
    fn read(mut bytes: &'a [u8]) -> Self {
        let mut fields: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
        let varint = |bytes: &mut &'a [u8]| {
            let mut value = 0;
            for place in 0.. {
                let (first, rest) = bytes.split_first().unwrap();
                *bytes = rest;
                value |= u64::from(first & 127) << (7 * place);
                if *first < 128 {
                    break;
                }
            }
            value
        };
        while !bytes.is_empty() {
            let tag = varint(&mut bytes);
            let value = match tag & 7 {
                0 => Value::Number(varint(&mut bytes)),
                2 => {
                    let length = varint(&mut bytes) as usize;
                    let (value, rest) = bytes.split_at(length);
                    bytes = rest;
                    Value::Bytes(value)
                }
                5 => {
                    let (value, rest) = bytes.split_at(4);
                    bytes = rest;
                    Value::Number(u64::from(u32::from_le_bytes(value.try_into().unwrap())))
                }
                other => panic!("wire type {other}"),
            };
            fields.entry(tag >> 3).or_default().push(value);
        }
        Self(fields)
    }

    fn all(&self, field: u64) -> &[Value<'a>] {
        self.0.get(&field).map_or(&[], Vec::as_slice)
    }

    fn messages(&self, field: u64) -> Vec<Message<'a>> {
        self.all(field).iter().map(|value| Message::read(bytes(*value))).collect()
    }

    fn texts(&self, field: u64) -> Vec<&'a str> {
        self.all(field).iter().map(|value| std::str::from_utf8(bytes(*value)).unwrap()).collect()
    }

    fn text(&self, field: u64) -> &'a str {
        self.texts(field)[0]
    }

    fn numbers(&self, field: u64) -> Vec<i64> {
        self.all(field)
            .iter()
            .map(|value| match value {
                Value::Number(number) => *number as i64,
                Value::Bytes(_) => panic!("a number is expected"),
            })
            .collect()
    }
}

fn bytes(value: Value<'_>) -> &[u8] {
    match value {
        Value::Bytes(bytes) => bytes,
        Value::Number(_) => panic!("bytes are expected"),
    }
}

/// What a file holds, as far as the net alone decides it: whole tensors, and nodes whose inputs are there before them.
#[test]
fn every_net_is_written_whole() {
    for net in all() {
        let name = format!("{} {}", net.origin.net, net.origin.shortcut);
        let file = net.file();
        let model = Message::read(&file);
        assert_eq!((model.numbers(1), model.messages(8)[0].numbers(2)), (vec![8], vec![17]), "{name}: IR and opset");
        let graph = &model.messages(7)[0];

        let tensors: BTreeMap<String, (Vec<i64>, Vec<u8>)> = graph
            .messages(5)
            .iter()
            .map(|tensor| (tensor.text(8).to_owned(), (tensor.numbers(1), bytes(tensor.all(9)[0]).to_vec())))
            .collect();
        let specs = net.graph.parameters.iter().chain(&net.graph.buffers);
        for (spec, values) in specs.zip(net.parameters.iter().chain(&net.buffers)) {
            let (shape, raw) = &tensors[&spec.name];
            assert_eq!(shape, &spec.shape.iter().map(|side| *side as i64).collect::<Vec<_>>(), "{name}: {}", spec.name);
            assert_eq!(*raw, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>());
        }

        let mut known: BTreeSet<String> = tensors.keys().cloned().collect();
        known.insert("pixels".to_owned());
        let mut used = BTreeSet::new();
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        let nodes = graph.messages(1);
        for node in &nodes {
            for input in node.texts(1) {
                assert!(known.contains(input), "{name}: {input} is used before it is there");
                used.insert(input.to_owned());
            }
            assert!(known.insert(node.text(2).to_owned()), "{name}: {} is made twice", node.text(2));
            *kinds.entry(node.text(4)).or_default() += 1;
        }
        assert!(tensors.keys().all(|tensor| used.contains(tensor)), "{name}: a tensor is not used");
        let convolutions = net.graph.parameters.iter().filter(|spec| spec.shape.len() == 4).count();
        assert_eq!(kinds["Conv"], convolutions, "{name}");
        assert_eq!(kinds.get("BatchNormalization").copied().unwrap_or(0), net.graph.buffers.len() / 2, "{name}");
        assert_eq!(kinds["Gemm"], net.graph.parameters.iter().filter(|spec| spec.shape.len() == 2).count(), "{name}");

        let shapes = |field: u64| -> Vec<(String, i64, String, Vec<i64>)> {
            let one = |info: &Message| {
                let tensor = &Message::read(bytes(info.all(2)[0])).messages(1)[0];
                let dims = tensor.messages(2)[0].messages(1);
                let sides = dims[1..].iter().map(|dim| dim.numbers(1)[0]).collect();
                (info.text(1).to_owned(), tensor.numbers(1)[0], dims[0].text(2).to_owned(), sides)
            };
            graph.messages(field).iter().map(one).collect()
        };
        assert_eq!(shapes(11), [("pixels".to_owned(), 2, "N".to_owned(), vec![3, 24, 20])]);
        let output = |name: &str| (name.to_owned(), 1, "N".to_owned(), vec![5]);
        assert_eq!(shapes(12), [output("logits"), output("probabilities")]);
        let metadata: BTreeMap<&str, &str> =
            model.messages(14).iter().map(|entry| (entry.text(1), entry.text(2))).collect();
        let classes: Vec<String> = serde_json::from_str(metadata["classes"]).unwrap();
        assert_eq!((classes, metadata["net"]), (net.task.classes.clone(), net.origin.net.as_str()));
    }
}

/// The Python that `PEER_PYTHON` names, if it has onnxruntime; else says that `test` is skipped.
fn python(test: &str) -> Option<String> {
    let has_runtime = |python: &String| {
        Command::new(python).args(["-c", "import onnxruntime"]).output().is_ok_and(|output| output.status.success())
    };
    let python = std::env::var("PEER_PYTHON").ok().filter(has_runtime);
    if python.is_none() {
        // Past the harness, which keeps what a passing test prints to itself.
        let _ = writeln!(std::io::stderr(), "skipped: {test}: PEER_PYTHON names no Python with onnxruntime");
    }
    python
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// Logits within 1e-4 of ours for every net, as a share of the largest logit where that is above 1 (164 layers round further
/// than 1e-4 of 1), many images at once and one by one.
#[test]
fn onnxruntime_agrees_on_every_net() {
    let Some(python) = python("onnxruntime_agrees_on_every_net") else { return };
    let folder = tempfile::tempdir().unwrap();
    let nets = all();
    let path = |net: &Net, end: &str| folder.path().join(format!("{}-{}.{end}", net.origin.net, net.origin.shortcut));
    for net in &nets {
        fs::write(path(net, "onnx"), net.file()).unwrap();
        fs::write(path(net, "pixels"), pixels()).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/onnx_logits.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains(r#"["cat","d\"og","ö","owl","fox"]"#));
    for net in &nets {
        let (ours, theirs) = (net.logits(&pixels()), floats(&path(net, "logits")));
        assert_eq!(theirs.len(), 2 * ours.len());
        let differences = theirs.iter().zip(ours.iter().cycle()).map(|(theirs, ours)| (theirs - ours).abs());
        let largest = differences.fold(0.0, f32::max);
        let size = ours.iter().fold(0.0_f32, |size, logit| size.max(logit.abs()));
        println!("{} {}: {largest:e} of {size}", net.origin.net, net.origin.shortcut);
        assert!(
            size > 0.1 && largest <= 1e-4 * size.max(1.0),
            "{} {}: {largest:e} of {size}",
            net.origin.net,
            net.origin.shortcut
        );
        let probabilities = floats(&path(net, "probabilities"));
        assert!((probabilities[..5].iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
}
