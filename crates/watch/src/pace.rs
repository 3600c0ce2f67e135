//! How long runs still take, out of how fast they go.

use std::collections::VecDeque;

use artifacts::metrics::Timing;

/// The speed of a run is that of its last so many seconds.
const WINDOW_SECONDS: f64 = 30.0;
/// Times that are kept for it at least, however far apart.
const FEWEST_TIMES: usize = 2;

/// The latest times of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    /// (step, seconds that the run had taken), in order.
    times: VecDeque<(u64, f64)>,
}

impl Pace {
    /// Adds the next time.
    pub(crate) fn push(&mut self, line: &Timing) {
        self.times.push_back((line.iteration, line.wall_seconds));
        let last = line.wall_seconds;
        while self.times.len() > FEWEST_TIMES && self.times[1].1 < last - WINDOW_SECONDS {
            self.times.pop_front();
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.times.clear();
    }

    /// Seconds that the run has taken.
    pub(crate) fn seconds(&self) -> Option<f64> {
        self.times.back().map(|time| time.1)
    }

    /// Steps a second; none where too little is known.
    pub(crate) fn steps_per_second(&self) -> Option<f64> {
        let (first, last) = (self.times.front()?, self.times.back()?);
        // One time alone: since the run began, its preparations included.
        let first = if first.0 < last.0 { *first } else { (0, 0.0) };
        let (steps, seconds) = (last.0.checked_sub(first.0)?, last.1 - first.1);
        (steps > 0 && seconds > 0.0).then(|| steps as f64 / seconds)
    }
}

/// What is known of a run when a whole study is reckoned.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    /// The run, by its name: what is alike is named alike.
    pub(crate) name: String,
    /// Whether it is being worked on.
    pub(crate) runs: bool,
    /// Steps done, and steps in all; none before it has begun.
    pub(crate) steps: Option<(u64, u64)>,
    /// Seconds that a step takes, where it is known.
    pub(crate) seconds_per_step: Option<f64>,
    /// Whether it is done.
    pub(crate) is_over: bool,
}

/// Time until all runs of a study are done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StudyLeft {
    /// Seconds, if as many runs go at once as now; of work alone where none does.
    pub(crate) seconds: f64,
    /// Whether some of them are reckoned by what runs of a similar name took.
    pub(crate) is_about: bool,
}

/// Time until all runs are done. None where all are, or where nothing is known of one that is not.
pub(crate) fn of_study(shares: &[Share]) -> Option<StudyLeft> {
    let open: Vec<&Share> = shares.iter().filter(|share| !share.is_over).collect();
    let at_once = open.iter().filter(|share| share.runs).count().max(1);
    let lefts = open.iter().map(|share| left(share, shares)).collect::<Option<Vec<_>>>()?;
    let (sum, longest) = lefts.iter().fold((0.0, 0.0f64), |(sum, longest), left| (sum + left.0, longest.max(left.0)));
    let seconds = (sum / at_once as f64).max(longest);
    (!open.is_empty()).then(|| StudyLeft { seconds, is_about: lefts.iter().any(|left| left.1) })
}

/// Seconds that a run still takes, and whether that is reckoned by other runs.
fn left(share: &Share, all: &[Share]) -> Option<(f64, bool)> {
    let own = || Some(share.steps.and_then(|(done, total)| total.checked_sub(done))? as f64 * share.seconds_per_step?);
    if let Some(seconds) = own() {
        return Some((seconds, false));
    }
    let alike = nearest(&share.name, all);
    let mean = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let per_step = mean(alike.iter().filter_map(|other| other.seconds_per_step).collect())?;
    let steps = match share.steps {
        Some((done, total)) => total.saturating_sub(done) as f64,
        None => mean(alike.iter().filter_map(|other| other.steps).map(|(_, total)| total as f64).collect())?,
    };
    Some((steps * per_step, true))
}

/// Of the runs whose speed is known, those whose name begins like `name` for longest.
fn nearest<'a>(name: &str, all: &'a [Share]) -> Vec<&'a Share> {
    let known = || all.iter().filter(|other| other.seconds_per_step.is_some() && other.steps.is_some());
    let in_common = |other: &Share| name.bytes().zip(other.name.bytes()).take_while(|(a, b)| a == b).count();
    let most = known().map(in_common).max().unwrap_or(0);
    known().filter(|other| in_common(other) == most).collect()
}

/// A time as a clock shows it: `0:07`, `12:34`, `3:04:05`, `2d 03:04`.
pub(crate) fn clock(seconds: f64) -> String {
    // Not a number, or centuries: the machine that wrote it was mistaken.
    if !(0.0..1e9).contains(&seconds) {
        return "?".to_owned();
    }
    let whole = seconds.round() as u64;
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{seconds:02}"),
        (0, _) => format!("{hours}:{minutes:02}:{seconds:02}"),
        _ => format!("{days}d {hours:02}:{minutes:02}"),
    }
}

/// How long ago something was, in one unit: `12s`, `5m`, `3h`, `2d`.
pub(crate) fn ago(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m", whole / 60),
        3600..86_400 => format!("{}h", whole / 3600),
        _ => format!("{}d", whole / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(times: &[(u64, f64)]) -> Pace {
        let mut pace = Pace::default();
        for (iteration, wall_seconds) in times {
            let line = Timing { iteration: *iteration, train_seconds: 0.0, wall_seconds: *wall_seconds, event: None };
            pace.push(&line);
        }
        pace
    }

    #[test]
    fn a_run_is_as_fast_as_it_was_lately() {
        assert_eq!(pace(&[]).steps_per_second(), None);
        assert_eq!(pace(&[(0, 1.0)]).steps_per_second(), None, "no step yet");
        assert_eq!(pace(&[(10, 2.0)]).steps_per_second(), Some(5.0));
        let slower: Vec<(u64, f64)> = (1..=200).map(|s| (if s <= 100 { 10 * s } else { 900 + s }, s as f64)).collect();
        assert_eq!(pace(&slower).steps_per_second(), Some(1.0));
        assert!(pace(&slower).times.len() < 40);
        // Steps that take minutes each.
        assert_eq!(pace(&[(1, 100.0), (2, 200.0), (3, 350.0)]).steps_per_second(), Some(1.0 / 150.0));
    }

    fn share(name: &str, runs: bool, steps: Option<(u64, u64)>, seconds_per_step: Option<f64>) -> Share {
        let is_over = steps.is_some_and(|(done, total)| done == total);
        Share { name: name.to_owned(), runs, steps, seconds_per_step, is_over }
    }

    #[test]
    fn a_study_takes_what_its_runs_take_divided_by_those_at_work() {
        let over = share("grid-it60-seed1", false, Some((60, 60)), Some(1.0));
        let one = share("grid-it60-seed2", true, Some((20, 60)), Some(1.0));
        let other = share("grid-it60-seed3", true, Some((0, 60)), Some(1.0));
        let left = |shares: &[Share]| of_study(shares).map(|left| (left.seconds, left.is_about));
        assert_eq!(left(std::slice::from_ref(&over)), None, "all are done");
        assert_eq!(left(&[over.clone(), one.clone()]), Some((40.0, false)));
        assert_eq!(left(&[one.clone(), other.clone()]), Some((60.0, false)), "no less than the longest");
        // Not begun: as the runs that are named alike, and not as the others.
        let long = share("grid-it240-seed1", false, Some((240, 240)), Some(2.0));
        let waiting = share("grid-it240-seed2", false, None, None);
        assert_eq!(left(&[over.clone(), long, waiting.clone(), one.clone()]), Some((520.0, true)));
        // Stopped before its first time was noted: its own steps, the speed of others.
        let stopped = share("grid-it60-seed4", false, Some((0, 30)), None);
        assert_eq!(left(&[over, stopped]), Some((30.0, true)));
        assert_eq!(left(&[waiting]), None, "nothing is known yet");
    }

    #[test]
    fn times_are_short() {
        let shown = [7.4, 754.0, 11045.0, 183_840.0, f64::NAN, -1.0].map(clock);
        assert_eq!(shown, ["0:07", "12:34", "3:04:05", "2d 03:04", "?", "?"]);
        assert_eq!([12.9, 300.0, 7200.0, 172_800.0].map(ago), ["12s", "5m", "2h", "2d"]);
    }
}
