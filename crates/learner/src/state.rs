//! Weights and checkpoints: from the engine's order to the names in files, and back.

use std::path::Path;

use artifacts::ArtifactError;
use artifacts::checkpoint::Checkpoint;
use artifacts::tensors::Taking;
use artifacts::weights::{self, Named};
use kernels::engine::{Buffers, Engine, EngineError, OptimizerState};
use kernels::graph::{Graph, TensorSpec};

/// The values of every parameter of a graph, in its order.
pub type Parameters = Vec<Vec<f32>>;

/// Parameters and buffers with their names and shapes.
pub fn named(graph: &Graph, parameters: Vec<Vec<f32>>, buffers: Buffers) -> Named {
    let specs = graph.parameters.iter().chain(&graph.buffers);
    specs.zip(parameters.into_iter().chain(buffers)).map(|(s, v)| (s.name.clone(), s.shape.clone(), v)).collect()
}

/// Takes a net's parameters and buffers out of a file of weights.
///
/// # Errors
/// When a tensor is missing, of another shape, not finite, or not the net's.
pub fn take(graph: &Graph, file: Taking, net: &str) -> Result<(Parameters, Buffers), ArtifactError> {
    let specs = graph.parameters.iter().chain(&graph.buffers);
    let mut values = weights::take(file, specs.map(|s| (s.name.as_str(), s.shape.as_slice())), net)?;
    let buffers = values.split_off(graph.parameters.len());
    Ok((values, buffers))
}

/// Adds the engine's state to a checkpoint: tensors named `parameter.NAME`, `buffer.NAME` and `optimizer.SLOT.NAME`.
///
/// # Errors
/// When the device fails.
pub(crate) fn save(engine: &dyn Engine, graph: &Graph, checkpoint: &mut Checkpoint) -> Result<(), EngineError> {
    let mut insert = |kind: &str, specs: &[TensorSpec], values: Vec<Vec<f32>>| {
        for (spec, values) in specs.iter().zip(values) {
            checkpoint.tensors.insert(format!("{kind}.{}", spec.name), (spec.shape.clone(), values));
        }
    };
    insert("parameter", &graph.parameters, engine.parameters()?);
    insert("buffer", &graph.buffers, engine.buffers()?);
    let optimizer = engine.optimizer_state()?;
    checkpoint.updates = optimizer.updates;
    for (slot, values) in optimizer.slots {
        insert(&format!("optimizer.{slot}"), &graph.parameters, values);
    }
    Ok(())
}

/// Puts the state of a checkpoint, read from `path`, into the engine.
///
/// # Errors
/// When the checkpoint is not of this net or optimizer; the message is the engine's or names the tensor.
pub(crate) fn restore(
    engine: &mut dyn Engine,
    graph: &Graph,
    path: &Path,
    mut checkpoint: Checkpoint,
) -> Result<(), RestoreError> {
    let parameters = take_all(&mut checkpoint, path, "parameter", &graph.parameters)?;
    let buffers = take_all(&mut checkpoint, path, "buffer", &graph.buffers)?;
    engine.set_state(&parameters, &buffers)?;
    let mut slots = Vec::new();
    for slot in slot_names(&checkpoint, graph) {
        let values = take_all(&mut checkpoint, path, &format!("optimizer.{slot}"), &graph.parameters)?;
        slots.push((slot, values));
    }
    if let Some(name) = checkpoint.tensors.keys().next() {
        let found = format!("also {name:?}");
        return Err(ArtifactError::content(path, "only the tensors of this net and optimizer", found).into());
    }
    engine.set_optimizer_state(&OptimizerState { updates: checkpoint.updates, slots })?;
    Ok(())
}

/// The optimizer's slots in a checkpoint: those that hold a tensor of the net's first parameter.
fn slot_names(checkpoint: &Checkpoint, graph: &Graph) -> Vec<String> {
    let first = graph.parameters.first().map_or("", |spec| spec.name.as_str());
    let names = checkpoint.tensors.keys().filter_map(|name| name.strip_prefix("optimizer.")?.split_once('.'));
    names.filter(|(_, parameter)| *parameter == first).map(|(slot, _)| slot.to_owned()).collect()
}

/// Takes the tensors of one kind out of a checkpoint, in the order of `specs`.
fn take_all(
    checkpoint: &mut Checkpoint,
    path: &Path,
    kind: &str,
    specs: &[TensorSpec],
) -> Result<Vec<Vec<f32>>, ArtifactError> {
    let one = |spec: &TensorSpec| {
        let name = format!("{kind}.{}", spec.name);
        match checkpoint.tensors.remove(&name) {
            Some((shape, values)) if shape == spec.shape => Ok(values),
            Some((shape, _)) => {
                let expected = format!("tensor {name:?} of shape {:?}", spec.shape);
                Err(ArtifactError::content(path, expected, format!("{shape:?}")))
            }
            None => Err(ArtifactError::content(path, format!("tensor {name:?}"), "none")),
        }
    };
    specs.iter().map(one).collect()
}

/// A checkpoint that does not belong to a run.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file does not hold what the run needs.
    #[error(transparent)]
    File(#[from] ArtifactError),
    /// The engine cannot take what it holds.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
