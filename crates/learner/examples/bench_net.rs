//! Images per second and peak memory of whole training steps, or with `--eval` of evaluation, on random images.
//!
//!     cargo run --release -p learner --example bench_net -- --net resnet20 --batch 128 --threads 2
//!
//! A step is what `sc-train` does for one batch, through the same engine: gather and normalise the bytes of the images,
//! forward, loss, backward, SGD. A GPU begins steps before the earlier ones are done, so there a measurement covers several
//! steps in a row (`--in-a-row`) and the wait for the last outcome. Prints one line of JSON, with the keys of
//! tests/peer/torch_bench.py and two derived figures: `gflop_per_second`, with convolutions and dense layers counted as
//! direct sums (in a training step the forward pass and two gradients, for the first layer one), and in training
//! `activation_bytes`, what the forward pass leaves for the backward pass in float32.

#![forbid(unsafe_code)]

use std::time::Instant;

use clap::Parser;
use kernels::device::{self, Device, EngineKind, Options, Precision};
use kernels::engine::{Augmentation, Batch, DataSet, Engine, Images, Optimizer, Split, Update};
use kernels::graph::{Graph, Node, Op};
use kernels::isa::Isa;
use learner::initial::{self, Scheme};
use learner::nets;
use rand_chacha::rand_core::Rng;

/// The programs' allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CLASSES: usize = 10;
const UPDATE: Update =
    Update { optimizer: Optimizer::Sgd { nesterov: false }, lr: 0.1, momentum: 0.9, weight_decay: 1e-4 };

/// Measure training steps
#[derive(Parser)]
struct Arguments {
    /// lenet, shallow, resnetN or bottleneckN
    #[arg(long, default_value = "resnet20")]
    net: String,
    /// Images per step
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Side of the images in pixels
    #[arg(long, default_value_t = 32)]
    size: usize,
    /// Channels of the images
    #[arg(long, default_value_t = 3)]
    channels: usize,
    /// What computes: fast or candle
    #[arg(long, default_value_t = EngineKind::Fast)]
    engine: EngineKind,
    /// Worker threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Measurements, each of one step or of several in a row
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
    /// Steps of a measurement, their outcomes waited for together [default: 1; on a GPU 20]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=50))]
    in_a_row: Option<u64>,
    /// Measurements before these, not counted
    #[arg(long, default_value_t = 3)]
    warmup: u64,
    /// Evaluate in place of training, with the running statistics
    #[arg(long)]
    eval: bool,
    /// portable, avx2 or avx512 [default: the best of this processor]
    #[arg(long)]
    isa: Option<Isa>,
    /// Convolve directly, never by Winograd's algorithm
    #[arg(long)]
    exact_conv: bool,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// float32 (TF32 off), or on a GPU tf32 or bf16
    #[arg(long, default_value_t = Precision::Float32)]
    precision: Precision,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let graph = graph(&arguments)?;
    let mut engine = engine(&arguments, &graph)?;
    let in_a_row = arguments.in_a_row.unwrap_or(if arguments.device == Device::Cpu { 1 } else { 20 });
    let mut seconds = Vec::new();
    for step in 0..arguments.warmup + arguments.steps {
        let taken = time_steps(engine.as_mut(), &arguments, in_a_row)?;
        if step >= arguments.warmup {
            seconds.push(taken / in_a_row as f64);
        }
    }
    let median = median(seconds);
    let flop = arguments.batch as f64 * flop_per_image(&graph, arguments.eval);
    let activations = if arguments.eval { 0 } else { arguments.batch * activation_bytes_per_image(&graph) };
    let result = serde_json::json!({
        "program": concat!("superconv ", env!("CARGO_PKG_VERSION")),
        "kernels": engine.description(),
        "net": arguments.net,
        "mode": if arguments.eval { "eval" } else { "train" },
        "batch": arguments.batch,
        "threads": arguments.threads,
        "precision": arguments.precision.to_string(),
        "images_per_second": (arguments.batch as f64 / median * 10.0).round() / 10.0,
        "step_seconds_median": (median * 1e7).round() / 1e7,
        "peak_rss_bytes": peak_rss_bytes(),
        "gflop_per_second": (flop / median / 1e8).round() / 10.0,
        "activation_bytes": activations,
    });
    println!("{result}");
    Ok(())
}

fn graph(arguments: &Arguments) -> Result<Graph, Failure> {
    let Arguments { net, size, channels, .. } = arguments;
    Ok(nets::build(net, nets::default_shortcut(net), [*channels, *size, *size], CLASSES)?)
}

/// Floating-point operations per image, of convolutions and dense layers.
fn flop_per_image(graph: &Graph, eval: bool) -> f64 {
    let mut passes = if eval { 1 } else { 2 }; // the first layer has no use for its input's gradient
    let mut flop = 0;
    for node in &graph.nodes {
        let products = match &node.op {
            Op::Conv2d { x, kernel, .. } => graph.shape(*x)[0] * kernel * kernel,
            Op::Linear { x, .. } => graph.shape(*x)[0],
            _ => continue,
        };
        flop += 2 * passes * products * len_of(node);
        passes = if eval { 1 } else { 3 };
    }
    flop as f64
}

/// Bytes of the activations per image, without those that replace their input.
fn activation_bytes_per_image(graph: &Graph) -> usize {
    let kept = graph.nodes.iter().filter(|node| !matches!(node.op, Op::Relu { .. }));
    kept.map(|node| len_of(node) * size_of::<f32>()).sum()
}

fn len_of(node: &Node) -> usize {
    node.shape.iter().product()
}

/// The net on its device, freshly initialised.
fn engine(arguments: &Arguments, graph: &Graph) -> Result<Box<dyn Engine>, Failure> {
    let Arguments { batch, size, channels, engine, threads, exact_conv, precision, .. } = arguments;
    let data = random_data([*channels, *size, *size], *batch);
    let isa = arguments.isa.unwrap_or_else(Isa::detect);
    let options = Options { engine: *engine, threads: *threads, isa, exact_conv: *exact_conv, precision: *precision };
    let mut engine = device::open(&arguments.device, graph, &data, *batch, &options)?;
    let (parameters, buffers) = initial::draw(graph, 1, Scheme::Kaiming);
    engine.set_state(&parameters, &buffers)?;
    Ok(engine)
}

/// `count` random images for training, and the same for testing.
fn random_data(shape: [usize; 3], count: usize) -> DataSet {
    let mut rng = learner::stream::stream("bench", 1, 0);
    let mut pixels = vec![0; count * shape.iter().product::<usize>()];
    rng.fill_bytes(&mut pixels);
    let labels = (0..count).map(|image| (image % CLASSES) as u32).collect();
    let images = Images { pixels: pixels.into(), labels };
    let (mean, std) = (vec![0.5; shape[0]], vec![0.29; shape[0]]); // of uniformly distributed bytes
    DataSet { shape, classes: CLASSES, mean, std, train: images.clone(), test: images }
}

/// Seconds for `count` steps, each on all of the data, augmented as with `--augment crop-flip`.
fn time_steps(engine: &mut dyn Engine, arguments: &Arguments, count: u64) -> Result<f64, Failure> {
    let indices: Vec<u32> = (0..arguments.batch as u32).collect();
    let shift = |image: u32| Augmentation {
        flip: image % 2 == 1,
        crop_y: (image % 9) as u8,
        crop_x: (image % 7) as u8,
        part: None,
    };
    let augmentations: Vec<Augmentation> = indices.iter().map(|image| shift(*image)).collect();
    let start = Instant::now();
    for _ in 0..count {
        if arguments.eval {
            engine.evaluate(&Batch { split: Split::Test, indices: &indices, augmentations: &[] }, None)?;
        } else {
            let batch = Batch { split: Split::Train, indices: &indices, augmentations: &augmentations };
            engine.begin_step(&batch, 0.1, &UPDATE)?;
        }
    }
    engine.outcomes()?;
    Ok(start.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

/// Peak resident memory of this process as Linux reports it; 0 elsewhere.
fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0u64) * 1024
}
