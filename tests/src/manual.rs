//! Man pages and shell completions, from what a program says by `--help`: so every program has them, and no program is built
//! from what makes them.

mod help;

use std::fs;
use std::path::Path;
use std::process::Command as Process;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgAction, Command, ValueHint};
use clap_complete::aot::{Shell, generate};
use clap_mangen::Man;

use self::help::{Entry, Help};

/// Folder of the man pages, below PREFIX/share.
pub const MAN: &str = "man/man1";
/// The shells, each with the folder of its completions below PREFIX/share, and how a file is called there.
pub const SHELLS: [(Shell, &str, &str); 3] = [
    (Shell::Bash, "bash-completion/completions", "NAME"),
    (Shell::Zsh, "zsh/site-functions", "_NAME"),
    (Shell::Fish, "fish/vendor_completions.d", "NAME.fish"),
];

/// Writes the man pages of `program`, one for each subcommand too, and its completions below `out`.
///
/// # Errors
/// When the program does not say what it is, or a file cannot be written.
pub fn write(program: &Path, out: &Path) -> Result<(), String> {
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let version = said(program, &["--version"])?;
    let version = version.split_whitespace().last().unwrap_or_default().to_owned();
    let mut command = described(program, &name, &version, &[])?;
    write_pages(&command, &[&name], &version, out)?;
    for (shell, folder, file) in SHELLS {
        let mut text = Vec::new();
        generate(shell, &mut command, &name, &mut text);
        put(&out.join(folder).join(file.replace("NAME", &name)), &text)?;
    }
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let fail = |error| format!("{}: {error}", path.display());
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(fail)?;
    fs::write(path, bytes).map_err(fail)
}

fn said(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Process::new(program).args(arguments).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{}: {}", arguments.join(" "), output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

/// The command that a program, or a subcommand of it, describes.
fn described(program: &Path, name: &str, version: &str, path: &[&str]) -> Result<Command, String> {
    let text = said(program, &[path, &["--help"]].concat())?;
    let help = Help::read(&text).ok_or_else(|| format!("{} --help is not understood:\n{text}", path.join(" ")))?;
    let mut command = Command::new(kept(name.to_owned()))
        .version(kept(version.to_owned()))
        .about(help.about.first().cloned().unwrap_or_default())
        .long_about(help.about.join("\n\n"))
        .override_usage(help.usage.join("\n"))
        .after_help(help.exit_codes.join("\n"))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .subcommand_help_heading("Commands");
    command = help.entries.iter().fold(command, |command, entry| command.arg(argument(entry)));
    for (sub, _) in &help.commands {
        let described = described(program, sub, version, &[path, &[sub.as_str()]].concat())?;
        command = command.subcommand(described);
    }
    Ok(command)
}

/// Names in clap's commands live as long as the program; this one is short.
fn kept(text: String) -> &'static str {
    text.leak()
}

fn argument(entry: &Entry) -> Arg {
    let name = entry.long.as_deref().or(entry.value.as_deref()).unwrap_or_default();
    let mut argument = Arg::new(kept(name.to_owned())).help(entry.text.join("\n\n"));
    if let Some(heading) = entry.heading.as_deref().filter(|heading| !["Options", "Arguments"].contains(heading)) {
        argument = argument.help_heading(kept(heading.to_owned()));
    }
    if let Some(long) = &entry.long {
        argument = argument.long(kept(long.clone()));
    }
    argument = match entry.short {
        Some(short) => argument.short(short),
        None => argument,
    };
    let Some(value) = &entry.value else { return argument.action(ArgAction::SetTrue) };
    argument = argument.value_name(kept(value.clone())).value_hint(hint(value));
    if entry.long.is_none() {
        argument = argument.required(true);
    }
    if entry.many {
        argument = argument.num_args(1..);
    }
    if entry.choices.is_empty() {
        return argument;
    }
    let choice = |(name, text): &(String, String)| {
        let value = PossibleValue::new(kept(name.clone()));
        if text.is_empty() { value } else { value.help(text.clone()) }
    };
    argument.value_parser(PossibleValuesParser::new(entry.choices.iter().map(choice)))
}

/// What a shell offers for a value of this name.
fn hint(value: &str) -> ValueHint {
    match value {
        "DIR" => ValueHint::DirPath,
        "SOURCE" | "FILE" | "PROBE" | "RUN.JSON" => ValueHint::FilePath,
        value if value.starts_with("RUN") => ValueHint::AnyPath,
        _ => ValueHint::Other,
    }
}

/// The page of the command that `words` call, and those of its subcommands; a page is named by the words with dashes.
fn write_pages(command: &Command, words: &[&str], version: &str, out: &Path) -> Result<(), String> {
    for sub in command.get_subcommands() {
        write_pages(sub, &[words, &[sub.get_name()]].concat(), version, out)?;
    }
    let name = words.join("-");
    let page = command.clone().name(kept(name.clone())).bin_name(words.join(" "));
    let man = Man::new(page).title(&name).source(format!("superconv {version}")).manual("superconv");
    let mut text = Vec::new();
    let sections = [
        Man::render_title,
        Man::render_name_section,
        Man::render_synopsis_section,
        Man::render_description_section,
        Man::render_options_section,
    ];
    let rendered = sections.into_iter().try_for_each(|section| section(&man, &mut text));
    let rendered = rendered
        .and_then(|()| if command.has_subcommands() { man.render_subcommands_section(&mut text) } else { Ok(()) });
    rendered.map_err(|error| error.to_string())?;
    let mut text = String::from_utf8(text).map_err(|error| error.to_string())?;
    text.push_str(&exit_status(command));
    put(&out.join(MAN).join(format!("{name}.1")), text.as_bytes())
}

/// The section on exit codes, in roff: each code with its meaning.
fn exit_status(command: &Command) -> String {
    let codes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let code = |line: &str| {
        let (code, meaning) = line.split_once(' ').unwrap_or((line, ""));
        format!(".TP\n\\fB{code}\\fR\n{}\n", meaning.trim().replace('\\', "\\\\").replace('-', "\\-"))
    };
    format!(".SH \"EXIT STATUS\"\n{}", codes.lines().map(code).collect::<String>())
}
