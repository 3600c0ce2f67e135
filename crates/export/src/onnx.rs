//! A net as an ONNX model: raw pixels in, logits and probabilities out.
//!
//! The input takes the bytes of pictures, so that it cannot be fed numbers of another scale; normalisation is the model's first
//! four operations. Field numbers are those of `onnx.proto3`.

use artifacts::dataset::Fit;
use artifacts::weights::{Origin, Task};
use kernels::engine::Buffers;
use kernels::graph::{Graph, NodeId, Op, TensorSpec};

use crate::protobuf::Message;

/// Version of the intermediate representation that the file is written in.
pub const IR_VERSION: i64 = 8;

/// Version of the operators.
pub const OPSET: i64 = 17;

/// Name of the input: uint8, [N, channels, height, width], as pictures are stored.
pub const INPUT: &str = "pixels";

/// Names of the outputs: float32, [N, classes].
pub const OUTPUTS: [&str; 2] = ["logits", "probabilities"];

/// What batch norm adds to the variance.
const EPSILON: f32 = 1e-5;

/// Types of elements (`TensorProto.DataType`).
const FLOAT: i64 = 1;
const UINT8: i64 = 2;
const INT64: i64 = 7;

/// The file: a `ModelProto`. Parameters and buffers are in the graph's order. Equal nets give equal bytes.
pub fn model(graph: &Graph, parameters: &[Vec<f32>], buffers: &Buffers, origin: &Origin, task: &Task) -> Vec<u8> {
    let mut writer = Writer { body: Message::default(), flat: Vec::new() };
    writer.tensors(&graph.parameters, parameters);
    writer.tensors(&graph.buffers, buffers);
    writer.normalisation(task);
    for (at, node) in graph.nodes.iter().enumerate() {
        writer.operation(graph, at, &node.op);
    }
    writer.ending(graph);
    let shape = task.shape.map(|side| side as i64);
    let classes = task.classes.len() as i64;
    let mut body = writer.body.text(2, &origin.net).message(11, &value_info(INPUT, UINT8, &shape));
    for output in OUTPUTS {
        body = body.message(12, &value_info(output, FLOAT, &[classes]));
    }
    let mut file = Message::default()
        .int(1, IR_VERSION)
        .text(2, "superconv")
        .text(3, env!("CARGO_PKG_VERSION"))
        .message(7, &body)
        .message(8, &Message::default().text(1, "").int(2, OPSET));
    for (key, value) in metadata(origin, task) {
        file = file.message(14, &Message::default().text(1, key).text(2, &value));
    }
    file.into_bytes()
}

/// What a user has to know besides the graph.
fn metadata(origin: &Origin, task: &Task) -> [(&'static str, String); 5] {
    let json = |list: &[String]| serde_json::to_string(list).expect("a list of names is JSON");
    let [channels, height, width] = task.shape;
    let colours = if channels == 3 { "red, green, blue" } else { "grey" };
    [
        ("classes", json(&task.classes)),
        ("net", origin.net.clone()),
        ("data_name", task.data_name.clone()),
        ("data_sha256", task.data_sha256.clone()),
        (
            "input",
            format!(
                "pixels: uint8 [N, {channels}, {height}, {width}], {colours}, 0 to 255; the model normalises them{}",
                fitted(task)
            ),
        ),
    ]
}

/// How pictures become what the model takes: words that follow others.
fn fitted(task: &Task) -> String {
    let [_, height, width] = task.handed();
    let how = match task.pictures.map(|fitting| fitting.fit) {
        None => return String::new(),
        Some(Fit::Crop) => "cut to their centre of these proportions and scaled",
        Some(Fit::Pad) => "scaled to fit, in the middle of black,",
        Some(Fit::Squash) => "scaled without regard to their proportions",
    };
    let centre = if task.stored.is_some() { ", of which the model takes the centre" } else { "" };
    format!("; pictures are {how} to {height} x {width}{centre}")
}

/// A `ValueInfoProto` of any number of images.
fn value_info(name: &str, element: i64, shape: &[i64]) -> Message {
    let images = Message::default().message(1, &Message::default().text(2, "N"));
    let shape = shape.iter().fold(images, |dims, side| dims.message(1, &Message::default().int(1, *side)));
    let tensor = Message::default().int(1, element).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

/// What an operation is told besides its inputs: an `AttributeProto`.
enum Attribute {
    Int(&'static str, i64),
    Float(&'static str, f32),
    Ints(&'static str, Vec<i64>),
}

impl Attribute {
    fn message(self) -> Message {
        match self {
            Self::Int(name, value) => Message::default().text(1, name).int(3, value).int(20, 2),
            Self::Float(name, value) => Message::default().text(1, name).float(2, value).int(20, 1),
            Self::Ints(name, values) => {
                values.into_iter().fold(Message::default().text(1, name), |all, value| all.int(8, value)).int(20, 7)
            }
        }
    }

    fn square(name: &'static str, side: usize) -> Self {
        Self::Ints(name, vec![side as i64; 2])
    }

    fn padding(padding: usize) -> Self {
        Self::Ints("pads", vec![padding as i64; 4])
    }
}

/// Writes the `GraphProto`.
struct Writer {
    body: Message,
    /// Of each activation, whether it is [N, C], no longer [N, C, H, W].
    flat: Vec<bool>,
}

/// The name of an activation.
fn name_of(node: NodeId) -> String {
    format!("activation.{}", node.0)
}

impl Writer {
    /// Adds to the graph.
    fn add(&mut self, field: u64, value: &Message) {
        self.body = std::mem::take(&mut self.body).message(field, value);
    }

    /// One `NodeProto`.
    fn node(&mut self, kind: &str, inputs: &[&str], output: &str, attributes: Vec<Attribute>) {
        let named = inputs.iter().fold(Message::default(), |node, input| node.text(1, input));
        let node = named.text(2, output).text(3, &format!("{output}/{kind}")).text(4, kind);
        let node = attributes.into_iter().fold(node, |node, attribute| node.message(5, &attribute.message()));
        self.add(1, &node);
    }

    /// An initializer: a `TensorProto` in raw bytes.
    fn tensor(&mut self, name: &str, element: i64, shape: &[usize], bytes: &[u8]) {
        let dims = shape.iter().fold(Message::default(), |tensor, side| tensor.int(1, *side as i64));
        self.add(5, &dims.int(2, element).text(8, name).data(9, bytes));
    }

    fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, FLOAT, shape, &bytes);
    }

    fn integers(&mut self, name: &str, values: &[i64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, INT64, &[values.len()], &bytes);
    }

    fn tensors(&mut self, specs: &[TensorSpec], values: &[Vec<f32>]) {
        for (spec, values) in specs.iter().zip(values) {
            self.floats(&spec.name, &spec.shape, values);
        }
    }

    /// `(x / 255 - mean) / std`, as the engines compute it, in float32.
    fn normalisation(&mut self, task: &Task) {
        let single = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<f32>>();
        let shape = [1, task.shape[0], 1, 1];
        self.floats("normalisation.scale", &[], &[255.0]);
        self.floats("normalisation.mean", &shape, &single(&task.mean));
        self.floats("normalisation.std", &shape, &single(&task.std));
        self.node("Cast", &[INPUT], "normalisation.floats", vec![Attribute::Int("to", FLOAT)]);
        self.node("Div", &["normalisation.floats", "normalisation.scale"], "normalisation.scaled", Vec::new());
        self.node("Sub", &["normalisation.scaled", "normalisation.mean"], "normalisation.centred", Vec::new());
        self.node("Div", &["normalisation.centred", "normalisation.std"], &name_of(NodeId(0)), Vec::new());
    }

    /// The operations that one of ours is over there; the last of them puts out its activation.
    fn operation(&mut self, graph: &Graph, at: usize, op: &Op) {
        let out = name_of(NodeId(at));
        let parameter = |id: kernels::graph::ParameterId| graph.parameters[id.0].name.as_str();
        let buffer = |id: kernels::graph::BufferId| graph.buffers[id.0].name.as_str();
        let is_flat = |x: NodeId| self.flat[x.0];
        let flat = match op {
            Op::Relu { x } => is_flat(*x),
            Op::Flatten { .. } | Op::Linear { .. } => true,
            _ => false,
        };
        match *op {
            Op::Input => {}
            Op::Conv2d { x, weight, bias, kernel, stride, padding } => {
                let x = name_of(x);
                let inputs: Vec<&str> =
                    [x.as_str(), parameter(weight)].into_iter().chain(bias.map(parameter)).collect();
                let attributes = vec![
                    Attribute::square("kernel_shape", kernel),
                    Attribute::square("strides", stride),
                    Attribute::padding(padding),
                ];
                self.node("Conv", &inputs, &out, attributes);
            }
            Op::BatchNorm { x, weight, bias, running_mean, running_var, residual, relu, frozen: _ } => {
                let x = name_of(x);
                let inputs = [&x, parameter(weight), parameter(bias), buffer(running_mean), buffer(running_var)];
                let sum = residual.map(|residual| (name_of(residual), format!("{out}.sum")));
                let normalised = if sum.is_some() || relu { format!("{out}.normalised") } else { out.clone() };
                self.node("BatchNormalization", &inputs, &normalised, vec![Attribute::Float("epsilon", EPSILON)]);
                let mut last = normalised;
                if let Some((residual, sum)) = sum {
                    let sum = if relu { sum } else { out.clone() };
                    self.node("Add", &[&last, &residual], &sum, Vec::new());
                    last = sum;
                }
                if relu {
                    self.node("Relu", &[&last], &out, Vec::new());
                }
            }
            Op::Relu { x } => self.node("Relu", &[&name_of(x)], &out, Vec::new()),
            Op::MaxPool { x, kernel, stride, padding } => {
                self.node("MaxPool", &[&name_of(x)], &out, pool(kernel, stride, padding));
            }
            Op::AvgPool { x, kernel, stride, padding } => {
                let mut attributes = pool(kernel, stride, padding);
                attributes.push(Attribute::Int("count_include_pad", 1));
                self.node("AveragePool", &[&name_of(x)], &out, attributes);
            }
            Op::Subsample { x, stride } => {
                let names = ["starts", "ends", "axes", "steps"].map(|what| format!("{out}.{what}"));
                let values = [[0, 0], [i64::MAX; 2], [2, 3], [stride as i64; 2]];
                for (name, values) in names.iter().zip(values) {
                    self.integers(name, &values);
                }
                let [starts, ends, axes, steps] = &names;
                self.node("Slice", &[&name_of(x), starts, ends, axes, steps], &out, Vec::new());
            }
            Op::PadChannels { x, before, after } => {
                let pads = format!("{out}.pads");
                self.integers(&pads, &[0, before as i64, 0, 0, 0, after as i64, 0, 0]);
                self.node("Pad", &[&name_of(x), &pads], &out, Vec::new());
            }
            Op::GlobalAvgPool { x } => self.node("GlobalAveragePool", &[&name_of(x)], &out, Vec::new()),
            Op::Flatten { x } => self.node("Flatten", &[&name_of(x)], &out, vec![Attribute::Int("axis", 1)]),
            Op::Linear { x, weight, bias } => {
                let mut input = name_of(x);
                if !is_flat(x) {
                    let flattened = format!("{out}.flat");
                    self.node("Flatten", &[&input], &flattened, vec![Attribute::Int("axis", 1)]);
                    input = flattened;
                }
                let inputs = [&input, parameter(weight), parameter(bias)];
                self.node("Gemm", &inputs, &out, vec![Attribute::Int("transB", 1)]);
            }
        }
        self.flat.push(flat);
    }

    /// Names the outputs.
    fn ending(&mut self, graph: &Graph) {
        let last = name_of(NodeId(graph.nodes.len() - 1));
        self.node("Identity", &[&last], OUTPUTS[0], Vec::new());
        self.node("Softmax", &[OUTPUTS[0]], OUTPUTS[1], vec![Attribute::Int("axis", -1)]);
    }
}

fn pool(kernel: usize, stride: usize, padding: usize) -> Vec<Attribute> {
    vec![Attribute::square("kernel_shape", kernel), Attribute::square("strides", stride), Attribute::padding(padding)]
}
