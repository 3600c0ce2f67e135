//! All that is said of one or more nets on the same images.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::calibration::{self, Bin};
use crate::confusion::{ClassFigures, Confusion, Pair};
use crate::proportion::wilson;
use crate::scored::{self, Scored};

/// Top-5 accuracy says something from this many classes on.
const CLASSES_FOR_TOP_5: usize = 11;

/// The images that are looked at.
#[derive(Clone, Debug)]
pub struct Subjects {
    /// `val` or `test`.
    pub split: &'static str,
    /// [channels, height, width].
    pub shape: [usize; 3],
    /// Raw pixels, [N, C, H, W].
    pub pixels: Vec<u8>,
    /// Class of each image.
    pub labels: Vec<u32>,
    /// Path of each picture; where they have none, what else tells them apart.
    pub names: Vec<String>,
    /// Names of the classes.
    pub classes: Vec<String>,
}

/// Validation images, for a temperature.
#[derive(Clone, Debug)]
pub struct Held {
    /// Logits [N, classes].
    pub logits: Vec<f32>,
    /// Classes.
    pub labels: Vec<u32>,
}

/// Confidence, as it is and at a temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// From the least confident images up.
    pub bins: Vec<Bin>,
    /// Expected calibration error.
    pub error: f64,
    /// The temperature fitted on validation images, where one was found.
    pub scaled: Option<Scaled>,
}

/// Confidence at a temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaled {
    /// What logits are divided by.
    pub temperature: f64,
    /// Likewise.
    pub bins: Vec<Bin>,
    /// Likewise.
    pub error: f64,
    /// Mean loss, in nats.
    pub loss: f64,
}

/// What is said of one net.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Its file.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The net's name.
    pub net: String,
    /// Every image.
    pub scored: Vec<Scored>,
    /// Which classes are taken for which.
    pub confusion: Confusion,
    /// Right answers.
    pub correct: usize,
    /// Images whose class is among the five most probable; none where there are too few classes for that to mean much.
    pub in_top_5: Option<usize>,
    /// Mean loss, in nats.
    pub loss: f64,
    /// Confidence.
    pub calibration: Calibration,
}

impl Judged {
    /// Judges a net by its logits on the subjects, and on validation images for the temperature.
    pub fn new(
        path: PathBuf,
        sha256: String,
        net: String,
        logits: &[f32],
        subjects: &Subjects,
        held: Option<&Held>,
    ) -> Self {
        let (labels, classes) = (&subjects.labels, subjects.classes.len());
        let scored = scored::score(logits, labels, classes);
        let top_5 = || scored.iter().filter(|image| image.place < 5).count();
        let (as_it_is, loss) = calibration::at_temperature(logits, labels, classes, 1.0);
        let bins = calibration::bins(&as_it_is, calibration::bins_for(as_it_is.len()));
        let temperature = held.and_then(|held| calibration::fit_temperature(&held.logits, &held.labels, classes));
        let scaled = temperature.map(|temperature| {
            let (images, loss) = calibration::at_temperature(logits, labels, classes, temperature);
            let bins = calibration::bins(&images, calibration::bins_for(images.len()));
            Scaled { temperature, error: calibration::expected_error(&bins), bins, loss }
        });
        Self {
            path,
            sha256,
            net,
            confusion: Confusion::of(&scored, classes),
            correct: scored.iter().filter(|image| image.is_right()).count(),
            in_top_5: (classes >= CLASSES_FOR_TOP_5).then(top_5),
            loss,
            calibration: Calibration { error: calibration::expected_error(&bins), bins, scaled },
            scored,
        }
    }

    /// Share of right answers.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.scored.len() as f64
    }

    /// Its 95% interval.
    pub fn interval(&self) -> (f64, f64) {
        wilson(self.correct, self.scored.len())
    }

    /// Positions of the images that it gets wrong, the most confident first.
    pub fn mistakes(&self) -> Vec<usize> {
        let mut wrong: Vec<usize> = (0..self.scored.len()).filter(|at| !self.scored[*at].is_right()).collect();
        wrong.sort_by(|a, b| self.scored[*b].confidence().total_cmp(&self.scored[*a].confidence()));
        wrong
    }

    fn json(&self, classes: &[String]) -> Value {
        let [precision, recall, f1] = self.confusion.macro_means();
        let class = |(at, name): (usize, &String)| {
            let ClassFigures { images, precision, recall, f1 } = self.confusion.class(at);
            json!({"class": name, "images": images, "precision": precision, "recall": recall, "f1": f1})
        };
        let pair = |pair: &Pair| {
            let share = pair.images as f64 / self.confusion.images(pair.truth) as f64;
            json!({"class": classes[pair.truth], "answer": classes[pair.answer], "images": pair.images, "share": share})
        };
        let bins = |bins: &[Bin]| -> Vec<Value> {
            let bin = |bin: &Bin| json!({"images": bin.images, "confidence": bin.confidence, "accuracy": bin.accuracy});
            bins.iter().map(bin).collect()
        };
        let Calibration { bins: as_they_are, error, scaled } = &self.calibration;
        let scaled = scaled.as_ref().map(|scaled| {
            json!({"temperature": scaled.temperature, "expected_error": scaled.error, "loss": scaled.loss,
                "bins": bins(&scaled.bins)})
        });
        json!({
            "model": self.path.to_string_lossy(),
            "sha256": self.sha256,
            "net": self.net,
            "accuracy": self.accuracy(),
            "accuracy_interval_95": self.interval(),
            "top_5_accuracy": self.in_top_5.map(|count| count as f64 / self.scored.len() as f64),
            "loss": self.loss,
            "macro": {"precision": precision, "recall": recall, "f1": f1},
            "classes": classes.iter().enumerate().map(class).collect::<Vec<_>>(),
            "confusion": self.confusion.rows().collect::<Vec<_>>(),
            "confused": self.confusion.pairs().iter().map(pair).collect::<Vec<_>>(),
            "calibration": {"expected_error": error, "bins": bins(as_they_are), "at_temperature": scaled},
        })
    }
}

/// An image that every net gets wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubtful {
    /// Its position.
    pub image: usize,
    /// What most nets take it for.
    pub answer: usize,
    /// How many do.
    pub nets: usize,
    /// Mean over the nets of the probability of that answer.
    pub confidence: f64,
    /// And of the probability of the image's own class.
    pub own: f64,
}

/// One or more nets on the same images.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The images.
    pub subjects: Subjects,
    /// Name of the data set.
    pub data_name: String,
    /// Its file, and the file's SHA-256.
    pub data: (String, String),
    /// The nets; details are of the first.
    pub nets: Vec<Judged>,
}

impl Evaluation {
    /// The images that every one of several nets gets wrong; those first whose label the nets contradict most: likely
    /// errors of the labels.
    pub fn doubtful(&self) -> Vec<Doubtful> {
        if self.nets.len() < 2 {
            return Vec::new();
        }
        let wrong_in_all = |at: &usize| self.nets.iter().all(|net| !net.scored[*at].is_right());
        let mut all: Vec<Doubtful> =
            (0..self.subjects.labels.len()).filter(wrong_in_all).map(|at| self.doubt(at)).collect();
        all.sort_by(|a, b| {
            (b.nets, b.confidence - b.own)
                .partial_cmp(&(a.nets, a.confidence - a.own))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        all
    }

    fn doubt(&self, image: usize) -> Doubtful {
        let mean = |class: usize| {
            self.nets.iter().map(|net| net.scored[image].probabilities[class]).sum::<f64>() / self.nets.len() as f64
        };
        let votes = |class: usize| self.nets.iter().filter(|net| net.scored[image].answer == class).count();
        let better = |best: usize, class: usize| {
            if (votes(class), mean(class)) > (votes(best), mean(best)) { class } else { best }
        };
        let answer = (0..self.subjects.classes.len()).reduce(better).unwrap_or_default();
        let own = mean(self.subjects.labels[image] as usize);
        Doubtful { image, answer, nets: votes(answer), confidence: mean(answer), own }
    }

    /// Every figure, for other programs.
    pub fn json(&self) -> Value {
        let Subjects { classes, names, labels, split, .. } = &self.subjects;
        let doubtful = |doubtful: &Doubtful| {
            json!({"picture": names[doubtful.image], "class": classes[labels[doubtful.image] as usize],
                "answer": classes[doubtful.answer], "nets": doubtful.nets, "probability": doubtful.confidence,
                "class_probability": doubtful.own})
        };
        json!({
            "format": "superconv-evaluation/1",
            "split": split,
            "images": labels.len(),
            "data_name": self.data_name,
            "data": {"path": self.data.0, "sha256": self.data.1},
            "nets": self.nets.iter().map(|net| net.json(classes)).collect::<Vec<_>>(),
            "wrong_in_every_net": self.doubtful().iter().map(doubtful).collect::<Vec<_>>(),
        })
    }
}
