//! A data set as the readers give it, before it is written.

use std::collections::HashMap;

use artifacts::dataset::{DataSet, Fitting, Images};

use crate::split::first_of_each_class;
use crate::statistics::mean_and_std;
use crate::{Refusal, Result};

/// A data set: pixels, labels, class names and what they were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// [channels, height, width] of an image.
    pub shape: [usize; 3],
    /// Names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// The training images.
    pub train: Images,
    /// The test images.
    pub test: Images,
    /// Side of the square that nets are to see of an image that is larger.
    pub train_size: Option<usize>,
    /// How pictures became these images, where they are pictures.
    pub pictures: Option<Fitting>,
    /// Name and SHA-256 of every source file, unpacked.
    pub sources: Vec<(String, String)>,
    /// What was left out because it cannot be read, and why.
    pub skipped: Vec<String>,
}

/// How many images of each class a split has at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The training images.
    pub train: usize,
    /// The test images.
    pub test: usize,
}

impl Default for Limits {
    /// No limit.
    fn default() -> Self {
        Self { train: usize::MAX, test: usize::MAX }
    }
}

impl Set {
    /// Keeps the images of these classes alone. Classes and images stay in their order.
    ///
    /// # Errors
    /// When the set, which was read from `place`, lacks one of them.
    pub fn keep_classes(&mut self, names: &[String], place: &str) -> Result<()> {
        if let Some(unknown) = names.iter().find(|name| !self.classes.contains(name)) {
            return Err(Refusal::at(place, format!("--only names {unknown:?}, which is not among its classes"))
                .hint(format!("it has {}", self.classes.join(", "))));
        }
        let kept: Vec<String> = self.classes.iter().filter(|class| names.contains(class)).cloned().collect();
        let new = |label: u32| kept.iter().position(|class| *class == self.classes[label as usize]);
        let labels: Vec<Option<u32>> = (0..self.classes.len() as u32).map(|old| Some(new(old)? as u32)).collect();
        let size: usize = self.shape.iter().product();
        for split in [&mut self.train, &mut self.test] {
            let of_these = |index: &usize| labels[split.labels[*index] as usize].is_some();
            let images: Vec<usize> = (0..split.labels.len()).filter(of_these).collect();
            keep(split, &images, size);
            split.labels.iter_mut().for_each(|label| *label = labels[*label as usize].unwrap_or_default());
        }
        self.classes = kept;
        Ok(())
    }

    /// Keeps at most so many images of each class, the first in order.
    pub fn limit_per_class(&mut self, limits: Limits) {
        let size: usize = self.shape.iter().product();
        for (split, limit) in [(&mut self.train, limits.train), (&mut self.test, limits.test)] {
            keep(split, &first_of_each_class(split.labels.iter().copied(), self.classes.len(), limit), size);
        }
    }

    /// Leaves the first `most` training images of each class for training; the others follow the test images, in their order.
    pub fn test_on_the_rest(&mut self, most: usize) {
        let size: usize = self.shape.iter().product();
        let kept = first_of_each_class(self.train.labels.iter().copied(), self.classes.len(), most);
        let mut is_kept = vec![false; self.train.labels.len()];
        for image in kept {
            is_kept[image] = true;
        }
        for image in (0..is_kept.len()).filter(|&image| !is_kept[image]) {
            self.test.pixels.extend_from_slice(&self.train.pixels[image * size..(image + 1) * size]);
            self.test.labels.push(self.train.labels[image]);
            self.test.files.extend(self.train.files.get(image).cloned());
        }
        self.limit_per_class(Limits { train: most, ..Limits::default() });
    }

    /// What users should know of images that are there more than once, to the last pixel.
    pub fn warnings(&self) -> Vec<String> {
        let size: usize = self.shape.iter().product();
        let mut known: HashMap<&[u8], u32> = HashMap::new();
        let mut torn = 0;
        for (pixels, label) in self.train.pixels.chunks_exact(size).zip(self.train.labels.iter().copied()) {
            torn += usize::from(*known.entry(pixels).or_insert(label) != label);
        }
        let (mut copies, mut disputed) = (0, 0);
        for (pixels, label) in self.test.pixels.chunks_exact(size).zip(self.test.labels.iter().copied()) {
            if let Some(other) = known.get(pixels) {
                copies += 1;
                disputed += usize::from(*other != label);
            }
        }
        let mut warnings = Vec::new();
        if copies > 0 {
            let labels = if disputed > 0 { format!(", {disputed} of them under another class") } else { String::new() };
            let of = self.test.labels.len();
            let too = if copies == 1 { "is a training image too" } else { "are training images too" };
            warnings.push(format!(
                "{copies} of {of} test images {too}, to the pixel{labels}: accuracy will look better \
                 than it is"
            ));
        }
        if torn > 0 {
            let are = if torn == 1 { "image is" } else { "images are" };
            warnings.push(format!("{torn} training {are} there under another class too, to the pixel"));
        }
        warnings
    }

    /// The set with its statistics, fit to be written. `place` is where it was read from.
    ///
    /// # Errors
    /// When there is one class, a class has no image in a split, or a channel is the same everywhere: none of these can be
    /// trained on.
    pub fn finish(self, name: &str, place: &str) -> Result<DataSet> {
        let Self { shape, train_size, classes, train, test, pictures, mut sources, skipped } = self;
        if let [only] = classes.as_slice() {
            return Err(Refusal::at(place, format!("a single class, {only:?}: there is nothing to tell apart"))
                .hint("a classifier needs two classes or more"));
        }
        for (split, images) in [("training", &train), ("test", &test)] {
            check_classes(&classes, split, images, place)?;
        }
        let [channels, height, width] = shape;
        let (mean, std) = mean_and_std(&train.pixels, channels, height * width);
        if let Some(channel) = std.iter().position(|std| *std == 0.0) {
            let value = train.pixels[channel * height * width];
            let problem = format!("every pixel of the training images is {value} in channel {channel}");
            return Err(Refusal::at(place, problem));
        }
        sources.sort();
        let name = name.to_owned();
        Ok(DataSet { name, shape, train_size, classes, mean, std, train, test, pictures, sources, skipped })
    }
}

/// Keeps the images at these indices, which rise. `size`: bytes of an image.
fn keep(images: &mut Images, kept: &[usize], size: usize) {
    for (to, &from) in kept.iter().enumerate() {
        images.pixels.copy_within(from * size..(from + 1) * size, to * size);
        images.labels[to] = images.labels[from];
        if !images.files.is_empty() {
            images.files.swap(to, from);
        }
    }
    images.pixels.truncate(kept.len() * size);
    images.labels.truncate(kept.len());
    images.files.truncate(kept.len());
}

fn check_classes(classes: &[String], split: &str, images: &Images, place: &str) -> Result<()> {
    let mut seen = vec![false; classes.len()];
    images.labels.iter().for_each(|label| seen[*label as usize] = true);
    match seen.iter().position(|seen| !seen) {
        Some(class) => Err(Refusal::at(place, format!("no {split} image of class {:?}", classes[class]))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Set {
        Set {
            shape: [1, 1, 2],
            classes: vec!["a".into(), "b".into()],
            train: Images {
                pixels: vec![0, 1, 2, 3, 4, 5],
                labels: vec![1, 1, 0],
                files: ["b/1.png", "b/2.png", "a/1.png"].map(String::from).into(),
            },
            test: Images { pixels: vec![6, 7, 8, 9], labels: vec![0, 1], files: Vec::new() },
            train_size: None,
            pictures: None,
            sources: Vec::new(),
            skipped: Vec::new(),
        }
    }

    #[test]
    fn chosen_classes_are_kept_with_labels_of_their_own() {
        let mut set = sample();
        set.keep_classes(&["b".to_owned()], "pictures").unwrap();
        assert_eq!((set.classes.as_slice(), set.train.labels.as_slice()), (&["b".to_owned()][..], &[0, 0][..]));
        assert_eq!((set.train.pixels.as_slice(), set.test.pixels.as_slice()), (&[0, 1, 2, 3][..], &[8, 9][..]));
        assert_eq!(set.train.files, ["b/1.png", "b/2.png"]);
        let refusal = sample().keep_classes(&["c".to_owned()], "pictures").unwrap_err();
        assert!(refusal.to_string().contains("\"c\"") && refusal.advice().unwrap().contains("a, b"), "{refusal}");
        let mut same = sample();
        same.keep_classes(&["b".to_owned(), "a".to_owned()], "pictures").unwrap();
        assert_eq!(same, sample());
    }

    #[test]
    fn a_limit_keeps_the_first_of_each_class() {
        let mut set = sample();
        set.limit_per_class(Limits { train: 1, ..Limits::default() });
        let files = vec!["b/1.png".to_owned(), "a/1.png".to_owned()];
        assert_eq!(set.train, Images { pixels: vec![0, 1, 4, 5], labels: vec![1, 0], files });
        assert_eq!(set.test, sample().test);
    }

    #[test]
    fn what_is_not_trained_on_is_tested_on() {
        let mut with_files = sample();
        with_files.test.files = vec!["a/2.png".to_owned(), "b/3.png".to_owned()];
        let files = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut set = with_files.clone();
        set.test_on_the_rest(1);
        let kept = files(&["b/1.png", "a/1.png"]);
        assert_eq!(set.train, Images { pixels: vec![0, 1, 4, 5], labels: vec![1, 0], files: kept });
        let tested = files(&["a/2.png", "b/3.png", "b/2.png"]);
        assert_eq!(set.test, Images { pixels: vec![6, 7, 8, 9, 2, 3], labels: vec![0, 1, 1], files: tested });
        let mut all = sample();
        all.test_on_the_rest(2);
        assert_eq!(all, sample());
    }

    #[test]
    fn copies_are_counted() {
        assert!(sample().warnings().is_empty());
        let mut set = sample();
        set.test.pixels = vec![4, 5, 4, 5];
        assert_eq!(
            set.warnings(),
            [
                "2 of 2 test images are training images too, to the pixel, 1 of them under another class: accuracy will look \
              better than it is"
            ]
        );
        set.train.pixels = vec![0, 1, 2, 3, 0, 1];
        assert_eq!(set.warnings().last().unwrap(), "1 training image is there under another class too, to the pixel");
    }

    #[test]
    fn what_cannot_be_trained_on_is_refused() {
        type Spoil = fn(&mut Set);
        let cases: [(Spoil, &str); 4] = [
            (|s| s.classes.truncate(1), "a single class, \"a\""),
            (|s| s.train.labels[2] = 1, "no training image of class \"a\""),
            (|s| s.test.labels[1] = 0, "no test image of class \"b\""),
            (|s| s.train.pixels.fill(9), "every pixel of the training images is 9 in channel 0"),
        ];
        for (spoil, expected) in cases {
            let mut set = sample();
            spoil(&mut set);
            let message = set.finish("name", "place").unwrap_err().to_string();
            assert!(message.starts_with("place: ") && message.contains(expected), "{message}");
        }
    }
}
