//! How sure a difference between two arms is when the images of the test set count as a sample too, and not the seeds alone.
//!
//! One run in a pair has an image right and the other wrong, or they agree: a table of seeds by images that holds 1, -1 and 0.
//! Its grand mean is the difference of accuracy. In a two-way layout with random seeds and random images the variance of that
//! mean is estimated, without bias, by the variance of the seeds' means over their number, plus that of the images' means over
//! theirs, minus the mean square of what neither explains over both (Searle, Casella and McCulloch, Variance Components, 1992,
//! section 4.7).

use artifacts::correct;
use artifacts::finished::Run;
use reading::stats::t_interval95;

/// The 95% interval of the mean difference of test accuracy over pairs of runs, by Student's t with the degrees of freedom of
/// the seeds, which is cautious. None for fewer than two pairs, and where a run does not say which images it has right.
pub(crate) fn interval95(pairs: &[(&Run, &Run)]) -> Option<(f64, f64)> {
    let read = |run: &Run| correct::read(&run.folder.join(correct::FILE)).ok();
    let row = |(ours, theirs): &(&Run, &Run)| -> Option<Vec<i8>> {
        let (ours, theirs) = (read(ours)?, read(theirs)?);
        let difference = |(ours, theirs): (bool, bool)| i8::from(ours) - i8::from(theirs);
        (ours.len() == theirs.len()).then(|| ours.into_iter().zip(theirs).map(difference).collect())
    };
    interval_of(&pairs.iter().map(row).collect::<Option<Vec<_>>>()?)
}

fn interval_of(table: &[Vec<i8>]) -> Option<(f64, f64)> {
    let (rows, columns) = (table.len(), table.first()?.len());
    if rows < 2 || columns < 2 || table.iter().any(|row| row.len() != columns) {
        return None;
    }
    let mean = |values: &mut dyn Iterator<Item = f64>, count: usize| values.sum::<f64>() / count as f64;
    let row_means: Vec<f64> = table.iter().map(|row| mean(&mut row.iter().map(|d| f64::from(*d)), columns)).collect();
    let column_mean = |column: usize| mean(&mut table.iter().map(|row| f64::from(row[column])), rows);
    let column_means: Vec<f64> = (0..columns).map(column_mean).collect();
    let grand = mean(&mut row_means.iter().copied(), rows);
    let variance = |means: &[f64]| means.iter().map(|m| (m - grand).powi(2)).sum::<f64>() / (means.len() - 1) as f64;
    let mut left = 0.0;
    for (row, row_mean) in table.iter().zip(&row_means) {
        for (value, column_mean) in row.iter().zip(&column_means) {
            left += (f64::from(*value) - row_mean - column_mean + grand).powi(2);
        }
    }
    left /= ((rows - 1) * (columns - 1)) as f64;
    let of_seeds = variance(&row_means) / rows as f64;
    let of_both = of_seeds + variance(&column_means) / columns as f64 - left / (rows * columns) as f64;
    // An estimate below that of the seeds alone is chance.
    Some(t_interval95(grand, of_both.max(of_seeds).sqrt(), rows - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_widen_an_interval_by_what_they_vary() {
        // Computed in Python: means by row (2/6, 1/6, 0), by column (2/3, 1/3, 1/3, 0, -1/3, 0); variances of the means
        // 0.0277778 and 0.1222222, residual mean square 0.2333333: variance 0.0277778/3 + 0.1222222/6 - 0.2333333/18 = 1/60.
        let table = vec![vec![1, 1, 0, 0, 0, 0], vec![1, 0, 1, 0, -1, 0], vec![0, 0, 0, 0, 0, 0]];
        let (low, high) = interval_of(&table).unwrap();
        let half = 4.303 * (1.0f64 / 60.0).sqrt();
        assert!((low - (1.0 / 6.0 - half)).abs() < 1e-3 && (high - (1.0 / 6.0 + half)).abs() < 1e-3, "{low} {high}");
    }

    #[test]
    fn seeds_that_agree_on_every_image_leave_the_images_uncertain() {
        let row: Vec<i8> = (0..100).map(|image| i8::from(image % 10 == 0)).collect();
        let (low, high) = interval_of(&[row.clone(), row.clone(), row]).unwrap();
        // The standard error of a share of 0.1 in 100 images: sqrt(0.1 * 0.9 / 99).
        let half = 4.303 * (0.09f64 / 99.0).sqrt();
        assert!((low - (0.1 - half)).abs() < 1e-9 && (high - (0.1 + half)).abs() < 1e-9, "{low} {high}");
    }

    #[test]
    fn one_seed_or_rows_of_different_lengths_have_no_interval() {
        assert_eq!(interval_of(&[]), None);
        assert_eq!(interval_of(&[vec![1, 0, 1]]), None);
        assert_eq!(interval_of(&[vec![1, 0, 1], vec![1, 0]]), None);
    }
}
