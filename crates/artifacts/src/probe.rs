//! `probe.json`: what was measured at one set of weights, without training.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::format::Kind;
use crate::run::{Source, fast};
use crate::setting::Setting;
use crate::suggestion::Interval;
use crate::{Result, json};

/// Version of the schema.
pub const FORMAT: &str = "superconv-probe/1";

/// The noise of the gradient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// The simple noise scale tr(Sigma) / |G|^2, in images; null where noise hides the gradient (the estimate of |G|^2 is
    /// not above 0).
    pub scale: Option<f64>,
    /// Unbiased estimate of |G|^2, the squared norm of the true gradient.
    pub gradient_squared: f64,
    /// Unbiased estimate of tr(Sigma), the variance of one image's gradient, summed over the weights.
    pub variance: f64,
    /// Images in each of the batches measured.
    pub batch_size: usize,
    /// Batches measured.
    pub batches: usize,
}

/// The rate at which one step stops to lower the loss of its own batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Critical {
    /// The median over the batches; null where no rate tried raised the loss.
    pub lr: Option<f64>,
    /// The batches' span; null likewise.
    pub interval: Option<Interval>,
    /// Images in each of the batches measured.
    pub batch_size: usize,
    /// Batches measured.
    pub batches: usize,
    /// Losses measured, over all batches.
    pub evaluations: usize,
}

impl Critical {
    /// What measuring it cost, in images trained on: once through for each batch's direction, and two thirds of that for each
    /// loss, which with batch norm takes two forward passes (without, one: half as much).
    pub fn images(&self) -> f64 {
        self.batch_size as f64 * (self.batches as f64 + self.evaluations as f64 * 2.0 / 3.0)
    }
}

/// `probe.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// [`FORMAT`].
    pub format: String,
    /// The net.
    pub net: String,
    /// Images a batch.
    pub batch_size: usize,
    /// The optimizer whose first step is taken.
    pub optimizer: String,
    /// Its momentum.
    pub momentum: f64,
    /// Its weight decay.
    pub weight_decay: f64,
    /// What computed: `fast` or `candle`. Older probes have none: they are of `fast`.
    #[serde(default = "fast")]
    pub engine: String,
    /// What of the net would be trained, at which rates: [`crate::setting::tuning`]; left out where all is, at one rate.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tuning: String,
    /// What of the images the net saw, and how: [`crate::setting::input`]; left out where it was all of them, by their own
    /// statistics.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub input: String,
    /// Seed of the images' order.
    pub seed: u64,
    /// The data set.
    pub data: Source,
    /// The weights.
    pub init: Source,
    /// Mean training loss over the batches, in nats.
    pub loss: f64,
    /// The noise of the gradient.
    pub noise: Noise,
    /// The critical learning rate.
    pub critical: Critical,
}

impl Probe {
    /// The setting that it was measured in; its seed orders the images, and may be another.
    pub fn made_for(&self) -> Setting {
        Setting {
            data_sha256: Some(self.data.sha256.clone()),
            init_sha256: Some(self.init.sha256.clone()),
            net: Some(self.net.clone()),
            batch_size: Some(self.batch_size),
            optimizer: Some(self.optimizer.clone()),
            momentum: Some(self.momentum),
            weight_decay: Some(self.weight_decay),
            engine: Some(self.engine.clone()),
            tuning: Some(self.tuning.clone()),
            input: Some(self.input.clone()),
            ..Setting::default()
        }
    }
}

/// Reads a probe.
///
/// # Errors
/// When it cannot be read or is of another kind or version.
pub fn read(path: &Path) -> Result<Probe> {
    json::read_versioned(path, Kind::Probe)
}

/// As [`read`], with the SHA-256 of the bytes that were read.
///
/// # Errors
/// As [`read`].
pub fn read_with_hash(path: &Path) -> Result<(Probe, String)> {
    json::read_versioned_with_hash(path, Kind::Probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_critical_rate_costs_its_directions_and_its_losses() {
        let critical = Critical { lr: None, interval: None, batch_size: 64, batches: 3, evaluations: 18 };
        assert!((critical.images() - 64.0 * (3.0 + 12.0)).abs() < 1e-9);
    }
}
