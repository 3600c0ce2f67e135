//! What the logits of an image say: how probable each class is, and in which order they come.

/// Softmax of an image's logits, in f64 by the libm crate: the same on every machine.
pub fn probabilities(logits: &[f32]) -> Vec<f64> {
    softmax(logits, 1.0)
}

/// As [`probabilities`], the logits divided by `temperature` first.
pub fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let scaled: Vec<f64> = logits.iter().map(|logit| f64::from(*logit) / temperature).collect();
    let max = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = scaled.iter().map(|logit| libm::exp(logit - max)).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|exponential| exponential / sum).collect()
}

/// Cross-entropy of an image's logits, divided by `temperature`, against its class, in nats.
pub fn cross_entropy(logits: &[f32], class: usize, temperature: f64) -> f64 {
    let scaled = |logit: f32| f64::from(logit) / temperature;
    let max = logits.iter().copied().map(scaled).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| libm::exp(scaled(*logit) - max)).sum();
    libm::log(sum) + max - scaled(logits[class])
}

/// The classes from the largest logit down. Of equals the first comes first, and what is not a number is the largest: so the
/// first is the class that an evaluation takes for the answer.
pub fn ranked(logits: &[f32]) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..logits.len()).collect();
    classes.sort_by(|a, b| {
        let (a, b) = (logits[*a], logits[*b]);
        b.partial_cmp(&a).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
    });
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_probabilities() {
        // By hand: the softmax of (0, 1, 2), and of half of it.
        for (temperature, expected) in [
            (1.0, [0.090_030_573_170_380_45, 0.244_728_471_054_797_64, 0.665_240_955_774_821_8]),
            (2.0, [0.186_323_723_225_847_56, 0.307_195_885_718_498_4, 0.506_480_391_055_654]),
        ] {
            for (found, expected) in softmax(&[0.0, 1.0, 2.0], temperature).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
        }
        assert_eq!(probabilities(&[1000.0, 0.0]), [1.0, 0.0]);
        assert_eq!(cross_entropy(&[1000.0, 0.0], 1, 1.0), 1000.0);
        assert!((cross_entropy(&[0.0, 1.0, 2.0], 2, 2.0) + libm::log(0.506_480_391_055_654)).abs() < 1e-12);
    }

    #[test]
    fn of_equals_the_first_comes_first() {
        assert_eq!(ranked(&[1.0, 3.0, 3.0, -0.0, 0.0]), [1, 2, 0, 3, 4]);
        assert_eq!(ranked(&[1.0, f32::NAN, 2.0]), [1, 2, 0]);
    }
}
