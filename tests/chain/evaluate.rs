//! `sc-eval` over real runs: its figures are those of the run, its page holds all that it points to, and several models name
//! the labels to check. And what lies in a run's folder for people: the first batch.

use std::fs;
use std::path::Path;

use artifacts::run;
use end_to_end::{refused, succeed};
use serde_json::Value;

use crate::predict::trained;

fn metrics(folder: &Path, out: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join(out).join("metrics.json")).unwrap()).unwrap()
}

#[test]
fn the_figures_are_those_of_the_run() {
    let folder = trained();
    let folder = folder.path();
    let result = run::read_result(&folder.join("run")).unwrap().unwrap();
    for (flags, split, accuracy, loss) in [
        ("", "val", result.final_val_accuracy, result.final_val_loss),
        ("--split test", "test", result.test_accuracy, result.test_loss),
    ] {
        let evaluate = format!("--model run/model.safetensors --data data.safetensors --out report {flags}");
        let said = succeed(folder, "sc-eval", &evaluate);
        assert!(said.contains(&format!("{split} accuracy {:.4}", accuracy.unwrap())), "{said}");
        assert!(said.ends_with("report/index.html\n"), "{said}");
        let found = metrics(folder, "report");
        let net = &found["nets"][0];
        assert_eq!((found["split"].as_str(), net["accuracy"].as_f64()), (Some(split), accuracy));
        assert!((net["loss"].as_f64().unwrap() - loss.unwrap()).abs() < 1e-12);
        let confusion = fs::read_to_string(folder.join("report/confusion.csv")).unwrap();
        assert!(confusion.starts_with("class,circle,cross,triangle\ncircle,"), "{confusion}");
        // What sc-eval says of a picture is what sc-predict says of it, to the last digit.
        let predictions = fs::read_to_string(folder.join("report/predictions.csv")).unwrap();
        let cells: Vec<&str> = predictions.lines().nth(1).unwrap().split(',').collect();
        let picture = end_to_end::workspace().join("data/shapes").join(cells[1]);
        let line = succeed(folder, "sc-predict", &format!("run/model.safetensors {}", picture.display()));
        let predicted: Vec<&str> = line.lines().nth(1).unwrap().split(',').collect();
        assert_eq!(predicted[1..3], cells[3..5], "{}", picture.display());
        assert_eq!(picture.parent().unwrap().file_name().unwrap(), cells[2]);
    }
}

#[test]
fn the_page_is_whole_by_itself() {
    let folder = trained();
    succeed(
        folder.path(),
        "sc-eval",
        "--model run/model.safetensors --data data.safetensors --out report --split test",
    );
    let page = fs::read_to_string(folder.path().join("report/index.html")).unwrap();
    assert!(
        !page.contains("<script") && !page.contains("http:") && !page.contains("https:"),
        "it needs nothing from elsewhere"
    );
    // Every cell that can be clicked has its section, and that the pictures of its count.
    let mut cells = 0;
    for link in page.split("href=\"#c").skip(1) {
        let (target, rest) = link.split_once('"').unwrap();
        let section = page.split(&format!("id=\"c{target}\"")).nth(1).unwrap_or_else(|| panic!("no section c{target}"));
        let section = section.split("</section>").next().unwrap();
        if let Some(count) = rest.split('>').nth(1).and_then(|rest| rest.split('<').next()?.parse::<usize>().ok()) {
            assert_eq!(section.matches("src=\"data:image/png;base64,").count(), count, "c{target}");
            cells += 1;
        }
    }
    assert!(cells >= 3, "{cells} cells");
    for file in page.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(file.starts_with('#') || folder.path().join("report").join(file).exists(), "{file}");
    }
}

#[test]
fn pictures_that_every_model_gets_wrong_are_named() {
    let folder = trained();
    let folder = folder.path();
    let train = "--data data.safetensors --init init.safetensors --schedule constant --lr 0.05 --iterations 30 --seed 2 \
        --batch-size 16 --bn-reestimate 3 --out other --quiet";
    succeed(folder, "sc-train", train);
    // Two labels are turned into others.
    let mut data = artifacts::dataset::read(&folder.join("data.safetensors")).unwrap();
    let turned: Vec<String> = data.test.files[..2].to_vec();
    for label in &mut data.test.labels[..2] {
        *label = (*label + 1) % 3;
    }
    artifacts::dataset::write(&folder.join("turned.safetensors"), data).unwrap();
    let models = "--model run/model.safetensors other/model.safetensors";
    let output =
        end_to_end::run(folder, "sc-eval", &format!("{models} --data turned.safetensors --out report --split test"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && errors.contains("was trained on another file than turned.safetensors"),
        "{errors}"
    );
    let found = metrics(folder, "report");
    let wrong: Vec<&str> = found["wrong_in_every_net"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["picture"].as_str().unwrap())
        .collect();
    let by_first = |at: usize| turned.iter().any(|path| path == wrong[at]);
    assert!(turned.iter().all(|path| wrong.contains(&path.as_str())) && by_first(0), "{turned:?} {wrong:?}");
    let page = fs::read_to_string(folder.join("report/index.html")).unwrap();
    assert!(page.contains("labels to check") && page.contains(turned[0].as_str()));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let folder = trained();
    let folder = folder.path();
    let digits = end_to_end::workspace().join("data/mnist5k");
    succeed(
        folder,
        "sc-prep",
        &format!("mnist {} --limit-per-class 5 --out digits.safetensors --quiet", digits.display()),
    );
    let with = |data: &str, flags: &str| format!("--model run/model.safetensors --data {data} --out report {flags}");
    refused(
        folder,
        "sc-eval",
        &with("digits.safetensors", ""),
        "takes images of 3x24x24; those of digits.safetensors have 1x28x28",
    );
    refused(folder, "sc-eval", &with("data.safetensors", "--val-from-train 0"), "no images were kept for validation");
    refused(
        folder,
        "sc-eval",
        &with("data.safetensors", "--val-from-train 1"),
        "--val-from-train: expected a number from 0 to below 1",
    );
    refused(folder, "sc-eval", "--model data.safetensors --data data.safetensors --out report", "this is a data set");
}

#[test]
fn the_first_batch_is_shown_and_changes_nothing() {
    let folder = trained();
    let folder = folder.path();
    let again = "--data data.safetensors --init init.safetensors --schedule constant --lr 0.05 --iterations 2 --batch-size 16 \
        --augment crop-flip --quiet --record-batches --out";
    succeed(folder, "sc-train", &format!("{again} seen"));
    let sheet = image::open(folder.join("seen/batch.png")).unwrap().into_rgb8();
    // Two rows of eight images, 24 pixels enlarged to 96.
    assert_eq!(sheet.dimensions(), (10 + 8 * 106, 10 + 2 * (96 + 18 + 10)));
    let data = artifacts::dataset::read(&folder.join("data.safetensors")).unwrap();
    let batches = artifacts::batches::read(&folder.join("seen/batches.safetensors")).unwrap();
    for at in 0..16 {
        // The middle pixel of every tile, cropped and mirrored by hand.
        let (row, column) = (12 + usize::from(batches.crop_y[at]) - 4, 12);
        let column = if batches.flip[at] == 1 { 23 - column } else { column };
        let column = column + usize::from(batches.crop_x[at]) - 4;
        let image = batches.indices[at] as usize;
        let expected = [0, 1, 2].map(|channel| data.train.pixels[((image * 3 + channel) * 24 + row) * 24 + column]);
        let (x, y) = (10 + at % 8 * 106 + 12 * 4, 10 + at / 8 * 124 + 12 * 4);
        assert_eq!(sheet.get_pixel(x as u32, y as u32).0, expected, "image {at}");
    }
}
