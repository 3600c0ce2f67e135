//! The nets, by name.

mod imagenet;
mod lenet;
mod resnet;
mod shallow;

use kernels::graph::Graph;

use self::resnet::Block;

/// Names of the nets.
pub const NAMES: [&str; 15] = [
    "lenet",
    "shallow",
    "resnet8",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet110",
    "bottleneck11",
    "bottleneck29",
    "bottleneck56",
    "bottleneck164",
];

/// How a residual block's shortcut halves the side and doubles the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortcut {
    /// Every second pixel, new channels of zeros, half on either side (He et al. 2015, option A).
    A,
    /// 3x3 average pooling of stride 2, then new channels of zeros (Smith and Topin 2017, appendix A).
    AvgPool,
}

impl Shortcut {
    /// Every shortcut, with the name that flags and records use.
    pub const NAMES: [(&'static str, Shortcut); 2] = [("a", Shortcut::A), ("avgpool", Shortcut::AvgPool)];

    /// The shortcut of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, shortcut)| shortcut)
    }
}

/// A net that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// There is no net of this name.
    #[error("net: expected one of {known}, found {name:?}", known = NAMES.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// A residual net without a known shortcut, or another net with a shortcut.
    #[error("shortcut of {net}: expected {expected}, found {found:?}")]
    Shortcut {
        /// The net.
        net: String,
        /// What it takes.
        expected: &'static str,
        /// What was asked for.
        found: String,
    },
    /// The images are too small.
    #[error("{net}: expected images of at least {least} x {least} pixels, found {height} x {width}")]
    Size {
        /// The net.
        net: String,
        /// Smallest side in pixels.
        least: usize,
        /// Height of the images.
        height: usize,
        /// Width of the images.
        width: usize,
    },
}

/// Builds the net `name` for images of [channels, height, width]. `shortcut` is a name of [`Shortcut::NAMES`] for a
/// residual net for CIFAR and empty for the others.
///
/// # Errors
/// When there is no such net or the images are too small for it.
pub fn build(name: &str, shortcut: &str, image: [usize; 3], classes: usize) -> Result<Graph, NetError> {
    if let Some((block, depth)) = residual(name) {
        let found = Shortcut::from_name(shortcut).ok_or_else(|| NetError::Shortcut {
            net: name.to_owned(),
            expected: "a or avgpool",
            found: shortcut.to_owned(),
        })?;
        return fits(name, 1, image).map(|()| resnet::build(block, depth, found, image, classes));
    }
    if !shortcut.is_empty() {
        let (net, found) = (name.to_owned(), shortcut.to_owned());
        return Err(NetError::Shortcut { net, expected: "none", found });
    }
    if let Some(design) = imagenet::design(name) {
        return fits(name, imagenet::MIN_SIDE, image).map(|()| imagenet::build(design, image, classes));
    }
    match name {
        "lenet" => fits(name, lenet::MIN_SIDE, image).map(|()| lenet::build(image, classes)),
        "shallow" => fits(name, 1, image).map(|()| shallow::build(image, classes)),
        _ => Err(NetError::Unknown { name: name.to_owned() }),
    }
}

/// Whether a net of this name is one that the world has weights of, trained on ImageNet.
pub fn is_of_imagenet(name: &str) -> bool {
    imagenet::design(name).is_some()
}

/// The default shortcut of a net: option A for residual nets for CIFAR, none for the others.
pub fn default_shortcut(name: &str) -> &'static str {
    if residual(name).is_some() { "a" } else { "" }
}

/// Blocks and depth of a residual net for CIFAR.
fn residual(name: &str) -> Option<(Block, usize)> {
    Block::PREFIXES.into_iter().find_map(|(prefix, block)| {
        let depth = name.strip_prefix(prefix)?.parse().ok()?;
        block.depths().contains(&depth).then_some((block, depth))
    })
}

fn fits(net: &str, least: usize, [_, height, width]: [usize; 3]) -> Result<(), NetError> {
    if height.min(width) >= least { Ok(()) } else { Err(NetError::Size { net: net.to_owned(), least, height, width }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(name: &str, image: [usize; 3]) -> usize {
        let graph = build(name, default_shortcut(name), image, 10).unwrap();
        graph.parameters.iter().map(kernels::graph::TensorSpec::len).sum()
    }

    /// The counts of He et al. 2015, table 6 (0.27, 0.46, 0.66, 0.85, 1.7 million), and PyTorch's.
    #[test]
    fn parameter_counts_are_those_published() {
        let cifar = [3, 32, 32];
        for (name, expected) in [
            ("resnet8", 75_290),
            ("resnet20", 269_722),
            ("resnet32", 464_154),
            ("resnet44", 658_586),
            ("resnet56", 853_018),
            ("resnet110", 1_727_962),
            ("bottleneck11", 84_762),
            ("bottleneck164", 1_661_274),
            ("shallow", 89_578),
        ] {
            assert_eq!(count(name, cifar), expected, "{name}");
        }
        assert_eq!(count("lenet", [1, 28, 28]), 431_080);
        // torchvision's, which have 990 classes more.
        let photo = [3, 64, 64];
        assert_eq!(count("resnet18", photo) + 513 * 990, 11_689_512);
        assert_eq!(count("resnet34", photo) + 513 * 990, 21_797_672);
        assert_eq!(count("resnet50", photo) + 2049 * 990, 25_557_032);
    }

    #[test]
    fn the_last_stage_of_photographs_has_a_thirty_second_of_their_side() {
        for (name, features) in [("resnet18", 512), ("resnet34", 512), ("resnet50", 2048)] {
            for (side, left) in [(32, 1), (64, 2), (100, 4), (128, 4), (224, 7)] {
                let graph = build(name, "", [3, side, side], 10).unwrap();
                let shapes: Vec<_> = graph.nodes.iter().map(|node| node.shape).collect();
                assert!(shapes.contains(&[features, left, left]), "{name} at {side}");
            }
        }
    }

    #[test]
    fn every_net_ends_in_the_classes() {
        for name in NAMES {
            let graph = build(name, default_shortcut(name), [2, 33, 47], 7).unwrap();
            assert_eq!(graph.nodes.last().unwrap().shape, [7, 1, 1], "{name}");
        }
    }

    #[test]
    fn unusable_combinations_are_refused() {
        let message = |name, shortcut, image| build(name, shortcut, image, 10).unwrap_err().to_string();
        assert!(message("resnet21", "", [3, 32, 32]).contains("found \"resnet21\""));
        assert!(message("resnet20", "b", [3, 32, 32]).contains("expected a or avgpool, found \"b\""));
        assert!(message("lenet", "a", [1, 28, 28]).contains("expected none"));
        assert!(message("resnet18", "a", [3, 64, 64]).contains("expected none, found \"a\""));
        assert!(message("resnet18", "", [3, 28, 28]).contains("at least 32 x 32 pixels, found 28 x 28"));
        assert!(message("lenet", "", [1, 28, 15]).contains("at least 16 x 16 pixels, found 28 x 15"));
    }
}
