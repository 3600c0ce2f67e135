//! A net that is used, not trained: read from its file alone, shown images, asked for logits.

use std::path::{Path, PathBuf};

use artifacts::weights::{self, Origin, Task};
use clap::Args;
use cli::Failure;
use kernels::device::{self, Device, EngineKind, Options, Precision};
use kernels::engine::{Batch, Buffers, DataSet, Images, Part, Split};
use kernels::graph::Graph;
use kernels::isa::Isa;
use learner::nets;
use learner::state::{self, Parameters};

use crate::failure::OrFail;
use crate::flags::headings::{IMAGES, MACHINE};
use crate::input::{Normalise, by_imagenet};
use crate::{inputs, machine};

/// What computes.
#[derive(Args, Clone, Debug)]
pub struct Computing {
    /// Where to run: cpu, cuda or cuda:N [default: cpu]
    #[arg(long, help_heading = MACHINE, value_name = "DEVICE", default_value_t = Device::Cpu, hide_default_value = true)]
    pub device: Device,
    /// What computes: fast (our kernels), or candle (candle's own operations: slow, to hold the other's results against)
    #[arg(long, help_heading = MACHINE, value_name = "NAME", default_value_t = EngineKind::Fast)]
    pub engine: EngineKind,
    /// Worker threads; results do not depend on them [default: all processors]
    #[arg(long, help_heading = MACHINE, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub threads: Option<u64>,
    /// Instruction set: portable, avx2 or avx512 [default: the best of this processor]
    #[arg(long, help_heading = MACHINE, value_name = "NAME")]
    pub isa: Option<Isa>,
    /// Convolve directly, never by Winograd's algorithm
    #[arg(long, help_heading = MACHINE)]
    pub exact_conv: bool,
}

impl Computing {
    /// Worker threads.
    pub fn threads(&self) -> usize {
        self.threads.map_or_else(machine::cores, |threads| threads as usize)
    }
}

/// By whose statistics images are normalised.
#[derive(Args, Clone, Copy, Debug)]
pub struct NormaliseFlag {
    /// Mean and standard deviation that images are normalised by: imagenet, or data (the data set's) [default: as the model
    /// records]
    #[arg(long, help_heading = IMAGES, value_enum, value_name = "NAME", hide_possible_values = true)]
    pub normalise: Option<Normalise>,
}

/// A net with its weights, and what it tells apart.
pub struct Model {
    /// Its file.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub sha256: String,
    /// What made the weights.
    pub origin: Origin,
    /// What it tells apart.
    pub task: Task,
    /// The net.
    pub graph: Graph,
    /// Its parameters.
    pub parameters: Parameters,
    /// Its buffers.
    pub buffers: Buffers,
}

impl Model {
    /// Reads a model. `task` is what one of an earlier version, which does not say it itself, tells apart.
    ///
    /// # Errors
    /// When the file cannot be used, or nothing says what the net tells apart.
    pub fn read(path: &Path, task: Option<&Task>) -> Result<Self, Failure> {
        let hint = "a model is the model.safetensors that sc-train leaves in its folder";
        let (origin, file) = weights::open(path).map_err(|error| {
            let is_input = error.is_input();
            let failure = Failure::from(error);
            if is_input { failure.hint(hint) } else { failure }
        })?;
        let Some(task) = origin.task.as_ref().or(task).cloned() else {
            let message = format!("{}: it names no classes: an earlier version wrote it", path.display());
            return Err(Failure::unusable(message).hint("pass the data set that it was trained on: --data FILE"));
        };
        let graph = nets::build(&origin.net, &origin.shortcut, task.shape, task.classes.len())
            .map_err(|error| Failure::unusable(format!("{}: {error}", path.display())))?;
        let sha256 = file.sha256.clone();
        let (parameters, buffers) = state::take(&graph, file, &origin.net)?;
        Ok(Self { path: path.to_owned(), sha256, origin, task, graph, parameters, buffers })
    }

    /// The model's own task out of the data set that it was trained on, for [`Model::read`].
    ///
    /// # Errors
    /// When the data set cannot be used.
    pub fn task_of(data: &Path) -> Result<Task, Failure> {
        let (data, sha256) = inputs::data_set(data)?;
        Ok(Task::of(&data, &sha256))
    }

    /// Whether these are seeded weights that were never trained.
    pub fn is_untrained(&self) -> bool {
        let Origin { seed, task, val_from_train, .. } = &self.origin;
        task.is_some() && val_from_train.is_empty() && !seed.is_empty()
    }

    /// Normalises by what a flag says, in place of what the model records; `data` is a data set by whose statistics it may be.
    ///
    /// # Errors
    /// When they have other channels than the model's images, or there is no data set.
    pub fn normalise(&mut self, by: Option<Normalise>, data: Option<&Task>) -> Result<(), Failure> {
        let path = self.path.display().to_string();
        match (by, data) {
            (None, _) => Ok(()),
            (Some(Normalise::Imagenet), _) => by_imagenet(&mut self.task, &path),
            (Some(Normalise::Data), None) => {
                Err(Failure::unusable("--normalise data needs a data set").hint("pass the one to go by: --data FILE"))
            }
            (Some(Normalise::Data), Some(data)) if data.mean.len() == self.task.mean.len() => {
                (self.task.mean, self.task.std) = (data.mean.clone(), data.std.clone());
                Ok(())
            }
            (Some(Normalise::Data), Some(data)) => {
                let (theirs, ours) = (data.mean.len(), self.task.mean.len());
                let message = format!("{path} takes images of {ours} channels; --normalise data has {theirs}");
                Err(Failure::unusable(message).hint("pass the data set that it was trained on: --data FILE"))
            }
        }
    }

    /// The logits [N, classes] of images: raw pixels [N, C, H, W], `shape` of each, of which the net sees the centre where it
    /// takes less. Those of an image do not depend on what comes with it.
    ///
    /// # Errors
    /// When the device cannot be used, or fails.
    pub fn logits(&self, pixels: &[u8], shape: [usize; 3], computing: &Computing) -> Result<Vec<f32>, Failure> {
        let Task { mean, std, classes, .. } = &self.task;
        let size: usize = shape.iter().product();
        let count = pixels.len() / size;
        let single = |values: &[f64]| values.iter().map(|v| *v as f32).collect();
        let images = Images { pixels: pixels.into(), labels: vec![0; count].into() };
        let (mean, std, none) = (single(mean), single(std), Images { pixels: [].into(), labels: [].into() });
        let data = DataSet { shape, classes: classes.len(), mean, std, train: none, test: images };
        let options = Options {
            engine: computing.engine,
            threads: computing.threads(),
            isa: computing.isa.unwrap_or_else(Isa::detect),
            exact_conv: computing.exact_conv,
            precision: Precision::Float32,
        };
        let batch = if size > LARGE { BATCH / 4 } else { BATCH };
        let mut engine = device::open(&computing.device, &self.graph, &data, batch, &options).or_fail()?;
        engine.set_state(&self.parameters, &self.buffers).or_fail()?;
        let all: Vec<u32> = (0..count as u32).collect();
        engine.logits(&Batch::plain(Split::Test, &all), None).or_fail()
    }
}

/// The centre, of shape `seen`, of an image of shape `stored`, both [channels, height, width]: what a net that takes so much is
/// shown of it.
pub fn centre(pixels: &[u8], stored: [usize; 3], seen: [usize; 3]) -> Vec<u8> {
    let ([_, rows, columns], [_, height, width]) = (stored, seen);
    let Part { top, left, .. } = Part::centre([rows, columns], [height, width]);
    let lines = pixels
        .chunks_exact(rows * columns)
        .flat_map(|plane| plane.chunks_exact(columns).skip(top as usize).take(height));
    lines.flat_map(|line| &line[left as usize..][..width]).copied().collect()
}

/// Images that are computed together; it changes no bit.
const BATCH: usize = 64;

/// Values of an image from which on fewer are computed together.
const LARGE: usize = 3 * 96 * 96;
