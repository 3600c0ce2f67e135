//! A model that is used: its file says what it is, and a picture gets the answer that it had in the evaluation, alone or in
//! company.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use artifacts::dataset::{self, Fit, Fitting};
use artifacts::run;
use artifacts::tensors::TensorFile;
use artifacts::weights::{self, Task};
use end_to_end::{command, refused, run as run_program, succeed, workspace};
use tempfile::TempDir;

/// The pictures of `data/shapes`, prepared, and a net that was trained on them for a moment.
pub(crate) fn trained() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let shapes = workspace().join("data/shapes");
    succeed(folder.path(), "sc-prep", &format!("folder {} --size 24 --out data.safetensors --quiet", shapes.display()));
    succeed(folder.path(), "sc-init", "--net resnet8 --data data.safetensors --seed 1 --out init.safetensors");
    let train = "--data data.safetensors --init init.safetensors --schedule constant --lr 0.05 --iterations 40 \
        --batch-size 16 --bn-reestimate 3 --out run --quiet";
    succeed(folder.path(), "sc-train", train);
    folder
}

/// Rows of a CSV file by their first cell, as texts by column.
fn rows(csv: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut lines = csv.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let head = lines.next().unwrap();
    lines.map(|cells| (cells[0].clone(), head.iter().cloned().zip(cells).collect())).collect()
}

#[test]
fn weights_say_what_they_are_for() {
    let folder = trained();
    let (data, sha256) = dataset::read_with_hash(&folder.path().join("data.safetensors")).unwrap();
    let task = Task::of(&data, &sha256);
    assert_eq!((task.shape, task.classes.join(" ").as_str()), ([3, 24, 24], "circle cross triangle"));
    assert_eq!(task.pictures, Some(Fitting { fit: Fit::Crop, orient: false }));
    let (init, _) = weights::open(&folder.path().join("init.safetensors")).unwrap();
    let (model, _) = weights::open(&folder.path().join("run/model.safetensors")).unwrap();
    assert_eq!((init.task.as_ref(), init.val_from_train.as_str()), (Some(&task), ""));
    assert_eq!((model.task.as_ref(), model.val_from_train.as_str()), (Some(&task), "0.1"));
}

#[test]
fn a_picture_gets_the_answer_of_the_evaluation_alone_or_in_company() {
    let folder = trained();
    let shapes = workspace().join("data/shapes");
    let predict = format!("run/model.safetensors {} --out all.csv", shapes.display());
    assert_eq!(succeed(folder.path(), "sc-predict", &predict), "all.csv: 60 pictures\n");
    let all = rows(&fs::read_to_string(folder.path().join("all.csv")).unwrap());

    // As many right answers on the test pictures as sc-train counted.
    let data = dataset::read(&folder.path().join("data.safetensors")).unwrap();
    let result = run::read_result(&folder.path().join("run")).unwrap().unwrap();
    let right = |path: &&String| {
        let row = &all[&shapes.join(path).display().to_string()];
        path.split('/').nth(1) == Some(row["class"].as_str())
    };
    let correct = data.test.files.iter().filter(right).count();
    assert_eq!(Some(correct as f64 / data.test.files.len() as f64), result.test_accuracy);
    assert!(result.test_accuracy.unwrap() > 0.4, "it learnt: {result:?}");

    // The same digits for each picture by itself, and from a list on standard input.
    for path in &data.test.files[..4] {
        let path = shapes.join(path).display().to_string();
        let alone = rows(&succeed(folder.path(), "sc-predict", &format!("run/model.safetensors {path}")));
        assert_eq!(alone[&path], all[&path]);
    }
    let probabilities: f64 = ["probability", "probability_2", "probability_3"]
        .map(|column| all.values().next().unwrap()[column].parse::<f64>().unwrap())
        .iter()
        .sum();
    assert!((probabilities - 1.0).abs() < 1e-12, "{probabilities}");
}

#[test]
fn what_cannot_be_read_is_a_line_with_its_reason() {
    let folder = trained();
    let picture = workspace().join("data/shapes-new/circle-0.png");
    fs::write(folder.path().join("cut.png"), &fs::read(&picture).unwrap()[..60]).unwrap();
    fs::write(folder.path().join("photo.webp"), b"RIFF\0\0\0\0WEBPVP8 ").unwrap();
    let list = format!("cut.png\n\n{}\r\nphoto.webp\nmissing.jpg\n", picture.display());
    fs::write(folder.path().join("list"), list).unwrap();
    let output = command(folder.path(), "sc-predict", "run/model.safetensors - --format jsonl --top 1")
        .stdin(Stdio::from(fs::File::open(folder.path().join("list")).unwrap()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reason = |at: usize| lines[at]["error"].as_str().unwrap().to_owned();
    assert_eq!(lines.len(), 4);
    assert!(reason(0).contains("damaged"), "{text}");
    assert!(lines[1]["class"].is_string() && lines[1]["top"].as_array().unwrap().len() == 1, "{text}");
    assert!(reason(2).contains("WebP") && reason(2).contains("convert it"), "{text}");
    assert!(reason(3).contains("No such file"), "{text}");

    let output = run_program(folder.path(), "sc-predict", "run/model.safetensors cut.png --out p.csv");
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(output.stdout, b"p.csv: 1 picture, 1 could not be read\n");
    let csv = fs::read_to_string(folder.path().join("p.csv")).unwrap();
    assert!(
        csv.starts_with("path,class,probability,class_2,probability_2,class_3,probability_3,error\ncut.png,,,,,,,")
    );
}

#[test]
fn what_is_no_model_is_refused_by_name() {
    let folder = trained();
    let picture = workspace().join("data/shapes-new/circle-0.png");
    let dir = folder.path();
    let with = |model: &str| format!("{model} {}", picture.display());
    let hint = "a model is the model.safetensors that sc-train leaves";
    assert!(
        refused(dir, "sc-predict", &with("data.safetensors"), "this is a data set, not a file of weights")
            .contains(hint)
    );
    assert!(refused(dir, "sc-predict", &with("run"), "run: cannot read").contains(hint));
    fs::create_dir(dir.join("empty")).unwrap();
    refused(dir, "sc-predict", "run/model.safetensors empty", "no pictures in empty");
    refused(dir, "sc-predict", &format!("{} --out p.txt", with("run/model.safetensors")), "found .txt");

    // A model of an earlier version names no classes; the data that it was trained on does.
    let mut old = TensorFile::read(&dir.join("run/model.safetensors")).unwrap();
    old.metadata.retain(|key, _| ["net", "shortcut", "seed", "scheme", "tool"].contains(&key.as_str()));
    old.write(&dir.join("old.safetensors")).unwrap();
    assert!(refused(dir, "sc-predict", &with("old.safetensors"), "names no classes").contains("--data FILE"));
    let new = succeed(dir, "sc-predict", &with("run/model.safetensors"));
    assert_eq!(succeed(dir, "sc-predict", &format!("{} --data data.safetensors", with("old.safetensors"))), new);

    let output = run_program(dir, "sc-predict", &with("init.safetensors"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("initial weights, which were not trained"));
}
