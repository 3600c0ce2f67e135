//! Fine-tuning: which parts of a net are trained, at which share of the rate.
//!
//! A net's parts, from the images on: the stem (its first convolution and batch norm), its stages or layers, and the last
//! layer, the head. Of these, the groups that `group_rates` gives factors to: the stem and the first half of the stages, the
//! other stages, the head. For torchvision's ResNets: stem, layer1 and layer2; layer3 and layer4; fc.

use artifacts::run::Config;
use artifacts::setting;
use kernels::graph::{Graph, Op};

use crate::spec::{ConfigError, wrong};

/// How many groups of parts have a factor of the rate each.
pub const GROUPS: usize = 3;

/// By which statistics batch norm of a frozen part normalises.
pub const FREEZE_BN: [&str; 2] = ["running", "batch"];

/// The parts of a net, by their names: each the positions of its parameters.
pub fn parts(graph: &Graph) -> Vec<(String, Vec<usize>)> {
    let mut parts: Vec<(String, Vec<usize>)> = Vec::new();
    for (position, spec) in graph.parameters.iter().enumerate() {
        let name = spec.name.split('.').next().unwrap_or_default();
        let joins = |last: &str| last == name || name.strip_prefix("bn").is_some_and(|n| last == format!("conv{n}"));
        match parts.last_mut() {
            Some((last, members)) if joins(last) => members.push(position),
            _ => parts.push((name.to_owned(), vec![position])),
        }
    }
    parts
}

/// The group that each part belongs to, of a net with so many parts.
fn group(part: usize, parts: usize) -> usize {
    let stages = parts.saturating_sub(2);
    match part {
        _ if part + 1 == parts => GROUPS - 1,
        _ if part <= stages / 2 => 0,
        _ => 1,
    }
}

/// What of a net is trained, and at which rates: the entries of a [`Config`] of the same names.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)] // the fields, by the sentence above
pub struct Tuning {
    pub freeze: String,
    pub freeze_bn: String,
    pub group_rates: Vec<f64>,
}

impl Tuning {
    /// That of a configuration.
    pub fn of(config: &Config) -> Self {
        let Config { freeze, freeze_bn, group_rates, .. } = config;
        Self { freeze: freeze.clone(), freeze_bn: freeze_bn.clone(), group_rates: group_rates.clone() }
    }

    /// In words, as settings are compared by.
    pub fn text(&self) -> String {
        setting::tuning(&self.freeze, &self.freeze_bn, &self.group_rates)
    }

    /// The net as it is then trained.
    ///
    /// # Errors
    /// When something cannot be used, or the net has not as many parts.
    pub fn apply(&self, graph: &Graph) -> Result<Graph, ConfigError> {
        self.check()?;
        let parts = parts(graph);
        let frozen = frozen_parts(&self.freeze, parts.len())?;
        let mut graph = graph.clone();
        for (part, (_, members)) in parts.iter().enumerate() {
            let factor = self.group_rates.get(group(part, parts.len())).copied().unwrap_or(1.0);
            for position in members {
                graph.rates[*position] = if part < frozen { 0.0 } else { factor };
            }
        }
        let rates = graph.rates.clone();
        for node in &mut graph.nodes {
            if let Op::BatchNorm { weight, frozen, .. } = &mut node.op {
                *frozen = rates[weight.0] == 0.0 && self.freeze_bn != FREEZE_BN[1];
            }
        }
        Ok(graph)
    }

    /// Checks what does not depend on the net.
    ///
    /// # Errors
    /// At the first value that cannot be used.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Self { freeze, freeze_bn, group_rates } = self;
        let is_known = freeze.is_empty() || freeze == "body" || freeze.parse::<usize>().is_ok_and(|count| count > 0);
        if !is_known {
            return Err(wrong("freeze", "body, or a number of parts", format!("{freeze:?}")));
        }
        if freeze.is_empty() != freeze_bn.is_empty() || !(freeze.is_empty() || FREEZE_BN.contains(&freeze_bn.as_str()))
        {
            let expected = "running or batch where a part is frozen, else nothing";
            return Err(wrong("freeze_bn", expected, format!("{freeze_bn:?}")));
        }
        let is_factor = |factor: &f64| *factor > 0.0 && factor.is_finite();
        if !group_rates.is_empty() && (group_rates.len() != GROUPS || !group_rates.iter().all(is_factor)) {
            let expected = "three numbers above 0: of the stem and the first stages, of the others, of the last layer";
            return Err(wrong("group_rates", expected, format!("{group_rates:?}")));
        }
        Ok(())
    }
}

/// How many parts are frozen, of `parts`.
fn frozen_parts(freeze: &str, parts: usize) -> Result<usize, ConfigError> {
    let most = parts.saturating_sub(1);
    match freeze {
        "" => Ok(0),
        "body" => Ok(most),
        number => number.parse().ok().filter(|count| (1..=most).contains(count)).ok_or_else(|| {
            wrong(
                "freeze",
                &format!("body, or a number of parts from 1 to {most}, all but the head"),
                format!("{number:?}"),
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets;

    fn graph(net: &str) -> Graph {
        nets::build(net, nets::default_shortcut(net), [1, 32, 32], 10).unwrap()
    }

    fn freezing(freeze: &str, freeze_bn: &str) -> Tuning {
        Tuning { freeze: freeze.into(), freeze_bn: freeze_bn.into(), group_rates: Vec::new() }
    }

    fn names(net: &str) -> Vec<String> {
        parts(&graph(net)).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_net_is_stem_stages_and_head() {
        assert_eq!(names("resnet18"), ["conv1", "layer1", "layer2", "layer3", "layer4", "fc"]);
        assert_eq!(names("resnet8"), ["conv1", "layer1", "layer2", "layer3", "fc"]);
        assert_eq!(names("lenet"), ["0", "2", "5", "7"]);
        let all: usize = parts(&graph("resnet8")).iter().map(|(_, members)| members.len()).sum();
        assert_eq!(all, graph("resnet8").parameters.len());
    }

    #[test]
    fn groups_have_factors_of_their_own() {
        let with = Tuning { group_rates: vec![0.01, 0.1, 1.0], ..Tuning::default() };
        for (net, cases) in [
            (
                "resnet18",
                [
                    ("bn1.bias", 0.01),
                    ("layer2.1.conv2.weight", 0.01),
                    ("layer3.0.downsample.0.weight", 0.1),
                    ("fc.bias", 1.0),
                ],
            ),
            (
                "resnet8",
                [
                    ("conv1.weight", 0.01),
                    ("layer1.0.bn2.bias", 0.01),
                    ("layer2.0.conv1.weight", 0.1),
                    ("fc.weight", 1.0),
                ],
            ),
            ("lenet", [("0.weight", 0.01), ("2.bias", 0.01), ("5.weight", 0.1), ("7.weight", 1.0)]),
        ] {
            let tuned = with.apply(&graph(net)).unwrap();
            for (name, factor) in cases {
                let position = tuned.parameters.iter().position(|spec| spec.name == name).unwrap();
                assert_eq!(tuned.rates[position], factor, "{net} {name}");
            }
        }
    }

    #[test]
    fn frozen_parts_have_no_rate_and_keep_their_statistics() {
        let count = |freeze: &str, freeze_bn: &str| {
            let tuned = freezing(freeze, freeze_bn).apply(&graph("resnet8")).unwrap();
            let frozen = tuned.nodes.iter().filter(|node| matches!(node.op, Op::BatchNorm { frozen: true, .. }));
            (tuned.rates.iter().filter(|rate| **rate == 0.0).count(), frozen.count())
        };
        assert_eq!(count("", ""), (0, 0));
        assert_eq!(count("1", "running"), (3, 1));
        assert_eq!(count("2", "running"), (9, 3));
        assert_eq!(count("2", "batch"), (9, 0));
        assert_eq!(count("body", "running"), (21, 7));
        assert_eq!(count("4", "running"), count("body", "running"));
    }

    #[test]
    fn more_parts_than_there_are_cannot_be_frozen() {
        let message = freezing("5", "running").apply(&graph("resnet8")).unwrap_err().to_string();
        assert_eq!(message, "freeze: expected body, or a number of parts from 1 to 4, all but the head, found \"5\"");
        for bad in ["0", "-1", "stem"] {
            assert!(
                freezing(bad, "running").check().unwrap_err().to_string().starts_with("freeze: expected body"),
                "{bad}"
            );
        }
        assert!(freezing("", "batch").check().is_err() && freezing("body", "").check().is_err());
        let rates = |group_rates| Tuning { group_rates, ..Tuning::default() }.check().is_ok();
        assert!(rates(vec![]) && rates(vec![0.1, 1.0, 1.0]));
        assert!(!rates(vec![1.0]) && !rates(vec![0.0, 1.0, 1.0]) && !rates(vec![1.0, 1.0, f64::INFINITY]));
    }
}
