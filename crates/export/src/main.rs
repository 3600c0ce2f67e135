//! `sc-export`: writes a trained net for other runtimes.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use artifacts::atomic;
use clap::{Parser, Subcommand};
use cli::arguments::{EXIT_CODES, FILES};
use cli::output::Quiet;
use cli::{Failure, arguments, output};
use export::onnx;
use launch::model::{Model, NormaliseFlag};

const PROGRAM: &str = "sc-export";

/// Write a trained net for other runtimes. PyTorch needs no export: a model.safetensors holds a state_dict
#[derive(Parser)]
#[command(name = PROGRAM, version, after_help = EXIT_CODES)]
struct Arguments {
    /// The format.
    #[command(subcommand)]
    format: Format,
}

/// Formats of other runtimes.
#[derive(Subcommand)]
enum Format {
    /// ONNX, opset 17, IR version 8: pixels (uint8, any number of images) in, logits and probabilities out
    ///
    /// Normalisation is part of the model; the names of the classes are in its metadata.
    Onnx {
        /// Trained net: the model.safetensors that sc-train leaves in its folder
        #[arg(help_heading = FILES, value_name = "MODEL")]
        model: PathBuf,
        /// File to write; an existing one is replaced
        #[arg(long, help_heading = FILES, value_name = "FILE")]
        out: PathBuf,
        /// Data set that the model was trained on: for models of earlier versions, which do not name their classes, and for
        /// --normalise data
        #[arg(long, help_heading = FILES, value_name = "FILE")]
        data: Option<PathBuf>,
        /// By whose statistics images are normalised.
        #[command(flatten)]
        normalise: NormaliseFlag,
        /// What stderr is told.
        #[command(flatten)]
        quiet: Quiet,
    },
}

fn main() -> ExitCode {
    cli::run(PROGRAM, run(&arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let Format::Onnx { model, out, data, normalise, quiet } = &arguments.format;
    quiet.apply();
    let task = data.as_deref().map(Model::task_of).transpose()?;
    let mut model = Model::read(model, task.as_ref())?;
    model.normalise(normalise.normalise, task.as_ref())?;
    if model.is_untrained() {
        output::warning(PROGRAM, format!("{} holds initial weights, which were not trained", model.path.display()));
    }
    let Model { graph, parameters, buffers, origin, task, .. } = &model;
    atomic::write(out, &onnx::model(graph, parameters, buffers, origin, task))?;
    let [channels, height, width] = task.shape;
    output::result(format!(
        "{}: {}, opset {}, IR {}; {} uint8 [N, {channels}, {height}, {width}] in, {} [N, {}] out",
        out.display(),
        origin.net,
        onnx::OPSET,
        onnx::IR_VERSION,
        onnx::INPUT,
        onnx::OUTPUTS.join(" and "),
        task.classes.len()
    ))?;
    Ok(0)
}
