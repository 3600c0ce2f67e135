//! A result in one line.

use artifacts::number;
use artifacts::run::ResultRecord;

/// What a run came to.
pub(crate) fn line(result: &ResultRecord) -> String {
    if let Some(divergence) = &result.divergence {
        let last_loss = divergence.last_finite_loss.map(number::loss);
        let last_loss = last_loss.map_or_else(String::new, |loss| format!(", last finite loss {loss}"));
        return format!("diverged at step {} at rate {}{last_loss}", divergence.iteration, number::rate(divergence.lr));
    }
    let accuracy = |name: &str, value: Option<f64>| {
        value.map_or_else(String::new, |value| format!(", {name} accuracy {value:.4}"))
    };
    let text = format!(
        "{} steps{}{}{}",
        result.iterations,
        accuracy("training", result.final_train_accuracy),
        accuracy("validation", result.final_val_accuracy),
        accuracy("test", result.test_accuracy)
    );
    let speed = result.images_per_second.map_or_else(String::new, |speed| format!(", {speed:.0} images/s"));
    format!("{text}, {:.1} s{speed}", result.wall_seconds)
}

#[cfg(test)]
mod tests {
    use artifacts::run::{Divergence, FORMAT, Status};

    use super::*;

    fn result(divergence: Option<Divergence>) -> ResultRecord {
        ResultRecord {
            format: FORMAT.to_owned(),
            status: if divergence.is_some() { Status::Diverged } else { Status::Completed },
            divergence,
            iterations: 12,
            final_val_accuracy: Some(0.912345),
            final_val_loss: Some(0.3),
            final_train_accuracy: Some(1.0),
            final_train_loss: Some(0.1),
            test_accuracy: None,
            test_loss: None,
            ema: None,
            wall_seconds: 1.25,
            images_per_second: Some(1234.5),
            peak_rss_bytes: None,
        }
    }

    #[test]
    fn a_divergence_in_few_digits() {
        let (lr, last) = (0.20763662735436392, 276849094329290981376.0);
        let divergence = Divergence { iteration: 7, lr, last_finite_loss: Some(last) };
        assert_eq!(line(&result(Some(divergence))), "diverged at step 7 at rate 0.208, last finite loss 2.77e20");
    }

    #[test]
    fn accuracies_that_were_measured() {
        let expected = "12 steps, training accuracy 1.0000, validation accuracy 0.9123, 1.2 s, 1234 images/s";
        assert_eq!(line(&result(None)), expected);
    }
}
