//! Which buffers a net's passes use on a GPU: worked out once for a graph.
//!
//! Every activation has a buffer of its own, which the backward pass reads; evaluation runs on the same. Gradients hand
//! their buffers on: where an operation works element by element the gradient of its input takes the place of that of
//! its output, and a buffer whose gradient is used up serves another activation of the same size.

use std::collections::HashMap;

use crate::graph::{Graph, NodeId, Op, ParameterId, TensorSpec};
use std::ops::Range;

/// Position in [`Plan::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffer(pub(super) usize);

/// Where a gradient goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) buffer: Buffer,
    /// Whether it is added to what another user of the same activation has left there.
    pub(super) accumulate: bool,
}

/// The backward pass of one operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backward {
    /// Position in the graph.
    pub(super) node: usize,
    /// Gradient of its output.
    pub(super) dy: Buffer,
    /// Gradient of its input, where that is needed.
    pub(super) dx: Option<Target>,
    /// Gradient of the residual, where that is needed.
    pub(super) d_residual: Option<Target>,
}

/// The buffers of a net.
pub(super) struct Plan {
    /// Elements an image of each buffer.
    pub(super) buffers: Vec<usize>,
    /// The buffer of each activation.
    pub(super) values: Vec<Buffer>,
    /// Gradient of the logits.
    pub(super) d_logits: Buffer,
    /// The backward pass, in order.
    pub(super) backward: Vec<Backward>,
}

impl Plan {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut pool = Pool::default();
        let mut values: Vec<Buffer> = Vec::with_capacity(graph.nodes.len());
        for node in &graph.nodes {
            // Flattened or not, an image lies in memory the same.
            let alias = if let Op::Flatten { x } = node.op { Some(values[x.0]) } else { None };
            values.push(alias.unwrap_or_else(|| pool.fresh(node.shape.iter().product())));
        }
        let last = graph.nodes.len() - 1;
        let d_logits = pool.fresh(graph.nodes[last].shape.iter().product());
        let mut gradients = vec![None; graph.nodes.len()];
        gradients[last] = Some(d_logits);
        let mut planning = Planning { graph, pool, needed: needs_gradient(graph), gradients };
        let backward = (0..=last).rev().filter_map(|node| planning.step(node)).collect();
        Self { buffers: planning.pool.lens, values, d_logits, backward }
    }
}

/// Buffers, and those of them that are free again, by size.
#[derive(Default)]
struct Pool {
    lens: Vec<usize>,
    free: HashMap<usize, Vec<Buffer>>,
}

impl Pool {
    fn fresh(&mut self, len: usize) -> Buffer {
        self.lens.push(len);
        Buffer(self.lens.len() - 1)
    }

    fn take(&mut self, len: usize) -> Buffer {
        self.free.get_mut(&len).and_then(Vec::pop).unwrap_or_else(|| self.fresh(len))
    }

    fn give_back(&mut self, buffer: Buffer) {
        self.free.entry(self.lens[buffer.0]).or_default().push(buffer);
    }
}

/// A backward pass under construction.
struct Planning<'a> {
    graph: &'a Graph,
    pool: Pool,
    /// Which activations depend on a parameter.
    needed: Vec<bool>,
    /// The buffer of each activation's gradient, from when its first part is written.
    gradients: Vec<Option<Buffer>>,
}

impl Planning<'_> {
    fn step(&mut self, node: usize) -> Option<Backward> {
        let dy = self.gradients[node]?;
        let op = &self.graph.nodes[node].op;
        let (x, residual) = op.inputs();
        let mut step = Backward { node, dy, dx: None, d_residual: None };
        let mut handed_on = false;
        match (op, x, residual) {
            (_, None, _) => return None,
            (Op::BatchNorm { .. }, Some(x), Some(residual)) => {
                step.dx = self.target(x, None);
                step.d_residual = self.target(residual, Some((dy, &mut handed_on)));
            }
            (Op::BatchNorm { .. } | Op::Relu { .. } | Op::Flatten { .. }, Some(x), None) => {
                step.dx = self.target(x, Some((dy, &mut handed_on)));
            }
            (_, Some(x), _) => step.dx = self.target(x, None),
        }
        if !handed_on {
            self.pool.give_back(dy);
        }
        let trains = matches!(op, Op::Conv2d { .. } | Op::BatchNorm { .. } | Op::Linear { .. });
        (trains || step.dx.is_some()).then_some(step)
    }

    /// Where the next part of the gradient of `x` goes, if it is needed. A gradient that may take the place of another
    /// does, if it is the first part, and says so.
    fn target(&mut self, x: NodeId, place: Option<(Buffer, &mut bool)>) -> Option<Target> {
        if !self.needed[x.0] {
            return None;
        }
        if let Some(buffer) = self.gradients[x.0] {
            return Some(Target { buffer, accumulate: true });
        }
        let buffer = match place {
            Some((place, handed_on)) => {
                *handed_on = true;
                place
            }
            None => self.pool.take(self.graph.shape(x).iter().product()),
        };
        self.gradients[x.0] = Some(buffer);
        Some(Target { buffer, accumulate: false })
    }
}

fn needs_gradient(graph: &Graph) -> Vec<bool> {
    let mut needed = vec![false; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        let (x, residual) = node.op.inputs();
        needed[i] = matches!(node.op, Op::Conv2d { .. } | Op::BatchNorm { .. } | Op::Linear { .. })
            || x.into_iter().chain(residual).any(|input| needed[input.0]);
    }
    needed
}

/// Elements that every tensor starts at a multiple of, as the libraries like it.
const ALIGNMENT: usize = 64;

/// Where each of several tensors lies in one flat vector; what is between stays 0.
pub(super) struct Places {
    ranges: Vec<Range<usize>>,
    /// Elements in all.
    pub(super) len: usize,
}

impl Places {
    pub(super) fn new(lens: impl IntoIterator<Item = usize>) -> Self {
        let mut end = 0;
        let mut place = |len: usize| {
            let start = end;
            end = (start + len).next_multiple_of(ALIGNMENT);
            start..start + len
        };
        let ranges = lens.into_iter().map(&mut place).collect();
        Self { ranges, len: end }
    }

    pub(super) fn of(specs: &[TensorSpec]) -> Self {
        Self::new(specs.iter().map(TensorSpec::len))
    }

    pub(super) fn start(&self, position: usize) -> usize {
        self.ranges[position].start
    }

    pub(super) fn len_of(&self, parameter: ParameterId) -> usize {
        self.ranges[parameter.0].len()
    }

    /// Each tensor's part of a flat vector.
    pub(super) fn split(&self, flat: &[f32]) -> Vec<Vec<f32>> {
        self.ranges.iter().map(|range| flat[range.clone()].to_vec()).collect()
    }

    /// The flat vector of the parts.
    pub(super) fn join(&self, parts: &[Vec<f32>]) -> Vec<f32> {
        let mut flat = vec![0.0; self.len];
        for (range, part) in self.ranges.iter().zip(parts) {
            flat[range.clone()].copy_from_slice(part);
        }
        flat
    }
}
