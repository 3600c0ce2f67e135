//! What a claim compares: sums of arms and numbers, `end of running + 5 > best of other`.

use std::str::FromStr;

use super::measure::Measure;
use crate::Result;

/// One side of a comparison against the other.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparison {
    pub left: Sum,
    pub sign: Sign,
    pub right: Sum,
}

/// How the sides compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Above,
    Below,
    Equal,
}

/// Arms and a number, added and subtracted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sum {
    /// Each with 1 or -1.
    pub terms: Vec<(f64, Term)>,
    pub constant: f64,
}

/// A measure of an arm.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Term {
    pub measure: Measure,
    pub arm: String,
}

impl Comparison {
    /// All terms of both sides.
    pub(super) fn terms(&self) -> impl Iterator<Item = &Term> {
        self.left.terms.iter().chain(&self.right.terms).map(|(_, term)| term)
    }

    /// The two arms, where the claim is about the difference of their test accuracy.
    pub(super) fn plain_difference(&self) -> Option<[&Term; 2]> {
        let ([(1.0, ours)], [(1.0, theirs)]) = (&self.left.terms[..], &self.right.terms[..]) else { return None };
        let is_plain = ours.measure == Measure::Test && theirs.measure == Measure::Test;
        (is_plain && self.left.constant == self.right.constant).then_some([ours, theirs])
    }
}

impl Sum {
    /// Its value, of those of its terms.
    pub(super) fn value(&self, of: impl Fn(&Term) -> Result<f64>) -> Result<f64> {
        self.terms.iter().try_fold(self.constant, |sum, (factor, term)| Ok(sum + factor * of(term)?))
    }

    fn add(&mut self, factor: f64, part: &[&str]) -> Result<(), String> {
        let term = |measure, arm: &str| (factor, Term { measure, arm: arm.to_owned() });
        match part {
            [one] => match one.parse::<f64>() {
                Ok(number) => self.constant += factor * number,
                Err(_) => self.terms.push(term(Measure::Test, one)),
            },
            [measure, "of", arm] => self.terms.push(term(measure.parse()?, arm)),
            [] => return Err("expected an arm or a number on both sides of +, -, >, < and =".to_owned()),
            other => return Err(format!("expected `ARM`, `MEASURE of ARM` or a number, found {:?}", other.join(" "))),
        }
        Ok(())
    }
}

impl FromStr for Comparison {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let signs = [(">", Sign::Above), ("<", Sign::Below), ("=", Sign::Equal)];
        let sign_of = |word: &str| signs.iter().find(|(name, _)| *name == word).map(|(_, sign)| *sign);
        let places: Vec<usize> = (0..words.len()).filter(|at| sign_of(words[*at]).is_some()).collect();
        let [at] = places[..] else {
            return Err(format!("expected one of >, < and = between two sides, found {text:?}"));
        };
        let sign = sign_of(words[at]).unwrap_or(Sign::Equal);
        let comparison = Self { left: sum(&words[..at])?, sign, right: sum(&words[at + 1..])? };
        if comparison.terms().next().is_none() {
            return Err("expected an arm on one side".to_owned());
        }
        Ok(comparison)
    }
}

fn sum(words: &[&str]) -> Result<Sum, String> {
    let mut sum = Sum::default();
    let (mut factor, mut part) = (1.0, Vec::new());
    for word in words {
        if let Some(next) = [("+", 1.0), ("-", -1.0)].into_iter().find(|(sign, _)| sign == word) {
            sum.add(factor, &part)?;
            (factor, part) = (next.1, Vec::new());
        } else {
            part.push(*word);
        }
    }
    sum.add(factor, &part)?;
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Comparison {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The sides, where each arm is worth the length of its name.
    fn sides(text: &str) -> (f64, f64) {
        let comparison = parse(text);
        let length = |term: &Term| Ok(term.arm.len() as f64);
        (comparison.left.value(length).unwrap(), comparison.right.value(length).unwrap())
    }

    #[test]
    fn sums_of_arms_and_numbers_are_read() {
        assert_eq!(sides("a-b > decay-1e-4"), (3.0, 10.0));
        assert_eq!(sides("aaa - a = aa + 0.5 - b"), (2.0, 1.5));
        assert_eq!(sides("complete of theirs > 50"), (6.0, 50.0));
        let comparison = parse("rebound of a < b - end of c");
        let measures: Vec<Measure> = comparison.terms().map(|term| term.measure).collect();
        assert_eq!(measures, [Measure::Rebound, Measure::Test, Measure::End]);
        assert_eq!(comparison.sign, Sign::Below);
    }

    #[test]
    fn a_plain_difference_is_of_the_test_accuracy_of_two_arms() {
        let is_plain = |text: &str| parse(text).plain_difference().is_some();
        assert!(is_plain("a > b") && is_plain("a = b"));
        assert!(!is_plain("a > 5") && !is_plain("a - b > c - d") && !is_plain("train of a > b"));
        assert!(!is_plain("a > b - 5"), "its interval is another one's, shifted");
    }

    #[test]
    fn what_is_no_comparison_is_refused() {
        for (text, expected) in [
            ("a b", "expected one of >, < and = between two sides"),
            ("a > b > c", "expected one of >, < and = between two sides"),
            ("1 > 2", "expected an arm on one side"),
            ("a >", "expected an arm or a number on both sides of"),
            ("speed of a > b", "speed is no measure; there are test, train"),
            ("a b > c", "found \"a b\""),
        ] {
            let error = text.parse::<Comparison>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
