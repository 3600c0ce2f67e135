//! Images with what a net says of them.

use learner::scores;

/// One image.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Its class by its label.
    pub truth: usize,
    /// Its class by the net.
    pub answer: usize,
    /// Of each class.
    pub probabilities: Vec<f64>,
    /// Cross-entropy, in nats.
    pub loss: f64,
    /// Place of the truth among the classes, the most probable being 0.
    pub place: usize,
}

impl Scored {
    /// Whether the net is right.
    pub fn is_right(&self) -> bool {
        self.truth == self.answer
    }

    /// Probability of the answer.
    pub fn confidence(&self) -> f64 {
        self.probabilities[self.answer]
    }
}

/// Logits [N, classes] with labels `[N]`, scored.
pub fn score(logits: &[f32], labels: &[u32], classes: usize) -> Vec<Scored> {
    let one = |(logits, label): (&[f32], &u32)| {
        let ranked = scores::ranked(logits);
        let truth = *label as usize;
        let place = ranked.iter().position(|class| *class == truth).unwrap_or(classes);
        let loss = scores::cross_entropy(logits, truth, 1.0);
        Scored { truth, answer: ranked[0], probabilities: scores::probabilities(logits), loss, place }
    };
    logits.chunks_exact(classes).zip(labels).map(one).collect()
}
