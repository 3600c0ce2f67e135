//! `sc-init`: writes the seeded initial weights of a net, or takes them from a file of PyTorch's.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use artifacts::weights::{self, Origin, Task};
use artifacts::{ArtifactError, torch};
use clap::Parser;
use cli::arguments::FILES;
use cli::output::Quiet;
use cli::{Failure, arguments, output};
use kernels::engine::Buffers;
use kernels::graph::Graph;
use launch::inputs;
use learner::initial::{self, Scheme};
use learner::nets::{self, Shortcut};
use learner::state::{self, Parameters};

const PROGRAM: &str = "sc-init";

/// Heading in `--help` of the flags that say what is written.
const NET: &str = "Net";

/// Write the initial weights of a net: one seed, one file, bit for bit, on every machine
#[derive(Parser)]
#[command(name = PROGRAM, version, after_help = arguments::EXIT_CODES)]
struct Arguments {
    /// Data set, made by sc-prep; decides channels, side and classes of the net
    #[arg(long, help_heading = FILES, value_name = "FILE")]
    data: PathBuf,
    /// File to write; an existing one is replaced
    #[arg(long, help_heading = FILES, value_name = "FILE")]
    out: PathBuf,
    /// Take the weights from a safetensors file of a PyTorch state_dict, not from a seed
    #[arg(long, help_heading = FILES, value_name = "FILE", conflicts_with_all = ["seed", "scheme"])]
    from_torch: Option<PathBuf>,
    /// Net: lenet, shallow, resnet8, 20, 32, 44, 56 or 110, bottleneck11, 29, 56 or 164
    #[arg(long, help_heading = NET, value_name = "NAME", hide_possible_values = true,
        value_parser = clap::builder::PossibleValuesParser::new(nets::NAMES))]
    net: String,
    /// How a residual block narrows its input: a (every second pixel) or avgpool (3x3 average) [default: a]
    #[arg(long, help_heading = NET, value_name = "NAME", value_parser = names(&Shortcut::NAMES))]
    shortcut: Option<String>,
    /// Seed of the weights
    #[arg(long, help_heading = NET, value_name = "N", required_unless_present = "from_torch")]
    seed: Option<u64>,
    /// How weights are drawn: kaiming (normal, fan-in), kaiming-fan-out, or torch (as PyTorch's layers start)
    #[arg(long, help_heading = NET, value_name = "NAME", default_value = "kaiming", value_parser = names(&Scheme::NAMES))]
    scheme: String,
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
    let (file, sha256) = inputs::data_set(data)?;
    let shortcut = arguments.shortcut.clone().unwrap_or_else(|| nets::default_shortcut(net).to_owned());
    let graph = nets::build(net, &shortcut, file.shape, file.classes.len()).map_err(Failure::unusable)?;
    let mut origin = Origin {
        net: net.clone(),
        shortcut,
        seed: String::new(),
        scheme: "torch-file".to_owned(),
        tool: format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION")),
        task: Some(Task::of(&file, &sha256)),
        val_from_train: String::new(),
    };
    let (parameters, buffers) = if let Some(path) = &arguments.from_torch {
        from_torch(&graph, path, net)?
    } else {
        let seed = arguments.seed.unwrap_or_default();
        let scheme = Scheme::from_name(&arguments.scheme).expect("the flag takes known names alone");
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
        let hint = torch::hint(&error);
        let failure = Failure::from(error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    };
    let mut file = torch::open(path).map_err(refuse)?;
    let wanted: Vec<&str> = graph.parameters.iter().chain(&graph.buffers).map(|spec| spec.name.as_str()).collect();
    for note in torch::rename(&mut file, &wanted) {
        output::note(format!("{PROGRAM}: {}: {note}", path.display()));
    }
    torch::check_names(&file, &wanted, net).map_err(refuse)?;
    state::take(graph, file, net).map_err(refuse)
}
