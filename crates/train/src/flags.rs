//! The flags of `sc-train` beyond the shared ones: the schedule and its parameters.

use std::path::PathBuf;

use artifacts::recipe::Training;
use clap::{ArgMatches, Args, Parser, ValueEnum};
use cli::Failure;
use cli::arguments::EXIT_CODES_OF_A_RUN;
use launch::failure::OrFail;
use launch::flags::{Flags, flag, value_name};
use launch::recipe;
use schedules::{
    Constant, Cosine, ExpRange, OneCycle, Piecewise, Plateau, Poly, Rise, Schedule, Sgdr, Triangular, Variant,
};

use crate::rates::ScheduleRates;

/// The ways to ask for a run.
const USAGE: &str = "sc-train --data FILE --init FILE --schedule NAME --iterations N [OPTIONS]
       sc-train --data FILE --init FILE --recipe FILE [OPTIONS]
       sc-train --replay RUN.JSON [OPTIONS]";

/// Train a net under a learning rate schedule
#[derive(Parser)]
#[command(name = crate::PROGRAM, version, allow_negative_numbers = true, override_usage = USAGE)]
#[command(after_help = EXIT_CODES_OF_A_RUN)]
pub(crate) struct Arguments {
    /// Schedule and its parameters
    #[command(flatten)]
    pub(crate) schedule: ScheduleFlags,
    /// Take --min-lr and --max-lr of a cyclical schedule from a file that sc-analyze suggest made; exit 2 where it holds
    /// for another setting
    #[arg(long, value_name = "FILE", conflicts_with_all = ["choice", "recipe"])]
    pub(crate) suggestion: Option<PathBuf>,
    /// Take --lr, or --max-lr of a cyclical schedule, from a file that sc-analyze choose made among runs of such a schedule;
    /// exit 2 where it holds for another setting
    #[arg(long, value_name = "FILE", conflicts_with = "recipe")]
    pub(crate) choice: Option<PathBuf>,
    /// What is run on what
    #[command(flatten)]
    pub(crate) flags: Flags,
}

/// Names of the schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// One rate throughout: --lr
    Constant,
    /// Given pieces (--pieces), or --lr that drops at shares of the run (--drop-at)
    Piecewise,
    /// --lr, lowered whenever the validation loss stops improving
    Plateau,
    /// Cycles between --min-lr and --max-lr: --step-size
    Triangular,
    /// Cycles, each half as high as the one before
    Triangular2,
    /// Cycles whose height decays by --gamma per step
    ExpRange,
    /// One rise to --max-lr, one fall, and a tail
    #[value(name = "1cycle")]
    OneCycle,
    /// Half a cosine from --lr down
    Cosine,
    /// Half cosines with warm restarts: --t-0, --t-mult
    Sgdr,
    /// A power of the share of steps that remain
    Poly,
}

/// The schedules that cycle between two rates.
const CYCLICAL: &[Name] = &[Name::Triangular, Name::Triangular2, Name::ExpRange, Name::OneCycle];

/// Every parameter of a schedule, and the schedules that it applies to.
const APPLIES_TO: [(&str, &[Name]); 20] = [
    ("lr", &[Name::Constant, Name::Piecewise, Name::Plateau, Name::Cosine, Name::Sgdr, Name::Poly]),
    (
        "min_lr",
        &[Name::Triangular, Name::Triangular2, Name::ExpRange, Name::OneCycle, Name::Plateau, Name::Cosine, Name::Sgdr],
    ),
    ("max_lr", CYCLICAL),
    ("step_size", CYCLICAL),
    ("max_momentum", CYCLICAL),
    ("min_momentum", CYCLICAL),
    ("gamma", &[Name::ExpRange]),
    ("variant", &[Name::OneCycle]),
    ("pct_start", &[Name::OneCycle]),
    ("final_lr", &[Name::OneCycle]),
    ("pieces", &[Name::Piecewise]),
    ("drop_at", &[Name::Piecewise]),
    ("drop_factor", &[Name::Piecewise]),
    ("factor", &[Name::Plateau]),
    ("patience", &[Name::Plateau]),
    ("threshold", &[Name::Plateau]),
    ("cooldown", &[Name::Plateau]),
    ("t_0", &[Name::Sgdr]),
    ("t_mult", &[Name::Sgdr]),
    ("power", &[Name::Poly]),
];

/// Defaults of the schedules that have them, whatever their rate.
const PLATEAU: Plateau = Plateau::new(1.0);
const SGDR: Sgdr = Sgdr::new(1.0, 1);
const POLY: Poly = Poly::new(1.0);

/// What `--lr` is multiplied by at each drop, as in the customary baseline.
const DROP_FACTOR: f64 = 0.1;

impl Name {
    /// Whether the rate rises to --max-lr in cycles; else it starts from --lr.
    pub(crate) fn is_cyclical(self) -> bool {
        CYCLICAL.contains(&self)
    }
}

/// The schedule and its parameters; those of another schedule are refused.
#[derive(Args)]
#[command(next_help_heading = "Schedule")]
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
    #[arg(long, value_name = "F", help = min_lr_help())]
    pub(crate) min_lr: Option<f64>,
    /// Pieces of a piecewise constant rate, STEPS:RATE,STEPS:RATE,...
    #[arg(long, value_name = "LIST", conflicts_with_all = ["lr", "drop_at"])]
    pub(crate) pieces: Option<Piecewise>,
    /// Shares of the run at which a piecewise constant rate drops, such as 0.5,0.75
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) drop_at: Vec<f64>,
    /// What a piecewise constant rate is multiplied by at each drop
    #[arg(long, value_name = "F", default_value_t = DROP_FACTOR)]
    pub(crate) drop_factor: f64,
    #[arg(long, value_name = "NAME", value_parser = Variant::NAMES.map(|(name, _)| name), help = variant_help())]
    pub(crate) variant: Option<String>,
    #[arg(long, value_name = "N", help = step_size_help())]
    pub(crate) step_size: Option<u64>,
    #[arg(long, value_name = "F", help = pct_start_help())]
    pub(crate) pct_start: Option<f64>,
    #[arg(long, value_name = "F", help = final_lr_help())]
    pub(crate) final_lr: Option<f64>,
    /// Momentum at the lowest rate; with --min-momentum, momentum cycles against the rate
    #[arg(long, value_name = "F", requires = "min_momentum")]
    pub(crate) max_momentum: Option<f64>,
    /// Momentum at the highest rate
    #[arg(long, value_name = "F", requires = "max_momentum")]
    pub(crate) min_momentum: Option<f64>,
    /// exp-range: factor of a cycle's height per step
    #[arg(long, value_name = "F")]
    pub(crate) gamma: Option<f64>,
    /// plateau: what the rate is multiplied by
    #[arg(long, value_name = "F", default_value_t = PLATEAU.factor)]
    pub(crate) factor: f64,
    /// plateau: measurements in a row without improvement that are tolerated
    #[arg(long, value_name = "N", default_value_t = PLATEAU.patience)]
    pub(crate) patience: u64,
    /// plateau: relative decrease of the validation loss that counts as an improvement
    #[arg(long, value_name = "F", default_value_t = PLATEAU.threshold)]
    pub(crate) threshold: f64,
    /// plateau: measurements after a drop that are not counted
    #[arg(long, value_name = "N", default_value_t = PLATEAU.cooldown)]
    pub(crate) cooldown: u64,
    /// sgdr: steps of the first period
    #[arg(long = "t-0", value_name = "N")]
    pub(crate) t_0: Option<u64>,
    /// sgdr: how many times as long each period is as the one before
    #[arg(long, value_name = "N", default_value_t = SGDR.t_mult)]
    pub(crate) t_mult: u64,
    /// poly: exponent
    #[arg(long, value_name = "F", default_value_t = POLY.power)]
    pub(crate) power: f64,
}

fn min_lr_help() -> String {
    let defaults = Variant::in_words(|defaults| Some(format!("max/{}", defaults.div_factor)));
    format!(
        "Lowest rate: where a cycle starts [1cycle's default: {defaults}], or what plateau, cosine and sgdr end at [default: {}]",
        PLATEAU.min_lr
    )
}

fn variant_help() -> String {
    format!("1cycle: whose variant [default: {}]", Variant::default().name())
}

fn step_size_help() -> String {
    let defaults = Variant::in_words(|defaults| match defaults.rise {
        Rise::StepSize { percent } => Some(format!("{percent}% of the run")),
        Rise::PctStart(_) => None,
    });
    format!("Steps of half a cycle [1cycle's default: {defaults}]")
}

fn pct_start_help() -> String {
    let defaults = Variant::in_words(|defaults| match defaults.rise {
        Rise::PctStart(share) => Some(share.to_string()),
        Rise::StepSize { .. } => None,
    });
    format!("1cycle: share of the run that is the rise [default: {defaults}]")
}

fn final_lr_help() -> String {
    let defaults = Variant::in_words(|defaults| Some(defaults.final_lr.to_string()));
    format!("1cycle: rate of the tail, or at its end [default: {defaults}]")
}

impl ScheduleFlags {
    /// The schedule that the flags name, or the recipe.
    pub(crate) fn name(&self) -> Result<Name, Failure> {
        self.name.ok_or_else(|| Failure::unusable("--schedule is missing"))
    }

    /// Fills in what no flag says from a recipe, whose schedule is 1cycle. Another highest rate or length than the recipe's
    /// keeps the shape of its cycle: the other rates in proportion to the highest, the cycle's share of the run. Another
    /// variant has a shape of its own, and another schedule takes nothing.
    ///
    /// `iterations`: steps of the run. `constant_momentum`: whether a flag gave one.
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

    /// Refuses parameters of another schedule, which would have no effect. `given`: the flags as they were parsed.
    ///
    /// # Errors
    /// At the first such flag.
    pub(crate) fn check_flags(&self, given: &ArgMatches) -> Result<(), Failure> {
        let name = self.name()?;
        let misplaced = |(id, schedules): &&(&str, &[Name])| recipe::given(given, id) && !schedules.contains(&name);
        let Some((id, _)) = APPLIES_TO.iter().find(misplaced) else {
            return Ok(());
        };
        let applicable = APPLIES_TO.iter().filter(|(_, schedules)| schedules.contains(&name));
        let flags: Vec<String> = applicable.map(|(id, _)| flag(id)).collect();
        let message = format!("{} does not apply to --schedule {}", flag(id), value_name(name));
        Err(Failure::unusable(message).hint(format!("--schedule {} takes {}", value_name(name), flags.join(", "))))
    }

    /// The schedule, with its rates from the flags or from a file.
    ///
    /// # Errors
    /// When a parameter is missing or cannot be used.
    pub(crate) fn build(&self, rates: &ScheduleRates, iterations: u64) -> Result<Schedule, Failure> {
        let schedule = match self.name()? {
            Name::Constant => Schedule::Constant(Constant { lr: self.lr(rates)? }),
            Name::Piecewise => Schedule::Piecewise(self.piecewise(rates, iterations)?),
            Name::Plateau => Schedule::Plateau(self.plateau(rates)?),
            Name::Triangular => Schedule::Triangular(self.triangular(rates)?),
            Name::Triangular2 => Schedule::Triangular2(self.triangular(rates)?),
            Name::ExpRange => {
                let gamma = self.need("gamma", self.gamma)?;
                Schedule::ExpRange(ExpRange::new(self.triangular(rates)?, gamma))
            }
            Name::OneCycle => Schedule::OneCycle(self.one_cycle(rates)?),
            Name::Cosine => Schedule::Cosine(self.cosine(rates)?),
            Name::Sgdr => Schedule::Sgdr(self.sgdr(rates)?),
            Name::Poly => Schedule::Poly(Poly { lr: self.lr(rates)?, power: self.power }),
        };
        schedule.validate(iterations).or_fail()?;
        Ok(schedule)
    }

    fn piecewise(&self, rates: &ScheduleRates, iterations: u64) -> Result<Piecewise, Failure> {
        if let Some(pieces) = &self.pieces {
            return Ok(pieces.clone());
        }
        let missing = || Failure::unusable("--schedule piecewise needs --pieces, or --lr and --drop-at");
        let lr = rates.lr.ok_or_else(missing)?;
        if self.drop_at.is_empty() {
            return Err(missing());
        }
        let increasing = self.drop_at.is_sorted_by(|a, b| a < b);
        if !increasing || self.drop_at.iter().any(|share| !(*share > 0.0 && *share < 1.0)) {
            let found = self.drop_at.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            return Err(Failure::unusable(format!(
                "--drop-at: expected increasing shares between 0 and 1, found {found}"
            )));
        }
        Ok(Piecewise::step_decay(lr, iterations, &self.drop_at, self.drop_factor))
    }

    fn plateau(&self, rates: &ScheduleRates) -> Result<Plateau, Failure> {
        Ok(Plateau {
            lr: self.lr(rates)?,
            factor: self.factor,
            patience: self.patience,
            threshold: self.threshold,
            cooldown: self.cooldown,
            min_lr: self.min_lr.unwrap_or(PLATEAU.min_lr),
        })
    }

    fn triangular(&self, rates: &ScheduleRates) -> Result<Triangular, Failure> {
        Ok(Triangular {
            min_lr: self.need("min_lr", rates.min_lr).map_err(or_suggestion)?,
            max_lr: self.max_lr(rates)?,
            step_size: self.need("step_size", self.step_size)?,
            max_momentum: self.max_momentum,
            min_momentum: self.min_momentum,
        })
    }

    fn one_cycle(&self, rates: &ScheduleRates) -> Result<OneCycle, Failure> {
        Ok(OneCycle {
            variant: self.variant.as_deref().and_then(Variant::from_name).unwrap_or_default(),
            max_lr: self.max_lr(rates)?,
            // Not that of a suggestion: its lowest useful rate is where learning starts, 1cycle's a fraction of the highest.
            min_lr: self.min_lr,
            final_lr: self.final_lr,
            step_size: self.step_size,
            pct_start: self.pct_start,
            max_momentum: self.max_momentum,
            min_momentum: self.min_momentum,
        })
    }

    fn cosine(&self, rates: &ScheduleRates) -> Result<Cosine, Failure> {
        let default = Cosine::new(self.lr(rates)?);
        Ok(Cosine { min_lr: self.min_lr.unwrap_or(default.min_lr), ..default })
    }

    fn sgdr(&self, rates: &ScheduleRates) -> Result<Sgdr, Failure> {
        let default = Sgdr::new(self.lr(rates)?, self.need("t_0", self.t_0)?);
        Ok(Sgdr { min_lr: self.min_lr.unwrap_or(default.min_lr), t_mult: self.t_mult, ..default })
    }

    fn lr(&self, rates: &ScheduleRates) -> Result<f64, Failure> {
        let hint = "give it by hand, or take it from a file: --suggestion FILE or --choice FILE";
        self.need("lr", rates.lr).map_err(|failure| failure.hint(hint))
    }

    fn max_lr(&self, rates: &ScheduleRates) -> Result<f64, Failure> {
        self.need("max_lr", rates.max_lr).map_err(or_suggestion)
    }

    fn need<T>(&self, parameter: &str, value: Option<T>) -> Result<T, Failure> {
        let name = value_name(self.name()?);
        value.ok_or_else(|| Failure::unusable(format!("--schedule {name} needs {}", flag(parameter))))
    }
}

fn or_suggestion(failure: Failure) -> Failure {
    failure.hint("give it by hand, or take it from a range test: --suggestion FILE")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn message(line: &str) -> String {
        let matches = Arguments::command()
            .try_get_matches_from(format!("sc-train --replay x {line}").split_whitespace())
            .unwrap();
        let flags = <ScheduleFlags as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
        let rates = ScheduleRates { lr: flags.lr, min_lr: flags.min_lr, max_lr: flags.max_lr };
        let outcome = flags.check_flags(&matches).and_then(|()| flags.build(&rates, 100));
        outcome.map_or_else(|failure| failure.message, |schedule| schedule.name().to_owned())
    }

    #[test]
    fn every_parameter_of_a_schedule_says_where_it_applies() {
        let command = ScheduleFlags::augment_args(clap::Command::new("sc-train"));
        let mut ids: Vec<&str> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
        ids.retain(|id| *id != "name");
        let mut listed: Vec<&str> = APPLIES_TO.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        listed.sort_unstable();
        assert_eq!(ids, listed);
        for argument in command.get_arguments().filter(|argument| argument.get_id() != "name") {
            assert_eq!(format!("--{}", argument.get_long().unwrap()), flag(argument.get_id().as_str()));
        }
    }

    #[test]
    fn parameters_of_another_schedule_are_refused() {
        for (line, expected) in [
            ("--schedule cosine --lr 1 --gamma 0.9", "--gamma does not apply to --schedule cosine"),
            ("--schedule constant --lr 1 --factor 0.1", "--factor does not apply to --schedule constant"),
            ("--schedule 1cycle --lr 1", "--lr does not apply to --schedule 1cycle"),
            ("--schedule 1cycle --max-lr 1 --pct-start 0.3", "--pct-start does not apply to --variant smith"),
            (
                "--schedule 1cycle --max-lr 1 --variant fastai --step-size 9",
                "--step-size does not apply to --variant fastai",
            ),
        ] {
            assert_eq!(message(line), expected, "{line}");
        }
    }

    #[test]
    fn every_schedule_names_what_it_needs() {
        for (schedule, needed, given) in [
            ("constant", "--lr", "--lr 1"),
            ("piecewise", "--pieces, or --lr and --drop-at", "--lr 1 --drop-at 0.5"),
            ("plateau", "--lr", "--lr 1"),
            ("triangular", "--min-lr", "--min-lr 0.1 --max-lr 1 --step-size 9"),
            ("triangular2", "--min-lr", "--min-lr 0.1 --max-lr 1 --step-size 9"),
            ("exp-range", "--gamma", "--min-lr 0.1 --max-lr 1 --step-size 9 --gamma 0.9"),
            ("1cycle", "--max-lr", "--max-lr 1"),
            ("cosine", "--lr", "--lr 1"),
            ("sgdr", "--lr", "--lr 1 --t-0 9"),
            ("poly", "--lr", "--lr 1"),
        ] {
            assert_eq!(message(&format!("--schedule {schedule}")), format!("--schedule {schedule} needs {needed}"));
            assert_eq!(message(&format!("--schedule {schedule} {given}")), schedule);
        }
    }

    #[test]
    fn unusable_values_are_refused_by_their_flags() {
        for (line, expected) in [
            ("--schedule constant --lr 0", "--lr: expected a finite number above 0, found 0"),
            ("--schedule 1cycle --max-lr 1 --min-lr 2", "--min-lr: expected a rate below --max-lr (1), found 2"),
            (
                "--schedule 1cycle --max-lr 1 --step-size 51",
                "--step-size: expected at most 50, half of --iterations (100), found 51",
            ),
            (
                "--schedule piecewise --lr 1 --drop-at 0.75,0.5",
                "--drop-at: expected increasing shares between 0 and 1, found 0.75,0.5",
            ),
            (
                "--schedule piecewise --pieces 9:1,9:0.1",
                "--pieces: expected pieces that add up to --iterations (100), found 18",
            ),
        ] {
            assert_eq!(message(line), expected, "{line}");
        }
    }

    /// `docs/schedules.md` lists the flags of every schedule with their defaults.
    #[test]
    fn the_documentation_lists_the_flags_of_every_schedule() {
        let page = include_str!("../../../docs/schedules.md");
        let row = |name: Name| {
            let start = format!("| `{}` |", value_name(name));
            page.lines().find(|line| line.starts_with(&start)).unwrap().to_owned()
        };
        for (id, schedules) in APPLIES_TO {
            let flag = flag(id);
            for name in schedules.iter().filter(|name| !CYCLICAL.contains(name)) {
                assert!(row(*name).contains(&flag), "{flag} of {name:?}");
            }
        }
        for (flag, default) in [
            ("--factor", PLATEAU.factor.to_string()),
            ("--patience", PLATEAU.patience.to_string()),
            ("--threshold", PLATEAU.threshold.to_string()),
            ("--cooldown", PLATEAU.cooldown.to_string()),
            ("--min-lr", PLATEAU.min_lr.to_string()),
        ] {
            let text = format!("{flag} ({default})");
            assert!(row(Name::Plateau).contains(&text), "{text}");
        }
        assert!(row(Name::Sgdr).contains(&format!("--t-mult ({})", SGDR.t_mult)));
        assert!(row(Name::Poly).contains(&format!("--power ({})", POLY.power)));
    }
}
