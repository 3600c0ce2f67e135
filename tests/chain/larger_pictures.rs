//! Pictures as people have them: brought to one size in any way, stored larger than a net sees them, cut at random in
//! training, normalised as pretrained weights want it; and a model that says all that of itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use artifacts::batches;
use artifacts::dataset::{self, DataSet, Fit, Fitting};
use artifacts::run;
use artifacts::tensors::TensorFile;
use artifacts::weights::{self, IMAGENET_MEAN, IMAGENET_STD};
use end_to_end::{bytes, command, refused, run as run_program, small_setting, succeed, workspace};

const SHARED: &str = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet";

/// `data/shapes` prepared in `folder`, as `flags` say.
fn prepare(folder: &Path, flags: &str) -> DataSet {
    let shapes = workspace().join("data/shapes");
    succeed(folder, "sc-prep", &format!("folder {} {flags} --out data.safetensors --quiet", shapes.display()));
    dataset::read(&folder.join("data.safetensors")).unwrap()
}

/// The lines of a CSV file by the picture that they are of, as texts by column.
fn rows(csv: &str, picture: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut lines = csv.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let of = |cells: Vec<String>| head.iter().cloned().zip(cells).collect::<BTreeMap<_, _>>();
    lines.map(of).map(|row| (row[picture].clone(), row)).collect()
}

/// A picture file twice as wide as high, red in the middle, with blue ends; no channel of two shades is the same.
fn wide_picture(path: &Path, shade: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let colour =
        |x, _| if (8..32).contains(&x) { image::Rgb([200 + shade, shade, shade]) } else { image::Rgb([0, shade, 200]) };
    image::RgbImage::from_fn(40, 20, colour).save(path).unwrap();
}

#[test]
fn pictures_are_cut_padded_or_squashed_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    for (shade, class) in ["a", "b"].iter().enumerate() {
        for split in ["train", "test"] {
            wide_picture(&folder.path().join(format!("pictures/{split}/{class}/1.png")), 9 * shade as u8);
        }
    }
    let prepared = |flags: &str| {
        succeed(folder.path(), "sc-prep", &format!("folder pictures --size 10 {flags} --out d.safetensors --quiet"));
        let data = dataset::read(&folder.path().join("d.safetensors")).unwrap();
        let bright = |channel: usize, row: usize| {
            let row = &data.train.pixels[channel * 100 + row * 10..][..10];
            row.iter().filter(|value| **value > 100).count()
        };
        (data.pictures.unwrap().fit, [0, 5, 9].map(|row| (bright(0, row), bright(2, row))))
    };
    let [plain, crop, pad, squash] = ["", "--fit crop", "--fit pad", "--fit squash"].map(prepared);
    assert_eq!(plain, crop);
    assert_eq!([crop.0, pad.0, squash.0], [Fit::Crop, Fit::Pad, Fit::Squash]);
    // Red and blue columns of rows: at the top, in the middle, at the bottom.
    assert_eq!(crop.1, [(10, 0); 3], "the ends are cut off");
    assert_eq!(pad.1, [(0, 0), (6, 4), (0, 0)], "all of it, between black rows");
    assert_eq!(squash.1, [(6, 4); 3], "all of it, in every row");
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let shapes = workspace().join("data/shapes");
    let with = |flags: &str| format!("folder {} {flags} --out d.safetensors", shapes.display());
    refused(folder.path(), "sc-prep", &with("--size 24 --keep 20"), "--keep 20 is less than --size 24");
    refused(folder.path(), "sc-prep", &with("--keep 20"), "--size");
    refused(folder.path(), "sc-prep", &with("--size 24 --fit bend"), "--fit");
    refused(folder.path(), "sc-prep", &with("--fit pad"), "--size");
    assert_eq!(prepare(folder.path(), "--size 24 --keep 24").train_size, None, "nothing is larger");
    let said = succeed(folder.path(), "sc-prep", &with("--size 24 --keep 30 --quiet"));
    assert!(said.contains("3x30x30, of which nets see 24x24"), "{said}");
}

/// What is predicted for a picture is what evaluation says of it, however it was stored and fitted.
#[test]
fn a_model_of_larger_pictures_gives_a_picture_the_answer_of_the_evaluation() {
    let shapes = workspace().join("data/shapes");
    for (fit, flags) in [(Fit::Crop, "--orient"), (Fit::Pad, "--fit pad"), (Fit::Squash, "--fit squash")] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let data = prepare(dir, &format!("--size 24 --keep 33 {flags}"));
        assert_eq!((data.shape, data.train_size), ([3, 33, 33], Some(24)));
        succeed(dir, "sc-init", "--net lenet --data data.safetensors --seed 1 --out init.safetensors --quiet");
        let train =
            format!("--schedule constant --lr 0.002 --iterations 30 --augment random-resized-crop {SHARED} --out run");
        succeed(dir, "sc-train", &train);
        let (model, _) = weights::open(&dir.join("run/model.safetensors")).unwrap();
        let task = model.task.unwrap();
        assert_eq!((task.shape, task.stored), ([3, 24, 24], Some([33, 33])));
        assert_eq!(task.pictures, Some(Fitting { fit, orient: flags == "--orient" }));
        let result = run::read_result(&dir.join("run")).unwrap().unwrap();
        let record = run::read_run(&dir.join("run")).unwrap().config;
        assert_eq!((record.train_size, record.augment.as_str()), (24, "random-resized-crop"));

        let evaluate = "--model run/model.safetensors --data data.safetensors --out report --split test --json";
        let found: serde_json::Value = serde_json::from_str(&succeed(dir, "sc-eval", evaluate)).unwrap();
        assert_eq!(found["nets"][0]["accuracy"].as_f64(), result.test_accuracy, "{found}");
        // The page shows pictures as the net sees them: 24 pixels wide and high, as the head of each PNG file says.
        let page = fs::read_to_string(dir.join("report/index.html")).unwrap();
        assert!(page.contains("SUhEUgAAABgAAAAYCA") && !page.contains("SUhEUgAAACEAAAAhCA"));
        let judged = rows(&fs::read_to_string(dir.join("report/predictions.csv")).unwrap(), "picture");
        succeed(dir, "sc-predict", &format!("run/model.safetensors {} --out all.csv", shapes.display()));
        let predicted = rows(&fs::read_to_string(dir.join("all.csv")).unwrap(), "path");
        for path in &data.test.files {
            let answer = &predicted[&shapes.join(path).display().to_string()];
            let (said, confidence) = (&judged[path]["answer"], &judged[path]["probability"]);
            assert_eq!((&answer["class"], &answer["probability"]), (said, confidence), "{fit:?} {path}");
        }
        // What another runtime has to do itself is said.
        succeed(dir, "sc-export", "onnx run/model.safetensors --out model.onnx");
        let onnx = String::from_utf8_lossy(&bytes(dir, "model.onnx")).into_owned();
        assert!(onnx.contains("to 33 x 33, of which the model takes the centre"));
        assert!(onnx.contains("uint8 [N, 3, 24, 24]"));
    }
}

/// A run whose parts are drawn at random repeats, whatever the threads, is replayed, and goes on after a kill.
#[test]
fn random_parts_are_a_function_of_the_seed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    prepare(dir, "--size 32");
    succeed(dir, "sc-init", "--net resnet8 --data data.safetensors --seed 1 --out init.safetensors --quiet");
    let train = |out: &str, flags: &str| {
        format!(
            "--schedule cosine --lr 0.01 --iterations 250 --augment random-resized-crop --train-size 20 {SHARED} \
             --val-every 125 {flags} --out runs/{out}"
        )
    };
    succeed(dir, "sc-train", &train("straight", "--threads 1 --record-batches"));
    let stopped = train("stopped", "--threads 2 --checkpoint-every 1 --resume");
    let mut child = command(dir, "sc-train", &stopped).spawn().unwrap();
    while !dir.join("runs/stopped/checkpoint.safetensors").exists() && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!dir.join("runs/stopped/result.json").exists(), "killed too late");
    succeed(dir, "sc-train", &stopped);
    for file in ["metrics.jsonl", "model.safetensors"] {
        let both = ["straight", "stopped"].map(|name| bytes(dir, &format!("runs/{name}/{file}")));
        assert!(both[0] == both[1], "{file}");
    }
    let said = succeed(dir, "sc-train", "--replay runs/straight/run.json");
    assert!(said.contains("the same bits"), "{said}");

    let recorded = batches::read(&dir.join("runs/straight/batches.safetensors")).unwrap();
    assert_eq!(recorded.parts.len(), 4 * recorded.indices.len());
    let parts: Vec<&[u32]> = recorded.parts.chunks_exact(4).collect();
    assert!(parts.iter().all(|part| part[0] + part[2] <= 32 && part[1] + part[3] <= 32));
    let areas: Vec<u32> = parts.iter().map(|part| part[2] * part[3]).collect();
    assert!(areas.iter().min().unwrap() < &150 && areas.iter().max().unwrap() > &900, "{areas:?}");
    let mirrored = recorded.flip.iter().map(|flip| f64::from(*flip)).sum::<f64>() / recorded.flip.len() as f64;
    assert!((mirrored - 0.5).abs() < 0.05, "{mirrored}");
    let sheet = |name: &str| bytes(dir, &format!("runs/{name}/batch.png"));
    succeed(dir, "sc-train", &train("other", "--seed 2 --iterations 1").replace("--iterations 250", ""));
    assert!(sheet("straight") == sheet("stopped") && sheet("straight") != sheet("other"));
}

/// What is seen of larger images without random parts: anywhere in them, or their centre.
#[test]
fn a_net_sees_a_square_of_its_size() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    let train = |name: &str, flags: &str| {
        let run =
            format!("--schedule constant --lr 0.05 --iterations 12 {flags} {SHARED} --record-batches --out {name}");
        succeed(folder, "sc-train", &run);
        batches::read(&folder.join(name).join("batches.safetensors")).unwrap()
    };
    for (name, flags) in [("plain", "--train-size 21"), ("flip", "--train-size 21 --augment flip")] {
        // The margin of 7 leaves two middles: torchvision's begins at 4.
        assert!(train(name, flags).parts.chunks_exact(4).all(|part| part == [4, 4, 21, 21]), "{name}");
    }
    let cropped = train("crop", "--train-size 21 --augment crop-flip");
    let tops: Vec<u32> = cropped.parts.chunks_exact(4).map(|part| part[0]).collect();
    assert!((0..=7).all(|top| tops.contains(&top)) && tops.iter().all(|top| *top <= 7), "{tops:?}");
    assert!(cropped.crop_y.iter().chain(&cropped.crop_x).all(|place| *place == 4));
    let whole = train("whole", "--train-size 28");
    assert!(whole.parts.is_empty());
    let record = run::read_run(&folder.join("whole")).unwrap();
    assert_eq!((record.config.train_size, record.config.input().as_str()), (0, ""));
    assert_eq!(run::read_run(&folder.join("crop")).unwrap().config.input(), "21x21 of each image");
    train("as-it-was", "");
    for file in ["metrics.jsonl", "model.safetensors"] {
        assert!(bytes(folder, &format!("whole/{file}")) == bytes(folder, &format!("as-it-was/{file}")));
    }
    let message = refused(
        folder,
        "sc-train",
        &format!("--schedule constant --lr 0.1 --iterations 2 --train-size 29 {SHARED} --out x"),
        "--train-size 29 is more than the images of data.safetensors have: 28x28 pixels",
    );
    assert!(message.contains("--keep"), "{message}");
}

/// Rates that were measured at one size, or under one normalisation, are not taken for another.
#[test]
fn rates_of_another_input_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    prepare(dir, "--size 24");
    succeed(dir, "sc-init", "--net resnet8 --data data.safetensors --seed 1 --out init.safetensors --quiet");
    let small = "--train-size 20 --normalise imagenet";
    succeed(dir, "sc-probe", &format!("{small} {SHARED} --out probe.json"));
    let range = |out: &str| format!("--around probe.json --iterations 30 {SHARED} --out runs/{out}");
    succeed(dir, "sc-rangetest", &format!("{small} {}", range("range")));
    let expected = "was made for input 20x20 of each image, normalised by imagenet; this run has input none";
    refused(dir, "sc-rangetest", &range("other"), expected);
    assert!(run_program(dir, "sc-analyze", "suggest runs/range --out s.json").status.success());
    let train = format!("--schedule 1cycle --suggestion s.json --iterations 5 {SHARED} --out runs/t");
    refused(dir, "sc-train", &train, expected);
    succeed(dir, "sc-train", &format!("{small} {train}"));
}

/// Weights of torchvision say that they want ImageNet's statistics, and so do all that is trained from them.
#[test]
fn pretrained_weights_are_shown_images_as_they_want_them() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let data = prepare(dir, "--size 32");
    let init = |flags: &str| format!("--net resnet18 --data data.safetensors {flags} --out init.safetensors");
    let wanted = || {
        let (origin, _) = weights::open(&dir.join("init.safetensors")).unwrap();
        (origin.normalise, origin.task.unwrap().mean)
    };
    succeed(dir, "sc-init", &init("--seed 1"));
    assert_eq!(wanted(), (String::new(), data.mean.clone()));
    // As torchvision saves them: without a word of ours.
    let mut theirs = TensorFile::read(&dir.join("init.safetensors")).unwrap();
    theirs.write(&dir.join("ours.safetensors")).unwrap();
    theirs.metadata.clear();
    theirs.write(&dir.join("theirs.safetensors")).unwrap();
    for (flags, by) in [
        ("--from-torch theirs.safetensors", "imagenet"),
        ("--from-torch theirs.safetensors --normalise data", ""),
        ("--from-torch ours.safetensors", ""),
        ("--from-torch ours.safetensors --normalise imagenet", "imagenet"),
    ] {
        let output = run_program(dir, "sc-init", &init(flags));
        assert!(output.status.success(), "{flags}");
        let said = String::from_utf8_lossy(&output.stderr).contains("normalised by ImageNet's mean");
        assert_eq!((wanted().0.as_str(), said), (by, by == "imagenet"), "{flags}");
    }
    // A file of ours that records it hands it on.
    fs::copy(dir.join("init.safetensors"), dir.join("again.safetensors")).unwrap();
    succeed(dir, "sc-init", &init("--from-torch again.safetensors --new-head"));
    assert_eq!(wanted(), ("imagenet".to_owned(), IMAGENET_MEAN.to_vec()));

    let train = |flags: &str, out: &str| {
        let run = format!("--schedule constant --lr 0.01 --iterations 2 {flags} {SHARED} --seed 1 --out {out}");
        succeed(dir, "sc-train", &run);
        let (origin, _) = weights::open(&dir.join(out).join("model.safetensors")).unwrap();
        let task = origin.task.unwrap();
        (run::read_run(&dir.join(out)).unwrap().config.normalise, origin.normalise, task.mean, task.std)
    };
    let followed = train("", "followed");
    let imagenet = || "imagenet".to_owned();
    assert_eq!(followed, (imagenet(), imagenet(), IMAGENET_MEAN.to_vec(), IMAGENET_STD.to_vec()));
    let own = train("--normalise data", "own");
    assert_eq!(own, (String::new(), String::new(), data.mean.clone(), data.std.clone()));
    assert_ne!(bytes(dir, "followed/metrics.jsonl"), bytes(dir, "own/metrics.jsonl"));
    let said = succeed(dir, "sc-train", "--replay followed/run.json");
    assert!(said.contains("the same bits"), "{said}");

    // A prediction needs nothing besides; a flag has the last word.
    let picture = workspace().join("data/shapes-new/circle-0.png").display().to_string();
    let predict = |flags: &str| succeed(dir, "sc-predict", &format!("followed/model.safetensors {picture} {flags}"));
    assert_eq!(predict("--normalise imagenet"), predict(""));
    let by_data = predict("--normalise data --data data.safetensors");
    assert_ne!(by_data, predict(""));
    refused(dir, "sc-predict", &format!("followed/model.safetensors {picture} --normalise data"), "--data FILE");
    let evaluate = |flags: &str| {
        let all =
            format!("--model followed/model.safetensors --data data.safetensors --split test --out report {flags}");
        succeed(dir, "sc-eval", &all);
        bytes(dir, "report/predictions.csv")
    };
    assert!(evaluate("--normalise imagenet") == evaluate("") && evaluate("--normalise data") != evaluate(""));
    let export = |flags: &str| {
        succeed(dir, "sc-export", &format!("onnx followed/model.safetensors --out m.onnx {flags}"));
        bytes(dir, "m.onnx")
    };
    assert!(export("--normalise imagenet") == export(""));
    assert!(export("--normalise data --data data.safetensors") != export(""));
}

#[test]
fn grey_images_have_no_statistics_of_imagenet() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let expected = "--normalise imagenet has three channels; the images of data.safetensors have 1";
    let train = format!("--schedule constant --lr 0.1 --iterations 2 --normalise imagenet {SHARED} --out x");
    refused(folder, "sc-train", &train, expected);
    let init = "--net lenet --data data.safetensors --seed 1 --normalise imagenet --out x.safetensors";
    refused(folder, "sc-init", init, expected);
}
