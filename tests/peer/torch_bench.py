"""PyTorch's speed and memory, for bench_peer.py: whole training steps, or with --eval the forward pass.

    python3 torch_bench.py --net resnet20 --batch 128 --threads 2 --layout nhwc

A training step is forward, mean cross-entropy, backward and SGD with momentum and weight decay, on images that lie in
memory (on a GPU: in its memory), normalised. On a GPU a measurement is of 20 steps in a row, of which the last one's loss is
waited for, and cuDNN may time its algorithms. Prints one line of JSON, with the keys of
`cargo run --release -p learner --example bench_net`.
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
IN_A_ROW = {"cpu": 1, "cuda": 20}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--net", default="resnet20", help="a net of torch_nets.py")
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--size", type=int, default=32, help="side of the images in pixels")
    p.add_argument("--channels", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=12, help="steps that are measured")
    p.add_argument("--warmup", type=int, default=3, help="steps before them")
    p.add_argument("--layout", choices=LAYOUTS, default="nhwc")
    p.add_argument("--eval", action="store_true", help="forward only, by the running statistics")
    p.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    p.add_argument("--precision", choices=("float32", "tf32", "bf16"), default="float32",
                   help="float32 with TF32 off or, on a GPU, on; or autocast to bfloat16")  # fmt: skip
    return p.parse_args()


def set_precision(precision):
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"


def training_step(net, images, labels, autocast):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    net.train()
    loss = None

    def step():
        nonlocal loss  # as in a plain loop, the last one lives until there is a new one: that changes what glibc gives back
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def evaluation_step(net, images, autocast):
    net.eval()

    @torch.no_grad()
    def step():
        with autocast:
            return net(images).argmax(1).sum()

    return step


def seconds(step, in_a_row):
    """Of one step, as the mean over some in a row."""
    start = time.perf_counter()
    for _ in range(in_a_row):
        number = step()
    number.item()
    return (time.perf_counter() - start) / in_a_row


def card(device):
    return f"{torch.cuda.get_device_name(device)}, cuDNN {torch.backends.cudnn.version()}"


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    set_precision(a.precision)
    device = torch.device(a.device)
    layout = LAYOUTS[a.layout]
    net = torch_nets.build(a.net, a.channels, a.size, CLASSES).to(device, memory_format=layout)
    images = torch.randn(a.batch, a.channels, a.size, a.size).to(device, memory_format=layout)
    labels = torch.randint(CLASSES, (a.batch,)).to(device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=a.precision == "bf16")
    step = evaluation_step(net, images, autocast) if a.eval else training_step(net, images, labels, autocast)
    in_a_row = IN_A_ROW[device.type]
    for _ in range(a.warmup):
        seconds(step, in_a_row)
    median = statistics.median(seconds(step, in_a_row) for _ in range(a.steps))
    cpu = torch.backends.cpu.get_cpu_capability().lower()
    result = {
        "program": f"torch {torch.__version__}",
        "kernels": f"{a.layout} {cpu if device.type == 'cpu' else card(device)}",
        "net": a.net,
        "mode": "eval" if a.eval else "train",
        "batch": a.batch,
        "threads": a.threads,
        "precision": a.precision,
        "images_per_second": round(a.batch / median, 1),
        "step_seconds_median": round(median, 7),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
