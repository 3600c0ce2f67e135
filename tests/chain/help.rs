//! What `--help` says: in groups, in one voice, with the exit codes.

use std::collections::BTreeMap;

use end_to_end::succeed;

/// Programs, with the subcommand if there are any.
const COMMANDS: [&str; 12] = [
    "sc-prep cifar10",
    "sc-prep mnist",
    "sc-prep folder",
    "sc-init",
    "sc-probe",
    "sc-rangetest",
    "sc-train",
    "sc-watch",
    "sc-predict",
    "sc-eval",
    "sc-export onnx",
    "sc-prep",
];

/// Flags that are another thing in another program.
const HOMONYMS: [&str; 6] = ["--out", "--init", "--data", "--seed", "--min-lr", "--max-lr"];

/// Columns before a flag at most; text that goes on starts further to the right.
const FLAG_INDENT: usize = 6;

/// A flag as its program's help shows it: the first paragraph.
struct Entry {
    heading: String,
    flag: String,
    text: String,
}

fn help_of(command: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (program, rest) = command.split_once(' ').unwrap_or((command, ""));
    succeed(folder.path(), program, &format!("{rest} --help"))
}

/// The flags of a command. What clap adds in brackets (defaults, possible values) is left out.
fn flags(command: &str) -> Vec<Entry> {
    let help = help_of(command);
    let (before, _) = help.split_once("Exit codes:").unwrap_or_else(|| panic!("{command}:\n{help}"));
    let mut entries: Vec<Entry> = Vec::new();
    let (mut heading, mut is_first_paragraph) = (String::new(), true);
    for line in before.lines() {
        let trimmed = line.trim_start();
        if let Some(name) = line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            name.clone_into(&mut heading);
        } else if trimmed.starts_with('-') && line.len() - trimmed.len() <= FLAG_INDENT {
            let (names, text) = trimmed.split_once("  ").unwrap_or((trimmed, ""));
            let flag = names.split([' ', ',']).find(|word| word.starts_with("--")).unwrap_or(names).to_owned();
            entries.push(Entry { heading: heading.clone(), flag, text: text.trim().to_owned() });
            is_first_paragraph = true;
        } else if trimmed.is_empty() {
            is_first_paragraph = false;
        } else if let Some(entry) = entries.last_mut().filter(|_| is_first_paragraph) {
            format!("{} {trimmed}", entry.text).trim().clone_into(&mut entry.text);
        }
    }
    for entry in &mut entries {
        entry.text = entry.text.split(" [").next().unwrap_or_default().to_owned();
    }
    assert!(entries.len() >= 2, "{command}:\n{help}");
    entries
}

#[test]
fn flags_are_in_groups() {
    for command in COMMANDS {
        for Entry { heading, flag, .. } in flags(command) {
            let is_of_clap = ["--help", "--version"].contains(&flag.as_str());
            assert_eq!(heading == "Options", is_of_clap, "{command} {flag} is under {heading:?}");
        }
    }
}

#[test]
fn one_flag_has_one_phrase_and_no_phrase_ends_in_a_full_stop() {
    let mut phrases: BTreeMap<String, (&str, String)> = BTreeMap::new();
    for command in COMMANDS {
        for Entry { flag, text, .. } in flags(command) {
            assert!(!text.is_empty() && !text.trim_end_matches("...").ends_with('.'), "{command} {flag}: {text:?}");
            if HOMONYMS.contains(&flag.as_str()) || flag == "--help" {
                continue;
            }
            let (first, phrase) = phrases.entry(flag.clone()).or_insert((command, text.clone()));
            assert_eq!(*phrase, text, "{flag} in {first} and in {command}");
        }
    }
    assert!(phrases.len() > 50, "{} flags were found", phrases.len());
}

/// A script finds the exit codes in the help, of subcommands too.
#[test]
fn help_says_what_exit_codes_mean() {
    for command in COMMANDS {
        let help = help_of(command);
        let (_, after) = help.split_once("Exit codes:\n").unwrap_or_else(|| panic!("{command}:\n{help}"));
        let found: Vec<&str> = after.lines().filter_map(|line| line.split_whitespace().next()).collect();
        let expected = match command {
            "sc-rangetest" | "sc-train" => "0 1 2 3 130",
            "sc-watch" => "0 1 2 130",
            "sc-predict" => "0 1 2 4",
            _ => "0 1 2",
        };
        assert_eq!(found.join(" "), expected, "{command}");
    }
}

/// Spellings of earlier versions are understood, and not advertised.
#[test]
fn old_spellings_are_aliases() {
    let setting = end_to_end::small_setting("lenet");
    let inputs = "--data data.safetensors --init init.safetensors --batch-size 16 --iterations 2 --val-from-train 0.2";
    let train = format!("--schedule constant --lr 0.002 {inputs} --kernels portable --held-out-only --out run");
    let said = succeed(setting.path(), "sc-train", &train);
    assert!(said.contains("validation accuracy") && !said.contains("test accuracy"), "{said}");
    let record = artifacts::run::read_run(&setting.path().join("run")).unwrap();
    assert!(record.kernels.contains("portable"), "{}", record.kernels);
    let help = help_of("sc-train");
    assert!(!help.contains("--kernels") && !help.contains("--held-out-only"));
}
