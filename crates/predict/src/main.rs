//! `sc-predict`: says what is on pictures, by a trained net whose file is all that it needs.

#![forbid(unsafe_code)]

mod decode;
mod sources;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use artifacts::atomic;
use clap::{Parser, ValueEnum};
use cli::arguments::{EXIT_CODES_OF_PREDICTIONS, FILES, OUTPUT};
use cli::output::Quiet;
use cli::progress::Progress;
use cli::{Failure, SOME_UNREADABLE, arguments, output};
use launch::model::{Computing, Model, NormaliseFlag};
use learner::scores;

use crate::table::{Answer, Row};

/// Large buffers come and go; this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: &str = "sc-predict";

/// Heading in `--help` of the flags that say what is predicted.
const PREDICTIONS: &str = "Predictions";

/// Pictures are decoded and computed in groups of at most so many bytes of pixels.
const GROUP_BYTES: usize = 64 << 20;

/// Say what is on pictures: a line for each, with its class and the probability that the net gives it
///
/// Pictures are read, cut and scaled as sc-prep does it, as the model's own metadata say; a picture of the data set gets the
/// answer, to the bit, that sc-eval gives it.
#[derive(Parser)]
#[command(name = PROGRAM, version, after_help = EXIT_CODES_OF_PREDICTIONS)]
struct Arguments {
    /// Trained net: the model.safetensors that sc-train leaves in its folder
    #[arg(help_heading = FILES, value_name = "MODEL")]
    model: PathBuf,
    /// Pictures (JPEG, PNG), and folders to look for them in, at any depth; -: paths on standard input, one a line
    #[arg(help_heading = FILES, value_name = "DIR|FILE", required = true)]
    pictures: Vec<PathBuf>,
    /// File to write; an existing one is replaced [default: standard output]
    #[arg(long, help_heading = FILES, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Data set that the model was trained on: for models of earlier versions, which do not name their classes, and for
    /// --normalise data
    #[arg(long, help_heading = FILES, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Classes that each line names, from the most probable one down
    #[arg(long, help_heading = PREDICTIONS, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    top: u64,
    #[command(flatten)]
    normalise: NormaliseFlag,
    #[command(flatten)]
    computing: Computing,
    /// Form of the lines: csv or jsonl [default: by the extension of --out, else csv]
    #[arg(long, help_heading = OUTPUT, value_enum, value_name = "NAME", hide_possible_values = true)]
    format: Option<Format>,
    #[command(flatten)]
    quiet: Quiet,
}

/// Forms of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Comma-separated values
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl Arguments {
    /// The form of the lines.
    fn format(&self) -> Result<Format, Failure> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        let extension = self.out.as_deref().and_then(Path::extension).map(|end| end.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            None | Some("csv") => Ok(Format::Csv),
            Some("jsonl" | "ndjson") => Ok(Format::Jsonl),
            Some(other) => Err(Failure::unusable(format!("--out: a file .csv or .jsonl is expected, found .{other}"))
                .hint("say which form the lines get: --format csv or --format jsonl")),
        }
    }
}

fn main() -> ExitCode {
    cli::run(PROGRAM, run(&arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.quiet.apply();
    let format = arguments.format()?;
    let task = arguments.data.as_deref().map(Model::task_of).transpose()?;
    let mut model = Model::read(&arguments.model, task.as_ref())?;
    model.normalise(arguments.normalise.normalise, task.as_ref())?;
    if model.is_untrained() {
        output::warning(PROGRAM, format!("{} holds initial weights, which were not trained", model.path.display()));
    }
    let paths = sources::list(&arguments.pictures)?;
    let rows = predict(&model, &paths, arguments)?;
    let unreadable = rows.iter().filter(|row| row.answer.is_err()).count();
    let text = match format {
        Format::Csv => table::csv(&rows, &model.task.classes, arguments.top as usize),
        Format::Jsonl => table::jsonl(&rows, &model.task.classes, arguments.top as usize),
    };
    match &arguments.out {
        Some(out) => {
            atomic::write(out, &text)?;
            let besides = if unreadable > 0 { format!(", {unreadable} could not be read") } else { String::new() };
            let pictures = if rows.len() == 1 { "picture" } else { "pictures" };
            output::result(format!("{}: {} {pictures}{besides}", out.display(), rows.len()))?;
        }
        None => output::text(String::from_utf8_lossy(&text))?,
    }
    Ok(if unreadable > 0 { SOME_UNREADABLE } else { 0 })
}

/// The answer for every picture, group by group.
fn predict(model: &Model, paths: &[PathBuf], arguments: &Arguments) -> Result<Vec<Row>, Failure> {
    let conversion = decode::conversion(&model.task);
    let shape = model.task.handed();
    let size: usize = shape.iter().product();
    let classes = model.task.classes.len();
    let mut progress = Progress::new("pictures", 0, Some(paths.len() as u64));
    let mut rows = Vec::with_capacity(paths.len());
    for group in paths.chunks((GROUP_BYTES / size).clamp(1, 1024)) {
        let (pixels, outcomes) = decode::all(group, conversion, size, arguments.computing.threads());
        let logits = if pixels.is_empty() { Vec::new() } else { model.logits(&pixels, shape, &arguments.computing)? };
        let mut answers = logits.chunks_exact(classes);
        for (path, outcome) in group.iter().zip(outcomes) {
            let answer = outcome.map(|()| {
                let logits = answers.next().expect("as many answers as pictures that could be read");
                Answer { probabilities: scores::probabilities(logits), ranked: scores::ranked(logits) }
            });
            rows.push(Row { path: path.display().to_string(), answer });
        }
        progress.advance(group.len() as u64);
    }
    progress.finish();
    Ok(rows)
}
