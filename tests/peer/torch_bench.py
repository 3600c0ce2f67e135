"""PyTorch's speed and memory on the CPU, for bench_peer.py: whole training steps, or with --eval the forward pass.

    python3 torch_bench.py --net resnet20 --batch 128 --threads 2 --layout nhwc

A training step is forward, mean cross-entropy, backward and SGD with momentum and weight decay, on images that lie in
memory, normalised. Prints one line of JSON, with the keys of `cargo run --release -p learner --example bench_net`.
"""

import argparse
import json
import pathlib
import resource
import statistics
import sys
import time

import torch
from torch.nn import functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "parity"))
import torch_nets

LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}
CLASSES = 10


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--net", default="resnet20", help="resnetN, lenet or shallow")
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--size", type=int, default=32, help="side of the images in pixels")
    p.add_argument("--channels", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=12, help="steps that are measured")
    p.add_argument("--warmup", type=int, default=3, help="steps before them")
    p.add_argument("--layout", choices=LAYOUTS, default="nhwc")
    p.add_argument("--eval", action="store_true", help="forward only, by the running statistics")
    return p.parse_args()


def training_step(net, images, labels):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    net.train()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def evaluation_step(net, images):
    net.eval()

    @torch.no_grad()
    def step():
        return net(images).argmax(1).sum().item()

    return step


def seconds(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    layout = LAYOUTS[a.layout]
    net = torch_nets.build(a.net, a.channels, a.size, CLASSES).to(memory_format=layout)
    images = torch.randn(a.batch, a.channels, a.size, a.size).to(memory_format=layout)
    labels = torch.randint(CLASSES, (a.batch,))
    step = evaluation_step(net, images) if a.eval else training_step(net, images, labels)
    for _ in range(a.warmup):
        step()
    median = statistics.median(seconds(step) for _ in range(a.steps))
    result = {
        "program": f"torch {torch.__version__}",
        "kernels": f"{a.layout} {torch.backends.cpu.get_cpu_capability().lower()}",
        "net": a.net,
        "mode": "eval" if a.eval else "train",
        "batch": a.batch,
        "threads": a.threads,
        "images_per_second": round(a.batch / median, 1),
        "step_seconds_median": round(median, 5),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
