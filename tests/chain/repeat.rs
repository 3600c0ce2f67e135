//! Same files in, same bits out: whatever the threads, and however often a run was stopped and gone on with.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use end_to_end::{bytes, command, small_setting, succeed, workspace};

const SHARED: &str = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet";

fn same(folder: &Path, one: &str, other: &str) {
    for file in ["metrics.jsonl", "model.safetensors"] {
        assert!(
            bytes(folder, &format!("runs/{one}/{file}")) == bytes(folder, &format!("runs/{other}/{file}")),
            "{file} of {one} and {other} differ"
        );
    }
}

#[test]
fn threads_change_no_bit() {
    for net in ["resnet8", "lenet", "shallow"] {
        let setting = small_setting(net);
        let folder = setting.path();
        for threads in [1, 2, 7] {
            let train = format!(
                "--schedule 1cycle --max-lr 0.05 --iterations 6 --augment crop-flip --bn-reestimate 1 {SHARED} \
                 --threads {threads} --out runs/{threads}"
            );
            succeed(folder, "sc-train", &train);
        }
        same(folder, "1", "2");
        same(folder, "1", "7");
    }
}

#[test]
fn every_optimizer_repeats_and_goes_on_from_a_checkpoint() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    for optimizer in ["sgd", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw"] {
        let train = |out: &str| {
            format!(
                "--schedule cosine --lr 0.01 --iterations 400 --optimizer {optimizer} {SHARED} --val-every 200 --out runs/{out}"
            )
        };
        succeed(folder, "sc-train", &train(&format!("{optimizer}-straight")));
        let stopped = format!("{} --checkpoint-every 1 --resume", train(&format!("{optimizer}-stopped")));
        let mut child = command(folder, "sc-train", &stopped).spawn().unwrap();
        let checkpoint = folder.join(format!("runs/{optimizer}-stopped/checkpoint.safetensors"));
        while !checkpoint.exists() && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap(); // SIGKILL: nothing can be tidied up
        child.wait().unwrap();
        assert!(!folder.join(format!("runs/{optimizer}-stopped/result.json")).exists(), "killed too late");
        succeed(folder, "sc-train", &stopped);
        same(folder, &format!("{optimizer}-straight"), &format!("{optimizer}-stopped"));
    }
}

#[test]
fn a_run_killed_again_and_again_ends_the_same() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    let train = |out: &str| {
        format!(
            "--schedule plateau --lr 0.05 --patience 1 --iterations 300 --val-every 10 {SHARED} --bn-reestimate 1 --out runs/{out}"
        )
    };
    succeed(folder, "sc-train", &train("straight"));
    let stopped = format!("{} --checkpoint-every 7 --resume", train("stopped"));
    for pause in [1, 20, 50, 90, 130, 170, 60, 40, 110, 150, 30, 80] {
        let mut child = command(folder, "sc-train", &stopped).spawn().unwrap();
        sleep(Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    succeed(folder, "sc-train", &stopped);
    same(folder, "straight", "stopped");
}

#[cfg(unix)]
#[test]
fn a_signal_makes_a_checkpoint_and_says_how_to_go_on() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    let train = |out: &str| {
        format!("--schedule constant --lr 0.01 --iterations 2000 --val-every 500 {SHARED} --out runs/{out}")
    };
    let child = command(folder, "sc-train", &train("a")).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while !folder.join("runs/a/metrics.jsonl").exists() {
        sleep(Duration::from_millis(1));
    }
    sleep(Duration::from_millis(50));
    let kill = std::process::Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.contains("--resume"), "{message}");
    assert!(folder.join("runs/a/checkpoint.safetensors").exists());
}

#[test]
fn one_seed_one_file_of_weights() {
    let setting = small_setting("resnet20");
    let folder = setting.path();
    succeed(folder, "sc-init", "--net resnet20 --data data.safetensors --seed 1 --out again.safetensors");
    assert_eq!(bytes(folder, "init.safetensors"), bytes(folder, "again.safetensors"));
}

#[test]
fn the_embedded_digits_prepare_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let source = workspace().join("data/mnist5k");
    for copy in ["a", "b"] {
        succeed(
            folder.path(),
            "sc-prep",
            &format!("mnist {} --out {copy}/mnist5k.safetensors --quiet", source.display()),
        );
    }
    assert!(bytes(folder.path(), "a/mnist5k.safetensors") == bytes(folder.path(), "b/mnist5k.safetensors"));
}
