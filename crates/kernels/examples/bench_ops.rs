//! The operations besides convolution, batch 128. Those that are bound by memory, at ResNet-20's shapes (32x32x3) and the
//! poolings of LeNet and the shallow net: bandwidth, what is read and written once by the time it takes, and in brackets
//! the share of a plain copy's. Dense layers: GFLOP/s, and the share of the machine's peak of fused multiply-adds,
//! measured in the same run.
//!
//! `cargo run --release -p kernels --example bench_ops -- [THREADS] [ISA]`

mod measure;

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
    let peak = measure::peak(&threads, isa);
    let copy = copy(&threads);
    println!("{isa}, {} threads, batch {BATCH}: peak {peak:.0} GFLOP/s, copy {copy:.1} GB/s", threads.count());
    let bandwidth = Bandwidth { copy };
    for (side, channels) in [(32, 16), (16, 32), (8, 64), (32, 64)] {
        stage(&threads, isa, bandwidth, ImageShape { height: side, width: side, channels });
    }
    for (side, channels, kernel, stride, padding) in
        [(24, 20, 2, 2, 0), (8, 50, 2, 2, 0), (32, 32, 3, 2, 1), (16, 32, 3, 2, 1), (8, 64, 3, 2, 1)]
    {
        let input = ImageShape { height: side, width: side, channels };
        pools(&threads, isa, bandwidth, Pooling { input, kernel, stride, padding });
    }
    for (inputs, outputs) in [(800, 500), (500, 10), (1024, 10), (64, 10)] {
        dense(&threads, isa, peak, inputs, outputs);
    }
    update(&threads, isa, bandwidth);
}

/// Median seconds of a call.
fn median(mut work: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..ROUNDS).map(|_| measure::seconds(&mut work)).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[ROUNDS / 2]
}

/// GB/s of copying, beyond the caches: both what is read and what is written.
fn copy(threads: &Threads) -> f64 {
    let shape = ImageShape { height: 64, width: 64, channels: 64 };
    let x = vec![0.5; BATCH * shape.len()];
    let mut y = x.clone();
    let seconds = median(|| shortcut::subsample(threads, shape, 1, &x, &mut y));
    (2 * x.len() * size_of::<f32>()) as f64 / seconds / 1e9
}

/// What operations that are bound by memory are measured against.
#[derive(Clone, Copy)]
struct Bandwidth {
    /// GB/s of a copy beyond the caches.
    copy: f64,
}

impl Bandwidth {
    /// Prints the median time of `work` and the bandwidth of `streams` passes over `len` floats.
    fn measure(self, name: &str, streams: usize, len: usize, work: impl FnMut()) {
        let median = median(work);
        let bandwidth = (streams * len * size_of::<f32>()) as f64 / median / 1e9;
        let share = bandwidth / self.copy * 100.0;
        println!("{name:<44} {:>8.3} ms {bandwidth:>7.1} GB/s ({share:.0}%)", median * 1e3);
    }
}

fn stage(threads: &Threads, isa: Isa, bandwidth: Bandwidth, shape: ImageShape) {
    let ImageShape { height, width, channels } = shape;
    let len = BATCH * shape.len();
    let buffer = |value: f32| (0..len).map(|i| value + (i % 97) as f32 / 97.0).collect::<Vec<f32>>();
    let (x, mut y, residual) = (buffer(0.0), buffer(1.0), buffer(-0.5));
    let (mut gradient, mut dx) = (buffer(-0.3), buffer(0.0));
    let (weight, bias) = (vec![1.0; channels], vec![0.1; channels]);
    let (mut d_weight, mut d_bias) = (vec![0.0; channels], vec![0.0; channels]);
    let title = |what: &str| format!("{height}x{width}x{channels} {what}");

    bandwidth.measure(&title("copy"), 2, len, || shortcut::subsample(threads, shape, 1, &x, &mut y));
    let mut norm = BatchNorm::new(channels, BATCH * height * width, isa);
    bandwidth
        .measure(&title("batch norm, ReLU"), 2, len, || norm.forward(threads, &x, &weight, &bias, None, true, &mut y));
    bandwidth.measure(&title("batch norm, ReLU, backward"), 3, len, || {
        norm.backward(threads, &x, &weight, true, &mut gradient, &mut d_weight, &mut d_bias);
    });
    bandwidth.measure(&title("batch norm, residual, ReLU"), 3, len, || {
        norm.forward(threads, &x, &weight, &bias, Some(&residual), true, &mut y);
    });
    bandwidth.measure(&title("batch norm, residual, ReLU, backward"), 5, len, || {
        let mask = Some(&y[..]);
        norm.backward_residual(threads, &x, &weight, mask, &mut gradient, &mut dx, &mut d_weight, &mut d_bias);
    });
    bandwidth.measure(&title("ReLU"), 2, len, || relu::forward(threads, isa, &mut y));
    bandwidth.measure(&title("ReLU, backward"), 3, len, || relu::backward(threads, isa, &y, &mut gradient));
}

fn pools(threads: &Threads, isa: Isa, bandwidth: Bandwidth, pooling: Pooling) {
    let Pooling { input: ImageShape { height, width, channels }, kernel, stride, .. } = pooling;
    let x: Vec<f32> = (0..BATCH * pooling.input.len()).map(|i| (i % 97) as f32).collect();
    let (mut y, mut dx) = (vec![0.0; BATCH * pooling.output().len()], x.clone());
    let mut winners = vec![0; pooling.winners_len(BATCH)];
    let moved = x.len() + y.len();
    let title = |what: &str| format!("{height}x{width}x{channels} {what}");
    bandwidth.measure(&title(&format!("max pool {kernel}/{stride}, evaluation")), 1, moved, || {
        pooling.max(threads, isa, &x, &mut y, None);
    });
    bandwidth.measure(&title(&format!("max pool {kernel}/{stride}")), 1, moved, || {
        pooling.max(threads, isa, &x, &mut y, Some(&mut winners));
    });
    bandwidth.measure(&title(&format!("max pool {kernel}/{stride}, backward")), 1, moved, || {
        pooling.max_backward(threads, isa, &winners, &y, false, &mut dx);
    });
    bandwidth.measure(&title(&format!("average pool {kernel}/{stride}")), 1, moved, || {
        pooling.average(threads, isa, &x, &mut y);
    });
    bandwidth.measure(&title(&format!("average pool {kernel}/{stride}, backward")), 1, moved, || {
        pooling.average_backward(threads, isa, &y, false, &mut dx);
    });
}

/// A dense layer of LeNet (800 to 500, 500 to 10), the shallow net or a residual one.
fn dense(threads: &Threads, isa: Isa, peak: f64, inputs: usize, outputs: usize) {
    let (x, weight) = (vec![0.5; BATCH * inputs], vec![0.01; inputs * outputs]);
    let (bias, mut y) = (vec![0.0; outputs], vec![0.0; BATCH * outputs]);
    let (mut dx, mut d_weight) = (x.clone(), weight.clone());
    let mut d_bias = bias.clone();
    let measure = |what: &str, work: &mut dyn FnMut()| {
        let median = median(work);
        let rate = (2 * BATCH * inputs * outputs) as f64 / median / 1e9;
        let (name, share) = (format!("dense {inputs} to {outputs}{what}"), rate / peak * 100.0);
        println!("{name:<44} {:>8.3} ms {rate:>7.1} GFLOP/s ({share:.0}%)", median * 1e3);
    };
    measure("", &mut || linear::forward(threads, isa, &x, &weight, &bias, &mut y));
    measure(", data gradient", &mut || {
        linear::backward_data(threads, isa, outputs, &y, &weight, false, &mut dx);
    });
    measure(", weight gradient", &mut || {
        linear::backward_parameters(threads, isa, &x, &y, &mut d_weight, &mut d_bias);
    });
}

/// SGD with momentum over ResNet-20's parameters.
fn update(threads: &Threads, isa: Isa, bandwidth: Bandwidth) {
    let len = 272_474;
    let (mut parameters, gradients) = (vec![0.1; len], vec![0.01; len]);
    let mut state = optimizer::FlatState::default();
    let update = kernels::engine::Update {
        optimizer: kernels::engine::Optimizer::Sgd { nesterov: false },
        lr: 0.1,
        momentum: 0.9,
        weight_decay: 1e-4,
    };
    bandwidth.measure("SGD with momentum", 5, len, || {
        optimizer::step(threads, isa, &update, &mut state, &mut parameters, &gradients);
    });
    bandwidth.measure("gradient norm", 1, len, || {
        std::hint::black_box(optimizer::norm(&gradients));
    });
}
