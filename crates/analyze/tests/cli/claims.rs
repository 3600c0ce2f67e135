//! Claims held against made-up runs.

use std::fs;

use end_to_end::made_up::Runs;
use serde_json::Value;

use crate::{arguments, refuse, succeed};

const HEAD: &str = "# A title.\n#\n# question: Does it?\n# cost: small 1 minute\n#\n# claim: The cycle ends higher.\n#   published: +2\n#   holds if: \
                    1cycle > piecewise\n# claim: By ten points.\n#   published: +10\n#   holds if: 1cycle > piecewise + 10\n#   why: Because | of it.\n";

/// Two arms of three seeds and a grid; the cycle is 2 points above.
fn runs(runs: &Runs) -> Vec<String> {
    let seeds = (1..=3).flat_map(|seed| {
        let wobble = 0.001 * seed as f64;
        [
            runs.training("1cycle", 60, seed, 1.0, 0.90 + wobble),
            runs.training("piecewise", 120, seed, 0.2, 0.88 + 1.5 * wobble),
        ]
    });
    seeds.chain([runs.training("grid", 60, 101, 0.4, 0.99)]).collect()
}

struct Experiment {
    runs: Runs,
    folders: Vec<String>,
    file: String,
    page: String,
}

fn experiment(head: &str) -> Experiment {
    let runs = Runs::new();
    let folders = self::runs(&runs);
    let (file, page) = (runs.path("some.mk"), runs.path("claims.md"));
    fs::write(&file, head).unwrap();
    Experiment { runs, folders, file, page }
}

impl Experiment {
    fn arguments(&self) -> Vec<&str> {
        arguments("claims", &self.folders, &["--of", &self.file, "--scale", "small", "--out", &self.page])
    }
}

#[test]
fn a_claim_is_held_against_the_arms_seed_by_seed() {
    let experiment = experiment(HEAD);
    let said = succeed(&experiment.arguments());
    // By hand: differences 1.95, 1.9 and 1.85; their mean 1.9, standard deviation 0.05, and 4.303 of its errors either way.
    assert!(
        said.contains("holds: The cycle ends higher. (90.2 against 88.3: +1.9, 95% +1.8 to +2.0; 3 seeds)"),
        "{said}"
    );
    assert!(said.contains("holds not: By ten points. (90.2 against 98.3: -8.1, 95% -8.2 to -8.0; 3 seeds)"), "{said}");
    assert!(said.contains("some (small): resnet8 on digits, 1,280 training images, batch 128\n"), "{said}");
    assert!(said.contains("  1cycle     60     1             3      90.2 ± 0.1     99.0 ± 0.0\n"), "{said}");
    assert!(!said.contains("grid"), "rates are tried by it, nothing is claimed of it: {said}");

    let page = fs::read_to_string(&experiment.page).unwrap();
    assert!(page.contains("Of 2 claims 1 hold, 1 do not, 0 cannot be"), "{page}");
    assert!(page.contains("| some | The cycle ends higher. | +2 | small | 90.2 against 88.3: +1.9, 95% +1.8 to +2.0; 3 seeds | holds |"), "{page}");
    assert!(page.contains("- By ten points. **holds not**: Because | of it."), "{page}");
    let found: Value =
        serde_json::from_str(&fs::read_to_string(experiment.runs.path("claims/some-small.json")).unwrap()).unwrap();
    assert_eq!(found["claims"][0]["verdict"], "holds");
    assert!(fs::read_to_string(experiment.runs.path("claims/some-small.svg")).unwrap().contains("piecewise"));

    // From what was found the page is written anew, without runs.
    let again = experiment.runs.path("*.mk");
    fs::remove_file(&experiment.page).unwrap();
    succeed(&["claims", "--all", &again, "--out", &experiment.page]);
    assert_eq!(fs::read_to_string(&experiment.page).unwrap(), page);

    // What was found stays on the page while the file claims it, and no longer.
    fs::write(&experiment.file, HEAD.replace("1cycle > piecewise\n", "piecewise > 1cycle\n")).unwrap();
    let other = experiment.runs.path("other.mk");
    fs::write(&other, HEAD).unwrap();
    let all = experiment.runs.path("*.mk");
    let more = ["--of", &other, "--all", &all, "--scale", "small", "--out", &experiment.page];
    succeed(&arguments("claims", &experiment.folders, &more));
    let page = fs::read_to_string(&experiment.page).unwrap();
    assert!(page.contains("| some | The cycle ends higher. | +2 |  | cost: small 1 minute | not run yet |"), "{page}");
    assert!(
        page.contains("| some | By ten points. | +10 | small |")
            && page.contains("| other | The cycle ends higher. | +2 | small |"),
        "{page}"
    );
}

#[test]
fn what_cannot_be_held_against_the_runs_is_refused_with_file_and_line() {
    for (head, expected) in [
        (
            HEAD.replace("1cycle > piecewise\n", "1cycle > fixed\n"),
            "some.mk: line 6: `holds if`: no run is of arm fixed; there are 1cycle, piecewise",
        ),
        (
            HEAD.replace("1cycle > piecewise\n", "1cycle piecewise\n"),
            "some.mk: line 6: `holds if`: expected one of >, < and =",
        ),
        (
            HEAD.replace("1cycle > piecewise\n", "validation of 1cycle > 5\n"),
            "line 6: `holds if`: 1cycle has no validation accuracy",
        ),
        (HEAD.replace("#   published: +2\n", ""), "some.mk: line 6: the claim lacks `published:`"),
        ("rates := 1\n".to_owned(), "some.mk: line 1: the head lacks a title"),
    ] {
        let experiment = experiment(&head);
        let said = refuse(&experiment.arguments());
        assert!(said.contains(expected), "{said}");
        assert!(!fs::exists(&experiment.page).unwrap(), "nothing was written");
    }
    let experiment = experiment(HEAD);
    let out = experiment.runs.path("claims");
    let said = refuse(&arguments(
        "claims",
        &experiment.folders,
        &["--of", &experiment.file, "--scale", "small", "--out", &out],
    ));
    assert!(said.contains("expected a file that ends in .md"), "{said}");
}
