//! Input that cannot be used: one clear line, a hint, exit 2, nothing written.

use std::fs;
use std::path::Path;

use artifacts::sha256;
use artifacts::tensors::{Tensor, TensorFile, Values};
use end_to_end::{bytes, refused, run, small_setting, succeed};

const TRAIN: &str =
    "--init init.safetensors --data data.safetensors --batch-size 16 --quiet --iterations 4 --out runs/x";

#[test]
fn flags_that_cannot_be_run() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    for (flags, expected) in [
        ("--schedule constant --lr 0", "--lr"),
        ("--schedule constant --lr -1", "--lr"),
        ("--schedule constant --lr nan", "--lr"),
        ("--schedule constant", "--schedule constant needs --lr"),
        ("--schedule constant --lr 0.1 --gamma 0.9", "--gamma does not apply to --schedule constant"),
        ("--schedule 1cycle --max-lr 0.1 --min-lr 1", "--min-lr"),
        ("--schedule triangular --max-lr 1 --min-lr 0.1", "--step-size"),
        ("--schedule piecewise --lr 0.1 --drop-at 0.75,0.5", "--drop-at: expected increasing shares"),
        ("--schedule plateau --lr 0.1 --val-from-train 0", "--val-from-train: expected a share above 0"),
        ("--schedule constant --lr 0.1 --momentum 1", "--momentum"),
        ("--schedule constant --lr 0.1 --weight-decay -1", "--weight-decay"),
        ("--schedule constant --lr 0.1 --bn-momentum 2", "--bn-momentum: expected a number from 0 to 1"),
        ("--schedule constant --lr 0.1 --val-from-train 1", "--val-from-train"),
        ("--schedule constant --lr 0.1 --train-limit 10", "--batch-size 16 is more than the 10 images to train on"),
        (
            "--schedule constant --lr 0.1 --device tpu",
            "invalid value 'tpu' for '--device <DEVICE>': expected cpu, cuda or cuda:N",
        ),
        ("--schedule constant --lr 0.1 --isa sse9", "expected portable, avx2 or avx512"),
    ] {
        refused(folder, "sc-train", &format!("{flags} {TRAIN}"), expected);
    }
    for (flags, expected) in [
        ("--scale log --min-lr 0 --max-lr 1", "--min-lr"),
        ("--scale log --min-lr 2 --max-lr 1", "--max-lr"),
        ("--scale linear --min-lr 0 --max-lr inf", "--max-lr"),
    ] {
        refused(folder, "sc-rangetest", &format!("{flags} {TRAIN}"), expected);
    }
    refused(
        folder,
        "sc-train",
        &format!("--schedule constant --lr 0.1 --batch-size 0 {}", &TRAIN.replace("--batch-size 16 ", "")),
        "--batch-size: expected at least 1",
    );
}

#[test]
fn a_build_without_cuda_says_so() {
    let setting = small_setting("lenet");
    let train = |flags: &str| format!("--schedule constant --lr 0.1 {flags} {TRAIN}");
    let message = "sc-train: --device cuda:3 needs a program built with CUDA";
    refused(setting.path(), "sc-train", &train("--device cuda:3"), message);
    refused(
        setting.path(),
        "sc-train",
        &train("--precision bf16"),
        "sc-train: --precision bf16 does not apply to --device cpu",
    );
    refused(setting.path(), "sc-train", &train("--precision half"), "expected float32, tf32 or bf16");
}

#[test]
fn files_that_do_not_fit() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let train = |data: &str, init: &str| {
        format!("--schedule constant --lr 0.1 --data {data} --init {init} --batch-size 16 --iterations 4 --out runs/x")
    };
    refused(folder, "sc-train", &train("none.safetensors", "init.safetensors"), "none.safetensors: cannot read");
    refused(folder, "sc-train", &train("data.safetensors", "none.safetensors"), "sc-init --net");
    refused(
        folder,
        "sc-train",
        &train("init.safetensors", "data.safetensors"),
        "init.safetensors: this is a file of weights, not a data set",
    );
    refused(
        folder,
        "sc-train",
        &train("data.safetensors", "data.safetensors"),
        "data.safetensors: this is a data set, not a file of weights",
    );

    let whole = bytes(folder, "data.safetensors");
    fs::write(folder.join("cut.safetensors"), &whole[..whole.len() / 2]).unwrap();
    refused(folder, "sc-train", &train("cut.safetensors", "init.safetensors"), "expected a whole safetensors file");

    let mut init = bytes(folder, "init.safetensors");
    let last = init.len() - 4;
    init[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(folder.join("nan.safetensors"), init).unwrap();
    refused(folder, "sc-train", &train("data.safetensors", "nan.safetensors"), "expected finite numbers in tensor");

    refused(
        folder,
        "sc-init",
        "--net resnet21 --data data.safetensors --seed 1 --out o",
        "tip: a similar value exists: 'resnet",
    );
    let other = "init.safetensors: this is a file of weights, not a data set";
    refused(folder, "sc-init", "--net lenet --data init.safetensors --seed 1 --out o", other);
}

#[test]
fn a_data_set_larger_than_memory() {
    if !Path::new("/proc/meminfo").exists() {
        eprintln!("skipped: this system does not say how much memory is free");
        return;
    }
    let setting = small_setting("lenet");
    let folder = setting.path();
    // Sparse: it takes no room.
    fs::File::create(folder.join("huge.safetensors")).unwrap().set_len(1 << 42).unwrap();
    for (program, flags) in [
        ("sc-train", format!("--schedule constant --lr 0.1 {TRAIN}")),
        ("sc-rangetest", format!("--scale log --min-lr 0.1 --max-lr 1 {TRAIN}")),
        ("sc-init", "--net lenet --data data.safetensors --seed 1 --out o".to_owned()),
    ] {
        let flags = flags.replace("data.safetensors", "huge.safetensors");
        refused(folder, program, &flags, "huge.safetensors has 4194304 MiB; loading it takes 2 times that");
    }
}

type Spoil = fn(&mut TensorFile);

#[test]
fn images_without_pixels_and_checkpoints_of_other_runs() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let mut file = TensorFile::read(&folder.join("data.safetensors")).unwrap();
    for split in ["train", "test"] {
        let images = file.tensors.get_mut(&format!("{split}.images")).unwrap();
        let count = images.shape[0];
        *images = Tensor { shape: vec![count, 1, 0, 28], values: Values::U8(Vec::new()) };
    }
    file.write(&folder.join("empty.safetensors")).unwrap();
    let arguments = format!("--schedule constant --lr 0.1 {TRAIN}").replace("data.safetensors", "empty.safetensors");
    refused(folder, "sc-train", &arguments, "train.images of at least one channel, row and column");

    // A run killed after a checkpoint, whose checkpoint is then another.
    let train = format!("--schedule constant --lr 0.01 {TRAIN} --checkpoint-every 2");
    let whole = train.replace("--iterations 4", "--iterations 8");
    succeed(folder, "sc-train", &whole);
    fs::remove_file(folder.join("runs/x/result.json")).unwrap();
    let path = folder.join("runs/x/checkpoint.safetensors");
    let saved = TensorFile::read(&path).unwrap();
    let cases: [(Spoil, &str); 7] = [
        (|f| drop(f.metadata.insert("iteration".into(), "9".into())), "an iteration up to 8, found 9"),
        (|f| drop(f.metadata.insert("iteration".into(), "-1".into())), "\"iteration\": a whole number, found -1"),
        (|f| drop(f.metadata.insert("schedule".into(), "[".into())), "the state of a schedule"),
        (|f| f.insert("optimizer.nonsense.x", &[1], Values::F32(vec![0.0])), "found also \"optimizer.nonsense.x\""),
        (|f| drop(f.tensors.remove("parameter.7.bias")), "tensor \"parameter.7.bias\", found none"),
        (
            |f| {
                let tensor = f.tensors.values_mut().find(|tensor| tensor.shape.len() == 4).unwrap();
                tensor.shape.swap(0, 3);
            },
            "of shape",
        ),
        (
            |f| {
                let name = f.tensors.keys().find(|name| name.starts_with("optimizer.")).unwrap().clone();
                f.insert(name, &[1], Values::F32(vec![0.0]));
            },
            "of shape",
        ),
    ];
    for (spoil, expected) in cases {
        let mut file = saved.clone();
        spoil(&mut file);
        file.write(&path).unwrap();
        let output = run(folder, "sc-train", &format!("{whole} --resume"));
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{expected}: {message}");
        assert!(message.contains(expected) && !message.contains("panicked"), "{expected}: {message}");
    }
}

#[test]
fn a_folder_that_is_taken() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let train = |lr: &str, more: &str| format!("--schedule constant --lr {lr} {TRAIN} {more}");
    succeed(folder, "sc-train", &train("0.01", ""));
    let first = bytes(folder, "runs/x/metrics.jsonl");
    refused(folder, "sc-train", &train("0.01", ""), "sc-train: runs/x already exists; pass --resume to continue it");
    refused(
        folder,
        "sc-train",
        &train("0.02", "--resume"),
        "runs/x/run.json: the run was started with lr 0.01, not 0.02\n",
    );
    refused(
        folder,
        "sc-train",
        &train("0.01", "--resume --seed 2"),
        "runs/x/run.json: the run was started with seed 1, not 2\n",
    );
    succeed(folder, "sc-train", &train("0.01", "--resume"));
    succeed(folder, "sc-train", &train("0.02", "--resume --supersede"));
    assert_eq!(bytes(folder, "runs/x.superseded-1/metrics.jsonl"), first);
    assert_ne!(bytes(folder, "runs/x/metrics.jsonl"), first);

    fs::create_dir(folder.join("mine")).unwrap();
    fs::write(folder.join("mine/thesis.tex"), b"").unwrap();
    let other = train("0.01", "--resume").replace("runs/x", "mine");
    refused(folder, "sc-train", &other, "mine is not the folder of a run: it has files, but no run.json");
}

#[test]
fn a_suggestion_for_something_else() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let suggestion = r#"{"format":"superconv-suggestion/1","outcome":"hill","min_lr":0.001,"max_lr":0.05,
        "min_lr_interval":null,"max_lr_interval":null,"confidence":0.5,"reasons":["because"],"rivals":{},
        "setting":{"data_sha256":null,"data_name":null,"net":"lenet","shortcut":null,"batch_size":64,"optimizer":"sgd",
        "momentum":0.9,"weight_decay":null,"iterations":null},"sources":[]}"#;
    fs::write(folder.join("s.json"), suggestion).unwrap();
    let train = |more: &str| format!("--schedule 1cycle --suggestion s.json {TRAIN} {more}");
    refused(folder, "sc-train", &train(""), "s.json was made for batch size 64; this run has batch size 16");
    fs::write(folder.join("s.json"), suggestion.replace("0.05", "null")).unwrap();
    refused(folder, "sc-train", &train("--force"), "s.json suggests no rate: because");
    fs::write(folder.join("s.json"), suggestion.replace("suggestion/1", "suggestion/2")).unwrap();
    refused(folder, "sc-train", &train("--force"), "made by a newer superconv (format superconv-suggestion/2)");
    fs::write(folder.join("s.json"), suggestion).unwrap();
    for schedule in ["constant", "piecewise --drop-at 0.5", "plateau", "cosine", "sgdr --t-0 2", "poly"] {
        let arguments = format!("--schedule {schedule} --suggestion s.json {TRAIN} --force");
        let expected = format!("--suggestion does not apply to --schedule {}", schedule.split(' ').next().unwrap());
        refused(folder, "sc-train", &arguments, &expected);
    }
    succeed(folder, "sc-train", &train("--force"));
    let record = artifacts::run::read_run(&folder.join("runs/x")).unwrap();
    assert_eq!(record.config.schedule_parameters["max_lr"], 0.05);
    let from = record.rates_from.unwrap();
    assert_eq!((from.path.as_str(), from.sha256), ("s.json", sha256::of_bytes(suggestion.as_bytes())));
}

#[test]
fn a_choice_for_something_else() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let made_for = |key: &str, value: &str| {
        let setting = format!(r#"{{"net":"lenet","shortcut":"","batch_size":16,"optimizer":"sgd","{key}":{value}}}"#);
        let choice = format!(
            r#"{{"format":"superconv-choice/1","lr":0.002,"at_edge":false,"iterations":9,"candidates":[],
            "schedule":"piecewise","setting":{setting}}}"#
        );
        fs::write(folder.join("c.json"), &choice).unwrap();
        choice
    };
    let train = |schedule: &str, more: &str| format!("--schedule {schedule} --choice c.json {TRAIN} {more}");
    made_for("momentum", "0.5");
    refused(
        folder,
        "sc-train",
        &train("constant", "--optimizer adamw"),
        "c.json was made for optimizer sgd, momentum 0.5; this run has optimizer adamw, momentum 0.9",
    );
    let choice = made_for("momentum", "0.9");
    refused(folder, "sc-train", &train("1cycle", ""), "--choice does not apply to --schedule 1cycle");
    let of_cycles = choice.replace("piecewise", "1cycle");
    fs::write(folder.join("c.json"), &of_cycles).unwrap();
    refused(folder, "sc-train", &train("constant", ""), "is the highest of a cycle, not one to start from");
    succeed(folder, "sc-train", &train("1cycle", "").replace("runs/x", "runs/cycle"));
    let record = artifacts::run::read_run(&folder.join("runs/cycle")).unwrap();
    assert_eq!(record.config.schedule_parameters["max_lr"], 0.002);
    // A choice of before it held a setting: its rate is one to start from, and nothing is compared.
    let (old, _) = choice.split_once(",\n            \"schedule\"").unwrap();
    fs::write(folder.join("c.json"), format!("{old}}}")).unwrap();
    refused(folder, "sc-train", &train("1cycle", ""), "--choice does not apply to --schedule 1cycle");
    succeed(folder, "sc-train", &train("constant", "--optimizer adamw"));
    let record = artifacts::run::read_run(&folder.join("runs/x")).unwrap();
    assert_eq!(record.config.schedule_parameters["lr"], 0.002);
}
