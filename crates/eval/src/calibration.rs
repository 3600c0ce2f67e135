//! Whether a net's confidence is how often it is right.

use learner::scores::{cross_entropy, ranked, softmax};

/// Bins of equal mass that confidence is looked at in, at most.
const BINS: usize = 15;

/// Images of a bin at least: of fewer, chance alone makes a share of right answers.
const IMAGES_OF_A_BIN: usize = 20;

/// As many bins as so many images fill.
pub fn bins_for(images: usize) -> usize {
    (images / IMAGES_OF_A_BIN).clamp(1, BINS)
}

/// Images of similar confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// How many there are.
    pub images: usize,
    /// Mean probability of their answers.
    pub confidence: f64,
    /// Share of right answers.
    pub accuracy: f64,
}

/// Confidence and whether the answer was right, of each image: in bins of as equal numbers of images as can be, from the
/// least confident up; at most `count` bins, none of them empty.
pub fn bins(images: &[(f64, bool)], count: usize) -> Vec<Bin> {
    let mut sorted = images.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let count = count.min(sorted.len());
    let bin = |number: usize| {
        let part = &sorted[number * sorted.len() / count..(number + 1) * sorted.len() / count];
        let n = part.len() as f64;
        Bin {
            images: part.len(),
            confidence: part.iter().map(|(confidence, _)| confidence).sum::<f64>() / n,
            accuracy: part.iter().filter(|(_, right)| *right).count() as f64 / n,
        }
    };
    (0..count).map(bin).collect()
}

/// Expected calibration error: the mean distance between confidence and accuracy, over images in their bins (M. P. Naeini et
/// al., "Obtaining well calibrated probabilities using Bayesian binning", 2015, with bins of equal mass).
pub fn expected_error(bins: &[Bin]) -> f64 {
    let all: usize = bins.iter().map(|bin| bin.images).sum();
    bins.iter().map(|bin| bin.images as f64 * (bin.confidence - bin.accuracy).abs()).sum::<f64>() / all as f64
}

/// Answer, whether it is right, and mean loss of logits [N, classes] at a temperature.
pub fn at_temperature(logits: &[f32], labels: &[u32], classes: usize, temperature: f64) -> (Vec<(f64, bool)>, f64) {
    let mut loss = 0.0;
    let image = |(logits, label): (&[f32], &u32)| {
        let answer = ranked(logits)[0];
        loss += cross_entropy(logits, *label as usize, temperature);
        (softmax(logits, temperature)[answer], answer == *label as usize)
    };
    let images: Vec<(f64, bool)> = logits.chunks_exact(classes).zip(labels).map(image).collect();
    let mean = loss / images.len() as f64;
    (images, mean)
}

/// Temperatures that are looked at.
const RANGE: (f64, f64) = (0.01, 100.0);

/// The temperature that the mean loss of logits [N, classes] is least at (C. Guo et al., "On calibration of modern neural
/// networks", 2017). None where no temperature of the range is: where every answer is right, the colder the better.
pub fn fit_temperature(logits: &[f32], labels: &[u32], classes: usize) -> Option<f64> {
    // The loss is convex in 1/T: its slope, the mean of E[z] - z of the label, changes its sign once.
    let slope = |temperature: f64| {
        let image = |(logits, label): (&[f32], &u32)| {
            let probabilities = softmax(logits, temperature);
            let mean: f64 = probabilities.iter().zip(logits).map(|(p, z)| p * f64::from(*z)).sum();
            mean - f64::from(logits[*label as usize])
        };
        logits.chunks_exact(classes).zip(labels).map(image).sum::<f64>()
    };
    let (mut low, mut high) = (RANGE.0.ln(), RANGE.1.ln());
    let is_too_cold = |log: f64| slope(log.exp()) > 0.0;
    if labels.is_empty() || !is_too_cold(low) || is_too_cold(high) {
        return None;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if is_too_cold(middle) { low = middle } else { high = middle }
    }
    Some((0.5 * (low + high)).exp())
}
