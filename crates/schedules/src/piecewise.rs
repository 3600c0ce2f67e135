//! Given rates for given numbers of steps, the usual baseline: PyTorch's `MultiStepLR`, and more general.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Result, require, require_bound};

/// A number of steps at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// Steps.
    pub iterations: u64,
    /// Their rate.
    pub lr: f64,
}

/// Pieces one after the other. They have to add up to the length of the run: where they do not, one of the two is a
/// mistake, and the schedule would not be the one that was meant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piecewise {
    /// The pieces, in order.
    pub pieces: Vec<Piece>,
}

impl Piecewise {
    /// Starts at `lr` and multiplies by `factor` at each of the given shares of the run; with `&[0.5, 0.75]` and `0.1` it is
    /// the baseline that 1cycle is compared with. A share is rounded to the nearest step; a piece without a step is left out.
    pub fn step_decay(lr: f64, iterations: u64, shares: &[f64], factor: f64) -> Self {
        let ends = shares.iter().map(|share| (share * iterations as f64).round() as u64).chain([iterations]);
        let mut pieces = Vec::new();
        let (mut start, mut lr) = (0, lr);
        for end in ends {
            if end > start {
                pieces.push(Piece { iterations: end - start, lr });
                start = end;
            }
            lr *= factor;
        }
        Self { pieces }
    }

    /// Steps of all pieces together.
    fn iterations(&self) -> u64 {
        self.pieces.iter().fold(0, |sum, piece| sum.saturating_add(piece.iterations))
    }

    pub(crate) fn validate(&self, iterations: u64) -> Result {
        for piece in &self.pieces {
            let Piece { iterations, lr } = piece;
            let found = format!("{iterations}:{lr}");
            require(*iterations > 0, "pieces", "pieces of at least 1 iteration", &found)?;
            require(*lr > 0.0 && lr.is_finite(), "pieces", "finite rates above 0", &found)?;
        }
        let sum = self.iterations();
        require_bound(sum == iterations, "pieces", "pieces that add up to", ("iterations", iterations), sum)
    }

    pub(crate) fn lr(&self, elapsed: u64) -> f64 {
        let mut end = 0u64;
        let current = self.pieces.iter().find(|piece| {
            end = end.saturating_add(piece.iterations);
            elapsed < end
        });
        current.or(self.pieces.last()).map_or(0.0, |piece| piece.lr)
    }
}

/// A text that is no list of pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsePiecesError {
    part: String,
}

impl fmt::Display for ParsePiecesError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "expected iterations:rate pairs such as 1000:0.1,100:0.01, found {:?}", self.part)
    }
}

impl std::error::Error for ParsePiecesError {}

impl FromStr for Piecewise {
    type Err = ParsePiecesError;

    /// Reads `iterations:rate` pairs separated by commas, such as `1000:0.1,100:0.01`.
    fn from_str(text: &str) -> std::result::Result<Self, ParsePiecesError> {
        let pieces = text.split(',').map(|part| piece(part).ok_or_else(|| ParsePiecesError { part: part.to_owned() }));
        Ok(Self { pieces: pieces.collect::<std::result::Result<_, _>>()? })
    }
}

fn piece(text: &str) -> Option<Piece> {
    let (iterations, lr) = text.split_once(':')?;
    Some(Piece { iterations: iterations.trim().parse().ok()?, lr: lr.trim().parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_one_another() {
        let schedule: Piecewise = "1000:0.1,100:0.01, 100:0.001,300:1e-4".parse().unwrap();
        assert_eq!(schedule.validate(1500), Ok(()));
        for (step, lr) in [
            (1, 0.1),
            (1000, 0.1),
            (1001, 0.01),
            (1100, 0.01),
            (1101, 0.001),
            (1200, 0.001),
            (1201, 0.0001),
            (1500, 0.0001),
        ] {
            assert_eq!(schedule.lr(step - 1), lr, "step {step}");
        }
    }

    #[test]
    fn the_baseline_drops_at_half_and_three_quarters() {
        for (iterations, lengths) in [(60, [30, 15, 15]), (10, [5, 3, 2]), (1001, [501, 250, 250])] {
            let schedule = Piecewise::step_decay(0.4, iterations, &[0.5, 0.75], 0.1);
            assert_eq!(schedule.pieces.iter().map(|piece| piece.iterations).collect::<Vec<_>>(), lengths);
            assert_eq!(schedule.validate(iterations), Ok(()));
            for (piece, expected) in schedule.pieces.iter().zip([0.4, 0.04, 0.004]) {
                assert!((piece.lr / expected - 1.0).abs() < 1e-15);
            }
        }
    }

    #[test]
    fn pieces_without_steps_are_left_out() {
        let schedule = Piecewise::step_decay(0.4, 1, &[0.5, 0.75], 0.1);
        assert_eq!(schedule.pieces, [Piece { iterations: 1, lr: 0.4 }]);
    }

    #[test]
    fn a_sum_that_differs_is_refused() {
        let schedule: Piecewise = "10:0.1,5:0.01".parse().unwrap();
        assert_eq!(schedule.validate(15), Ok(()));
        let message = schedule.validate(20).unwrap_err().to_string();
        assert_eq!(message, "pieces: expected pieces that add up to iterations (20), found 15");
    }

    #[test]
    fn unusable_pieces_are_refused() {
        for text in ["", "10", "10:", ":0.1", "10=0.1", "1e3:0.1", "-5:0.1", "10:0.1,"] {
            let message = text.parse::<Piecewise>().unwrap_err().to_string();
            assert!(message.starts_with("expected iterations:rate pairs"), "{message}");
        }
        for (text, part) in [("0:0.1,5:1", "at least 1 iteration, found 0:0.1"), ("5:0", "above 0, found 5:0")] {
            let message = text.parse::<Piecewise>().unwrap().validate(5).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        for text in ["5:-0.1", "5:nan", "5:inf"] {
            assert!(text.parse::<Piecewise>().unwrap().validate(5).is_err());
        }
    }
}
