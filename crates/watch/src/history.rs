//! The curve of a run, as fine as a terminal can show it, however long the run is.

use artifacts::metrics::{Metrics, Timing};

/// Points that are kept at most; a terminal has some hundred columns.
const MOST_POINTS: usize = 8192;
/// Times that are kept at most.
const MOST_TIMES: usize = 4096;

/// What was measured over the steps of a run. Where they are many, a point is the mean of several.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    points: Vec<Point>,
    /// Steps that a point stands for.
    per_point: Count,
    open: Gathered,
    /// (step, seconds), ascending.
    times: Vec<(u64, f64)>,
    /// Every so many times one is kept.
    time_stride: Count,
    times_seen: usize,
}

/// At least 1.
#[derive(Clone, Copy, Debug)]
struct Count(usize);

impl Default for Count {
    fn default() -> Self {
        Self(1)
    }
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Point {
    pub(crate) iteration: u64,
    pub(crate) epoch: f64,
    pub(crate) lr: f64,
    pub(crate) momentum: f64,
    pub(crate) train_loss: Value,
    pub(crate) train_accuracy: Value,
    pub(crate) val_loss: Value,
    pub(crate) val_accuracy: Value,
    pub(crate) grad_norm: Value,
}

/// A measured value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Value {
    /// Not measured at this point.
    #[default]
    None,
    /// Measured, and no longer finite.
    Blown,
    /// Measured.
    Number(f64),
}

/// Lines that become one point.
#[derive(Clone, Copy, Debug, Default)]
struct Gathered {
    lines: usize,
    last: Point,
    means: [Mean; 5],
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    count: usize,
    blown: bool,
}

impl Mean {
    fn add(&mut self, value: Value) {
        match value {
            Value::None => {}
            Value::Blown => self.blown = true,
            Value::Number(number) => (self.sum, self.count) = (self.sum + number, self.count + 1),
        }
    }

    fn value(self) -> Value {
        match self {
            Self { blown: true, .. } => Value::Blown,
            Self { count: 0, .. } => Value::None,
            Self { sum, count, .. } => Value::Number(sum / count as f64),
        }
    }
}

impl Point {
    fn of(line: &Metrics) -> Self {
        // The training loss is measured at every step: null says that it was not finite. So says an accuracy without its loss.
        let blown = |value: Option<f64>| value.map_or(Value::Blown, Value::Number);
        let measured = |value: Option<f64>| value.map_or(Value::None, Value::Number);
        Self {
            iteration: line.iteration,
            epoch: line.epoch,
            lr: line.lr,
            momentum: line.momentum,
            train_loss: blown(line.train_loss),
            train_accuracy: measured(line.train_accuracy),
            val_loss: if line.val_accuracy.is_some() { blown(line.val_loss) } else { measured(line.val_loss) },
            val_accuracy: measured(line.val_accuracy),
            grad_norm: blown(line.grad_norm),
        }
    }

    fn values(&self) -> [Value; 5] {
        [self.train_loss, self.train_accuracy, self.val_loss, self.val_accuracy, self.grad_norm]
    }
}

impl Gathered {
    fn add(&mut self, point: Point, lines: usize) {
        self.lines += lines;
        for (mean, value) in self.means.iter_mut().zip(point.values()) {
            mean.add(value);
        }
        self.last = point;
    }

    fn point(&self) -> Point {
        let [train_loss, train_accuracy, val_loss, val_accuracy, grad_norm] = self.means.map(Mean::value);
        Point { train_loss, train_accuracy, val_loss, val_accuracy, grad_norm, ..self.last }
    }
}

impl History {
    /// Adds the next step.
    pub(crate) fn push(&mut self, line: &Metrics) {
        self.open.add(Point::of(line), 1);
        if self.open.lines < self.per_point.0 {
            return;
        }
        self.points.push(std::mem::take(&mut self.open).point());
        if self.points.len() == MOST_POINTS {
            self.halve();
        }
    }

    fn halve(&mut self) {
        let merged = self.points.chunks(2).map(|pair| {
            let mut gathered = Gathered::default();
            for point in pair {
                gathered.add(*point, self.per_point.0);
            }
            gathered.point()
        });
        self.points = merged.collect();
        self.per_point.0 *= 2;
    }

    /// Adds the next time.
    pub(crate) fn push_time(&mut self, line: &Timing) {
        self.times_seen += 1;
        if self.times_seen.is_multiple_of(self.time_stride.0) {
            self.times.push((line.iteration, line.wall_seconds));
        }
        if self.times.len() == MOST_TIMES {
            let mut at = 0;
            self.times.retain(|_| {
                at += 1;
                at % 2 == 0
            });
            self.time_stride.0 *= 2;
        }
    }

    /// Forgets the steps, not the times.
    pub(crate) fn clear_points(&mut self) {
        (self.points, self.per_point, self.open) = Default::default();
    }

    /// Forgets the times, not the steps.
    pub(crate) fn clear_times(&mut self) {
        (self.times, self.time_stride, self.times_seen) = Default::default();
    }

    /// All points, in order.
    pub(crate) fn points(&self) -> impl Iterator<Item = Point> + '_ {
        let open = (self.open.lines > 0).then(|| self.open.point());
        self.points.iter().copied().chain(open)
    }

    /// Seconds that the run had taken when it had made a step, between the times that are known; none without any.
    pub(crate) fn seconds_at(&self, iteration: u64) -> Option<f64> {
        let after = self.times.partition_point(|(step, _)| *step < iteration);
        let (before, after) = match (after.checked_sub(1).map(|at| self.times[at]), self.times.get(after)) {
            (before, Some(after)) => (before.unwrap_or_default(), *after),
            // Steps that no time was noted for yet: as fast as those before.
            (Some(last), None) => ((0, 0.0), last),
            (None, None) => return None,
        };
        let steps = after.0.checked_sub(before.0).filter(|steps| *steps > 0)?;
        Some(before.1 + (after.1 - before.1) * (iteration as f64 - before.0 as f64) / steps as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(iteration: u64) -> Metrics {
        Metrics {
            iteration,
            epoch: iteration as f64,
            lr: iteration as f64,
            momentum: 0.9,
            train_loss: (iteration != 3).then_some(iteration as f64),
            train_accuracy: Some(0.5),
            grad_norm: Some(1.0),
            val_loss: None,
            val_accuracy: iteration.is_multiple_of(10).then_some(0.25),
            ema_val_loss: None,
            ema_val_accuracy: None,
        }
    }

    #[test]
    fn a_short_run_is_kept_step_by_step() {
        let mut history = History::default();
        (1..=20).for_each(|step| history.push(&line(step)));
        let points: Vec<Point> = history.points().collect();
        assert_eq!(points.len(), 20);
        assert_eq!((points[2].train_loss, points[3].train_loss), (Value::Blown, Value::Number(4.0)));
        assert_eq!((points[8].val_accuracy, points[9].val_accuracy), (Value::None, Value::Number(0.25)));
        assert_eq!(points[9].val_loss, Value::Blown, "an accuracy without its loss");
    }

    #[test]
    fn a_long_run_is_thinned_to_means_and_nothing_measured_gets_lost() {
        let mut history = History::default();
        (1..=100_000).for_each(|step| history.push(&line(step)));
        let points: Vec<Point> = history.points().collect();
        assert!(points.len() <= MOST_POINTS && points.len() > MOST_POINTS / 4, "{}", points.len());
        assert_eq!(points.last().unwrap().iteration, 100_000);
        assert!(points.windows(2).all(|pair| pair[0].iteration < pair[1].iteration));
        let per_point = points[1].iteration - points[0].iteration;
        assert_eq!(points[1].train_loss, Value::Number(points[0].iteration as f64 + (per_point + 1) as f64 / 2.0));
        assert!(points.iter().all(|point| point.val_accuracy == Value::Number(0.25)));
        assert_eq!(points[0].train_loss, Value::Blown, "step 3 blew up, and its point says so");
    }

    #[test]
    fn seconds_lie_between_the_times_that_were_noted() {
        let mut history = History::default();
        assert_eq!(history.seconds_at(5), None);
        for (iteration, wall_seconds) in [(10, 2.0), (20, 3.0)] {
            history.push_time(&Timing { iteration, train_seconds: 0.0, wall_seconds, event: None });
        }
        assert_eq!([5, 10, 15, 20].map(|step| history.seconds_at(step).unwrap()), [1.0, 2.0, 2.5, 3.0]);
        assert!(history.seconds_at(22).unwrap() > 3.0);
        for step in 21..=100_000 {
            let wall_seconds = step as f64;
            history.push_time(&Timing { iteration: step, train_seconds: 0.0, wall_seconds, event: None });
        }
        assert!(history.times.len() < MOST_TIMES);
        assert!((history.seconds_at(70_001).unwrap() - 70_001.0).abs() < 1.0);
    }
}
