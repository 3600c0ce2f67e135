//! Which pictures a page shows, and how they get into it.

use pages::{data_uri, escape};
use pictures::encode::Canvas;

use crate::confusion::Confusion;
use crate::evaluation::{Evaluation, Judged};

/// Pictures of the cells of a matrix that a page holds at most: a page should open at once.
const MOST: usize = 480;

/// Of one cell at most.
const MOST_OF_A_CELL: usize = 24;

/// Side in pixels from which on pictures are embedded as JPEG.
const LARGE: usize = 48;

/// One cell of the matrix with the pictures that it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The class.
    pub truth: usize,
    /// What it was taken for.
    pub answer: usize,
    /// Its images: mistakes with the most confident first, right answers with the least confident first.
    pub images: Vec<usize>,
    /// How many of these are shown.
    pub shown: usize,
}

/// The cells that hold images, with as many pictures of each as the page bears.
pub fn cells(net: &Judged, classes: usize) -> Vec<Cell> {
    let most = most_of_a_cell(&net.confusion, classes);
    let mut cells = Vec::new();
    for truth in 0..classes {
        for answer in 0..classes {
            let is_here = |at: &usize| (net.scored[*at].truth, net.scored[*at].answer) == (truth, answer);
            let mut images: Vec<usize> = (0..net.scored.len()).filter(is_here).collect();
            if images.is_empty() {
                continue;
            }
            images.sort_by(|a, b| net.scored[*a].confidence().total_cmp(&net.scored[*b].confidence()));
            if truth != answer {
                images.reverse();
            }
            let shown = images.len().min(most);
            cells.push(Cell { truth, answer, images, shown });
        }
    }
    // Where there are more cells than pictures, the fullest show theirs.
    let mut by_size: Vec<usize> = (0..cells.len()).collect();
    by_size.sort_by_key(|at| (cells[*at].truth == cells[*at].answer, std::cmp::Reverse(cells[*at].images.len())));
    for at in by_size.into_iter().skip(MOST) {
        cells[at].shown = 0;
    }
    cells
}

/// As many of a cell as let all cells together stay below the limit; at least one.
fn most_of_a_cell(confusion: &Confusion, classes: usize) -> usize {
    let counts: Vec<usize> =
        (0..classes).flat_map(|truth| (0..classes).map(move |answer| confusion.count(truth, answer))).collect();
    let all = |most: usize| counts.iter().map(|count| most.min(*count)).sum::<usize>();
    (1..=MOST_OF_A_CELL).rev().find(|most| all(*most) <= MOST).unwrap_or(1)
}

/// A picture with what is to be said of it, as HTML. `caption` is HTML.
pub fn picture(evaluation: &Evaluation, image: usize, caption: &str) -> String {
    let subjects = &evaluation.subjects;
    let size: usize = subjects.shape.iter().product();
    let canvas = Canvas::of_planes(&subjects.pixels[image * size..][..size], subjects.shape);
    let small = canvas.width.max(canvas.height) < LARGE;
    let uri = if small { data_uri("image/png", &canvas.png()) } else { data_uri("image/jpeg", &canvas.jpeg()) };
    let class = if small { " class=\"small\"" } else { "" };
    let name = escape(&subjects.names[image]);
    format!(
        "<figure class=\"picture\"><img{class} loading=\"lazy\" src=\"{uri}\" alt=\"{name}\" title=\"{name}\">\
         <figcaption>{caption}<span class=\"path\">{name}</span></figcaption></figure>\n"
    )
}
