//! The flags of `sc-train` beyond the shared ones: the schedule and its parameters.

use std::path::PathBuf;

use artifacts::recipe::Training;
use clap::{Args, Parser, ValueEnum};
use cli::Failure;
use cli::arguments::EXIT_CODES_OF_A_RUN;
use launch::flags::{Flags, value_name};
use learner::schedule::{
    Constant, Cosine, ExpRange, OneCycle, Piecewise, Plateau, Poly, Schedule, Sgdr, Triangular, Variant,
};

use crate::rates::Rates;

/// The two ways to ask for a run.
const USAGE: &str = "sc-train --data FILE --init FILE --schedule NAME --iterations N [OPTIONS]
       sc-train --replay RUN.JSON [OPTIONS]";

/// Train a net under a learning rate schedule
#[derive(Parser)]
#[command(name = crate::PROGRAM, version, allow_negative_numbers = true, override_usage = USAGE)]
#[command(after_help = EXIT_CODES_OF_A_RUN)]
pub(crate) struct Arguments {
    /// Schedule and its parameters
    #[command(flatten)]
    pub(crate) schedule: ScheduleFlags,
    /// Take --min-lr and --max-lr (or --lr) from a file that sc-analyze suggest made; exit 2 where it holds for another
    /// setting
    #[arg(long, value_name = "FILE", conflicts_with_all = ["choice", "recipe"])]
    pub(crate) suggestion: Option<PathBuf>,
    /// Take --lr from a file that sc-analyze choose made
    #[arg(long, value_name = "FILE", conflicts_with = "recipe")]
    pub(crate) choice: Option<PathBuf>,
    /// What is run on what
    #[command(flatten)]
    pub(crate) flags: Flags,
}

impl Arguments {
    /// The file that the rates come from, if any.
    pub(crate) fn rates_file(&self) -> Option<&PathBuf> {
        self.suggestion.as_ref().or(self.choice.as_ref()).or(self.flags.recipe.as_ref())
    }
}

/// Names of the schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// One rate throughout: --lr
    Constant,
    /// Given pieces (--pieces), or --lr that drops at shares of the run (--drop-at)
    Piecewise,
    /// --lr, lowered whenever the held-out loss evens out
    Plateau,
    /// Cycles between --min-lr and --max-lr: --step-size
    Triangular,
    /// Cycles, each half as high as the one before
    Triangular2,
    /// Cycles whose height decays by --gamma a step
    ExpRange,
    /// One rise to --max-lr, one fall, and a tail
    #[value(name = "1cycle")]
    OneCycle,
    /// Half a cosine from --lr down
    Cosine,
    /// Half cosines with warm restarts: --t-0, --t-mult
    Sgdr,
    /// A power of the share of steps still to come
    Poly,
}

/// The schedule and its parameters; those of another schedule are refused.
#[derive(Args)]
pub(crate) struct ScheduleFlags {
    /// Learning rate schedule [with --recipe: 1cycle]
    #[arg(long = "schedule", value_enum, required_unless_present_any = ["replay", "recipe"])]
    pub(crate) name: Option<Name>,
    /// Learning rate at the start
    #[arg(long, value_name = "F")]
    pub(crate) lr: Option<f64>,
    /// Highest rate of a cycle; there is no upper limit
    #[arg(long, value_name = "F")]
    pub(crate) max_lr: Option<f64>,
    /// Lowest rate: where a cycle starts (1cycle: a tenth of --max-lr by default), or where plateau, cosine and sgdr end
    #[arg(long, value_name = "F")]
    pub(crate) min_lr: Option<f64>,
    /// Pieces of a piecewise constant rate, STEPS:RATE,STEPS:RATE,...
    #[arg(long, value_name = "LIST", conflicts_with_all = ["lr", "drop_at"])]
    pub(crate) pieces: Option<Piecewise>,
    /// Shares of the run at which a piecewise constant rate drops, such as 0.5,0.75
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) drop_at: Vec<f64>,
    /// What the rate is multiplied by at each drop
    #[arg(long, value_name = "F")]
    pub(crate) drop_factor: Option<f64>,
    /// Variant of 1cycle: smith (default), paper, torch, torch-three-phase or fastai
    #[arg(long, value_name = "NAME", value_parser = Variant::NAMES.map(|(name, _)| name))]
    pub(crate) variant: Option<String>,
    /// Steps of half a cycle (1cycle: 45% of the run by default)
    #[arg(long, value_name = "N")]
    pub(crate) step_size: Option<u64>,
    /// 1cycle, all but smith and paper: share of the run that is the rise [default: 0.3; fastai: 0.25]
    #[arg(long, value_name = "F")]
    pub(crate) pct_start: Option<f64>,
    /// 1cycle: rate of the tail or at its end [default: the variant's]
    #[arg(long, value_name = "F")]
    pub(crate) final_lr: Option<f64>,
    /// Momentum at the lowest rate; with --min-momentum, momentum cycles against the rate
    #[arg(long, value_name = "F", requires = "min_momentum")]
    pub(crate) max_momentum: Option<f64>,
    /// Momentum at the highest rate
    #[arg(long, value_name = "F", requires = "max_momentum")]
    pub(crate) min_momentum: Option<f64>,
    /// exp-range: factor of the cycle's height a step
    #[arg(long, value_name = "F")]
    pub(crate) gamma: Option<f64>,
    /// plateau: what the rate is multiplied by [default: 0.1]
    #[arg(long, value_name = "F")]
    pub(crate) factor: Option<f64>,
    /// plateau: measurements without progress that are borne [default: 10]
    #[arg(long, value_name = "N")]
    pub(crate) patience: Option<u64>,
    /// plateau: relative progress that counts [default: 1e-4]
    #[arg(long, value_name = "F")]
    pub(crate) threshold: Option<f64>,
    /// plateau: measurements after a drop that do not count [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) cooldown: Option<u64>,
    /// sgdr: steps of the first period
    #[arg(long = "t-0", value_name = "N")]
    pub(crate) t_0: Option<u64>,
    /// sgdr: factor of each further period's length [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) t_mult: Option<u64>,
    /// poly: exponent [default: 1]
    #[arg(long, value_name = "F")]
    pub(crate) power: Option<f64>,
}

impl ScheduleFlags {
    fn name(&self) -> Result<Name, Failure> {
        self.name.ok_or_else(|| Failure::unusable("--schedule: expected a value, found none"))
    }

    /// Fills in what no flag says from a recipe, whose schedule is 1cycle. Another highest rate or length than the recipe's
    /// keeps the shape of its cycle: the other rates in proportion to the highest, the cycle's share of the run. Another
    /// variant has a shape of its own, and another schedule takes nothing.
    ///
    /// `iterations`: steps of the run. `constant_momentum`: a flag gave one.
    pub(crate) fn take_from(&mut self, recipe: &Training, iterations: u64, constant_momentum: bool) {
        if *self.name.get_or_insert(Name::OneCycle) != Name::OneCycle {
            return;
        }
        let same_shape = self.variant.as_ref().is_none_or(|variant| *variant == recipe.variant);
        self.variant.get_or_insert_with(|| recipe.variant.clone());
        self.max_lr = self.max_lr.or(recipe.max_lr);
        let scale = self.max_lr.zip(recipe.max_lr).map_or(1.0, |(max, of_recipe)| max / of_recipe);
        if same_shape {
            self.min_lr = self.min_lr.or(recipe.min_lr.map(|lr| lr * scale));
            self.final_lr = self.final_lr.or(recipe.final_lr.map(|lr| lr * scale));
            let share = recipe.iterations.map_or(1.0, |of_recipe| iterations as f64 / of_recipe as f64);
            self.step_size = self.step_size.or(recipe.step_size.map(|steps| (steps as f64 * share) as u64));
        }
        if !constant_momentum && self.max_momentum.is_none() {
            (self.max_momentum, self.min_momentum) = (recipe.max_momentum, recipe.min_momentum);
        }
    }

    /// Refuses parameters of another schedule: they would be ignored in silence.
    ///
    /// # Errors
    /// At the first such flag.
    pub(crate) fn check_flags(&self) -> Result<(), Failure> {
        let name = self.name()?;
        let takes: &[&str] = match name {
            Name::Constant => &["--lr"],
            Name::Piecewise => &["--lr", "--pieces", "--drop-at", "--drop-factor"],
            Name::Plateau => &["--lr", "--min-lr", "--factor", "--patience", "--threshold", "--cooldown"],
            Name::Triangular | Name::Triangular2 => CYCLE,
            Name::ExpRange => &[CYCLE[0], CYCLE[1], CYCLE[2], CYCLE[3], CYCLE[4], "--gamma"],
            Name::OneCycle => {
                &[CYCLE[0], CYCLE[1], CYCLE[2], CYCLE[3], CYCLE[4], "--variant", "--pct-start", "--final-lr"]
            }
            Name::Cosine => &["--lr", "--min-lr"],
            Name::Sgdr => &["--lr", "--min-lr", "--t-0", "--t-mult"],
            Name::Poly => &["--lr", "--power"],
        };
        let given = [
            ("--lr", self.lr.is_some()),
            ("--max-lr", self.max_lr.is_some()),
            ("--min-lr", self.min_lr.is_some()),
            ("--pieces", self.pieces.is_some()),
            ("--drop-at", !self.drop_at.is_empty()),
            ("--drop-factor", self.drop_factor.is_some()),
            ("--variant", self.variant.is_some()),
            ("--step-size", self.step_size.is_some()),
            ("--pct-start", self.pct_start.is_some()),
            ("--final-lr", self.final_lr.is_some()),
            ("--max-momentum", self.max_momentum.is_some()),
            ("--min-momentum", self.min_momentum.is_some()),
            ("--gamma", self.gamma.is_some()),
            ("--factor", self.factor.is_some()),
            ("--patience", self.patience.is_some()),
            ("--threshold", self.threshold.is_some()),
            ("--cooldown", self.cooldown.is_some()),
            ("--t-0", self.t_0.is_some()),
            ("--t-mult", self.t_mult.is_some()),
            ("--power", self.power.is_some()),
        ];
        match given.iter().find(|(flag, is_given)| *is_given && !takes.contains(flag)) {
            None => Ok(()),
            Some((flag, _)) => {
                let message = format!("{flag}: expected no such flag with --schedule {}, found one", value_name(name));
                Err(Failure::unusable(message).hint(format!("it takes {}", takes.join(", "))))
            }
        }
    }

    /// The schedule, its rates out of the flags or out of a file.
    ///
    /// # Errors
    /// When a parameter is missing or cannot be used.
    pub(crate) fn build(&self, rates: &Rates, iterations: u64) -> Result<Schedule, Failure> {
        let schedule = match self.name()? {
            Name::Constant => Schedule::Constant(Constant { lr: self.need("--lr", rates.lr)? }),
            Name::Piecewise => Schedule::Piecewise(self.piecewise(rates, iterations)?),
            Name::Plateau => Schedule::Plateau(self.plateau(rates)?),
            Name::Triangular => Schedule::Triangular(self.triangular(rates)?),
            Name::Triangular2 => Schedule::Triangular2(self.triangular(rates)?),
            Name::ExpRange => {
                let gamma = self.need("--gamma", self.gamma)?;
                Schedule::ExpRange(ExpRange::new(self.triangular(rates)?, gamma))
            }
            Name::OneCycle => Schedule::OneCycle(self.one_cycle(rates)?),
            Name::Cosine => {
                let lr = self.need("--lr", rates.lr)?;
                Schedule::Cosine(Cosine { lr, min_lr: self.min_lr.unwrap_or(0.0) })
            }
            Name::Sgdr => Schedule::Sgdr(Sgdr {
                lr: self.need("--lr", rates.lr)?,
                min_lr: self.min_lr.unwrap_or(0.0),
                t_0: self.need("--t-0", self.t_0)?,
                t_mult: self.t_mult.unwrap_or(1),
            }),
            Name::Poly => Schedule::Poly(Poly { lr: self.need("--lr", rates.lr)?, power: self.power.unwrap_or(1.0) }),
        };
        schedule.validate(iterations).map_err(Failure::unusable)?;
        Ok(schedule)
    }

    fn piecewise(&self, rates: &Rates, iterations: u64) -> Result<Piecewise, Failure> {
        if let Some(pieces) = &self.pieces {
            return Ok(pieces.clone());
        }
        let lr = self.need("--pieces or --lr", rates.lr)?;
        if self.drop_at.is_empty() {
            return Err(Failure::unusable("--drop-at: expected shares of the run, such as 0.5,0.75, found none"));
        }
        let ordered = self.drop_at.is_sorted_by(|a, b| a < b);
        if !ordered || self.drop_at.iter().any(|share| !(*share > 0.0 && *share < 1.0)) {
            let found = self.drop_at.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            return Err(Failure::unusable(format!("--drop-at: expected rising shares between 0 and 1, found {found}")));
        }
        Ok(Piecewise::step_decay(lr, iterations, &self.drop_at, self.drop_factor.unwrap_or(0.1)))
    }

    fn plateau(&self, rates: &Rates) -> Result<Plateau, Failure> {
        let mut plateau = Plateau::new(self.need("--lr", rates.lr)?);
        plateau.factor = self.factor.unwrap_or(plateau.factor);
        plateau.patience = self.patience.unwrap_or(plateau.patience);
        plateau.threshold = self.threshold.unwrap_or(plateau.threshold);
        plateau.cooldown = self.cooldown.unwrap_or(plateau.cooldown);
        plateau.min_lr = self.min_lr.unwrap_or(plateau.min_lr);
        Ok(plateau)
    }

    fn triangular(&self, rates: &Rates) -> Result<Triangular, Failure> {
        Ok(Triangular {
            min_lr: self.need("--min-lr", rates.min_lr)?,
            max_lr: self.need("--max-lr", rates.max_lr)?,
            step_size: self.need("--step-size", self.step_size)?,
            max_momentum: self.max_momentum,
            min_momentum: self.min_momentum,
        })
    }

    fn one_cycle(&self, rates: &Rates) -> Result<OneCycle, Failure> {
        let variant = self.variant.as_deref().and_then(Variant::from_name).unwrap_or(Variant::Smith);
        let mut one_cycle = OneCycle::new(variant, self.need("--max-lr", rates.max_lr)?);
        // A suggestion's lowest useful rate is where learning starts; 1cycle starts at a share of the highest.
        one_cycle.min_lr = self.min_lr.or(one_cycle.min_lr);
        one_cycle.step_size = self.step_size.or(one_cycle.step_size);
        one_cycle.pct_start = self.pct_start.or(one_cycle.pct_start);
        one_cycle.final_lr = self.final_lr.or(one_cycle.final_lr);
        one_cycle.max_momentum = self.max_momentum;
        one_cycle.min_momentum = self.min_momentum;
        Ok(one_cycle)
    }

    fn need<T>(&self, flag: &str, value: Option<T>) -> Result<T, Failure> {
        let name = value_name(self.name()?);
        value.ok_or_else(|| Failure::unusable(format!("{flag}: expected a value with --schedule {name}, found none")))
    }
}

const CYCLE: &[&str] = &["--min-lr", "--max-lr", "--step-size", "--max-momentum", "--min-momentum"];
