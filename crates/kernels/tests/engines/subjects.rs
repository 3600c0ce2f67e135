//! Which engines the checks are run on.

use std::io::Write as _;

use kernels::cpu::{CpuEngine, CpuOptions};
use kernels::device::{self, Device, EngineKind, Options, Precision};
use kernels::engine::Engine;
use kernels::gpu::GpuEngine;
use kernels::graph::Graph;
use kernels::isa::Isa;
use kernels::reference::CandleEngine;

use crate::emulated::Emulated;
use crate::nets;

/// Images that every engine is made for.
pub(crate) const BATCH: usize = 10;

/// Makes an engine for a net.
type Open = Box<dyn Fn(&Graph) -> Box<dyn Engine>>;

/// A way to run a net.
pub(crate) struct Subject {
    /// What it is, for messages.
    pub(crate) name: String,
    open: Open,
}

impl Subject {
    fn new<E: Engine + 'static>(name: String, open: impl Fn(&Graph) -> E + 'static) -> Self {
        Self { name, open: Box::new(move |graph| Box::new(open(graph))) }
    }

    /// The engine with parameters and buffers set.
    pub(crate) fn open(&self, graph: &Graph) -> Box<dyn Engine> {
        let mut engine = (self.open)(graph);
        let (parameters, buffers) = nets::state(graph);
        engine.set_state(&parameters, &buffers).unwrap();
        engine
    }
}

/// The processor: every instruction set that it has, the best first, with Winograd's algorithm and without.
pub(crate) fn on_cpu() -> Vec<Subject> {
    let kinds = Isa::supported().rev().flat_map(|isa| [(isa, true), (isa, false)]);
    let subject = |(isa, exact_conv)| {
        let options = CpuOptions { threads: 2, isa, exact_conv };
        Subject::new(format!("{isa}, exact {exact_conv}"), move |graph| {
            CpuEngine::new(graph, &nets::data(graph), BATCH, options).unwrap()
        })
    };
    kinds.map(subject).collect()
}

/// candle's operations on the processor.
pub(crate) fn on_candle() -> Vec<Subject> {
    vec![on_candle_with(2)]
}

/// The same on so many threads.
pub(crate) fn on_candle_with(threads: usize) -> Subject {
    Subject::new(format!("candle, {threads} threads"), move |graph| {
        CandleEngine::new(graph, &nets::data(graph), BATCH, candle_core::Device::Cpu, threads).unwrap()
    })
}

/// The GPU engine and its kernels, without a GPU.
pub(crate) fn on_emulated() -> Vec<Subject> {
    vec![emulated_in(Precision::Float32)]
}

/// The same in one of the precisions.
pub(crate) fn emulated_in(precision: Precision) -> Subject {
    Subject::new(format!("emulated {precision}"), move |graph| {
        GpuEngine::new(Emulated::new(precision), graph, &nets::data(graph), BATCH).unwrap()
    })
}

/// The same with several threads a block.
pub(crate) fn emulated_with_threads() -> Subject {
    Subject::new("emulated, threads".to_owned(), move |graph| {
        GpuEngine::new(Emulated::with_threads(), graph, &nets::data(graph), BATCH).unwrap()
    })
}

/// The first GPU; none, and a line that says so, where there is no GPU.
pub(crate) fn on_cuda() -> Vec<Subject> {
    cuda_in(Precision::Float32, true).into_iter().collect()
}

/// The same by candle's operations.
pub(crate) fn on_cuda_by_candle() -> Vec<Subject> {
    cuda(EngineKind::Candle, Precision::Float32, false).into_iter().collect()
}

/// The first GPU in one of the precisions, with cuDNN's direct algorithms alone or with all.
pub(crate) fn cuda_in(precision: Precision, exact_conv: bool) -> Option<Subject> {
    cuda(EngineKind::Fast, precision, exact_conv)
}

fn cuda(engine: EngineKind, precision: Precision, exact_conv: bool) -> Option<Subject> {
    if cfg!(not(feature = "cuda")) {
        return None;
    }
    let options = Options { engine, threads: 1, isa: Isa::detect(), exact_conv, precision };
    let open = move |graph: &Graph| device::open(&Device::Cuda(0), graph, &nets::data(graph), BATCH, &options);
    match open(&nets::residual(false)) {
        Ok(engine) => {
            let open = move |graph: &Graph| open(graph).unwrap();
            Some(Subject { name: engine.description(), open: Box::new(open) })
        }
        Err(error) => {
            // Past the test harness, which keeps what a test that passes prints to itself.
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            let _ = writeln!(std::io::stderr(), "{name} skipped: {error}");
            None
        }
    }
}
