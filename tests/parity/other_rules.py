"""Writes what the learning rate finders of fastai, Lightning and pytorch-lr-finder answer on made-up loss curves, for
crates/reading/src/suggest/other_rules.rs to be compared with. Needs numpy.

    python3 other_rules.py --out ../../crates/reading/tests/fixtures/other_rules.json

Each rule is written down here a second time, straight from its definition and with numpy's own gradient, together with
the averaging, the stopping and the cuts that its tool applies before it:
- fastai 2, fastai/callback/schedule.py (valley, slide, minimum, steep; lr_find) and AvgSmoothLoss of fastai/learner.py;
- Lightning 2, lightning/pytorch/tuner/lr_finder.py (_LRCallback, suggestion);
- pytorch-lr-finder 0.2.2, torch_lr_finder/lr_finder.py (range_test, plot).
"""

import argparse
import json
import pathlib

import numpy as np


def average(losses, new, corrected_by, stop_at):
    """Exponential averages, `new` of each new loss, until one exceeds `stop_at` times the least. `corrected_by`: steps
    by which the correction for the start is ahead; None for no correction, the first loss being the start."""
    averages, mean, least = [], 0.0, np.inf
    for i, loss in enumerate(losses):
        if corrected_by is None:
            mean = loss if i == 0 else new * loss + (1 - new) * mean
            shown = mean
        else:
            mean = new * loss + (1 - new) * mean
            shown = mean / (1 - (1 - new) ** (i + 1 + corrected_by))
        averages.append(shown)
        least = min(least, shown)
        if shown > stop_at * least:
            break
    return np.array(averages)


def falling_run(losses):
    """Start and end of fastai's valley: the longest strictly falling subsequence, by comparing all pairs."""
    length = np.ones(len(losses), dtype=int)
    start = end = 0
    for i in range(1, len(losses)):
        for j in range(i):
            if losses[i] < losses[j]:
                length[i] = max(length[i], length[j] + 1)
        if length[i] > length[end]:
            end, start = i, i - length[i]
    return start, end


def fastai(lrs, losses):
    averages = average(losses, 0.02, 0, 4)
    cut = slice(len(losses) // 10, len(averages) - 5)
    x, y = lrs[: len(averages)][cut], averages[cut]
    start, end = falling_run(y)
    third = (end - start) / 3
    answers = {"valley": x[start + int(third) + int(third / 2)]}
    gradient = np.gradient(y)
    right, left = len(y) - 1, len(y) - 16
    answers["slide"] = x[left]
    while left >= 0 and abs(gradient[right] - gradient[left]) > 0.005:
        answers["slide"] = x[left]
        right, left = right - 1, left - 1
    answers["minimum_over_10"] = x[np.argmin(y)] / 10
    answers["steep"] = x[np.argmin(np.diff(y) / np.diff(np.log(x)))]
    return answers


def lightning(lrs, losses):
    averages = average(losses, 0.02, 1, 4)
    x, y = lrs[: len(averages)][10:-1], averages[10:-1]
    # numpy's gradient on an uneven grid is torch's, with first-order ends.
    return {"steepest": x[np.argmin(np.gradient(y, x))]}


def lr_finder(lrs, losses):
    averages = average(losses, 0.05, None, 5)
    x, y = lrs[: len(averages)][10:-5], averages[10:-5]
    return {"steepest_by_index": x[np.argmin(np.gradient(y))]}


def curves():
    random = np.random.default_rng(20180517)
    for name, lrs in {
        "log, 100 steps": np.geomspace(1e-5, 10, 100),
        "log, 400 steps": np.geomspace(1e-4, 3, 400),
        "linear, 200 steps": np.linspace(0.015, 3, 200),
    }.items():
        for noise in (0.0, 0.1):
            x = np.log10(lrs)
            losses = 2.3 - 1.9 / (1 + np.exp(-3 * (x + 2))) + 4 * np.maximum(0, x - 0.2) ** 2
            losses = np.maximum(0.01, losses * (1 + noise * random.standard_normal(len(x))))
            yield f"{name}, noise {noise}", lrs, losses
    # One that blows up within a few steps, and one with an early spike.
    lrs = np.geomspace(1e-5, 10, 120)
    losses = np.where(lrs < 1, 2.3 - 0.3 * (np.log10(lrs) + 5), 1000.0)
    yield "cliff", lrs, losses
    losses = 2.3 - 1.5 / (1 + np.exp(-4 * (np.log10(lrs) + 1)))
    losses[20:22] *= 3
    yield "spike", lrs, losses


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out
    cases = []
    for name, lrs, losses in curves():
        # Nine digits are enough, and what is compared is made from what is written.
        lrs = np.array([float(f"{lr:.9g}") for lr in lrs])
        losses = np.array([float(f"{loss:.9g}") for loss in losses])
        answers = fastai(lrs, losses) | lightning(lrs, losses) | lr_finder(lrs, losses)
        answers = {rule: float(rate) for rule, rate in answers.items()}
        cases.append({"name": name, "lr": lrs.tolist(), "loss": losses.tolist(), "answers": answers})
    record = {"made_by": "tests/parity/other_rules.py", "numpy": np.__version__, "cases": cases}
    out.write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
