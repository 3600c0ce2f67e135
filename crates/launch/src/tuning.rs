//! The flags of fine-tuning, which `sc-train`, `sc-rangetest` and `sc-probe` share.

use clap::{Args, ValueEnum};
use learner::tuning::Tuning;

use crate::flags::value_name;

/// Heading in `--help`.
const TUNING: &str = "Fine-tuning";

/// What of the net is trained, and at which rates.
#[derive(Args, Clone, Debug, Default)]
pub struct TuningFlags {
    /// Do not train the body (all but the last layer), or the first N parts of the net: the stem, then each stage or layer.
    /// What is frozen costs no backward pass
    #[arg(long, help_heading = TUNING, value_name = "body|N")]
    pub freeze: Option<String>,
    /// Batch norm of what is frozen: by the running statistics, which stay, or by the batch [default: running]
    #[arg(long, help_heading = TUNING, value_enum, value_name = "NAME", requires = "freeze")]
    pub freeze_bn: Option<FreezeBn>,
    /// Three factors of the rate: of the stem and the first half of the stages, of the other stages, of the last layer,
    /// such as 0.01,0.1,1; every rate elsewhere is then the one that these multiply
    #[arg(long, help_heading = TUNING, value_name = "F,F,F", value_delimiter = ',')]
    pub group_rates: Vec<f64>,
}

/// By which statistics a frozen batch norm normalises in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FreezeBn {
    /// The running ones, which then stay
    Running,
    /// The batch's, and the running ones move
    Batch,
}

impl TuningFlags {
    /// What the flags say.
    pub fn tuning(&self) -> Tuning {
        let freeze_bn = value_name(self.freeze_bn.unwrap_or(FreezeBn::Running));
        Tuning {
            freeze: self.freeze.clone().unwrap_or_default(),
            freeze_bn: if self.freeze.is_some() { freeze_bn } else { String::new() },
            group_rates: self.group_rates.clone(),
        }
    }
}
