//! The curve of a range test: what was measured at each rate of a rising ramp, from whatever file.

pub mod file;
pub mod run;

use std::path::{Path, PathBuf};

use artifacts::error::display_path;
use artifacts::setting::Setting;
use artifacts::{metrics, run as records};

pub use file::Given;

use crate::error::{Error, Result};

/// Caffe's cross-entropy where the probability underflows: -ln(FLT_MIN) = 87.3365. It stands for an overflowing loss.
const CAFFE_OVERFLOW: f64 = 87.3365;

/// Whether a loss says nothing but that it overflowed.
pub(crate) fn overflows(loss: f64) -> bool {
    !loss.is_finite() || (loss - CAFFE_OVERFLOW).abs() < 1e-3
}
/// Fewest rates that a curve can be read from.
pub const MIN_RATES: usize = 12;

/// What was measured at one rate. `None`: not measured. Not finite: measured, and blown up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Number of the optimizer step.
    pub iteration: u64,
    /// Learning rate, finite, at least 0.
    pub lr: f64,
    /// Mean cross-entropy of the step's batch, in nats.
    pub train_loss: Option<f64>,
    /// Fraction of the step's batch classified correctly.
    pub train_accuracy: Option<f64>,
    /// Euclidean norm of the gradient.
    pub grad_norm: Option<f64>,
    /// Mean cross-entropy of images that were not trained on.
    pub val_loss: Option<f64>,
    /// Fraction of them classified correctly.
    pub val_accuracy: Option<f64>,
}

/// How far, in log rate, the ends of a ramp around a critical rate may be from where they are meant to be: one that stopped
/// early, or whose first step was lost, still is one.
const AROUND_TOLERANCE: f64 = 0.7;

/// One range test.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// Run or file that it was read from.
    pub source: String,
    /// Number of classes where known: chance is 1 in so many.
    pub classes: Option<usize>,
    /// Seed where known.
    pub seed: Option<u64>,
    /// The setting where known.
    pub setting: Setting,
    /// The critical rate of the first step, where the ramp was laid around one.
    pub critical_lr: Option<f64>,
    /// The gradient noise scale, in images, where known.
    pub noise_scale: Option<f64>,
    /// Steps of the training that the rates are asked for, where known.
    pub for_iterations: Option<u64>,
    /// What else must agree between curves that are read together: name and value.
    pub conditions: Vec<(&'static str, String)>,
    /// In order of iteration and of rate.
    pub points: Vec<Point>,
}

/// Reads a range test: the folder of a run (or one of its records), or a file of any tool. Says what the reader should be told about it.
///
/// # Errors
/// When it cannot be read, or what is `given` contradicts the record of a run.
pub fn read(path: &Path, given: &Given) -> Result<(Curve, Vec<String>)> {
    let Some(folder) = run_folder(path) else {
        return file::read(path, given);
    };
    if path.is_dir() && !folder.join(records::RUN_FILE).exists() {
        let what = format!("{}: this folder is not a run: it holds no {}", display_path(path), records::RUN_FILE);
        return Err(Error::curve(
            what,
            "name the file that holds the range test, or the folder of a run of sc-rangetest",
        ));
    }
    let (mut curve, warnings) = run::read(&folder)?;
    given.complete(&mut curve)?;
    Ok((curve, warnings))
}

/// The folder of the run that a path names, if it names one: make names runs by their `result.json`.
fn run_folder(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return Some(path.to_owned());
    }
    let is_a_record = [records::RUN_FILE, records::RESULT_FILE, metrics::FILE].iter().any(|name| path.ends_with(name));
    let folder = path.parent().filter(|folder| is_a_record && folder.join(records::RUN_FILE).is_file())?;
    Some(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() })
}

/// What can be read along a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// [`Point::train_loss`]
    TrainLoss,
    /// [`Point::train_accuracy`]
    TrainAccuracy,
    /// [`Point::grad_norm`]
    GradNorm,
    /// [`Point::val_loss`]
    ValLoss,
    /// [`Point::val_accuracy`]
    ValAccuracy,
}

impl Measure {
    /// What sentences call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TrainLoss => "training loss",
            Self::TrainAccuracy => "training accuracy",
            Self::GradNorm => "gradient norm",
            Self::ValLoss => "validation loss",
            Self::ValAccuracy => "validation accuracy",
        }
    }

    /// Its value at a point.
    pub fn of(self, point: &Point) -> Option<f64> {
        match self {
            Self::TrainLoss => point.train_loss,
            Self::TrainAccuracy => point.train_accuracy,
            Self::GradNorm => point.grad_norm,
            Self::ValLoss => point.val_loss,
            Self::ValAccuracy => point.val_accuracy,
        }
    }

    /// Whether it is a loss, in nats.
    pub fn is_loss(self) -> bool {
        matches!(self, Self::TrainLoss | Self::ValLoss)
    }
}

impl Curve {
    /// The finite values of a measure at positive rates: (log10 rate, value), ascending. Overflowing losses are left
    /// out: they say that the run blew up, not how high the loss was.
    pub fn series(&self, measure: Measure) -> Vec<(f64, f64)> {
        let usable = |value: &f64| if measure.is_loss() { !overflows(*value) } else { value.is_finite() };
        let positive = self.points.iter().filter(|point| point.lr > 0.0);
        positive.filter_map(|p| Some((p.lr.log10(), measure.of(p).filter(usable)?))).collect()
    }

    /// Whether a measure was taken at enough rates to be read.
    pub fn has(&self, measure: Measure) -> bool {
        self.series(measure).len() >= MIN_RATES
    }

    /// The positive rates from which on every loss measured is overflowing or not finite, to the end of the ramp.
    pub fn blown_from(&self) -> Option<f64> {
        let blown = |p: &Point| {
            let losses = [p.train_loss, p.val_loss].into_iter().flatten();
            losses.map(overflows).reduce(|all, one| all && one)
        };
        let measured: Vec<(f64, bool)> = self.points.iter().filter_map(|p| Some((p.lr, blown(p)?))).collect();
        let tail = measured.iter().rev().take_while(|(_, blown)| *blown).count();
        (tail > 0 && tail < measured.len()).then(|| measured[measured.len() - tail].0)
    }

    /// Whether the ramp was laid around its critical rate (`sc-rangetest` puts its ends at a 64th of it and at 16 times it), and
    /// not between ends that were given.
    pub fn is_around_critical_rate(&self) -> bool {
        let near = |rate: f64, critical: f64| (rate / critical).ln().abs() < AROUND_TOLERANCE;
        let ends = |critical: f64| {
            near(self.lowest_rate()?, critical / 64.0)
                .then_some(())
                .filter(|()| near(self.highest_rate(), critical * 16.0))
        };
        self.critical_lr.and_then(ends).is_some()
    }

    /// The lowest rate tried above 0.
    pub fn lowest_rate(&self) -> Option<f64> {
        self.points.iter().map(|point| point.lr).find(|lr| *lr > 0.0)
    }

    /// The highest rate tried.
    pub fn highest_rate(&self) -> f64 {
        self.points.last().map_or(0.0, |point| point.lr)
    }

    /// Refuses a curve from which nothing can be read.
    ///
    /// # Errors
    /// Too few rates, nothing finite, constant values, rates that do not rise.
    pub fn check(&self) -> Result<()> {
        self.check_rates()?;
        self.check_values()
    }

    fn check_rates(&self) -> Result<()> {
        let hint = "a range test raises the rate at every row: sort by iteration, one row for each rate";
        for pair in self.points.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            if b.lr == a.lr {
                let what = format!(
                    "{}: rate {} appears twice (iterations {} and {})",
                    self.source, a.lr, a.iteration, b.iteration
                );
                return Err(Error::curve(what, hint));
            }
            if b.lr < a.lr || b.iteration <= a.iteration {
                let what = format!(
                    "{}: rates and iterations must rise, but after rate {} at iteration {} comes rate {} at iteration {}",
                    self.source, a.lr, a.iteration, b.lr, b.iteration
                );
                return Err(Error::curve(what, hint));
            }
        }
        let rates = self.points.iter().filter(|point| point.lr > 0.0).count();
        if rates < MIN_RATES {
            let what =
                format!("{}: {rates} rates above 0 are too few: a curve needs at least {MIN_RATES}", self.source);
            return Err(Error::curve(
                what,
                "run the range test for more iterations, or measure more often (--val-every)",
            ));
        }
        Ok(())
    }

    fn check_values(&self) -> Result<()> {
        let curves = [Measure::TrainAccuracy, Measure::ValAccuracy, Measure::TrainLoss, Measure::ValLoss];
        let found: Vec<Vec<(f64, f64)>> = curves.iter().map(|measure| self.series(*measure)).collect();
        let most = found.iter().map(Vec::len).max().unwrap_or(0);
        if most == 0 {
            let what = format!("{}: every loss and accuracy is missing or not finite", self.source);
            return Err(Error::curve(what, "start the ramp at a lower rate, so that some of it is finite"));
        }
        if most < MIN_RATES {
            let what = format!(
                "{}: {most} rates with a finite loss or accuracy are too few: a curve needs at least {MIN_RATES}",
                self.source
            );
            return Err(Error::curve(
                what,
                "run the range test for more iterations, start it lower, or measure more often",
            ));
        }
        let constant = |series: &Vec<(f64, f64)>| series.iter().all(|point| point.1 == series[0].1);
        if found.iter().filter(|series| !series.is_empty()).all(constant) {
            let what = format!("{}: every value of the curve is the same", self.source);
            return Err(Error::curve(
                what,
                "a net that trains changes its loss from step to step: check what was recorded",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: Vec<Point>) -> Curve {
        Curve { source: "curve.csv".to_owned(), points, ..Curve::default() }
    }

    fn ramp(n: usize, loss: impl Fn(usize) -> f64) -> Vec<Point> {
        let point = |i| Point { iteration: i as u64, lr: 0.1 * i as f64, val_loss: Some(loss(i)), ..Point::default() };
        (0..n).map(point).collect()
    }

    fn refusal(points: Vec<Point>) -> String {
        curve(points).check().unwrap_err().to_string()
    }

    #[test]
    fn unusable_curves_are_refused_by_what_is_wrong() {
        assert!(curve(ramp(20, |i| 3.0 - 0.1 * i as f64)).check().is_ok());
        assert!(refusal(ramp(5, |i| i as f64)).contains("4 rates above 0 are too few: a curve needs at least 12"));
        assert!(refusal(ramp(20, |_| f64::NAN)).contains("every loss and accuracy is missing or not finite"));
        assert!(refusal(ramp(20, |i| if i < 5 { 1.0 } else { f64::NAN })).contains("4 rates with a finite loss"));
        assert!(refusal(ramp(20, |_| 2.3)).contains("every value of the curve is the same"));
        let mut points = ramp(20, |i| i as f64);
        points[7].lr = points[6].lr;
        assert!(refusal(points.clone()).contains("appears twice"));
        points[7].lr = 0.05;
        assert!(refusal(points).contains("rates and iterations must rise"));
    }

    #[test]
    fn overflow_at_the_end_is_a_blow_up_and_at_the_start_is_not() {
        let early = curve(ramp(20, |i| if i == 0 { 87.3366 } else { 1.0 + 0.01 * i as f64 }));
        assert_eq!(early.blown_from(), None);
        let late = curve(ramp(20, |i| if i >= 15 { 87.3366 } else { 1.0 }));
        assert_eq!(late.blown_from(), Some(0.1 * 15.0));
        assert_eq!(late.series(Measure::ValLoss).len(), 14);
    }
}
