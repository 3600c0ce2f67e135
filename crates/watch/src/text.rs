//! All runs as plain text: for pipes and scripts, and as what stays on the terminal at the end.

use artifacts::number::{loss, rate};

use crate::pace::{StudyLeft, clock};
use crate::run::State;
use crate::watcher::{Seen, Snapshot};

/// A number that is not known.
const NOTHING: &str = "-";
/// Heads of the columns; the first two are set to the left, the others to the right.
const HEADS: [&str; 11] =
    ["run", "state", "step", "rate", "loss", "accuracy", "validation", "test", "images/s", "took", "left"];
const LEFT_COLUMNS: usize = 2;

/// The whole state, a line each.
pub(crate) fn lines(snapshot: &Snapshot) -> Vec<String> {
    let mut lines = vec![headline(snapshot)];
    if !snapshot.runs.is_empty() {
        lines.push(String::new());
        lines.extend(table(&snapshot.runs));
    }
    let answers = snapshot.runs.iter().filter_map(|run| Some((run, run.answer.as_ref()?)));
    let answers: Vec<String> = answers.map(|(run, answer)| format!("{}: {}", run.name, answer.in_words())).collect();
    let faults = snapshot.runs.iter().filter_map(|run| Some(format!("{}: {}", run.name, run.fault.as_ref()?)));
    let faults: Vec<String> = faults.chain(snapshot.faults.iter().cloned()).collect();
    for (head, part) in [("range tests, each by itself:", answers), ("cannot be read:", faults)] {
        if !part.is_empty() {
            lines.extend([String::new(), head.to_owned()]);
            lines.extend(part.into_iter().map(|line| format!("  {}", one_line(&line))));
        }
    }
    lines
}

/// Where the runs are, how many there are of each state, and how long they still take.
pub(crate) fn headline(snapshot: &Snapshot) -> String {
    let place = if snapshot.place.is_empty() { "." } else { &snapshot.place };
    format!("{place}: {}", counts(snapshot))
}

/// How many runs there are of each state, and how long they still take.
pub(crate) fn counts(snapshot: &Snapshot) -> String {
    let all = snapshot.runs.len();
    if all == 0 {
        return "no runs yet".to_owned();
    }
    let mut states: Vec<(&str, usize)> = Vec::new();
    for run in &snapshot.runs {
        let word = in_a_word(run.state);
        match states.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => states.push((word, 1)),
        }
    }
    states.sort_by_key(|(word, _)| ORDER.iter().position(|known| known == word));
    let states: Vec<String> = states.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let left = snapshot.left.map_or_else(String::new, |left| format!("; {}", left_in_words(snapshot, left)));
    format!("{all} run{}: {}{left}", if all == 1 { "" } else { "s" }, states.join(", "))
}

/// The states in the order in which they are counted.
const ORDER: [&str; 8] = ["running", "starting", "waiting", "silent", "stopped", "unreadable", "diverged", "finished"];

fn in_a_word(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Unreadable => "unreadable",
        State::Starting => "starting",
        State::Running => "running",
        State::Silent(_) => "silent",
        State::Stopped => "stopped",
        State::Finished => "finished",
        State::Diverged => "diverged",
    }
}

fn left_in_words(snapshot: &Snapshot, left: StudyLeft) -> String {
    let about = if left.is_about { "about " } else { "" };
    let works = snapshot.runs.iter().any(|run| run.state.is_in_progress());
    format!("{about}{} {}", clock(left.seconds), if works { "left" } else { "of work left, and nothing runs" })
}

/// The runs as a table, its columns as wide as they need to be.
fn table(runs: &[Seen]) -> Vec<String> {
    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.extend(runs.iter().map(row));
    // What no run has is left out.
    let is_used = |column: &usize| rows[1..].iter().any(|row| row[*column] != NOTHING);
    let columns: Vec<usize> = (0..HEADS.len()).filter(is_used).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = columns.iter().map(|column| width(*column)).collect();
    let line = |row: &[String; HEADS.len()]| {
        let cells = columns.iter().zip(&widths).map(|(column, width)| match column {
            0..LEFT_COLUMNS => format!("{:width$}", row[*column]),
            _ => format!("{:>width$}", row[*column]),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn row(run: &Seen) -> [String; HEADS.len()] {
    let or_nothing = |cell: Option<String>| cell.unwrap_or_else(|| NOTHING.to_owned());
    let latest = &run.latest;
    [
        one_line(&run.name),
        run.state.in_words(),
        or_nothing(steps(run)),
        or_nothing(latest.lr.map(rate)),
        or_nothing(train_loss(run)),
        or_nothing(latest.train_accuracy.map(percent)),
        or_nothing(latest.val_accuracy.map(percent)),
        or_nothing(run.test_accuracy.map(percent)),
        or_nothing(run.images_per_second.map(|speed| format!("{speed:.0}"))),
        or_nothing(run.seconds.map(clock)),
        or_nothing(run.left.map(clock)),
    ]
}

/// Steps made, of those asked for.
pub(crate) fn steps(run: &Seen) -> Option<String> {
    run.iterations().map(|total| format!("{}/{total}", run.latest.iteration))
}

/// The loss of the latest step, if there is one.
pub(crate) fn train_loss(run: &Seen) -> Option<String> {
    (run.latest.iteration > 0).then(|| run.latest.train_loss.map_or_else(|| "inf".to_owned(), loss))
}

/// A fraction in percent, without the sign.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:.1}", 100.0 * fraction)
}

/// What files say may hold characters that a terminal acts on.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use artifacts::metrics::{FILE, LineWriter, Metrics};
    use artifacts::run::{RESULT_FILE, RUN_FILE};
    use end_to_end::made_up::Runs;

    use super::*;
    use crate::watcher::{Asked, Watcher};

    fn text(runs: &Runs, named: &[&str], wait: bool) -> Vec<String> {
        let paths = named.iter().map(|name| runs.folder().join(name)).collect();
        lines(&Watcher::new(&Asked { paths, wait, superseded: false }).look(&BTreeSet::new(), None))
    }

    #[test]
    fn every_run_is_a_line_of_words_without_gaps() {
        let runs = Runs::new();
        runs.range_test("range", 1, |_| ());
        let stopped = runs.training("1cycle", 60, 1, 0.5, 0.912);
        fs::remove_file(format!("{stopped}/{RESULT_FILE}")).unwrap();
        LineWriter::open::<Metrics>(format!("{stopped}/{FILE}").as_ref(), 20).unwrap().flush().unwrap();
        fs::write(format!("{stopped}/.lock"), format!("sc-train 0, process 4000000000 on {}", host())).unwrap();
        let old = fs::File::options().append(true).open(format!("{stopped}/{FILE}")).unwrap();
        let past = std::time::SystemTime::now() - std::time::Duration::from_mins(1);
        for name in [FILE, RUN_FILE] {
            fs::File::options().append(true).open(format!("{stopped}/{name}")).unwrap().set_modified(past).unwrap();
        }
        drop(old);
        let lines = text(&runs, &["", "later"], true);
        let place = runs.folder().display().to_string();
        assert_eq!(
            lines[0],
            format!("{place}: 3 runs: 1 waiting, 1 stopped, 1 finished; about 0:02 of work left, and nothing runs")
        );
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
        assert_eq!(words(&lines[2]), "run state step rate loss accuracy validation images/s took");
        assert_eq!(words(&lines[3]), "1cycle-it60-lr0.5-seed1 stopped 20/60 0.5 0.846 100.0 - - -");
        assert_eq!(words(&lines[4]), "later waiting - - - - - - -");
        assert_eq!(words(&lines[5]), "range finished 100/100 10 0.387 88.7 80.0 1000 0:02");
        assert_eq!(lines[7], "range tests, each by itself:");
        assert!(lines[8].starts_with("  range: plateau: rates from "), "{}", lines[8]);
        assert_eq!(lines.len(), 9);
    }

    fn host() -> String {
        crate::holder::host().unwrap()
    }

    #[test]
    fn what_cannot_be_read_is_said_and_no_name_acts_on_the_terminal() {
        let runs = Runs::new();
        let folder = runs.folder().join("evil\u{1b}[2J\nrun");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(RUN_FILE), "{}").unwrap();
        let lines = text(&runs, &[""], false);
        assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("evil?[2J?run: ") && line.contains("run.json")), "{lines:?}");
    }

    #[test]
    fn no_runs_are_no_table() {
        let runs = Runs::new();
        assert_eq!(text(&runs, &[""], false), ["no runs yet"].map(|words| format!(".: {words}")));
    }
}
