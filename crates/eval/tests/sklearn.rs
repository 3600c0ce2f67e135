//! Every figure against scikit-learn's and SciPy's, which `tests/parity/metrics.py` wrote down.

#![forbid(unsafe_code)]

use evaluation::calibration;
use evaluation::confusion::Confusion;
use evaluation::evaluation::{Held, Judged, Subjects};
use evaluation::proportion::wilson;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    classes: usize,
    logits: Vec<f32>,
    labels: Vec<u32>,
    correct: usize,
    wilson: Vec<(f64, f64, usize, usize)>,
    top_5: f64,
    loss: f64,
    confusion: Vec<Vec<usize>>,
    precision: Vec<f64>,
    recall: Vec<f64>,
    f1: Vec<f64>,
    images: Vec<usize>,
    r#macro: [f64; 3],
    expected_error: f64,
    bin_confidence: Vec<f64>,
    bin_accuracy: Vec<f64>,
    temperature: f64,
    loss_at_temperature: f64,
    expected_error_at_temperature: f64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("metrics.json")).unwrap()
}

fn close(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{found} where {expected} is right");
}

fn judged(fixture: &Fixture) -> Judged {
    let subjects = Subjects {
        split: "test",
        shape: [1, 1, 1],
        pixels: vec![0; fixture.labels.len()],
        labels: fixture.labels.clone(),
        names: Vec::new(),
        classes: (0..fixture.classes).map(|class| class.to_string()).collect(),
    };
    let held = Held { logits: fixture.logits.clone(), labels: fixture.labels.clone() };
    Judged::new("m".into(), String::new(), "net".into(), &fixture.logits, &subjects, Some(&held))
}

#[test]
fn intervals_of_proportions() {
    for (low, high, successes, count) in fixture().wilson {
        let found = wilson(successes, count);
        close(found.0, low, 1e-12);
        close(found.1, high, 1e-12);
    }
}

#[test]
fn classes_and_confusions() {
    let fixture = fixture();
    let net = judged(&fixture);
    assert_eq!(net.correct, fixture.correct);
    close(net.loss, fixture.loss, 1e-12);
    let confusion: &Confusion = &net.confusion;
    assert_eq!(confusion.rows().collect::<Vec<_>>(), fixture.confusion);
    for class in 0..fixture.classes {
        let figures = confusion.class(class);
        assert_eq!(figures.images, fixture.images[class]);
        for (found, expected) in
            [(figures.precision, &fixture.precision), (figures.recall, &fixture.recall), (figures.f1, &fixture.f1)]
        {
            close(found.unwrap_or(0.0), expected[class], 1e-15);
        }
    }
    // What scikit-learn calls 0 is nothing where there is nothing to divide by.
    assert_eq!((confusion.class(2).precision, confusion.class(2).f1), (None, Some(0.0)));
    assert_eq!(confusion.class(6).recall, None);
    for (found, expected) in confusion.macro_means().into_iter().zip(fixture.r#macro) {
        close(found, expected, 1e-15);
    }
    let in_top_5 = net.scored.iter().filter(|image| image.place < 5).count();
    close(in_top_5 as f64 / net.scored.len() as f64, fixture.top_5, 1e-15);
    assert_eq!(net.in_top_5, None, "of seven classes five say little");
}

#[test]
fn calibration_and_temperature() {
    let fixture = fixture();
    let net = judged(&fixture);
    close(net.calibration.error, fixture.expected_error, 1e-12);
    assert_eq!(net.calibration.bins.len(), 15);
    for (at, bin) in net.calibration.bins.iter().enumerate() {
        close(bin.confidence, fixture.bin_confidence[at], 1e-12);
        close(bin.accuracy, fixture.bin_accuracy[at], 1e-12);
    }
    let scaled = net.calibration.scaled.unwrap();
    close(scaled.temperature, fixture.temperature, 1e-6);
    close(scaled.loss, fixture.loss_at_temperature, 1e-12);
    close(scaled.error, fixture.expected_error_at_temperature, 1e-6);
    assert!(scaled.loss < net.loss - 0.01 && (scaled.temperature - 1.0).abs() > 0.1, "the fixture says nothing");
}

#[test]
fn where_every_answer_is_right_no_temperature_is_best() {
    assert_eq!(calibration::fit_temperature(&[3.0, 1.0, 0.0, 2.0], &[0, 1], 2), None);
    assert_eq!(calibration::fit_temperature(&[], &[], 2), None);
}

#[test]
fn few_images_have_few_bins() {
    assert_eq!([1, 39, 125, 300, 10_000].map(calibration::bins_for), [1, 1, 6, 15, 15]);
    let bins = calibration::bins(&[(0.9, true), (0.5, false)], 15);
    assert_eq!(bins.iter().map(|bin| (bin.images, bin.confidence)).collect::<Vec<_>>(), [(1, 0.5), (1, 0.9)]);
    close(calibration::expected_error(&bins), 0.3, 1e-15);
}
