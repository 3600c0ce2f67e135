//! The documents say what is there: their links lead somewhere, the code map names symbols that exist, and figures are those
//! that their commands print.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use end_to_end::{succeed, workspace};

/// Every document of the project, with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> =
        ["docs", "crates", "tests", "data", "pipelines"].map(|name| workspace().join(name)).into();
    let add = |path: PathBuf, found: &mut Vec<(PathBuf, String)>| {
        if path.extension().is_some_and(|end| end == "md") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    };
    for entry in fs::read_dir(workspace()).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        add(entry.path(), &mut found);
    }
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else {
                add(entry.path(), &mut found);
            }
        }
    }
    assert!(found.len() > 12, "{}", found.len());
    found
}

#[test]
fn every_link_leads_somewhere() {
    for (path, text) in documents() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap();
            if target.contains("://") || file.is_empty() {
                continue;
            }
            assert!(path.parent().unwrap().join(file).exists(), "{}: {target}", path.display());
        }
    }
}

#[test]
fn the_code_map_names_what_is_there() {
    let text = fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let (_, map) = text.split_once("\n## Code map\n").unwrap();
    let map = map.split("\n## ").next().unwrap();
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let mut symbols = 0;
    for part in map.split("\n### ").skip(1) {
        let folder = workspace().join(quoted(part.lines().next().unwrap()).first().unwrap());
        for row in part.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.split('|').collect();
            let read = |file: &String| {
                fs::read_to_string(folder.join(file))
                    .unwrap_or_else(|error| panic!("{}/{file}: {error}", folder.display()))
            };
            let code: String = quoted(cells[1]).iter().map(read).collect();
            for symbol in quoted(cells[2]) {
                let is_defined = ["fn", "struct", "enum", "trait", "type"].iter().any(|kind| {
                    let definition = format!("{kind} {symbol}");
                    code.match_indices(&definition).any(|(at, _)| {
                        !code[at + definition.len()..].starts_with(|next: char| next.is_alphanumeric() || next == '_')
                    })
                });
                assert!(is_defined, "{}: {symbol} is not defined in {}", folder.display(), cells[1]);
                symbols += 1;
            }
        }
    }
    assert!(symbols > 60, "{symbols}");
}

#[test]
fn paths_in_the_text_exist() {
    for name in ["README.md", "ARCHITECTURE.md"] {
        let text = fs::read_to_string(workspace().join(name)).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            let is_path = ["crates/", "tests/", "pipelines/", "docs/"].iter().any(|folder| word.starts_with(folder));
            if is_path && !word.contains([' ', '*', '{']) {
                assert!(workspace().join(word).exists(), "{name}: {word}");
            }
        }
    }
}

#[test]
fn the_page_on_random_search_says_what_its_command_prints() {
    let results = workspace().join("docs/results");
    let settings = "mnist5k:lenet mnist5k:resnet8 cifar5k:shallow cifar5k:resnet8";
    let mut awk = Command::new("awk");
    awk.args(["-v", &format!("names={settings}"), "-v", "arms=streamlined random", "-v", "each=2"]);
    awk.args(["-f", "pipelines/versus-random.awk"]);
    let output = awk.arg(results.join("streamline-vs-random.csv")).current_dir(workspace()).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("| random | 7 of 8 | +2.7 | 2.0 | 0.07 | 0.24 |"), "{printed}");
    let page = fs::read_to_string(results.join("streamline-vs-random.md")).unwrap();
    for line in printed.lines() {
        assert!(page.contains(line), "the page lacks {line:?}");
    }
}

#[test]
fn the_page_on_the_rule_says_what_the_new_judges_found() {
    let flags = "docs/results/rule-judges --claims --fitted-on docs/results/rule-bench";
    let printed = succeed(workspace(), "rule-bench", flags);
    let page = fs::read_to_string(workspace().join("docs/the-rule.md")).unwrap();
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for (figure, sentence) in [
        ("judging, 18 settings: 2.54;", "On K it is 2.54"),
        ("noisy means 2.34, 95% interval 1.04 to 4.22;", "(corrected 2.34, 95% interval 1.0 to 4.2)"),
        ("the errors at the best rate 9%", "9% of the errors at the best rate"),
        ("| superconv | around33 |  | 2.54 | 13.9 (S66) |", "| **ours** | around33 | | 2.54 | 13.9 (S66) |"),
        ("| superconv | around15 |  | 2.57 | 13.9 (S66) |", "| ours | around15 | | 2.57 | 13.9 (S66) |"),
        ("| plateau_end | around33 | times 0.35 | 3.29 | 12.9 (S65) |", "| 3.29 | 12.9 (S65) |"),
        ("| accuracy_peak | around33 | times 0.62 | 3.87 | 14.1 (S65) |", "| 3.87 | 14.1 (S65) |"),
        (
            "| superconv | ramp50 |  | 3.96 | 26.5 (S65) |",
            "| ours, by the curve alone | ramp50 | | 3.96 | 26.5 (S65) |",
        ),
        ("| minimum_over_10 | ramp50 | times 5.10 | 4.23 | 16.7 (S65) |", "| 4.23 | 16.7 (S65) |"),
        ("| critical_rate_by_momentum | probe |  | 6.30 | 48.5 (S66) |", "| 6.30 | 48.5 (S66) |"),
        ("| a table of five constants | none | all five | 12.69 | 63.7 (S65) |", "| 12.69 | 63.7 (S65) |"),
    ] {
        assert!(printed.contains(figure), "{figure:?} is not in\n{printed}");
        assert!(page.contains(sentence), "the page lacks {sentence:?}");
    }
}

#[test]
fn the_page_on_the_rule_says_what_its_command_prints() {
    let printed = succeed(workspace(), "rule-bench", "docs/results/rule-bench --claims");
    let page = fs::read_to_string(workspace().join("docs/the-rule.md")).unwrap();
    let page_in_one_line = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for (figure, sentence) in [
        ("judging, 13 settings: 1.29;", "is 1.29 points in the judging settings, 1.15 in all 51"),
        ("noisy means 1.19, 95% interval 0.50 to 2.06;", "means 1.19 (95% interval 0.5 to 2.1"),
        ("noisy means 1.06, 95% interval 0.75 to 1.40;", "and 1.06 (0.75 to 1.4)"),
        ("worst 4.58 (S47)", "in hindsight it is not (4.6)"),
        ("the middle of three range tests 1.05;", "which `make rangetest` takes, loses 1.05"),
        ("over a factor of 1.3 to 55, median 2.8", "over a factor of 1.3 to 55, in the median 2.8"),
        ("1.37 on the judging settings", "give 1.37 in hindsight on J"),
        ("the table 4.01, b (one factor fitted) 2.41", "the table loses 4.0, b 2.4"),
        ("the rule (one factor fitted) 1.58", "and the rule 1.6"),
        ("the present rule, 51 settings: 1.05;", "regret is 1.05, where the third rule has 1.12"),
    ] {
        assert!(printed.contains(figure), "{figure:?} is not in\n{printed}");
        assert!(page_in_one_line.contains(sentence), "the page lacks {sentence:?}");
    }
    // The table of the page has the command's figures for every rule on the kind of range test that it shows.
    let shown = [
        "superconv | around33",
        "superconv | around15",
        "critical_rate_by_momentum | probe",
        "critical_rate | probe",
        "loss_minimum | around33",
        "steepest_by_index | around33",
        "accuracy_peak | ramp50",
        "steepest | around33",
        "minimum_over_10 | ramp50",
        "valley | around33",
        "plateau_end | ramp50",
        "slide | ramp50",
        "steep | around33",
    ];
    let (_, table) = page.split_once("| rule | range test | mean regret | hindsight regret |").unwrap();
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), shown.len());
    for (row, rule) in rows.iter().zip(shown) {
        let line = printed.lines().find(|line| line.starts_with(&format!("| {rule} |"))).unwrap();
        let cells: Vec<&str> = line.split(" | ").collect();
        let (mean, worst) = (cells[2].split(' ').next().unwrap(), cells[3]);
        assert!(row.contains(mean) && row.contains(worst), "{row}\nlacks {mean} or {worst}");
    }
}
