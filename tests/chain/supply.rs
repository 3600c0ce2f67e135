//! What the programs are built from: licences, sources and duplicates, without a further tool. `deny.toml` holds the
//! rules; where cargo-deny is installed, `make deny` checks the same, and advisories where it can.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use end_to_end::{metadata, workspace};
use serde_json::Value;

fn packages(metadata: &Value) -> Vec<&Value> {
    metadata["packages"].as_array().unwrap().iter().collect()
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap()
}

/// The strings of the array `key` in the table `table` of deny.toml.
fn rule(table: &str, key: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(workspace().join("deny.toml")).unwrap();
    let table = text.split("\n[").find(|part| part.starts_with(&format!("{table}]"))).unwrap();
    let list = table.split(&format!("\n{key} = [")).nth(1).unwrap().split(']').next().unwrap();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a licence expression (SPDX, or the older form with a slash for OR) can be met with what is allowed. AND binds
/// tighter than OR.
fn allowed(expression: &str, allow: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ").replace(" WITH ", "+WITH+");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any_of(&words, &mut at, allow);
    assert_eq!(at, words.len(), "{expression}");
    met
}

fn any_of(words: &[&str], at: &mut usize, allow: &BTreeSet<String>) -> bool {
    let mut met = all_of(words, at, allow);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all_of(words, at, allow);
    }
    met
}

fn all_of(words: &[&str], at: &mut usize, allow: &BTreeSet<String>) -> bool {
    let mut met = one(words, at, allow);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allow);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allow: &BTreeSet<String>) -> bool {
    let word = words[*at];
    *at += 1;
    if word != "(" {
        return allow.contains(&word.replace("+WITH+", " WITH "));
    }
    let met = any_of(words, at, allow);
    *at += 1; // the closing bracket
    met
}

#[test]
fn every_licence_is_permissive() {
    let allow = rule("licenses", "allow");
    for (expression, expected) in [
        ("MIT/Apache-2.0", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("Apache-2.0 WITH LLVM-exception", true),
    ] {
        assert_eq!(allowed(expression, &allow), expected, "{expression}");
    }
    let metadata = metadata();
    for package in packages(&metadata) {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(allowed(if licence.is_empty() { "none" } else { licence }, &allow), "{}: {licence:?}", name(package));
    }
}

#[test]
fn every_crate_comes_from_the_one_registry_and_is_pinned() {
    let registries = rule("sources", "allow-registry");
    let metadata = metadata();
    for package in packages(&metadata) {
        if let Some(source) = package["source"].as_str() {
            assert!(registries.contains(source.trim_start_matches("registry+")), "{}: {source}", name(package));
        }
    }
    let lock = fs::read_to_string(workspace().join("Cargo.lock")).unwrap();
    let unpinned = lock.split("[[package]]").filter(|p| p.contains("\nsource = ") && !p.contains("\nchecksum = "));
    assert_eq!(unpinned.count(), 0);
}

#[test]
fn no_system_library_and_no_new_duplicate() {
    let metadata = metadata();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages(&metadata) {
        versions.entry(name(package)).or_default().insert(package["version"].as_str().unwrap());
    }
    let skipped = rule("bans", "skip");
    for (name, found) in &versions {
        assert!(found.len() == 1 || skipped.contains(*name), "{name} in {} versions: {found:?}", found.len());
    }
    for forbidden in rule("bans", "deny") {
        assert!(!versions.contains_key(forbidden.as_str()), "{forbidden}");
    }
}

/// `make deny` by a cargo-deny that logs what it is asked, and fails where its arguments contain `fails_at`.
fn deny_with(fails_at: &str) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let (cargo, log) = (folder.path().join("cargo"), folder.path().join("log"));
    let log_path = log.display();
    let script = format!("#!/bin/sh\necho \"$@\" >> {log_path}\ncase \"$*\" in *\"{fails_at}\"*) exit 1;; esac\n");
    fs::write(&cargo, script).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let mut make = Command::new("make");
    make.args(["deny", &format!("CARGO={}", cargo.display())]).current_dir(workspace());
    let output = make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").output().unwrap();
    (output, fs::read_to_string(log).unwrap())
}

#[test]
fn advisories_are_checked_or_said_not_to_be() {
    let (output, asked) = deny_with("nothing fails");
    assert!(output.status.success());
    assert!(asked.contains("check licenses bans sources") && asked.contains("check advisories"), "{asked}");

    let (output, asked) = deny_with("fetch db");
    assert!(output.status.success(), "without a network the rest counts");
    assert!(String::from_utf8_lossy(&output.stderr).contains("advisories were NOT checked"));
    assert!(!asked.contains("check advisories"), "{asked}");

    let (output, _) = deny_with("check advisories");
    assert!(!output.status.success(), "an advisory fails");
    let ci = fs::read_to_string(workspace().join(".ci/run")).unwrap();
    assert!(ci.contains("make deny") && ci.contains("advisories were NOT checked"));
}

#[test]
fn every_advisory_that_is_ignored_has_a_reason_and_a_day() {
    let text = fs::read_to_string(workspace().join("deny.toml")).unwrap();
    let (_, rest) = text.split_once("\nignore = [\n").unwrap();
    let (entries, _) = rest.split_once("\n]").unwrap();
    let metadata = metadata();
    let names: BTreeSet<&str> = packages(&metadata).into_iter().map(name).collect();
    for entry in entries.lines() {
        let (_, reason) = entry.split_once("reason = \"").expect(entry);
        let crate_name = reason.split(',').next().unwrap();
        assert!(names.contains(crate_name), "{crate_name} is no longer used: remove its exception\n{entry}");
        let day = reason.split_once("look again by ").expect(entry).1;
        assert!(day.starts_with("20") && day.len() >= 10, "{entry}");
    }
}
