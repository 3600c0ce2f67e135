//! What a suggestion says, in sentences that are true of the curves it was read from.

use std::fmt::Write as _;

use artifacts::number::{percent, rate, round_up_125};
use artifacts::setting::Setting;
use artifacts::suggestion::Outcome;

use super::confidence::Basis;
use super::joint::{Joint, Vote};
use super::outcome::{COLLAPSED_BELOW, PLATEAU_FACTOR, PLATEAU_PROGRESS, RECOVERED_FROM, Reading, has_negative_loss};
use super::rule::{START_PROGRESS, Start};
use super::{Rates, Read};
use crate::curve::{Curve, Measure};
use crate::smooth::WINDOW_DECADES;

/// The least rate, of SGD, at which learning is a sign of super-convergence, and its absence one against it.
const SUPER_RATE: f64 = 1.0;
/// Factor in the highest rate's interval that is worth a sentence.
const WIDE_INTERVAL: f64 = 3.0;

/// An outcome as files spell it.
pub fn name_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Hill => "hill",
        Outcome::Plateau => "plateau",
        Outcome::CollapseAndRecovery => "collapse-and-recovery",
        Outcome::Divergence => "divergence",
        Outcome::NoLearning => "no-learning",
    }
}

fn value(measure: Measure, value: f64) -> String {
    if measure.is_loss() { format!("{value:.3}") } else { percent(value) }
}

/// What happened, of the first range test that shows it.
pub(super) fn outcome(reads: &[Read], outcome: Outcome) -> String {
    let Some(read) = reads.iter().find(|read| read.reading.outcome == outcome) else {
        return format!("{}.", name_of(outcome));
    };
    let reading = &read.reading;
    let highest = rate(read.curve.highest_rate());
    match outcome {
        Outcome::NoLearning => no_learning(reading, &highest),
        Outcome::Plateau => format!(
            "plateau: {}; between {} and {} at least {:.0}% of that gain are kept, {} at the highest rate, {highest}.",
            gain(reading),
            rate(reading.kept_from(PLATEAU_PROGRESS)),
            rate(reading.kept_until(PLATEAU_PROGRESS)),
            100.0 * PLATEAU_PROGRESS,
            left(reading)
        ),
        Outcome::Hill => format!(
            "hill: {}, and {} again: {:.0}% of that gain are left at {}, {} at the highest rate, {highest}.",
            gain(reading),
            if reading.measure.is_loss() { "rises" } else { "falls" },
            100.0 * PLATEAU_PROGRESS,
            rate(reading.kept_until(PLATEAU_PROGRESS)),
            left(reading)
        ),
        Outcome::CollapseAndRecovery => format!(
            "collapse-and-recovery: {}, loses all but {:.0}% of that gain from {} on, and comes back to {:.0}% or more.",
            gain(reading),
            100.0 * COLLAPSED_BELOW,
            reading.falls_at().map_or_else(|| "its top".to_owned(), rate),
            100.0 * RECOVERED_FROM
        ),
        Outcome::Divergence => divergence(read),
    }
}

/// "training loss falls from 2.3 to 1.1 at 0.05"
fn gain(reading: &Reading) -> String {
    let Reading { measure, curve, floor, best, .. } = reading;
    let (verb, peak) = if measure.is_loss() { ("falls", curve.argmin()) } else { ("rises", curve.argmax()) };
    format!(
        "{} {verb} from {} to {} at {}",
        measure.name(),
        value(*measure, *floor),
        value(*measure, *best),
        rate(curve.rate(peak))
    )
}

/// What is left of the gain at the end.
fn left(reading: &Reading) -> String {
    let last = reading.progress.value[reading.progress.len() - 1];
    if last < 0.005 { "nothing".to_owned() } else { format!("{:.0}%", 100.0 * last) }
}

fn no_learning(reading: &Reading, highest: &str) -> String {
    let Reading { measure, floor, best, .. } = reading;
    let is_better = if measure.is_loss() { best < floor } else { best > floor };
    let name = measure.name();
    if is_better {
        let (floor, best) = (value(*measure, *floor), value(*measure, *best));
        return format!(
            "no-learning: {name} gets from {floor} to {best} at most, up to rate {highest}, which its noise explains or which is too \
             little to count."
        );
    }
    format!(
        "no-learning: {name} gets no better than the {} it starts from, up to rate {highest}.",
        value(*measure, *floor)
    )
}

fn divergence(read: &Read) -> String {
    let reading = &read.reading;
    let mut clauses = Vec::new();
    match (read.mended.blow_up, read.curve.blown_from()) {
        (Some(blow_up), infinite) => {
            let mut clause = format!(
                "the {} grows manyfold from {} on, to {}",
                blow_up.measure.name(),
                rate(blow_up.rate),
                in_short(blow_up.highest)
            );
            if let Some(from) = infinite {
                let _ = write!(clause, ", and is no longer finite from {} on", rate(from));
            }
            clauses.push(clause);
        }
        (None, Some(from)) => clauses.push(format!("the loss is no longer finite from {} on", rate(from))),
        (None, None) => (),
    }
    if let Some(at) = reading.lost_at() {
        clauses.push(format!("half of that gain is lost at {}", rate(at)));
    }
    if clauses.is_empty() {
        return format!("divergence: {}.", gain(reading));
    }
    format!("divergence: {}; {}.", gain(reading), clauses.join(", and "))
}

/// A loss that may have any number of digits.
fn in_short(loss: f64) -> String {
    if loss < 1e6 { format!("{loss:.0}") } else { format!("{loss:.0e}") }
}

/// How the range tests stand to the one outcome.
pub(super) fn agreement(reads: &[Read], joint: &Joint) -> Vec<String> {
    if let [only] = reads {
        let mut sentences = vec!["one range test alone: other seeds would show how far the answer moves.".to_owned()];
        let rates = only.curve.series(only.reading.measure).len();
        if rates < 40 {
            sentences.push(format!("{} was measured at {rates} rates only.", only.reading.measure.name()));
        }
        return sentences;
    }
    let named = |vote: Vote| {
        let of_vote = reads.iter().zip(&joint.votes).filter(move |(_, own)| **own == vote);
        of_vote.map(|(read, _)| read).collect::<Vec<_>>()
    };
    let mut sentence = format!("{} of {} range tests agree", joint.agree(), reads.len());
    let sooner = named(Vote::EndsSooner);
    if !sooner.is_empty() {
        let highest = sooner.iter().map(|read| read.curve.highest_rate()).fold(0.0, f64::max);
        let ramps =
            if sooner.len() == 1 { "1 of them ends".to_owned() } else { format!("{} of them end", sooner.len()) };
        let _ = write!(sentence, ": {ramps} at {} or sooner, before the curve does", rate(highest));
    }
    let differ: Vec<String> = named(Vote::Differs)
        .into_iter()
        .map(|read| format!("{} reads {}", read.curve.source, name_of(read.reading.outcome)))
        .collect();
    if !differ.is_empty() {
        let _ = write!(sentence, "; {}", differ.join(", "));
    }
    vec![sentence + "."]
}

/// What was done to curves before they were read.
pub(super) fn repairs(reads: &[Read]) -> Vec<String> {
    let alone = reads.len() == 1;
    let mut sentences = Vec::new();
    for read in reads {
        let of = |note: &String| if alone { note.clone() } else { format!("{}: {note}", read.curve.source) };
        sentences.extend(read.mended.notes.iter().map(of));
        if has_negative_loss(&read.mended.curve) {
            sentences.push(of(
                &"the loss goes below 0: it is no cross-entropy, and was read by how far it falls from its \
                start, without logarithms."
                    .to_owned(),
            ));
        }
    }
    sentences
}

/// How sure the suggestion is.
pub(super) fn confidence(basis: Basis, range_tests: usize, confidence: f64) -> String {
    let rule = if basis.by_critical_rate { "with a critical rate" } else { "by the curve alone" };
    let like = match basis.spread {
        Some(spread) => format!("several range tests {rule} whose answers span a factor of {spread:.2}"),
        None if range_tests == 1 => format!("one range test of {:.0} rates {rule}", basis.steps),
        None => format!("range tests {rule}"),
    };
    format!(
        "confidence: of suggestions like this one ({like}), {:.0}% lay within 1 point of the best accuracy on the benchmark's \
         settings.",
        100.0 * confidence
    )
}

/// Where the lowest rate comes from.
pub(super) fn lowest(reads: &[Read], rates: &Rates) -> String {
    let name = reads.iter().find(|read| read.rates.is_some()).map_or("the curve", |read| read.reading.measure.name());
    let came = format!("{name} has made {:.0}% of its progress", 100.0 * START_PROGRESS);
    let lowest = rate(rates.min);
    let start = match rates.start {
        Start::Seen => format!("learning starts at {lowest}, where {came}"),
        Start::BeforeTheRamp => {
            format!(
                "at {lowest}, the lowest rate tried, {came} already: start the ramp lower to see where learning starts"
            )
        }
        Start::Unseen => format!("{lowest} is the lowest rate tried: the ramp does not show where learning starts"),
        Start::AboveHighest => {
            format!("the ramp shows learning above the highest rate only, {lowest}, which stands for both")
        }
    };
    let [third, fourth, tenth] = [3.0, 4.0, 10.0].map(|divisor| rate(rates.max / divisor));
    format!("lowest rate: {start}; Smith's bounds max/3, max/4 and max/10 are {third}, {fourth} and {tenth}.")
}

/// How far the highest rate moves under other constants and seeds.
pub(super) fn interval(rates: &Rates) -> Option<String> {
    let factor = rates.max_interval.high / rates.max_interval.low;
    (factor > WIDE_INTERVAL).then(|| {
        format!(
            "the highest rate is known to a factor of {factor:.1} only ({} to {}).",
            rate(rates.max_interval.low),
            rate(rates.max_interval.high)
        )
    })
}

/// Why there is a rate where no learning shows.
pub(super) fn unseen(reads: &[Read], basis: Basis) -> String {
    let ramps = if reads.len() == 1 { "the ramp is" } else { "the ramps are" };
    let rests = if basis.by_critical_rate { "the critical rate of the first step" } else { "where the loss rises" };
    format!("{ramps} too short or too noisy to show learning: the highest rate rests on {rests}.")
}

/// Why there is none.
pub(super) fn no_rate(curves: &[Curve]) -> String {
    let highest = curves.iter().map(Curve::highest_rate).fold(0.0, f64::max);
    format!(
        "no rate is suggested: nothing was learnt up to {}; test higher rates, more iterations, or another start.",
        rate(highest)
    )
}

/// What the judged rule lacks, where it did not answer.
pub(super) fn weaker_rule(curves: &[Curve], is_answered: bool) -> Option<String> {
    let is_known = |curve: &Curve| curve.critical_lr.is_some();
    if curves.iter().any(|curve| is_known(curve) && curve.has(Measure::TrainLoss)) {
        return None;
    }
    let measured = "sc-rangetest and integrations/superconv_lr.py measure it, --critical-lr gives it";
    Some(if curves.iter().any(is_known) {
        "the critical rate goes unused: the stronger rule reads the training loss of the steps beside it.".to_owned()
    } else if is_answered {
        format!(
            "this is the weaker rule, by the shape of the curve alone: the stronger one takes the critical rate of the first step ({measured})."
        )
    } else {
        format!("the critical rate of the first step would give an answer ({measured}).")
    })
}

/// Whether super-convergence is to be had: whether a net still learns at rates far above where small rates leave it. How the
/// curve ends is another question. Said of SGD alone: the scale of rates is another for adaptive steps.
pub(super) fn super_convergence(reads: &[Read], setting: &Setting) -> Option<String> {
    if !matches!(setting.optimizer.as_deref(), None | Some("sgd" | "nesterov")) {
        return None;
    }
    let learnt: Vec<&Reading> =
        reads.iter().map(|read| &read.reading).filter(|reading| reading.outcome != Outcome::NoLearning).collect();
    let top = |reading: &&Reading| (reading.kept_from(PLATEAU_PROGRESS), reading.kept_until(PLATEAU_PROGRESS));
    let widest = learnt.iter().map(top).max_by(|a, b| a.1.total_cmp(&b.1))?;
    let kept = format!(
        "at least {:.0}% of the gain are kept from {} to {}",
        100.0 * PLATEAU_PROGRESS,
        rate(widest.0),
        rate(widest.1)
    );
    // A linear ramp shows no small rates, and learns little while it passes the few it has.
    let is_far =
        widest.1 / widest.0 >= PLATEAU_FACTOR || reads.iter().all(|read| read.reading.outcome == Outcome::Plateau);
    if widest.1 >= SUPER_RATE && is_far {
        return Some(format!("super-convergence may be had: {kept}."));
    }
    let highest = reads.iter().map(|read| read.curve.highest_rate()).fold(0.0, f64::max);
    (widest.1 < SUPER_RATE && highest >= SUPER_RATE)
        .then(|| format!("no sign of super-convergence: {kept}; less weight decay may move that."))
}

/// Whether the ramp ended before its curve, and whether it did so while still improving.
pub(super) fn end_of_ramp(reads: &[Read]) -> Option<(String, bool)> {
    let rising: Vec<&Read> = reads.iter().filter(|read| read.reading.still_rising_at.is_some()).collect();
    if rising.len() * 2 > reads.len() {
        let highest = rising.iter().filter_map(|read| read.reading.still_rising_at).fold(0.0, f64::max);
        let verb = if rising.iter().all(|read| read.reading.measure.is_loss()) { "falling" } else { "rising" };
        let sentence = format!(
            "the ramp stopped too soon: still {verb} at the highest rate tried ({}); test up to {}.",
            rate(highest),
            rate(round_up_125(4.0 * highest))
        );
        return Some((sentence, true));
    }
    let open = |read: &Read| {
        let on_top = read.rates.as_ref().is_some_and(|rates| rates.max >= 0.99 * read.curve.highest_rate());
        read.reading.outcome == Outcome::Plateau && on_top
    };
    reads.iter().all(open).then(|| {
        let highest = reads.iter().map(|read| read.curve.highest_rate()).fold(0.0, f64::max);
        let sentence = format!(
            "the end of the plateau was not seen: rates above {} may do as well; test up to {}.",
            rate(highest),
            rate(round_up_125(2.0 * highest))
        );
        (sentence, false)
    })
}

/// Whether running statistics of batch norm may mislead the validation accuracy of a curve: not where they were re-estimated,
/// nor in a net without them.
fn statistics_may_lag(curve: &Curve) -> bool {
    let re_estimated = curve.conditions.iter().any(|(key, value)| *key == "bn_reestimate" && value != "0");
    let without = curve.setting.net.as_deref().is_some_and(|net| ["lenet", "shallow"].contains(&net));
    !re_estimated && !without
}

/// Where validation accuracy tells another story than the measure that was read.
pub(super) fn other_measures(reads: &[Read], outcome: Outcome) -> Option<String> {
    let others =
        reads.iter().filter(|read| read.reading.measure != Measure::ValAccuracy && read.reading.outcome == outcome);
    let (read, other) = others.into_iter().find_map(|read| {
        let other = Reading::of(&read.mended.curve, Measure::ValAccuracy, WINDOW_DECADES)?;
        let differs = ![outcome, Outcome::NoLearning].contains(&other.outcome);
        (differs && read.curve.has(Measure::ValAccuracy)).then_some((read, other))
    })?;
    let why =
        if statistics_may_lag(read.curve) { ": with batch norm, running statistics lag on short ramps" } else { "" };
    Some(format!(
        "validation accuracy alone would read {}, with its peak at {}{why}.",
        name_of(other.outcome),
        rate(other.curve.rate(other.curve.argmax()))
    ))
}

/// What to make of a second rise.
pub(super) fn recovery(reads: &[Read], outcome: Outcome) -> Option<String> {
    if outcome != Outcome::CollapseAndRecovery {
        return None;
    }
    let shows = |read: &&Read| read.reading.outcome == outcome;
    let lags = reads
        .iter()
        .filter(shows)
        .any(|read| read.reading.measure == Measure::ValAccuracy && statistics_may_lag(read.curve));
    let left_out = "the second rise is left out of the suggestion";
    Some(if lags {
        format!(
            "{left_out}: running statistics of batch norm can make one; look at the training loss and at re-estimated accuracy \
             (--bn-reestimate) there."
        )
    } else {
        format!("{left_out}: what learns again after a collapse has lost what it learnt before.")
    })
}
