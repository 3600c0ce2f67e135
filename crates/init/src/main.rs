//! `sc-init`: writes the seeded initial weights of a net, or takes them from a file of PyTorch's.

#![forbid(unsafe_code)]

mod pickle;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use artifacts::tensors::{Taking, Values};
use artifacts::torch::{self, Ways};
use artifacts::weights::{self, Origin, Task};
use clap::Parser;
use cli::arguments::FILES;
use cli::output::Quiet;
use cli::{Failure, arguments, output};
use kernels::engine::Buffers;
use kernels::graph::{Graph, NodeId, Op};
use launch::input::{InputFlags, Normalise};
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
    /// Take the weights from a PyTorch state_dict, not from a seed: a safetensors file, or a .pth of torch.save
    ///
    /// Floats of any width are taken, and the names of torchvision, timm, DataParallel and torch.compile. A last layer for
    /// another number of classes is made anew, as PyTorch makes one, by --seed [default: 1].
    #[arg(long, help_heading = FILES, value_name = "FILE", conflicts_with = "scheme")]
    from_torch: Option<PathBuf>,
    /// With --from-torch: make the last layer anew even where its width fits
    #[arg(long, help_heading = NET, requires = "from_torch")]
    new_head: bool,
    /// With --from-torch: average the first convolution over its channels where the images have others
    #[arg(long, help_heading = NET, requires = "from_torch")]
    adapt_stem: bool,
    /// Net: lenet, shallow, resnet8, 20, 32, 44, 56 or 110, bottleneck11, 29, 56 or 164; for pictures from 32 pixels on
    /// torchvision's resnet18, 34 or 50
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
    input: InputFlags,
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
    let torch = arguments.from_torch.as_deref().map(open).transpose()?;
    let mut task = Task::of(&file, &sha256);
    let wanted = torch.as_ref().map_or(Normalise::Data, |torch| wanted(torch, net, &task));
    let by = arguments.input.apply(&mut task, wanted, &data.display().to_string())?;
    let graph = nets::build(net, &shortcut, task.shape, file.classes.len()).map_err(Failure::unusable)?;
    let mut origin = Origin {
        net: net.clone(),
        shortcut,
        seed: String::new(),
        scheme: "torch-file".to_owned(),
        tool: format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION")),
        task: Some(task),
        val_from_train: String::new(),
        normalise: by.recorded().to_owned(),
    };
    let (parameters, buffers) = if let (Some(path), Some(torch)) = (&arguments.from_torch, torch) {
        from_torch(&graph, path, torch, arguments, &mut origin)?
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

/// Seed of a last layer that is made anew, where no flag says.
const HEAD_SEED: u64 = 1;

/// Opens a file of PyTorch's.
fn open(path: &Path) -> Result<Taking, Failure> {
    if pickle::is_pickle(path) { pickle::open(path) } else { torch::open(path).map_err(refusal) }
}

/// Whose statistics weights want the images normalised by: those that a file of ours records; ImageNet's where they come from
/// elsewhere, for a net that the world trains on ImageNet, and images have its channels.
fn wanted(torch: &Taking, net: &str, task: &Task) -> Normalise {
    let metadata = &torch.file.metadata;
    if metadata.contains_key("net") && metadata.contains_key("tool") {
        return Normalise::of(metadata.get("normalise").map_or("", String::as_str));
    }
    let is_of_imagenet = nets::is_of_imagenet(net) && task.shape[0] == weights::IMAGENET_MEAN.len();
    if is_of_imagenet { Normalise::Imagenet } else { Normalise::Data }
}

fn from_torch(
    graph: &Graph,
    path: &Path,
    mut file: Taking,
    arguments: &Arguments,
    origin: &mut Origin,
) -> Result<(Parameters, Buffers), Failure> {
    let net = &origin.net;
    let specs = graph.parameters.iter().chain(&graph.buffers);
    let tensors = specs.map(|spec| (spec.name.as_str(), spec.shape.as_slice())).collect();
    let head = head(graph);
    let wanted = torch::Wanted { net, tensors, head, stem: stem(graph) };
    let ways = Ways { new_head: arguments.new_head, adapt_stem: arguments.adapt_stem };
    let mut fitted = torch::fit(&mut file, &wanted, ways).map_err(refusal)?;
    if fitted.head_is_missing {
        let seed = arguments.seed.unwrap_or(HEAD_SEED);
        fitted.notes.push(format!("seed {seed}"));
        make_head(graph, head, seed, &mut file);
        origin.seed = seed.to_string();
    } else if let Some(seed) = arguments.seed {
        origin.seed = seed.to_string();
    }
    if origin.normalise == weights::IMAGENET {
        fitted.notes.push("images are normalised by ImageNet's mean and deviation".to_owned());
    }
    output::note(format!("{PROGRAM}: {}: {}", path.display(), fitted.notes.join("; ")));
    state::take(graph, file, net).map_err(refusal)
}

fn refusal(error: artifacts::ArtifactError) -> Failure {
    let hint = torch::hint(&error);
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// The name of the last layer, a dense one in every net.
fn head(graph: &Graph) -> &str {
    let last = graph.nodes.last().map(|node| &node.op);
    let Some(Op::Linear { weight, .. }) = last else { unreachable!("every net ends in a dense layer") };
    graph.parameters[weight.0].name.trim_end_matches(".weight")
}

/// The name of the weight that sees the images.
fn stem(graph: &Graph) -> &str {
    let weights = graph.nodes.iter().find_map(|node| match node.op {
        Op::Conv2d { x: NodeId(0), weight, .. } => Some(weight),
        _ => None,
    });
    weights.map_or("", |weight| graph.parameters[weight.0].name.as_str())
}

/// Draws the last layer as PyTorch's layers start, and puts it into the file.
fn make_head(graph: &Graph, head: &str, seed: u64, file: &mut Taking) {
    let (parameters, _) = initial::draw(graph, seed, Scheme::Torch);
    for (spec, values) in graph.parameters.iter().zip(parameters) {
        if spec.name.strip_prefix(head).is_some_and(|rest| rest.starts_with('.')) {
            file.file.insert(spec.name.clone(), &spec.shape, Values::F32(values));
        }
    }
}
