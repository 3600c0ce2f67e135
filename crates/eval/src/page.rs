//! The page: one file that holds everything. A click on a cell of the matrix shows its pictures, by its address alone
//! (`:target`), without a script.

use std::fmt::Write as _;

use artifacts::number::{count, percent};
use pages::{escape, list, table};

use crate::drawing;
use crate::evaluation::{Evaluation, Judged};
use crate::shown::{self, Cell};

/// Worst mistakes, doubtful labels and confused pairs that are shown.
const WORST: usize = 24;
const DOUBTFUL: usize = 24;
const PAIRS: usize = 10;

/// A matrix of more classes has small cells without numbers.
const LARGE_MATRIX: usize = 30;

const STYLE: &str = include_str!("page.css");

/// The page.
pub fn html(evaluation: &Evaluation) -> String {
    let [net, ..] = evaluation.nets.as_slice() else { return String::new() };
    let title = format!("{} on {}: {}", net.net, evaluation.data_name, images(evaluation.subjects.split));
    let mut page = pages::head(&title, STYLE);
    let _ = writeln!(page, "<h1>{}</h1>\n{}", escape(&title), setting(evaluation, net));
    page.push_str(&list("findings", &findings(evaluation, net)));
    page.push_str(&nets(evaluation));
    page.push_str(&matrix(evaluation, net));
    page.push_str(&classes(evaluation, net));
    page.push_str(&calibration(evaluation, net));
    page.push_str(&doubtful(evaluation));
    page.push_str(&worst(evaluation, net));
    let files = "The same numbers as files: <a href=\"metrics.json\">metrics.json</a>, <a href=\"confusion.csv\">confusion.csv</a>, \
        <a href=\"classes.csv\">classes.csv</a>, <a href=\"predictions.csv\">predictions.csv</a>.";
    let _ = writeln!(page, "<p class=\"note\">{files}</p>");
    page.push_str(pages::FOOT);
    page
}

fn images(split: &str) -> &'static str {
    if split == "test" { "test images" } else { "validation images" }
}

fn setting(evaluation: &Evaluation, net: &Judged) -> String {
    let model = net.path.display();
    let others = evaluation.nets.len() - 1;
    let besides = if others > 0 {
        format!(" and {others} more, which only the tables of models and of labels to check look at")
    } else {
        String::new()
    };
    format!("<p class=\"setting\">{}</p>", escape(&format!("model {model}{besides}; data {}", evaluation.data.0)))
}

/// What the figures say, in sentences.
pub fn findings(evaluation: &Evaluation, net: &Judged) -> Vec<String> {
    let subjects = &evaluation.subjects;
    let all = subjects.labels.len();
    let (low, high) = net.interval();
    let most_frequent = (0..subjects.classes.len()).map(|class| net.confusion.images(class)).max().unwrap_or_default();
    let mut findings = vec![format!(
        "{} of {} {} are classified correctly: {} (95% interval {} to {}). Always answering the most frequent class would \
         get {}.",
        count(net.correct as u64),
        count(all as u64),
        images(subjects.split),
        percent(net.accuracy()),
        percent(low),
        percent(high),
        percent(most_frequent as f64 / all as f64)
    )];
    if let Some(in_top_5) = net.in_top_5 {
        let share = percent(in_top_5 as f64 / all as f64);
        findings.push(format!("The right class is among the five most probable in {share}."));
    }
    if let Some(pair) = net.confusion.pairs().first() {
        let name = |class: usize| &subjects.classes[class];
        findings.push(format!(
            "Most often confused: {} taken for {}, {} of {} images.",
            name(pair.truth),
            name(pair.answer),
            pair.images,
            net.confusion.images(pair.truth)
        ));
    }
    findings.push(confidence(net));
    if subjects.split == "val" {
        let held = "These are validation images, which the training run did not learn from but its settings may have been chosen by. \
            For a figure to report, evaluate once more at the end with --split test.";
        findings.push(held.to_owned());
    }
    findings
}

fn confidence(net: &Judged) -> String {
    let calibration = &net.calibration;
    let n = net.scored.len() as f64;
    let mean = net.scored.iter().map(crate::scored::Scored::confidence).sum::<f64>() / n;
    let too = if mean > net.accuracy() { "above" } else { "below" };
    let points = |fraction: f64| format!("{:.1} points", 100.0 * fraction);
    let text = format!(
        "Mean confidence is {}, {} {too} accuracy; the expected calibration error is {}",
        percent(mean),
        points((mean - net.accuracy()).abs()),
        points(calibration.error)
    );
    match &calibration.scaled {
        Some(scaled) => format!("{text}, or {} at temperature {:.2}.", points(scaled.error), scaled.temperature),
        None => format!("{text}."),
    }
}

fn nets(evaluation: &Evaluation) -> String {
    if evaluation.nets.len() < 2 {
        return String::new();
    }
    let head = [
        ("model", true),
        ("accuracy", false),
        ("95% interval", false),
        ("macro F1", false),
        ("loss", false),
        ("calibration error", false),
    ];
    let row = |net: &Judged| {
        let (low, high) = net.interval();
        let [.., f1] = net.confusion.macro_means();
        vec![
            escape(&net.path.display().to_string()),
            percent(net.accuracy()),
            format!("{} to {}", percent(low), percent(high)),
            format!("{f1:.3}"),
            format!("{:.3}", net.loss),
            percent(net.calibration.error),
        ]
    };
    let accuracies: Vec<f64> = evaluation.nets.iter().map(Judged::accuracy).collect();
    let n = accuracies.len() as f64;
    let mean = accuracies.iter().sum::<f64>() / n;
    let sd = (accuracies.iter().map(|accuracy| (accuracy - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let note = format!("Mean accuracy {}, standard deviation {:.2} points.", percent(mean), 100.0 * sd);
    let rows: Vec<Vec<String>> = evaluation.nets.iter().map(row).collect();
    format!("<h2>Models</h2>\n{}<p class=\"note\">{note}</p>\n", table(&head, &rows))
}

fn doubtful(evaluation: &Evaluation) -> String {
    let all = evaluation.doubtful();
    if evaluation.nets.len() < 2 {
        return String::new();
    }
    let nets = evaluation.nets.len();
    let mut section = String::from("<h2>Wrong in every model: labels to check</h2>\n");
    let shown = all.len().min(DOUBTFUL);
    let first = if shown < all.len() {
        format!(" The first {shown} are shown; metrics.json lists all.")
    } else {
        String::new()
    };
    let _ = writeln!(
        section,
        "<p class=\"note\">{} of {} images are answered wrongly by each of the {nets} models; first those whose label the models \
         contradict most. Here a wrong label is likelier than anywhere else.{first}</p>\n<div class=\"pictures\">",
        count(all.len() as u64),
        count(evaluation.subjects.labels.len() as u64)
    );
    let name = |class: usize| escape(&evaluation.subjects.classes[class]);
    for doubtful in &all[..shown] {
        let caption = format!(
            "labelled <b>{}</b> ({})<br>{} of {nets} say <b>{}</b> ({})",
            name(evaluation.subjects.labels[doubtful.image] as usize),
            percent(doubtful.own),
            doubtful.nets,
            name(doubtful.answer),
            percent(doubtful.confidence)
        );
        section.push_str(&shown::picture(evaluation, doubtful.image, &caption));
    }
    section.push_str("</div>\n");
    section
}

fn matrix(evaluation: &Evaluation, net: &Judged) -> String {
    let names = &evaluation.subjects.classes;
    let cells = shown::cells(net, names.len());
    let many = if names.len() > LARGE_MATRIX { " many" } else { "" };
    let mut section = format!(
        "<h2 id=\"matrix\">Confusion matrix</h2>\n<p class=\"note\">A row is a class, a column an answer. Click a number to \
         see its pictures.</p>\n<div class=\"scroll\"><table class=\"matrix{many}\">\n<thead><tr><th></th>"
    );
    for name in names {
        let _ = write!(section, "<th class=\"column\" scope=\"col\">{}</th>", escape(name));
    }
    section.push_str("</tr></thead>\n<tbody>\n");
    for (truth, name) in names.iter().enumerate() {
        let _ = write!(section, "<tr><th class=\"row\" scope=\"row\">{}</th>", escape(name));
        for (answer, other) in names.iter().enumerate() {
            let images = net.confusion.count(truth, answer);
            if images == 0 {
                section.push_str("<td></td>");
                continue;
            }
            let share = images as f64 / net.confusion.images(truth) as f64;
            let kind = if truth == answer { "right" } else { "wrong" };
            let _ = write!(
                section,
                "<td><a class=\"{kind}\" style=\"--share: {:.2}\" href=\"#c{truth}-{answer}\" title=\"{}\">{images}</a></td>",
                0.08 + 0.72 * share,
                escape(&format!("{images} of {name} answered {other}"))
            );
        }
        section.push_str("</tr>\n");
    }
    section.push_str("</tbody></table></div>\n");
    for cell in &cells {
        section.push_str(&cell_pictures(evaluation, net, cell));
    }
    section.push_str(&pairs(evaluation, net));
    section
}

fn cell_pictures(evaluation: &Evaluation, net: &Judged, cell: &Cell) -> String {
    let Cell { truth, answer, images, shown } = cell;
    let name = |class: usize| escape(&evaluation.subjects.classes[class]);
    let what = if truth == answer {
        format!("{}, recognised: the least confident", name(*truth))
    } else {
        format!("{} taken for {}", name(*truth), name(*answer))
    };
    let of = if *shown < images.len() { format!("{shown} of {}", images.len()) } else { images.len().to_string() };
    let mut section = format!(
        "<section class=\"cell\" id=\"c{truth}-{answer}\">\n<h3>{what} ({of})</h3> <a class=\"note\" href=\"#matrix\">close</a>\n\
         <div class=\"pictures\">\n"
    );
    for image in &images[..*shown] {
        let caption = percent(net.scored[*image].confidence());
        section.push_str(&shown::picture(evaluation, *image, &caption));
    }
    section.push_str("</div>\n");
    if *shown == 0 {
        section.push_str(
            "<p class=\"note\">Its pictures would make this page too large; predictions.csv names them.</p>\n",
        );
    }
    section.push_str("</section>\n");
    section
}

fn pairs(evaluation: &Evaluation, net: &Judged) -> String {
    let pairs = net.confusion.pairs();
    if pairs.is_empty() {
        return String::new();
    }
    let name = |class: usize| escape(&evaluation.subjects.classes[class]);
    let rows: Vec<Vec<String>> = pairs
        .iter()
        .take(PAIRS)
        .map(|pair| {
            vec![
                name(pair.truth),
                name(pair.answer),
                format!("<a href=\"#c{}-{}\">{}</a>", pair.truth, pair.answer, pair.images),
                percent(pair.images as f64 / net.confusion.images(pair.truth) as f64),
            ]
        })
        .collect();
    let head = [("class", true), ("taken for", true), ("images", false), ("of the class", false)];
    format!("<h2>Most confused</h2>\n{}", table(&head, &rows))
}

fn classes(evaluation: &Evaluation, net: &Judged) -> String {
    let figure = |value: Option<f64>| value.map_or_else(String::new, percent);
    let row = |(class, name): (usize, &String)| {
        let figures = net.confusion.class(class);
        vec![
            escape(name),
            count(figures.images as u64),
            figure(figures.precision),
            figure(figures.recall),
            figure(figures.f1),
        ]
    };
    let mut rows: Vec<Vec<String>> = evaluation.subjects.classes.iter().enumerate().map(row).collect();
    let [precision, recall, f1] = net.confusion.macro_means().map(percent);
    rows.push(vec!["<b>mean</b>".to_owned(), count(net.scored.len() as u64), precision, recall, f1]);
    let head = [("class", true), ("images", false), ("precision", false), ("recall", false), ("F1", false)];
    let note = "Precision: of the images with this answer, how many are of the class. Recall: of the images of the class, how \
        many get this answer. F1 is their harmonic mean.";
    format!("<h2>Classes</h2>\n{}<p class=\"note\">{note}</p>\n", table(&head, &rows))
}

fn calibration(evaluation: &Evaluation, net: &Judged) -> String {
    let calibration = &net.calibration;
    let scaled = calibration.scaled.as_ref();
    let svg = drawing::reliability(&calibration.bins, scaled.map(|scaled| scaled.bins.as_slice()));
    let key = |color: &str, text: &str| {
        format!("<span class=\"key\" style=\"background: rgb(var(--{color}))\"></span>{}<br>", escape(text))
    };
    let mut keys = key("red", &format!("as it is: error {}, loss {:.3}", percent(calibration.error), net.loss));
    let mut note = format!(
        "Images in {} bins of equal number, by confidence; where answers are right as often as the net is sure, points lie \
         on the diagonal. The error is their mean distance from it.",
        calibration.bins.len()
    );
    if let Some(scaled) = scaled {
        let text = format!(
            "at temperature {:.2}: error {}, loss {:.3}",
            scaled.temperature,
            percent(scaled.error),
            scaled.loss
        );
        keys.push_str(&key("blue", &text));
        note.push_str(" The temperature is what logits are divided by; it was fitted on validation images");
        note.push_str(if evaluation.subjects.split == "val" { ", these very ones." } else { "." });
    }
    format!(
        "<h2>Calibration</h2>\n<figure>\n{svg}<figcaption>{keys}</figcaption>\n</figure>\n<p class=\"note\">{}</p>\n",
        escape(&note)
    )
}

fn worst(evaluation: &Evaluation, net: &Judged) -> String {
    let mistakes = net.mistakes();
    if mistakes.is_empty() {
        return String::new();
    }
    let shown = mistakes.len().min(WORST);
    let mut section = format!(
        "<h2>Worst mistakes</h2>\n<p class=\"note\">{shown} of {} wrong answers, the most confident first.</p>\n\
         <div class=\"pictures\">\n",
        mistakes.len()
    );
    let name = |class: usize| escape(&evaluation.subjects.classes[class]);
    for image in &mistakes[..shown] {
        let scored = &net.scored[*image];
        let own = percent(scored.probabilities[scored.truth]);
        let (truth, answer) = (name(scored.truth), name(scored.answer));
        let caption = format!("<b>{truth}</b> ({own})<br>taken for <b>{answer}</b> ({})", percent(scored.confidence()));
        section.push_str(&shown::picture(evaluation, *image, &caption));
    }
    section.push_str("</div>\n");
    section
}
