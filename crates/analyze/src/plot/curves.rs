//! Loss and accuracy over the steps: the mean of an arm's seeds, and a band of one standard deviation.

use plotters::style::RGBColor;

use super::axes::{Axis, Entry, Panel, legend};
use super::figure::Figure;
use super::{BELOW, BETWEEN, LEFT, LEGEND_TOP, RIGHT, TITLE_ROOM, WIDTH};
use reading::stats::summary;

/// One measure of one arm: a position for every column, and each seed's values there (NaN where there is none).
#[derive(Clone, Debug, Default)]
pub struct Band {
    /// Steps.
    pub x: Vec<f64>,
    /// For each step the values of the seeds.
    pub seeds: Vec<Vec<f64>>,
}

/// The curves of one arm.
#[derive(Clone, Debug)]
pub struct ArmCurves {
    /// The arm.
    pub arm: String,
    /// Its colour.
    pub color: RGBColor,
    /// Training loss.
    pub train_loss: Band,
    /// Training accuracy, of the batches.
    pub train_accuracy: Band,
    /// Accuracy along the way on images that were not trained on, for looking.
    pub held_out_accuracy: Band,
    /// What these images are: `held-out` or `test`.
    pub held_out_name: &'static str,
    /// Final accuracies that the arms are compared by.
    pub finals: Vec<f64>,
}

impl Band {
    fn mean_and_deviation(&self) -> (Vec<f64>, Vec<f64>) {
        let columns = self.seeds.iter().map(|values| {
            let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
            summary(&finite).map_or((f64::NAN, f64::NAN), |s| (s.mean, s.sd.unwrap_or(0.0)))
        });
        columns.unzip()
    }

    fn draw(&self, figure: &mut Figure, panel: &Panel, color: RGBColor, dashed: bool) {
        let (mean, deviation) = self.mean_and_deviation();
        let edge = |sign: f64| -> Vec<f64> {
            mean.iter().zip(&deviation).map(|(mean, deviation)| mean + sign * deviation).collect()
        };
        // One band an arm: more lie over each other.
        if !dashed {
            panel.band(figure, &self.x, &edge(-1.0), &edge(1.0), color);
        }
        let line: Vec<(f64, f64)> = self.x.iter().copied().zip(mean).filter(|(_, mean)| mean.is_finite()).collect();
        if dashed {
            panel.dashed_series(figure, &line, color, 1.6);
        } else {
            panel.series(figure, &line, color, 1.8, 1.0);
        }
    }

    fn is_empty(&self) -> bool {
        self.seeds.iter().flatten().all(|value| !value.is_finite())
    }
}

/// Loss and accuracy of the arms at one length. `score`: what the dots at the end show.
pub fn figure(iterations: u64, arms: &[ArmCurves], score: &str) -> Figure {
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
    accuracy.frame(&mut figure, &format!("accuracy (dots: final {score})"), Some("step"));
    for arm in arms {
        arm.train_loss.draw(&mut figure, &loss, arm.color, false);
        arm.train_accuracy.draw(&mut figure, &accuracy, arm.color, false);
        arm.held_out_accuracy.draw(&mut figure, &accuracy, arm.color, true);
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
        .map(|arm| Entry { text: format!("{}, training", arm.arm), color: arm.color, dashed: false })
        .collect();
    let held_out = arms.iter().filter(|arm| !arm.held_out_accuracy.is_empty());
    entries.extend(held_out.map(|arm| Entry {
        text: format!("{}, {}", arm.arm, arm.held_out_name),
        color: arm.color,
        dashed: true,
    }));
    entries
}

fn loss_axis(arms: &[ArmCurves]) -> Axis {
    let means = arms.iter().flat_map(|arm| arm.train_loss.mean_and_deviation().0).filter(|mean| mean.is_finite());
    let (low, high) = means.fold((f64::INFINITY, 0.0f64), |(low, high), mean| (low.min(mean), high.max(mean)));
    if high <= 0.0 {
        return Axis::log(0.01, 3.0);
    }
    Axis::log((low * 0.8).max(1e-4), high.min(20.0) * 1.2)
}
