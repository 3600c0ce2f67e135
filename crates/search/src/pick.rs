//! The one rule by which a step of the search picks among what it tried.

use artifacts::number::percent;
use artifacts::recipe::Training;
use reading::stats::summary;

use crate::halving::Scored;

/// What was picked, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picked {
    /// Its place among those scored.
    pub index: usize,
    /// Differences in accuracy below this say nothing.
    pub noise: f64,
    /// Why, in sentences.
    pub reason: String,
}

/// Picks the highest mean validation accuracy among those with the most runs. Where others are within noise of it, nothing
/// speaks for a change: the nearest to what the step started from is taken, and of equally near ones the one with the lowest
/// mean validation loss. `images`: validation images, that the accuracies were measured on; `distance`: of a candidate from the start.
///
/// Noise is the standard error of the difference of two means: from the spread over seeds, pooled over the candidates;
/// of single runs, from the number of validation images alone.
pub(crate) fn pick(scored: &[Scored], images: usize, distance: impl Fn(&Training) -> f64) -> Option<Picked> {
    let most = scored.iter().map(|one| one.accuracies.len()).max().filter(|most| *most > 0)?;
    let finalists: Vec<usize> = (0..scored.len()).filter(|i| scored[*i].accuracies.len() == most).collect();
    let mean = |i: usize| scored[i].mean_accuracy().unwrap_or(0.0);
    let best = finalists.iter().copied().reduce(|best, i| if mean(i) > mean(best) { i } else { best })?;
    let noise = noise(scored, &finalists, mean(best), images);
    let close: Vec<usize> = finalists.iter().copied().filter(|i| mean(best) - mean(*i) <= noise).collect();
    let key = |i: usize| (distance(&scored[i].candidate.training), scored[i].mean_loss().unwrap_or(f64::INFINITY));
    let index = close.iter().copied().reduce(|least, i| if key(i) < key(least) { i } else { least })?;
    let reason = reason(scored, &close, best, index, noise, most);
    Some(Picked { index, noise, reason })
}

/// Standard error of the difference of two means.
pub(crate) fn noise(scored: &[Scored], among: &[usize], accuracy: f64, images: usize) -> f64 {
    let of_images = (accuracy * (1.0 - accuracy) / images.max(1) as f64).sqrt();
    let groups: Vec<_> = among.iter().filter_map(|i| summary(&scored[*i].accuracies)).filter(|s| s.n > 1).collect();
    let freedom: usize = groups.iter().map(|group| group.n - 1).sum();
    if freedom == 0 {
        return of_images;
    }
    let squares: f64 = groups.iter().map(|group| (group.n - 1) as f64 * group.sd.unwrap_or(0.0).powi(2)).sum();
    let runs = groups.iter().map(|group| group.n).min().unwrap_or(1) as f64;
    (2.0 * squares / freedom as f64 / runs).sqrt()
}

fn reason(scored: &[Scored], close: &[usize], best: usize, index: usize, noise: f64, runs: usize) -> String {
    let name = |i: usize| scored[i].candidate.name.as_str();
    let accuracy = |i: usize| scored[i].mean_accuracy().map_or_else(|| "unknown".to_owned(), percent);
    let each = if runs == 1 { "one run".to_owned() } else { format!("{runs} runs") };
    let points = format!("{:.1} points", 100.0 * noise);
    let others: Vec<&str> = close.iter().filter(|i| **i != index && **i != best).map(|i| name(*i)).collect();
    let chosen = name(index);
    if close.len() == 1 {
        return format!(
            "{chosen} has the highest mean validation accuracy, {} ({each}); no other is within noise ({points}).",
            accuracy(index)
        );
    }
    let highest = format!("{} has the highest mean validation accuracy, {} ({each})", name(best), accuracy(best));
    let others = others.join(", ");
    if index == best {
        format!(
            "{highest}; of those within noise ({points}: {others}) it is also the nearest to what the step started from."
        )
    } else {
        format!(
            "{highest}; within noise of it ({points}) {}, {}: of them {chosen} is the nearest to what the \
             step started from.",
            if others.is_empty() { format!("is {chosen}") } else { format!("are {others} and {chosen}") },
            accuracy(index)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::halving::tests::scored;

    fn picked(all: &[Scored], images: usize) -> Option<Picked> {
        pick(all, images, |_| 0.0)
    }

    #[test]
    fn the_highest_accuracy_wins_where_it_stands_out() {
        let all = [scored("a", &[0.90, 0.91], 0.3), scored("b", &[0.95, 0.96], 0.5), scored("c", &[0.80, 0.81], 0.1)];
        let picked = pick(&all, 1000, |training| training.weight_decay).unwrap();
        assert_eq!(picked.index, 1);
        assert!(picked.reason.contains("b has the highest") && picked.reason.contains("no other"), "{}", picked.reason);
    }

    #[test]
    fn within_noise_nothing_is_changed() {
        let mut all =
            [scored("a", &[0.93, 0.95], 0.5), scored("b", &[0.94, 0.96], 0.3), scored("c", &[0.94, 0.96], 0.2)];
        for (one, decay) in all.iter_mut().zip([1e-4, 1e-3, 1e-2]) {
            one.candidate.training.weight_decay = decay;
        }
        let from = |start: f64| pick(&all, 1000, |training| (training.weight_decay / start).log10().abs()).unwrap();
        assert_eq!(from(1e-4).index, 0);
        assert!(from(1e-4).reason.contains("of them a is the nearest"), "{}", from(1e-4).reason);
        assert_eq!(from(1e-1).index, 2);
    }

    #[test]
    fn of_equally_near_ones_the_loss_decides() {
        let all = [scored("a", &[0.94, 0.96], 0.3), scored("b", &[0.95, 0.96], 0.5)];
        assert_eq!(picked(&all, 1000).unwrap().index, 0);
    }

    #[test]
    fn a_single_run_is_as_sure_as_its_images_are_many() {
        let all = [scored("a", &[0.90], 0.3), scored("b", &[0.92], 0.5)];
        assert_eq!(picked(&all, 100).unwrap().index, 0, "2 points in 100 images are noise");
        assert_eq!(picked(&all, 100_000).unwrap().index, 1, "in 100,000 they are not");
    }

    #[test]
    fn who_fell_out_early_is_not_compared() {
        let all = [scored("lucky", &[0.99], 0.1), scored("a", &[0.90, 0.91], 0.3), scored("b", &[0.92, 0.93], 0.2)];
        assert_eq!(picked(&all, 1000).unwrap().index, 2);
        assert_eq!(picked(&[], 1000), None);
    }
}
