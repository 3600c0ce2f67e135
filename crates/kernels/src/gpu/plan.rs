//! Which regions of memory a net's passes use on a GPU: worked out once for a graph.
//!
//! Every activation has a region of its own, which the backward pass reads; evaluation runs on the same. Gradients hand
//! their regions on: where an operation works element by element the gradient of its input takes the place of that of
//! its output, and a region whose gradient is used up serves another activation of the same size.

use std::collections::HashMap;

use crate::graph::{Graph, NodeId, Op};

/// Position in [`GpuPlan::regions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RegionId(pub(super) usize);

/// Where a gradient goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) region: RegionId,
    /// Whether it is added to what another user of the same activation has left there.
    pub(super) accumulate: bool,
}

/// The backward pass of one operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backward {
    /// Position in the graph.
    pub(super) node: usize,
    /// Gradient of its output.
    pub(super) dy: RegionId,
    /// Gradient of its input, where that is needed.
    pub(super) dx: Option<Target>,
    /// Gradient of the residual, where that is needed.
    pub(super) d_residual: Option<Target>,
}

/// The regions of a net, and its backward pass.
pub(super) struct GpuPlan {
    /// Elements an image of each region.
    pub(super) regions: Vec<usize>,
    /// The region of each activation.
    pub(super) values: Vec<RegionId>,
    /// Gradient of the logits.
    pub(super) d_logits: RegionId,
    /// The backward pass, in order.
    pub(super) backward: Vec<Backward>,
}

impl GpuPlan {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut pool = Pool::default();
        let mut values: Vec<RegionId> = Vec::with_capacity(graph.nodes.len());
        for node in &graph.nodes {
            // Flattened or not, an image lies in memory the same.
            let alias = if let Op::Flatten { x } = node.op { Some(values[x.0]) } else { None };
            values.push(alias.unwrap_or_else(|| pool.fresh(node.shape.iter().product())));
        }
        let last = graph.nodes.len() - 1;
        let d_logits = pool.fresh(graph.nodes[last].shape.iter().product());
        let mut gradients = vec![None; graph.nodes.len()];
        gradients[last] = Some(d_logits);
        let mut planning = Planning { graph, pool, needed: graph.needs_gradient(), gradients };
        let backward = (0..=last).rev().filter_map(|node| planning.step(node)).collect();
        Self { regions: planning.pool.lens, values, d_logits, backward }
    }
}

/// Regions, and those of them that are free again, by size.
#[derive(Default)]
struct Pool {
    lens: Vec<usize>,
    free: HashMap<usize, Vec<RegionId>>,
}

impl Pool {
    fn fresh(&mut self, len: usize) -> RegionId {
        self.lens.push(len);
        RegionId(self.lens.len() - 1)
    }

    fn take(&mut self, len: usize) -> RegionId {
        self.free.get_mut(&len).and_then(Vec::pop).unwrap_or_else(|| self.fresh(len))
    }

    fn give_back(&mut self, region: RegionId) {
        self.free.entry(self.lens[region.0]).or_default().push(region);
    }
}

/// A backward pass under construction.
struct Planning<'a> {
    graph: &'a Graph,
    pool: Pool,
    /// Which activations depend on a parameter.
    needed: Vec<bool>,
    /// The region of each activation's gradient, from when its first part is written.
    gradients: Vec<Option<RegionId>>,
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
        let trains = self.graph.trains(op);
        (trains || step.dx.is_some()).then_some(step)
    }

    /// Where the next part of the gradient of `x` goes, if it is needed. A gradient that may take the place of another
    /// does, if it is the first part, and says so.
    fn target(&mut self, x: NodeId, place: Option<(RegionId, &mut bool)>) -> Option<Target> {
        if !self.needed[x.0] {
            return None;
        }
        if let Some(region) = self.gradients[x.0] {
            return Some(Target { region, accumulate: true });
        }
        let region = match place {
            Some((place, handed_on)) => {
                *handed_on = true;
                place
            }
            None => self.pool.take(self.graph.shape(x).iter().product()),
        };
        self.gradients[x.0] = Some(region);
        Some(Target { region, accumulate: false })
    }
}
