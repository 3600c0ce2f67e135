//! Gradient noise and critical rate, against what they mean.

#![forbid(unsafe_code)]

use kernels::device::{self, Device, EngineKind, Options, Precision};
use kernels::engine::{Batch, DataSet, Engine, Images, Optimizer, Split, Update};
use kernels::graph::Graph;
use kernels::isa::Isa;
use learner::initial::{self, Scheme};
use learner::probe::{critical_rate, gradient_noise};

const SIDE: usize = 8;
const IMAGES: usize = 48;

fn data() -> DataSet {
    let pixels = (0..IMAGES * SIDE * SIDE).map(|i| (i * i * 31 % 251) as u8).collect::<Vec<_>>();
    let labels = (0..IMAGES as u32).map(|i| i * 7 % 3).collect::<Vec<_>>();
    let images = Images { pixels: pixels.into(), labels: labels.into() };
    DataSet { shape: [1, SIDE, SIDE], classes: 3, mean: vec![0.5], std: vec![0.3], train: images.clone(), test: images }
}

fn net(batch_norm: bool) -> Graph {
    let (mut graph, input) = Graph::new(1, SIDE, SIDE);
    let mut x = graph.conv2d("conv", input, 4, 3, 1, 1, false);
    x = if batch_norm { graph.batch_norm("bn", x, None, true) } else { graph.relu(x) };
    let x = graph.global_avg_pool(x);
    graph.linear("fc", x, 3);
    graph
}

fn engine(graph: &Graph, batch: usize) -> Box<dyn Engine> {
    let options = Options {
        engine: EngineKind::Fast,
        threads: 2,
        isa: Isa::detect(),
        exact_conv: false,
        precision: Precision::Float32,
    };
    let mut engine = device::open(&Device::Cpu, graph, &data(), batch, &options).unwrap();
    let (parameters, buffers) = initial::draw(graph, 5, Scheme::from_name("kaiming").unwrap());
    engine.set_state(&parameters, &buffers).unwrap();
    engine
}

fn training_loss(engine: &mut dyn Engine, indices: &[u32]) -> f64 {
    engine.gradients_of(&Batch { split: Split::Train, indices, augmentations: &[] }, 0.0).unwrap().loss
}

#[test]
fn below_the_critical_rate_a_step_lowers_its_loss_and_above_it_does_not() {
    let indices: Vec<u32> = (0..16).collect();
    for (batch_norm, optimizer) in [
        (false, Optimizer::Sgd { nesterov: false }),
        (false, Optimizer::AdamW),
        (true, Optimizer::Sgd { nesterov: true }),
    ] {
        let graph = net(batch_norm);
        let mut engine = engine(&graph, 16);
        let (start, buffers) = (engine.parameters().unwrap(), engine.buffers().unwrap());
        let update = Update { optimizer, lr: 7.0, momentum: 0.9, weight_decay: 1e-3 };
        let critical = critical_rate(engine.as_mut(), &indices, &update).unwrap();
        let lr = critical.lr.unwrap();
        assert_eq!(engine.parameters().unwrap(), start, "the weights end as they were");
        assert_eq!(engine.buffers().unwrap(), buffers);
        assert!(engine.optimizer_state().unwrap().slots.is_empty());
        let mut after = |factor: f64| {
            engine.set_state(&start, &buffers).unwrap();
            engine.set_optimizer_state(&kernels::engine::OptimizerState::default()).unwrap();
            let before = training_loss(engine.as_mut(), &indices);
            let batch = Batch { split: Split::Train, indices: &indices, augmentations: &[] };
            engine.train_step(&batch, 0.0, &Update { lr: factor * lr, ..update }).unwrap();
            training_loss(engine.as_mut(), &indices) - before
        };
        assert!(after(0.8) < 0.0, "{optimizer:?} at {lr}");
        assert!(after(1.25) > 0.0, "{optimizer:?} at {lr}");
        assert!(critical.evaluations < 24, "{}", critical.evaluations);
    }
}

/// Of equal batches there is no noise, and the gradient is any of theirs.
#[test]
fn equal_batches_have_no_noise() {
    let graph = net(true);
    let mut engine = engine(&graph, 12);
    let batch: Vec<u32> = (0..12).collect();
    let outcome =
        engine.gradients_of(&Batch { split: Split::Train, indices: &batch, augmentations: &[] }, 0.0).unwrap();
    let noise = gradient_noise(engine.as_mut(), &[batch.clone(), batch.clone(), batch]).unwrap();
    assert!((noise.gradient_squared.sqrt() / outcome.grad_norm - 1.0).abs() < 1e-5);
    assert!(noise.variance.abs() < 1e-6 * noise.gradient_squared, "{noise:?}");
    assert!((noise.loss - outcome.loss).abs() < 1e-12);
}

/// Over all images, each a batch of its own, the estimates are the plain variance and mean of the images' gradients, with
/// n - 1 in the place of n.
#[test]
fn single_images_give_the_plain_variance() {
    let graph = net(false);
    let mut engine = engine(&graph, 1);
    let images: Vec<Vec<u32>> = (0..IMAGES as u32).map(|i| vec![i]).collect();
    let mut gradients: Vec<Vec<f64>> = Vec::new();
    for indices in &images {
        engine.gradients_of(&Batch { split: Split::Train, indices, augmentations: &[] }, 0.0).unwrap();
        gradients.push(engine.gradients().unwrap().into_iter().flatten().map(f64::from).collect());
    }
    let n = IMAGES as f64;
    let mean: Vec<f64> = (0..gradients[0].len()).map(|j| gradients.iter().map(|g| g[j]).sum::<f64>() / n).collect();
    let spread = |g: &Vec<f64>| g.iter().zip(&mean).map(|(g, m)| (g - m) * (g - m)).sum::<f64>();
    let variance = gradients.iter().map(spread).sum::<f64>() / (n - 1.0);
    let squared = mean.iter().map(|m| m * m).sum::<f64>() - variance / n;
    let noise = gradient_noise(engine.as_mut(), &images).unwrap();
    assert!((noise.variance / variance - 1.0).abs() < 1e-6, "{noise:?} {variance}");
    assert!((noise.gradient_squared / squared - 1.0).abs() < 1e-6, "{noise:?} {squared}");
    assert!((noise.scale().unwrap() - variance / squared).abs() < 1e-5 * variance / squared);
}
