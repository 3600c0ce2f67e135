//! What every engine has to do, checked against the reference engine: written once, run on each device.

use kernels::engine::{Batch, Engine, Evaluation, Optimizer, OptimizerState, Split, StepOutcome, Update};
use kernels::graph::Graph;
use kernels::input;
use kernels::reference::CandleEngine;

use crate::nets;
use crate::subjects::{BATCH, Subject};

const OPTIMIZERS: [Optimizer; 7] = [
    Optimizer::Sgd { nesterov: false },
    Optimizer::Sgd { nesterov: true },
    Optimizer::Adagrad,
    Optimizer::Adadelta,
    Optimizer::RmsProp,
    Optimizer::Adam,
    Optimizer::AdamW,
];
pub(crate) const SGD: Update =
    Update { optimizer: Optimizer::Sgd { nesterov: false }, lr: 0.05, momentum: 0.9, weight_decay: 1e-3 };

fn candle(graph: &Graph) -> CandleEngine {
    let mut engine = CandleEngine::new(graph, &nets::data(graph), BATCH, candle_core::Device::Cpu, 1).unwrap();
    let (parameters, buffers) = nets::state(graph);
    engine.set_state(&parameters, &buffers).unwrap();
    engine
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

/// The length of the difference as a share of the length. Adaptive steps divide gradients near 0 by themselves, so single
/// numbers may well be far apart.
fn share_apart(found: &[f32], expected: &[f32]) -> f64 {
    let length = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    length(&mut found.iter().zip(expected).map(|(a, b)| a - b)) / length(&mut expected.iter().copied())
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

pub(crate) fn loss_gradients_and_running_statistics(subject: &Subject) {
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
            let mut engine = subject.open(graph);
            let what = format!("{}, {}, {} images:", net.name, subject.name, batch.indices.len());
            assert_same_outcome(&what, engine.gradients_of(&batch, 0.3).unwrap(), expected);
            let (found, wanted) = (engine.gradients().unwrap(), reference.gradients().unwrap());
            assert_close(&what, &parameter_names(graph), &found, &wanted, 1e-4);
            let (found, wanted) = (engine.buffers().unwrap(), reference.buffers().unwrap());
            assert_close(&what, &buffer_names(graph), &found, &wanted, 1e-5);
            assert_eq!(engine.parameters().unwrap(), nets::state(graph).0, "{what} parameters moved");
        }
    }
}

/// Of larger images a net sees the part that an augmentation says, or the centre; and those of another batch do not linger.
pub(crate) fn larger_images_are_cut_and_scaled(subject: &Subject) {
    let (graph, _) = nets::narrow();
    let (mut engine, mut reference) = (subject.open(&graph), candle(&graph));
    let indices: Vec<u32> = (0..BATCH as u32).map(|i| (i * 7 + 3) % nets::IMAGES as u32).collect();
    let augmentations = nets::parts(BATCH);
    let parts = Batch { split: Split::Train, indices: &indices, augmentations: &augmentations };
    let mut losses = Vec::new();
    for batch in [parts, Batch::plain(Split::Train, &indices), Batch::plain(Split::Test, &indices[..3]), parts] {
        let expected = reference.gradients_of(&batch, 0.3).unwrap();
        let what = format!("{}, {} images", subject.name, batch.indices.len());
        assert_same_outcome(&what, engine.gradients_of(&batch, 0.3).unwrap(), expected);
        let (found, wanted) = (engine.gradients().unwrap(), reference.gradients().unwrap());
        assert_close(&what, &parameter_names(&graph), &found, &wanted, 1e-4);
        assert!(distance(&engine.logits(&batch, None).unwrap(), &reference.logits(&batch, None).unwrap()) < 1e-4);
        losses.push(expected.loss);
    }
    assert!(losses[0] != losses[1] && losses[0] == losses[3], "{losses:?}");
    // What the reference sees is what anybody sees who cuts by hand.
    let data = nets::data(&graph);
    let seen = input::seen(&data, graph.nodes[0].shape, &parts).unwrap();
    let third = &seen[2 * 8 * 6 * 3..][..8 * 6 * 3];
    let by_hand = (0..8 * 6 * 3).map(|i| {
        let (y, x, c) = (i / 18, i / 3 % 6, i % 3);
        data.train.pixels[((indices[2] as usize * 3 + c) * 11 + y + 3) * 9 + (5 - x) + 3]
    });
    assert!(third.iter().copied().eq(by_hand));
}

pub(crate) fn weights_after_steps_of_every_optimizer(subject: &Subject) {
    for graph in [nets::residual(true), nets::frozen(true)] {
        weights_after_steps(subject, &graph);
    }
}

fn weights_after_steps(subject: &Subject, graph: &Graph) {
    for optimizer in OPTIMIZERS {
        let (mut engine, mut reference) = (subject.open(graph), candle(graph));
        let lr = if optimizer == Optimizer::Adadelta { 1.0 } else { 0.001 };
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
        let what = format!("{} {optimizer:?}", subject.name);
        let start = nets::state(graph).0.concat();
        let moved =
            |weights: Vec<Vec<f32>>| -> Vec<f32> { weights.concat().iter().zip(&start).map(|(w, s)| w - s).collect() };
        let (found, expected) = (moved(engine.parameters().unwrap()), moved(reference.parameters().unwrap()));
        let apart = share_apart(&found, &expected);
        assert!(apart < 2e-2, "{what}: weights moved {apart} of their way apart");
        let (found, expected) = (engine.optimizer_state().unwrap(), reference.optimizer_state().unwrap());
        assert_eq!(found.updates, 4);
        for ((name, found), (wanted, expected)) in found.slots.iter().zip(&expected.slots) {
            assert_eq!(name, wanted);
            let apart = share_apart(&found.concat(), &expected.concat());
            assert!(apart < 2e-2, "{what} {name}: {apart} apart");
        }
        assert_eq!(found.slots.len(), expected.slots.len());
        for ((rate, found), start) in graph.rates.iter().zip(engine.parameters().unwrap()).zip(nets::state(graph).0) {
            assert!(*rate > 0.0 || found == start, "{what}: what is frozen moved");
        }
    }
}

pub(crate) fn evaluation_and_logits(subject: &Subject) {
    for net in nets::all() {
        let graph = &net.graph;
        let indices: Vec<u32> = (0..nets::IMAGES as u32).rev().collect();
        let batch = Batch { split: Split::Test, indices: &indices, augmentations: &[] };
        let mut reference = candle(graph);
        let other = nets::state(graph).1.into_iter().map(|b| b.iter().map(|v| v.abs() * 0.5 + 0.2).collect()).collect();
        let mut engine = subject.open(graph);
        for statistics in [None, Some(&other)] {
            let what = format!("{}, {}", net.name, subject.name);
            let found = engine.logits(&batch, statistics).unwrap();
            let expected = reference.logits(&batch, statistics).unwrap();
            assert!(distance(&found, &expected) < 2e-5, "{what}\n{found:?}\n{expected:?}");
            let Evaluation { loss_sum, correct, count } = engine.evaluate(&batch, statistics).unwrap();
            let expected = reference.evaluate(&batch, statistics).unwrap();
            assert!((loss_sum - expected.loss_sum).abs() < 1e-4 * expected.loss_sum, "{what}");
            assert_eq!((correct, count), (expected.correct, nets::IMAGES), "{what}");
            let (again, classes) = engine.classify(&batch, statistics).unwrap();
            assert_eq!((again.loss_sum.to_bits(), again.correct), (loss_sum.to_bits(), correct), "{what}");
            assert_eq!(classes, reference.classify(&batch, statistics).unwrap().1, "{what}");
        }
    }
}

pub(crate) fn statistics_of_batches_are_plain_means(subject: &Subject) {
    let graph = nets::residual(false);
    let (first, second) = ([0, 3, 6, 9, 12], [1, 4, 7, 10]);
    let batch = |indices| Batch { split: Split::Train, indices, augmentations: &[] };
    let batches = [batch(&first[..]), batch(&second[..])];
    let (mut engine, mut reference) = (subject.open(&graph), candle(&graph));
    let found = engine.batch_statistics(&batches).unwrap();
    let expected = reference.batch_statistics(&batches).unwrap();
    assert_close("statistics", &buffer_names(&graph), &found, &expected, 1e-5);
    assert_eq!(engine.buffers().unwrap(), nets::state(&graph).1, "the running ones stay");
    // With momentum 1 the running statistics are the batch's.
    engine.gradients_of(&batches[0], 1.0).unwrap();
    let once = subject.open(&graph).batch_statistics(&batches[..1]).unwrap();
    assert_eq!(engine.buffers().unwrap(), once);
}

pub(crate) fn a_restored_engine_goes_on_with_the_same_bits(subject: &Subject) {
    let graph = nets::residual(false);
    let indices: Vec<u32> = (0..BATCH as u32).collect();
    let batch = Batch { split: Split::Train, indices: &indices, augmentations: &[] };
    for optimizer in OPTIMIZERS {
        let update = Update { optimizer, ..SGD };
        let mut straight = subject.open(&graph);
        straight.train_step(&batch, 0.1, &update).unwrap();
        let state = straight.optimizer_state().unwrap();
        let mut resumed = subject.open(&graph);
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

pub(crate) fn an_evaluation_between_steps_changes_nothing(subject: &Subject) {
    let graph = nets::residual(true);
    let indices: Vec<u32> = (0..BATCH as u32).collect();
    let batch = Batch { split: Split::Train, indices: &indices, augmentations: &[] };
    let (mut straight, mut interrupted) = (subject.open(&graph), subject.open(&graph));
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

pub(crate) fn numbers_that_blow_up_are_an_outcome(subject: &Subject) {
    let graph = nets::residual(false);
    let mut engine = subject.open(&graph);
    let indices: Vec<u32> = (0..BATCH as u32).collect();
    let batch = Batch { split: Split::Train, indices: &indices, augmentations: &[] };
    let update = Update { lr: 1e30, ..SGD };
    let losses: Vec<f64> = (0..4).map(|_| engine.train_step(&batch, 0.1, &update).unwrap().loss).collect();
    assert!(losses[0].is_finite() && !losses[3].is_finite(), "{losses:?}");
    assert!(engine.parameters().unwrap().iter().flatten().any(|value| !value.is_finite()));
    assert!(!engine.evaluate(&batch, None).unwrap().loss_sum.is_finite());
}

pub(crate) fn what_does_not_fit_is_refused_by_name(subject: &Subject) {
    let graph = nets::residual(false);
    let mut engine = subject.open(&graph);
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

pub(crate) fn outcomes_that_come_late_are_those_that_come_at_once(subject: &Subject) {
    let graph = nets::residual(false);
    let (mut at_once, mut late) = (subject.open(&graph), subject.open(&graph));
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    for step in 0..70u32 {
        let indices: Vec<u32> = (0..BATCH as u32).map(|i| (i * 5 + step * 3) % nets::IMAGES as u32).collect();
        let batch = Batch { split: Split::Train, indices: &indices, augmentations: &[] };
        expected.push(at_once.train_step(&batch, 0.1, &SGD).unwrap());
        found.extend(late.begin_step(&batch, 0.1, &SGD).unwrap());
        if step == 2 {
            late.evaluate(&batch, None).unwrap();
            found.extend(late.outcomes().unwrap());
            assert_eq!(found.len(), 3, "{}", subject.name);
        }
    }
    found.extend(late.outcomes().unwrap());
    assert_eq!(found, expected, "{}", subject.name);
    assert_eq!(late.outcomes().unwrap(), [], "{}", subject.name);
    assert_eq!(late.parameters().unwrap(), at_once.parameters().unwrap());
}

pub(crate) fn weights_that_are_not_finite_are_seen_at_their_step(subject: &Subject) {
    let graph = nets::residual(false);
    let mut engine = subject.open(&graph);
    let indices: Vec<u32> = (0..BATCH as u32).collect();
    let batch = Batch { split: Split::Train, indices: &indices, augmentations: &[] };
    for lr in [0.1, 1e38, 1e38, 1e38] {
        let outcome = engine.train_step(&batch, 0.1, &Update { lr, ..SGD }).unwrap();
        let finite = engine.parameters().unwrap().iter().flatten().all(|value| value.is_finite());
        assert!(outcome.weights_finite.is_none_or(|found| found == finite), "{} {lr}: {outcome:?}", subject.name);
    }
    assert!(!engine.parameters().unwrap().iter().flatten().all(|value| value.is_finite()));
}

/// How far one engine is from another on the same step, as shares: loss, and every gradient.
pub(crate) fn distances(found: &Subject, expected: &Subject, graph: &Graph) -> (f64, f32) {
    let (mut found, mut expected) = (found.open(graph), expected.open(graph));
    let indices: Vec<u32> = (0..BATCH as u32).collect();
    let batch = Batch { split: Split::Train, indices: &indices, augmentations: &nets::augmentations(BATCH) };
    let losses = (found.gradients_of(&batch, 0.1).unwrap().loss, expected.gradients_of(&batch, 0.1).unwrap().loss);
    let (found, expected) = (found.gradients().unwrap().concat(), expected.gradients().unwrap().concat());
    ((losses.0 / losses.1 - 1.0).abs(), distance(&found, &expected))
}
