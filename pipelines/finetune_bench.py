"""Does the rule for the highest rate hold in fine-tuning? Its regret against a grid of rates, beside fastai's constants.

    make finetune-bench                                                  # eleven settings of small nets
    make finetune-bench FINETUNE_SETTINGS="NAME,NET,WEIGHTS,DATA ..."    # others

For every setting and seed: a new last layer, trained alone for a short while at the rate that its range test suggests; from
there a range test of the whole net, one multiplier over all groups' rates, and 1cycle at what it suggests; the same at every
rate of a grid; and fastai's `fine_tune`: AdamW, the last layer at 2e-3, then all at 1e-3 / 100, 1e-3 / 10 and 1e-3. The regret is
the best mean test accuracy of the grid minus that of the rule (or of fastai). Runs that are there already are not made again.
Needs Python 3 alone.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import pathlib
import statistics
import subprocess
import sys

GROUPS = ["--group-rates", "0.01,0.1,1"]
FASTAI = ["--optimizer", "adamw", "--weight-decay", "0.01", "--variant", "fastai", "--max-momentum", "0.95"]
FASTAI += ["--min-momentum", "0.85"]


@dataclasses.dataclass(frozen=True)
class Setting:
    """A pretrained net, and the data that it is tuned to."""

    name: str
    net: str
    weights: str
    data: str


class Bench:
    """Runs the programs; results lie in files."""

    def __init__(self, a):
        self.a, self.root = a, pathlib.Path(a.runs)

    def program(self, name, *flags):
        done = subprocess.run([str(pathlib.Path(self.a.programs) / name), *map(str, flags)],
                              capture_output=True, text=True, check=False)  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{name} {' '.join(map(str, flags))}: exit code {done.returncode}\n{done.stderr}")

    def run(self, folder, name, setting, init, *flags):
        """The result of a run, made if it is not there."""
        self.program(name, "--data", setting.data, "--init", init, "--out", folder, "--resume", "--quiet", "--threads", 1,
                     "--batch-size", self.a.batch, "--augment", self.a.augment, "--bn-reestimate", 4, *flags)  # fmt: skip
        return json.loads((folder / "result.json").read_text())

    def suggested(self, folder, file):
        self.program("sc-analyze", "suggest", folder, "--out", file)
        return json.loads(file.read_text())["max_lr"]

    def train(self, folder, setting, init, rate, steps, *flags):
        return self.run(folder, "sc-train", setting, init, "--schedule", "1cycle", "--max-lr", rate, "--iterations", steps,
                        *flags)["test_accuracy"]  # fmt: skip

    def start(self, setting, seed, adaptive):
        """Weights after the last layer was trained alone."""
        folder = self.root / setting.name / f"seed{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        init = folder / "init.safetensors"
        if not init.exists():
            self.program("sc-init", "--net", setting.net, "--data", setting.data, "--from-torch", setting.weights, "--new-head",
                         "--adapt-stem", "--seed", seed, "--out", init, "--quiet")  # fmt: skip
        body = ["--freeze", "body"]
        if adaptive:
            head = folder / "head-fastai"
            self.train(head, setting, init, 2e-3, self.a.head_steps, *body, *FASTAI)
        else:
            self.run(folder / "head-range", "sc-rangetest", setting, init, *body, "--iterations", self.a.head_steps)
            rate = self.suggested(folder / "head-range", folder / "head.json") or 0.1
            head = folder / "head"
            self.train(head, setting, init, rate, self.a.head_steps, *body)
        return folder, head / "model.safetensors"

    def seed(self, setting, seed):
        """Rate of the rule, and the accuracies of rule, grid and fastai."""
        folder, head = self.start(setting, seed, adaptive=False)
        self.run(folder / "range", "sc-rangetest", setting, head, *GROUPS, "--iterations", self.a.range_steps)
        rate = self.suggested(folder / "range", folder / "whole.json")
        rule = self.train(folder / "rule", setting, head, rate, self.a.steps, *GROUPS) if rate else None
        grid = {lr: self.train(folder / f"grid-{lr}", setting, head, lr, self.a.steps, *GROUPS) for lr in self.a.grid}
        _, theirs = self.start(setting, seed, adaptive=True)
        fastai = self.train(folder / "fastai", setting, theirs, 1e-3, self.a.steps, *GROUPS, *FASTAI)
        return {"seed": seed, "rate": rate, "rule": rule, "grid": grid, "fastai": fastai}


def mean(values):
    """A run that diverged has no accuracy, which is worth nothing."""
    return statistics.mean(value or 0.0 for value in values)


def row(setting, seeds):
    means = {lr: mean(seed["grid"][lr] for seed in seeds) for lr in seeds[0]["grid"]}
    best = max(means, key=means.get)
    rule, fastai = (mean(seed[arm] for seed in seeds) for arm in ("rule", "fastai"))
    rates = ", ".join(f"{seed['rate']:.3g}" if seed["rate"] else "none" for seed in seeds)
    spread = ", ".join(f"{lr:g}: {100 * means[lr]:.1f}" for lr in means)
    return {
        "cells": [setting.name, f"{best:g}", f"{100 * means[best]:.1f}", rates, f"{100 * rule:.1f}",
                  f"{100 * (means[best] - rule):.1f}", f"{100 * fastai:.1f}", f"{100 * (means[best] - fastai):.1f}", spread],
        "regrets": (means[best] - rule, means[best] - fastai),
    }  # fmt: skip


COLUMNS = ["setting", "best of grid", "its accuracy %", "suggested", "accuracy %", "regret", "fastai %", "its regret", "grid"]


def table(rows):
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    lines += [f"| {' | '.join(row['cells'])} |" for row in rows]
    if rows:
        rule, fastai = ([row["regrets"][arm] for row in rows] for arm in (0, 1))
        ends = [f"mean {100 * statistics.mean(r):.1f}, largest {100 * max(r):.1f}" for r in (rule, fastai)]
        lines += ["", f"Regret in points of accuracy over {len(rows)} settings: the rule's {ends[0]}; fastai's {ends[1]}."]
    return "\n".join(lines)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("settings", nargs="+", help="NAME,NET,WEIGHTS,DATA")
    p.add_argument("--programs", default="target/release")
    p.add_argument("--runs", default="runs/finetune-bench")
    p.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    p.add_argument("--grid", type=float, nargs="+", default=[0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0])
    p.add_argument("--steps", type=int, default=150)
    p.add_argument("--head-steps", type=int, default=60)
    p.add_argument("--range-steps", type=int, default=100)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--augment", default="flip")
    p.add_argument("--jobs", type=int, default=2)
    return p.parse_args()


def main():
    a = arguments()
    bench = Bench(a)
    settings = [Setting(*text.split(",")) for text in a.settings]
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        jobs = {(s, n): pool.submit(bench.seed, s, n) for n in a.seeds for s in settings}
        for (setting, seed), job in jobs.items():
            print(f"{setting.name} seed {seed}: {json.dumps(job.result())}", file=sys.stderr, flush=True)
    print(table([row(s, [jobs[s, n].result() for n in a.seeds]) for s in settings]))


if __name__ == "__main__":
    main()
