//! One run of a search: its flags, its folder, and what came out of it.

use std::path::{Path, PathBuf};

use artifacts::finished::Run;
use artifacts::recipe::{Spent, Training};
use artifacts::run;
use artifacts::sha256;

use crate::Result;
use crate::command::Words;
use crate::search::Search;

/// Characters of the hash in a folder's name: enough to tell the runs of one step apart.
const HASH: usize = 8;

/// What a trial runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TrialKind {
    /// 1cycle, as the training says.
    Cycle,
    /// A range test on a log scale.
    Ramp {
        /// Rate of the first step.
        min_lr: f64,
        /// Rate of the last.
        max_lr: f64,
        /// The probe that found no critical rate to lay it around; none where none was asked.
        probe: Option<PathBuf>,
    },
    /// A range test around the critical rate in this probe.
    Around(PathBuf),
}

/// One run that a search asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trial {
    /// Candidate that it belongs to: the start of its folder's name.
    pub name: String,
    /// What is run.
    pub kind: TrialKind,
    /// How.
    pub training: Training,
    /// Steps.
    pub iterations: u64,
    /// Seed of initial weights and order.
    pub seed: u64,
}

/// A measurement at given weights that a search asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProbeRequest {
    /// The weights: a file, or the initial ones of a seed.
    pub weights: Weights,
    /// Where the measurement goes.
    pub out: PathBuf,
    /// The other flags.
    pub flags: Words,
}

/// Weights to measure at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Weights {
    /// The initial ones of a seed.
    Initial(u64),
    /// Those in a file.
    File(PathBuf),
}

impl ProbeRequest {
    /// A probe at this training's setting over so many batches.
    pub(crate) fn new(search: &Search, training: &Training, weights: Weights, out: PathBuf, batches: usize) -> Self {
        Self { weights, out, flags: probe_flags(search, training, batches) }
    }

    /// The command to run, but for data, device and threads. `init`: files of initial weights, with % in place of the seed.
    pub(crate) fn command(&self, init: &str) -> Words {
        let mut command = Words::program("sc-probe");
        match &self.weights {
            Weights::Initial(seed) => command.flag("--init", &init.replace('%', &seed.to_string())),
            Weights::File(path) => command.flag("--init", &path.display()),
        }
        command.flag("--out", &self.out.display());
        command.extend(&self.flags);
        command
    }
}

/// What of the images the net sees, and how, where it is not what the data and the weights say.
fn input_flags(words: &mut Words, Training { train_size, normalise, .. }: &Training) {
    if *train_size > 0 {
        words.flag("--train-size", train_size);
    }
    if !normalise.is_empty() {
        words.flag("--normalise", normalise);
    }
}

fn probe_flags(search: &Search, training: &Training, batches: usize) -> Words {
    let Training { batch_size, optimizer, momentum, weight_decay, .. } = training;
    let mut words = Words::default();
    words.flag("--batch-size", batch_size);
    input_flags(&mut words, training);
    words.flag("--batches", &batches);
    words.flag("--optimizer", optimizer);
    words.flag("--momentum", momentum);
    words.flag("--weight-decay", weight_decay);
    words.flag("--val-from-train", &search.recipe.setting.val_from_train);
    words
}

/// The probe of the initial weights of a seed, in the step's folder: named by its flags, as runs are.
pub(crate) fn initial_probe(search: &Search, training: &Training, seed: u64, batches: usize) -> ProbeRequest {
    let flags = probe_flags(search, training, batches);
    let setting = &search.recipe.setting;
    let hash = sha256::of_bytes(format!("{} {} {}", flags.text(), setting.net, setting.data_sha256).as_bytes());
    let out = search.folder.join(format!("probe-seed{seed}-{}.json", &hash[..HASH]));
    ProbeRequest { weights: Weights::Initial(seed), out, flags }
}

/// A trial that was run.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// The run.
    pub run: Run,
}

impl Trial {
    /// The probe that was made for it alone.
    pub(crate) fn probe(&self) -> Option<&Path> {
        match &self.kind {
            TrialKind::Around(probe) => Some(probe),
            TrialKind::Ramp { probe, .. } => probe.as_deref(),
            TrialKind::Cycle => None,
        }
    }

    /// The program that runs it.
    fn program(&self) -> &'static str {
        match self.kind {
            TrialKind::Cycle => "sc-train",
            TrialKind::Ramp { .. } | TrialKind::Around(_) => "sc-rangetest",
        }
    }

    /// The command to run, but for data, device and threads. `init`: files of initial weights, with % in place of the seed.
    pub(crate) fn command(&self, search: &Search, init: &str) -> Words {
        let mut command = Words::program(self.program());
        command.flag("--init", &init.replace('%', &self.seed.to_string()));
        command.flag("--out", &self.folder(search).display());
        command.extend(&self.flags(search));
        command.switch("--resume");
        command.switch("--supersede");
        command
    }

    /// Its flags, but for data, initial weights, folder, and what changes no number.
    fn flags(&self, search: &Search) -> Words {
        let Training { batch_size, optimizer, momentum, weight_decay, bn_momentum, bn_reestimate, augment, .. } =
            &self.training;
        let mut words = Words::default();
        match &self.kind {
            TrialKind::Cycle => self.cycle_flags(&mut words),
            TrialKind::Around(probe) => words.flag("--around", &probe.display()),
            TrialKind::Ramp { min_lr, max_lr, .. } => {
                words.flag("--scale", &"log");
                words.flag("--min-lr", min_lr);
                words.flag("--max-lr", max_lr);
            }
        }
        words.flag("--iterations", &self.iterations);
        words.flag("--batch-size", batch_size);
        words.flag("--optimizer", optimizer);
        words.flag("--momentum", momentum);
        words.flag("--weight-decay", weight_decay);
        words.flag("--augment", augment);
        input_flags(&mut words, &self.training);
        words.flag("--bn-momentum", bn_momentum);
        words.flag("--bn-reestimate", bn_reestimate);
        words.flag("--val-from-train", &search.recipe.setting.val_from_train);
        words.flag("--val-every", &0);
        // The old spelling of --validation-only: it is in the names of runs that searches have made.
        words.switch("--held-out-only");
        words.flag("--study", &"streamline");
        words.flag("--arm", &search.step.name());
        words
    }

    fn cycle_flags(&self, words: &mut Words) {
        let Training { variant, max_lr, min_lr, final_lr, max_momentum, min_momentum, .. } = &self.training;
        words.flag("--schedule", &"1cycle");
        words.flag("--variant", variant);
        for (flag, value) in [
            ("--max-lr", max_lr),
            ("--min-lr", min_lr),
            ("--final-lr", final_lr),
            ("--max-momentum", max_momentum),
            ("--min-momentum", min_momentum),
        ] {
            if let Some(value) = value {
                words.flag(flag, value);
            }
        }
    }

    /// Its folder: named after the candidate and all that decides its numbers, so that another plan never takes one run
    /// for another, and the same plan finds it again.
    pub(crate) fn folder(&self, search: &Search) -> PathBuf {
        let what = format!("{} {} {}", self.program(), self.flags(search).text(), search.recipe.setting.net);
        let hash = sha256::of_bytes(what.as_bytes());
        let kind = if self.kind == TrialKind::Cycle { "" } else { "ramp-" };
        let name: String = self.name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
        search.folder.join(format!("{kind}{name}-seed{}-{}", self.seed, &hash[..HASH]))
    }

    /// The finished run in its folder, if it is of the search's data.
    pub(super) fn done(&self, search: &Search) -> Result<Option<Done>> {
        let folder = self.folder(search);
        if !folder.join(run::RESULT_FILE).exists() {
            return Ok(None);
        }
        let record = run::read_run(&folder)?;
        if record.data.sha256 != search.recipe.setting.data_sha256 {
            return Ok(None);
        }
        Ok(run::read_result(&folder)?.map(|result| Done { run: Run { folder, record, result } }))
    }
}

impl Done {
    /// Final accuracy on validation images; that of a guess where it diverged.
    pub(crate) fn accuracy(&self) -> f64 {
        self.run.result.final_val_accuracy.unwrap_or_else(|| self.run.chance())
    }

    /// Whether it came to nothing: it diverged, or ends no better than a guess in loss and hardly in accuracy.
    pub(crate) fn failed(&self) -> bool {
        let classes = self.run.record.classes.max(2) as f64;
        let no_better = self.loss().is_none_or(|loss| loss >= classes.ln()) && self.accuracy() <= 1.5 / classes;
        self.run.diverged() || no_better
    }

    /// Final loss on validation images; none where it diverged.
    pub(crate) fn loss(&self) -> Option<f64> {
        self.run.result.final_val_loss
    }

    /// What it cost.
    pub(crate) fn spent(&self) -> Spent {
        let steps = self.run.result.iterations as f64;
        Spent {
            seconds: self.run.result.wall_seconds,
            images: steps * self.run.record.config.batch_size as f64,
            runs: 1,
        }
    }
}
