//! Which classes are taken for which.

use crate::scored::Scored;

/// How often each class got each answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<usize>,
}

/// What a net does with one class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassFigures {
    /// Images of the class.
    pub images: usize,
    /// Share of the images with this answer that are of the class; none where no image got the answer.
    pub precision: Option<f64>,
    /// Share of the images of the class that got this answer; none where there is no image of it.
    pub recall: Option<f64>,
    /// Harmonic mean of both, 2TP / (2TP + FP + FN); none where the class is neither there nor an answer.
    pub f1: Option<f64>,
}

/// A class taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The class.
    pub truth: usize,
    /// What it was taken for.
    pub answer: usize,
    /// How often.
    pub images: usize,
}

impl Confusion {
    /// Counts images.
    pub fn of(scored: &[Scored], classes: usize) -> Self {
        let mut counts = vec![0; classes * classes];
        for image in scored {
            counts[image.truth * classes + image.answer] += 1;
        }
        Self { classes, counts }
    }

    /// Images of class `truth` with the answer `answer`.
    pub fn count(&self, truth: usize, answer: usize) -> usize {
        self.counts[truth * self.classes + answer]
    }

    /// How often each class got each answer, a row a class.
    pub fn rows(&self) -> impl Iterator<Item = &[usize]> {
        self.counts.chunks_exact(self.classes)
    }

    /// Images of a class.
    pub fn images(&self, truth: usize) -> usize {
        self.counts[truth * self.classes..][..self.classes].iter().sum()
    }

    /// What the net does with a class.
    pub fn class(&self, class: usize) -> ClassFigures {
        let (hits, images) = (self.count(class, class), self.images(class));
        let answers: usize = (0..self.classes).map(|truth| self.count(truth, class)).sum();
        let share = |of: usize| (of > 0).then(|| hits as f64 / of as f64);
        let f1 = (images + answers > 0).then(|| 2.0 * hits as f64 / (images + answers) as f64);
        ClassFigures { images, precision: share(answers), recall: share(images), f1 }
    }

    /// Means of precision, recall and F1 over the classes that are there or are answers; what a class lacks counts as 0.
    pub fn macro_means(&self) -> [f64; 3] {
        let all: Vec<ClassFigures> =
            (0..self.classes).map(|class| self.class(class)).filter(|class| class.f1.is_some()).collect();
        let mean = |value: fn(&ClassFigures) -> Option<f64>| {
            all.iter().map(|class| value(class).unwrap_or(0.0)).sum::<f64>() / all.len() as f64
        };
        [mean(|class| class.precision), mean(|class| class.recall), mean(|class| class.f1)]
    }

    /// The classes that are taken for another, the most frequent first.
    pub fn pairs(&self) -> Vec<Pair> {
        let pair = |at: usize| Pair { truth: at / self.classes, answer: at % self.classes, images: self.counts[at] };
        let mut pairs: Vec<Pair> =
            (0..self.counts.len()).map(pair).filter(|pair| pair.truth != pair.answer && pair.images > 0).collect();
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.images));
        pairs
    }
}
