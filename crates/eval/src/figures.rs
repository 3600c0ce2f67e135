//! The figures as CSV files.

use crate::confusion::ClassFigures;
use crate::evaluation::{Evaluation, Judged};

/// How often each class got each answer, by the first net: a row a class, a column an answer.
pub fn confusion(evaluation: &Evaluation, net: &Judged) -> Vec<u8> {
    let classes = &evaluation.subjects.classes;
    let head = [vec!["class".to_owned()], classes.clone()].concat();
    let row =
        |(name, row): (&String, &[usize])| [vec![name.clone()], row.iter().map(ToString::to_string).collect()].concat();
    written([head].into_iter().chain(classes.iter().zip(net.confusion.rows()).map(row)))
}

/// Precision, recall and F1 of each class by the first net; empty where there is none.
pub fn classes(evaluation: &Evaluation, net: &Judged) -> Vec<u8> {
    let optional = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let row = |(at, name): (usize, &String)| {
        let ClassFigures { images, precision, recall, f1 } = net.confusion.class(at);
        vec![name.clone(), images.to_string(), optional(precision), optional(recall), optional(f1)]
    };
    let head = ["class", "images", "precision", "recall", "f1"].map(str::to_owned).to_vec();
    written([head].into_iter().chain(evaluation.subjects.classes.iter().enumerate().map(row)))
}

/// Every image by every net.
pub fn predictions(evaluation: &Evaluation) -> Vec<u8> {
    let subjects = &evaluation.subjects;
    let head = ["model", "picture", "class", "answer", "probability", "class_probability", "loss"];
    let rows = evaluation.nets.iter().flat_map(|net| {
        net.scored.iter().zip(&subjects.names).map(|(image, name)| {
            vec![
                net.path.display().to_string(),
                name.clone(),
                subjects.classes[image.truth].clone(),
                subjects.classes[image.answer].clone(),
                image.confidence().to_string(),
                image.probabilities[image.truth].to_string(),
                image.loss.to_string(),
            ]
        })
    });
    written([head.map(str::to_owned).to_vec()].into_iter().chain(rows))
}

fn written(rows: impl Iterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("memory takes what is written");
    }
    writer.into_inner().expect("memory takes what is written")
}
