"""Writes what PyTorch's schedulers (and fastai's formulas) give, for the schedules of crates/schedules to be compared with.

    python3 schedules.py --out ../../crates/schedules/tests/fixtures/schedules.json

Every case names one of our schedules as its JSON and lists rows of step (from 1), rate and momentum, all in float64.
Long runs are thinned out, but for the ends and the turning points.
"""

import argparse
import json
import math
import pathlib
import random

import torch
from torch.optim import SGD
from torch.optim import lr_scheduler

LENGTHS = (10, 100, 1001)
BASE_MOMENTUM = 0.8
MIN_MOMENTUM, MAX_MOMENTUM = 0.85, 0.95
MOMENTUM_BOUNDS = {"max_momentum": MAX_MOMENTUM, "min_momentum": MIN_MOMENTUM}
THIN = 37  # of long runs, every so many rows are kept
AROUND = 4  # and so many on either side of every turning point


def optimizer(lr):
    return SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=BASE_MOMENTUM)


def follow(lr, iterations, scheduler_of, closed_form=False):
    """Rows of a run that calls scheduler.step() after every optimizer step.

    With `closed_form` by the formula that PyTorch keeps beside the recursion it normally uses. The recursion adds up
    rounding errors; that the two agree but for those is checked here.
    """
    sgd = optimizer(lr)
    scheduler = scheduler_of(sgd)
    rows = []
    for step in range(1, iterations + 1):
        group = sgd.param_groups[0]
        rate = group["lr"]
        if closed_form:
            (exact,) = scheduler._get_closed_form_lr()
            assert abs(rate - exact) < 1e-11 * max(lr, exact), (step, rate, exact)
            rate = exact
        rows.append([step, rate, group["momentum"]])
        sgd.step()
        if step < iterations:
            scheduler.step()
    return rows


def fastai_rows(max_lr, iterations, div=25.0, div_final=1e5, pct_start=0.25, momenta=(0.95, 0.85, 0.95)):
    """fit_one_cycle of fastai 2 (fastai/callback/schedule.py): two half cosines of the share of batches done, one for
    the rate and one for the momentum. fastai keeps the bounds of the phases in float32; here they are float64.
    """

    def half_cosine(start, end, position):
        return start + (1 + math.cos(math.pi * (1 - position))) * (end - start) / 2

    def two_phases(position, start, middle, end):
        if position < pct_start:
            return half_cosine(start, middle, position / pct_start)
        return half_cosine(middle, end, (position - pct_start) / (1 - pct_start))

    rows = []
    for step in range(1, iterations + 1):
        position = (step - 1) / iterations
        rate = two_phases(position, max_lr / div, max_lr, max_lr / div_final)
        rows.append([step, rate, two_phases(position, *momenta)])
    return rows


def thinned(rows):
    """Rows at both ends, around every change of direction, and some between."""
    if len(rows) <= 100:
        return rows
    keep = set(range(0, len(rows), THIN)) | {0, len(rows) - 1}
    slope = [b[1] - a[1] for a, b in zip(rows, rows[1:])]
    turns = [i + 1 for i in range(len(slope) - 1) if slope[i] * slope[i + 1] <= 0 and slope[i] != slope[i + 1]]
    for turn in [0, *turns, len(rows) - 1]:
        keep |= set(range(max(0, turn - AROUND), min(len(rows), turn + AROUND + 1)))
    return [rows[i] for i in sorted(keep)]


def case(source, schedule, iterations, rows):
    return {"source": source, "schedule": schedule, "iterations": iterations, "rows": thinned(rows)}


def one_cycles():
    for iterations in LENGTHS:
        for variant, three_phase in (("torch", False), ("torch-three-phase", True)):
            for max_lr, pct_start in ((3.0, 0.3), (0.4, 0.25)):
                rows = follow(
                    1.0,
                    iterations,
                    lambda sgd: lr_scheduler.OneCycleLR(
                        sgd,
                        max_lr=max_lr,
                        total_steps=iterations,
                        pct_start=pct_start,
                        three_phase=three_phase,
                        base_momentum=MIN_MOMENTUM,
                        max_momentum=MAX_MOMENTUM,
                    ),
                )
                schedule = {"schedule": "1cycle", "variant": variant, "max_lr": max_lr, **MOMENTUM_BOUNDS}
                if pct_start != 0.3:
                    schedule["pct_start"] = pct_start
                yield case("OneCycleLR", schedule, iterations, rows)
        schedule = {"schedule": "1cycle", "variant": "fastai", "max_lr": 3.0, **MOMENTUM_BOUNDS}
        yield case("fit_one_cycle of fastai", schedule, iterations, fastai_rows(3.0, iterations))
    rows = follow(
        1.0,
        100,
        lambda sgd: lr_scheduler.OneCycleLR(
            sgd, max_lr=30.0, total_steps=100, div_factor=10.0, final_div_factor=100.0, cycle_momentum=False
        ),
    )
    schedule = {"schedule": "1cycle", "variant": "torch", "max_lr": 30.0, "min_lr": 3.0, "final_lr": 0.03}
    yield case("OneCycleLR", schedule, 100, rows)


def cycles():
    for iterations, step_size in ((10, 3), (100, 25), (1001, 130)):
        for name, mode, gamma in (
            ("triangular", "triangular", None),
            ("triangular2", "triangular2", None),
            ("exp-range", "exp_range", 0.99),
        ):
            for bounds in (MOMENTUM_BOUNDS, {}) if iterations == 10 else (MOMENTUM_BOUNDS,):
                rows = follow(
                    1.0,
                    iterations,
                    lambda sgd: lr_scheduler.CyclicLR(
                        sgd,
                        base_lr=0.1,
                        max_lr=3.0,
                        step_size_up=step_size,
                        mode=mode,
                        gamma=gamma or 1.0,
                        cycle_momentum=bool(bounds),
                        base_momentum=MIN_MOMENTUM,
                        max_momentum=MAX_MOMENTUM,
                    ),
                )
                schedule = {"schedule": name, "min_lr": 0.1, "max_lr": 3.0, "step_size": step_size, **bounds}
                if gamma is not None:
                    schedule["gamma"] = gamma
                yield case("CyclicLR", schedule, iterations, rows)


def decays():
    for iterations in LENGTHS:
        for min_lr in (0.0, 0.01):
            rows = follow(
                3.0,
                iterations,
                lambda sgd: lr_scheduler.CosineAnnealingLR(sgd, T_max=iterations, eta_min=min_lr),
                closed_form=True,
            )
            schedule = {"schedule": "cosine", "lr": 3.0, "min_lr": min_lr}
            yield case("CosineAnnealingLR", schedule, iterations, rows)
        for t_0, t_mult, min_lr in ((7, 1, 0.0), (3, 2, 0.001)):
            rows = follow(
                3.0,
                iterations,
                lambda sgd: lr_scheduler.CosineAnnealingWarmRestarts(sgd, T_0=t_0, T_mult=t_mult, eta_min=min_lr),
            )
            schedule = {"schedule": "sgdr", "lr": 3.0, "min_lr": min_lr, "t_0": t_0, "t_mult": t_mult}
            if t_mult > 1 or iterations <= 100:
                yield case("CosineAnnealingWarmRestarts", schedule, iterations, rows)
        for power in (1.0, 0.9, 2.0):
            rows = follow(
                3.0,
                iterations,
                lambda sgd: lr_scheduler.PolynomialLR(sgd, total_iters=iterations, power=power),
                closed_form=True,
            )
            yield case("PolynomialLR", {"schedule": "poly", "lr": 3.0, "power": power}, iterations, rows)
        milestones = [iterations // 2, iterations * 3 // 4]
        rows = follow(0.4, iterations, lambda sgd: lr_scheduler.MultiStepLR(sgd, milestones, gamma=0.1))
        ends = [*milestones, iterations]
        starts = [0, *milestones]
        pieces = [{"iterations": e - s, "lr": lr} for s, e, lr in zip(starts, ends, (0.4, 0.04, 0.004))]
        yield case("MultiStepLR", {"schedule": "piecewise", "pieces": pieces}, iterations, rows)


def constants_and_ramps():
    """One rate throughout, and the ramps of a range test, whose last step is at the highest rate."""
    for iterations in LENGTHS:
        rows = follow(0.4, iterations, lambda sgd: lr_scheduler.ConstantLR(sgd, factor=1.0, total_iters=1))
        yield case("ConstantLR", {"schedule": "constant", "lr": 0.4}, iterations, rows)
        min_lr, max_lr, last = 0.001, 3.0, iterations - 1
        rows = follow(
            max_lr,
            iterations,
            lambda sgd: lr_scheduler.LinearLR(sgd, start_factor=min_lr / max_lr, end_factor=1.0, total_iters=last),
            closed_form=True,
        )
        ramp = {"schedule": "ramp", "min_lr": min_lr, "max_lr": max_lr}
        yield case("LinearLR", {**ramp, "scale": "linear"}, iterations, rows)
        rows = follow(
            min_lr,
            iterations,
            lambda sgd: lr_scheduler.ExponentialLR(sgd, gamma=(max_lr / min_lr) ** (1 / last)),
            closed_form=True,
        )
        yield case("ExponentialLR", {**ramp, "scale": "log"}, iterations, rows)


def plateaus():
    """Rows of the rate after each of a list of validation losses: falling, even, noisy, rising, falling again."""
    draw = random.Random(1)
    losses = []
    for level, count in ((2.3, 1), (1.5, 10), (1.0, 25), (0.99, 25), (1.4, 20), (0.5, 25), (0.499, 44)):
        losses += [level * (1 + 0.01 * draw.random()) for _ in range(count)]
    for settings in (
        {"factor": 0.1, "patience": 10, "threshold": 1e-4, "cooldown": 0, "min_lr": 0.0},
        {"factor": 0.5, "patience": 3, "threshold": 0.01, "cooldown": 4, "min_lr": 0.0},
        {"factor": 0.3, "patience": 0, "threshold": 0.05, "cooldown": 1, "min_lr": 0.05},
        {"factor": 0.1, "patience": 1, "threshold": 0.0, "cooldown": 0, "min_lr": 0.0},
    ):
        sgd = optimizer(3.0)
        scheduler = lr_scheduler.ReduceLROnPlateau(sgd, mode="min", threshold_mode="rel", **settings)
        rates = []
        for loss in losses:
            scheduler.step(loss)
            rates.append(sgd.param_groups[0]["lr"])
        yield {"schedule": {"schedule": "plateau", "lr": 3.0, **settings}, "losses": losses, "lr": rates}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out
    fixture = {
        "made_by": "tests/parity/schedules.py",
        "torch": torch.__version__,
        "base_momentum": BASE_MOMENTUM,
        "cases": [*one_cycles(), *cycles(), *decays(), *constants_and_ramps()],
        "plateaus": list(plateaus()),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = {key: json.dumps(value) for key, value in fixture.items() if not isinstance(value, list)}
    lists = {key: ",\n".join(map(json.dumps, value)) for key, value in fixture.items() if isinstance(value, list)}
    fields = [f'"{key}": {text}' for key, text in lines.items()]
    fields += [f'"{key}": [\n{text}\n]' for key, text in lists.items()]
    out.write_text("{\n" + ",\n".join(fields) + "\n}\n")
    print(f"{out}: {len(fixture['cases'])} cases, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
