//! What a record says, and a run repeated from it to the bit, in another folder and from other paths.

use std::fs;
use std::path::Path;

use artifacts::run;
use end_to_end::{bytes, run as run_program, small_setting, succeed};
use kernels::isa::Isa;

const SHARED: &str = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet";

fn refused(folder: &Path, program: &str, arguments: &str, expected: &[&str]) {
    let message = end_to_end::refused(folder, program, arguments, expected[0]);
    for part in expected {
        assert!(message.contains(part), "{program} {arguments}\nexpected {part:?} in\n{message}");
    }
}

#[test]
fn a_record_says_what_it_was_made_from_and_with() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    succeed(
        folder,
        "sc-train",
        &format!("--schedule 1cycle --max-lr 0.005 --iterations 5 {SHARED} --threads 2 --out a"),
    );
    let record = run::read_run(&folder.join("a")).unwrap();
    let hash = |name: &str| artifacts::sha256::of_bytes(&bytes(folder, name));
    assert_eq!(record.data.sha256, hash("data.safetensors"));
    assert_eq!(record.init.sha256, hash("init.safetensors"));
    assert_eq!(record.config.schedule_parameters["step_size"], 2, "defaults that depend on the length are filled in");
    assert_eq!((record.config.val_every, record.config.seed, record.threads), (1, 1, 2));
    assert_eq!(record.tool, "sc-train 0.1.0");
    assert!(record.build.unwrap().starts_with("rustc 1."));
    assert!(record.kernels.contains(Isa::detect().name()), "{}", record.kernels);
    assert_eq!(record.isa.as_deref(), Some(Isa::detect().name()));
    assert!(!record.machine.cpu.is_empty() && record.machine.cores > 0);
}

/// All that a run can be given, in two places that have no path in common.
#[test]
fn a_run_is_repeated_to_the_bit_elsewhere() {
    let (here, there) = (small_setting("resnet8"), tempfile::tempdir().unwrap());
    let (here, there) = (here.path(), there.path());
    let train = "--schedule triangular --min-lr 0.01 --max-lr 0.1 --step-size 5 --max-momentum 0.95 --min-momentum 0.85 \
                 --optimizer nesterov --weight-decay 3e-4 --bn-momentum 0.05 --bn-reestimate 2 --augment crop-flip \
                 --train-limit 120 --val-from-train 0.2 --val-every 3 --test-every 4 --seed 5 --iterations 14 --study s \
                 --arm x --exact-conv";
    succeed(here, "sc-train", &format!("{train} {SHARED} --out runs/a"));
    let said = succeed(here, "sc-train", "--replay runs/a/run.json --quiet --threads 1");
    assert!(said.contains("the same bits as runs/a: metrics.jsonl, test.jsonl, model.safetensors"), "{said}");
    assert!(here.join("runs/a-replay").is_dir());

    for (from, to) in [("data.safetensors", "images"), ("init.safetensors", "weights")] {
        fs::copy(here.join(from), there.join(to)).unwrap();
    }
    fs::create_dir(there.join("copy")).unwrap();
    fs::copy(here.join("runs/a/run.json"), there.join("copy/run.json")).unwrap();
    let replay = "--replay copy/run.json --quiet --threads 7 --checkpoint-every 3 --out b";
    refused(
        there,
        "sc-train",
        replay,
        &["data.safetensors does not exist, but copy/run.json was made from it", "--data FILE"],
    );
    refused(
        there,
        "sc-train",
        &format!("{replay} --data images"),
        &["init.safetensors does not exist, but copy/run.json was made from it", "--init FILE"],
    );
    let said = succeed(there, "sc-train", &format!("{replay} --data images --init weights"));
    assert!(said.contains("copy is not finished, so there is nothing to compare with"), "{said}");
    for file in ["metrics.jsonl", "test.jsonl", "model.safetensors"] {
        assert!(bytes(here, &format!("runs/a/{file}")) == bytes(there, &format!("b/{file}")), "{file}");
    }
    let (one, other) = (run::read_run(&here.join("runs/a")).unwrap(), run::read_run(&there.join("b")).unwrap());
    assert_eq!(one.config, other.config);
    assert_eq!((one.study, one.arm), (other.study, other.arm));
}

#[test]
fn a_range_test_is_repeated_and_a_difference_is_told() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let ramp = format!("--scale linear --min-lr 0 --max-lr 0.01 --iterations 9 {SHARED} --out runs/ramp");
    succeed(folder, "sc-rangetest", &ramp);
    let said = succeed(folder, "sc-rangetest", "--replay runs/ramp --quiet");
    assert!(said.contains("the same bits as runs/ramp: metrics.jsonl"), "{said}");

    let mut lines = String::from_utf8(bytes(folder, "runs/ramp/metrics.jsonl")).unwrap();
    let at = lines.find("\"iteration\":4").unwrap();
    lines.replace_range(at..at + 13, "\"iteration\":5");
    fs::write(folder.join("runs/ramp/metrics.jsonl"), lines).unwrap();
    let output = run_program(folder, "sc-rangetest", "--replay runs/ramp/run.json --quiet --out runs/again");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    let expected = "runs/again/metrics.jsonl differs from runs/ramp/metrics.jsonl from line 4";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_replay_of_something_else() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    succeed(folder, "sc-train", &format!("--schedule constant --lr 0.002 --iterations 4 {SHARED} --out runs/a"));
    refused(
        folder,
        "sc-rangetest",
        "--replay runs/a/run.json",
        &["runs/a/run.json is the record of a training run, not of a range test", "sc-train --replay"],
    );
    refused(folder, "sc-train", "--replay runs/none/run.json", &["runs/none/run.json: cannot read"]);
    refused(
        folder,
        "sc-train",
        "--replay runs/a/result.json",
        &["runs/a/result.json: this is the result of a run, not the record of a run", "pass the run.json of the run"],
    );
    for flag in ["--lr 3", "--seed 1", "--iterations 4", "--momentum 0.9", "--exact-conv", "--study s"] {
        let name = flag.split(' ').next().unwrap();
        let expected = format!("{name} does not apply to --replay");
        refused(folder, "sc-train", &format!("--replay runs/a {flag}"), &[&expected]);
    }
    succeed(folder, "sc-init", "--net lenet --data data.safetensors --seed 2 --out other.safetensors --quiet");
    refused(
        folder,
        "sc-train",
        "--replay runs/a --init other.safetensors",
        &[
            "other.safetensors is not the initial weights that runs/a/run.json was made from: its SHA-256 is ",
            "--init FILE",
        ],
    );
    assert!(!folder.join("runs/a-replay").exists(), "a refusal writes nothing");
    refused(folder, "sc-train", &format!("--schedule constant --lr 1 {SHARED}"), &["--iterations"]);

    // The instruction set is the recorded one; another by flag alone, with a warning.
    let record = fs::read_to_string(folder.join("runs/a/run.json")).unwrap();
    let portable = record.replace(Isa::detect().name(), "portable");
    fs::create_dir_all(folder.join("runs/p")).unwrap();
    fs::write(folder.join("runs/p/run.json"), portable).unwrap();
    succeed(folder, "sc-train", "--replay runs/p/run.json --quiet");
    assert!(run::read_run(&folder.join("runs/p-replay")).unwrap().kernels.contains("portable"));
    if Isa::detect() != Isa::Portable {
        let best = Isa::detect();
        let output = run_program(folder, "sc-train", &format!("--replay runs/p --isa {best} --out runs/q"));
        let message = String::from_utf8_lossy(&output.stderr);
        let expected =
            format!("warning: recorded with instruction set portable, repeated with {best}: numbers may differ");
        assert!(message.contains(&expected), "{message}");
    }
}

/// A run that is resumed keeps the instruction set that it was started with, unless a flag names another. The flag's old
/// name is understood.
#[test]
fn a_resumed_run_keeps_its_instruction_set() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let train = |more: &str| {
        let shared = SHARED.trim_end_matches("--quiet");
        format!(
            "--schedule constant --lr 0.002 --iterations 30 --checkpoint-every 10 {shared} --out runs/a --resume {more}"
        )
    };
    succeed(folder, "sc-train", &train("--kernels portable"));
    let unfinish = || fs::remove_file(folder.join("runs/a/result.json")).unwrap();
    let model = bytes(folder, "runs/a/model.safetensors");
    unfinish();
    let output = run_program(folder, "sc-train", &train(""));
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(bytes(folder, "runs/a/model.safetensors"), model);
    if Isa::detect() != Isa::Portable {
        unfinish();
        let output = run_program(folder, "sc-train", &train(&format!("--isa {}", Isa::detect())));
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains("warning: a was started with cpu portable"), "{message}");
    }
}

#[test]
fn a_file_that_changed_under_its_name_is_noticed() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let train =
        format!("--schedule constant --lr 0.002 --iterations 12 --checkpoint-every 5 {SHARED} --out runs/a --resume");
    succeed(folder, "sc-train", &train);
    for (file, what, make) in
        [("data.safetensors", "data", "sc-prep"), ("init.safetensors", "initial weights", "sc-init")]
    {
        let before = bytes(folder, file);
        match make {
            "sc-prep" => {
                let source = end_to_end::workspace().join("data/mnist5k");
                let arguments = format!("mnist {} --limit-per-class 21 --out {file} --quiet", source.display());
                succeed(folder, make, &arguments);
            }
            _ => {
                succeed(folder, make, &format!("--net lenet --data data.safetensors --seed 2 --out {file} --quiet"));
            }
        }
        let expected = format!("{file} is not the {what} that runs/a was started with: its SHA-256 is ");
        refused(folder, "sc-train", &train, &[&expected, "it has changed since"]);
        let loud = train.replace("--quiet", "");
        let output = run_program(folder, "sc-train", &format!("{loud} --supersede"));
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success()
                && message.contains(&format!("runs/a was started with other {what}; moved it to runs/a.superseded-1")),
            "{message}"
        );
        fs::write(folder.join(file), before).unwrap();
        fs::remove_dir_all(folder.join("runs")).unwrap();
        succeed(folder, "sc-train", &train);
    }
}
