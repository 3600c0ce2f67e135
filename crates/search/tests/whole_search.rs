//! A whole search over a made-up world: what the programs would measure is a formula, so that the best choice is known.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use analyze::report::search::SearchReport;
use artifacts::dataset::{self, DataSet, Images};
use artifacts::metrics::Metrics;
use artifacts::probe::{self, Critical, Noise, Probe};
use artifacts::recipe::{self, Recipe, Unit};
use artifacts::run::{Config, Kind, ResultRecord, Source, Status};
use end_to_end::made_up::{Runs, config, result, training_step};
use serde_json::json;

const STEPS: [&str; 5] = ["batch-size", "momentum", "weight-decay", "rate", "length"];

fn search(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sc-search")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn succeed(arguments: &[&str]) {
    let output = search(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
}

/// Runs a command that must exit with 2, and returns what it says.
fn refuse(arguments: &[&str]) -> String {
    let output = search(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    stderr(&output)
}

/// The flags of a command by name.
struct Asked {
    program: String,
    flags: BTreeMap<String, String>,
}

impl Asked {
    fn parse(line: &str) -> Self {
        let mut words = shlex::split(line).unwrap().into_iter();
        let program = words.next().unwrap();
        let (mut flags, mut last) = (BTreeMap::new(), String::new());
        for word in words {
            if let Some(name) = word.strip_prefix("--") {
                name.clone_into(&mut last);
                flags.insert(last.clone(), String::new());
            } else {
                flags.insert(last.clone(), word);
            }
        }
        Self { program, flags }
    }

    fn text(&self, flag: &str) -> &str {
        self.flags.get(flag).unwrap_or_else(|| panic!("--{flag} is missing: {:?}", self.flags))
    }

    fn number(&self, flag: &str) -> f64 {
        self.text(flag).parse().unwrap()
    }

    fn seed(&self) -> u64 {
        self.text("init").trim_start_matches("init/seed").trim_end_matches(".safetensors").parse().unwrap()
    }
}

/// The best of this world: batch 64, cycling momentum, weight decay 3e-4, and the longer the better up to a point.
fn accuracy(asked: &Asked) -> f64 {
    let off = |flag: &str, best: f64| (asked.number(flag).max(1e-9) / best).log10().abs();
    let cycles = asked.flags.contains_key("max-momentum");
    let images = asked.number("iterations") * asked.number("batch-size");
    let wobble = 0.001 * (asked.seed() as f64 - 1.5);
    0.97 - 0.06 * off("batch-size", 64.0)
        - 0.02 * off("weight-decay", 3e-4)
        - if cycles { 0.0 } else { 0.03 }
        - 0.1 * (-images / 20_000.0).exp()
        + wobble
}

struct World {
    runs: Runs,
    asked: Vec<Asked>,
    /// Each run takes so many times as long as the calibration promised.
    slowness: f64,
    /// Trainings with batches of 32 diverge at a higher rate.
    cliff_of_32: f64,
}

impl World {
    fn new(slowness: f64) -> Self {
        let world = Self { runs: Runs::new(), asked: Vec::new(), slowness, cliff_of_32: f64::INFINITY };
        let images = |count: usize| Images { pixels: vec![0; count * 4], labels: vec![0; count], files: Vec::new() };
        let data = DataSet {
            name: "digits".to_owned(),
            shape: [1, 2, 2],
            classes: vec!["a".to_owned(), "b".to_owned()],
            mean: vec![0.5],
            std: vec![0.2],
            train: images(2000),
            test: images(500),
            ..DataSet::default()
        };
        dataset::write(Path::new(&world.runs.path("data.safetensors")), data).unwrap();
        world
    }

    /// A search up to its recipe, asking and answering.
    fn search(&mut self, budget: &str) -> Recipe {
        let start = self.start(budget);
        let mut before = start;
        for step in STEPS {
            before = self.step(step, &before, &[]);
        }
        recipe::read(Path::new(&before)).unwrap()
    }

    fn start(&mut self, budget: &str) -> String {
        let line = "sc-train --init init/seed1.safetensors --iterations 12 --batch-size 128 --momentum 0.9 \
                    --weight-decay 1e-4 --max-lr 0.001";
        let out = PathBuf::from(self.runs.path("calibration"));
        let slowness = std::mem::replace(&mut self.slowness, 1.0);
        self.answer(&Asked::parse(&format!("{line} --out {}", shlex::try_quote(out.to_str().unwrap()).unwrap())));
        self.slowness = slowness;
        let start = self.runs.path("start.json");
        succeed(&["start", &self.runs.path("calibration"), "--budget", budget, "--out", &start]);
        start
    }

    fn ask(&self, step: &str, before: &str, more: &[&str]) -> (String, String) {
        let (folder, after) = (self.runs.path(step), self.runs.path(&format!("{step}.json")));
        let command =
            ["next", step, "--recipe", before, "--init", "init/seed%.safetensors", "--runs", &folder, "--out", &after];
        let output = search(&[&command, more].concat());
        assert!(output.status.success(), "{step}: {}", stderr(&output));
        (stdout(&output), after)
    }

    fn step(&mut self, step: &str, before: &str, more: &[&str]) -> String {
        for _ in 0..20 {
            let (work, after) = self.ask(step, before, more);
            if work.is_empty() {
                assert!(Path::new(&after).exists(), "a step that asks for nothing has decided");
                return after;
            }
            for line in work.lines() {
                let asked = Asked::parse(line);
                self.answer(&asked);
                self.asked.push(asked);
            }
        }
        panic!("{step} does not come to an end");
    }

    fn answer(&self, asked: &Asked) {
        if asked.program == "sc-probe" {
            json_probe(asked);
            return;
        }
        let folder = Path::new(asked.text("out"));
        let (iterations, batch_size) = (asked.number("iterations") as u64, asked.number("batch-size") as usize);
        let images = iterations as f64 * batch_size as f64;
        let speed = 100.0 * (batch_size as f64).sqrt() / self.slowness;
        let outcome = ResultRecord {
            final_val_accuracy: Some(accuracy(asked)),
            final_val_loss: Some(1.0 - accuracy(asked)),
            images_per_second: Some(speed),
            wall_seconds: images / speed + 0.2 * self.slowness,
            ..result(iterations)
        };
        let is_ramp = asked.program == "sc-rangetest";
        let blows_up = !is_ramp && batch_size == 32 && asked.number("max-lr") > self.cliff_of_32;
        let outcome = if blows_up { diverged(outcome) } else { outcome };
        let (kind, schedule, parameters) = if is_ramp {
            (Kind::RangeTest, "ramp-log", json!({"min_lr": 1e-4, "max_lr": 30.0}))
        } else {
            (Kind::Train, "1cycle", json!({"max_lr": asked.number("max-lr"), "variant": "smith"}))
        };
        let config = Config {
            batch_size,
            momentum: asked.number("momentum"),
            weight_decay: asked.number("weight-decay"),
            val_from_train: 0.2,
            ..config(kind, asked.seed(), iterations, schedule, parameters)
        };
        let metrics: Vec<Metrics> = (1..=iterations)
            .map(|step| if is_ramp { ramp(step, iterations) } else { training_step(step, iterations, 0.1) })
            .collect();
        // `add` takes a name below its own folder; the data's path is read by `start`.
        let name = folder.strip_prefix(self.runs.folder()).unwrap().display().to_string();
        self.runs.add(&name, "arm", config, &metrics, Some(outcome));
        let mut record = artifacts::run::read_run(folder).unwrap();
        record.data.path = self.runs.path("data.safetensors");
        artifacts::json::write(&folder.join(artifacts::run::RUN_FILE), &record).unwrap();
        fs::write(folder.join(artifacts::run::MODEL_FILE), b"weights").unwrap();
    }
}

fn diverged(outcome: ResultRecord) -> ResultRecord {
    ResultRecord { status: Status::Diverged, final_val_accuracy: None, final_val_loss: None, ..outcome }
}

fn json_probe(asked: &Asked) {
    let source = || Source { path: String::new(), sha256: String::new() };
    let noise = Noise { scale: Some(300.0), gradient_squared: 1.0, variance: 300.0, batch_size: 64, batches: 8 };
    let critical = Critical { lr: None, interval: None, batch_size: 64, batches: 1, evaluations: 10 };
    let probe = Probe {
        format: probe::FORMAT.to_owned(),
        net: "resnet8".to_owned(),
        batch_size: 64,
        optimizer: "sgd".to_owned(),
        momentum: 0.9,
        weight_decay: 1e-4,
        engine: "fast".to_owned(),
        tuning: String::new(),
        input: String::new(),
        seed: 1,
        data: source(),
        init: source(),
        loss: 1.0,
        noise,
        critical,
    };
    artifacts::json::write(Path::new(asked.text("out")), &probe).unwrap();
}

/// A ramp whose loss falls from 0.01 on and blows up past 3.
fn ramp(step: u64, steps: u64) -> Metrics {
    let lr = 1e-4 * 3e5f64.powf((step - 1) as f64 / (steps - 1) as f64);
    let up = 1.0 / (1.0 + (-5.0 * (lr.log10() + 1.5)).exp());
    let down = 1.0 / (1.0 + (8.0 * (lr.log10() - 0.5)).exp());
    let way = up * down;
    Metrics {
        iteration: step,
        epoch: step as f64 / 10.0,
        lr,
        momentum: 0.9,
        train_loss: Some(2.3 - 1.9 * way),
        train_accuracy: Some(0.1 + 0.8 * way),
        grad_norm: Some(1.0),
        val_loss: None,
        val_accuracy: None,
        ema_val_loss: None,
        ema_val_accuracy: None,
    }
}

#[test]
fn a_search_finds_what_is_best_in_its_world() {
    let mut world = World::new(1.0);
    let recipe = world.search("12000it");
    assert_eq!(recipe.training.batch_size, 64);
    assert_eq!((recipe.training.max_momentum, recipe.training.min_momentum), (Some(0.95), Some(0.85)));
    assert_eq!(recipe.training.weight_decay, 3e-4, "found by bisection: the grid has 1e-4 and 1e-3");
    let steps: Vec<&str> = recipe.decisions.iter().map(|decision| decision.step.as_str()).collect();
    assert_eq!(steps, ["batch-size", "momentum", "weight-decay", "rate", "cycle", "length"]);
    let decays: Vec<&str> = recipe.decisions[2].candidates.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(decays, ["0", "1e-9", "1e-6", "1e-5", "3e-5", "1e-4", "3e-4", "0.001", "0.01"]);
    assert!(recipe.decisions[0].reason.contains("noise scale at the end of its run is 300 images"));
    assert!(recipe.pytorch.contains("OneCycleLR(optimizer, max_lr="), "{}", recipe.pytorch);
    let iterations = recipe.training.iterations.unwrap();
    assert_eq!(recipe.training.step_size, Some(iterations * 9 / 20));

    // Short runs share their starts: a step's first round has one seed.
    let first = world.asked.iter().filter(|asked| asked.text("out").contains("/momentum/"));
    let seeds: Vec<u64> = first.map(Asked::seed).collect();
    assert_eq!(seeds, [1, 1, 1, 1, 1, 2, 2, 2], "all five, then the better half again");
    // Nothing that serves a choice may see the test set.
    for asked in world.asked.iter().filter(|asked| asked.program != "sc-probe") {
        assert!(asked.flags.contains_key("held-out-only") && asked.number("val-from-train") == 0.2);
    }
}

#[test]
fn batch_sizes_get_equal_time_not_equal_steps() {
    let mut world = World::new(1.0);
    let start = world.start("10m");
    world.step("batch-size", &start, &[]);
    let decided = recipe::read(Path::new(&world.runs.path("batch-size.json"))).unwrap();
    let seconds: Vec<f64> = decided.decisions[0]
        .candidates
        .iter()
        .map(|one| one.iterations as f64 * one.batch_size as f64 / one.images_per_second.unwrap())
        .collect();
    assert_eq!(seconds.len(), 4, "512 is more than a quarter of the data");
    let (least, most) = seconds.iter().fold((f64::INFINITY, 0.0f64), |(a, b), s| (a.min(*s), b.max(*s)));
    // A step of the largest batch is what the lengths are rounded by.
    assert!(most / least < 1.15, "{seconds:?}");
}

#[test]
fn a_budget_is_kept_on_a_machine_that_keeps_its_speed_and_on_one_that_does_not() {
    for (budget, slowness) in [("300s", 1.0), ("10m", 1.3), ("90s", 1.0), ("4000it", 1.0), ("600it", 1.0)] {
        let mut world = World::new(slowness);
        let recipe = world.search(budget);
        let (unit, batch) = (recipe.budget.unit, recipe.training.batch_size as f64);
        let steps = recipe.training.iterations.unwrap() as f64;
        let last = match unit {
            Unit::Images => steps * batch,
            Unit::Seconds => steps * batch * slowness / (100.0 * batch.sqrt()) + 0.2 * slowness,
        };
        let all = recipe.budget.spent.amount(unit) + last;
        assert!(all <= 1.03 * recipe.budget.limit, "{budget}: {all} of {}", recipe.budget.limit);
        if slowness == 1.0 && budget != "600it" {
            // The shortest length is a quarter of the longest: what it saves is not spent.
            assert!(all >= 0.6 * recipe.budget.limit, "{budget}: {all} of {}", recipe.budget.limit);
        }
        let counted: f64 = world
            .asked
            .iter()
            .filter(|asked| asked.program != "sc-probe")
            .map(|asked| asked.number("iterations") * asked.number("batch-size"))
            .sum();
        let probes = world.asked.iter().filter(|asked| asked.program == "sc-probe").count() as f64;
        let counted = counted + probes * (8.0 + 1.0 + 20.0 / 3.0) * 64.0 + 12.0 * 128.0;
        assert!((recipe.budget.spent.images - counted).abs() < 1.0, "{budget}: {counted}, {:?}", recipe.budget.spent);
    }
}

#[test]
fn a_small_budget_asks_fewer_questions() {
    let mut world = World::new(1.0);
    let recipe = world.search("400it");
    let skipped = recipe.decisions.iter().filter(|decision| decision.reason.contains("budget is too small")).count();
    assert!(skipped >= 2, "{:#?}", recipe.decisions);
    assert!(recipe.training.max_lr.is_some() && recipe.training.iterations.unwrap() > 24);
}

#[test]
fn a_step_that_was_stopped_goes_on_and_repeats_nothing() {
    let mut world = World::new(1.0);
    let start = world.start("4000it");
    let (work, _) = world.ask("momentum", &start, &[]);
    assert!(work.lines().count() == 1 && work.starts_with("sc-probe"), "first what lays the range test: {work}");
    world.answer(&Asked::parse(&work));
    let (work, _) = world.ask("momentum", &start, &[]);
    assert!(work.lines().count() == 1 && work.starts_with("sc-rangetest"), "then what gives the rate: {work}");
    world.answer(&Asked::parse(&work));
    let (work, _) = world.ask("momentum", &start, &[]);
    let lines: Vec<&str> = work.lines().collect();
    assert_eq!(lines.len(), 5, "{work}");
    // The names of runs are hashes of their flags: a search that an earlier version began goes on where it was.
    let name = Asked::parse(lines[0]).text("out").rsplit('/').next().unwrap().to_owned();
    assert_eq!(name, "0.8-seed1-16862c8e");
    for line in &lines[..2] {
        world.answer(&Asked::parse(line));
    }
    let (rest, _) = world.ask("momentum", &start, &[]);
    assert_eq!(rest.lines().collect::<Vec<_>>(), lines[2..]);

    // Another budget plans other lengths: what was run for this one is not taken for it.
    let other = world.start("5000it");
    assert_eq!(world.ask("momentum", &other, &[]).0.lines().count(), 1);
}

#[test]
fn commands_for_nobody_are_no_failure_and_those_for_a_full_disk_are() {
    let mut world = World::new(1.0);
    let start = world.start("4000it");
    let (folder, after) = (world.runs.path("momentum"), world.runs.path("momentum.json"));
    let next = |stdout: Stdio| {
        let flags = ["--recipe", &start, "--init", "init/seed%.safetensors", "--runs", &folder, "--out", &after];
        let mut command = Command::new(env!("CARGO_BIN_EXE_sc-search"));
        let child = command.args(["next", "momentum"]).args(flags).stdout(stdout).stderr(Stdio::piped()).spawn();
        child.unwrap().wait_with_output().unwrap()
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = next(writer.into());
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let output = next(fs::File::options().write(true).open("/dev/full").unwrap().into());
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("sc-search: standard output: cannot write: "), "{}", stderr(&output));
}

#[test]
fn a_start_needs_a_finished_run_with_validation_images_and_a_speed() {
    let world = World::new(1.0);
    let run = world.runs.training("1cycle", 60, 1, 1.0, 0.9);
    let out = world.runs.path("start.json");
    let start = || refuse(&["start", &run, "--budget", "90s", "--out", &out]);
    let change = |change: &dyn Fn(&mut artifacts::run::RunRecord)| {
        let mut record = artifacts::run::read_run(Path::new(&run)).unwrap();
        change(&mut record);
        artifacts::json::write(&Path::new(&run).join(artifacts::run::RUN_FILE), &record).unwrap();
    };
    change(&|record| record.val_images = 0);
    let said = start();
    assert!(said.contains("the run has no validation images") && said.contains("--validation-only"), "{said}");
    change(&|record| record.val_images = 128);
    fs::remove_file(Path::new(&run).join(artifacts::run::RESULT_FILE)).unwrap();
    assert!(start().contains("the run has not finished"));
    assert!(!Path::new(&out).exists());
}

#[test]
fn the_longest_training_is_kept_where_it_is_asked_for() {
    let mut world = World::new(1.0);
    let start = world.start("40000it");
    let shortest = recipe::read(Path::new(&world.step("length", &start, &[]))).unwrap();
    let longest = recipe::read(Path::new(&world.step("length", &start, &["--longest"]))).unwrap();
    let steps = |recipe: &Recipe| recipe.training.iterations.unwrap();
    assert!(steps(&shortest) < steps(&longest), "the world stops to improve: {:?}", shortest.decisions);
    assert!(shortest.decisions[0].reason.contains("is the shortest that ends within noise"));
}

#[test]
fn random_search_draws_from_its_ranges_and_keeps_the_budget() {
    let mut world = World::new(1.0);
    let streamlined = world.search("4000it");
    let last = streamlined.training.iterations.unwrap() * streamlined.training.batch_size as u64;
    let (start, like) = (world.runs.path("start.json"), world.runs.path("length.json"));
    world.asked.clear();
    let random = recipe::read(Path::new(&world.step("random", &start, &["--like", &like]))).unwrap();
    assert!(world.asked.len() >= 3, "{}", world.asked.len());
    for asked in &world.asked {
        assert!((1e-3..=10.0).contains(&asked.number("max-lr")));
        assert!((1e-9..=1e-2).contains(&asked.number("weight-decay")));
        assert!((0.8..=0.99).contains(&asked.number("momentum")));
        assert!(
            [32.0, 64.0, 128.0, 256.0].contains(&asked.number("batch-size")),
            "512 is more than a quarter of the data"
        );
    }
    let best = world.asked.iter().map(accuracy).fold(0.0, f64::max);
    let chosen = random.decisions[0].candidates.iter().find(|one| one.name == random.decisions[0].chosen).unwrap();
    assert_eq!(chosen.mean_val_accuracy, Some(best));
    assert!(random.budget.spent.images + last as f64 <= random.budget.limit);
}

/// The points that a random search of this seed tries.
fn draws(world: &mut World, like: &str, data: &str) -> Vec<String> {
    let start = world.runs.path("start.json");
    let mut recipe = recipe::read(Path::new(&start)).unwrap();
    data.clone_into(&mut recipe.setting.net);
    let changed = world.runs.path(&format!("{data}.json"));
    artifacts::json::write(Path::new(&changed), &recipe).unwrap();
    let arguments = ["next", "random", "--recipe", &changed, "--init", "init/seed%.safetensors", "--runs"];
    let (folder, out) = (world.runs.path(&format!("{data}-runs")), world.runs.path("never.json"));
    let output = search(&[&arguments[..], &[&folder, "--out", &out, "--like", like]].concat());
    let asked = stdout(&output);
    asked.lines().map(|line| Asked::parse(line).text("max-lr").to_owned()).collect()
}

#[test]
fn each_setting_draws_points_of_its_own() {
    let mut world = World::new(1.0);
    world.search("4000it");
    let like = world.runs.path("length.json");
    let (one, other) = (draws(&mut world, &like, "lenet"), draws(&mut world, &like, "shallow"));
    assert!(one.len() >= 3 && one.len() == other.len(), "{one:?} {other:?}");
    assert!(one.iter().all(|rate| !other.contains(rate)), "{one:?} {other:?}");
    assert_eq!(one, draws(&mut world, &like, "lenet"));
}

#[test]
fn draws_around_a_setting_keep_near_it_and_halve() {
    let mut world = World::new(1.0);
    let streamlined = world.search("4000it");
    let last = streamlined.training.iterations.unwrap() * streamlined.training.batch_size as u64;
    let (start, like) = (world.runs.path("start.json"), world.runs.path("length.json"));
    let given = world.step("rate", &start, &[]);
    let setting = recipe::read(Path::new(&given)).unwrap().training;
    world.asked.clear();
    let found = recipe::read(Path::new(&world.step("random-around", &given, &["--like", &like]))).unwrap();
    let rate = setting.max_lr.unwrap();
    for asked in &world.asked {
        assert!((rate / 4.01..=rate * 4.01).contains(&asked.number("max-lr")));
        assert!((0.7..=0.99).contains(&asked.number("momentum")));
    }
    let images = |asked: &Asked| asked.number("iterations") * asked.number("batch-size");
    let full = world.asked.iter().filter(|asked| images(asked) > 0.9 * last as f64).count();
    assert!(full >= 1 && world.asked.len() - full >= 4, "{full} of {}", world.asked.len());
    let first = &world.asked[0];
    assert_eq!((first.number("max-lr"), first.number("momentum")), (rate, setting.momentum), "the setting itself");
    let best = world.asked.iter().filter(|asked| images(asked) > 0.9 * last as f64).map(accuracy).fold(0.0, f64::max);
    let decision = found.decisions.last().unwrap();
    let chosen = decision.candidates.iter().find(|one| one.name == decision.chosen).unwrap();
    assert_eq!(chosen.mean_val_accuracy, Some(best));
    assert!(found.budget.spent.images + last as f64 <= found.budget.limit);
}

#[test]
fn a_grid_of_rates_and_no_search_at_all_spend_the_same_budget() {
    let mut world = World::new(1.0);
    let start = world.start("4000it");
    world.asked.clear();
    let grid = recipe::read(Path::new(&world.step("rate-grid", &start, &[]))).unwrap();
    let rates: Vec<f64> = world.asked.iter().map(|asked| asked.number("max-lr")).collect();
    assert_eq!(rates, [0.01, 0.03, 0.1, 0.3]);
    let spends = |recipe: &Recipe| {
        let last = recipe.training.iterations.unwrap() * recipe.training.batch_size as u64;
        (recipe.budget.spent.images + last as f64) / recipe.budget.limit
    };
    assert!((0.99..=1.0).contains(&spends(&grid)), "{}", spends(&grid));

    let given = world.step("rate", &start, &[]);
    let whole = recipe::read(Path::new(&world.step("whole", &given, &[]))).unwrap();
    assert!((0.99..=1.0).contains(&spends(&whole)), "{}", spends(&whole));
    assert!(whole.training.iterations > grid.training.iterations.map(|steps| 3 * steps));
}

#[test]
fn the_report_shows_every_decision() {
    let mut world = World::new(1.0);
    world.search("12000it");
    let (recipe, out) = (world.runs.path("length.json"), world.runs.path("report"));
    let read = recipe::read(Path::new(&recipe)).unwrap();
    let report = SearchReport::new("A search", read, Path::new(&recipe), Vec::new(), Vec::new()).unwrap();
    assert!(report.findings.iter().any(|finding| finding == "batch size: 64."), "{:?}", report.findings);
    report.write(Path::new(&out)).unwrap();
    let page = fs::read_to_string(Path::new(&out).join("index.html")).unwrap();
    for expected in
        ["Batch size: 64", "Momentum: 0.95-0.85", "Weight decay: 3e-4", "Highest rate: ", "What it cost", "In PyTorch:"]
    {
        assert!(page.contains(expected), "{expected} is missing");
    }
    for plot in ["batch-size-scores", "batch-size-ramps", "momentum-losses", "weight-decay-ramps", "length-scores"] {
        assert!(Path::new(&out).join(format!("{plot}.png")).exists(), "{plot}");
    }
    assert_eq!(page.matches("<script").count(), page.matches("</script>").count());
    assert!(
        page.contains("<script") && !page.contains("<script src"),
        "the page's own script, and none from elsewhere"
    );
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let mut world = World::new(1.0);
    let start = world.start("90s");
    let budget = ["start", &world.runs.path("calibration"), "--budget", "soon", "--out", &world.runs.path("x.json")]
        .map(str::to_owned);
    let message = refuse(&budget.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(message.contains("such as 90s, 10m or 1h") && message.contains("invalid value 'soon'"), "{message}");

    fs::write(world.runs.path("broken.json"), b"{}").unwrap();
    let (broken, folder, out) = (world.runs.path("broken.json"), world.runs.path("r"), world.runs.path("y.json"));
    let next = |recipe: &str, step: &str| {
        refuse(&["next", step, "--recipe", recipe, "--init", "i%", "--runs", &folder, "--out", &out])
    };
    assert!(next(&broken, "momentum").contains("broken.json: expected a recipe"));
    assert!(next(&start, "random").contains("needs a budget in steps"), "a random search needs a length");
    assert!(next(&start, "rate-grid").contains("needs a budget in steps"));
    assert!(next(&start, "whole").contains("no highest rate"));
    assert!(next(&start, "random-around").contains("no highest rate"));
    assert!(!Path::new(&out).exists());
}

#[test]
fn a_candidate_that_blows_up_is_tried_again_lower() {
    let mut world = World::new(1.0);
    world.cliff_of_32 = 0.2;
    let recipe = world.search("12000it");
    let first = &recipe.decisions[0];
    assert!(first.reason.contains("failed to train, and ran again at a lower one"), "{}", first.reason);
    let lowered = first.candidates.iter().find(|one| one.name == "32").unwrap();
    assert!(lowered.diverged == 0 && lowered.max_lr.unwrap() <= 0.2, "{lowered:?}");
    assert!(first.candidates.iter().all(|one| one.name == "32" || one.max_lr.unwrap() > 0.2), "{first:?}");
}
