//! What a recipe adds to the flags: a flag given by hand wins, a recipe for something else is refused.

use std::path::Path;

use artifacts::recipe::{self, Recipe};
use artifacts::run::Source;
use clap::parser::ValueSource;
use clap::{ArgMatches, ValueEnum};
use cli::Failure;

use crate::flags::Flags;
use crate::input::Normalise;
use crate::made_for;
use crate::run::Prepared;

/// A recipe that was read, once, with the file that it came from.
pub struct Applied {
    /// The recipe.
    pub recipe: Recipe,
    /// Its file, with the hash of the bytes that it was read from.
    pub source: Source,
}

/// Reads the recipe that the flags name, if any, and fills in the shared flags that were not given by hand.
///
/// # Errors
/// When the recipe cannot be read, or has no number of steps where no flag gives one.
pub fn apply(flags: &mut Flags, matches: &ArgMatches) -> Result<Option<Box<Applied>>, Failure> {
    let Some(path) = flags.recipe.clone() else {
        return Ok(None);
    };
    let (recipe, sha256) = recipe::read_with_hash(&path).map_err(|error| made_for::unreadable(error, MADE_BY))?;
    let training = &recipe.training;
    let open = |flag: &str| !given(matches, flag);
    if open("batch_size") {
        flags.batch_size = training.batch_size;
    }
    if open("optimizer") {
        flags.optimizer = named(&path, "optimizer", &training.optimizer)?;
    }
    if open("momentum") {
        flags.momentum = training.momentum;
    }
    if open("weight_decay") {
        flags.weight_decay = training.weight_decay;
    }
    if open("bn_momentum") {
        flags.bn_momentum = training.bn_momentum;
    }
    if open("bn_reestimate") {
        flags.bn_reestimate = training.bn_reestimate;
    }
    if open("augment") {
        flags.augment = named(&path, "augment", &training.augment)?;
    }
    let size = (training.train_size > 0).then_some(training.train_size as u64);
    flags.input.train_size = flags.input.train_size.or(size);
    let by = (!training.normalise.is_empty()).then(|| Normalise::of(&training.normalise));
    flags.input.normalise = flags.input.normalise.or(by);
    flags.iterations = flags.iterations.or(training.iterations);
    if flags.iterations.is_none() {
        let message = format!("{} sets no number of steps", path.display());
        return Err(Failure::unusable(message).hint("the search has not decided it yet; pass --iterations N"));
    }
    Ok(Some(Box::new(Applied { recipe, source: Source::new(&path, sha256) })))
}

/// Whether a flag was given by hand.
pub fn given(matches: &ArgMatches, flag: &str) -> bool {
    matches.value_source(flag) == Some(ValueSource::CommandLine)
}

const MADE_BY: &str = "a recipe is made by a streamlined search: make streamline";

fn named<T: ValueEnum>(path: &Path, key: &str, name: &str) -> Result<T, Failure> {
    T::from_str(name, false).map_err(|_| {
        let names: Vec<String> =
            T::value_variants().iter().filter_map(|v| Some(v.to_possible_value()?.get_name().to_owned())).collect();
        Failure::unusable(format!(
            "{}: expected {key} to be one of {}, found {name:?}",
            path.display(),
            names.join(", ")
        ))
    })
}

/// Refuses a recipe that was made for other data or another net, unless `--force` says to use it all the same.
pub(crate) fn check(applied: &Applied, prepared: &Prepared) -> Result<(), Failure> {
    let (path, made_for) = (Path::new(&applied.source.path), applied.recipe.made_for());
    made_for::check(path, &made_for, prepared, "make a recipe for this one: make streamline")
}
