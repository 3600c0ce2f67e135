//! Fine-tuning end to end: what is frozen stays, groups have rates of their own, and both are recorded, repeated, gone on
//! with and kept apart from what was made for another training.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use artifacts::run;
use artifacts::tensors::{TensorFile, Values};
use end_to_end::{bytes, command, refused, run as run_program, small_setting, succeed};

const SHARED: &str = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet";

/// How far each tensor of a run's model is from its initial weights, by name.
fn moved(folder: &Path, run: &str) -> Vec<(String, f64)> {
    let read = |name: &str| TensorFile::read(&folder.join(name)).unwrap().tensors;
    let (init, model) = (read("init.safetensors"), read(&format!("runs/{run}/model.safetensors")));
    let distance = |(name, tensor): (String, artifacts::tensors::Tensor)| {
        let (Values::F32(from), Values::F32(to)) = (&init[&name].values, &tensor.values) else { panic!("{name}") };
        let squares = from.iter().zip(to).map(|(a, b)| f64::from(a - b).powi(2));
        (name, squares.sum::<f64>().sqrt())
    };
    model.into_iter().map(distance).collect()
}

#[test]
fn what_is_frozen_stays_to_the_bit() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    let train = |name: &str, flags: &str| {
        let run = format!("--schedule constant --lr 0.05 --iterations 5 {flags} {SHARED} --out runs/{name}");
        succeed(folder, "sc-train", &run);
        moved(folder, name)
    };
    for (name, distance) in train("body", "--freeze body") {
        assert_eq!(distance > 0.0, name.starts_with("fc."), "{name}: {distance}");
    }
    let is_early = |name: &str| ["conv1.", "bn1.", "layer1."].iter().any(|part| name.starts_with(part));
    for (name, distance) in train("two", "--freeze 2") {
        assert_eq!(distance > 0.0, !is_early(&name), "{name}: {distance}");
    }
    for (name, distance) in train("batch", "--freeze 2 --freeze-bn batch") {
        assert_eq!(distance > 0.0, !is_early(&name) || name.contains(".running_"), "{name}: {distance}");
    }
    let record = run::read_run(&folder.join("runs/two")).unwrap().config;
    assert_eq!((record.freeze.as_str(), record.freeze_bn.as_str()), ("2", "running"));
}

/// One step of plain SGD moves each group by its factor of what it is moved without.
#[test]
fn groups_are_trained_at_their_factor_of_the_rate() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    let step = |name: &str, flags: &str| {
        let run = format!(
            "--schedule constant --lr 0.01 --momentum 0 --iterations 1 {flags} {SHARED} --out runs/{name} --val-from-train 0"
        );
        succeed(folder, "sc-train", &run);
        moved(folder, name)
    };
    let (plain, groups) = (step("plain", ""), step("groups", "--group-rates 0.25,0.5,2"));
    for ((name, plain), (_, groups)) in plain.into_iter().zip(groups) {
        let factor = match name.split('.').next().unwrap() {
            _ if name.contains(".running_") => 1.0,
            "conv1" | "bn1" | "layer1" => 0.25,
            "layer2" | "layer3" => 0.5,
            _ => 2.0,
        };
        assert!((groups - factor * plain).abs() <= 1e-3 * factor * plain, "{name}: {groups} {plain}");
    }
}

#[test]
fn a_tuned_run_repeats_and_goes_on_from_a_checkpoint() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    let train = |out: &str| {
        format!(
            "--schedule 1cycle --max-lr 0.1 --iterations 300 --freeze 2 --group-rates 0.1,0.3,1 --label-smoothing 0.1 \
             --class-weights balanced --ema 0.9 {SHARED} --val-every 150 --out runs/{out}"
        )
    };
    succeed(folder, "sc-train", &train("straight"));
    let stopped = format!("{} --checkpoint-every 1 --resume", train("stopped"));
    let mut child = command(folder, "sc-train", &stopped).spawn().unwrap();
    while !folder.join("runs/stopped/checkpoint.safetensors").exists() && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.join("runs/stopped/result.json").exists(), "killed too late");
    succeed(folder, "sc-train", &stopped);
    for file in ["metrics.jsonl", "model.safetensors", "model-ema.safetensors"] {
        let both = ["straight", "stopped"].map(|name| bytes(folder, &format!("runs/{name}/{file}")));
        assert!(both[0] == both[1], "{file}");
    }
    let said = succeed(folder, "sc-train", "--replay runs/straight/run.json");
    assert!(said.contains("the same bits"), "{said}");
}

/// The average is evaluated beside the weights, which are trained as without it.
#[test]
fn a_moving_average_changes_nothing_but_is_measured() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    let train = |name: &str, flags: &str| {
        let run =
            format!("--schedule constant --lr 0.05 --iterations 20 {flags} {SHARED} --val-every 5 --out runs/{name}");
        succeed(folder, "sc-train", &run);
        run::read_result(&folder.join("runs").join(name)).unwrap().unwrap()
    };
    let (plain, averaged) = (train("plain", ""), train("averaged", "--ema 0.8"));
    assert!(bytes(folder, "runs/plain/model.safetensors") == bytes(folder, "runs/averaged/model.safetensors"));
    assert!(plain.ema.is_none() && plain.test_accuracy == averaged.test_accuracy);
    let ema = averaged.ema.unwrap();
    assert_ne!(ema.val_loss, averaged.final_val_loss);
    let metrics = String::from_utf8(bytes(folder, "runs/averaged/metrics.jsonl")).unwrap();
    assert_eq!(metrics.matches("ema_val_accuracy").count(), 4);
    assert!(!String::from_utf8(bytes(folder, "runs/plain/metrics.jsonl")).unwrap().contains("ema"));
    // The average's own file, evaluated: a run of no consequence from it starts at its loss.
    let from = "--data data.safetensors --init runs/averaged/model-ema.safetensors --batch-size 16 --quiet";
    let still = "--schedule constant --lr 1e-30 --weight-decay 0 --momentum 0 --iterations 1 --bn-momentum 0";
    succeed(folder, "sc-train", &format!("{still} {from} --out runs/still"));
    let still = run::read_result(&folder.join("runs/still")).unwrap().unwrap();
    let (found, expected) = (still.final_val_loss.unwrap(), ema.val_loss.unwrap());
    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
}

/// A rate that was measured for one training of a net is not taken for another.
#[test]
fn rates_of_another_tuning_are_refused() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    let groups = "--group-rates 0.1,0.3,1";
    succeed(folder, "sc-probe", &format!("{groups} {SHARED} --out probe.json"));
    succeed(folder, "sc-rangetest", &format!("{groups} --around probe.json --iterations 40 {SHARED} --out runs/range"));
    let around = "--around probe.json --iterations 40";
    let message =
        refused(folder, "sc-rangetest", &format!("{around} {SHARED} --out runs/other"), "group rates 0.1,0.3,1");
    assert!(message.contains("probe.json was made for tuning"), "{message}");
    succeed(folder, "sc-rangetest", &format!("{around} {SHARED} --out runs/forced --force"));
    assert!(run_program(folder, "sc-analyze", "suggest runs/range --out s.json").status.success());
    let train = format!("--schedule 1cycle --suggestion s.json --iterations 5 {SHARED} --out runs/t");
    refused(folder, "sc-train", &train, "s.json was made for tuning group rates 0.1,0.3,1; this run has tuning none");
}

/// With factors, the critical rate is that of the multiplier: all factors halved, it doubles.
#[test]
fn the_critical_rate_is_that_of_the_multiplier() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let critical = |flags: &str| {
        succeed(folder, "sc-probe", &format!("{flags} {SHARED} --out probe.json"));
        artifacts::probe::read(&folder.join("probe.json")).unwrap().critical.lr.unwrap()
    };
    let (one, half) = (critical("--group-rates 1,1,1"), critical("--group-rates 0.5,0.5,0.5"));
    // Bisection ends within a factor of 1.2.
    assert!((half / one / 2.0 - 1.0).abs() < 0.2, "{one} {half}");
    assert_eq!(one, critical(""));
    assert!(critical("--freeze body") > one, "the last layer alone takes more than all together");
}

#[test]
fn what_cannot_be_tuned_is_refused_by_name() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    let train = "--schedule constant --lr 0.05 --iterations 5";
    for (flags, expected) in [
        ("--freeze stem", "--freeze: expected body, or a number of parts"),
        ("--freeze 5", "--freeze: expected body, or a number of parts from 1 to 4"),
        ("--group-rates 1,1", "--group-rates: expected three numbers above 0"),
        ("--group-rates 0,1,1", "--group-rates: expected three numbers above 0"),
        ("--label-smoothing 1", "--label-smoothing: expected a number from 0 to below 1"),
        ("--ema 1", "--ema: expected a number from 0 to below 1"),
        ("--class-weights nowhere.txt", "nowhere.txt: cannot read"),
        ("--freeze-bn batch", "--freeze"),
    ] {
        refused(folder, "sc-train", &format!("{train} {flags} {SHARED} --out runs/x"), expected);
    }
}
