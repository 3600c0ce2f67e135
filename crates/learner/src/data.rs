//! A data file as the engines take it.

use artifacts::dataset;
use artifacts::weights::Task;
use kernels::engine::{DataSet, Images};

/// Converts a data set that was read from a file, normalised as `task` says.
pub fn of_file(file: dataset::DataSet, task: &Task) -> DataSet {
    let single = |values: &[f64]| values.iter().map(|v| *v as f32).collect();
    DataSet {
        shape: file.shape,
        classes: file.classes.len(),
        mean: single(&task.mean),
        std: single(&task.std),
        train: images(file.train),
        test: images(file.test),
    }
}

fn images(images: dataset::Images) -> Images {
    Images { pixels: images.pixels.into(), labels: images.labels.into() }
}
