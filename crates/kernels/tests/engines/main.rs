//! Every engine against the reference engine, whole nets: the checks are written once and run on each device.

mod checks;
mod emulated;
mod nets;
mod subjects;

use kernels::cpu::{CpuEngine, CpuOptions};
use kernels::device::Precision;
use kernels::engine::{Batch, Engine, Split};
use kernels::graph::Graph;
use kernels::isa::Isa;

use checks::SGD;
use subjects::{BATCH, Subject, cuda_in, emulated_in, emulated_with_threads, on_candle_with};

/// A module of tests for a device: each check, on so many of the device's subjects at most. Those of conduct need no
/// reference beside the engine itself.
macro_rules! stamp {
    ($device:ident, $attributes:tt) => {
        mod $device {
            stamp!(@ $device, $attributes, loss_gradients_and_running_statistics, usize::MAX);
            stamp!(@ $device, $attributes, evaluation_and_logits, usize::MAX);
            stamp!(@ $device, $attributes, larger_images_are_cut_and_scaled, 1);
            stamp!(@ $device, $attributes, weights_after_steps_of_every_optimizer, 1);
            stamp!(@conduct $device, $attributes);
        }
    };
    (conduct of $device:ident, $attributes:tt) => {
        mod $device {
            stamp!(@conduct $device, $attributes);
        }
    };
    (@conduct $device:ident, $attributes:tt) => {
        stamp!(@ $device, $attributes, statistics_of_batches_are_plain_means, 1);
        stamp!(@ $device, $attributes, a_restored_engine_goes_on_with_the_same_bits, 1);
        stamp!(@ $device, $attributes, an_evaluation_between_steps_changes_nothing, 1);
        stamp!(@ $device, $attributes, outcomes_that_come_late_are_those_that_come_at_once, 1);
        stamp!(@ $device, $attributes, numbers_that_blow_up_are_an_outcome, 1);
        stamp!(@ $device, $attributes, weights_that_are_not_finite_are_seen_at_their_step, 1);
        stamp!(@ $device, $attributes, what_does_not_fit_is_refused_by_name, 1);
    };
    (@ $device:ident, [$($attribute:meta)?], $check:ident, $most:expr) => {
        #[test]
        $(#[$attribute])?
        fn $check() {
            crate::subjects::$device().iter().take($most).for_each(crate::checks::$check);
        }
    };
}

stamp!(on_cpu, []);
stamp!(on_emulated, []);
stamp!(conduct of on_candle, []);
stamp!(on_cuda, [cfg_attr(not(feature = "cuda"), ignore = "needs a build with --features cuda, and a GPU")]);
stamp!(on_cuda_by_candle, [cfg_attr(not(feature = "cuda"), ignore = "needs a build with --features cuda, and a GPU")]);

#[test]
fn threads_of_a_block_share_the_work() {
    let graph = nets::tiny();
    let (alone, shared) = (emulated_in(Precision::Float32), emulated_with_threads());
    let (loss, gradients) = checks::distances(&shared, &alone, &graph);
    assert!(loss < 1e-6 && gradients < 1e-5, "loss {loss}, gradients {gradients} apart");
}

#[test]
fn bf16_is_near_float32() {
    for net in nets::all() {
        let apart = assert_near(&emulated_in(Precision::Bf16), &emulated_in(Precision::Float32), &net);
        assert!(apart > 1e-5, "{}: bf16 rounds", net.name);
    }
}

#[test]
#[cfg_attr(not(feature = "cuda"), ignore = "needs a build with --features cuda, and a GPU")]
fn on_cuda_every_precision_is_near_float32() {
    let Some(expected) = cuda_in(Precision::Float32, true) else { return };
    for (_, precision) in Precision::NAMES {
        let Some(found) = cuda_in(precision, false) else { continue };
        for net in nets::all() {
            assert_near(&found, &expected, &net);
        }
    }
}

/// Loss and gradients may be as far apart as rounding to bfloat16 makes them; how far gradients are.
fn assert_near(found: &Subject, expected: &Subject, net: &nets::Net) -> f32 {
    let (loss, gradients) = checks::distances(found, expected, &net.graph);
    let what = format!("{}, {}", found.name, net.name);
    assert!(loss < 0.02 && gradients < 0.1, "{what}: loss {loss}, gradients {gradients} apart");
    gradients
}

fn cpu_engine(graph: &Graph, isa: Isa, threads: usize) -> CpuEngine {
    let options = CpuOptions { threads, isa, exact_conv: false };
    let mut engine = CpuEngine::new(graph, &nets::data(graph), BATCH, options).unwrap();
    let (parameters, buffers) = nets::state(graph);
    engine.set_state(&parameters, &buffers).unwrap();
    engine
}

#[test]
fn an_engine_says_which_instruction_set_it_uses() {
    let graph = nets::tiny();
    for isa in Isa::supported() {
        let engine = cpu_engine(&graph, isa, 1);
        assert_eq!(engine.isa(), Some(isa));
        assert_eq!(engine.description(), format!("cpu {isa} direct"));
    }
    assert_eq!(emulated_in(Precision::Float32).open(&graph).isa(), None, "a GPU's numbers are not the processor's");
}

#[test]
fn bits_do_not_depend_on_threads() {
    for net in nets::all() {
        for isa in Isa::supported() {
            assert_same_bits(net.name, |threads| Box::new(cpu_engine(&net.graph, isa, threads)));
        }
        assert_same_bits(net.name, |threads| on_candle_with(threads).open(&net.graph));
    }
}

/// The same bits, on however many threads an engine is opened.
fn assert_same_bits(net: &str, open: impl Fn(usize) -> Box<dyn Engine>) {
    let [one, two, seven] = [1, 2, 7].map(|threads| run(open(threads)));
    let engine = open(1).description();
    assert!(one == two, "{net}, {engine}: 1 and 2 threads");
    assert!(one == seven, "{net}, {engine}: 1 and 7 threads");
}

/// Everything that three steps and an evaluation leave, as bits.
fn run(mut engine: Box<dyn Engine>) -> Vec<u64> {
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
