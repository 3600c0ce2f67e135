//! One run of a search: its flags, its folder, and what came out of it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use artifacts::recipe::{Spent, Training};
use artifacts::run;
use artifacts::sha256;

use super::Search;
use artifacts::finished::Run;

/// Characters of the hash in a folder's name: enough to tell the runs of one step apart.
const HASH: usize = 8;

/// What a trial runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
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
pub struct Trial {
    /// Candidate that it belongs to: the start of its folder's name.
    pub name: String,
    /// What is run.
    pub kind: Kind,
    /// How.
    pub training: Training,
    /// Steps.
    pub iterations: u64,
    /// Seed of initial weights and order.
    pub seed: u64,
}

/// A measurement at given weights that a search asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeAsked {
    /// The weights: a file, or the initial ones of a seed.
    pub weights: Weights,
    /// Where the measurement goes.
    pub out: PathBuf,
    /// The other flags.
    pub flags: String,
}

/// Weights to measure at.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// The initial ones of a seed.
    Initial(u64),
    /// Those in a file.
    File(PathBuf),
}

impl ProbeAsked {
    /// A probe at this training's setting over so many batches; `more`: further flags.
    pub fn new(
        search: &Search,
        training: &Training,
        weights: Weights,
        out: PathBuf,
        batches: usize,
        more: &str,
    ) -> Self {
        Self { weights, out, flags: probe_flags(search, training, batches, more) }
    }
}

fn probe_flags(search: &Search, training: &Training, batches: usize, more: &str) -> String {
    let Training { batch_size, optimizer, momentum, weight_decay, .. } = training;
    format!(
        "--batch-size {batch_size} --batches {batches} --optimizer {optimizer} --momentum {momentum} --weight-decay \
         {weight_decay} --val-from-train {}{more}",
        search.recipe.setting.val_from_train
    )
}

/// The probe of the initial weights of a seed, in the step's folder: named by its flags, as runs are.
pub fn initial_probe(search: &Search, training: &Training, seed: u64, batches: usize) -> ProbeAsked {
    let flags = probe_flags(search, training, batches, "");
    let setting = &search.recipe.setting;
    let hash = sha256::of_bytes(format!("{flags} {} {}", setting.net, setting.data_sha256).as_bytes());
    let out = search.folder.join(format!("probe-seed{seed}-{}.json", &hash[..HASH]));
    ProbeAsked { weights: Weights::Initial(seed), out, flags }
}

/// A trial that was run.
#[derive(Clone, Debug)]
pub struct Done {
    /// The run.
    pub run: Run,
}

impl Trial {
    /// The probe that was made for it alone.
    pub fn probe(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Around(probe) => Some(probe),
            Kind::Ramp { probe, .. } => probe.as_deref(),
            Kind::Cycle => None,
        }
    }

    /// The program that runs it.
    pub fn program(&self) -> &'static str {
        match self.kind {
            Kind::Cycle => "sc-train",
            Kind::Ramp { .. } | Kind::Around(_) => "sc-rangetest",
        }
    }

    /// Its flags, but for data, initial weights, folder, and what changes no number.
    pub fn flags(&self, search: &Search) -> String {
        let Training { batch_size, optimizer, momentum, weight_decay, bn_momentum, bn_reestimate, augment, .. } =
            &self.training;
        let mut flags = match &self.kind {
            Kind::Cycle => self.cycle_flags(),
            Kind::Around(probe) => format!("--around {}", probe.display()),
            Kind::Ramp { min_lr, max_lr, .. } => format!("--scale log --min-lr {min_lr} --max-lr {max_lr}"),
        };
        let held_out = search.recipe.setting.val_from_train;
        let _ = write!(
            flags,
            " --iterations {} --batch-size {batch_size} --optimizer {optimizer} --momentum {momentum} --weight-decay \
             {weight_decay} --augment {augment} --bn-momentum {bn_momentum} --bn-reestimate {bn_reestimate} \
             --val-from-train {held_out} --val-every 0 --held-out-only --study streamline --arm {}",
            self.iterations,
            search.step.name()
        );
        flags
    }

    fn cycle_flags(&self) -> String {
        let Training { variant, max_lr, min_lr, final_lr, max_momentum, min_momentum, .. } = &self.training;
        let mut flags = format!("--schedule 1cycle --variant {variant}");
        for (flag, value) in [
            ("--max-lr", max_lr),
            ("--min-lr", min_lr),
            ("--final-lr", final_lr),
            ("--max-momentum", max_momentum),
            ("--min-momentum", min_momentum),
        ] {
            if let Some(value) = value {
                let _ = write!(flags, " {flag} {value}");
            }
        }
        flags
    }

    /// Its folder: named after the candidate and all that decides its numbers, so that another plan never takes one run
    /// for another, and the same plan finds it again.
    pub fn folder(&self, search: &Search) -> PathBuf {
        let what = format!("{} {} {}", self.program(), self.flags(search), search.recipe.setting.net);
        let hash = sha256::of_bytes(what.as_bytes());
        let kind = if self.kind == Kind::Cycle { "" } else { "ramp-" };
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
    /// Final accuracy on held-out images; that of a guess where it diverged.
    pub fn accuracy(&self) -> f64 {
        self.run.result.final_val_accuracy.unwrap_or_else(|| self.run.chance())
    }

    /// Whether it came to nothing: it diverged, or ends no better than a guess in loss and hardly in accuracy.
    pub fn failed(&self) -> bool {
        let classes = self.run.record.classes.max(2) as f64;
        let no_better = self.loss().is_none_or(|loss| loss >= classes.ln()) && self.accuracy() <= 1.5 / classes;
        self.run.diverged() || no_better
    }

    /// Final loss on held-out images; none where it diverged.
    pub fn loss(&self) -> Option<f64> {
        self.run.result.final_val_loss
    }

    /// What it cost.
    pub fn spent(&self) -> Spent {
        let steps = self.run.result.iterations as f64;
        Spent {
            seconds: self.run.result.wall_seconds,
            images: steps * self.run.record.config.batch_size as f64,
            runs: 1,
        }
    }
}
