//! What is known of a curve besides its points: by flags, or by a first line of its file such as
//! `# superconv: critical_lr=0.5 optimizer=sgd momentum=0.9`.

use std::fmt::Display;

use super::Fault;
use crate::curve::Curve;
use crate::error::{Error, Result};

/// How the line begins that a file says of itself.
const MARK: &str = "superconv:";
/// The optimizers that the rule for the highest rate was found and judged on.
pub(super) const OPTIMIZERS: [&str; 7] = ["sgd", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw"];

/// What is known of a curve besides its points; `None` is not said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// Number of classes.
    pub classes: Option<usize>,
    /// Critical rate of the first step.
    pub critical_lr: Option<f64>,
    /// Gradient noise scale, in images.
    pub noise_scale: Option<f64>,
    /// The optimizer, in lower case.
    pub optimizer: Option<String>,
    /// Momentum.
    pub momentum: Option<f64>,
    /// Weight decay.
    pub weight_decay: Option<f64>,
    /// Images per step.
    pub batch_size: Option<usize>,
    /// Steps of the training that the rates are asked for.
    pub for_iterations: Option<u64>,
}

impl Given {
    /// What a comment line says, and the keys in it that nobody knows; `None` where it says nothing of ours.
    pub(super) fn of_comment(comment: &str) -> Option<std::result::Result<(Self, Vec<String>), Fault>> {
        let pairs = comment.trim().strip_prefix(MARK)?;
        let mut given = Self::default();
        let mut unknown = Vec::new();
        for pair in pairs.split_whitespace() {
            match given.set(pair) {
                Ok(true) => (),
                Ok(false) => unknown.extend(pair.split('=').next().map(str::to_owned)),
                Err(what) => {
                    let hint = "the line reads `# superconv: critical_lr=0.5 optimizer=sgd momentum=0.9 ...`";
                    return Some(Err(Fault::new(format!("the line `# {MARK}`: {pair:?} {what}"), hint)));
                }
            }
        }
        Some(Ok((given, unknown)))
    }

    /// Takes in `key=value`. Returns whether the key is known.
    fn set(&mut self, pair: &str) -> std::result::Result<bool, String> {
        let (key, value) = pair.split_once('=').ok_or("is not of the form key=value")?;
        match key {
            "classes" => self.classes = Some(count(value, 2)? as usize),
            "critical_lr" => self.critical_lr = Some(number(value, |rate| rate > 0.0, "a number above 0")?),
            "noise_scale" => self.noise_scale = Some(number(value, |scale| scale >= 0.0, "a number from 0 on")?),
            "optimizer" => self.optimizer = Some(value.to_lowercase()),
            "momentum" => {
                self.momentum = Some(number(value, |m| (0.0..1.0).contains(&m), "a number from 0 on and below 1")?);
            }
            "weight_decay" => self.weight_decay = Some(number(value, |decay| decay >= 0.0, "a number from 0 on")?),
            "batch_size" => self.batch_size = Some(count(value, 1)? as usize),
            "for_iterations" => self.for_iterations = Some(count(value, 1)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// This, and what a file says of itself besides. Says in `contradicted` where the two differ: this counts.
    pub(super) fn or(&self, own: Self, contradicted: &mut Vec<String>) -> Self {
        Self {
            classes: either("classes", self.classes, own.classes, contradicted),
            critical_lr: either("critical-lr", self.critical_lr, own.critical_lr, contradicted),
            noise_scale: either("noise-scale", self.noise_scale, own.noise_scale, contradicted),
            optimizer: either("optimizer", self.optimizer.clone(), own.optimizer, contradicted),
            momentum: either("momentum", self.momentum, own.momentum, contradicted),
            weight_decay: either("weight-decay", self.weight_decay, own.weight_decay, contradicted),
            batch_size: either("batch-size", self.batch_size, own.batch_size, contradicted),
            for_iterations: either("for-iterations", self.for_iterations, own.for_iterations, contradicted),
        }
    }

    /// Says it of a curve of which nothing is known yet.
    pub(super) fn describe(self, curve: &mut Curve) {
        curve.classes = self.classes;
        curve.critical_lr = self.critical_lr;
        curve.noise_scale = self.noise_scale;
        curve.for_iterations = self.for_iterations;
        curve.setting.optimizer = self.optimizer;
        curve.setting.momentum = self.momentum;
        curve.setting.weight_decay = self.weight_decay;
        curve.setting.batch_size = self.batch_size;
    }

    /// Adds to a run what it does not say of itself: what it records is what was run.
    ///
    /// # Errors
    /// Naming the flag that says otherwise.
    pub(in crate::curve) fn complete(&self, curve: &mut Curve) -> Result<()> {
        let Curve { source, classes, critical_lr, noise_scale, for_iterations, setting, .. } = curve;
        complete(source, "classes", classes, self.classes)?;
        complete(source, "critical-lr", critical_lr, self.critical_lr)?;
        complete(source, "noise-scale", noise_scale, self.noise_scale)?;
        complete(source, "optimizer", &mut setting.optimizer, self.optimizer.clone())?;
        complete(source, "momentum", &mut setting.momentum, self.momentum)?;
        complete(source, "weight-decay", &mut setting.weight_decay, self.weight_decay)?;
        complete(source, "batch-size", &mut setting.batch_size, self.batch_size)?;
        complete(source, "for-iterations", for_iterations, self.for_iterations)
    }
}

fn number(value: &str, is_right: fn(f64) -> bool, wanted: &str) -> std::result::Result<f64, String> {
    let number = value.parse::<f64>().ok().filter(|number| number.is_finite() && is_right(*number));
    number.ok_or_else(|| format!("is not {wanted}"))
}

fn count(value: &str, least: u64) -> std::result::Result<u64, String> {
    let number = value.parse::<u64>().ok().filter(|number| *number >= least);
    number.ok_or_else(|| format!("is not a whole number from {least} on"))
}

fn either<T: PartialEq + Display>(
    flag: &str,
    given: Option<T>,
    own: Option<T>,
    contradicted: &mut Vec<String>,
) -> Option<T> {
    if let (Some(given), Some(own)) = (&given, &own)
        && given != own
    {
        contradicted.push(format!("--{flag} {given} is taken, though the file says {own}"));
    }
    given.or(own)
}

fn complete<T: PartialEq + Display>(source: &str, flag: &str, known: &mut Option<T>, given: Option<T>) -> Result<()> {
    match (&*known, given) {
        (Some(known), Some(given)) if *known != given => {
            let what = format!("`--{flag} {given}` does not apply to {source}, which was run with {known}");
            Err(Error::curve(what, format!("leave out --{flag}")))
        }
        (None, given) => {
            *known = given;
            Ok(())
        }
        _ => Ok(()),
    }
}
