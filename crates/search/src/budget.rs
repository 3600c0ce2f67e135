//! What a search may cost: seconds of this machine, or images trained on.

use std::str::FromStr;

use artifacts::recipe::{Budget, Speed, Unit};

use crate::trial::Done;

/// Share of a budget that is never given out: the programs between the runs, and the report.
const RESERVED_SHARE: f64 = 0.02;
/// Seconds that are never given out: the page is drawn in them.
const RESERVED_SECONDS: f64 = 1.5;

/// A budget as people write it: `10m`, `90s`, `1h`, or `5000it`, steps of the batch size that the search starts from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Given {
    /// As it was written.
    pub text: String,
    amount: f64,
    is_steps: bool,
}

impl Given {
    /// Unit and amount; `batch_size`: images per step.
    pub(crate) fn in_units(&self, batch_size: usize) -> (Unit, f64) {
        if self.is_steps { (Unit::Images, self.amount * batch_size as f64) } else { (Unit::Seconds, self.amount) }
    }
}

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("it", 1.0), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let parsed = units.iter().find_map(|(unit, factor)| {
            let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
            (number.is_finite() && number > 0.0).then_some((number * factor, *unit == "it"))
        });
        let (amount, is_steps) =
            parsed.ok_or_else(|| "use a time such as 90s, 10m or 1h, or steps such as 5000it".to_owned())?;
        Ok(Self { text: text.to_owned(), amount, is_steps })
    }
}

/// The remaining budget, and what things cost.
#[derive(Clone, Debug)]
pub(crate) struct Remaining {
    /// Its unit.
    pub unit: Unit,
    /// How much of it there is.
    pub amount: f64,
    speeds: Vec<(usize, f64)>,
    overhead: f64,
}

impl Remaining {
    /// As a recipe leaves it.
    pub(crate) fn of(budget: &Budget) -> Self {
        let kept = match budget.unit {
            Unit::Seconds => RESERVED_SHARE * budget.limit + RESERVED_SECONDS.min(0.1 * budget.limit),
            Unit::Images => 0.0,
        };
        Self {
            unit: budget.unit,
            amount: (budget.limit - kept - budget.spent.amount(budget.unit)).max(0.0),
            speeds: budget.speeds.iter().map(|speed| (speed.batch_size, speed.images_per_second)).collect(),
            overhead: budget.overhead_seconds,
        }
    }

    /// Images per second at a batch size: as measured, or that of the nearest size measured.
    pub(crate) fn speed(&self, batch_size: usize) -> f64 {
        let distance = |size: usize| (size as f64 / batch_size as f64).ln().abs();
        let nearest = self.speeds.iter().min_by(|a, b| distance(a.0).total_cmp(&distance(b.0)));
        nearest.map_or(1.0, |(_, speed)| *speed)
    }

    /// What a run of `steps` costs.
    pub(crate) fn cost(&self, steps: u64, batch_size: usize) -> f64 {
        let images = steps as f64 * batch_size as f64;
        match self.unit {
            Unit::Seconds => images / self.speed(batch_size) + self.overhead,
            Unit::Images => images,
        }
    }

    /// Steps of a run that costs at most `amount`.
    pub(crate) fn steps(&self, amount: f64, batch_size: usize) -> u64 {
        let images = match self.unit {
            Unit::Seconds => (amount - self.overhead).max(0.0) * self.speed(batch_size),
            Unit::Images => amount,
        };
        (images / batch_size as f64) as u64
    }

    /// Steps of each of several runs that train equally long and together cost at most `amount`. `runs`: batch size and
    /// number of each kind.
    pub(crate) fn equal_time(&self, amount: f64, runs: &[(usize, f64)]) -> Vec<u64> {
        let count: f64 = runs.iter().map(|(_, count)| *count).sum();
        // A second of every run costs `rate`; with it, what each run costs besides.
        let (rate, besides) = match self.unit {
            Unit::Seconds => (count, count * self.overhead),
            Unit::Images => (runs.iter().map(|(size, count)| self.speed(*size) * *count).sum(), 0.0),
        };
        let seconds = (amount - besides).max(0.0) / rate;
        runs.iter().map(|(size, _)| (seconds * self.speed(*size) / *size as f64) as u64).collect()
    }

    /// The same with other speeds.
    #[must_use]
    pub(crate) fn with_speeds(mut self, speeds: Vec<(usize, f64)>) -> Self {
        if !speeds.is_empty() {
            self.speeds = speeds;
        }
        self
    }

    /// What the last run costs besides its steps and the usual overhead, in this budget's unit: it measures test images
    /// and, as every full run, 5,000 training images. An image measured takes about a third of one trained on.
    pub(crate) fn last_measurements(&self, test_images: usize, train_images: usize, batch_size: usize) -> f64 {
        match self.unit {
            Unit::Seconds => (test_images + train_images.min(5000)) as f64 / 3.0 / self.speed(batch_size),
            Unit::Images => 0.0,
        }
    }
}

/// Takes speeds and overhead from runs just made: they tell better than older ones how fast the machine is now.
pub(crate) fn measure(budget: &mut Budget, done: &[Done]) {
    let timed = |done: &Done| {
        let images = done.spent().images;
        let seconds = images / done.run.result.images_per_second.filter(|speed| *speed > 0.0)?;
        Some((done.run.record.config.batch_size, images, seconds, done.spent().seconds))
    };
    let timed: Vec<(usize, f64, f64, f64)> = done.iter().filter_map(timed).collect();
    let mut sizes: Vec<usize> = timed.iter().map(|run| run.0).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for size in sizes {
        let of_size = || timed.iter().filter(|run| run.0 == size);
        let (images, seconds) = of_size().fold((0.0, 0.0), |sum, run| (sum.0 + run.1, sum.1 + run.2));
        budget.speeds.retain(|speed| speed.batch_size != size);
        budget.speeds.push(Speed { batch_size: size, images_per_second: images / seconds });
    }
    budget.speeds.sort_by_key(|speed| speed.batch_size);
    if !timed.is_empty() {
        let besides: f64 = timed.iter().map(|run| (run.3 - run.2).max(0.0)).sum();
        budget.overhead_seconds = besides / timed.len() as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(unit: Unit) -> Remaining {
        Remaining { unit, amount: 100.0, speeds: vec![(32, 1000.0), (128, 4000.0)], overhead: 0.5 }
    }

    #[test]
    fn budgets_are_times_or_steps() {
        let units = |text: &str| text.parse::<Given>().unwrap().in_units(128);
        assert_eq!(units("90s"), (Unit::Seconds, 90.0));
        assert_eq!(units("1.5m"), (Unit::Seconds, 90.0));
        assert_eq!(units("1h"), (Unit::Seconds, 3600.0));
        assert_eq!(units("500it"), (Unit::Images, 64_000.0));
        for wrong in ["", "10", "-3m", "0s", "m", "10 m", "infs", "5000"] {
            let error = wrong.parse::<Given>().unwrap_err();
            assert!(error.contains("such as 90s"), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_fits_costs_no_more_than_allowed() {
        for unit in [Unit::Seconds, Unit::Images] {
            let remaining = some(unit);
            for (amount, batch) in [(7.0, 32), (900.0, 128), (1234.5, 64)] {
                let steps = remaining.steps(amount, batch);
                assert!(steps == 0 || remaining.cost(steps, batch) <= amount + 1e-9, "{unit:?} {amount} {batch}");
                assert!(remaining.cost(steps + 1, batch) > amount);
            }
        }
    }

    #[test]
    fn equal_time_gives_a_faster_batch_size_more_images() {
        for unit in [Unit::Seconds, Unit::Images] {
            let remaining = some(unit);
            let amount = if unit == Unit::Seconds { 43.0 } else { 200_000.0 };
            let steps = remaining.equal_time(amount, &[(32, 2.0), (128, 2.0)]);
            assert_eq!(steps[0] * 32 * 4, steps[1] * 128, "{unit:?}: four times the images in the same time");
            let cost = 2.0 * (remaining.cost(steps[0], 32) + remaining.cost(steps[1], 128));
            assert!(cost <= amount && cost > 0.95 * amount, "{unit:?}: {cost}");
        }
    }

    #[test]
    fn an_unknown_batch_size_is_as_fast_as_its_neighbour() {
        assert_eq!(some(Unit::Seconds).speed(256), 4000.0);
        assert_eq!(some(Unit::Seconds).speed(16), 1000.0);
    }
}
