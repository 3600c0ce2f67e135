"""Whether torch_bench.py measures PyTorch fairly: its figures against those of another script that measures the same.

    make peer-agrees PEER_PYTHON=python3 PEER_OTHER=other_bench.py

The other script takes the same flags and prints one line of JSON with `images_per_second`. Both are run in turn, in fresh
processes, the first of a round by turns, so that what else the machine does falls on both. In channels_last, the layout that
is the faster one in every case of bench-peer on a processor, so the one that its ratios are against. Prints a table of the
medians and of their ratio; exits with 1 where a ratio is further from 1 than the tolerance.
"""

import argparse
import dataclasses
import pathlib
import statistics
import sys

import bench_peer
from bench_peer import Case

CASES = [
    Case("resnet20"), Case("resnet8", steps=20), Case("lenet", steps=80), Case("shallow", steps=20),
    Case("resnet20", mode="eval", steps=24), Case("lenet", mode="eval", steps=160), Case("shallow", mode="eval", steps=40),
]  # fmt: skip
LAYOUT = "nhwc"
COLUMNS = ["net", "mode", "layout", "torch_bench.py", "other script", "ratio", "ratios of single rounds"]


@dataclasses.dataclass
class Pair:
    """Images per second of the two scripts, round by round."""

    own: list
    other: list

    @property
    def ratio(self):
        return statistics.median(self.own) / statistics.median(self.other)

    @property
    def ratios(self):
        return sorted(own / other for own, other in zip(self.own, self.other))


def measure(case, layout, other, rounds):
    pair = Pair([], [])
    scripts = [(bench_peer.HERE / "torch_bench.py", pair.own), (other, pair.other)]
    for _ in range(rounds):
        for script, figures in scripts:
            command = [sys.executable, "-W", "ignore", str(script), *case.flags, "--layout", layout]
            figures.append(bench_peer.run(command, {})["images_per_second"])
        scripts.reverse()
    return pair


def row(case, layout, pair):
    own, other, ratios = statistics.median(pair.own), statistics.median(pair.other), pair.ratios
    cells = [case.net, case.mode, layout, f"{own:.0f}", f"{other:.0f}", f"**{pair.ratio:.3f}**"]
    return f"| {' | '.join(cells)} | {ratios[0]:.2f} to {ratios[-1]:.2f} |"


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--other", type=pathlib.Path, required=True, help="the other script")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--tolerance", type=float, default=0.05)
    a = p.parse_args()
    if not a.other.is_file():
        p.error(f"--other: expected a Python script, found nothing at {a.other}")
    return a


def main():
    a = arguments()
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    worst = 0.0
    for case in CASES:
        pair = measure(case, LAYOUT, a.other, a.rounds)
        worst = max(worst, abs(pair.ratio - 1))
        print(row(case, LAYOUT, pair), flush=True)
    if worst > a.tolerance:
        sys.exit(f"agree: a ratio is {worst:.1%} away from 1; at most {a.tolerance:.0%} is tolerated")


if __name__ == "__main__":
    try:
        main()
    except bench_peer.Failed as failure:
        sys.exit(f"agree: {failure}")
