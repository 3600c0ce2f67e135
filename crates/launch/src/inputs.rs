//! What every run starts from: a data set and weights that fit it.

use std::fs;
use std::path::Path;

use artifacts::dataset;
use artifacts::run::Source;
use artifacts::setting;
use artifacts::weights::{self, Origin, Task};
use kernels::engine::{Buffers, DataSet};
use kernels::graph::Graph;
use learner::state::{self, Parameters};
use learner::{data, nets};

use crate::input::{InputFlags, Normalise};
use crate::machine;
use cli::Failure;

/// A data set, a net for it, and the net's weights.
pub struct Inputs {
    /// Where the weights come from.
    pub origin: Origin,
    /// The net.
    pub graph: Graph,
    /// The data set.
    pub data: DataSet,
    /// Its name.
    pub data_name: String,
    /// What the net learns to tell apart, as the weights that come of a run record it.
    pub task: Task,
    /// The net's parameters.
    pub parameters: Parameters,
    /// The net's buffers.
    pub buffers: Buffers,
    /// File of the data set, with the hash of the bytes that were read.
    pub data_source: Source,
    /// File of the weights, likewise.
    pub init_source: Source,
}

impl Inputs {
    /// Reads data and weights and checks that they fit each other.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn read(data: &Path, init: &Path, flags: InputFlags) -> Result<Self, Failure> {
        let (file, data_sha256) = data_set(data)?;
        let (mut origin, tensors) = weights::open(init).map_err(|error| with_hint(weights::hint(&error), error))?;
        let fits = |net: &str, error: &dyn std::fmt::Display| {
            let hint = format!("make weights for this data: sc-init --net {net} --data {} ...", data.display());
            Failure::unusable(format!("{}: {error}", init.display())).hint(hint)
        };
        let mut task = Task::of(&file, &data_sha256);
        let by = flags.apply(&mut task, Normalise::of(&origin.normalise), &data.display().to_string())?;
        by.recorded().clone_into(&mut origin.normalise);
        let graph = nets::build(&origin.net, &origin.shortcut, task.shape, file.classes.len())
            .map_err(|e| fits(&origin.net, &e))?;
        let init_sha256 = tensors.sha256.clone();
        let (parameters, buffers) = state::take(&graph, tensors, &origin.net).map_err(|error| {
            let hint =
                format!("the net has to fit the data: sc-init --net {} --data {} ...", origin.net, data.display());
            Failure::from(error).hint(hint)
        })?;
        let (data_source, init_source) = (Source::new(data, data_sha256), Source::new(init, init_sha256));
        let data_name = file.name.clone();
        let data = data::of_file(file, &task);
        Ok(Self { origin, graph, data, data_name, task, parameters, buffers, data_source, init_source })
    }
}

impl Inputs {
    /// Side of the square that the net sees of larger images; 0 where it sees all of them.
    pub(crate) fn train_size(&self) -> usize {
        self.task.stored.map_or(0, |_| self.task.shape[1])
    }

    /// What of the images the net sees, and how, in words.
    pub fn in_words(&self) -> String {
        setting::input(self.train_size(), &self.origin.normalise)
    }
}

/// A data set takes so many times its file's length for a moment: while its pixels go over to the engine.
const COPIES: u64 = 2;

/// Reads a data set, and says the SHA-256 of its bytes. It is held in memory, not mapped: one that would not fit is refused
/// before it is read.
///
/// # Errors
/// When it does not fit, cannot be read or is no data set.
pub fn data_set(path: &Path) -> Result<(dataset::DataSet, String), Failure> {
    let length = fs::metadata(path).map_or(0, |facts| facts.len());
    if let Some(free) = machine::available_bytes().filter(|free| COPIES.saturating_mul(length) > *free) {
        let mib = |bytes: u64| bytes >> 20;
        let message = format!(
            "{} has {} MiB; loading it takes {COPIES} times that, and {} MiB of memory are free",
            path.display(),
            mib(length),
            mib(free)
        );
        let hint = "make a smaller data set (sc-prep --size N, --limit-per-class N), or use a machine with more memory";
        return Err(Failure::unusable(message).hint(hint));
    }
    dataset::read_with_hash(path).map_err(|error| with_hint(dataset::hint(&error), error))
}

fn with_hint(hint: Option<&str>, error: artifacts::ArtifactError) -> Failure {
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
