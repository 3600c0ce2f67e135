//! The arguments of a program, and what every program's `--help` ends with.

use std::io::IsTerminal;
use std::process;

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::{UNUSABLE, output, processor, run};

/// The exit codes of programs, for `#[command(after_help = ...)]`; subcommands get the text of their program.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    success
  1    failed, for example because the disk is full or the network is down
  2    arguments or input cannot be used; nothing was written";

/// The exit codes of a program that reads many files and goes on without those that cannot be read.
pub const EXIT_CODES_OF_PREDICTIONS: &str = "\
Exit codes:
  0    success
  1    failed, for example because the disk is full
  2    arguments or input cannot be used; nothing was written
  4    some pictures could not be read; their lines say why, the others are predicted";

/// The exit codes of programs that run a net for hours.
pub const EXIT_CODES_OF_A_RUN: &str = "\
Exit codes:
  0    success; a run that diverged is one too, unless --fail-on-divergence is given
  1    failed, for example because the disk is full; what was recorded is kept
  2    arguments or input cannot be used; nothing was written
  3    the run diverged, with --fail-on-divergence
  130  interrupted; progress was saved, and --resume continues";

/// Heading in `--help` of the flags that name files.
pub const FILES: &str = "Files";
/// Heading in `--help` of the flags that decide what is printed.
pub const OUTPUT: &str = "Output";

/// Help is wrapped at so many columns where the terminal is wider.
const WIDTH: usize = 100;

/// The arguments of this process. Ends it where they cannot be used, or ask for help or the version.
pub fn parse<A: CommandFactory + FromArgMatches>() -> A {
    parse_with_matches().0
}

/// As [`parse`], with what tells a flag given from a default: the command and its matches.
pub fn parse_with_matches<A: CommandFactory + FromArgMatches>() -> (A, Command, ArgMatches) {
    let mut command = dressed(A::command());
    if let Err(failure) = processor::check() {
        let _ = run(command.get_name(), Err(failure));
        process::exit(i32::from(UNUSABLE));
    }
    let parsed = command.try_get_matches_from_mut(std::env::args_os());
    let matches = parsed.unwrap_or_else(|error| end(&command, &error));
    let arguments = A::from_arg_matches(&matches).unwrap_or_else(|error| end(&command, &error));
    (arguments, command, matches)
}

/// A command as all are: of one width, and with the exit codes in the help of its subcommands too.
fn dressed(command: Command) -> Command {
    let exit_codes = command.get_after_help().cloned().unwrap_or_default();
    command.max_term_width(WIDTH).mut_subcommands(|sub| sub.after_help(exit_codes.clone()))
}

/// Prints what clap says and ends the process: help on stdout like any result, bad arguments on stderr.
fn end(command: &Command, error: &clap::Error) -> ! {
    if error.use_stderr() || std::io::stdout().is_terminal() {
        // Colours, where there is a terminal; that nobody reads it changes nothing.
        let _ = error.print();
        process::exit(if error.use_stderr() { i32::from(UNUSABLE) } else { 0 });
    }
    let outcome = output::text(error.render()).map(|()| 0);
    let code = outcome.as_ref().map_or_else(|failure| failure.code, |code| *code);
    let _ = run(command.get_name(), outcome);
    process::exit(i32::from(code))
}
