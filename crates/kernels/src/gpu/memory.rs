//! What lies in the GPU's memory.

use super::bytes;
use super::device::{Address, Gpu};
use super::pass::slices;
use super::plan::GpuPlan;
use super::width;
use crate::device::Precision;
use crate::engine::{DataSet, EngineError};
use crate::flat::FlatLayout;
use crate::graph::{Graph, Op, TensorSpec};
use crate::input::Input;

/// Steps whose outcomes can wait on the device.
pub(super) const SLOTS: usize = 64;
/// The place of an evaluation's sums.
pub(super) const EVALUATION_SLOT: usize = SLOTS;
/// Numbers of an outcome: sum of losses, hits, squares of the gradient, 1 where a weight is not finite.
pub(super) const OUTCOME: usize = 4;
/// Blocks that sum the gradient's squares, at most.
pub(super) const MOST_BLOCKS: usize = 256;

/// Where everything lies. `T [n]` is n elements of T; act is the type of activations.
pub(super) struct DeviceMemory {
    /// u8 [images, C, H, W] of each half of the data set.
    pub(super) pixels: [Address; 2],
    /// u32 [images] likewise.
    pub(super) labels: [Address; 2],
    /// f32 [C, 256]: what each raw value becomes.
    pub(super) tables: Address,
    /// Images that were cut or scaled before they are uploaded, u8 [batch, C, H, W], and their positions there, u32 [batch]; none
    /// until the first of them.
    pub(super) prepared: Option<(Address, Address)>,
    /// u32 [2, batch]: positions in the data set, and augmentations.
    pub(super) order: Address,
    /// act [batch, ...] of each region of the plan.
    pub(super) regions: Vec<Address>,
    /// u8 [batch, ...]: where each maximum of a max pooling came from, by node.
    pub(super) winners: Vec<Address>,
    /// f32 [classes]: what the loss of each weighs; none where all weigh alike.
    pub(super) class_weights: Address,
    /// f32, all parameters in one.
    pub(super) parameters: Address,
    /// f32, their gradients.
    pub(super) gradients: Address,
    /// act, the parameters as operations read them; under float32 the parameters themselves.
    pub(super) weights: Address,
    /// act, the gradient of one weight as a library leaves it; none under float32.
    pub(super) d_weight: Address,
    /// f32, the optimizer's memory.
    pub(super) slots: [Address; 2],
    /// f32, the running statistics.
    pub(super) running: Address,
    /// f32, statistics to evaluate by in their place.
    pub(super) given: Address,
    /// f32 [3, C] of each batch norm, by node: mean, 1 / deviation and unbiased variance of the last batch.
    pub(super) saved: Address,
    /// Where each batch norm's part of `saved` lies.
    pub(super) saved_places: FlatLayout,
    /// f64, sums of slices or blocks.
    pub(super) partial: Address,
    /// f64 [SLOTS + 1, OUTCOME].
    outcomes: Address,
}

impl DeviceMemory {
    pub(super) fn new<G: Gpu>(
        gpu: &mut G,
        graph: &Graph,
        data: &DataSet,
        batch_size: usize,
        plan: &GpuPlan,
        parameters: usize,
        buffers: usize,
    ) -> Result<Self, EngineError> {
        const FLOAT: usize = size_of::<f32>();
        let act = width(gpu.precision());
        let saved_places = FlatLayout::new(graph.nodes.iter().map(|node| match node.op {
            Op::BatchNorm { .. } => 3 * node.shape[0],
            _ => 0,
        }));
        let winners = graph.nodes.iter().map(|node| match node.op {
            Op::MaxPool { .. } => node.shape.iter().product::<usize>() * batch_size,
            _ => 0,
        });
        let largest_weight = graph.parameters.iter().map(TensorSpec::len).max().unwrap_or(0);
        let parameters_at = gpu.allocate(parameters * FLOAT)?;
        let (weights, d_weight) = match gpu.precision() {
            Precision::Float32 | Precision::Tf32 => (parameters_at, Address::NONE),
            Precision::Bf16 => (gpu.allocate(parameters * act)?, gpu.allocate(largest_weight * act)?),
        };
        let tables = Input::new(data, data.shape).tables().concat();
        Ok(Self {
            pixels: [upload(gpu, &data.train.pixels)?, upload(gpu, &data.test.pixels)?],
            labels: [upload(gpu, &data.train.labels)?, upload(gpu, &data.test.labels)?],
            tables: upload(gpu, &tables)?,
            prepared: None,
            order: gpu.allocate(2 * batch_size * size_of::<u32>())?,
            regions: allocate_all(gpu, plan.regions.iter().map(|len| len * batch_size * act))?,
            winners: allocate_all(gpu, winners)?,
            class_weights: match graph.loss.class_weights.as_slice() {
                [] => Address::NONE,
                weights => upload(gpu, weights)?,
            },
            parameters: parameters_at,
            gradients: gpu.allocate(parameters * FLOAT)?,
            weights,
            d_weight,
            slots: [gpu.allocate(parameters * FLOAT)?, gpu.allocate(parameters * FLOAT)?],
            running: gpu.allocate(buffers * FLOAT)?,
            given: gpu.allocate(buffers * FLOAT)?,
            saved: gpu.allocate(saved_places.len() * FLOAT)?,
            saved_places,
            partial: gpu.allocate(partial(gpu, graph, batch_size) * size_of::<f64>())?,
            outcomes: gpu.allocate((SLOTS + 1) * OUTCOME * size_of::<f64>())?,
        })
    }

    /// One of the outcomes.
    pub(super) fn outcome(&self, slot: usize) -> Address {
        self.outcomes.plus(slot * OUTCOME * size_of::<f64>())
    }
}

/// Most sums that a kernel leaves.
fn partial(gpu: &impl Gpu, graph: &Graph, batch_size: usize) -> usize {
    let of = |[c, h, w]: [usize; 3]| 2 * c * slices(gpu, batch_size * h * w);
    graph.nodes.iter().map(|node| of(node.shape)).max().unwrap_or(0).max(MOST_BLOCKS)
}

fn allocate_all<G: Gpu>(gpu: &mut G, bytes: impl IntoIterator<Item = usize>) -> Result<Vec<Address>, EngineError> {
    let one = |bytes| if bytes == 0 { Ok(Address::NONE) } else { gpu.allocate(bytes) };
    bytes.into_iter().map(one).collect()
}

pub(super) fn upload<T: bytes::Plain, G: Gpu>(gpu: &mut G, numbers: &[T]) -> Result<Address, EngineError> {
    let at = gpu.allocate(size_of_val(numbers))?;
    gpu.upload(bytes::of(numbers), at)?;
    Ok(at)
}
