//! The one rule by which a step of the search picks among what it tried.

use super::contest::Scored;
use crate::number::percent;
use crate::stats::summary;

/// What was picked, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Picked {
    /// Its place among those scored.
    pub index: usize,
    /// Differences in accuracy below this say nothing.
    pub noise: f64,
    /// Why, in sentences.
    pub reason: String,
}

/// Picks the highest mean held-out accuracy among those with the most runs; of those within noise of it, the one with the
/// lowest mean held-out loss. `held_out`: images that the accuracies were measured on.
///
/// Noise is the standard error of the difference of two means: from the spread over seeds, pooled over the candidates;
/// of single runs, from the number of held-out images alone.
pub fn pick(scored: &[Scored], held_out: usize) -> Option<Picked> {
    let most = scored.iter().map(|one| one.accuracies.len()).max().filter(|most| *most > 0)?;
    let finalists: Vec<usize> = (0..scored.len()).filter(|i| scored[*i].accuracies.len() == most).collect();
    let mean = |i: usize| scored[i].mean_accuracy().unwrap_or(0.0);
    let best = finalists.iter().copied().reduce(|best, i| if mean(i) > mean(best) { i } else { best })?;
    let noise = noise(scored, &finalists, mean(best), held_out);
    let close: Vec<usize> = finalists.iter().copied().filter(|i| mean(best) - mean(*i) <= noise).collect();
    let loss = |i: usize| scored[i].mean_loss().unwrap_or(f64::INFINITY);
    let index = close.iter().copied().reduce(|least, i| if loss(i) < loss(least) { i } else { least })?;
    let reason = reason(scored, &close, best, index, noise, most);
    Some(Picked { index, noise, reason })
}

/// Standard error of the difference of two means.
pub fn noise(scored: &[Scored], among: &[usize], accuracy: f64, held_out: usize) -> f64 {
    let of_images = (accuracy * (1.0 - accuracy) / held_out.max(1) as f64).sqrt();
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
    let name = |i: usize| scored[i].contestant.name.as_str();
    let accuracy = |i: usize| scored[i].mean_accuracy().map_or_else(|| "unknown".to_owned(), percent);
    let each = if runs == 1 { "one run".to_owned() } else { format!("{runs} runs") };
    let points = format!("{:.1} points", 100.0 * noise);
    let others: Vec<&str> = close.iter().filter(|i| **i != index).map(|i| name(*i)).collect();
    let chosen = name(index);
    if others.is_empty() {
        return format!(
            "{chosen} has the highest mean held-out accuracy, {} ({each}); no other is within noise ({points}).",
            accuracy(index)
        );
    }
    let others = others.join(", ");
    if index == best {
        format!(
            "{chosen} has the highest mean held-out accuracy, {} ({each}), and of those within noise ({points}: {others}) the lowest held-out loss.",
            accuracy(index)
        )
    } else {
        format!(
            "{} has the highest mean held-out accuracy, {} ({each}); of those within noise of it ({points}: {others}) {chosen}, {}, has the lowest held-out loss.",
            name(best),
            accuracy(best),
            accuracy(index)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::contest::tests::scored;
    use super::*;

    #[test]
    fn the_highest_accuracy_wins_where_it_stands_out() {
        let all = [scored("a", &[0.90, 0.91], 0.3), scored("b", &[0.95, 0.96], 0.5), scored("c", &[0.80, 0.81], 0.1)];
        let picked = pick(&all, 1000).unwrap();
        assert_eq!(picked.index, 1);
        assert!(picked.reason.contains("b has the highest") && picked.reason.contains("no other"), "{}", picked.reason);
    }

    #[test]
    fn within_noise_the_loss_decides() {
        let all = [scored("a", &[0.94, 0.96], 0.3), scored("b", &[0.95, 0.96], 0.5)];
        let picked = pick(&all, 1000).unwrap();
        assert_eq!(picked.index, 0);
        assert!(picked.reason.contains("b has the highest") && picked.reason.contains("a, 95.0%, has the lowest"));
    }

    #[test]
    fn a_single_run_is_as_sure_as_its_images_are_many() {
        let all = [scored("a", &[0.90], 0.3), scored("b", &[0.92], 0.5)];
        assert_eq!(pick(&all, 100).unwrap().index, 0, "2 points in 100 images are noise");
        assert_eq!(pick(&all, 100_000).unwrap().index, 1, "in 100,000 they are not");
    }

    #[test]
    fn who_fell_out_early_is_not_compared() {
        let all = [scored("lucky", &[0.99], 0.1), scored("a", &[0.90, 0.91], 0.3), scored("b", &[0.92, 0.93], 0.2)];
        assert_eq!(pick(&all, 1000).unwrap().index, 2);
        assert_eq!(pick(&[], 1000), None);
    }
}
