//! A checkout in which `make` finds the programs built, and a study of a few seconds.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{programs, workspace};

/// Variables of `make superconvergence` at its smallest.
pub const TINY: [&str; 15] = [
    "QUIET=1",
    "NET=lenet",
    "BATCH=32",
    "LENGTHS=6 9",
    "MORE_LENGTHS=12",
    "CUSTOMARY=0.01",
    "CUSTOMARY_LENGTHS=9",
    "SEEDS=1 2",
    "GRID=0.01 0.02",
    "RATE_SEEDS=101",
    "RATE_STEPS=60",
    "RANGE_SEEDS=1",
    "RANGE_ITERATIONS=60",
    "RANGE_MAX_LR=1",
    "RANGE_LINEAR_MAX_LR=0.1",
];

/// A checkout without sources: the programs count as built.
///
/// # Panics
/// When it cannot be made.
pub fn checkout() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder for the test");
    for name in ["target", "data", "crates"] {
        fs::create_dir_all(folder.path().join(name)).expect("a folder in it");
    }
    let link = |from: &Path, to: &str| std::os::unix::fs::symlink(from, folder.path().join(to)).expect("a link in it");
    link(programs(), "target/release");
    for name in ["Makefile", "pipelines", "data/mnist5k"] {
        link(&workspace().join(name), name);
    }
    for name in ["Cargo.toml", "Cargo.lock"] {
        fs::write(folder.path().join(name), b"").expect("a file in it");
        let file = fs::File::options().write(true).open(folder.path().join(name)).expect("the same file");
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("its time can be set");
    }
    folder
}

/// `make` in a checkout, with [`TINY`]'s variables where `arguments` give no others.
pub fn make(folder: &Path, arguments: &[&str]) -> Command {
    let is_given = |tiny: &&&str| {
        let name = tiny.split('=').next().unwrap_or_default();
        arguments.iter().any(|given| given.starts_with(&format!("{name}=")))
    };
    let mut command = Command::new("make");
    command.args(arguments).args(TINY.iter().filter(|tiny| !is_given(tiny))).current_dir(folder);
    command.env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
    command
}
