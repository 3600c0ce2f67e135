//! Seeded initial weights.
//!
//! Every tensor is drawn from a stream of its own, named after it: a deeper net starts the layers that it shares with a
//! shallower one from the same numbers, and the order of layers does not matter.

use kernels::graph::{Graph, TensorSpec};

use crate::stream::{normals, stream, uniform};

/// How initial weights are drawn. In all schemes batch norm starts at weight 1 and bias 0, mean 0 and variance 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `torch.nn.init.kaiming_normal_(mode="fan_in", nonlinearity="relu")`: normal of variance 2 / fan-in, biases 0
    /// (He et al. 2015, arXiv:1502.01852, and Caffe's `msra`).
    Kaiming,
    /// The same with fan-out for convolutions, as in torchvision's ResNets; dense layers as in [`Scheme::Kaiming`].
    KaimingFanOut,
    /// PyTorch's default: weights and biases uniform within 1 / sqrt(fan-in).
    Torch,
}

impl Scheme {
    /// Every scheme, with the name that flags and records use.
    pub const NAMES: [(&'static str, Scheme); 3] =
        [("kaiming", Scheme::Kaiming), ("kaiming-fan-out", Scheme::KaimingFanOut), ("torch", Scheme::Torch)];

    /// The scheme of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, scheme)| scheme)
    }
}

/// Initial parameters and buffers of a net, in the graph's order.
pub fn draw(graph: &Graph, seed: u64, scheme: Scheme) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let parameters = graph.parameters.iter().map(|spec| parameter(graph, spec, seed, scheme)).collect();
    let buffers = graph.buffers.iter().map(|spec| {
        let start = if spec.name.ends_with("running_var") { 1.0 } else { 0.0 };
        vec![start; spec.len()]
    });
    (parameters, buffers.collect())
}

/// The initial values of one parameter. A bias takes its fan-in from the weight beside it.
fn parameter(graph: &Graph, spec: &TensorSpec, seed: u64, scheme: Scheme) -> Vec<f32> {
    let layer = spec.name.rsplit_once('.').map_or("", |(layer, _)| layer);
    let weight = graph.parameters.iter().find(|other| other.name == format!("{layer}.weight")).unwrap_or(spec);
    let is_weight = spec.name == weight.name;
    if weight.shape.len() == 1 {
        return vec![if is_weight { 1.0 } else { 0.0 }; spec.len()]; // batch norm
    }
    let window: usize = weight.shape[2..].iter().product();
    let (fan_out, fan_in) = (weight.shape[0] * window, weight.shape[1] * window);
    let normal = |fan: usize| gaussian(&spec.name, seed, spec.len(), libm::sqrt(2.0 / fan as f64));
    match scheme {
        Scheme::Torch => within(&spec.name, seed, spec.len(), 1.0 / libm::sqrt(fan_in as f64)),
        _ if !is_weight => vec![0.0; spec.len()],
        Scheme::KaimingFanOut if weight.shape.len() == 4 => normal(fan_out),
        Scheme::Kaiming | Scheme::KaimingFanOut => normal(fan_in),
    }
}

/// Normal numbers of mean 0.
fn gaussian(name: &str, seed: u64, count: usize, deviation: f64) -> Vec<f32> {
    let mut rng = stream(&format!("init {name}"), seed, 0);
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let (first, second) = normals(&mut rng);
        values.extend([(first * deviation) as f32, (second * deviation) as f32]);
    }
    values.truncate(count);
    values
}

/// Numbers uniform from -`bound` to `bound`.
fn within(name: &str, seed: u64, count: usize, bound: f64) -> Vec<f32> {
    let mut rng = stream(&format!("init {name}"), seed, 0);
    (0..count).map(|_| ((2.0 * uniform(&mut rng) - 1.0) * bound) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets;

    fn moments(values: &[f32]) -> (f64, f64) {
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / values.len() as f64;
        (mean, variance.sqrt())
    }

    #[test]
    fn deviations_are_those_of_the_scheme() {
        let graph = nets::build("resnet20", "a", [3, 32, 32], 10).unwrap();
        let at = graph.parameters.iter().position(|p| p.name == "layer3.0.conv1.weight").unwrap();
        for (scheme, expected) in [
            (Scheme::Kaiming, (2.0f64 / (32.0 * 9.0)).sqrt()),
            (Scheme::KaimingFanOut, (2.0f64 / (64.0 * 9.0)).sqrt()),
            (Scheme::Torch, (1.0f64 / (32.0 * 9.0)).sqrt() / 3f64.sqrt()),
        ] {
            let (mean, deviation) = moments(&draw(&graph, 1, scheme).0[at]);
            assert!(mean.abs() < expected / 20.0 && (deviation / expected - 1.0).abs() < 0.02, "{scheme:?}");
        }
    }

    #[test]
    fn nets_of_any_depth_share_their_initial_weights() {
        let of = |net, seed| {
            let graph = nets::build(net, "a", [3, 32, 32], 10).unwrap();
            let (parameters, buffers) = draw(&graph, seed, Scheme::Kaiming);
            let names = graph.parameters.iter().map(|p| p.name.clone());
            (names.zip(parameters).collect::<std::collections::BTreeMap<_, _>>(), buffers)
        };
        let (shallow, deep) = (of("resnet8", 1), of("resnet20", 1));
        assert!(shallow.0.iter().all(|(name, values)| deep.0[name] == *values));
        assert_ne!(shallow.0["conv1.weight"], of("resnet8", 2).0["conv1.weight"]);
        assert!(shallow.0["bn1.weight"].iter().all(|v| *v == 1.0) && shallow.0["fc.bias"].iter().all(|v| *v == 0.0));
    }
}
