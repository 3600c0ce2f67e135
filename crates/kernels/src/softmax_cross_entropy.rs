//! Softmax and cross-entropy in one: loss, hits and the gradient of the logits.
//!
//! In f64, by the libm crate's exponential and logarithm, which are the same on every machine.

#![allow(unsafe_code)]

use crate::disjoint::{Disjoint, for_each_chunk};
use crate::graph::Loss;
use crate::threads::Threads;

/// Images of a task.
const CHUNK: usize = 16;

/// What a batch of logits scores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Score {
    /// Sum of the images' cross-entropies, in nats.
    pub(crate) loss_sum: f64,
    /// Images whose largest logit is their class.
    pub(crate) correct: usize,
}

/// Softmax cross-entropy over `classes`, with memory for one number an image.
pub(crate) struct SoftmaxCrossEntropy {
    classes: usize,
    /// What the gradient is of.
    loss: Loss,
    losses: Vec<f64>,
}

impl SoftmaxCrossEntropy {
    /// For batches of up to `batch_size` images.
    pub(crate) fn new(classes: usize, batch_size: usize, loss: &Loss) -> Self {
        Self { classes, loss: loss.clone(), losses: vec![0.0; batch_size] }
    }

    /// Scores logits [N, classes] against labels `[N]`.
    pub(crate) fn score(&mut self, threads: &Threads, logits: &[f32], labels: &[u32]) -> Score {
        let classes = self.classes;
        self.each(threads, labels, |image, label| cross_entropy(&logits[image * classes..][..classes], label));
        self.sum(logits, labels)
    }

    /// Scores logits, and turns them into the gradient of the loss, in place. Of the plain one: (softmax - one-hot) / N.
    pub(crate) fn score_and_backward(&mut self, threads: &Threads, logits: &mut [f32], labels: &[u32]) -> Score {
        if !self.loss.is_plain() {
            return self.score_and_follow(threads, logits, labels);
        }
        let classes = self.classes;
        let correct = count_correct(logits, labels, classes);
        let scale = 1.0 / labels.len() as f64;
        let rows = Disjoint::new(logits);
        self.each(threads, labels, |image, label| {
            // SAFETY: an image belongs to one task.
            let row = unsafe { rows.chunk(image, classes) };
            let loss = cross_entropy(row, label);
            let log_sum = loss + f64::from(row[label]);
            for (class, value) in row.iter_mut().enumerate() {
                let probability = libm::exp(f64::from(*value) - log_sum);
                let target = if class == label { 1.0 } else { 0.0 };
                *value = ((probability - target) * scale) as f32;
            }
            loss
        });
        Score { loss_sum: self.losses[..labels.len()].iter().sum(), correct }
    }

    /// The same for a loss with options. With the weight w of each class, the smoothing e and C classes, the gradient of the
    /// logits z of an image of class y is `(sum(t) softmax(z) - t) / sum(w of the labels)`, where `t[c]` is
    /// `w[c] (e / C + (1 - e) [c = y])`.
    fn score_and_follow(&mut self, threads: &Threads, logits: &mut [f32], labels: &[u32]) -> Score {
        let (classes, loss) = (self.classes, self.loss.clone());
        let correct = count_correct(logits, labels, classes);
        let (every, own) = loss.shares(classes);
        let all = every * (0..classes).map(|class| loss.weight(class)).sum::<f64>();
        let scale = 1.0 / loss.divisor(labels);
        let rows = Disjoint::new(logits);
        self.each(threads, labels, |image, label| {
            // SAFETY: an image belongs to one task.
            let row = unsafe { rows.chunk(image, classes) };
            let plain = cross_entropy(row, label);
            let log_sum = plain + f64::from(row[label]);
            let total = all + own * loss.weight(label);
            for (class, value) in row.iter_mut().enumerate() {
                let probability = libm::exp(f64::from(*value) - log_sum);
                let share = every + if class == label { own } else { 0.0 };
                *value = ((total * probability - loss.weight(class) * share) * scale) as f32;
            }
            plain
        });
        Score { loss_sum: self.losses[..labels.len()].iter().sum(), correct }
    }

    /// Sets each image's loss.
    fn each(&mut self, threads: &Threads, labels: &[u32], loss: impl Fn(usize, usize) -> f64 + Sync) {
        for_each_chunk(threads, &mut self.losses[..labels.len()], CHUNK, |task, losses| {
            for (i, slot) in losses.iter_mut().enumerate() {
                let image = task * CHUNK + i;
                *slot = loss(image, labels[image] as usize);
            }
        });
    }

    fn sum(&self, logits: &[f32], labels: &[u32]) -> Score {
        let loss_sum = self.losses[..labels.len()].iter().sum();
        Score { loss_sum, correct: count_correct(logits, labels, self.classes) }
    }
}

/// -log softmax(row)[label].
fn cross_entropy(row: &[f32], label: usize) -> f64 {
    let max = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = row.iter().map(|&v| libm::exp(f64::from(v) - max)).sum();
    libm::log(sum) + max - f64::from(row[label])
}

/// How often the largest of a row's numbers, the first of equals, is at the row's label.
pub(crate) fn count_correct(logits: &[f32], labels: &[u32], classes: usize) -> usize {
    largest_of_rows(logits, classes).zip(labels).filter(|(found, label)| found == *label).count()
}

/// The position of the largest number of each row, the first of equals.
pub(crate) fn largest_of_rows(logits: &[f32], classes: usize) -> impl Iterator<Item = u32> {
    logits.chunks_exact(classes.max(1)).map(|row| largest(row) as u32)
}

/// Position of the largest number, the first of equals; what is not a number is the largest, as in PyTorch.
fn largest(row: &[f32]) -> usize {
    let beats = |new: f32, old: f32| new > old || (new.is_nan() && !old.is_nan());
    (1..row.len()).fold(0, |best, i| if beats(row[i], row[best]) { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(logits: &[f32], labels: &[u32]) -> (Score, Vec<f32>) {
        let threads = Threads::new(1).unwrap();
        let mut softmax = SoftmaxCrossEntropy::new(logits.len() / labels.len(), labels.len(), &Loss::default());
        let mut gradient = logits.to_vec();
        let score = softmax.score_and_backward(&threads, &mut gradient, labels);
        let alone = softmax.score(&threads, logits, labels);
        assert_eq!(alone.correct, score.correct);
        assert_eq!(alone.loss_sum.to_bits(), score.loss_sum.to_bits());
        (score, gradient)
    }

    #[test]
    fn known_values() {
        // By hand: log(1 + e^-1 + e^-2) and the softmax of (0, 1, 2).
        let (score, gradient) = score(&[0.0, 1.0, 2.0, 5.0, 5.0, 5.0], &[2, 1]);
        assert!((score.loss_sum - (0.407_605_964_444_380_1 + 3f64.ln())).abs() < 1e-12);
        assert_eq!(score.correct, 1, "of equal logits the first counts");
        let expected = [0.045_015_287, 0.122_364_24, -0.167_379_52, 1.0 / 6.0, -1.0 / 3.0, 1.0 / 6.0];
        for (found, expected) in gradient.iter().zip(expected) {
            assert!((found - expected as f32).abs() < 1e-7, "{found} {expected}");
        }
    }

    #[test]
    fn gradient_is_the_slope_of_the_mean_loss() {
        let logits = [0.3, -1.2, 2.0, 0.1, 0.0, -3.0, 1.0, 1.5];
        let labels = [2, 0];
        let (_, gradient) = score(&logits, &labels);
        let threads = Threads::new(1).unwrap();
        let mut softmax = SoftmaxCrossEntropy::new(4, 2, &Loss::default());
        for i in 0..logits.len() {
            let mut at = |step: f32| {
                let mut moved = logits;
                moved[i] += step;
                softmax.score(&threads, &moved, &labels).loss_sum / 2.0
            };
            let slope = (at(1.0 / 1024.0) - at(-1.0 / 1024.0)) * 512.0;
            assert!((slope - f64::from(gradient[i])).abs() < 1e-5, "{slope} {}", gradient[i]);
        }
    }

    /// Gradients of `torch.nn.functional.cross_entropy(logits, labels, weight=..., label_smoothing=...)`, PyTorch 2.15 in
    /// float64:
    ///
    ///     z = torch.tensor([[0.3, -1.2, 2.0], [0.1, 0.0, -3.0]], dtype=torch.float64, requires_grad=True)
    ///     F.cross_entropy(z, torch.tensor([2, 0]), weight=torch.tensor(w, dtype=torch.float64), label_smoothing=e).backward()
    #[test]
    fn gradients_of_a_loss_with_options_are_pytorchs() {
        const LOGITS: [f32; 6] = [0.3, -1.2, 2.0, 0.1, 0.0, -3.0];
        let cases: [(f64, &[f32], [f64; 6]); 3] = [
            (0.1, &[], [0.057_992_765, -0.000_007_897, -0.057_984_869, -0.210_241_501, 0.215_356_418, -0.005_114_917]),
            (
                0.0,
                &[0.5, 2.0, 1.5],
                [0.111_989_148, 0.024_988_155, -0.136_977_303, -0.121_787_417, 0.116_011_543, 0.005_775_875],
            ),
            (
                0.2,
                &[0.5, 2.0, 1.5],
                [0.092_833_834, -0.042_233_804, -0.050_600_029, -0.045_716_556, 0.088_015_390, -0.042_298_834],
            ),
        ];
        for (label_smoothing, class_weights, expected) in cases {
            let loss = Loss { label_smoothing, class_weights: class_weights.to_vec() };
            let mut softmax = SoftmaxCrossEntropy::new(3, 2, &loss);
            let mut gradient = LOGITS;
            let found = softmax.score_and_backward(&Threads::new(1).unwrap(), &mut gradient, &[2, 0]);
            for (found, expected) in gradient.iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-7, "{loss:?}: {gradient:?}");
            }
            let (plain, _) = score(&LOGITS, &[2, 0]);
            assert_eq!(found, plain, "what is reported is the plain loss");
        }
    }

    #[test]
    fn huge_and_missing_numbers() {
        let (huge, gradient) = score(&[1e30, 0.0, -1e30], &[1]);
        assert!((huge.loss_sum - 1e30).abs() < 1e24);
        assert_eq!(gradient, [1.0, -1.0, 0.0]);
        for bad in [f32::NAN, f32::INFINITY] {
            let (score, _) = score(&[0.0, bad], &[0]);
            assert!(!score.loss_sum.is_finite());
            assert_eq!(score.correct, 0);
        }
    }
}
