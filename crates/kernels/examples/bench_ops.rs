//! Bandwidth of the operations that are bound by memory, at ResNet-20's shapes (32x32x3, batch 128), beside that of a
//! plain copy: what is read and written once, by the time it takes.
//!
//! `cargo run --release -p kernels --example bench_ops -- [THREADS] [ISA]`

use std::time::Instant;

use kernels::batch_norm::BatchNorm;
use kernels::isa::Isa;
use kernels::pooling::Pooling;
use kernels::shortcut::{self, ImageShape};
use kernels::threads::Threads;
use kernels::{linear, optimizer, relu};

const BATCH: usize = 128;
const ROUNDS: usize = 15;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let threads = arguments.next().map_or(2, |text| text.parse().expect("a number of threads"));
    let isa = arguments.next().map_or_else(Isa::detect, |text| text.parse().expect("an instruction set"));
    let threads = Threads::new(threads).expect("threads");
    println!("{isa}, {} threads, batch {BATCH}; GB/s of what must be read and written once", threads.count());
    for (side, channels) in [(32, 16), (16, 32), (8, 64)] {
        stage(&threads, isa, ImageShape { height: side, width: side, channels });
    }
    dense(&threads, isa);
    update(&threads, isa);
}

/// Prints the median time of `work` and the bandwidth of `streams` passes over `len` floats.
fn measure(name: &str, streams: usize, len: usize, mut work: impl FnMut()) {
    let mut seconds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let median = seconds[ROUNDS / 2];
    let bandwidth = (streams * len * size_of::<f32>()) as f64 / median / 1e9;
    println!("{name:<44} {:>8.3} ms {bandwidth:>7.1} GB/s", median * 1e3);
}

fn stage(threads: &Threads, isa: Isa, shape: ImageShape) {
    let ImageShape { height, width, channels } = shape;
    let len = BATCH * shape.len();
    let buffer = |value: f32| (0..len).map(|i| value + (i % 97) as f32 / 97.0).collect::<Vec<f32>>();
    let (x, mut y, residual) = (buffer(0.0), buffer(1.0), buffer(-0.5));
    let (mut gradient, mut dx) = (buffer(-0.3), buffer(0.0));
    let (weight, bias) = (vec![1.0; channels], vec![0.1; channels]);
    let (mut d_weight, mut d_bias) = (vec![0.0; channels], vec![0.0; channels]);
    let title = |what: &str| format!("{height}x{width}x{channels} {what}");

    measure(&title("copy"), 2, len, || shortcut::subsample(threads, shape, 1, &x, &mut y));
    let mut norm = BatchNorm::new(channels, BATCH * height * width, isa);
    measure(&title("batch norm, ReLU"), 2, len, || norm.forward(threads, &x, &weight, &bias, None, true, &mut y));
    measure(&title("batch norm, ReLU, backward"), 3, len, || {
        norm.backward(threads, &x, &weight, true, &mut gradient, &mut d_weight, &mut d_bias);
    });
    measure(&title("batch norm, residual, ReLU"), 3, len, || {
        norm.forward(threads, &x, &weight, &bias, Some(&residual), true, &mut y);
    });
    measure(&title("batch norm, residual, ReLU, backward"), 5, len, || {
        let mask = Some(&y[..]);
        norm.backward_residual(threads, &x, &weight, mask, &mut gradient, &mut dx, &mut d_weight, &mut d_bias);
    });
    measure(&title("ReLU"), 2, len, || relu::forward(threads, isa, &mut y));
    measure(&title("ReLU, backward"), 3, len, || relu::backward(threads, isa, &y, &mut gradient));
    pools(threads, isa, shape, &x, &mut y, &mut dx, &title);
}

fn pools(
    threads: &Threads,
    isa: Isa,
    shape: ImageShape,
    x: &[f32],
    y: &mut [f32],
    dx: &mut [f32],
    title: &impl Fn(&str) -> String,
) {
    let pooling = Pooling { input: shape, kernel: 3, stride: 2, padding: 1 };
    let len = BATCH * pooling.output().len();
    let (y, mut winners) = (&mut y[..len], vec![0; pooling.winners_len(BATCH)]);
    let moved = x.len() + len;
    measure(&title("max pool 3/2"), 1, moved, || pooling.max(threads, isa, x, y, Some(&mut winners)));
    measure(&title("max pool 3/2, backward"), 1, moved, || {
        pooling.max_backward(threads, isa, &winners, y, false, dx);
    });
    measure(&title("average pool 3/2"), 1, moved, || pooling.average(threads, isa, x, y));
    measure(&title("average pool 3/2, backward"), 1, moved, || {
        pooling.average_backward(threads, isa, y, false, dx);
    });
}

/// LeNet's 800 to 500.
fn dense(threads: &Threads, isa: Isa) {
    let (inputs, outputs) = (800, 500);
    let (x, weight) = (vec![0.5; BATCH * inputs], vec![0.01; inputs * outputs]);
    let (bias, mut y) = (vec![0.0; outputs], vec![0.0; BATCH * outputs]);
    let (mut dx, mut d_weight) = (x.clone(), weight.clone());
    let mut d_bias = bias.clone();
    measure("dense 800 to 500", 1, weight.len(), || linear::forward(threads, isa, &x, &weight, &bias, &mut y));
    measure("dense 800 to 500, data gradient", 1, weight.len(), || {
        linear::backward_data(threads, isa, outputs, &y, &weight, false, &mut dx);
    });
    measure("dense 800 to 500, weight gradient", 1, weight.len(), || {
        linear::backward_parameters(threads, isa, &x, &y, &mut d_weight, &mut d_bias);
    });
}

/// SGD with momentum over ResNet-20's parameters.
fn update(threads: &Threads, isa: Isa) {
    let len = 272_474;
    let (mut parameters, gradients) = (vec![0.1; len], vec![0.01; len]);
    let mut memory = optimizer::Memory::default();
    let update = kernels::engine::Update {
        optimizer: kernels::engine::Optimizer::Sgd { nesterov: false },
        lr: 0.1,
        momentum: 0.9,
        weight_decay: 1e-4,
    };
    measure("SGD with momentum", 5, len, || {
        optimizer::step(threads, isa, &update, &mut memory, &mut parameters, &gradients);
    });
    measure("gradient norm", 1, len, || {
        std::hint::black_box(optimizer::norm(&gradients));
    });
}
