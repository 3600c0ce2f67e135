//! The five commands of `docs/your-pictures.md`, as they stand there, on the tiny folder `data/shapes`.

use std::fs;
use std::process::Command;

use end_to_end::study::checkout;
use end_to_end::{programs, workspace};

/// The commands of a page: what is indented, but for the lines of a tree of files.
fn commands(page: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut continues = false;
    for line in page.lines().filter_map(|line| line.strip_prefix("    ")) {
        let (text, more) = line.strip_suffix('\\').map_or((line, false), |text| (text, true));
        if continues {
            commands.last_mut().unwrap().push_str(text);
        } else if line.starts_with("sc-") || line.starts_with("make ") {
            commands.push(text.to_owned());
        } else {
            continue;
        }
        continues = more;
    }
    commands
}

#[test]
fn the_five_commands_lead_from_a_folder_to_predictions() {
    let page = fs::read_to_string(workspace().join("docs/your-pictures.md")).unwrap();
    let commands = commands(&page);
    let starts = ["sc-prep ", "make rangetest ", "sc-train ", "sc-eval ", "sc-predict ", "sc-prep ", "sc-export "];
    assert_eq!(commands.len(), starts.len(), "{commands:#?}");
    let checkout = checkout();
    let folder = checkout.path();
    let data = workspace().join("data");
    for (command, start) in commands.iter().zip(starts) {
        assert!(command.starts_with(start), "{command}");
        // The pictures of this test, smaller than photographs, and shorter range tests.
        let command = command
            .replace("~/pictures", &data.join("shapes").display().to_string())
            .replace("~/new-pictures", &data.join("shapes-new").display().to_string())
            .replace("--size 64", "--size 24");
        let path = format!("{}:{}", programs().display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("bash");
        shell.args(["-euc", &command]).current_dir(folder).env("PATH", path);
        shell.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env("RANGE_ITERATIONS", "60").env("QUIET", "1");
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let exists = |name: &str| assert!(folder.join(name).exists(), "{name}");
    ["runs/mine/batch.png", "reports/mine/index.html", "mine.onnx"].into_iter().for_each(exists);
    // The net learnt: the new pictures, whose classes their names say, are mostly recognised.
    let predictions = fs::read_to_string(folder.join("predictions.csv")).unwrap();
    let lines: Vec<Vec<&str>> = predictions.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let right = lines.iter().filter(|cells| cells[0].rsplit('/').next().is_some_and(|name| name.starts_with(cells[1])));
    let right = right.count();
    assert!(lines.len() == 9 && right >= 6, "{right} right\n{predictions}");
}
