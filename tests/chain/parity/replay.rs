//! Replays a recorded run on an engine, and compares all that it computes with a fixture.

use artifacts::batches::Batches;
use kernels::engine::{Augmentation, Batch, DataSet, Engine, Optimizer, Split, Update};
use kernels::graph::{Graph, TensorSpec};

use super::fixture::{Comparison, Fixture, Limits};

const BN_MOMENTUM: f64 = 0.1;

/// Batches that the fixture's re-estimated statistics are the mean over.
const REESTIMATED: usize = 3;

/// What a run starts from.
pub(super) struct Start {
    pub(super) graph: Graph,
    pub(super) data: DataSet,
    pub(super) parameters: Vec<Vec<f32>>,
    pub(super) buffers: Vec<Vec<f32>>,
    pub(super) batches: Batches,
}

impl Start {
    fn indices(&self, step: usize) -> &[u32] {
        &self.batches.indices[step * self.batches.batch_size..][..self.batches.batch_size]
    }

    fn augmentations(&self, step: usize) -> Vec<Augmentation> {
        let recorded = &self.batches;
        let at = step * recorded.batch_size..(step + 1) * recorded.batch_size;
        at.map(|i| Augmentation {
            flip: recorded.flip[i] == 1,
            crop_y: recorded.crop_y[i],
            crop_x: recorded.crop_x[i],
            part: None,
        })
        .collect()
    }

    fn plain(&self, step: usize) -> Batch<'_> {
        Batch { split: Split::Train, indices: self.indices(step), augmentations: &[] }
    }

    fn steps(&self) -> usize {
        self.batches.indices.len() / self.batches.batch_size
    }
}

/// Compares the logits at the start and the whole first step.
pub(super) fn first_step(
    engine: &mut dyn Engine,
    start: &Start,
    fixture: &Fixture,
    limits: &Limits,
    compare: &mut Comparison,
) {
    let right = &fixture.float64;
    engine.set_state(&start.parameters, &start.buffers).unwrap();
    compare.list("logits_start", &logits(engine, start), &right.logits_start, limits.forward);
    let outcome = step(engine, start, fixture, 0);
    compare.list("loss_1", &[outcome.0], &right.losses[..1], limits.forward);
    compare.list("gradient_norm_1", &[outcome.1], &right.gradient_norms[..1], limits.gradient);
    assert_eq!(outcome.2, right.correct[0], "images right at the first step");
    let graph = &start.graph;
    let gradients = engine.gradients().unwrap();
    compare.tensors("gradients_1", named(&graph.parameters, &gradients), &right.gradients_1, limits.gradient);
    let weights = engine.parameters().unwrap();
    compare.tensors("weights_1", named(&graph.parameters, &weights), &right.weights_1, limits.first_change);
    let buffers = engine.buffers().unwrap();
    compare.tensors("buffers_1", named(&graph.buffers, &buffers), &right.buffers_1, limits.forward);
}

/// Compares the steps after the first, and what they lead to.
pub(super) fn later_steps(
    engine: &mut dyn Engine,
    start: &Start,
    fixture: &Fixture,
    limits: &Limits,
    compare: &mut Comparison,
) {
    let right = &fixture.float64;
    let outcomes: Vec<_> = (1..start.steps()).map(|number| step(engine, start, fixture, number)).collect();
    let losses: Vec<f64> = outcomes.iter().map(|outcome| outcome.0).collect();
    compare.list("losses", &losses, &right.losses[1..], limits.course);
    let norms: Vec<f64> = outcomes.iter().map(|outcome| outcome.1).collect();
    compare.list("gradient_norms", &norms, &right.gradient_norms[1..], limits.course);
    let graph = &start.graph;
    let weights = engine.parameters().unwrap();
    compare.tensors("weights_last", named(&graph.parameters, &weights), &right.weights_last, limits.whole_change);
    let buffers = engine.buffers().unwrap();
    compare.tensors("buffers_last", named(&graph.buffers, &buffers), &right.buffers_last, limits.state);
    compare.list("logits_last", &logits(engine, start), &right.logits_last, limits.state);
    let batches: Vec<Batch> = (0..REESTIMATED).map(|step| start.plain(step)).collect();
    let buffers = engine.batch_statistics(&batches).unwrap();
    compare.tensors("buffers_reestimated", named(&graph.buffers, &buffers), &right.buffers_reestimated, limits.state);
}

/// (loss, norm of the gradient, images right) of step `number`, from 0.
fn step(engine: &mut dyn Engine, start: &Start, fixture: &Fixture, number: usize) -> (f64, f64, usize) {
    let augmentations = start.augmentations(number);
    let batch = Batch { split: Split::Train, indices: start.indices(number), augmentations: &augmentations };
    let update = Update {
        optimizer: Optimizer::Sgd { nesterov: false },
        lr: fixture.lr,
        momentum: fixture.momentum,
        weight_decay: fixture.weight_decay,
    };
    let outcome = engine.train_step(&batch, BN_MOMENTUM, &update).unwrap();
    (outcome.loss, outcome.grad_norm, outcome.correct)
}

fn logits(engine: &mut dyn Engine, start: &Start) -> Vec<f64> {
    engine.logits(&start.plain(0), None).unwrap().into_iter().map(f64::from).collect()
}

/// Values under their names.
pub(super) fn named<'a>(specs: &'a [TensorSpec], values: &'a [Vec<f32>]) -> impl Iterator<Item = (&'a str, &'a [f32])> {
    specs.iter().map(|spec| spec.name.as_str()).zip(values.iter().map(Vec::as_slice))
}
