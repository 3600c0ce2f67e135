"""Writes what torch.optim makes of a small vector of parameters in ten steps of given gradients.

    python3 optimizers.py --out ../../crates/kernels/tests/fixtures/optimizers.json

Every case runs twice. The parameters after steps 1, 2 and 10 are those of the run in float64; of the run in float32 the
fixture keeps, for the same steps, the largest distance from it: the measure of what may be asked of our own float32.
Starts and gradients are multiples of 1/1024, so that both runs begin from the very same numbers.
"""

import argparse
import json
import pathlib
import random

import torch
from torch.optim import lr_scheduler

SEED = 1
ENTRIES = 37  # a whole number of vector registers of no width
STEPS = 10
KEPT = (1, 2, 10)

SGD = ("sgd", lambda p, **options: torch.optim.SGD(p, **options))
NESTEROV = ("nesterov", lambda p, **options: torch.optim.SGD(p, nesterov=True, **options))
ADAGRAD = ("adagrad", torch.optim.Adagrad)
ADADELTA = ("adadelta", torch.optim.Adadelta)
RMSPROP = ("rmsprop", torch.optim.RMSprop)
ADAM = ("adam", torch.optim.Adam)
ADAMW = ("adamw", torch.optim.AdamW)


def draw():
    """Starting point and gradients. Entry 0 never has a gradient; entry 1 has one at the first step alone."""
    rng = random.Random(SEED)
    start = [rng.randint(-2048, 2048) / 1024 for _ in range(ENTRIES)]
    gradients = [[rng.randint(-1024, 1024) / 1024 for _ in range(ENTRIES)] for _ in range(STEPS)]
    for step, gradient in enumerate(gradients):
        gradient[0] = 0.0
        if step > 0:
            gradient[1] = 0.0
    return start, gradients


def one_cycle(max_lr):
    """Rates and momenta as OneCycleLR sets them."""
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    scheduler = lr_scheduler.OneCycleLR(sgd, max_lr=max_lr, total_steps=STEPS)
    rates = []
    for step in range(STEPS):
        rates.append((sgd.param_groups[0]["lr"], sgd.param_groups[0]["momentum"]))
        sgd.step()
        if step < STEPS - 1:
            scheduler.step()
    return rates


def constant(lr, momentum):
    return [(lr, momentum)] * STEPS


def cases():
    late = [(0.1, 0.0)] * 3 + [(0.1, 0.9)] * 4 + [(0.1, 0.0)] * 3
    yield SGD, constant(0.1, 0.0), 0.0
    yield SGD, constant(0.1, 0.0), 0.1
    yield SGD, constant(0.1, 0.9), 0.0
    yield SGD, constant(0.1, 0.9), 0.1
    yield SGD, constant(10.0, 0.9), 0.01
    yield SGD, one_cycle(3.0), 0.01
    yield SGD, late, 0.01
    yield NESTEROV, constant(0.1, 0.9), 0.0
    yield NESTEROV, constant(0.1, 0.9), 0.1
    yield NESTEROV, constant(10.0, 0.9), 0.01
    yield NESTEROV, one_cycle(3.0), 0.01
    yield ADAGRAD, constant(0.1, 0.0), 0.0
    yield ADAGRAD, constant(10.0, 0.0), 0.1
    yield ADADELTA, constant(1.0, 0.0), 0.0
    yield ADADELTA, constant(10.0, 0.0), 0.1
    yield RMSPROP, constant(0.01, 0.0), 0.0
    yield RMSPROP, constant(0.01, 0.9), 0.1
    yield RMSPROP, constant(10.0, 0.9), 0.1
    yield RMSPROP, one_cycle(0.1), 0.1
    yield ADAM, constant(0.01, 0.9), 0.0
    yield ADAM, constant(0.01, 0.9), 0.1
    yield ADAM, constant(10.0, 0.9), 0.1
    yield ADAM, constant(0.01, 0.0), 0.0
    yield ADAM, one_cycle(0.1), 0.1
    yield ADAMW, constant(0.01, 0.9), 0.1
    yield ADAMW, constant(10.0, 0.9), 0.01
    yield ADAMW, one_cycle(0.1), 0.1


def options(name, lr, momentum):
    """What the constructor takes, of rate and momentum."""
    if name in ("sgd", "nesterov", "rmsprop"):
        return {"lr": lr, "momentum": momentum}
    if name in ("adam", "adamw"):
        return {"lr": lr, "betas": (momentum, 0.999)}
    return {"lr": lr}


def run(optimizer, rates, weight_decay, start, gradients, dtype):
    """Parameters after every step."""
    name, make = optimizer
    parameter = torch.nn.Parameter(torch.tensor(start, dtype=dtype))
    torch_optimizer = make([parameter], weight_decay=weight_decay, foreach=False, **options(name, *rates[0]))
    after = []
    for (lr, momentum), gradient in zip(rates, gradients):
        torch_optimizer.param_groups[0].update(options(name, lr, momentum))
        parameter.grad = torch.tensor(gradient, dtype=dtype)
        torch_optimizer.step()
        after.append(parameter.detach().double().clone())
    return after


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out
    start, gradients = draw()
    lines = []
    for optimizer, rates, weight_decay in cases():
        exact = run(optimizer, rates, weight_decay, start, gradients, torch.float64)
        single = run(optimizer, rates, weight_decay, start, gradients, torch.float32)
        kept = [
            {
                "step": step,
                "parameters": exact[step - 1].tolist(),
                "float32_distance": (single[step - 1] - exact[step - 1]).abs().max().item(),
            }
            for step in KEPT
        ]
        case = {"optimizer": optimizer[0], "weight_decay": weight_decay, "rates": rates, "after": kept}
        lines.append(json.dumps(case))
    head = {"made_by": "tests/parity/optimizers.py", "torch": torch.__version__, "seed": SEED}
    fields = [f'"{key}": {json.dumps(value)}' for key, value in head.items()]
    fields.append(f'"start": {json.dumps(start)}')
    fields.append('"gradients": [\n' + ",\n".join(map(json.dumps, gradients)) + "\n]")
    fields.append('"cases": [\n' + ",\n".join(lines) + "\n]")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("{\n" + ",\n".join(fields) + "\n}\n")
    print(f"{out}: {len(lines)} cases, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
