//! The strongest competitor that measures nothing: a rate by kind of net and optimizer, and a power of 1 - momentum.

use std::fmt;

use super::hindsight;
use super::read::TableSetting;

/// How fine the constants are searched, in octaves.
const RESOLUTION: f64 = 0.02;

/// log2 of the rate is the sum of the constants that apply. The last is times log2((1 - momentum) / 0.1), for SGD and Nesterov.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TableRule([f64; 5]);

impl TableRule {
    /// The constants that cost least in some settings: from the means of their best rates, by steps along one constant at a
    /// time that are halved where none helps any more.
    pub(crate) fn fitted(settings: &[&TableSetting]) -> Self {
        let mut table = Self::by_means(settings);
        let (mut cost, mut step) = (table.cost(settings), 1.0);
        while step > RESOLUTION {
            let mut improved = false;
            for (at, sign) in (0..5).flat_map(|at| [(at, 1.0), (at, -1.0)]) {
                let mut other = table;
                other.0[at] += sign * step;
                let other_cost = other.cost(settings);
                if other_cost < cost {
                    (table, cost, improved) = (other, other_cost, true);
                }
            }
            if !improved {
                step /= 2.0;
            }
        }
        table
    }

    /// Mean log2 of the best rates by kind of net and optimizer, and the square root of 1 - momentum.
    fn by_means(settings: &[&TableSetting]) -> Self {
        let mean = |batch_norm: bool, adamw: bool, otherwise: f64| {
            let cell = settings.iter().filter(|s| s.has_batch_norm() == batch_norm && is_adamw(s) == adamw);
            let rates: Vec<f64> = cell.map(|setting| setting.best_rate().log2()).collect();
            if rates.is_empty() { otherwise } else { rates.iter().sum::<f64>() / rates.len() as f64 }
        };
        let plain = mean(false, false, 0.0);
        let batch_norm = mean(true, false, plain) - plain;
        let adamw = mean(false, true, plain) - plain;
        let sum = plain + batch_norm + adamw;
        Self([plain, batch_norm, adamw, mean(true, true, sum) - sum, 0.5])
    }

    /// The rate for a setting.
    pub(crate) fn rate(&self, setting: &TableSetting) -> f64 {
        let [plain, batch_norm, adamw, both, power] = self.0;
        let when = |applies: bool, constant: f64| if applies { constant } else { 0.0 };
        let (has_batch_norm, is_adamw) = (setting.has_batch_norm(), is_adamw(setting));
        let log2 = plain
            + when(has_batch_norm, batch_norm)
            + when(is_adamw, adamw)
            + when(has_batch_norm && is_adamw, both)
            + when(!is_adamw, power * ((1.0 - setting.momentum) / 0.1).log2());
        log2.exp2()
    }

    /// Its mean hindsight regret in some settings.
    pub(crate) fn cost(&self, settings: &[&TableSetting]) -> f64 {
        settings.iter().map(|setting| hindsight(setting, self.rate(setting))).sum::<f64>() / settings.len() as f64
    }
}

/// AdamW, and what else moves each weight by about the rate.
fn is_adamw(setting: &TableSetting) -> bool {
    !matches!(setting.optimizer.as_str(), "sgd" | "nesterov")
}

impl fmt::Display for TableRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [plain, batch_norm, adamw, both, power] = self.0;
        write!(
            f,
            "log2 of the rate {plain:.2}, batch norm {batch_norm:+.2}, AdamW {adamw:+.2}, both {both:+.2}, power of 1 - momentum \
             {power:.2}"
        )
    }
}
