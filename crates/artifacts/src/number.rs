//! Numbers as people write them.

/// A learning rate to three digits: `0.0123`, `1.5`, `12`, `3e-5`.
pub fn rate(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let rounded = round_digits(value, 3);
    if rounded.abs() < 1e-3 || rounded.abs() >= 1e5 { format!("{rounded:e}") } else { format!("{rounded}") }
}

/// A loss to three digits, as [`rate`]: `2.3`, `2.77e20` where it blew up.
pub fn loss(value: f64) -> String {
    rate(value)
}

/// The value rounded to so many significant digits; a half, such as 2.985 to three, goes up.
pub fn round_digits(value: f64, digits: usize) -> f64 {
    let nudged = value * (1.0 + 1e-12);
    format!("{nudged:.*e}", digits.saturating_sub(1)).parse().unwrap_or(value)
}

/// A fraction in percent with one decimal: `97.3%`.
pub fn percent(fraction: f64) -> String {
    format!("{:.1}%", 100.0 * fraction)
}

/// A count with its digits grouped: `10,000`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The next of 1, 2, 5, 10, ... at or above a positive value.
pub fn round_up_125(value: f64) -> f64 {
    let decade = 10f64.powf(value.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * decade >= value * 0.999_999);
    let factor: f64 = factor.unwrap_or(10.0);
    format!("{:.0e}", factor * decade).parse().unwrap_or(factor * decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_three_digits() {
        let shown = [0.012345, 1.5, 12.0, 2.9850001, 3e-5, 1e-7, 0.0].map(rate);
        assert_eq!(shown, ["0.0123", "1.5", "12", "2.99", "3e-5", "1e-7", "0"]);
    }

    #[test]
    fn losses_that_blew_up_are_short() {
        assert_eq!([0.4321987, 2.312345, 276849094329290981376.0].map(loss), ["0.432", "2.31", "2.77e20"]);
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!([0, 999, 1000, 80_000, 1_234_567].map(count), ["0", "999", "1,000", "80,000", "1,234,567"]);
    }

    #[test]
    fn limits_are_rounded_up() {
        assert_eq!([0.3, 1.0, 1.9, 29.85, 5.1].map(round_up_125), [0.5, 1.0, 2.0, 50.0, 10.0]);
    }
}
