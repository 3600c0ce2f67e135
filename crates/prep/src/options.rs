//! The flags of `sc-prep`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use prep::{Refusal, Result};

/// Prepares a data set for the other stages: reads it as it was published, and writes one file that holds pixels, labels,
/// class names, mean and standard deviation. The same data gives the same bytes, however it was packed.
#[derive(Debug, Parser)]
#[command(name = "sc-prep", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// What the source is.
    #[command(subcommand)]
    pub(crate) format: Format,
}

/// The forms of data sets.
#[derive(Debug, Subcommand)]
pub(crate) enum Format {
    /// CIFAR-10, binary version: the .tar.gz, or the folder it unpacks to.
    Cifar10(Common),
    /// CIFAR-100 with its 100 fine labels, binary version: the .tar.gz, or the folder it unpacks to.
    Cifar100(Common),
    /// MNIST, or another set in its four files: a folder with the IDX files, plain or as .gz.
    Mnist(Common),
    /// JPEG and PNG files as train/<class>/* and test/<class>/*: a folder, or a .tar or .tar.gz of one.
    ///
    /// If any picture has colours, the set has three channels. Alpha is dropped, 16 bits become 8, EXIF orientation is
    /// not applied.
    Folder {
        /// The flags of every form.
        #[command(flatten)]
        common: Common,
        /// Cut the centre square out of each picture and scale it to N by N; without it all must have one size.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
        size: Option<u32>,
        /// Where there is no test/: the share of each class to hold out, above 0 and below 1 [default: 0.2].
        ///
        /// Held out are the pictures whose content has the smallest SHA-256, so the choice is always the same.
        #[arg(long, value_name = "F", value_parser = share)]
        test_share: Option<f64>,
    },
}

/// The flags of every form.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// What to read.
    pub(crate) source: PathBuf,
    /// The file to write; one that exists is replaced, whole.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The name of the set in records and reports [default: the name of FILE without its extension].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Keep only the first N images of each class, in training and in test.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) limit_per_class: Option<usize>,
    /// Refuse a set whose pixels take more than N GiB; making it takes about twice that in memory.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=1024))]
    max_gib: u64,
    /// Print the summary as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress, no warnings.
    #[arg(long)]
    pub(crate) quiet: bool,
}

impl Format {
    /// The flags of every form.
    pub(crate) fn common(&self) -> &Common {
        match self {
            Self::Cifar10(common) | Self::Cifar100(common) | Self::Mnist(common) | Self::Folder { common, .. } => {
                common
            }
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
            return Err(Refusal::new("--name", "letters, digits, dots, dashes and underscores", format!("{name:?}"))
                .hint("without --name it is that of --out without its extension"));
        }
        Ok(name)
    }

    /// How many bytes the pixels may take.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_gib << 30
    }

    /// Refuses, before the work, an output that cannot be replaced or is the input.
    pub(crate) fn check_out(&self) -> Result<()> {
        if self.out.is_dir() {
            return Err(Refusal::new("--out", "a file", format!("the folder {}", self.out.display())));
        }
        if self.out.exists() && self.out.canonicalize().ok() == self.source.canonicalize().ok() {
            return Err(Refusal::new("--out", "another file than the source", self.out.display()));
        }
        Ok(())
    }
}

fn share(text: &str) -> std::result::Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err("it must lie above 0 and below 1".into()) }
}

fn at_least_one(text: &str) -> std::result::Result<usize, String> {
    let count = text.parse().map_err(|_| "not a whole number".to_owned())?;
    if count == 0 { Err("it must be 1 or more".into()) } else { Ok(count) }
}
