//! The flags of `sc-prep`.

use std::path::{Path, PathBuf};

use artifacts::dataset::Fit;
use clap::{Args, Parser, Subcommand, ValueEnum};
use cli::arguments::{EXIT_CODES, FILES, OUTPUT};
use cli::output::Quiet;
use prep::set::Limits;
use prep::{Refusal, Result};

/// Prepare a data set: read it as it was published, and write pixels, labels, class names, mean and standard deviation
/// to one file. The same data gives the same bytes, however it was packed
#[derive(Debug, Parser)]
#[command(name = crate::PROGRAM, version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// What the source is.
    #[command(subcommand)]
    pub(crate) format: Format,
}

/// The forms of data sets.
#[derive(Debug, Subcommand)]
pub(crate) enum Format {
    /// CIFAR-10, binary version: the .tar.gz, or the folder it unpacks to
    Cifar10(Published),
    /// CIFAR-100 with its 100 fine labels, binary version: the .tar.gz, or the folder it unpacks to
    Cifar100(Published),
    /// MNIST, or another set in its four files: a folder with the IDX files, plain or as .gz
    ///
    /// Labels go from 0 or from 1 to any number (Fashion-MNIST, KMNIST, EMNIST).
    Mnist {
        /// The flags of the sets that are published.
        #[command(flatten)]
        published: Published,
        /// Names of the classes, one per line, in the order of the labels; without it the labels are the names
        #[arg(long, help_heading = FILES, value_name = "FILE")]
        classes: Option<PathBuf>,
    },
    /// JPEG and PNG files by class: a folder, or a .tar or .tar.gz of one
    ///
    /// Pictures are in `train/CLASS/` and `test/CLASS/` (or `val/CLASS/`, `valid/CLASS/`, ...); without a test set, a share
    /// of each class becomes one. If any picture has colours, the set has three channels. Alpha is dropped, 16 bits
    /// become 8.
    Folder {
        /// Folder or archive to read
        #[arg(help_heading = FILES)]
        source: PathBuf,
        /// The flags of every form.
        #[command(flatten)]
        common: Common,
        /// Make each picture a square and scale it to N by N; without it, all must have one size
        #[arg(long, help_heading = IMAGES, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
        size: Option<u32>,
        /// How pictures become squares: crop (their centre), pad (all of them, in the middle of black) or squash (all of them,
        /// out of proportion) [default: crop]
        #[arg(long, help_heading = IMAGES, value_enum, value_name = "NAME", requires = "size", default_value_t = FitName::Crop, hide_default_value = true, hide_possible_values = true)]
        fit: FitName,
        /// Store pictures larger, N by N: nets see --size of them, in training another part each time where --augment crops, in
        /// evaluation the centre
        #[arg(long, help_heading = IMAGES, value_name = "N", requires = "size", value_parser = clap::value_parser!(u32).range(1..=4096))]
        keep: Option<u32>,
        /// Without a folder test/: share of each class for the test set, above 0 and below 1 [default: 0.2]
        ///
        /// The test set gets the pictures whose content has the smallest SHA-256, so the choice is always the same.
        #[arg(long, help_heading = IMAGES, value_name = "F", value_parser = share)]
        test_share: Option<f64>,
        /// Turn pictures upright as their EXIF orientation says; without it they stay as they are stored
        #[arg(long, help_heading = IMAGES)]
        orient: bool,
        /// Leave out the pictures that cannot be read, and record them in the data file; without it they are refused
        #[arg(long, help_heading = IMAGES)]
        skip_damaged: bool,
    },
}

/// How pictures become squares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FitName {
    /// Their centre
    Crop,
    /// All of them, in the middle of black
    Pad,
    /// All of them, out of proportion
    Squash,
}

impl From<FitName> for Fit {
    fn from(name: FitName) -> Self {
        match name {
            FitName::Crop => Self::Crop,
            FitName::Pad => Self::Pad,
            FitName::Squash => Self::Squash,
        }
    }
}

/// The side that pictures are stored with, where it is not the one that nets see.
pub(crate) fn keep(size: Option<u32>, keep: Option<u32>) -> Result<Option<u32>> {
    match (size, keep) {
        (Some(size), Some(keep)) if keep < size => {
            Err(Refusal::new(format!("--keep {keep} is less than --size {size}: nets cannot see more than is stored"))
                .hint("keep more, such as 5/4 of --size, or leave --keep out"))
        }
        (size, keep) => Ok(keep.filter(|keep| Some(*keep) != size)),
    }
}

/// The flags of the sets that are published.
#[derive(Debug, Args)]
pub(crate) struct Published {
    /// Folder or archive to read
    #[arg(help_heading = FILES, required_unless_present = "download")]
    source: Option<PathBuf>,
    /// Download the official files, check their SHA-256, and keep them in the folder of --out for the next time
    ///
    /// A download that broke off continues when the command is rerun.
    #[arg(long, help_heading = FILES, conflicts_with = "source")]
    download: bool,
    /// Download from this URL, which ends in a slash, not from the official server
    #[arg(long, help_heading = FILES, value_name = "URL", requires = "download", hide_short_help = true)]
    pub(crate) url: Option<String>,
    /// Train on the first N training images of each class, and test on all the others besides the test images
    ///
    /// A small training set with a large test set: what few images teach, measured precisely.
    #[arg(long, help_heading = IMAGES, value_name = "N", value_parser = at_least_one, conflicts_with = "limit_per_class")]
    train_per_class: Option<usize>,
    /// The flags of every form.
    #[command(flatten)]
    pub(crate) common: Common,
}

/// The flags of every form.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// File to write; an existing one is replaced
    #[arg(long, help_heading = FILES, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Name of the set in records and reports [default: the name of FILE without its extension]
    #[arg(long, help_heading = FILES, value_name = "NAME")]
    name: Option<String>,
    /// Keep only these classes, by name
    #[arg(long, help_heading = IMAGES, value_name = "NAME,NAME", value_delimiter = ',')]
    pub(crate) only: Option<Vec<String>>,
    /// Keep only the first N images of each class, in training and in test
    #[arg(long, help_heading = IMAGES, value_name = "N", value_parser = at_least_one)]
    limit_per_class: Option<usize>,
    /// Keep only the first N test images of each class [default: as many as --limit-per-class]
    #[arg(long, help_heading = IMAGES, value_name = "N", value_parser = at_least_one)]
    limit_test_per_class: Option<usize>,
    /// Refuse a set whose pixels take more than N GiB; preparing it takes about twice that in memory
    #[arg(long, help_heading = IMAGES, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=1024))]
    max_gib: u64,
    /// Print the result as JSON
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) json: bool,
    /// What stderr is told.
    #[command(flatten)]
    pub(crate) quiet: Quiet,
}

/// Heading in `--help` of the flags that decide which images a set has, and of which size.
const IMAGES: &str = "Images";

impl Format {
    /// The flags of every form.
    pub(crate) fn common(&self) -> &Common {
        match self {
            Self::Cifar10(published) | Self::Cifar100(published) | Self::Mnist { published, .. } => &published.common,
            Self::Folder { common, .. } => common,
        }
    }

    /// How many images of each class are trained on, where the others are to be tested on.
    pub(crate) fn train_per_class(&self) -> Option<usize> {
        match self {
            Self::Cifar10(published) | Self::Cifar100(published) | Self::Mnist { published, .. } => {
                published.train_per_class
            }
            Self::Folder { .. } => None,
        }
    }

    /// What is to be read, unless it is to be fetched.
    pub(crate) fn source(&self) -> Option<&Path> {
        match self {
            Self::Cifar10(published) | Self::Cifar100(published) | Self::Mnist { published, .. } => {
                published.source.as_deref()
            }
            Self::Folder { source, .. } => Some(source),
        }
    }
}

impl Common {
    /// The name of the set.
    pub(crate) fn name(&self) -> Result<String> {
        let stem = || self.out.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let name = self.name.clone().unwrap_or_else(stem);
        // It becomes part of file names.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(Refusal::new(format!(
                "the name {name:?} may hold only letters, digits, dots, dashes and underscores"
            ))
            .hint("pass another with --name; the default is the name of --out without its extension"));
        }
        Ok(name)
    }

    /// How many images of each class the training and the test set may have.
    pub(crate) fn limits(&self) -> Limits {
        let all = usize::MAX;
        Limits {
            train: self.limit_per_class.unwrap_or(all),
            test: self.limit_test_per_class.or(self.limit_per_class).unwrap_or(all),
        }
    }

    /// How many bytes the pixels may take.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_gib << 30
    }

    /// Refuses, before the work, an output that cannot be replaced or is the input.
    pub(crate) fn check_out(&self, source: Option<&Path>) -> Result<()> {
        if self.out.is_dir() {
            return Err(Refusal::new(format!("--out {} is a folder, not a file", self.out.display())));
        }
        let same = |source: &Path| self.out.exists() && self.out.canonicalize().ok() == source.canonicalize().ok();
        if source.is_some_and(same) {
            return Err(Refusal::new(format!("--out {} is the source itself", self.out.display())));
        }
        Ok(())
    }
}

fn share(text: &str) -> std::result::Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err("it must be above 0 and below 1".into()) }
}

fn at_least_one(text: &str) -> std::result::Result<usize, String> {
    let count = text.parse().map_err(|_| "not a whole number".to_owned())?;
    if count == 0 { Err("it must be 1 or more".into()) } else { Ok(count) }
}
