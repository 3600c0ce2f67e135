//! Images per second and peak memory of training steps and of evaluation, on random images.
//!
//! `cargo run --release -p kernels --example bench_step -- [NET] [BATCH] [THREADS] [ISA] [cpu|cpu-exact|candle] [train|eval]`;
//! NET is `resnetN`, `resnetN-mnist`, `lenet` or `shallow`.

use std::sync::Arc;
use std::time::Instant;

use candle_core::Device;
use kernels::cpu::{CpuEngine, CpuOptions};
use kernels::engine::{Batch, DataSet, Engine, Images, Optimizer, Split, Update};
use kernels::graph::{Graph, NodeId};
use kernels::isa::Isa;
use kernels::reference::CandleEngine;

const WARM_UP: usize = 3;
const STEPS: usize = 12;
const IMAGES: usize = 2048;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |i: usize, default: &str| arguments.get(i).cloned().unwrap_or_else(|| default.to_string());
    let (net, batch) = (argument(0, "resnet20"), argument(1, "128").parse().expect("a batch size"));
    let threads = argument(2, "2").parse().expect("a number of threads");
    let isa = argument(3, Isa::detect().name()).parse().expect("an instruction set");
    let (engine, mode) = (argument(4, "cpu"), argument(5, "train"));

    let (graph, shape) = build(&net);
    let data = random_data(shape);
    let options = CpuOptions { threads, isa, exact_conv: engine == "cpu-exact" };
    let mut engine: Box<dyn Engine> = if engine == "candle" {
        Box::new(CandleEngine::new(&graph, &data, batch, Device::Cpu).expect("a net that fits its data"))
    } else {
        Box::new(CpuEngine::new(&graph, &data, batch, options).expect("a net that fits its data"))
    };
    let (parameters, buffers) = initial_state(&graph);
    engine.set_state(&parameters, &buffers).expect("the graph's own state");

    let update = Update { optimizer: Optimizer::Sgd { nesterov: false }, lr: 0.1, momentum: 0.9, weight_decay: 1e-4 };
    let mut seconds = Vec::new();
    for step in 0..WARM_UP + STEPS {
        let indices: Vec<u32> = (0..batch).map(|i| ((step * batch + i) % IMAGES) as u32).collect();
        let batch = Batch { split: Split::Train, indices: &indices, augmentations: &[] };
        let start = Instant::now();
        if mode == "eval" {
            engine.evaluate(&batch, None).expect("a device that works");
        } else {
            engine.train_step(&batch, 0.1, &update).expect("a device that works");
        }
        seconds.push(start.elapsed().as_secs_f64());
    }
    let times = &mut seconds[WARM_UP..];
    times.sort_by(f64::total_cmp);
    let median = f64::midpoint(times[(STEPS - 1) / 2], times[STEPS / 2]);
    println!(
        "{net} {mode} batch {batch} threads {threads} {}: {:.1} images/s, {:.2} ms, peak {} MB",
        engine.description(),
        batch as f64 / median,
        median * 1e3,
        peak_kib() / 1000
    );
}

/// Peak resident memory in KiB, where the system tells (0 elsewhere).
fn peak_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

/// Numbers that look random, in (-1, 1).
fn noise(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    })
}

fn random_data(shape: [usize; 3]) -> DataSet {
    let len: usize = shape.iter().product();
    let pixels: Arc<[u8]> = noise(1).take(IMAGES * len).map(|v| ((v + 1.0) * 127.0) as u8).collect();
    let images = Images { pixels, labels: (0..IMAGES as u32).map(|i| i % 10).collect() };
    let channels = vec![0.5; shape[0]];
    DataSet { shape, classes: 10, mean: channels.clone(), std: channels, train: images.clone(), test: images }
}

fn initial_state(graph: &Graph) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let parameters = graph.parameters.iter().enumerate().map(|(i, spec)| match spec.shape.len() {
        1 if spec.name.ends_with("weight") => vec![1.0; spec.len()],
        1 => vec![0.0; spec.len()],
        _ => {
            let fan_in: usize = spec.shape[1..].iter().product();
            noise(i as u64 + 7).take(spec.len()).map(|v| v * (6.0 / fan_in as f32).sqrt()).collect()
        }
    });
    let buffer = |name: &str| if name.ends_with("var") { 1.0 } else { 0.0 };
    (parameters.collect(), graph.buffers.iter().map(|spec| vec![buffer(&spec.name); spec.len()]).collect())
}

fn build(net: &str) -> (Graph, [usize; 3]) {
    match net {
        "lenet" => (lenet(), [1, 28, 28]),
        "shallow" => (shallow(), [3, 32, 32]),
        _ => {
            let (name, shape) = net.strip_suffix("-mnist").map_or((net, [3, 32, 32]), |name| (name, [1, 28, 28]));
            let depth = name.strip_prefix("resnet").and_then(|d| d.parse().ok()).expect("resnetN, lenet or shallow");
            (resnet(depth, shape), shape)
        }
    }
}

/// ResNet of He et al. 2015 for small images, option-A shortcuts.
fn resnet(depth: usize, [c, h, w]: [usize; 3]) -> Graph {
    let (mut g, input) = Graph::new(c, h, w);
    let stem = g.conv2d("conv1", input, 16, 3, 1, 1, false);
    let mut x = g.batch_norm("bn1", stem, None, true);
    for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..(depth - 2) / 6 {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = basic_block(&mut g, &format!("layer{}.{block}", stage + 1), x, channels, stride);
        }
    }
    let x = g.global_avg_pool(x);
    g.linear("fc", x, 10);
    g
}

fn basic_block(g: &mut Graph, name: &str, x: NodeId, channels: usize, stride: usize) -> NodeId {
    let y = g.conv2d(&format!("{name}.conv1"), x, channels, 3, stride, 1, false);
    let y = g.batch_norm(&format!("{name}.bn1"), y, None, true);
    let y = g.conv2d(&format!("{name}.conv2"), y, channels, 3, 1, 1, false);
    let missing = channels - g.shape(x)[0];
    let mut residual = x;
    if stride > 1 {
        residual = g.subsample(x, stride);
        residual = g.pad_channels(residual, missing / 2, missing - missing / 2);
    }
    g.batch_norm(&format!("{name}.bn2"), y, Some(residual), true)
}

/// Caffe's LeNet.
fn lenet() -> Graph {
    let (mut g, x) = Graph::new(1, 28, 28);
    let x = g.conv2d("0", x, 20, 5, 1, 0, true);
    let x = g.max_pool(x, 2, 2, 0);
    let x = g.conv2d("2", x, 50, 5, 1, 0, true);
    let x = g.max_pool(x, 2, 2, 0);
    let x = g.flatten(x);
    let x = g.linear("5", x, 500);
    let x = g.relu(x);
    g.linear("7", x, 10);
    g
}

/// Caffe's cifar10_full without its local response normalisation.
fn shallow() -> Graph {
    let (mut g, x) = Graph::new(3, 32, 32);
    let x = g.conv2d("0", x, 32, 5, 1, 2, true);
    let x = g.max_pool(x, 3, 2, 1);
    let x = g.relu(x);
    let x = g.conv2d("3", x, 32, 5, 1, 2, true);
    let x = g.relu(x);
    let x = g.avg_pool(x, 3, 2, 1);
    let x = g.conv2d("6", x, 64, 5, 1, 2, true);
    let x = g.relu(x);
    let x = g.avg_pool(x, 3, 2, 1);
    let x = g.flatten(x);
    g.linear("10", x, 10);
    g
}
