//! The loop with an engine that returns outcomes late: the same records, checkpoints and endings as with one that returns
//! them at once.

#![forbid(unsafe_code)]

use std::sync::Arc;

use artifacts::ArtifactError;
use artifacts::checkpoint::Checkpoint;
use artifacts::metrics::{Metrics, TestMetrics};
use artifacts::run::{Config, Kind};
use kernels::device::{self, Device, EngineKind, Options, Precision};
use kernels::engine::{
    Batch, Buffers, DataSet, Engine, EngineError, Evaluation, Images, OptimizerState, StepOutcome, Update,
};
use kernels::graph::Graph;
use kernels::isa::Isa;
use learner::initial::{self, Scheme};
use learner::samples;
use learner::spec::RunSpec;
use learner::training::{Ending, Observer, Training};
use schedules::{Constant, RampScale, RangeRamp, Schedule};

const BATCH: usize = 8;
const IMAGES: usize = 60;

/// An engine that keeps outcomes until it is asked for them.
struct Late {
    engine: Box<dyn Engine>,
    outcomes: Vec<StepOutcome>,
}

impl Engine for Late {
    fn train_step(&mut self, batch: &Batch, bn_momentum: f64, update: &Update) -> Result<StepOutcome, EngineError> {
        self.engine.train_step(batch, bn_momentum, update)
    }

    fn begin_step(
        &mut self,
        batch: &Batch,
        bn_momentum: f64,
        update: &Update,
    ) -> Result<Option<StepOutcome>, EngineError> {
        let outcome = self.engine.train_step(batch, bn_momentum, update)?;
        let finite = self.engine.parameters()?.iter().flatten().all(|weight| weight.is_finite());
        self.outcomes.push(StepOutcome { weights_finite: Some(finite), ..outcome });
        Ok(None)
    }

    fn outcomes(&mut self) -> Result<Vec<StepOutcome>, EngineError> {
        Ok(std::mem::take(&mut self.outcomes))
    }

    fn gradients_of(&mut self, batch: &Batch, bn_momentum: f64) -> Result<StepOutcome, EngineError> {
        self.engine.gradients_of(batch, bn_momentum)
    }

    fn evaluate(&mut self, batch: &Batch, statistics: Option<&Buffers>) -> Result<Evaluation, EngineError> {
        self.engine.evaluate(batch, statistics)
    }

    fn logits(&mut self, batch: &Batch, statistics: Option<&Buffers>) -> Result<Vec<f32>, EngineError> {
        self.engine.logits(batch, statistics)
    }

    fn batch_statistics(&mut self, batches: &[Batch]) -> Result<Buffers, EngineError> {
        self.engine.batch_statistics(batches)
    }

    fn parameters(&self) -> Result<Vec<Vec<f32>>, EngineError> {
        self.engine.parameters()
    }

    fn gradients(&self) -> Result<Vec<Vec<f32>>, EngineError> {
        self.engine.gradients()
    }

    fn buffers(&self) -> Result<Buffers, EngineError> {
        self.engine.buffers()
    }

    fn set_state(&mut self, parameters: &[Vec<f32>], buffers: &Buffers) -> Result<(), EngineError> {
        self.engine.set_state(parameters, buffers)
    }

    fn optimizer_state(&self) -> Result<OptimizerState, EngineError> {
        self.engine.optimizer_state()
    }

    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError> {
        self.engine.set_optimizer_state(state)
    }

    fn description(&self) -> String {
        self.engine.description()
    }

    fn isa(&self) -> Option<Isa> {
        self.engine.isa()
    }
}

/// Keeps everything, asks for a checkpoint every 13 steps, and can stop a run.
#[derive(Default)]
struct Watch {
    lines: Vec<Metrics>,
    tests: Vec<TestMetrics>,
    checkpoints: Vec<Checkpoint>,
    stop_after: Option<usize>,
    steps: usize,
}

impl Observer for Watch {
    fn step_started(&mut self) {}

    fn step_finished(&mut self) {
        self.steps += 1;
    }

    fn metrics(&mut self, line: &Metrics) -> Result<(), ArtifactError> {
        self.lines.push(*line);
        Ok(())
    }

    fn test(&mut self, line: &TestMetrics) -> Result<(), ArtifactError> {
        self.tests.push(*line);
        Ok(())
    }

    fn checkpoint_due(&self, iteration: u64) -> bool {
        iteration.is_multiple_of(13)
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), ArtifactError> {
        self.checkpoints.push(checkpoint);
        Ok(())
    }

    fn interrupted(&self) -> bool {
        self.stop_after == Some(self.steps)
    }
}

fn data() -> DataSet {
    let images = |count: usize| Images {
        pixels: (0..count * 81).map(|i| (i * i % 251) as u8).collect::<Arc<[u8]>>(),
        labels: (0..count as u32).map(|i| i % 3).collect(),
    };
    let (train, test) = (images(IMAGES), images(10));
    DataSet { shape: [1, 9, 9], classes: 3, mean: vec![0.5], std: vec![0.3], train, test }
}

fn graph() -> Graph {
    let (mut g, x) = Graph::new(1, 9, 9);
    let x = g.conv2d("conv", x, 4, 3, 2, 1, false);
    let x = g.batch_norm("bn", x, None, true);
    let x = g.global_avg_pool(x);
    g.linear("fc", x, 3);
    g
}

fn spec(kind: Kind, schedule: &Schedule) -> RunSpec {
    let config = Config {
        kind,
        net: String::new(),
        shortcut: String::new(),
        seed: 1,
        batch_size: BATCH,
        iterations: 140,
        schedule: schedule.name().to_owned(),
        schedule_parameters: RunSpec::schedule_parameters(schedule),
        optimizer: "sgd".to_owned(),
        momentum: 0.9,
        weight_decay: 1e-4,
        bn_momentum: 0.1,
        bn_reestimate: 2,
        augment: "crop-flip".to_owned(),
        train_size: 0,
        normalise: String::new(),
        train_limit: None,
        val_from_train: 0.2,
        val_every: 30,
        test_every: 70,
        exact_conv: false,
        precision: "float32".to_owned(),
        engine: "fast".to_owned(),
        freeze: String::new(),
        freeze_bn: String::new(),
        group_rates: Vec::new(),
        label_smoothing: 0.0,
        class_weights: Vec::new(),
        ema: 0.0,
    };
    RunSpec::new(config).unwrap()
}

/// How a run ends, what was recorded, the number of steps, and the weights at its end.
fn run(spec: &RunSpec, late: bool, stop_after: Option<usize>) -> (Ending, Watch, u64, Vec<Vec<f32>>) {
    let (data, graph) = (data(), graph());
    let options = Options {
        engine: EngineKind::Fast,
        threads: 1,
        isa: Isa::Portable,
        exact_conv: true,
        precision: Precision::Float32,
    };
    let mut engine = device::open(&Device::Cpu, &graph, &data, BATCH, &options).unwrap();
    if late {
        engine = Box::new(Late { engine, outcomes: Vec::new() });
    }
    let (parameters, buffers) = initial::draw(&graph, 1, Scheme::Kaiming);
    engine.set_state(&parameters, &buffers).unwrap();
    let division = samples::divide(&data.train.labels, data.classes, spec.config.val_from_train, None);
    let mut training = Training::new(spec, &graph, engine.as_mut(), division, &data);
    let mut watch = Watch { stop_after, ..Watch::default() };
    let ending = training.run(&mut watch).unwrap();
    (ending, watch, training.iteration(), training.parameters().unwrap())
}

fn assert_same(spec: &RunSpec, stop_after: Option<usize>) -> Ending {
    let (ending, at_once, iteration, weights) = run(spec, false, stop_after);
    let (late_ending, late, late_iteration, late_weights) = run(spec, true, stop_after);
    assert_eq!(ending, late_ending);
    assert_eq!(iteration, late_iteration);
    assert_eq!(at_once.lines, late.lines);
    assert_eq!(at_once.lines.len() as u64, iteration);
    assert_eq!(at_once.tests, late.tests);
    assert_eq!(at_once.checkpoints, late.checkpoints);
    if !matches!(ending, Ending::Diverged(_)) {
        assert_eq!(weights, late_weights);
    }
    ending
}

#[test]
fn a_run_that_completes() {
    let spec = spec(Kind::Train, &Schedule::Constant(Constant { lr: 0.1 }));
    assert_eq!(assert_same(&spec, None), Ending::Completed);
}

#[test]
fn a_run_that_is_interrupted() {
    let spec = spec(Kind::Train, &Schedule::Constant(Constant { lr: 0.1 }));
    assert_eq!(assert_same(&spec, Some(43)), Ending::Interrupted { iteration: 43 });
}

#[test]
fn a_run_that_diverges_between_two_outcomes() {
    for kind in [Kind::Train, Kind::RangeTest] {
        let ramp = RangeRamp::new(RampScale::Log, 1e-3, 1e38);
        let ending = assert_same(&spec(kind, &Schedule::Ramp(ramp)), None);
        let Ending::Diverged(divergence) = ending else { panic!("{kind:?}: {ending:?}") };
        assert!(divergence.iteration < 139, "{divergence:?}");
    }
}
