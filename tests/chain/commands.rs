//! The commands in the documents are ones that the programs and make take, and the README's recipes run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use end_to_end::study::{TINY, checkout};
use end_to_end::{command, programs, small_setting, succeed, workspace};
use image::{Rgb, RgbImage};

/// Documents with commands for users.
const DOCUMENTS: [&str; 3] = ["README.md", "docs", "pipelines"];

/// The commands of a document: lines of its code blocks, comments and prompts left out, those that go on joined; and code in its
/// text that begins with a program's name.
fn commands(text: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let (mut is_fenced, mut goes_on) = (false, false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
            continue;
        }
        if is_fenced || line.starts_with("    ") {
            let line = line.split(" # ").next().unwrap_or_default().trim().trim_start_matches("$ ");
            let (part, more) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
            match commands.last_mut().filter(|_| goes_on) {
                Some(last) => last.push_str(part),
                None => commands.push(part.to_owned()),
            }
            goes_on = more;
        }
    }
    // Code spans may go on in the next line.
    let prose: String = text.lines().filter(|line| !line.starts_with("    ")).flat_map(|line| [line, " "]).collect();
    commands.extend(prose.split('`').skip(1).step_by(2).map(str::to_owned));
    let simple = |command: &String| {
        command.split("&&").flat_map(|one| one.split('|')).map(|one| one.trim().to_owned()).collect()
    };
    let is_ours = |command: &String| command.starts_with("sc-") || command.starts_with("make ");
    commands.iter().flat_map(|command| -> Vec<String> { simple(command) }).filter(is_ours).collect()
}

fn documents() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in DOCUMENTS {
        let path = workspace().join(name);
        let mut files = vec![path.clone()];
        if path.is_dir() {
            files = fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()).collect();
        }
        for file in files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "md")) {
            found.push((file.display().to_string(), fs::read_to_string(&file).unwrap()));
        }
    }
    found
}

/// The flags that a program's help names; of a subcommand, where it has any.
fn flags_of(program: &str, subcommand: &str) -> Option<BTreeSet<String>> {
    let output = command(workspace(), program, &format!("{subcommand} --help")).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let flags =
        help.split(|letter: char| !(letter.is_alphanumeric() || letter == '-')).filter(|word| word.starts_with("--"));
    output.status.success().then(|| flags.map(str::to_owned).collect())
}

#[test]
fn every_flag_in_the_documents_is_one_that_the_program_takes() {
    let mut known: BTreeMap<(String, String), Option<BTreeSet<String>>> = BTreeMap::new();
    let mut checked = 0;
    for (document, text) in documents() {
        for line in commands(&text).iter().filter(|line| line.starts_with("sc-")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let program = words[0].to_owned();
            assert!(programs().join(&program).exists(), "{document}: {line}: there is no {program}");
            let has_commands = ["sc-analyze", "sc-export", "sc-search", "sc-prep"].contains(&words[0]);
            // `sc-prep --download`, in prose: of any of its commands.
            let any = if words[0] == "sc-prep" { "cifar10" } else { "" };
            let subcommand = words.get(1).filter(|word| has_commands && !word.starts_with('-')).copied().unwrap_or(any);
            let flags = known.entry((program.clone(), subcommand.to_owned()));
            let flags = flags.or_insert_with(|| flags_of(&program, subcommand));
            let flags = flags.as_ref().unwrap_or_else(|| panic!("{document}: {line}: {program} has no {subcommand}"));
            for flag in words.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
                let flag = flag.split(['=', '.', ',', ')', ';', '\'']).next().unwrap();
                assert!(flags.contains(flag), "{document}: {line}: {program} {subcommand} has no {flag}");
                checked += 1;
            }
        }
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn every_target_and_variable_in_the_documents_is_one_that_make_has() {
    let mut makefiles = fs::read_to_string(workspace().join("Makefile")).unwrap();
    for entry in fs::read_dir(workspace().join("pipelines")).unwrap().flatten() {
        if entry.path().extension().is_some_and(|end| end == "mk") {
            makefiles.push_str(&fs::read_to_string(entry.path()).unwrap());
        }
    }
    let mut checked = 0;
    for (document, text) in documents() {
        for line in commands(&text).iter().filter(|line| line.starts_with("make ")) {
            // What is quoted is one value.
            let unquoted: String = line.split('"').step_by(2).collect();
            for word in unquoted.split_whitespace().skip(1).filter(|word| !word.starts_with('-')) {
                let word = word.trim_matches(['[', ']']);
                let is_variable = word.contains('=');
                let name = word.split('=').next().unwrap();
                // `make NAME`, or the name of a file that make makes.
                if name.contains(['/', '.', '$', '(']) || (!is_variable && name.chars().all(char::is_uppercase)) {
                    continue;
                }
                let is_defined = makefiles.lines().any(|line| {
                    if is_variable {
                        line.starts_with(&format!("{name} ?=")) || line.starts_with(&format!("{name} :="))
                    } else {
                        line.starts_with(&format!("{name}:"))
                            || line.starts_with(&format!("{name} ")) && line.contains(':')
                    }
                });
                assert!(is_defined || ["SHELL", "CARGO"].contains(&name), "{document}: {line}: make has no {name}");
                checked += 1;
            }
        }
    }
    assert!(checked > 40, "{checked}");
}

/// Small pictures that are easily told apart.
fn pictures(folder: &Path) {
    for (class, place) in [("red", 0), ("green", 1), ("blue", 2)] {
        for (half, count) in [("train", 60), ("test", 8)] {
            let folder = folder.join(half).join(class);
            fs::create_dir_all(&folder).unwrap();
            for number in 0..count {
                let mut color = [40 + number * 37 % 50; 3];
                color[place] += 150;
                RgbImage::from_pixel(16, 16, Rgb(color)).save(folder.join(format!("{number}.png"))).unwrap();
            }
        }
    }
}

/// The commands of a section of the README, as one script.
fn script_of(section: &str) -> String {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let (_, text) = readme.split_once(&format!("\n### {section}\n")).unwrap_or_else(|| panic!("no section {section}"));
    let text = text.split("\n##").next().unwrap();
    text.lines().filter_map(|line| line.strip_prefix("    ")).flat_map(|line| [line, "\n"]).collect()
}

/// As they stand there, but for the size and the place of the programs.
#[test]
fn the_recipes_of_the_readme_run() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder.path().join("pictures"));
    let mut script = script_of("Find a learning rate") + &script_of("Train your pictures");
    let path = format!("export PATH={}:$PATH", programs().display());
    for (there, here) in [
        ("make programs && export PATH=$PWD/target/release:$PATH", path.as_str()),
        ("~/pictures --size 32", "pictures --size 16"),
        ("--net resnet20", "--net resnet8"),
        ("--iterations 300", "--iterations 24"),
        ("--iterations 1200", "--iterations 4"),
    ] {
        assert_eq!(script.matches(there).count(), 1, "{there:?} in\n{script}");
        script = script.replace(there, here);
    }
    let output = Command::new("bash").args(["-euc", &script]).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{said}");
    for made in ["suggestion.json", "runs/1cycle/model.safetensors", "reports/mine/index.html"] {
        assert!(folder.path().join(made).exists(), "{made}");
    }
    let page = fs::read_to_string(folder.path().join("reports/mine/index.html")).unwrap();
    assert!(page.contains("How well does 1cycle train? resnet8 on mine, batch 128: 4 steps."));
}

/// The lines of a document's code blocks that begin with `start`, those that go on joined.
fn block_lines(document: &str, start: &str) -> Vec<String> {
    let text = fs::read_to_string(workspace().join(document)).unwrap();
    let mut lines: Vec<String> = Vec::new();
    let (mut is_fenced, mut goes_on) = (false, false);
    for line in text.lines() {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
            continue;
        }
        let Some(line) = line.strip_prefix("    ").or(is_fenced.then_some(line)) else { continue };
        let (part, more) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        if goes_on {
            lines.last_mut().unwrap().push_str(part);
        } else if part.starts_with(start) {
            lines.push(part.to_owned());
        } else {
            continue;
        }
        goes_on = more;
    }
    lines
}

/// Runs with the names that the documents give them, and what else they speak of.
fn named_in_documents() -> tempfile::TempDir {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let shared = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet";
    let ramps =
        ["range-seed1", "rangetest-log-seed1", "range"].map(|name| (name, "--scale log --min-lr 1e-4 --max-lr 1"));
    for (name, scale) in ramps.into_iter().chain([("rangetest-linear-seed1", "--scale linear --min-lr 0 --max-lr 0.1")])
    {
        succeed(folder, "sc-rangetest", &format!("{shared} {scale} --iterations 40 --no-probe --out runs/{name}"));
    }
    for seed in [2, 3] {
        let ramp = format!("{shared} --scale log --min-lr 1e-4 --max-lr 1 --iterations 40 --no-probe --seed {seed}");
        succeed(folder, "sc-rangetest", &format!("{ramp} --out runs/range-seed{seed}"));
    }
    let train = "--schedule constant --lr 0.002 --iterations 6 --val-from-train 0.2 --val-every 2";
    succeed(folder, "sc-train", &format!("{shared} {train} --out runs/X"));
    // What any tool would have left of a range test.
    let metrics = fs::read_to_string(folder.join("runs/range/metrics.jsonl")).unwrap();
    let row = |line: &str| {
        let step: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{},{},{}", step["iteration"], step["lr"], step["train_loss"])
    };
    let rows: Vec<String> = metrics.lines().map(row).collect();
    fs::write(folder.join("curve.csv"), format!("iteration,lr,train_loss\n{}\n", rows.join("\n"))).unwrap();
    setting
}

/// A document, what its lines begin with, how many there are, and what the test has in other words.
type Documented = (&'static str, &'static str, usize, &'static [(&'static str, &'static str)]);

/// Commands of the documents beside the README's recipes, `docs/your-pictures.md` and `docs/pytorch.md`, which have tests of their
/// own. What other tools read, and Python, is `integrations/test_export.py`'s; what needs a GPU or a cluster has tests there.
#[test]
fn the_commands_of_the_documents_run() {
    let setting = named_in_documents();
    let folder = setting.path();
    let cases: [Documented; 7] = [
        ("docs/questions.md", "sc-", 2, &[]),
        ("docs/reading-a-range-test.md", "sc-", 3, &[]),
        ("docs/other-tools.md", "sc-", 1, &[]),
        ("docs/reliability.md", "sc-", 2, &[("sc-rangetest --replay runs/X", "sc-rangetest --replay runs/range")]),
        ("docs/watch.md", "sc-", 4, &[("runs/rangetest_mnist5k_resnet8_bs128 /mnt/big/runs/x", "runs/range runs/X")]),
        (
            "docs/streamline.md",
            "sc-",
            3,
            &[
                (
                    "sc-train ...",
                    "sc-train --data data.safetensors --init init.safetensors --schedule 1cycle --max-lr 1e-3 --iterations 12 --batch-size 16 --quiet",
                ),
                ("--budget 10m", "--budget 2000it"),
                ("init/net_seed%.safetensors", "init.safetensors"),
                ("--seeds 1,2", "--seeds 1"),
            ],
        ),
        ("docs/files.md", "jq ", 1, &[("runs/NAME", "runs/X")]),
    ];
    let path = format!("{}:{}", programs().display(), std::env::var("PATH").unwrap_or_default());
    let bash = |line: &str| {
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", line]).env("PATH", &path).current_dir(folder);
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for (document, start, count, words) in cases {
        let lines = block_lines(document, start);
        assert_eq!(lines.len(), count, "{document} has other commands than this test: {lines:#?}");
        if start == "jq " && Command::new("jq").arg("--version").output().is_err() {
            eprintln!("skipped: the lines of {document} for jq, which is not installed");
            continue;
        }
        for (there, _) in words {
            assert_eq!(lines.iter().filter(|line| line.contains(there)).count(), 1, "{document}: {there:?}");
        }
        for line in lines {
            let line = words.iter().fold(line, |line, (there, here)| line.replace(there, here));
            let said = bash(&line);
            let expected = match document {
                "docs/reliability.md" => "the same bits as runs/",
                "docs/watch.md" => " finished",
                "docs/files.md" => "[2,",
                _ => continue,
            };
            assert!(said.contains(expected), "{line}\n{said}");
        }
    }
    for made in ["suggestion.json", "events", "tables", "steps.parquet", "start.json"] {
        assert!(folder.join(made).exists(), "{made}");
    }
    // In prose.
    assert!(bash("sc-analyze suggest runs/range --json | jq .max_lr").trim().parse::<f64>().unwrap() > 0.0);
}

/// The loop of docs/cluster.md for whatever runs lines of shell, at the size of a test.
#[test]
fn what_make_lists_can_be_run_by_anything() {
    let checkout = checkout();
    let lines = block_lines("docs/cluster.md", "make ");
    let [listed, run] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(listed.starts_with("make -s commands STUDY="), "{listed}");
    let run = run.replace("STUDY=rangetest", &format!("STUDY=rangetest {}", quoted(&TINY))).replace("-P 8", "-P 2");
    let loop_ = format!(
        "while [ -n \"$(make -s commands STUDY=rangetest {})\" ]; do {run}; done; make -q rangetest {}",
        quoted(&TINY),
        quoted(&TINY)
    );
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &loop_]).current_dir(checkout.path());
    let output = shell.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").output().unwrap();
    assert!(output.status.success(), "{loop_}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(checkout.path().join("reports/rangetest_mnist5k_lenet_bs32/index.html").exists());
}

fn quoted(words: &[&str]) -> String {
    format!("'{}'", words.join("' '"))
}
