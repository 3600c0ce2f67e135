//! `sc-eval`: looks at trained nets. Flags, checks, calls.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use artifacts::dataset::{DataSet, Images};
use artifacts::weights::Task;
use artifacts::{atomic, json};
use clap::{Parser, ValueEnum};
use cli::arguments::{EXIT_CODES, FILES, OUTPUT};
use cli::output::Quiet;
use cli::{Failure, arguments, output};
use evaluation::evaluation::{Evaluation, Held, Judged, Subjects};
use evaluation::{figures, page};
use launch::flags::headings::VALIDATION;
use launch::inputs;
use launch::model::{self, Computing, Model, NormaliseFlag};
use learner::samples;

/// Large buffers come and go; this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: &str = "sc-eval";

/// Heading in `--help` of the flags that say what is looked at.
const EVALUATION: &str = "Evaluation";

/// Share of the training images that sc-train keeps for validation by default.
const DEFAULT_SHARE: f64 = 0.1;

/// Look at trained nets: accuracy, precision and recall of each class, confusions, calibration, and the worst mistakes as
/// pictures, on one page
///
/// With several models (seeds of one setting) the page compares them, and shows the pictures that all of them get wrong, which
/// are likely to be labelled wrongly; the details are those of the first.
#[derive(Parser)]
#[command(name = PROGRAM, version, after_help = EXIT_CODES)]
struct Arguments {
    /// Trained nets: the model.safetensors that sc-train leaves in its folder
    #[arg(long, help_heading = FILES, value_name = "FILE", required = true, num_args = 1..)]
    model: Vec<PathBuf>,
    /// Data set, made by sc-prep
    #[arg(long, help_heading = FILES, value_name = "FILE")]
    data: PathBuf,
    /// Folder to write the page and its figures to; files there of these names are replaced
    #[arg(long, help_heading = FILES, value_name = "DIR")]
    out: PathBuf,
    /// Images to look at: val, those that training kept for validation, or test. Look at val while you choose, at test once,
    /// at the end
    #[arg(long, help_heading = EVALUATION, value_enum, default_value_t = SplitName::Val, hide_possible_values = true)]
    split: SplitName,
    /// Share of the training images kept for validation (val_*): a fixed, stratified one [default: as the model records]
    #[arg(long, help_heading = VALIDATION, value_name = "F")]
    val_from_train: Option<f64>,
    #[command(flatten)]
    normalise: NormaliseFlag,
    #[command(flatten)]
    computing: Computing,
    /// Print the result as JSON
    #[arg(long, help_heading = OUTPUT)]
    json: bool,
    #[command(flatten)]
    quiet: Quiet,
}

/// Images to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SplitName {
    /// The validation images
    Val,
    /// The test images
    Test,
}

fn main() -> ExitCode {
    cli::run(PROGRAM, run(&arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.quiet.apply();
    let (data, sha256) = inputs::data_set(&arguments.data)?;
    let task = Task::of(&data, &sha256);
    let models: Vec<Model> =
        arguments.model.iter().map(|path| read(path, &task, arguments)).collect::<Result<_, _>>()?;
    for model in &models {
        check_fit(model, &task, &arguments.data)?;
    }
    let share = share(arguments, &models)?;
    let val = samples::divide(&data.train.labels, data.classes.len(), share, None).val;
    let (subjects, held) = subjects(arguments, &data, &val, seen(&models, data.shape))?;
    let mut nets = Vec::new();
    for model in models {
        let logits = model.logits(&subjects.pixels, subjects.shape, &arguments.computing)?;
        let held = match &held {
            // The images to look at are those very ones.
            None if arguments.split == SplitName::Val => {
                Some(Held { logits: logits.clone(), labels: subjects.labels.clone() })
            }
            None => None,
            Some(held) => {
                let logits = model.logits(&held.pixels, subjects.shape, &arguments.computing)?;
                Some(Held { logits, labels: held.labels.clone() })
            }
        };
        nets.push(Judged::new(model.path, model.sha256, model.origin.net, &logits, &subjects, held.as_ref()));
    }
    let data_file = (arguments.data.display().to_string(), sha256);
    let evaluation = Evaluation { subjects, data_name: data.name, data: data_file, nets };
    write(&evaluation, &arguments.out)?;
    report(&evaluation, arguments)?;
    Ok(0)
}

/// A model, normalised as a flag says.
fn read(path: &Path, task: &Task, arguments: &Arguments) -> Result<Model, Failure> {
    let mut model = Model::read(path, Some(task))?;
    model.normalise(arguments.normalise.normalise, Some(task))?;
    Ok(model)
}

/// Refuses a model that tells other things apart than the data holds; warns of one that was trained on other data.
fn check_fit(model: &Model, task: &Task, data: &Path) -> Result<(), Failure> {
    let (path, data) = (model.path.display(), data.display());
    // Either those that the model is handed, or as many pixels as it sees.
    if ![model.task.handed(), model.task.shape].contains(&task.handed()) {
        let shape = |[c, h, w]: [usize; 3]| format!("{c}x{h}x{w}");
        let (theirs, ours) = (shape(model.task.handed()), shape(task.handed()));
        return Err(Failure::unusable(format!("{path} takes images of {theirs}; those of {data} have {ours}"))
            .hint("evaluate on the data set that it was trained on, or one made by sc-prep with the same --size"));
    }
    if model.task.classes != task.classes {
        let classes = |names: &[String]| format!("{} ({})", names.len(), few(names));
        let (theirs, ours) = (classes(&model.task.classes), classes(&task.classes));
        return Err(Failure::unusable(format!("{path} knows the classes {theirs}; {data} has {ours}"))
            .hint("evaluate on a data set of the same classes"));
    }
    if model.is_untrained() {
        output::warning(PROGRAM, format!("{path} holds initial weights, which were not trained"));
    }
    if model.task.data_sha256 != task.data_sha256 {
        let text =
            format!("{path} was trained on another file than {data}: it may have seen images that are looked at here");
        output::warning(PROGRAM, text);
    }
    Ok(())
}

fn few(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown}, ...") } else { shown }
}

/// The share of the training images that is for validation: as a flag says, or as all models record.
fn share(arguments: &Arguments, models: &[Model]) -> Result<f64, Failure> {
    let wrong = |found: &dyn std::fmt::Display| {
        Failure::unusable(format!("--val-from-train: expected a number from 0 to below 1, found {found}"))
    };
    if let Some(share) = arguments.val_from_train {
        return if (0.0..1.0).contains(&share) { Ok(share) } else { Err(wrong(&share)) };
    }
    let mut shares: Vec<&str> =
        models.iter().map(|model| model.origin.val_from_train.as_str()).filter(|share| !share.is_empty()).collect();
    shares.sort_unstable();
    shares.dedup();
    match shares.as_slice() {
        [] => Ok(DEFAULT_SHARE),
        [share] => share.parse().ok().filter(|share| (0.0..1.0).contains(share)).ok_or_else(|| wrong(share)),
        several => {
            let message =
                format!("the models kept different shares of the images for validation: {}", several.join(", "));
            Err(Failure::unusable(message).hint("pass the largest of them: --val-from-train F"))
        }
    }
}

/// What nets see of the images of the data set: what all of them take, or, where they differ, the images as they are.
fn seen(models: &[Model], stored: [usize; 3]) -> [usize; 3] {
    let mut shapes = models.iter().map(|model| model.task.shape);
    let first = shapes.next().unwrap_or(stored);
    if shapes.all(|shape| shape == first) { first } else { stored }
}

/// Images for a temperature.
struct ForTemperature {
    pixels: Vec<u8>,
    labels: Vec<u32>,
}

/// The images to look at, and others for the temperature where those are not the validation images themselves.
fn subjects(
    arguments: &Arguments,
    data: &DataSet,
    val: &[u32],
    seen: [usize; 3],
) -> Result<(Subjects, Option<ForTemperature>), Failure> {
    let all: Vec<u32>;
    let (split, images, chosen, name) = match arguments.split {
        SplitName::Val => ("val", &data.train, val, "training image"),
        SplitName::Test => {
            all = (0..data.test.labels.len() as u32).collect();
            ("test", &data.test, all.as_slice(), "test image")
        }
    };
    if chosen.is_empty() {
        return Err(match arguments.split {
            SplitName::Val => {
                Failure::unusable("no images were kept for validation: the model learnt from all of them")
                    .hint("look at the test images, once, at the end: --split test")
            }
            SplitName::Test => Failure::unusable(format!("{} holds no test images", arguments.data.display())),
        });
    }
    let (pixels, labels) = chosen_of(images, chosen, data.shape, seen);
    let named = |at: &u32| match images.files.get(*at as usize) {
        Some(path) => path.clone(),
        None => format!("{name} {at}"),
    };
    let subjects = Subjects {
        split,
        shape: seen,
        pixels,
        labels,
        names: chosen.iter().map(named).collect(),
        classes: data.classes.clone(),
    };
    let held = (arguments.split == SplitName::Test && !val.is_empty()).then(|| {
        let (pixels, labels) = chosen_of(&data.train, val, data.shape, seen);
        ForTemperature { pixels, labels }
    });
    Ok((subjects, held))
}

/// Pixels and labels of some images of shape `stored`, of which nets see `seen`.
fn chosen_of(images: &Images, chosen: &[u32], stored: [usize; 3], seen: [usize; 3]) -> (Vec<u8>, Vec<u32>) {
    let size: usize = stored.iter().product();
    let of = |at: &u32| model::centre(&images.pixels[*at as usize * size..][..size], stored, seen);
    let pixels = chosen.iter().flat_map(of).collect();
    (pixels, chosen.iter().map(|at| images.labels[*at as usize]).collect())
}

/// Writes the page last: where it is, all that it names is.
fn write(evaluation: &Evaluation, out: &Path) -> Result<(), Failure> {
    let [net, ..] = evaluation.nets.as_slice() else { return Ok(()) };
    json::write(&out.join("metrics.json"), &evaluation.json())?;
    atomic::write(&out.join("confusion.csv"), &figures::confusion(evaluation, net))?;
    atomic::write(&out.join("classes.csv"), &figures::classes(evaluation, net))?;
    atomic::write(&out.join("predictions.csv"), &figures::predictions(evaluation))?;
    atomic::write(&out.join("index.html"), page::html(evaluation).as_bytes())?;
    Ok(())
}

fn report(evaluation: &Evaluation, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.json {
        return output::json(&evaluation.json());
    }
    for net in &evaluation.nets {
        let (low, high) = net.interval();
        let [.., f1] = net.confusion.macro_means();
        let [accuracy, low, high] = [net.accuracy(), low, high].map(|value| format!("{value:.4}"));
        output::result(format!(
            "{}: {} accuracy {accuracy} (95% interval {low} to {high}), macro F1 {f1:.4}, calibration error {:.4}",
            net.path.display(),
            evaluation.subjects.split,
            net.calibration.error
        ))?;
    }
    output::result(arguments.out.join("index.html").display())
}
