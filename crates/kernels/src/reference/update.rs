//! The optimizers in candle's operations, tensor by tensor, as `torch.optim` writes them down.

use candle_core::{Result, Tensor, Var};

use crate::engine::{Optimizer, Update};

/// One optimizer step over all parameters; `rates` are the factors of their rates, and `updates` counts this one.
pub(super) fn step(
    update: &Update,
    updates: u64,
    slots: &mut Vec<(&'static str, Vec<Tensor>)>,
    parameters: &[Var],
    rates: &[f64],
    gradients: &[Tensor],
) -> Result<()> {
    let Update { optimizer, momentum, .. } = *update;
    for (i, (parameter, gradient)) in parameters.iter().zip(gradients).enumerate() {
        let lr = update.lr * rates[i];
        let weight_decay = if rates[i] > 0.0 { update.weight_decay } else { 0.0 };
        let p = parameter.as_tensor().detach();
        let decoupled = optimizer == Optimizer::AdamW;
        let g = if decoupled || weight_decay == 0.0 { gradient.clone() } else { (gradient + (&p * weight_decay)?)? };
        let new = match optimizer {
            Optimizer::Sgd { .. } if momentum == 0.0 => (&p - (g * lr)?)?,
            Optimizer::Sgd { nesterov } => {
                let buffer = match find(slots, "momentum_buffer", i) {
                    Some(old) => ((old * momentum)? + &g)?,
                    None => g.clone(),
                };
                let direction = if nesterov { (g + (&buffer * momentum)?)? } else { buffer.clone() };
                put(slots, "momentum_buffer", i, buffer);
                (&p - (direction * lr)?)?
            }
            Optimizer::Adagrad => {
                let sum = (get(slots, "sum", i, &p)? + g.sqr()?)?;
                let std = (sum.sqrt()? + 1e-10)?;
                put(slots, "sum", i, sum);
                (&p - ((g * lr)? / std)?)?
            }
            Optimizer::Adadelta => {
                let square_avg = ((get(slots, "square_avg", i, &p)? * 0.9)? + (g.sqr()? * (1.0 - 0.9))?)?;
                let acc_delta = get(slots, "acc_delta", i, &p)?;
                let delta = (((&acc_delta + 1e-6)?.sqrt()? / (&square_avg + 1e-6)?.sqrt()?)? * g)?;
                let acc_delta = ((acc_delta * 0.9)? + (delta.sqr()? * (1.0 - 0.9))?)?;
                put(slots, "square_avg", i, square_avg);
                put(slots, "acc_delta", i, acc_delta);
                (&p - (delta * lr)?)?
            }
            Optimizer::RmsProp => {
                let square_avg = ((get(slots, "square_avg", i, &p)? * 0.99)? + (g.sqr()? * (1.0 - 0.99))?)?;
                let direction = (g / (square_avg.sqrt()? + 1e-8)?)?;
                put(slots, "square_avg", i, square_avg);
                if momentum == 0.0 {
                    (&p - (direction * lr)?)?
                } else {
                    let buffer = ((get(slots, "momentum_buffer", i, &p)? * momentum)? + direction)?;
                    put(slots, "momentum_buffer", i, buffer.clone());
                    (&p - (buffer * lr)?)?
                }
            }
            Optimizer::Adam | Optimizer::AdamW => {
                let p = if decoupled { (&p * (1.0 - lr * weight_decay))? } else { p };
                let exp_avg = ((get(slots, "exp_avg", i, &p)? * momentum)? + (&g * (1.0 - momentum))?)?;
                let exp_avg_sq = ((get(slots, "exp_avg_sq", i, &p)? * 0.999)? + (g.sqr()? * (1.0 - 0.999))?)?;
                let correction = |beta: f64| 1.0 - libm::pow(beta, updates as f64);
                let denominator = ((exp_avg_sq.sqrt()? / correction(0.999).sqrt())? + 1e-8)?;
                let new = (&p - ((&exp_avg * (lr / correction(momentum)))? / denominator)?)?;
                put(slots, "exp_avg", i, exp_avg);
                put(slots, "exp_avg_sq", i, exp_avg_sq);
                new
            }
        };
        parameter.set(&new)?;
    }
    Ok(())
}

/// What the slot holds for a parameter, if it has been used.
fn find(slots: &[(&'static str, Vec<Tensor>)], name: &str, parameter: usize) -> Option<Tensor> {
    let (_, tensors) = slots.iter().find(|(slot, _)| *slot == name)?;
    tensors.get(parameter).cloned()
}

/// What the slot holds for a parameter; zeros at first.
fn get(slots: &[(&'static str, Vec<Tensor>)], name: &str, parameter: usize, like: &Tensor) -> Result<Tensor> {
    find(slots, name, parameter).map_or_else(|| like.zeros_like(), Ok)
}

/// Sets what the slot holds for a parameter; parameters come in order.
fn put(slots: &mut Vec<(&'static str, Vec<Tensor>)>, name: &'static str, parameter: usize, value: Tensor) {
    let position = slots.iter().position(|(slot, _)| *slot == name).unwrap_or_else(|| {
        slots.push((name, Vec::new()));
        slots.len() - 1
    });
    let tensors = &mut slots[position].1;
    if parameter < tensors.len() { tensors[parameter] = value } else { tensors.push(value) }
}
