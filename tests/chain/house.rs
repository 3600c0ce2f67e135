//! The invariants of ARCHITECTURE.md, as absences. Crates are found by asking cargo, so a new one cannot be left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use end_to_end::{metadata, workspace};
use serde_json::Value;

/// The libraries, each with those of the workspace that it may depend on, directly or not. Programs may use any.
const LIBRARIES: [(&str, &[&str]); 11] = [
    ("artifacts", &[]),
    ("pages", &["artifacts", "pictures"]),
    ("pictures", &["artifacts"]),
    ("schedules", &[]),
    ("kernels", &[]),
    // The GPU's kernels compiled for the processor, for the tests of the kernels alone.
    ("emulation", &[]),
    ("learner", &["artifacts", "kernels", "schedules"]),
    ("reading", &["artifacts", "schedules"]),
    ("cli", &["artifacts"]),
    ("launch", &["artifacts", "cli", "kernels", "learner", "pages", "pictures", "schedules"]),
    ("end-to-end", &["artifacts"]),
];
/// Libraries that meet the user: they may parse flags, print, exit, and read the clock and the environment.
const AT_THE_EDGE: [&str; 3] = ["cli", "launch", "end-to-end"];
/// The packages that may be built from candle.
const WITH_CANDLE: [&str; 10] = [
    "kernels",
    "learner",
    "launch",
    "sc-eval",
    "sc-export",
    "sc-init",
    "sc-predict",
    "sc-probe",
    "sc-rangetest",
    "sc-train",
];
/// The packages that may be built from polars and plotters.
const WITH_FRAMES: [&str; 2] = ["sc-analyze", "rule-bench"];

/// A package of the workspace.
struct Package {
    name: String,
    folder: PathBuf,
    /// The files that its crates begin with, each with its kind (`lib`, `bin`, `test`, ...).
    roots: Vec<(String, PathBuf)>,
    /// Names of the packages that it is built from, directly or not; tests and build scripts left out.
    knows: BTreeSet<String>,
}

impl Package {
    fn is_program(&self) -> bool {
        self.name.starts_with("sc-") || self.name == "rule-bench"
    }

    /// Its Rust files, with their texts, tests and examples left out.
    fn code(&self) -> Vec<(PathBuf, String)> {
        let folder = self.folder.join("src");
        let is_code = |path: &Path| path.file_name().is_some_and(|name| name != "tests.rs");
        let files = if folder.exists() { sources(&folder) } else { Vec::new() };
        files
            .into_iter()
            .filter(|(path, _)| is_code(path))
            .map(|(path, text)| (path, text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()))
            .collect()
    }

    fn is_at_the_edge(&self) -> bool {
        self.is_program() || AT_THE_EDGE.contains(&self.name.as_str())
    }
}

/// Every package of the workspace.
fn packages() -> Vec<Package> {
    let metadata = metadata();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let array = |value: &Value| value.as_array().unwrap().clone();
    let known: BTreeMap<String, Value> =
        array(&metadata["packages"]).into_iter().map(|package| (text(&package["id"]), package)).collect();
    let mut direct: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for node in array(&metadata["resolve"]["nodes"]) {
        let normal = array(&node["deps"])
            .into_iter()
            .filter(|dependency| array(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()));
        direct.insert(text(&node["id"]), normal.map(|dependency| text(&dependency["pkg"])).collect());
    }
    let package = |id: String| {
        let mut knows = BTreeSet::new();
        let mut open = vec![id.clone()];
        while let Some(next) = open.pop() {
            for dependency in &direct[&next] {
                if knows.insert(text(&known[dependency]["name"])) {
                    open.push(dependency.clone());
                }
            }
        }
        let kind = |target: &Value| text(&array(&target["kind"])[0]);
        let targets = array(&known[&id]["targets"]);
        Package {
            name: text(&known[&id]["name"]),
            folder: Path::new(&text(&known[&id]["manifest_path"])).parent().unwrap().to_owned(),
            roots: targets.iter().map(|target| (kind(target), text(&target["src_path"]).into())).collect(),
            knows,
        }
    };
    let packages: Vec<Package> = array(&metadata["workspace_members"]).iter().map(|id| package(text(id))).collect();
    assert!(packages.len() >= 11, "cargo knows of {} packages", packages.len());
    packages
}

#[test]
fn dependencies_point_one_way() {
    let packages = packages();
    let programs: BTreeSet<String> =
        packages.iter().filter(|package| package.is_program()).map(|package| package.name.clone()).collect();
    let ours: BTreeSet<String> = packages.iter().map(|package| package.name.clone()).collect();
    for Package { name, knows, .. } in &packages {
        // The rules' benchmark draws with what sc-analyze draws with; it is a tool of development, not a stage of the chain.
        let known_programs: Vec<_> =
            knows.intersection(&programs).filter(|known| name != "rule-bench" || *known != "sc-analyze").collect();
        assert!(known_programs.is_empty(), "{name} depends on programs: {known_programs:?}");
        if programs.contains(name) {
            continue;
        }
        let (_, allowed) = LIBRARIES.iter().find(|(library, _)| library == name).unwrap_or_else(|| {
            panic!("{name} is no program: say in LIBRARIES and in ARCHITECTURE.md what it may depend on")
        });
        for other in knows.intersection(&ours) {
            assert!(allowed.contains(&other.as_str()), "{name} depends on {other}");
        }
    }
}

#[test]
fn every_binary_is_of_a_program() {
    for package in packages() {
        let has_binary = package.roots.iter().any(|(kind, _)| kind == "bin");
        let is_tool_of_the_tests = package.name == "end-to-end";
        assert_eq!(has_binary, package.is_program() || is_tool_of_the_tests, "{}", package.name);
    }
}

#[test]
fn heavy_crates_stay_where_they_are_needed() {
    let packages = packages();
    let only = |owners: &[&str], crates: &[&str]| {
        for Package { name, knows, .. } in packages.iter().filter(|package| !owners.contains(&package.name.as_str())) {
            for heavy in crates {
                assert!(!knows.contains(*heavy), "{name} is built from {heavy}");
            }
        }
    };
    only(&WITH_CANDLE, &["candle-core", "candle-nn"]);
    only(&WITH_FRAMES, &["polars", "plotters"]);
    only(&["sc-prep"], &["ureq"]);
    let at_the_edge: Vec<&str> =
        packages.iter().filter(|package| package.is_at_the_edge()).map(|package| package.name.as_str()).collect();
    only(&at_the_edge, &["clap", "indicatif", "ctrlc"]);
    let schedules = packages.iter().find(|package| package.name == "schedules").unwrap();
    let light = ["libm", "serde", "serde_core", "serde_derive", "proc-macro2", "quote", "syn", "unicode-ident"];
    let beyond: Vec<_> = schedules.knows.iter().filter(|name| !light.contains(&name.as_str())).collect();
    assert!(beyond.is_empty(), "schedules is built from serde and libm alone, not {beyond:?}");
}

#[test]
fn libraries_do_not_print_exit_or_read_clock_and_environment() {
    let forbidden =
        ["println!", "eprintln!", "print!(", "process::exit", "env::var", "Instant::now", "SystemTime::now"];
    for package in packages().iter().filter(|package| !package.is_at_the_edge()) {
        for (path, code) in package.code() {
            for word in forbidden {
                assert!(!code.contains(word), "{}: {word}", path.display());
            }
        }
    }
}

/// What a parameter is called on a command line is the programs' affair.
#[test]
fn learner_and_schedules_name_no_flags() {
    for package in packages().iter().filter(|package| ["learner", "schedules"].contains(&package.name.as_str())) {
        for (path, code) in package.code() {
            let after = code.split("--").skip(1).find(|after| after.starts_with(|c: char| c.is_ascii_lowercase()));
            assert_eq!(after.and_then(|after| after.split_whitespace().next()), None, "{}", path.display());
        }
    }
}

/// A macro of the standard library panics where nobody reads what it prints: `sc-analyze table ... | head -0`.
#[test]
fn only_the_edge_prints() {
    let forbidden = ["println!(", "print!(", "process::exit"];
    for package in packages().iter().filter(|package| package.name != "cli" && package.name != "end-to-end") {
        for (path, code) in package.code() {
            for word in forbidden {
                assert!(!code.contains(word), "{}: {word} outside cli::output", path.display());
            }
        }
    }
}

#[test]
fn unsafe_code_is_forbidden_outside_kernels() {
    for package in packages().iter().filter(|package| package.name != "kernels") {
        for (_, root) in &package.roots {
            let text = fs::read_to_string(root).unwrap();
            assert!(text.lines().any(|line| line == "#![forbid(unsafe_code)]"), "{}", root.display());
        }
    }
}

#[test]
fn every_package_takes_the_workspace_lints() {
    for package in packages() {
        let manifest = fs::read_to_string(package.folder.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", package.name);
    }
}

#[test]
fn a_module_with_parts_is_a_file_beside_a_folder() {
    for package in packages() {
        for (path, _) in sources(&package.folder) {
            // A file directly in one of these is a program of its own to cargo: what such programs share needs a folder.
            let above = path.ancestors().nth(2).and_then(Path::file_name).unwrap_or_default();
            let is_shared_by_targets = ["examples", "tests", "benches"].iter().any(|folder| above == *folder)
                && path.ancestors().nth(3) == Some(&package.folder);
            let is_mod = path.file_name().is_some_and(|name| name == "mod.rs");
            assert!(!is_mod || is_shared_by_targets, "{}: name it after its folder", path.display());
        }
    }
}

/// The Rust files below a folder, with their texts.
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
    assert!(!found.is_empty(), "no sources in {}", folder.display());
    found
}

#[test]
fn the_makefile_builds_every_program() {
    let packages = packages();
    let makefile = fs::read_to_string(workspace().join("Makefile")).unwrap();
    let line = makefile.lines().find(|line| line.starts_with("PROGRAMS :=")).unwrap();
    for program in packages.iter().filter_map(|package| package.name.strip_prefix("sc-")) {
        assert!(line.split([' ', ',', ')']).any(|word| word == program), "{program} is missing in\n{line}");
    }
}
