//! What of the images a net sees, and how they are normalised: flags that `sc-init` and all programs that run nets share.

use artifacts::run::Config;
use artifacts::weights::{self, Task};
use clap::{Args, ValueEnum};
use cli::Failure;

use crate::flags::headings::IMAGES;

/// What of the images the net sees, and how.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct InputFlags {
    /// Side of the square, in pixels, that the net sees of each image, which is larger: in training where --augment takes it
    /// from, in evaluation the centre [default: what sc-prep --keep recorded, else the whole image]
    #[arg(long, help_heading = IMAGES, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub train_size: Option<u64>,
    /// Mean and standard deviation that images are normalised by: imagenet, or data (the data set's) [default: as the weights
    /// record, else data]
    #[arg(long, help_heading = IMAGES, value_enum, value_name = "NAME", hide_possible_values = true)]
    pub normalise: Option<Normalise>,
}

/// Whose mean and standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Normalise {
    /// ImageNet's, which torchvision's weights want
    Imagenet,
    /// Those of the training images
    Data,
}

impl Normalise {
    /// As records of runs and files of weights name it: nothing for the data's own.
    pub fn recorded(self) -> &'static str {
        match self {
            Self::Imagenet => weights::IMAGENET,
            Self::Data => "",
        }
    }

    /// What such a record means.
    pub fn of(recorded: &str) -> Self {
        if recorded == weights::IMAGENET { Self::Imagenet } else { Self::Data }
    }
}

impl InputFlags {
    /// What a recorded run saw.
    pub(crate) fn of(config: &Config) -> Self {
        // No flag says 0: it is the whole image.
        Self { train_size: Some(config.train_size as u64), normalise: Some(Normalise::of(&config.normalise)) }
    }

    /// Applies the flags to what a data set's images are, and says by whose statistics these are normalised: `recorded` where no
    /// flag says. `data`: the data set in messages.
    ///
    /// # Errors
    /// When the images are smaller, or have no three channels.
    pub fn apply(&self, task: &mut Task, recorded: Normalise, data: &str) -> Result<Normalise, Failure> {
        let [_, height, width] = task.handed();
        match self.train_size {
            None => (),
            Some(0) => (task.shape, task.stored) = (task.handed(), None),
            Some(side) if task.see(side as usize) => (),
            Some(side) => {
                let message =
                    format!("--train-size {side} is more than the images of {data} have: {height}x{width} pixels");
                return Err(Failure::unusable(message).hint(format!(
                    "pass a smaller one, or store larger images: sc-prep folder --size {side} --keep N"
                )));
            }
        }
        let by = self.normalise.unwrap_or(recorded);
        if by == Normalise::Imagenet {
            by_imagenet(task, data)?;
        }
        Ok(by)
    }
}

/// Normalises by ImageNet's statistics.
///
/// # Errors
/// When the images have not its three channels. `whose`: whose images they are.
pub(crate) fn by_imagenet(task: &mut Task, whose: &str) -> Result<(), Failure> {
    if task.normalise_by_imagenet() {
        return Ok(());
    }
    let message = format!("--normalise imagenet has three channels; the images of {whose} have {}", task.shape[0]);
    Err(Failure::unusable(message).hint("pass --normalise data"))
}
