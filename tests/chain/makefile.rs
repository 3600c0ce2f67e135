//! The front door: a study by `make`, a second time, and with a changed variable.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use artifacts::{correct, finished};
use end_to_end::study::{self, checkout};
use end_to_end::{programs, workspace};

pub(crate) fn make(folder: &Path, arguments: &[&str]) -> Output {
    study::make(folder, arguments).output().unwrap()
}

pub(crate) fn commands(folder: &Path, arguments: &[&str]) -> Vec<String> {
    let output = make(folder, &[&["-n"], arguments].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| line.contains("sc-") || line.contains("search-step")).map(str::to_owned).collect()
}

#[test]
fn a_study_settles_and_a_changed_variable_reruns_what_it_touches() {
    let checkout = checkout();
    let folder = checkout.path();
    let study = "superconvergence";
    let planned = commands(folder, &[study]);
    let count = |what: &str| planned.iter().filter(|line| line.contains("sc-") && line.contains(what)).count();
    assert_eq!((count("sc-rangetest "), count("--arm grid ")), (1, 3 * 2));
    let arms = ["1cycle", "linear", "piecewise", "customary"];
    assert_eq!(arms.map(|arm| count(&format!("--arm {arm} "))), [2 * 2, 2 * 2, 3 * 2, 2]);
    // What rates are chosen on is compared nowhere, and no arm reads the test set before its end.
    assert_eq!(planned.iter().filter(|line| line.contains("--arm grid ") && !line.contains("_seed101.")).count(), 0);
    let chooses = |line: &&String| line.contains("--arm grid ") || line.contains("sc-rangetest ");
    assert!(planned.iter().filter(chooses).all(|line| line.contains("--val-from-train 0.5 ")));

    // A training of one length is what the suggestion is for; of several it is for none.
    let asked_for = |planned: &[String]| planned.iter().find(|line| line.contains("suggest ")).cloned().unwrap();
    assert!(!asked_for(&planned).contains("--for-iterations"), "{planned:#?}");
    let of_one_length = commands(folder, &[study, "LENGTHS=12"]);
    assert!(asked_for(&of_one_length).contains(" --for-iterations 12 --out "), "{of_one_length:#?}");

    let output = make(folder, &["-j2", study]);
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("index.html"), "it ends by saying where the report lies:\n{text}");
    let name = "superconvergence_mnist5k-few_lenet_bs32";
    assert!(folder.join("reports").join(name).join("summary.parquet").exists());
    let (_, short) = text.split_once("\nIn short:\n").expect("it says what it found in short");
    let begins = [
        "1cycle at a highest rate of ",
        "A piecewise constant rate at the customary 0.01: ",
        "A piecewise constant rate, the best of a grid at each length: ",
        "A linear decay to zero from the rate of piecewise: ",
        "Steps spent in all, to find a rate and train once for 9 steps: 1cycle ",
        "report: ",
    ];
    let short: Vec<&str> = short.lines().collect();
    assert_eq!(short.len(), begins.len(), "{short:#?}");
    assert!(short.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{short:#?}");
    assert!(short[0].contains(" on 4,000 test images (mean and deviation of 2 seeds"), "{}", short[0]);
    assert_arms_can_be_compared(&folder.join("runs").join(name));

    assert_eq!(make(folder, &["-q", study]).status.code(), Some(0), "make -q: a second make has nothing to do");
    assert_eq!(commands(folder, &[study]), Vec::<String>::new());

    // Another length of the range test: range tests, what hangs on the suggestion, and the report; not the baseline.
    let changed = commands(folder, &[study, "RATE_STEPS=61"]);
    assert!(changed.iter().any(|line| line.contains("sc-rangetest ")));
    assert!(changed.iter().any(|line| line.contains("--schedule 1cycle")));
    assert!(!changed.iter().any(|line| line.contains("--schedule piecewise") || line.contains("--schedule poly")));

    // Another 1cycle: its runs and the report alone. What was measured before is moved aside.
    let rerun = make(folder, &[study, "VARIANT=torch"]);
    assert!(rerun.status.success(), "{}", String::from_utf8_lossy(&rerun.stderr));
    let aside = folder.join("runs").join(name).join("1cycle-it6-seed1.superseded-1/result.json");
    assert!(aside.exists());
    assert_eq!(make(folder, &["-q", study, "VARIANT=torch"]).status.code(), Some(0));
    assert_eq!(make(folder, &["-q", study]).status.code(), Some(1), "the variable is back at its old value");
}

/// The arms of a study: from the same weights seed by seed, on the same images, each with what it has right image by image.
fn assert_arms_can_be_compared(runs: &Path) {
    let arms = ["1cycle", "linear", "piecewise", "customary"];
    let (mut starts, mut images) = (std::collections::BTreeMap::new(), std::collections::BTreeSet::new());
    let mut compared = 0;
    for entry in fs::read_dir(runs).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        let run = finished::read(&entry.path()).unwrap().expect("it has finished");
        let (config, folder) = (&run.record.config, entry.path());
        if !arms.contains(&run.arm()) {
            assert!(config.seed > 100 && !folder.join(correct::FILE).exists(), "{}", folder.display());
            continue;
        }
        let start = starts.entry(config.seed).or_insert_with(|| run.record.init.sha256.clone());
        assert_eq!(*start, run.record.init.sha256, "{}: another start", folder.display());
        images.insert((run.record.data.sha256.clone(), run.record.train_images, run.record.val_images));
        let is_correct = correct::read(&folder.join(correct::FILE)).unwrap();
        let share = is_correct.iter().filter(|correct| **correct).count() as f64 / is_correct.len() as f64;
        assert_eq!((run.result.test_accuracy, is_correct.len()), (Some(share), 4000), "{}", folder.display());
        compared += 1;
    }
    assert_eq!((compared, starts.len()), (16, 2));
    assert_eq!(images.into_iter().map(|(_, train, val)| (train, val)).collect::<Vec<_>>(), [(500, 500)]);
}

/// Names and numbers that cannot be right: refused before anything runs, with the nearest right one.
#[test]
fn a_near_miss_is_answered_with_the_nearest_right_one() {
    let checkout = checkout();
    for (given, answer) in [
        ("NET=resnet57", "did you mean NET=resnet56?"),
        ("NET=ResNet56", "did you mean NET=resnet56?"),
        ("NET=", "NET=: no such net"),
        ("DATA=CIFAR10", "did you mean DATA=cifar10?"),
        ("DATA=mine", "Your own pictures need SOURCE=FOLDER besides"),
        ("BATCH=0", "BATCH=0: a number of images from 1 on is wanted"),
        ("BATCH=1e3", "BATCH=1e3: a number of images from 1 on is wanted"),
        ("BUDGET=10", "did you mean BUDGET=10m (minutes) or BUDGET=10it (steps)?"),
        ("BUDGET=10min", "a time or a number of steps is wanted"),
    ] {
        let output = make(checkout.path(), &["superconvergence", given]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{given}: {said}");
        assert!(said.contains(answer), "{given}: {said}");
    }
    for right in ["NET=bottleneck29", "DATA=mine SOURCE=pictures", "BATCH=1024", "BUDGET=1.5h", "BUDGET=5000it"] {
        let arguments: Vec<&str> = ["-n", "superconvergence"].into_iter().chain(right.split(' ')).collect();
        let output = make(checkout.path(), &arguments);
        assert!(output.status.success(), "{right}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The names that `make TARGET` lists under "Targets:" and "Variables, ...:", in their order.
fn listed(folder: &Path, target: &str) -> (Vec<String>, Vec<String>) {
    let output = make(folder, &[target]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    let (targets, variables) = text.split_once("\nVariables, with their values now:\n").unwrap();
    let entries = |part: &str| part.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect();
    (entries(targets), entries(variables))
}

#[test]
fn help_is_short_and_help_all_lists_everything_once() {
    let checkout = checkout();
    let first_words = |entries: &[String]| -> Vec<String> {
        entries.iter().map(|entry| entry.split([' ', '=']).next().unwrap().to_owned()).collect()
    };
    let (targets, variables) = listed(checkout.path(), "help");
    assert_eq!(
        first_words(&targets),
        ["superconvergence", "rangetest", "finetune", "streamline", "paper", "team", "programs", "test"]
    );
    assert_eq!(variables.len(), 12, "{variables:#?}");
    let batch = variables.iter().find(|entry| entry.starts_with("BATCH=32 ")).expect("with the value that it has now");
    assert!(batch.ends_with("images per step"), "{batch}");

    let (all_targets, all_variables) = listed(checkout.path(), "help-all");
    assert_eq!(all_targets[..8], targets[..]);
    assert_eq!(all_variables[..12], variables[..]);
    for (mut listed, pattern, least) in [(all_targets, ":", 25), (all_variables, " ?=", 40)] {
        let mut listed_names = first_words(&std::mem::take(&mut listed));
        let mut documented = documented(pattern);
        listed_names.sort();
        documented.sort();
        assert!(documented.len() >= least, "{documented:?}");
        assert_eq!(listed_names, documented, "each once");
    }
}

/// The names before `separator` in lines of the makefiles that end in a `##` comment.
fn documented(separator: &str) -> Vec<String> {
    let pipelines = fs::read_dir(workspace().join("pipelines")).unwrap().flatten().map(|entry| entry.path());
    let makefiles = pipelines.filter(|path| path.extension().is_some_and(|end| end == "mk"));
    let text: Vec<String> =
        makefiles.chain([workspace().join("Makefile")]).map(|path| fs::read_to_string(path).unwrap()).collect();
    let name = |line: &str| {
        let (name, _) = line.split_once(" ## ")?.0.split_once(separator)?;
        name.chars().all(|c| c.is_ascii_alphabetic() || c == '-' || c == '_').then(|| name.to_owned())
    };
    text.iter().flat_map(|text| text.lines()).filter_map(name).collect()
}

#[test]
fn cleaning_removes_what_was_built_and_nothing_that_was_measured() {
    let checkout = checkout();
    let folder = checkout.path();
    let result = "runs/study/run/result.json";
    let kept = [result, "reports/study/index.html", "init/net.safetensors", "data/own.safetensors"];
    for file in kept {
        fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
        fs::write(folder.join(file), "measured").unwrap();
    }
    assert!(make(folder, &["clean"]).status.success());
    assert!(!folder.join("target").exists());
    assert!(programs().join("sc-train").exists(), "what a link leads to is not ours to remove");
    for file in kept {
        assert!(folder.join(file).exists(), "{file} is gone");
    }

    let set_aside = || {
        let output = make(folder, &["clean-studies"]);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(set_aside(), "moved aside to superseded-1: init runs reports\n");
    for file in &kept[..3] {
        assert!(!folder.join(file).exists(), "{file} is still in the way");
        assert_eq!(fs::read(folder.join("superseded-1").join(file)).unwrap(), b"measured");
    }
    assert!(folder.join("data/own.safetensors").exists());
    assert!(set_aside().starts_with("nothing to move aside"));

    // A second time does not touch what was set aside first.
    fs::create_dir_all(folder.join("runs")).unwrap();
    assert_eq!(set_aside(), "moved aside to superseded-2: runs\n");
    assert!(folder.join("superseded-1").join(result).exists());
    let ignored = fs::read_to_string(workspace().join(".gitignore")).unwrap();
    assert!(ignored.contains("/superseded-*/"), "git does not see what was set aside");
}

#[test]
fn a_missing_driver_is_named_before_anything_is_built_for_it() {
    let need = |library: &str| {
        let script = workspace().join("pipelines/need-library");
        Command::new(script).args([library, "the test needs it"]).output().unwrap()
    };
    let missing = need("libnone.so.7");
    assert_eq!(missing.status.code(), Some(2));
    let message = "make: libnone.so.7 was not found; the test needs it\n  or pass DEVICE=cpu";
    assert!(String::from_utf8_lossy(&missing.stderr).starts_with(message));
    if need("libcuda.so.1").status.success() {
        return; // a machine with a driver: make would go on
    }
    let checkout = checkout();
    let output = make(checkout.path(), &["superconvergence", "DEVICE=cuda"]);
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("libcuda.so.1 was not found; DEVICE=cuda needs NVIDIA's driver"), "{errors}");
    assert!(!checkout.path().join("runs").exists(), "nothing was run");
    assert!(!checkout.path().join("target/cuda").exists(), "nothing was built");
}

/// How pictures are stored and seen is asked for by variables, of every stage that it matters to.
#[test]
fn pictures_are_stored_and_seen_as_variables_say() {
    let checkout = checkout();
    let shapes = format!("SOURCE={}", workspace().join("data/shapes").display());
    let asked = ["DATA=mine", &shapes, "SIZE=24", "KEEP=30", "FIT=pad", "AUGMENT=random-resized-crop"];
    let planned = commands(checkout.path(), &[&["rangetest"], &asked[..]].concat());
    let of = |planned: &[String], program: &str| -> Vec<String> {
        planned.iter().filter(|line| line.contains(&format!("/{program} "))).cloned().collect()
    };
    assert!(of(&planned, "sc-prep")[0].contains("--size 24 --fit pad --keep 30 "), "{planned:#?}");
    assert!(of(&planned, "sc-rangetest").iter().all(|line| line.contains("--augment random-resized-crop ")));
    assert!(!planned.iter().any(|line| line.contains("--train-size")), "the data file says it");
    let planned = commands(checkout.path(), &[&["rangetest", "TRAIN_SIZE=20"], &asked[..]].concat());
    for program in ["sc-init", "sc-probe", "sc-rangetest"] {
        let lines = of(&planned, program);
        assert!(
            !lines.is_empty() && lines.iter().all(|line| line.contains("--train-size 20 ")),
            "{program}: {planned:#?}"
        );
    }
}
