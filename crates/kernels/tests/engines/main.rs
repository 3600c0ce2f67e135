//! The engine for the processor against the reference engine, whole nets.

mod nets;

use candle_core::Device;
use kernels::cpu::{CpuEngine, CpuOptions};
use kernels::engine::{Batch, Engine, Evaluation, Optimizer, OptimizerState, Split, StepOutcome, Update};
use kernels::graph::Graph;
use kernels::isa::Isa;
use kernels::reference::CandleEngine;

const BATCH: usize = 10;
const OPTIMIZERS: [Optimizer; 7] = [
    Optimizer::Sgd { nesterov: false },
    Optimizer::Sgd { nesterov: true },
    Optimizer::Adagrad,
    Optimizer::Adadelta,
    Optimizer::RmsProp,
    Optimizer::Adam,
    Optimizer::AdamW,
];
const SGD: Update =
    Update { optimizer: Optimizer::Sgd { nesterov: false }, lr: 0.05, momentum: 0.9, weight_decay: 1e-3 };

fn cpu(graph: &Graph, isa: Isa, threads: usize, exact_conv: bool) -> CpuEngine {
    let options = CpuOptions { threads, isa, exact_conv };
    ready(CpuEngine::new(graph, &nets::data(graph), BATCH, options).unwrap(), graph)
}

fn candle(graph: &Graph) -> CandleEngine {
    ready(CandleEngine::new(graph, &nets::data(graph), BATCH, Device::Cpu).unwrap(), graph)
}

fn ready<E: Engine>(mut engine: E, graph: &Graph) -> E {
    let (parameters, buffers) = nets::state(graph);
    engine.set_state(&parameters, &buffers).unwrap();
    engine
}

fn isas() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_supported())
}

/// The largest difference, as a share of the largest number.
fn distance(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(5e-3f32, |max, v| max.max(v.abs()));
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest
}

fn assert_close(what: &str, names: &[String], found: &[Vec<f32>], expected: &[Vec<f32>], tolerance: f32) {
    for ((name, found), expected) in names.iter().zip(found).zip(expected) {
        let distance = distance(found, expected);
        assert!(distance <= tolerance, "{what} {name}: {distance} apart\n{found:?}\n{expected:?}");
    }
}

fn parameter_names(graph: &Graph) -> Vec<String> {
    graph.parameters.iter().map(|spec| spec.name.clone()).collect()
}

fn buffer_names(graph: &Graph) -> Vec<String> {
    graph.buffers.iter().map(|spec| spec.name.clone()).collect()
}

fn assert_same_outcome(what: &str, found: StepOutcome, expected: StepOutcome) {
    assert!((found.loss - expected.loss).abs() < 1e-5 * expected.loss.max(1.0), "{what}: {found:?} {expected:?}");
    assert_eq!(found.correct, expected.correct, "{what}");
    assert!((found.grad_norm / expected.grad_norm - 1.0).abs() < 1e-4, "{what}: {found:?} {expected:?}");
}

#[test]
fn loss_gradients_and_running_statistics() {
    for net in nets::all() {
        let graph = &net.graph;
        let indices: Vec<u32> = (0..BATCH as u32).map(|i| (i * 7 + 3) % nets::IMAGES as u32).collect();
        let augmentations = nets::augmentations(BATCH);
        let full = Batch { split: Split::Train, indices: &indices, augmentations: &augmentations };
        let small = Batch { split: Split::Test, indices: &indices[..3], augmentations: &[] };
        let single = Batch { split: Split::Test, indices: &indices[..1], augmentations: &[] };
        for batch in [full, small].into_iter().chain(net.single.then_some(single)) {
            let mut reference = candle(graph);
            let expected = reference.gradients_of(&batch, 0.3).unwrap();
            for (isa, exact) in isas().flat_map(|isa| [(isa, true), (isa, false)]) {
                let mut engine = cpu(graph, isa, 2, exact);
                let what = format!("{}, {isa}, exact {exact}, {} images:", net.name, batch.indices.len());
                assert_same_outcome(&what, engine.gradients_of(&batch, 0.3).unwrap(), expected);
                let (found, wanted) = (engine.gradients().unwrap(), reference.gradients().unwrap());
                assert_close(&what, &parameter_names(graph), &found, &wanted, 1e-4);
                let (found, wanted) = (engine.buffers().unwrap(), reference.buffers().unwrap());
                assert_close(&what, &buffer_names(graph), &found, &wanted, 1e-5);
                assert_eq!(engine.parameters().unwrap(), nets::state(graph).0, "{what} parameters moved");
            }
        }
    }
}

#[test]
fn weights_after_steps_of_every_optimizer() {
    let graph = nets::residual(true);
    for optimizer in OPTIMIZERS {
        let (mut engine, mut reference) = (cpu(&graph, Isa::detect(), 2, true), candle(&graph));
        let lr = if optimizer == Optimizer::Adadelta { 1.0 } else { 0.01 };
        for step in 0..4u32 {
            let indices: Vec<u32> = (0..BATCH as u32).map(|i| (i * 5 + step * 3) % nets::IMAGES as u32).collect();
            let batch = Batch { split: Split::Train, indices: &indices, augmentations: &[] };
            // Rate and momentum change from step to step, as in 1cycle.
            let update = Update {
                optimizer,
                lr: lr * (1.0 + f64::from(step)),
                momentum: 0.9 - 0.1 * f64::from(step),
                weight_decay: 1e-2,
            };
            let found = engine.train_step(&batch, 0.1, &update).unwrap();
            let expected = reference.train_step(&batch, 0.1, &update).unwrap();
            assert!((found.loss - expected.loss).abs() < 2e-3, "{optimizer:?} {step}: {found:?} {expected:?}");
        }
        let names = parameter_names(&graph);
        let what = format!("{optimizer:?}");
        // Adaptive steps divide gradients near 0 by themselves.
        assert_close(&what, &names, &engine.parameters().unwrap(), &reference.parameters().unwrap(), 2e-2);
        let (found, expected) = (engine.optimizer_state().unwrap(), reference.optimizer_state().unwrap());
        assert_eq!(found.updates, 4);
        for ((name, found), (wanted, expected)) in found.slots.iter().zip(&expected.slots) {
            assert_eq!(name, wanted);
            assert_close(&format!("{what} {name}"), &names, found, expected, 2e-2);
        }
        assert_eq!(found.slots.len(), expected.slots.len());
    }
}

#[test]
fn evaluation_and_logits() {
    for net in nets::all() {
        let graph = &net.graph;
        let indices: Vec<u32> = (0..nets::IMAGES as u32).rev().collect();
        let batch = Batch { split: Split::Test, indices: &indices, augmentations: &[] };
        let mut reference = candle(graph);
        let other = nets::state(graph).1.into_iter().map(|b| b.iter().map(|v| v.abs() * 0.5 + 0.2).collect()).collect();
        for isa in isas() {
            let mut engine = cpu(graph, isa, 2, false);
            for statistics in [None, Some(&other)] {
                let found = engine.logits(&batch, statistics).unwrap();
                let expected = reference.logits(&batch, statistics).unwrap();
                assert!(distance(&found, &expected) < 2e-5, "{} {isa}\n{found:?}\n{expected:?}", net.name);
                let Evaluation { loss_sum, correct, count } = engine.evaluate(&batch, statistics).unwrap();
                let expected = reference.evaluate(&batch, statistics).unwrap();
                assert!((loss_sum - expected.loss_sum).abs() < 1e-4 * expected.loss_sum, "{}", net.name);
                assert_eq!((correct, count), (expected.correct, nets::IMAGES));
            }
        }
    }
}

#[test]
fn statistics_of_batches_are_plain_means() {
    let graph = nets::residual(false);
    let (first, second) = ([0, 3, 6, 9, 12], [1, 4, 7, 10]);
    let batch = |indices| Batch { split: Split::Train, indices, augmentations: &[] };
    let batches = [batch(&first[..]), batch(&second[..])];
    let (mut engine, mut reference) = (cpu(&graph, Isa::detect(), 2, false), candle(&graph));
    let found = engine.batch_statistics(&batches).unwrap();
    let expected = reference.batch_statistics(&batches).unwrap();
    assert_close("statistics", &buffer_names(&graph), &found, &expected, 1e-5);
    assert_eq!(engine.buffers().unwrap(), nets::state(&graph).1, "the running ones stay");
    // With momentum 1 the running statistics are the batch's.
    engine.gradients_of(&batches[0], 1.0).unwrap();
    let once = cpu(&graph, Isa::detect(), 2, false).batch_statistics(&batches[..1]).unwrap();
    assert_eq!(engine.buffers().unwrap(), once);
}

#[test]
fn bits_do_not_depend_on_threads() {
    for net in nets::all() {
        for isa in isas() {
            let results: Vec<_> = [1, 2, 7].map(|threads| run(&net.graph, isa, threads)).into();
            assert_eq!(results[0], results[1], "{} {isa}: 1 and 2 threads", net.name);
            assert_eq!(results[0], results[2], "{} {isa}: 1 and 7 threads", net.name);
        }
    }
}

/// Everything that three steps and an evaluation leave, as bits.
fn run(graph: &Graph, isa: Isa, threads: usize) -> Vec<u64> {
    let mut engine = cpu(graph, isa, threads, false);
    let mut bits = Vec::new();
    let indices: Vec<u32> = (0..BATCH as u32).collect();
    let augmentations = nets::augmentations(BATCH);
    let batch = Batch { split: Split::Train, indices: &indices, augmentations: &augmentations };
    for _ in 0..3 {
        let outcome = engine.train_step(&batch, 0.1, &SGD).unwrap();
        bits.extend([outcome.loss.to_bits(), outcome.grad_norm.to_bits()]);
    }
    bits.push(engine.evaluate(&batch, None).unwrap().loss_sum.to_bits());
    let (gradients, parameters) = (engine.gradients().unwrap(), engine.parameters().unwrap());
    let buffers = engine.buffers().unwrap();
    let all = gradients.iter().chain(&parameters).chain(&buffers).flatten();
    bits.extend(all.map(|value| u64::from(value.to_bits())));
    bits
}

#[test]
fn a_restored_engine_goes_on_with_the_same_bits() {
    let graph = nets::residual(false);
    let indices: Vec<u32> = (0..BATCH as u32).collect();
    let batch = Batch { split: Split::Train, indices: &indices, augmentations: &[] };
    for optimizer in OPTIMIZERS {
        let update = Update { optimizer, ..SGD };
        let mut straight = cpu(&graph, Isa::detect(), 2, false);
        straight.train_step(&batch, 0.1, &update).unwrap();
        let state = straight.optimizer_state().unwrap();
        let mut resumed = cpu(&graph, Isa::detect(), 2, false);
        resumed.set_state(&straight.parameters().unwrap(), &straight.buffers().unwrap()).unwrap();
        resumed.set_optimizer_state(&state).unwrap();
        assert_eq!(resumed.optimizer_state().unwrap(), state);
        assert_eq!(straight.evaluate(&batch, None).unwrap(), resumed.evaluate(&batch, None).unwrap());
        straight.train_step(&batch, 0.1, &update).unwrap();
        resumed.train_step(&batch, 0.1, &update).unwrap();
        assert_eq!(straight.parameters().unwrap(), resumed.parameters().unwrap(), "{optimizer:?}");
        assert_eq!(straight.optimizer_state().unwrap(), resumed.optimizer_state().unwrap());
        let mut reference = candle(&graph);
        reference.set_optimizer_state(&state).unwrap();
        assert_eq!(reference.optimizer_state().unwrap(), state);
    }
}

#[test]
fn an_evaluation_between_steps_changes_nothing() {
    let graph = nets::residual(true);
    let indices: Vec<u32> = (0..BATCH as u32).collect();
    let batch = Batch { split: Split::Train, indices: &indices, augmentations: &[] };
    let (mut straight, mut interrupted) = (cpu(&graph, Isa::detect(), 2, false), cpu(&graph, Isa::detect(), 2, false));
    for _ in 0..2 {
        straight.train_step(&batch, 0.1, &SGD).unwrap();
        interrupted.evaluate(&batch, None).unwrap();
        interrupted.train_step(&batch, 0.1, &SGD).unwrap();
        interrupted.batch_statistics(&[batch]).unwrap();
    }
    assert_eq!(straight.gradients().unwrap(), interrupted.gradients().unwrap());
    assert_eq!(straight.parameters().unwrap(), interrupted.parameters().unwrap());
    assert_eq!(straight.buffers().unwrap(), interrupted.buffers().unwrap());
}

#[test]
fn numbers_that_blow_up_are_an_outcome() {
    let graph = nets::residual(false);
    let mut engine = cpu(&graph, Isa::detect(), 2, false);
    let indices: Vec<u32> = (0..BATCH as u32).collect();
    let batch = Batch { split: Split::Train, indices: &indices, augmentations: &[] };
    let update = Update { lr: 1e30, ..SGD };
    let losses: Vec<f64> = (0..4).map(|_| engine.train_step(&batch, 0.1, &update).unwrap().loss).collect();
    assert!(losses[0].is_finite() && !losses[3].is_finite(), "{losses:?}");
    assert!(engine.parameters().unwrap().iter().flatten().any(|value| !value.is_finite()));
    assert!(!engine.evaluate(&batch, None).unwrap().loss_sum.is_finite());
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let graph = nets::residual(false);
    let mut engine = cpu(&graph, Isa::detect(), 1, false);
    let (mut parameters, buffers) = nets::state(&graph);
    parameters[1].push(0.0);
    let error = engine.set_state(&parameters, &buffers).unwrap_err().to_string();
    assert_eq!(error, "tensor stem_bn.weight: expected 16 numbers of shape [16], found 17");
    let slots = vec![("velocity".to_string(), nets::state(&graph).0)];
    let error = engine.set_optimizer_state(&OptimizerState { updates: 1, slots }).unwrap_err().to_string();
    assert!(error.starts_with("tensor velocity: expected an optimizer's state"), "{error}");
    let indices: Vec<u32> = (0..=BATCH as u32).collect();
    let batch = Batch { split: Split::Train, indices: &indices, augmentations: &[] };
    let error = engine.train_step(&batch, 0.1, &SGD).unwrap_err().to_string();
    assert_eq!(error, "batch: expected 1 to 10 images, found 11");
    let batch = Batch { indices: &indices[..2], ..batch };
    engine.train_step(&batch, 0.1, &SGD).unwrap();
    let adam = Update { optimizer: Optimizer::Adam, ..SGD };
    let error = engine.train_step(&batch, 0.1, &adam).unwrap_err().to_string();
    assert!(error.starts_with("tensor momentum_buffer: expected state of Adam"), "{error}");
}
