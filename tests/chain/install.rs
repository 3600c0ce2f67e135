//! Programs installed, with man pages that say what `--help` says and completions that a shell takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::manual::{self, MAN, SHELLS};
use end_to_end::study::checkout;
use end_to_end::{programs, succeed, workspace};

use crate::makefile::make;

/// The programs that the makefile builds.
fn names() -> Vec<String> {
    let makefile = fs::read_to_string(workspace().join("Makefile")).unwrap();
    let line = makefile.lines().find(|line| line.starts_with("PROGRAMS :=")).unwrap();
    let (_, names) = line.trim_end_matches(')').split_once("sc-,").unwrap();
    names.split_whitespace().map(|name| format!("sc-{name}")).collect()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for path in fs::read_dir(next).unwrap().flatten().map(|entry| entry.path()) {
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The long flags in a text that are spelled as in `--help`.
fn flags(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let mut flags: Vec<&str> = words.filter(|word| word.starts_with("--") && word.len() > 3).collect();
    flags.sort_unstable();
    flags.dedup();
    flags
}

#[test]
fn pages_and_completions_know_every_flag() {
    let out = tempfile::tempdir().unwrap();
    let names = names();
    assert!(names.len() >= 7, "{names:?}");
    for name in &names {
        manual::write(&programs().join(name), out.path()).unwrap();
        let read = |path: PathBuf| {
            fs::read_to_string(out.path().join(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let page = read(Path::new(MAN).join(format!("{name}.1")));
        assert!(
            page.contains(".SH NAME") && page.contains(".SH SYNOPSIS") && page.contains(".SH \"EXIT STATUS\""),
            "{page}"
        );
        let help = succeed(out.path(), name, "--help");
        let said = page.replace("\\-", "-");
        for flag in flags(&help) {
            assert!(said.contains(flag), "{name}.1 lacks {flag}");
        }
        for (_, folder, file) in SHELLS {
            let text = read(Path::new(folder).join(file.replace("NAME", name)));
            for flag in flags(&help).into_iter().filter(|flag| !page_alone(&help, flag)) {
                assert!(text.contains(flag.trim_start_matches('-')), "{folder} of {name} lack {flag}");
            }
        }
    }
    // Subcommands have pages of their own, and choices are offered.
    assert!(out.path().join(MAN).join("sc-analyze-suggest.1").exists());
    let train = fs::read_to_string(out.path().join("bash-completion/completions/sc-train")).unwrap();
    assert!(train.contains("triangular2") && train.contains("torch-three-phase"), "{train}");
    let again = tempfile::tempdir().unwrap();
    for name in &names {
        manual::write(&programs().join(name), again.path()).unwrap();
    }
    for path in files(out.path()) {
        let other = again.path().join(path.strip_prefix(out.path()).unwrap());
        assert!(fs::read(&path).unwrap() == fs::read(other).unwrap(), "{}", path.display());
    }
}

/// Whether a flag is but mentioned in a text of the help, as those of other programs are: texts are set in by 10.
fn page_alone(help: &str, flag: &str) -> bool {
    let mut heads = help.lines().filter(|line| !line.starts_with(&" ".repeat(10)));
    !heads.any(|line| line.trim_start().split([' ', ',']).take(3).any(|word| word == flag))
}

/// What bash offers after `words`, by the completions in `file`.
fn offered(file: &Path, program: &str, words: &[&str]) -> String {
    let script = format!(
        "source '{}'; COMP_WORDS=({program} {}); COMP_CWORD={}; _{} {program} '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        file.display(),
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words.len(),
        program.replace('-', "__"),
        words.last().unwrap(),
        words.len().checked_sub(2).map_or(program, |before| words[before]),
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_completes_flags_choices_and_subcommands() {
    let out = tempfile::tempdir().unwrap();
    for name in ["sc-train", "sc-analyze"] {
        manual::write(&programs().join(name), out.path()).unwrap();
    }
    let completions = |name: &str| out.path().join("bash-completion/completions").join(name);
    assert_eq!(offered(&completions("sc-train"), "sc-train", &["--bn-m"]), "--bn-momentum\n");
    assert_eq!(offered(&completions("sc-train"), "sc-train", &["--schedule", "tri"]), "triangular\ntriangular2\n");
    assert_eq!(offered(&completions("sc-analyze"), "sc-analyze", &["sug"]), "suggest\n");
}

#[test]
fn what_is_installed_runs_and_is_removed_without_a_trace() {
    let checkout = checkout();
    let prefix = checkout.path().join("prefix");
    // A checkout without sources has no cargo to ask: the tool that makes the pages is this one.
    let manual = checkout.path().join("target/manual");
    for name in names() {
        manual::write(&programs().join(name), &manual).unwrap();
    }
    fs::write(manual.join("made"), "").unwrap();
    let to = format!("PREFIX={}", prefix.display());
    let output = make(checkout.path(), &["install", &to]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in names() {
        let output = Command::new(prefix.join("bin").join(&name)).arg("--version").output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).starts_with(&format!("{name} ")));
    }
    for file in [
        "share/man/man1/sc-train.1",
        "share/zsh/site-functions/_sc-prep",
        "share/fish/vendor_completions.d/sc-init.fish",
    ] {
        assert!(prefix.join(file).exists(), "{file}");
    }
    fs::write(prefix.join("share/man/man1/other.1"), "").unwrap();
    assert!(make(checkout.path(), &["uninstall", &to]).status.success());
    assert_eq!(files(&prefix), [prefix.join("share/man/man1/other.1")]);

    let staged = checkout.path().join("staged");
    let output = make(checkout.path(), &["install", "PREFIX=/opt/sc", &format!("DESTDIR={}", staged.display())]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(staged.join("opt/sc/bin/sc-train").exists() && staged.join("opt/sc/share/man/man1/sc-train.1").exists());
}
