//! Loss and accuracy over the steps: the mean of an arm's seeds, and a band of one standard deviation.

use plotters::style::RGBColor;

use super::axes::{Axis, Entry, Panel, legend};
use super::figure::Figure;
use super::{BELOW, BETWEEN, LEFT, LEGEND_TOP, RIGHT, TITLE_ROOM, WIDTH};

/// One measure of one arm over the steps: the mean of its seeds, and their standard deviation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Band {
    /// Steps.
    pub x: Vec<f64>,
    /// The mean at each.
    pub mean: Vec<f64>,
    /// The standard deviation at each; 0 of a single seed.
    pub deviation: Vec<f64>,
}

/// The curves of one arm.
#[derive(Clone, Debug)]
pub(crate) struct ArmCurves {
    /// The arm.
    pub arm: String,
    /// Its colour.
    pub color: RGBColor,
    /// Training loss.
    pub train_loss: Band,
    /// Training accuracy, of the batches.
    pub train_accuracy: Band,
    /// Accuracy along the steps on images that were not trained on, for looking.
    pub other_accuracy: Band,
    /// What these images are: `validation` or `test`.
    pub other_name: &'static str,
    /// Final accuracies that the arms are compared by.
    pub finals: Vec<f64>,
}

impl Band {
    fn draw(&self, figure: &mut Figure, panel: &Panel, color: RGBColor, dashed: bool) {
        let edge = |sign: f64| -> Vec<f64> {
            self.mean.iter().zip(&self.deviation).map(|(mean, deviation)| mean + sign * deviation).collect()
        };
        // One band an arm: more lie over each other.
        if !dashed {
            panel.band(figure, &self.x, &edge(-1.0), &edge(1.0), color);
        }
        let line: Vec<(f64, f64)> = self.x.iter().copied().zip(self.mean.iter().copied()).collect();
        if dashed {
            panel.dashed_series(figure, &line, color, 1.6);
        } else {
            panel.series(figure, &line, color, 1.8, 1.0);
        }
    }

    fn is_empty(&self) -> bool {
        self.mean.is_empty()
    }
}

/// Loss and accuracy of the arms at one length. `dots`: what the dots at the end show.
pub(crate) fn figure(iterations: u64, arms: &[ArmCurves], dots: &str) -> Figure {
    let name = format!("curves-{iterations}");
    let steps = artifacts::number::count(iterations);
    let description = format!(
        "Training loss and accuracy over {steps} steps, mean of the seeds and a band of one standard deviation"
    );
    let mut figure = Figure::new(&name, description, WIDTH, 0.0);
    let taken = legend(&mut figure, &entries(arms), LEFT, RIGHT, LEGEND_TOP);
    let x = Axis::linear(0.0, iterations as f64, false);
    let top = LEGEND_TOP + taken + TITLE_ROOM;
    let loss = Panel { left: LEFT, top, right: RIGHT, bottom: top + 180.0, x, y: loss_axis(arms) };
    let top = loss.bottom + BETWEEN;
    let y = Axis::linear(0.0, 1.0, true).in_percent();
    let accuracy = Panel { top, bottom: top + 180.0, y, ..loss };
    loss.frame(&mut figure, "training loss (nats, log scale)", None);
    accuracy.frame(&mut figure, &format!("accuracy (dots: final {dots})"), Some("step"));
    for arm in arms {
        arm.train_loss.draw(&mut figure, &loss, arm.color, false);
        arm.train_accuracy.draw(&mut figure, &accuracy, arm.color, false);
        arm.other_accuracy.draw(&mut figure, &accuracy, arm.color, true);
        for value in &arm.finals {
            figure.dot(accuracy.at(iterations as f64, *value), 3.5, arm.color, 0.75);
        }
    }
    figure.height = accuracy.bottom + BELOW;
    figure
}

fn entries(arms: &[ArmCurves]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = arms
        .iter()
        .map(|arm| Entry { text: format!("{}, training", arm.arm), color: arm.color, dashed: false, mark: None })
        .collect();
    let others = arms.iter().filter(|arm| !arm.other_accuracy.is_empty());
    entries.extend(others.map(|arm| Entry {
        text: format!("{}, {}", arm.arm, arm.other_name),
        color: arm.color,
        dashed: true,
        mark: None,
    }));
    entries
}

fn loss_axis(arms: &[ArmCurves]) -> Axis {
    let means = arms.iter().flat_map(|arm| &arm.train_loss.mean).copied();
    let (low, high) = means.fold((f64::INFINITY, 0.0f64), |(low, high), mean| (low.min(mean), high.max(mean)));
    if high <= 0.0 {
        return Axis::log(0.01, 3.0);
    }
    Axis::log((low * 0.8).max(1e-4), high.min(20.0) * 1.2)
}
