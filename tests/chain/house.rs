//! The invariants of ARCHITECTURE.md, as absences.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use end_to_end::{metadata, workspace};

/// Packages that each package of the workspace is built from, by name, tests and build scripts left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let array = |value: &serde_json::Value| value.as_array().unwrap().clone();
    let names: BTreeMap<String, String> =
        array(&metadata["packages"]).iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
    let mut direct: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for node in array(&metadata["resolve"]["nodes"]) {
        let normal = array(&node["deps"])
            .into_iter()
            .filter(|dependency| array(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()));
        direct.insert(text(&node["id"]), normal.map(|dependency| text(&dependency["pkg"])).collect());
    }
    let mut all = BTreeMap::new();
    for member in array(&metadata["workspace_members"]) {
        let mut reached = BTreeSet::new();
        let mut open = vec![text(&member)];
        while let Some(next) = open.pop() {
            for dependency in &direct[&next] {
                if reached.insert(names[dependency].clone()) {
                    open.push(dependency.clone());
                }
            }
        }
        all.insert(names[&text(&member)].clone(), reached);
    }
    all
}

#[test]
fn dependencies_point_one_way() {
    let all = dependencies();
    let programs = ["sc-prep", "sc-init", "sc-rangetest", "sc-train", "sc-probe", "sc-search", "sc-analyze"];
    // Draws with what sc-analyze draws with; a tool of development, not a stage of the chain.
    let draws = ["sc-analyze", "rule-bench"];
    let knows_not = |package: &str, others: &[&str]| {
        for other in others {
            assert!(!all[package].contains(*other), "{package} knows of {other}");
        }
    };
    for package in all.keys().filter(|package| *package != "rule-bench") {
        knows_not(package, &programs);
    }
    let candle = ["candle-core", "candle-nn", "kernels", "learner"];
    for package in ["sc-prep", "sc-search", "sc-analyze", "rule-bench", "reading", "artifacts"] {
        knows_not(package, &candle);
    }
    for package in all.keys().filter(|package| !draws.contains(&package.as_str())) {
        knows_not(package, &["polars", "plotters"]);
    }
    for library in ["artifacts", "reading", "kernels", "learner", "schedules"] {
        knows_not(library, &["clap", "indicatif", "ctrlc"]);
    }
    knows_not("kernels", &["artifacts", "learner"]);
    knows_not("artifacts", &["kernels", "learner"]);
    let serde = ["serde", "serde_core", "serde_derive", "proc-macro2", "quote", "syn", "unicode-ident"];
    let beyond: Vec<_> =
        all["schedules"].iter().filter(|name| *name != "libm" && !serde.contains(&name.as_str())).collect();
    assert!(beyond.is_empty(), "schedules is built from serde and libm alone, not {beyond:?}");
}

#[test]
fn libraries_do_not_print_exit_or_read_clock_and_environment() {
    let forbidden =
        ["println!", "eprintln!", "print!(", "process::exit", "env::var", "Instant::now", "SystemTime::now"];
    for library in ["artifacts", "reading", "kernels", "learner", "schedules"] {
        for (path, text) in sources(&workspace().join("crates").join(library).join("src")) {
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for word in forbidden {
                assert!(!code.contains(word), "{}: {word}", path.display());
            }
        }
    }
}

#[test]
fn unsafe_code_is_in_kernels_alone() {
    for (path, text) in sources(&workspace().join("crates")) {
        let in_kernels = path.components().any(|part| part.as_os_str() == "kernels");
        let allows = text.contains("allow(unsafe_code)") || text.contains("unsafe {") || text.contains("unsafe fn");
        assert!(in_kernels || !allows, "{}", path.display());
    }
}

#[test]
fn every_package_takes_the_workspace_lints() {
    for entry in fs::read_dir(workspace().join("crates")).unwrap().flatten() {
        let manifest = fs::read_to_string(entry.path().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", entry.path().display());
    }
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty());
    found
}
