//! Studies on a cluster, as far as that goes without one: `make test-slurm` runs them on a real Slurm.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use end_to_end::bytes;
use end_to_end::study::{self, TINY, checkout};

use crate::makefile::{commands, make};

/// Stands in for Slurm's: runs a job at once, the tasks of an array from the last to the first, unless the job that it waits
/// for failed. Keeps what it was asked in `jobs`.
const SBATCH: &str = r#"#!/usr/bin/env bash
echo "$*" >> jobs
id=$(wc -l < jobs) tasks= after= out=/dev/null
while [ $# -gt 0 ]; do
  case $1 in
  --array=0-*) tasks=$(seq "${1#--array=0-}" -1 0) ;;
  --dependency=afterok:*) after=${1#*:} ;;
  --output=*) out=${1#*=} ;;
  --cpus-per-task=*) export SLURM_CPUS_PER_TASK=${1#*=} ;;
  --wrap) script=$2 ;;
  esac
  shift
done
echo "$id"
if [ -n "$after" ] && [ -e "failed-$after" ]; then touch "failed-$id"; exit; fi
for task in ${tasks:-none}; do
  SLURM_JOB_ID=$id SLURM_ARRAY_TASK_ID=$task bash -c "$script" >> "${out//%a/$task}" 2>&1 || touch "failed-$id"
done
"#;

/// A checkout with a stand-in for `sbatch`.
fn cluster() -> tempfile::TempDir {
    let checkout = checkout();
    let sbatch = checkout.path().join("bin/sbatch");
    fs::create_dir(sbatch.parent().unwrap()).unwrap();
    fs::write(&sbatch, SBATCH).unwrap();
    fs::set_permissions(&sbatch, fs::Permissions::from_mode(0o755)).unwrap();
    checkout
}

/// Submits a study, [`TINY`] but for `more`.
fn submit(folder: &Path, options: &[&str], more: &[&str]) -> Output {
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
    let is_given = |tiny: &&&str| more.iter().any(|given| given.split('=').next() == tiny.split('=').next());
    let mut command = Command::new(folder.join("pipelines/slurm-study"));
    command.args(options).arg("--").arg("superconvergence").args(TINY.iter().filter(|tiny| !is_given(tiny))).args(more);
    command.env("PATH", path).env_remove("MAKEFLAGS").env_remove("MAKELEVEL").current_dir(folder);
    command.output().unwrap()
}

#[test]
fn a_study_in_blocks_leaves_the_bytes_of_make() {
    let (cluster, local) = (cluster(), checkout());
    let output = submit(cluster.path(), &["--blocks", "3", "--cpus-per-task=2", "--time=1:00:00"], &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(
        make(cluster.path(), &["-q", "superconvergence"]).status.code(),
        Some(0),
        "make has something left to do"
    );
    assert_eq!(commands(cluster.path(), &["superconvergence"]), Vec::<String>::new());

    assert!(make(local.path(), &["superconvergence"]).status.success());
    let study = "runs/superconvergence_mnist5k-few_lenet_bs32";
    for run in ["1cycle-it9-seed2", "piecewise-it6-seed1", "grid-it9-lr0.02-seed101"] {
        for file in ["metrics.jsonl", "model.safetensors"] {
            let path = format!("{study}/{run}/{file}");
            assert!(bytes(cluster.path(), &path) == bytes(local.path(), &path), "{path} differs");
        }
    }
    let suggestion = "runs/superconvergence_mnist5k-few_lenet_bs32/suggestion.json";
    assert!(bytes(cluster.path(), suggestion) == bytes(local.path(), suggestion));

    let jobs = fs::read_to_string(cluster.path().join("jobs")).unwrap();
    let jobs: Vec<&str> = jobs.lines().collect();
    for (number, job) in jobs.iter().enumerate() {
        assert_eq!(job.contains(&format!("--dependency=afterok:{number} ")), number > 0, "{job}");
        assert!(job.contains("--requeue") && job.contains("--time=1:00:00"), "{job}");
    }
    let arrays: Vec<_> = jobs.iter().filter(|job| job.contains("--array=0-2")).collect();
    assert_eq!((jobs.len(), arrays.len()), (2 * 4 + 1, 4), "{jobs:#?}");
    assert!(arrays.iter().all(|job| job.contains("--cpus-per-task=2")), "{arrays:#?}");
}

#[test]
fn a_run_that_fails_stops_what_comes_after_it() {
    let cluster = cluster();
    assert!(submit(cluster.path(), &[], &["CYCLE_FLAGS=--max-lr -1"]).status.success());
    assert!(!cluster.path().join("reports").exists());
    assert!(
        cluster.path().join("runs/superconvergence_mnist5k-few_lenet_bs32/piecewise-it9-seed2/result.json").exists()
    );
    // The same again, put right: what is left is run.
    let before = bytes(cluster.path(), "jobs").len();
    assert!(submit(cluster.path(), &[], &[]).status.success());
    let jobs = fs::read_to_string(cluster.path().join("jobs")).unwrap();
    assert_eq!(jobs[before..].matches("--array").count(), 1, "{jobs}");
    assert_eq!(make(cluster.path(), &["-q", "superconvergence"]).status.code(), Some(0));
}

#[test]
fn what_is_listed_says_what_has_to_wait() {
    let checkout = checkout();
    let output = make(checkout.path(), &["--silent", "commands", "STUDY=rangetest"]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    let listed: Vec<(usize, &str)> = text
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(wave, text)| (wave.parse().unwrap(), text))
        .collect();
    let waves_of = |program: &str| -> Vec<usize> {
        listed.iter().filter(|(_, text)| text.contains(program)).map(|(wave, _)| *wave).collect()
    };
    assert_eq!(waves_of("sc-prep "), [1]);
    assert_eq!(waves_of("sc-init "), [2, 2, 2]);
    assert_eq!(waves_of("sc-probe "), [3, 3, 3]);
    assert_eq!(waves_of("sc-rangetest "), [4, 4, 4, 3, 3], "around what was probed, and between given rates");
    assert_eq!((waves_of("sc-analyze suggest "), waves_of("sc-analyze report ")), (vec![5], vec![6]));
    assert_eq!(listed.len(), 14);
    assert_eq!(commands(checkout.path(), &["rangetest"]).len(), 14, "listing runs nothing");
}

#[test]
fn outside_an_allocation_no_run_asks_for_one() {
    let checkout = checkout();
    let mut command = study::make(checkout.path(), &["rangetest", "SHELL=pipelines/srun-shell"]);
    let output = command.env_remove("SLURM_JOB_ID").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("srun-shell: not in an allocation") && said.contains("sbatch --nodes"), "{said}");
    assert!(!checkout.path().join("runs/rangetest_mnist5k_lenet_bs32/log-seed1").exists());

    let script = checkout.path().join("pipelines/slurm-study");
    for (arguments, expected) in [
        (&["--blocks", "0", "--", "rangetest"][..], "--blocks 0 is not a number of blocks"),
        (&["rangetest"], "no study is named"),
        (&["--", "rangetest"], "sbatch was not found"),
    ] {
        let output = Command::new(&script).args(arguments).env("PATH", "/usr/bin:/bin").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if expected.starts_with("sbatch") && Path::new("/usr/bin/sbatch").exists() {
            continue;
        }
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
