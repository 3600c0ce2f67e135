"""Our training steps against PyTorch's, in one sitting: ours, theirs, ours, theirs, ...

    make bench-peer PEER_PYTHON=python3           (or, of a few cases: make bench-peer PEER_PYTHON=python3 QUICK=1)
    make bench-peer PEER_PYTHON=python3 DEVICE=cuda        both on one GPU; PyTorch with cuDNN, TF32 off and on

Every case is measured in rounds; a round runs each program once, in a fresh process, one after another, so that what
else the machine does falls on all of them. The figure of a program is the median over the rounds; PyTorch's is that of
the better of its two memory layouts. Writes a dated page, table and raw figures, into a folder (docs/results).
Runs under a Python that has torch; it starts itself for PyTorch's part.
"""

import argparse
import collections
import dataclasses
import datetime
import functools
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# What PyTorch is told to confine itself to AVX2: in oneDNN's kernels and in its own.
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
# glibc keeps freed memory, in place of giving it back and faulting it in again at the next step.
KEEP = {"MALLOC_TRIM_THRESHOLD_": "8589934592", "MALLOC_MMAP_THRESHOLD_": "8589934592", "MALLOC_TOP_PAD_": "67108864"}


@dataclasses.dataclass(frozen=True)
class Case:
    """One row of the table."""

    net: str
    batch: int = 128
    threads: int = 2
    mode: str = "train"
    avx2: bool = False
    steps: int = 12
    device: str = "cpu"
    precision: str = "float32"
    side: int = 0  # of the images, where it is not the one that the net is for

    @property
    def keeps(self):
        """Whether PyTorch is measured with freed memory kept too: the table takes long enough without it everywhere."""
        return self == Case("resnet20", steps=self.steps, device="cpu")

    @property
    def image(self):
        """(side, channels) of the images."""
        if self.side:
            return (self.side, 3)
        return (28, 1) if self.net in ("resnet8", "lenet") else (32, 3)

    @property
    def flags(self):
        side, channels = self.image
        flags = ["--net", self.net, "--batch", self.batch, "--threads", self.threads, "--steps", self.steps]
        flags += ["--size", side, "--channels", channels]
        # What is the default of both sides goes unsaid: the scripts of others know no such flags.
        flags += [] if self.device == "cpu" else ["--device", self.device]
        flags += [] if self.precision == "float32" else ["--precision", self.precision]
        return [str(flag) for flag in flags] + (["--eval"] if self.mode == "eval" else [])


def table(avx512):
    """Every case; steps so that a run takes some seconds."""
    nets = (("resnet20", 12), ("resnet56", 6), ("resnet8", 20), ("lenet", 40), ("shallow", 20))
    cases = [Case(net, steps=steps) for net, steps in nets]
    cases += [Case("resnet20", batch=512, steps=4), Case("resnet56", batch=512, steps=3)]
    if avx512:
        cases += [Case(net, avx2=True, steps=steps) for net, steps in nets]
    cases += [Case(net, mode="eval", steps=2 * steps) for net, steps in nets]
    cases += [Case(net, threads=1, steps=max(steps // 2, 4)) for net, steps in nets]
    photo = functools.partial(Case, "resnet18", batch=32)
    cases += [photo(side=side, mode=mode, steps=steps) for side, mode, steps in PHOTO]
    if avx512:
        cases += [Case("resnet20", threads=1, avx2=True, steps=6), Case("resnet20", mode="eval", avx2=True, steps=24)]
    return cases


def table_of_gpu(device, quick):
    """The cases of a GPU: small and large batches, float32 with TF32 off and on, mixed precision."""
    nets = ("resnet20",) if quick else ("resnet20", "resnet56")
    precisions = ("float32", "tf32") if quick else ("float32", "tf32", "bf16")
    one = functools.partial(Case, threads=1, steps=10, device=device)
    cases = [one(net, batch=b, precision=p) for p in precisions for net in nets for b in (128, 1024)]
    return cases + [one(net, batch=1024, mode="eval") for net in nets]


# Side, mode and steps of torchvision's resnet18.
PHOTO = [(128, "train", 4), (128, "eval", 8), (224, "train", 3), (224, "eval", 4)]

QUICK = [Case("resnet20"), Case("resnet20", mode="eval", steps=24), Case("lenet", steps=40)]


class Failed(Exception):
    """A program that did not measure."""


def run(command, environment):
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def programs(case, ours):
    """(name, command, environment) of everything that a round runs."""
    confined = AVX2 if case.avx2 else {}
    yield "ours", [str(ours), *case.flags, *(["--isa", "avx2"] if case.avx2 else [])], {}
    for layout in ("nchw", "nhwc"):
        command = [sys.executable, "-W", "ignore", str(HERE / "torch_bench.py"), *case.flags, "--layout", layout]
        yield layout, command, confined
        if case.keeps:
            yield f"{layout} keep", command, KEEP


def measure(case, ours, rounds):
    """The results of each program, round by round."""
    results = collections.defaultdict(list)
    for _ in range(rounds):
        for name, command, environment in programs(case, ours):
            results[name].append(run(command, environment))
    return dict(results)


def median(results, key):
    return statistics.median(result[key] for result in results)


def better(results, names):
    """Of these programs, the one with more images per second."""
    return max(names, key=lambda name: median(results[name], "images_per_second"))


def row(case, results):
    """One line of the table."""
    plain = better(results, ("nchw", "nhwc"))
    keep = better(results, ("nchw keep", "nhwc keep")) if case.keeps else None
    speed = {name: median(results[name], "images_per_second") for name in results}
    each = sorted(result["images_per_second"] for result in results["ours"])
    memory = {name: median(results[name], "peak_rss_bytes") for name in results}
    cells = [
        f"{case.net} at {case.side}" if case.side else case.net,
        case.mode,
        case.batch,
        case.threads,
        ("AVX2" if case.avx2 else "all") if case.device == "cpu" else case.precision,
        f"{speed['ours']:.0f} ({each[0]:.0f}-{each[-1]:.0f})",
        f"{speed['nchw']:.0f}",
        f"{speed['nhwc']:.0f}",
        f"**{speed['ours'] / speed[plain]:.2f}**",
        f"{speed[keep]:.0f}" if keep else "",
        f"{speed['ours'] / speed[keep]:.2f}" if keep else "",
        f"{memory['ours'] / 1e6:.0f}",
        f"{memory[plain] / 1e6:.0f}",
        f"{memory['ours'] / memory[plain]:.2f}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


COLUMNS = [
    "net", "mode", "batch", "threads", "instructions or precision", "ours", "PyTorch NCHW", "channels_last", "ours / better",
    "better, memory kept", "ours / that", "ours MB", "PyTorch MB", "ours / PyTorch",
]  # fmt: skip


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def read_text(path):
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""


def field(text, name):
    found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.MULTILINE)
    return found.group(1) if found else "unknown"


def instruction_sets(cpuinfo):
    flags = set(field(cpuinfo, "flags").split())
    of_interest = ("avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni")
    return [name for name in of_interest if name in flags]


def machine(cpuinfo):
    """What the figures hold for."""
    kind = f"family {field(cpuinfo, 'cpu family')}, model {field(cpuinfo, 'model')}"
    memory = int(field(read_text("/proc/meminfo"), "MemTotal").split()[0]) // (1 << 20)
    return {
        "processor": f"{field(cpuinfo, 'model name')} ({kind})",
        "instruction sets": " ".join(instruction_sets(cpuinfo)),
        "cores": f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}",
        "memory": f"{memory} GiB",
        "system": f"{platform.system()} {platform.release()}, {' '.join(platform.libc_ver())}",
        "rustc": output_of("rustc", "--version"),
        "Python": platform.python_version(),
        "commit": output_of("git", "describe", "--always", "--dirty"),
    }


EXPLANATION = """\
Images per second of whole training steps (forward, loss, backward, SGD; ours also unpacks and normalises its bytes), or
with mode eval of the forward pass; medians over {rounds} rounds, in brackets the slowest and the fastest of ours. A
round runs each program once, in a fresh process, one after another. `ours / better` is against the better of PyTorch's two
layouts, as it comes; `memory kept` is PyTorch with glibc told to keep freed memory ({keep}). MB are the peak resident
memory of the process, its libraries included. `AVX2`: both sides confined to it (PyTorch by {avx2}).
"""


def page(rows, raw, about, rounds):
    def settings(environment):
        return " ".join(f"{key}={value}" for key, value in environment.items())

    lines = [f"# Training steps against PyTorch, {datetime.date.today()}", ""]
    lines += [f"- {key}: {value}" for key, value in about.items()]
    lines += ["", EXPLANATION.format(rounds=rounds, keep=settings(KEEP), avx2=settings(AVX2))]
    lines += [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}", *rows]
    lines += ["", "## Every run", "```", *raw, "```", ""]
    return "\n".join(lines)


def write(path, text):
    """Beside, then moved: a page is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(text)
    beside.replace(path)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ours", type=pathlib.Path, default=ROOT / "target/release/examples/bench_net")
    p.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/results", help="folder of the page")
    p.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--quick", action="store_true", help="resnet20 and lenet alone")
    p.add_argument("--photo", action="store_true", help="resnet18 at 128 and 224 pixels alone; needs torchvision")
    a = p.parse_args()
    if not a.ours.is_file():
        p.error(f"--ours: expected a program, found nothing at {a.ours}\n"
                "build it: cargo build --release -p learner --example bench_net")  # fmt: skip
    return a


def main():
    a = arguments()
    cpuinfo = read_text("/proc/cpuinfo")
    about = machine(cpuinfo)
    about["load before"] = f"{os.getloadavg()[0]:.2f}"
    name = field(cpuinfo, "model name")
    if a.device != "cpu":
        name = about["card"] = output_of("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    processor = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    part = "-quick" if a.quick else "-photo" if a.photo else ""
    path = a.out / f"{datetime.date.today()}-peer{part}-{processor}.md"
    rows, raw = [], []
    cases = QUICK if a.quick else table("avx512f" in instruction_sets(cpuinfo))
    if a.photo:
        cases = [case for case in cases if case.side]
    if a.device != "cpu":
        cases = table_of_gpu(a.device, a.quick)
    for case in cases:
        results = measure(case, a.ours, a.rounds)
        about.setdefault("PyTorch", results["nchw"][0]["program"])
        rows.append(row(case, results))
        raw += [json.dumps({"as": name, **result}) for name, each in results.items() for result in each]
        print(rows[-1], file=sys.stderr, flush=True)
        write(path, page(rows, raw, about, a.rounds))  # after every row: what was measured is not lost
    print(path)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"bench_peer: {failure}")
