//! The same numbers to the bit, whatever the number of threads and wherever a run was stopped and resumed: every net, every
//! optimizer.

#![forbid(unsafe_code)]

use artifacts::ArtifactError;
use artifacts::checkpoint::Checkpoint;
use artifacts::metrics::{Metrics, TestMetrics};
use artifacts::run::{Config, Kind};
use kernels::device::{self, Device, EngineKind, Options, Precision};
use kernels::engine::{DataSet, Engine, Images};
use kernels::graph::Graph;
use kernels::isa::Isa;
use learner::initial::{self, Scheme};
use learner::nets;
use learner::samples::{self, Division};
use learner::spec::{OPTIMIZERS, RunSpec};
use learner::training::{Ending, Measure, Observer, Training};
use rand_chacha::rand_core::Rng;
use schedules::{Plateau, Schedule};

const CLASSES: usize = 10;
const IMAGES: usize = 40;
const STEPS: u64 = 3;

/// Keeps what a run reports, and stops it after the step `until`.
#[derive(Default)]
struct Witness {
    lines: Vec<String>,
    checkpoint: Option<Checkpoint>,
    until: Option<u64>,
}

impl Observer for Witness {
    fn step_started(&mut self) {}

    fn step_finished(&mut self) {}

    fn metrics(&mut self, line: &Metrics) -> Result<(), ArtifactError> {
        self.lines.push(serde_json::to_string(line).unwrap());
        Ok(())
    }

    fn test(&mut self, line: &TestMetrics) -> Result<(), ArtifactError> {
        self.lines.push(serde_json::to_string(line).unwrap());
        Ok(())
    }

    fn checkpoint_due(&self, _: u64) -> bool {
        false
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), ArtifactError> {
        self.checkpoint = Some(checkpoint);
        Ok(())
    }

    fn interrupted(&self) -> bool {
        self.until
            .is_some_and(|until| self.lines.iter().filter(|line| line.contains("grad_norm")).count() as u64 >= until)
    }
}

/// A run that is repeated in different ways.
struct Case {
    spec: RunSpec,
    graph: Graph,
    data: DataSet,
}

impl Case {
    /// A plateau schedule, which has a state of its own to lose, on random images.
    fn new(engine: EngineKind, net: &str, optimizer: &str, shape: [usize; 3]) -> Self {
        let schedule = Schedule::Plateau(Plateau { patience: 0, threshold: 0.5, ..Plateau::new(0.01) });
        let config = Config {
            kind: Kind::Train,
            net: net.to_owned(),
            shortcut: nets::default_shortcut(net).to_owned(),
            seed: 1,
            batch_size: 5,
            iterations: STEPS,
            schedule: schedule.name().to_owned(),
            schedule_parameters: RunSpec::schedule_parameters(&schedule),
            optimizer: optimizer.to_owned(),
            momentum: 0.9,
            weight_decay: 1e-4,
            bn_momentum: 0.1,
            bn_reestimate: 1,
            augment: "crop-flip".to_owned(),
            train_size: 0,
            normalise: String::new(),
            train_limit: None,
            val_from_train: 0.2,
            val_every: 1,
            test_every: 2,
            exact_conv: false,
            precision: Precision::Float32.to_string(),
            engine: engine.to_string(),
            freeze: String::new(),
            freeze_bn: String::new(),
            group_rates: Vec::new(),
            label_smoothing: 0.0,
            class_weights: Vec::new(),
            ema: 0.0,
        };
        let graph = nets::build(net, &config.shortcut, shape, CLASSES).unwrap();
        Self { spec: RunSpec::new(config).unwrap(), graph, data: random_data(shape) }
    }

    fn engine(&self, threads: usize) -> Box<dyn Engine> {
        let engine = self.spec.config.engine.parse().unwrap();
        let options = Options { engine, threads, isa: Isa::detect(), exact_conv: false, precision: Precision::Float32 };
        let batch_size = self.spec.config.batch_size;
        let mut engine = device::open(&Device::Cpu, &self.graph, &self.data, batch_size, &options).unwrap();
        let (parameters, buffers) = initial::draw(&self.graph, 1, Scheme::Kaiming);
        engine.set_state(&parameters, &buffers).unwrap();
        engine
    }

    fn division(&self) -> Division {
        samples::divide(&self.data.train.labels, CLASSES, self.spec.config.val_from_train, None)
    }

    /// The outcome of a run, its numbers as bits: lines, final losses, weights and buffers. It is stopped after each of the
    /// steps `stops` and resumed with a new engine.
    fn outcome(&self, threads: usize, stops: &[u64]) -> (Vec<String>, Vec<u64>, Vec<Vec<u32>>) {
        let mut witness = Witness::default();
        for until in stops.iter().map(|stop| Some(*stop)).chain([None]) {
            let mut engine = self.engine(threads);
            let mut training = Training::new(&self.spec, &self.graph, engine.as_mut(), self.division(), &self.data);
            if let Some(checkpoint) = witness.checkpoint.take() {
                training.restore("checkpoint".as_ref(), checkpoint).unwrap();
            }
            witness.until = until;
            let ending = training.run(&mut witness).unwrap();
            if until.is_none() {
                assert_eq!(ending, Ending::Completed);
                let measured = training.measure(Measure::All).unwrap();
                let losses =
                    [measured.val, measured.train, measured.test].map(|evaluation| evaluation.unwrap().loss_sum);
                let state = training.parameters().unwrap().into_iter().chain(measured.buffers);
                let bits = state.map(|values| values.iter().map(|value| value.to_bits()).collect()).collect();
                return (witness.lines, losses.map(f64::to_bits).to_vec(), bits);
            }
            assert_eq!(ending, Ending::Interrupted { iteration: until.unwrap() });
        }
        unreachable!("the last part runs to the end")
    }

    fn check(&self) {
        let Config { engine, net, optimizer, .. } = &self.spec.config;
        let name = format!("{net} with {optimizer} on engine {engine}");
        let straight = self.outcome(1, &[]);
        assert_eq!(
            straight.0.len() as u64,
            STEPS + STEPS.div_ceil(2),
            "{name}: a record per step, and the evaluations on the test set"
        );
        for (threads, stops) in [(2, &[][..]), (7, &[]), (1, &[1, 2]), (7, &[2])] {
            assert!(self.outcome(threads, stops) == straight, "{name}: {threads} threads, stopped after {stops:?}");
        }
    }
}

fn random_data(shape: [usize; 3]) -> DataSet {
    let split = |name: &str| {
        let mut pixels = vec![0; IMAGES * shape.iter().product::<usize>()];
        learner::stream::stream(name, 1, 0).fill_bytes(&mut pixels);
        Images { pixels: pixels.into(), labels: (0..IMAGES).map(|image| (image % CLASSES) as u32).collect() }
    };
    let (mean, std) = (vec![0.5; shape[0]], vec![0.29; shape[0]]);
    DataSet { shape, classes: CLASSES, mean, std, train: split("train"), test: split("test") }
}

#[test]
fn every_net_whatever_the_threads_and_stops() {
    for net in nets::NAMES {
        // Nets for photographs take no smaller ones.
        let side = if nets::build(net, nets::default_shortcut(net), [3, 16, 16], CLASSES).is_ok() { 16 } else { 32 };
        Case::new(EngineKind::Fast, net, "sgd", [3, side, side]).check();
    }
}

#[test]
fn every_kind_of_net_by_candle_whatever_the_threads_and_stops() {
    for net in ["lenet", "shallow", "resnet8", "bottleneck11"] {
        Case::new(EngineKind::Candle, net, "sgd", [3, 16, 16]).check();
    }
}

#[test]
fn every_optimizer_whatever_the_threads_and_stops() {
    for (optimizer, _) in OPTIMIZERS {
        Case::new(EngineKind::Fast, "resnet8", optimizer, [1, 28, 28]).check();
        Case::new(EngineKind::Candle, "resnet8", optimizer, [1, 16, 16]).check();
    }
}
