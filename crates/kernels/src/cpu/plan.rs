//! Which operation runs when, in which regions of memory: worked out once for a graph.

use super::arena::{Lifetime, RegionId};
use crate::graph::{Graph, NodeId, Op};

/// One operation of a forward pass.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Position of the operation in the graph.
    pub(super) node: usize,
    /// The batch norm that is folded into this convolution: in training, a frozen one.
    pub(super) folded: Option<usize>,
    /// What it reads (for the input, `y` again).
    pub(super) x: RegionId,
    /// What a batch norm adds.
    pub(super) residual: Option<RegionId>,
    /// What it writes; ReLU works in place where this is `x`.
    pub(super) y: RegionId,
    /// Whether a ReLU of its own is done in the same pass: the one that follows a convolution.
    pub(super) relu: bool,
}

/// Where a gradient goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) region: RegionId,
    /// Whether it is added to what another user of the same activation has left there.
    pub(super) accumulate: bool,
}

/// One piece of a backward pass.
#[derive(Clone, Debug)]
pub(super) enum BackwardStep {
    /// The gradients of one operation's input and parameters.
    Operation {
        /// Position in the graph.
        node: usize,
        /// The operation's input in the forward pass.
        x: RegionId,
        /// Its output in the forward pass.
        y: RegionId,
        /// Gradient of its output; in ReLU and batch norm the gradient of an input takes its place.
        dy: RegionId,
        /// Gradient of its input, where that is needed and not in the place of `dy`.
        dx: Option<Target>,
    },
    /// `to += from`.
    Add {
        /// What is added.
        from: RegionId,
        /// What it is added to.
        to: RegionId,
    },
}

/// How many inputs of operations each activation is; the logits count as used once more.
fn count_users(graph: &Graph) -> Vec<usize> {
    let mut users = vec![0; graph.nodes.len()];
    for node in &graph.nodes {
        let (x, residual) = node.op.inputs();
        x.into_iter().chain(residual).for_each(|input| users[input.0] += 1);
    }
    if let Some(logits) = users.last_mut() {
        *logits += 1;
    }
    users
}

/// Regions as they are being planned.
#[derive(Default)]
struct Regions {
    lifetimes: Vec<Lifetime>,
}

impl Regions {
    fn add(&mut self, len: usize, time: usize) -> RegionId {
        self.lifetimes.push(Lifetime { len, first: time, last: time });
        RegionId(self.lifetimes.len() - 1)
    }

    fn touch(&mut self, region: RegionId, time: usize) {
        self.lifetimes[region.0].extend(time);
    }
}

fn len_of(graph: &Graph, node: usize) -> usize {
    graph.nodes[node].shape.iter().product()
}

/// A forward pass under construction.
struct Forward<'a> {
    graph: &'a Graph,
    /// Whether batch norms that follow a convolution become part of it; else only the frozen ones do.
    fold: bool,
    users: Vec<usize>,
    regions: Regions,
    /// The region of each activation.
    places: Vec<RegionId>,
    steps: Vec<Step>,
}

impl<'a> Forward<'a> {
    /// Plans every operation at the time of its position in the graph.
    fn new(graph: &'a Graph, fold: bool) -> Self {
        let users = count_users(graph);
        let mut forward =
            Self { graph, fold, users, regions: Regions::default(), places: Vec::new(), steps: Vec::new() };
        for node in 0..graph.nodes.len() {
            if forward.is_folded_later(node) {
                // Its place is that of the batch norm; nobody else reads it.
                forward.places.push(RegionId(usize::MAX));
                continue;
            }
            let place = forward.plan(node);
            forward.places.push(place);
        }
        forward
    }

    fn only_user(&self, node: NodeId) -> bool {
        self.users[node.0] == 1
    }

    /// Whether the operation is a convolution read by one batch norm alone, which becomes part of it.
    fn is_folded_later(&self, node: usize) -> bool {
        let folds = |op: &Op| match *op {
            Op::BatchNorm { x, residual, frozen, .. } => x.0 == node && residual != Some(x) && (self.fold || frozen),
            _ => false,
        };
        matches!(self.graph.nodes[node].op, Op::Conv2d { .. })
            && self.only_user(NodeId(node))
            && self.graph.nodes.iter().any(|n| folds(&n.op))
    }

    fn plan(&mut self, node: usize) -> RegionId {
        let graph = self.graph;
        let (x, residual) = graph.nodes[node].op.inputs();
        let len = len_of(graph, node);
        let Some(x) = x else {
            let y = self.regions.add(len, node);
            return self.push(Step { node, folded: None, x: y, residual: None, y, relu: false });
        };
        if matches!(graph.nodes[node].op, Op::BatchNorm { .. }) && self.is_folded_later(x.0) {
            let conv_input = graph.nodes[x.0].op.inputs().0.expect("a convolution has an input");
            return self.plan_reading(node, x.0, Some(node), conv_input, residual, len);
        }
        match &graph.nodes[node].op {
            Op::Flatten { .. } if self.only_user(x) && is_flat(graph.shape(x)) => self.places[x.0],
            Op::Relu { .. } if self.only_user(x) => self.plan_relu(node, x),
            _ => self.plan_reading(node, node, None, x, residual, len),
        }
    }

    /// An operation with a region of its own for its output, at the time of `time`.
    fn plan_reading(
        &mut self,
        time: usize,
        node: usize,
        folded: Option<usize>,
        x: NodeId,
        residual: Option<NodeId>,
        len: usize,
    ) -> RegionId {
        let (x, residual) = (self.places[x.0], residual.map(|r| self.places[r.0]));
        let y = self.regions.add(len, time);
        self.regions.touch(x, time);
        if let Some(residual) = residual {
            self.regions.touch(residual, time);
        }
        self.push(Step { node, folded, x, residual, y, relu: false })
    }

    /// A ReLU in the place of its input, as part of the convolution where there is one.
    fn plan_relu(&mut self, node: usize, x: NodeId) -> RegionId {
        let place = self.places[x.0];
        self.regions.touch(place, node);
        match self.steps.iter_mut().find(|step| step.node == x.0) {
            Some(step) if matches!(self.graph.nodes[x.0].op, Op::Conv2d { .. }) => {
                step.relu = true;
                place
            }
            _ => self.push(Step { node, folded: None, x: place, residual: None, y: place, relu: false }),
        }
    }

    fn push(&mut self, step: Step) -> RegionId {
        let y = step.y;
        self.steps.push(step);
        y
    }
}

/// Whether NHWC and NCHW are the same.
fn is_flat([c, h, w]: [usize; 3]) -> bool {
    c == 1 || h * w == 1
}

/// The forward pass of evaluation: every activation gives its place up when its last reader is done.
pub(super) struct EvaluationPlan {
    pub(super) lifetimes: Vec<Lifetime>,
    pub(super) steps: Vec<Step>,
    pub(super) logits: RegionId,
}

impl EvaluationPlan {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut forward = Forward::new(graph, true);
        let logits = *forward.places.last().expect("a net has operations");
        forward.regions.touch(logits, graph.nodes.len());
        Self { lifetimes: forward.regions.lifetimes, steps: forward.steps, logits }
    }
}

/// Forward and backward pass of training.
pub(super) struct TrainingPlan {
    pub(super) lifetimes: Vec<Lifetime>,
    pub(super) forward: Vec<Step>,
    pub(super) logits: RegionId,
    /// Gradient of the logits.
    pub(super) d_logits: RegionId,
    pub(super) backward: Vec<BackwardStep>,
}

impl TrainingPlan {
    pub(super) fn new(graph: &Graph) -> Self {
        let Forward { regions, places, steps: forward, .. } = Forward::new(graph, false);
        let last = graph.nodes.len() - 1;
        let mut backward = Backward {
            graph,
            regions,
            places,
            needed: graph.needs_gradient(),
            gradients: vec![None; graph.nodes.len()],
            steps: Vec::new(),
            time: graph.nodes.len(),
        };
        // The loss comes right after the last operation.
        let logits = backward.places[last];
        backward.regions.touch(logits, backward.time);
        let d_logits = backward.regions.add(len_of(graph, last), backward.time);
        backward.gradients[last] = Some(d_logits);
        for node in (0..=last).rev() {
            backward.time = 2 * graph.nodes.len() - node;
            if let Some(dy) = backward.gradients[node] {
                backward.regions.touch(dy, backward.time);
                backward.plan(node, dy);
            }
        }
        Self { lifetimes: backward.regions.lifetimes, forward, logits, d_logits, backward: backward.steps }
    }
}

/// A backward pass under construction.
struct Backward<'a> {
    graph: &'a Graph,
    regions: Regions,
    places: Vec<RegionId>,
    needed: Vec<bool>,
    /// The region of each activation's gradient, from when its first part is written.
    gradients: Vec<Option<RegionId>>,
    steps: Vec<BackwardStep>,
    time: usize,
}

impl Backward<'_> {
    fn plan(&mut self, node: usize, dy: RegionId) {
        let (Some(x), residual) = self.graph.nodes[node].op.inputs() else { return };
        let (place, y) = (self.places[x.0], self.places[node]);
        let mut operation = BackwardStep::Operation { node, x: place, y, dy, dx: None };
        match &self.graph.nodes[node].op {
            Op::BatchNorm { residual: None, .. } => {
                self.regions.touch(place, self.time);
                self.steps.push(operation);
                self.hand_on(dy, x);
            }
            Op::BatchNorm { relu, .. } => {
                self.regions.touch(place, self.time);
                if *relu {
                    self.regions.touch(y, self.time);
                }
                let dx = self.regions.add(len_of(self.graph, x.0), self.time);
                if let BackwardStep::Operation { dx: target, .. } = &mut operation {
                    *target = Some(Target { region: dx, accumulate: false });
                }
                self.steps.push(operation);
                self.hand_on(dx, x);
                if let Some(residual) = residual {
                    self.hand_on(dy, residual);
                }
            }
            Op::Relu { .. } => {
                self.regions.touch(y, self.time);
                self.steps.push(operation);
                self.hand_on(dy, x);
            }
            Op::Flatten { .. } if place == y => self.hand_on(dy, x),
            op => {
                let trained = self.graph.trains(op);
                if trained {
                    self.regions.touch(place, self.time);
                }
                let target = self.needed[x.0].then(|| self.target(x));
                if let BackwardStep::Operation { dx, .. } = &mut operation {
                    *dx = target;
                }
                if trained || target.is_some() {
                    self.steps.push(operation);
                }
            }
        }
    }

    /// Where the next part of the gradient of `x` goes.
    fn target(&mut self, x: NodeId) -> Target {
        if let Some(region) = self.gradients[x.0] {
            self.regions.touch(region, self.time);
            return Target { region, accumulate: true };
        }
        let region = self.regions.add(len_of(self.graph, x.0), self.time);
        self.gradients[x.0] = Some(region);
        Target { region, accumulate: false }
    }

    /// Makes what lies in `region` the gradient of `x`, or a part of it.
    fn hand_on(&mut self, region: RegionId, x: NodeId) {
        if !self.needed[x.0] {
            return;
        }
        match self.gradients[x.0] {
            None => self.gradients[x.0] = Some(region),
            Some(to) => {
                self.regions.touch(to, self.time);
                self.steps.push(BackwardStep::Add { from: region, to });
            }
        }
    }
}
