//! `sc-init`: writes the seeded initial weights of a net, or takes them from a file of PyTorch's.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use artifacts::ArtifactError;
use artifacts::weights::{self, Origin};
use clap::Parser;
use cli::output::Quiet;
use cli::{Failure, arguments, output};
use kernels::engine::Buffers;
use kernels::graph::Graph;
use launch::inputs;
use learner::initial::{self, Scheme};
use learner::nets::{self, Shortcut};
use learner::state::{self, Parameters};

const PROGRAM: &str = "sc-init";

/// Write the initial weights of a net: one seed, one file, bit for bit, on every machine
#[derive(Parser)]
#[command(name = PROGRAM, version, after_help = arguments::EXIT_CODES)]
struct Arguments {
    /// The net: lenet, shallow, resnet8, 20, 32, 44, 56 or 110, bottleneck11, 29, 56 or 164
    #[arg(long, value_name = "NAME")]
    net: String,
    /// Data set that it is for, made by sc-prep: decides channels, side and classes
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Seed of the weights
    #[arg(long, value_name = "N", required_unless_present = "from_torch")]
    seed: Option<u64>,
    /// Where the weights go
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How a residual block narrows its input: a (every second pixel) or avgpool (3x3 average) [default: a]
    #[arg(long, value_name = "NAME", value_parser = names(&Shortcut::NAMES))]
    shortcut: Option<String>,
    /// How weights are drawn: kaiming (normal, fan-in), kaiming-fan-out, or torch (what PyTorch's layers start with)
    #[arg(long, value_name = "NAME", default_value = "kaiming", value_parser = names(&Scheme::NAMES))]
    scheme: String,
    /// Take the weights from a safetensors file of a PyTorch state_dict in place of a seed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "scheme"])]
    from_torch: Option<PathBuf>,
    #[command(flatten)]
    quiet: Quiet,
}

fn names<T: Copy>(known: &[(&'static str, T)]) -> clap::builder::PossibleValuesParser {
    known.iter().map(|(name, _)| *name).collect::<Vec<_>>().into()
}

fn main() -> ExitCode {
    cli::run(PROGRAM, run(&arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.quiet.apply();
    let Arguments { net, data, out, .. } = arguments;
    let (file, _) = inputs::data_set(data)?;
    let shortcut = arguments.shortcut.clone().unwrap_or_else(|| nets::default_shortcut(net).to_owned());
    let graph = nets::build(net, &shortcut, file.shape, file.classes.len()).map_err(Failure::unusable)?;
    let mut origin = Origin {
        net: net.clone(),
        shortcut,
        seed: String::new(),
        scheme: "torch-file".to_owned(),
        tool: format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION")),
    };
    let (parameters, buffers) = if let Some(path) = &arguments.from_torch {
        from_torch(&graph, path, net)?
    } else {
        let seed = arguments.seed.unwrap_or_default();
        let scheme = Scheme::from_name(&arguments.scheme).ok_or_else(|| {
            Failure::unusable(format!("--scheme: expected a known scheme, found {:?}", arguments.scheme))
        })?;
        origin.seed = seed.to_string();
        origin.scheme.clone_from(&arguments.scheme);
        initial::draw(&graph, seed, scheme)
    };
    let count: usize = parameters.iter().map(Vec::len).sum();
    weights::write(out, &origin, state::named(&graph, parameters, buffers))?;
    output::result(format!("{}: {net}, {count} parameters", out.display()))?;
    Ok(0)
}

fn from_torch(graph: &Graph, path: &Path, net: &str) -> Result<(Parameters, Buffers), Failure> {
    let refuse = |error: ArtifactError| {
        Failure::from(error).hint("save it in PyTorch: safetensors.torch.save_file(net.float().state_dict(), FILE)")
    };
    let file = weights::open_torch(path).map_err(refuse)?;
    state::take(graph, file, net).map_err(refuse)
}
