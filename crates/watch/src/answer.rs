//! What the rule for rates answers to a range test, as far as it has gone.

use std::time::{Duration, Instant};

use artifacts::metrics::{self, Metrics};
use artifacts::number::rate;
use artifacts::run::RunRecord;
use reading::{curve, suggest};

use crate::tail::{News, Tail};

/// Between two answers to a range test in progress; the rule reads the whole curve each time.
const BETWEEN_ANSWERS: Duration = Duration::from_secs(2);
/// An answer takes no more than one in so many parts of the time.
const SHARE: u32 = 20;

/// What the rule says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// Nothing yet, with the reason.
    NotYet(String),
    /// What happened along the curve, and the rates that it suggests.
    Read {
        /// `plateau`, `hill`, ...
        outcome: &'static str,
        /// Lowest and highest useful rate; none where none is suggested.
        rates: Option<(f64, f64)>,
        /// How sure it is, from 0 to 1.
        confidence: f64,
        /// Sentences that say why.
        reasons: Vec<String>,
    },
}

impl Answer {
    /// In one line.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::NotYet(reason) => format!("no answer yet: {reason}"),
            Self::Read { outcome, rates: Some((low, high)), confidence, .. } => {
                format!("{outcome}: rates from {} to {}, confidence {confidence}", rate(*low), rate(*high))
            }
            Self::Read { outcome, rates: None, confidence, .. } => {
                format!("{outcome}: no rate is suggested, confidence {confidence}")
            }
        }
    }

    /// In a cell of a table.
    pub(crate) fn in_short(&self) -> String {
        match self {
            Self::NotYet(_) => "-".to_owned(),
            Self::Read { outcome, rates: Some((low, high)), .. } => {
                format!("{outcome} {} to {}", rate(*low), rate(*high))
            }
            Self::Read { outcome, rates: None, .. } => (*outcome).to_owned(),
        }
    }

    /// Lowest and highest useful rate.
    pub(crate) fn rates(&self) -> Option<(f64, f64)> {
        match self {
            Self::Read { rates, .. } => *rates,
            Self::NotYet(_) => None,
        }
    }
}

/// Follows one range test, and asks the rule when there is something new.
#[derive(Debug)]
pub(crate) struct Asker {
    tail: Tail,
    lines: Vec<Metrics>,
    /// Whether there are lines that the rule has not seen.
    is_new: bool,
    next: Option<Instant>,
    answer: Option<Answer>,
    /// The last answer has been given, and the lines are forgotten.
    is_final: bool,
}

impl Asker {
    /// Of the range test in `folder`.
    pub(crate) fn new(folder: &std::path::Path) -> Self {
        let tail = Tail::whole(folder.join(metrics::FILE));
        Self { tail, lines: Vec::new(), is_new: true, next: None, answer: None, is_final: false }
    }

    /// The latest answer.
    pub(crate) fn answer(&self) -> Option<&Answer> {
        self.answer.as_ref()
    }

    /// Whether the rule has said all it will say.
    pub(crate) fn is_final(&self) -> bool {
        self.is_final
    }

    /// Reads on, and asks the rule if all is read and it is time. Returns how many bytes there are still to read.
    pub(crate) fn go_on(&mut self, record: &RunRecord, is_over: bool) -> std::io::Result<u64> {
        if self.is_final {
            return Ok(0);
        }
        let left = self.tail.read::<Metrics>(|news| match news {
            News::Again => {
                self.lines.clear();
                self.is_new = true;
            }
            News::Line(line) => {
                self.lines.push(line);
                self.is_new = true;
            }
        })?;
        let begun = Instant::now();
        if left > 0 || !is_over && (!self.is_new || self.next.is_some_and(|next| begun < next)) {
            return Ok(left);
        }
        if self.is_new || self.answer.is_none() {
            self.answer = Some(ask(record, &self.lines));
            self.is_new = false;
            self.next = Some(begun + BETWEEN_ANSWERS.max(begun.elapsed() * SHARE));
        }
        if is_over {
            self.is_final = true;
            self.lines = Vec::new();
        }
        Ok(0)
    }
}

/// What `sc-analyze suggest` answers to this range test alone.
fn ask(record: &RunRecord, lines: &[Metrics]) -> Answer {
    let curve = curve::run::of(record, lines);
    match suggest::suggest(std::slice::from_ref(&curve)) {
        Ok(suggestion) => Answer::Read {
            outcome: suggest::name_of(suggestion.outcome),
            rates: suggestion.min_lr.zip(suggestion.max_lr),
            confidence: suggestion.confidence,
            reasons: suggestion.reasons.into_iter().map(|reason| reason.sentence).collect(),
        },
        Err(error) => {
            // The message begins with the run, which is known here.
            let message = error.to_string();
            let prefix = format!("{}: ", record.name);
            Answer::NotYet(message.strip_prefix(&prefix).unwrap_or(&message).to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use artifacts::metrics::LineWriter;
    use end_to_end::made_up::{Runs, ramp_step};

    use super::*;

    #[test]
    fn the_answer_is_that_of_the_analysis_and_comes_again_with_new_steps() {
        let runs = Runs::new();
        let folder = std::path::PathBuf::from(runs.range_test("x", 1, |_| ()));
        let (record, path) = (artifacts::run::read_run(&folder).unwrap(), folder.join(metrics::FILE));
        let whole = suggest::suggest(&[curve::run::read(&folder).unwrap().0]).unwrap();
        let mut writer = LineWriter::open::<Metrics>(&path, 5).unwrap();
        writer.flush().unwrap();

        let mut asker = Asker::new(&folder);
        asker.go_on(&record, false).unwrap();
        let words = asker.answer().unwrap().in_words();
        assert_eq!(words, "no answer yet: 5 rates above 0 are too few: a curve needs at least 12");
        (6..=100).for_each(|step| writer.append(&ramp_step(step, 1)).unwrap());
        writer.flush().unwrap();
        asker.go_on(&record, false).unwrap();
        assert_eq!(asker.answer().unwrap().in_words(), words, "not so soon again");
        asker.go_on(&record, true).unwrap();
        let Some(Answer::Read { outcome, rates, confidence, reasons }) = asker.answer().cloned() else {
            panic!("{:?}", asker.answer());
        };
        assert_eq!((outcome, rates), (suggest::name_of(whole.outcome), whole.min_lr.zip(whole.max_lr)));
        assert_eq!((confidence, reasons.len()), (whole.confidence, whole.reasons.len()));
        assert!(asker.is_final() && asker.lines.is_empty() && rates.is_some());
    }

    #[test]
    fn an_answer_is_said_in_words_and_in_short() {
        let read = |rates| Answer::Read { outcome: "hill", rates, confidence: 0.72, reasons: Vec::new() };
        let with = read(Some((0.0052, 0.239)));
        assert_eq!(with.in_words(), "hill: rates from 0.0052 to 0.239, confidence 0.72");
        assert_eq!(with.in_short(), "hill 0.0052 to 0.239");
        assert_eq!(read(None).in_words(), "hill: no rate is suggested, confidence 0.72");
    }
}
