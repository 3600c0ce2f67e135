//! The reliability plot, as SVG that takes its colours from the page.

use std::fmt::Write as _;

use crate::calibration::Bin;

const SIDE: f64 = 320.0;
const MARGIN: [f64; 4] = [14.0, 24.0, 44.0, 62.0]; // top, right, bottom, left

/// Accuracy over confidence, bin by bin, as it is and, if there is one, at a temperature. Right confidence lies on the
/// diagonal.
pub(crate) fn reliability(as_it_is: &[Bin], scaled: Option<&[Bin]>) -> String {
    let [top, right, bottom, left] = MARGIN;
    let (width, height) = (left + SIDE + right, top + SIDE + bottom);
    let x = |value: f64| left + SIDE * value;
    let y = |value: f64| top + SIDE * (1.0 - value);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" font-size=\"12\">\n<title>Reliability: accuracy over confidence</title>\n"
    );
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let label = format!("{:.0}%", 100.0 * tick);
        let _ = writeln!(
            svg,
            "<path d=\"M{:.1} {top}V{:.1}M{left} {:.1}H{:.1}\" class=\"grid\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            x(tick),
            top + SIDE,
            y(tick),
            left + SIDE,
            x(tick),
            top + SIDE + 18.0,
            left - 8.0,
            y(tick) + 4.0
        );
    }
    let _ = writeln!(svg, "<path d=\"M{left} {:.1}L{:.1} {top}\" class=\"ideal\"/>", top + SIDE, left + SIDE);
    for (bins, class) in [(scaled.unwrap_or_default(), "scaled"), (as_it_is, "bins")] {
        let points: Vec<(f64, f64)> = bins.iter().map(|bin| (x(bin.confidence), y(bin.accuracy))).collect();
        let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(svg, "<polyline points=\"{}\" class=\"{class}\"/>", line.join(" "));
        for ((x, y), bin) in points.iter().zip(bins) {
            let text = format!("{} images: confidence {:.3}, accuracy {:.3}", bin.images, bin.confidence, bin.accuracy);
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" class=\"{class}\"><title>{text}</title></circle>"
            );
        }
    }
    let middle = SIDE / 2.0;
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">mean confidence</text>\
         <text transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\">share of right answers</text>\n</svg>",
        left + middle,
        height - 6.0,
        top + middle
    );
    svg
}
