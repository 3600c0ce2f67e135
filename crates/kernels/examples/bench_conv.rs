//! Speed of the convolution kernels over the layers of the nets, for each instruction set of this machine.
//!
//!     cargo run --release -p kernels --example bench_conv -- [--threads N]... [--isa NAME]... [--layer PART]... [--rounds N] [--best] [--busy] [--exact-only]
//!
//! Prints GFLOP/s, counted as direct convolution whatever the algorithm, and in brackets the share of the machine's peak
//! of fused multiply-adds, measured in the same run. Figures are the median of the rounds; rounds go through all kernels
//! in turn, so that a busy moment of the machine spoils one round, not one figure; `--best` prints the best round, for a
//! machine that is never quiet. `--busy` counts the time that the processors were busy with it, and with several threads gives
//! the figure of one.

mod measure;

use kernels::aligned::AlignedBuffer;
use kernels::conv::{Conv2d, ConvShape, Epilogue, Scratch};
use kernels::isa::Isa;
use kernels::threads::Threads;
use measure::{busy_seconds, peak, seconds};

/// Name, side, channels in and out, kernel, stride, padding.
type Layer = (&'static str, usize, (usize, usize), (usize, usize, usize));

const LAYERS: &[Layer] = &[
    ("resnet stem", 32, (3, 16), (3, 1, 1)),
    ("resnet stage 1", 32, (16, 16), (3, 1, 1)),
    ("resnet to stage 2", 32, (16, 32), (3, 2, 1)),
    ("resnet stage 2", 16, (32, 32), (3, 1, 1)),
    ("resnet to stage 3", 16, (32, 64), (3, 2, 1)),
    ("resnet stage 3", 8, (64, 64), (3, 1, 1)),
    ("bottleneck narrows 1", 32, (64, 16), (1, 1, 0)),
    ("bottleneck widens 1", 32, (16, 64), (1, 1, 0)),
    ("bottleneck to stage 2", 32, (64, 32), (1, 2, 0)),
    ("bottleneck narrows 2", 16, (128, 32), (1, 1, 0)),
    ("bottleneck widens 2", 16, (32, 128), (1, 1, 0)),
    ("bottleneck narrows 3", 8, (256, 64), (1, 1, 0)),
    ("bottleneck widens 3", 8, (64, 256), (1, 1, 0)),
    ("mnist resnet stem", 28, (1, 16), (3, 1, 1)),
    ("mnist resnet stage 1", 28, (16, 16), (3, 1, 1)),
    ("mnist resnet stage 2", 14, (32, 32), (3, 1, 1)),
    ("mnist resnet stage 3", 7, (64, 64), (3, 1, 1)),
    ("lenet 1", 28, (1, 20), (5, 1, 0)),
    ("lenet 2", 12, (20, 50), (5, 1, 0)),
    ("shallow 1", 32, (3, 32), (5, 1, 2)),
    ("shallow 2", 16, (32, 32), (5, 1, 2)),
    ("shallow 3", 8, (32, 64), (5, 1, 2)),
    ("photo128 stem", 128, (3, 64), (7, 2, 3)),
    ("photo128 stage 1", 32, (64, 64), (3, 1, 1)),
    ("photo128 to stage 2", 32, (64, 128), (3, 2, 1)),
    ("photo128 stage 2", 16, (128, 128), (3, 1, 1)),
    ("photo128 to stage 3", 16, (128, 256), (3, 2, 1)),
    ("photo128 stage 3", 8, (256, 256), (3, 1, 1)),
    ("photo128 to stage 4", 8, (256, 512), (3, 2, 1)),
    ("photo128 stage 4", 4, (512, 512), (3, 1, 1)),
    ("photo128 shortcut 2", 32, (64, 128), (1, 2, 0)),
    ("photo128 shortcut 4", 8, (256, 512), (1, 2, 0)),
    ("photo128 widens 1", 32, (64, 256), (1, 1, 0)),
    ("photo128 narrows 2", 16, (512, 128), (1, 1, 0)),
    ("photo128 narrows 4", 4, (2048, 512), (1, 1, 0)),
    ("photo224 stem", 224, (3, 64), (7, 2, 3)),
    ("photo224 stage 1", 56, (64, 64), (3, 1, 1)),
    ("photo224 stage 2", 28, (128, 128), (3, 1, 1)),
    ("photo224 stage 3", 14, (256, 256), (3, 1, 1)),
    ("photo224 stage 4", 7, (512, 512), (3, 1, 1)),
];

/// Images of a batch: of nets for photographs, as many as people take.
fn batch_of(layer: &str) -> usize {
    if layer.starts_with("photo") { 32 } else { 128 }
}

struct Options {
    threads: Vec<usize>,
    isas: Vec<Isa>,
    layers: Vec<String>,
    rounds: usize,
    exact: Vec<bool>,
    best: bool,
    busy: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        threads: vec![],
        isas: vec![],
        layers: vec![],
        rounds: 5,
        exact: vec![false, true],
        best: false,
        busy: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{flag}: expected a value"));
        match flag.as_str() {
            "--threads" => options.threads.push(value()?.parse().map_err(|e| format!("--threads: {e}"))?),
            "--isa" => options.isas.push(value()?.parse()?),
            "--layer" => options.layers.push(value()?),
            "--rounds" => options.rounds = value()?.parse().map_err(|e| format!("--rounds: {e}"))?,
            "--best" => options.best = true,
            "--busy" => options.busy = true,
            "--exact-only" => options.exact = vec![true],
            "--bench" => {} // cargo's own
            _ => return Err(format!("unknown argument {flag}")),
        }
    }
    if options.threads.is_empty() {
        options.threads = vec![1, 2];
    }
    if options.isas.is_empty() {
        options.isas = Isa::supported().collect();
    }
    Ok(options)
}

/// Numbers that start on a cache line, as activations in the engine do.
struct Numbers {
    memory: AlignedBuffer,
    len: usize,
}

impl Numbers {
    fn new(len: usize, value: impl Fn(usize) -> f32) -> Self {
        let mut memory = AlignedBuffer::default();
        memory.get(len).iter_mut().enumerate().for_each(|(i, number)| *number = value(i));
        Self { memory, len }
    }

    fn get(&mut self) -> &mut [f32] {
        self.memory.get(self.len)
    }
}

struct Bench {
    conv: Conv2d,
    x: Numbers,
    weight: Numbers,
    dy: Numbers,
    y: Numbers,
    dx: Numbers,
    dw: Numbers,
    rates: [Vec<f64>; 3],
}

impl Bench {
    fn new(conv: Conv2d) -> Self {
        let shape = *conv.shape();
        let numbers = |len| Numbers::new(len, |i| ((i * 7919) % 1009) as f32 / 504.5 - 1.0);
        let zeros = |len| Numbers::new(len, |_| 0.0);
        let (x, y) = (shape.batch * shape.inputs_per_image(), shape.batch * shape.outputs_per_image());
        Self {
            conv,
            x: numbers(x),
            weight: numbers(shape.weights()),
            dy: numbers(y),
            y: zeros(y),
            dx: zeros(x),
            dw: zeros(shape.weights()),
            rates: Default::default(),
        }
    }

    fn flop(&self) -> f64 {
        let shape = self.conv.shape();
        2.0 * (self.y.len * shape.c_in * shape.kernel * shape.kernel) as f64
    }

    fn round(&mut self, threads: &Threads, scratch: &mut Scratch, busy: bool) {
        let seconds = |call: &mut dyn FnMut()| if busy { busy_seconds(call) } else { seconds(call) };
        let gflop = self.flop() / 1e9;
        let Self { conv, rates, .. } = self;
        let (x, weight, dy) = (self.x.get(), self.weight.get(), self.dy.get());
        let (y, dx, dw) = (self.y.get(), self.dx.get(), self.dw.get());
        // The first call finds its memory cold, as it would after another layer's.
        rates[0].push(gflop / seconds(&mut || conv.forward(threads, x, weight, Epilogue::None, y, scratch)));
        if conv.shape().c_in > 3 {
            rates[1].push(gflop / seconds(&mut || conv.backward_data(threads, dy, weight, false, dx, scratch)));
        }
        rates[2].push(gflop / seconds(&mut || conv.backward_weights(threads, x, dy, dw, scratch)));
    }
}

fn main() {
    let options = options().unwrap_or_else(|message| {
        eprintln!("bench_conv: {message}");
        std::process::exit(2)
    });
    for &count in &options.threads {
        let threads = Threads::new(count).expect("threads");
        for &isa in &options.isas {
            run(&options, &threads, isa);
        }
    }
}

fn run(options: &Options, threads: &Threads, isa: Isa) {
    let mut scratch = Scratch::default();
    let mut benches = Vec::new();
    for &(name, side, (c_in, c_out), (kernel, stride, padding)) in LAYERS {
        if !options.layers.is_empty() && !options.layers.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let shape =
            ConvShape { batch: batch_of(name), height: side, width: side, c_in, c_out, kernel, stride, padding };
        let convs: Vec<_> = options.exact.iter().map(|&exact| Conv2d::new(shape, isa, exact)).collect();
        for (i, conv) in convs.iter().enumerate() {
            if i == 0 || conv.algorithm() != convs[0].algorithm() {
                benches.push((name, Bench::new(conv.clone())));
            }
        }
    }
    let peak = peak(threads, isa);
    println!("\n{isa}, {} thread(s): peak {peak:.0} GFLOP/s", threads.count());
    println!("{:22} {:9} {:>13} {:>13} {:>15}", "layer", "algorithm", "forward", "backward data", "backward weights");
    for round in 0..=options.rounds {
        for (_, bench) in &mut benches {
            bench.round(threads, &mut scratch, options.busy);
            if round == 0 {
                bench.rates = Default::default(); // warming up
            }
        }
    }
    for (name, bench) in &mut benches {
        let figures: Vec<String> = bench.rates.iter_mut().map(|rates| figure(rates, options.best, peak)).collect();
        println!("{name:22} {:9} {:>13} {:>13} {:>15}", bench.conv.algorithm(), figures[0], figures[1], figures[2]);
    }
}

fn figure(rates: &mut [f64], best: bool, peak: f64) -> String {
    rates.sort_by(f64::total_cmp);
    let Some(rate) = rates.get(if best { rates.len().saturating_sub(1) } else { rates.len() / 2 }) else {
        return "-".to_owned();
    };
    format!("{rate:.0} ({:.0}%)", 100.0 * rate / peak)
}
