//! Finds and runs the programs of the workspace, for the end-to-end tests.

#![forbid(unsafe_code)]

pub mod kill;
pub mod made_up;
pub mod manual;
pub mod stages;
pub mod study;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

/// What cargo says of the workspace and all that it is built from, on this system.
///
/// # Panics
/// When cargo cannot say it.
pub fn metadata() -> serde_json::Value {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    // Packages for other systems need not be here.
    let version = Command::new("rustc").arg("-vV").output().expect("rustc runs").stdout;
    let version = String::from_utf8(version).expect("a version is text");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", host];
    let output = Command::new(cargo).args(arguments).current_dir(workspace()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("metadata is JSON")
}

/// The folder that the programs are in, once they are built.
///
/// # Panics
/// When they cannot be built.
pub fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let cargo = option_env!("CARGO").unwrap_or("cargo");
        let build = ["build", "--release", "--workspace", "--bins", "--quiet"];
        let status = Command::new(cargo).args(build).current_dir(workspace()).status().expect("cargo runs");
        assert!(status.success(), "the programs could not be built");
        // A test runs as TARGET/release/deps/NAME, a program as TARGET/release/NAME.
        let own = std::env::current_exe().expect("a program has a path");
        let mut folders = own.ancestors().skip(1);
        folders.find(|folder| folder.join("sc-train").exists()).expect("the programs lie beside or above").to_owned()
    })
}

/// A program, its arguments separated by spaces, about to run in `folder`.
pub fn command(folder: &Path, program: &str, arguments: &str) -> Command {
    let mut command = Command::new(programs().join(program));
    command.args(arguments.split_whitespace()).current_dir(folder);
    command
}

/// Runs a program to its end.
///
/// # Panics
/// When it cannot be started.
pub fn run(folder: &Path, program: &str, arguments: &str) -> Output {
    command(folder, program, arguments).output().expect("the program starts")
}

/// Runs a program that must succeed, and returns its standard output.
///
/// # Panics
/// When it does not.
pub fn succeed(folder: &Path, program: &str, arguments: &str) -> String {
    let output = run(folder, program, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("output is text")
}

/// Runs a program that must refuse its input: exit code 2, `expected` in its message, no panic, and no file more or less in
/// `folder`. Returns the message.
///
/// # Panics
/// When it does otherwise.
pub fn refused(folder: &Path, program: &str, arguments: &str, expected: &str) -> String {
    let before = paths(folder);
    let output = run(folder, program, arguments);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{program} {arguments}\n{message}");
    assert!(message.contains(expected), "{program} {arguments}\nexpected {expected:?} in\n{message}");
    assert!(!message.contains("panicked"), "{message}");
    assert_eq!(paths(folder), before, "{program} {arguments} wrote something");
    message
}

/// Every path below a folder, sorted.
fn paths(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder can be read").flatten() {
            all.push(entry.path());
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    all.sort();
    all
}

/// A folder with a small data set (from the embedded digits) and initial weights of `net` in it: `data.safetensors` and
/// `init.safetensors`.
///
/// # Panics
/// When they cannot be made.
pub fn small_setting(net: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let source = workspace().join("data/mnist5k");
    let prep = format!("mnist {} --limit-per-class 20 --out data.safetensors --quiet", source.display());
    succeed(folder.path(), "sc-prep", &prep);
    succeed(folder.path(), "sc-init", &format!("--net {net} --data data.safetensors --seed 1 --out init.safetensors"));
    folder
}

/// The bytes of a file in `folder`.
///
/// # Panics
/// When it cannot be read.
pub fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{}/{name}: {error}", folder.display()))
}
