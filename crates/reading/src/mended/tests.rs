//! Curves as tools spoil them, made from one curve whose losses are known.

use artifacts::setting::Setting;

use super::*;

/// A loss that starts at 2.3, falls to 1 at 0.03, and rises again.
fn loss(log_rate: f64) -> f64 {
    let off = log_rate + 1.5;
    2.3 - 1.3 * (-off * off).exp()
}

/// A log ramp from 1e-5 to 10 in `n` steps.
fn curve(n: usize, of: impl Fn(usize, f64) -> f64) -> Curve {
    let point = |i: usize| {
        let x = -5.0 + 6.0 * i as f64 / (n - 1) as f64;
        Point { iteration: i as u64 + 1, lr: 10f64.powf(x), train_loss: Some(of(i, x)), ..Point::default() }
    };
    let (source, setting) = ("made-up".to_owned(), Setting::default());
    let points = (0..n).map(point).collect();
    Curve { source, setting, points, ..Curve::default() }
}

fn losses_of(curve: &Curve) -> Vec<Option<f64>> {
    curve.points.iter().map(|point| point.train_loss).collect()
}

#[test]
fn a_curve_in_order_is_left_alone() {
    for n in [12, 40, 300] {
        let whole = curve(n, |i, x| loss(x) + if i % 2 == 0 { 0.05 } else { -0.05 });
        let mended = mended(&whole);
        assert_eq!((losses_of(&mended.curve), mended.notes.len()), (losses_of(&whole), 0));
        assert_eq!(mended.blow_up, None);
    }
}

#[test]
fn what_a_running_average_got_wrong_is_undone() {
    let weight = |t: f64| 1.0 - 0.98f64.powf(t);
    let mistakes: [fn(f64, f64) -> f64; 3] = [|w, _| w, |w, next| w / next, |w, _| 1.0 / w];
    for (mistake, says) in mistakes.into_iter().zip(["not corrected", "one step too many", "did not have"]) {
        for every in [1, 5] {
            let mut spoilt = curve(300, |i, x| {
                let t = (i + 1) as f64;
                loss(x) * mistake(weight(t), weight(t + 1.0))
            });
            spoilt.points = spoilt.points.into_iter().step_by(every).collect();
            let mended = mended(&spoilt);
            assert!(mended.notes.len() == 1 && mended.notes[0].contains(says), "{:?}", mended.notes);
            for point in &mended.curve.points {
                let expected = loss(point.lr.log10());
                assert!((point.train_loss.unwrap() - expected).abs() < 1e-9, "{point:?}, not {expected}");
            }
        }
    }
}

#[test]
fn first_losses_that_nothing_explains_are_left_out() {
    for (factors, word) in [(vec![50.0, 25.0, 12.0], "above"), (vec![40.0], "above"), (vec![0.5, 0.7], "below")] {
        let spoilt = curve(40, |i, x| loss(x) * factors.get(i).copied().unwrap_or(1.0));
        let mended = mended(&spoilt);
        let out = losses_of(&mended.curve).iter().filter(|loss| loss.is_none()).count();
        assert_eq!(out, factors.len(), "{factors:?}");
        assert!(mended.notes[0].contains(word), "{:?}", mended.notes);
    }
}

/// Learning at once, and a ramp that starts where training blows up, are no averages gone wrong.
#[test]
fn steep_starts_are_kept() {
    let quick = curve(100, |i, _| 2.3 - 1.5 * (1.0 - (-(i as f64) / 20.0).exp()));
    let rising = curve(100, |i, _| 2.3 * (1.0 + i as f64 / 20.0));
    for whole in [quick, rising] {
        let mended = mended(&whole);
        assert!(mended.notes.is_empty(), "{:?}", mended.notes);
    }
}

#[test]
fn a_loss_that_grows_manyfold_and_does_not_come_back_has_blown_up() {
    let grows = |x: f64| if x < 0.5 { loss(x) } else { 2.3 + 10f64.powf(8.0 * (x - 0.4)) };
    for every in [1, 2, 10] {
        let mut whole = curve(400, |_, x| grows(x));
        whole.points = whole.points.into_iter().step_by(every).collect();
        let mended = mended(&whole);
        let blow_up = mended.blow_up.expect("it grows to 63,000");
        assert!((3.1..5.5).contains(&blow_up.rate), "{blow_up:?}");
        assert!(mended.curve.points.last().unwrap().train_loss.unwrap().is_infinite());
        assert_eq!(mended.curve.blown_from(), Some(blow_up.rate));
    }
    let spike = curve(400, |i, x| if i == 200 || i == 201 { 500.0 } else { loss(x) });
    assert_eq!(mended(&spike).blow_up, None, "it comes back");
    let dead = curve(400, |_, x| {
        if x < 0.3 {
            loss(x)
        } else if x < 0.5 {
            1e4
        } else {
            2.3
        }
    });
    assert!((mended(&dead).blow_up.unwrap().rate - 2.0).abs() < 0.1, "what comes back learns nothing");
}

#[test]
fn a_loss_below_0_blows_up_by_what_was_learnt() {
    let negative = curve(200, |_, x| loss(x) - 2.4 + if x < 0.3 { 0.0 } else { 10f64.powf(8.0 * (x - 0.3)) });
    let blow_up = mended(&negative).blow_up.unwrap();
    assert!((2.0..4.0).contains(&blow_up.rate), "{blow_up:?}");
}
