//! Recipes, and the search that makes them, with the real programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use artifacts::recipe::{self, Recipe};
use artifacts::run;
use end_to_end::study::checkout;
use end_to_end::{programs, run as run_program, small_setting, succeed, workspace};

use crate::makefile::{commands, make};

const SMALL: [&str; 3] = ["BUDGET=1500it", "SEARCH_SEEDS=1", "THREADS=2"];

/// Folders of all finished runs below.
fn finished(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
            open.push(entry.path());
        }
        found.extend(next.join(run::RESULT_FILE).exists().then_some(next));
    }
    found
}

#[test]
fn the_comparison_with_random_search_is_planned_whole() {
    let checkout = checkout();
    let planned = commands(checkout.path(), &["streamline-vs-random", "RULE_CIFAR=folder pictures.tar"]);
    let searches = |words: &str| planned.iter().filter(|line| line.contains(words)).count();
    // Three settings, four pairs of seeds.
    for step in ["length", "random", "random-around", "rate-grid", "whole"] {
        assert_eq!(searches(&format!("-- {step} --recipe")), 12, "{step}: {planned:#?}");
    }
    assert_eq!(searches("--like"), 24, "draws train as long as the other search");
    assert_eq!(searches("-last --resume"), 60, "each search ends by one run");
}

#[test]
fn a_search_keeps_its_budget_settles_and_looks_at_the_test_set_once() {
    let checkout = checkout();
    let folder = checkout.path();
    let target = &[&["streamline"], &SMALL[..]].concat();
    let planned = commands(folder, target);
    assert!(planned.iter().any(|line| line.contains("-- weight-decay --recipe")), "{planned:#?}");
    assert!(finished(folder).is_empty(), "make -n runs nothing");

    let output = make(folder, target);
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("test accuracy") && text.contains("index.html"), "{text}");
    assert_eq!(
        make(folder, &[&["-q"], &target[..]].concat()).status.code(),
        Some(0),
        "a second make has nothing to do"
    );

    let study = folder.join("runs/streamline_mnist5k_lenet_bs32");
    let recipe = recipe::read(&study.join("recipe.json")).unwrap();
    let mut images = 0.0;
    for run in finished(&study) {
        let (record, result) = (run::read_run(&run).unwrap(), run::read_result(&run).unwrap().unwrap());
        images += (result.iterations * record.config.batch_size as u64) as f64;
        let is_last = run.ends_with("last");
        assert_eq!(result.test_accuracy.is_some(), is_last, "{}", run.display());
        assert_eq!(record.val_images == 0, is_last, "{}", run.display());
    }
    assert!(images <= recipe.budget.limit && images > 0.3 * recipe.budget.limit, "{images} of {}", recipe.budget.limit);
    repeats(&recipe, &study.join("last"));

    // A step that was lost is made again from what its runs left, and nothing is run twice.
    fs::remove_file(study.join("2-momentum.json")).unwrap();
    let before = finished(folder).len();
    assert!(make(folder, target).status.success());
    assert_eq!(finished(folder).len(), before);

    // What the last steps alone depend on redoes them alone.
    let changed = commands(folder, &[&target[..], &["KEEP_LONGEST=1"]].concat());
    assert!(changed.iter().any(|line| line.contains("-- length --recipe")));
    assert!(!changed.iter().any(|line| line.contains("-- rate ") || line.contains("-- momentum ")), "{changed:#?}");
    let other_budget = commands(folder, &["streamline", "BUDGET=1600it", "SEARCH_SEEDS=1", "THREADS=2"]);
    assert!(!other_budget.iter().any(|line| line.contains("--arm calibration")), "{other_budget:#?}");
    assert!(other_budget.iter().any(|line| line.contains("-- batch-size ")));
}

/// The last run is what the recipe says.
fn repeats(recipe: &Recipe, last: &Path) {
    let config = run::read_run(last).unwrap().config;
    let (training, parameters) = (&recipe.training, &config.schedule_parameters);
    assert_eq!((config.batch_size, Some(config.iterations)), (training.batch_size, training.iterations));
    assert_eq!((config.weight_decay, config.momentum), (training.weight_decay, training.momentum));
    assert_eq!(parameters["max_lr"].as_f64(), training.max_lr);
    assert_eq!(parameters["min_lr"].as_f64(), training.min_lr);
    assert_eq!(parameters["step_size"].as_u64(), training.step_size);
    assert_eq!(parameters["max_momentum"].as_f64(), training.max_momentum);
}

/// What a step asks for is run by the script that make uses, whatever the paths hold.
#[test]
fn a_step_runs_where_paths_have_spaces_and_quotes() {
    let setting = small_setting("lenet");
    let folder = setting.path().join("somebody's digits");
    fs::create_dir_all(folder.join("their runs")).unwrap();
    for (from, to) in [("data.safetensors", "my data.safetensors"), ("init.safetensors", "my init 1.safetensors")] {
        fs::rename(setting.path().join(from), folder.join(to)).unwrap();
    }
    let succeed = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{program:?} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let data = ["--data", "my data.safetensors", "--quiet"];
    let calibration = "--schedule 1cycle --max-lr 1e-3 --iterations 12 --batch-size 16 --held-out-only";
    let place = ["--init", "my init 1.safetensors", "--out", "their runs/calibration"];
    let calibration: Vec<&str> = calibration.split(' ').chain(data).chain(place).collect();
    succeed(&programs().join("sc-train"), &calibration);
    let start = ["start", "their runs/calibration", "--budget", "1500it", "--out", "the start.json"];
    succeed(&programs().join("sc-search"), &start);
    let bin = programs().to_str().unwrap();
    let step = ["momentum", "--seeds", "1", "--init", "my init %.safetensors", "--recipe", "the start.json"];
    let step = step.into_iter().chain(["--runs", "their runs/momentum", "--out", "it's.json"]);
    let arguments: Vec<&str> = [bin, bin].into_iter().chain(data).chain(["--"]).chain(step).collect();
    succeed(&workspace().join("pipelines/search-step"), &arguments);
    let decided = recipe::read(&folder.join("it's.json")).unwrap();
    assert_eq!(decided.decisions.len(), 1);
    assert!(finished(&folder.join("their runs/momentum")).len() > 1, "a range test and candidates");

    // What a command says of its failure is the step's.
    fs::remove_file(folder.join("my data.safetensors")).unwrap();
    let arguments = arguments.iter().map(|word| if *word == "their runs/momentum" { "others" } else { word });
    let output = Command::new(workspace().join("pipelines/search-step")).args(arguments).current_dir(&folder).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("my data.safetensors"));
}

/// A recipe made by hand, for the setting of [`small_setting`].
fn some_recipe(folder: &Path, net: &str) -> Recipe {
    let line =
        "--data data.safetensors --init init.safetensors --batch-size 16 --quiet --iterations 12 --out calibration";
    succeed(folder, "sc-train", &format!("--schedule 1cycle --max-lr 1e-3 --held-out-only {line}"));
    succeed(folder, "sc-search", "start calibration --budget 500it --out recipe.json");
    let mut recipe = recipe::read(&folder.join("recipe.json")).unwrap();
    assert_eq!((recipe.setting.net.as_str(), recipe.setting.test_images), (net, 200));
    let training = &mut recipe.training;
    (training.batch_size, training.momentum, training.weight_decay) = (20, 0.85, 3e-4);
    (training.max_momentum, training.min_momentum) = (Some(0.95), Some(0.85));
    (training.max_lr, training.min_lr, training.final_lr) = (Some(0.2), Some(0.02), Some(2e-5));
    (training.step_size, training.iterations) = (Some(9), Some(20));
    artifacts::json::write(&folder.join("recipe.json"), &recipe).unwrap();
    recipe
}

#[test]
fn a_recipe_gives_what_no_flag_says() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let recipe = some_recipe(folder, "lenet");
    let shared = "--data data.safetensors --init init.safetensors --recipe recipe.json --quiet";
    succeed(folder, "sc-train", &format!("{shared} --out runs/plain"));
    repeats(&recipe, &folder.join("runs/plain"));

    // By hand: constant momentum, twice the steps, half the rate. The cycle keeps its shape.
    let by_hand = "--momentum 0.8 --iterations 40 --max-lr 0.1 --batch-size 10";
    succeed(folder, "sc-train", &format!("{shared} {by_hand} --out runs/by-hand"));
    let config = run::read_run(&folder.join("runs/by-hand")).unwrap().config;
    assert_eq!((config.batch_size, config.momentum, config.iterations, config.weight_decay), (10, 0.8, 40, 3e-4));
    let parameters = &config.schedule_parameters;
    assert_eq!((parameters["max_lr"].as_f64(), parameters["min_lr"].as_f64()), (Some(0.1), Some(0.01)));
    assert_eq!((parameters["step_size"].as_u64(), parameters["max_momentum"].as_f64()), (Some(18), None));

    let ramp = "--scale log --min-lr 1e-3 --max-lr 1 --out runs/ramp";
    succeed(folder, "sc-rangetest", &format!("{shared} {ramp}"));
    let config = run::read_run(&folder.join("runs/ramp")).unwrap().config;
    assert_eq!((config.batch_size, config.momentum, config.iterations), (20, 0.85, 20), "momentum at the highest rate");
}

#[test]
fn a_recipe_for_something_else_is_refused() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let mut recipe = some_recipe(folder, "lenet");
    let refused = |expected: &str, program: &str, more: &str| {
        let shared = "--data data.safetensors --init init.safetensors --recipe recipe.json --quiet --out runs/x";
        let output = run_program(folder, program, &format!("{shared} {more}"));
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(expected), "{expected:?} is missing in\n{message}");
        assert!(!folder.join("runs/x").exists(), "nothing is written");
    };
    recipe.setting.net = "resnet8".to_owned();
    artifacts::json::write(&folder.join("recipe.json"), &recipe).unwrap();
    refused("recipe.json was made for net resnet8; this run has net lenet", "sc-train", "");
    refused(
        "recipe.json was made for net resnet8; this run has net lenet",
        "sc-rangetest",
        "--scale log --min-lr 0.1 --max-lr 1",
    );
    let forced =
        "--data data.safetensors --init init.safetensors --recipe recipe.json --force --quiet --out runs/forced";
    succeed(folder, "sc-train", forced);

    recipe.setting.net = "lenet".to_owned();
    recipe.setting.data_sha256 = "0".repeat(64);
    artifacts::json::write(&folder.join("recipe.json"), &recipe).unwrap();
    refused("recipe.json was made for data 000000000000; this run has data ", "sc-train", "");
    recipe.training.iterations = None;
    artifacts::json::write(&folder.join("recipe.json"), &recipe).unwrap();
    refused("sets no number of steps", "sc-train", "--force");
    fs::write(folder.join("recipe.json"), b"{\"format\": 1}").unwrap();
    refused("recipe.json: expected a recipe", "sc-train", "");
}
