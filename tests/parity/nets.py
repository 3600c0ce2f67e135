"""Replays a recorded run of sc-train in PyTorch and writes what it should have come to.

    python3 nets.py --net resnet8 --data data/mnist5k.safetensors --init init.safetensors \
        --batches run/batches.safetensors --lr 0.1 --out fixtures/resnet8.json

Starts from our file of initial weights, takes our recorded batches and augmentations, and trains with
torch.optim.SGD. In float64, for what is right; and in float32 in two ways, for how far from it PyTorch's own
float32 comes: that is the measure of what may be asked of ours. README.md beside this file says how the fixtures
are made and read.
"""

import argparse
import copy
import json
import pathlib
import platform
import re

import torch
from torch.nn import functional as F

import safetensors_file
import torch_nets

PADDING = 4

entries = 64  # of a tensor; set by a flag

# PyTorch's own two float32 convolutions, which add up in different orders: oneDNN's (or not). Its channels_last batch
# norm is no measure: it sums in plain float32, and its means are off by 1e-4 already at the first step.
FLOAT32_ONEDNN = (True, False)


def positions(count):
    """Where a tensor of `count` elements is looked at: everywhere if small, else at `entries` scattered places."""
    if count <= entries:
        return list(range(count))
    return [k * 2654435761 % count for k in range(1, entries + 1)]


def summary(tensor, start=None):
    """What a tensor is compared by. Deviations are shares of `scale`: its norm, or that of its change from `start`."""
    flat = tensor.detach().double().flatten()
    change = flat if start is None else flat - start.detach().double().flatten()
    return {
        "norm": flat.norm().item(),
        "sum": flat.sum().item(),
        "scale": change.norm().item(),
        "count": flat.numel(),
        "entries": flat[positions(flat.numel())].tolist(),
    }


def summaries(named, starts=None):
    starts = starts or {}
    return {name: summary(tensor, starts.get(name)) for name, tensor in named if tensor.is_floating_point()}


def augment(image, flip, crop_y, crop_x):
    """RandomCrop(side, padding=4) at (crop_y, crop_x) of the padded image, black around; then the flip. Raw pixels."""
    _, height, width = image.shape
    padded = F.pad(image, (PADDING, PADDING, PADDING, PADDING))
    cropped = padded[:, crop_y : crop_y + height, crop_x : crop_x + width]
    return cropped.flip(2) if flip else cropped


class Recording:
    """The batches of a run, as PyTorch gets them."""

    def __init__(self, data, metadata, batches, dtype):
        self.images, self.labels = data["train.images"], data["train.labels"].long()
        self.batches, self.dtype = batches, dtype
        self.mean, self.std = (
            torch.tensor(json.loads(metadata[key]), dtype=dtype).reshape(-1, 1, 1) for key in ("mean", "std")
        )

    def __len__(self):
        return len(self.batches["indices"])

    def labels_of(self, step):
        return self.labels[self.batches["indices"][step].long()]

    def plain(self, step):
        """The images of a step, not augmented."""
        return self.normalised(self.images[self.batches["indices"][step].long()])

    def augmented(self, step):
        images = self.images[self.batches["indices"][step].long()]
        draws = zip(*(self.batches[key][step].tolist() for key in ("flip", "crop_y", "crop_x")))
        return self.normalised(torch.stack([augment(image, *draw) for image, draw in zip(images, draws)]))

    def normalised(self, images):
        return (images.to(self.dtype) / 255 - self.mean) / self.std


def evaluated(net, recording, step):
    net.eval()
    with torch.no_grad():
        logits = net(recording.plain(step))
    net.train()
    return logits.flatten().tolist()


def reestimated(net, recording, steps):
    """Batch norm's statistics as the plain mean over some batches: what PyTorch does where momentum is None."""
    net = copy.deepcopy(net).train()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    with torch.no_grad():
        for step in range(steps):
            net(recording.plain(step))
    return summaries(net.named_buffers())


def gradient_norm(net):
    return torch.stack([parameter.grad.norm() for parameter in net.parameters()]).norm().item()


def train(net, recording, a):
    """Everything that is compared, by name."""
    optimizer = torch.optim.SGD(net.parameters(), lr=a.lr, momentum=a.momentum, weight_decay=a.weight_decay)
    net.train()
    starts = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    out = {"logits_start": evaluated(net, recording, 0), "losses": [], "gradient_norms": [], "correct": []}
    for step in range(len(recording)):
        logits, labels = net(recording.augmented(step)), recording.labels_of(step)
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        out["losses"].append(loss.item())
        out["gradient_norms"].append(gradient_norm(net))
        out["correct"].append((logits.argmax(1) == labels).sum().item())
        if step == 0:
            out["gradients_1"] = summaries((name, p.grad) for name, p in net.named_parameters())
        optimizer.step()
        if step == 0:
            out["weights_1"] = summaries(net.named_parameters(), starts)
            out["buffers_1"] = summaries(net.named_buffers())
    out["weights_last"] = summaries(net.named_parameters(), starts)
    out["buffers_last"] = summaries(net.named_buffers())
    out["logits_last"] = evaluated(net, recording, 0)
    out["buffers_reestimated"] = reestimated(net, recording, steps=3)
    return out


def distance(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5


def list_deviation(found, right):
    """The norm of the difference of two lists, as a share of the norm of the right one."""
    return distance(found, right) / distance(right, [0.0] * len(right))


def tensor_deviation(found, right):
    """The norm of the difference, as far as the entries tell, as a share of the right one's scale."""
    off = distance(found["entries"], right["entries"])
    return off * (right["count"] / len(right["entries"])) ** 0.5 / right["scale"] if off else 0.0


def deviations(found, right):
    """How far one run is from another: a number a quantity, the worst of its tensors."""
    out = {}
    for quantity, values in right.items():
        if isinstance(values, dict):
            each = (tensor_deviation(found[quantity][name], tensor) for name, tensor in values.items())
            out[quantity] = max(each, default=0.0)
        elif quantity != "correct":
            out[quantity] = list_deviation(found[quantity], values)
    return out


def rounded(value, digits=9):
    """Numbers to as many digits as tell float32 values apart: the fixture stays small and its diffs readable."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, list):
        return [rounded(item, digits) for item in value]
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    return value


def text(fixture):
    """JSON, indented, a list of numbers on one line."""
    indented = json.dumps(fixture, indent=1)
    return re.sub(r"\[[^\[\]{}]*\]", lambda numbers: " ".join(numbers[0].split()), indented) + "\n"


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--net", required=True, help="a net of torch_nets.py")
    p.add_argument("--shortcut", default="a", choices=torch_nets.SHORTCUTS)
    p.add_argument("--data", required=True, help="made by sc-prep")
    p.add_argument("--init", required=True, help="made by sc-init")
    p.add_argument("--batches", required=True, help="batches.safetensors of sc-train --record-batches")
    p.add_argument("--seed", type=int, default=1, help="that of sc-init and sc-train, for the record")
    p.add_argument("--lr", type=float, required=True)
    p.add_argument("--momentum", type=float, default=0.9)
    p.add_argument("--weight-decay", type=float, default=1e-4)
    p.add_argument("--entries", type=int, default=entries, help="numbers kept of a tensor")
    p.add_argument("--out", required=True, type=pathlib.Path)
    return p.parse_args()


def main():
    global entries
    a = arguments()
    entries = a.entries
    torch.set_num_threads(1)
    data, metadata = safetensors_file.read(a.data)
    weights, _ = safetensors_file.read(a.init)
    batches, _ = safetensors_file.read(a.batches)
    _, channels, size, _ = data["train.images"].shape
    classes = len(json.loads(metadata["classes"]))

    def run(dtype, onednn):
        net = torch_nets.build(a.net, channels, size, classes, a.shortcut)
        load(net, weights)
        with torch.backends.mkldnn.flags(enabled=onednn):
            return train(net.to(dtype), Recording(data, metadata, batches, dtype), a)

    right = run(torch.float64, onednn=False)
    own = [deviations(run(torch.float32, onednn), right) for onednn in FLOAT32_ONEDNN]
    own = {quantity: max(each[quantity] for each in own) for quantity in own[0]}
    fixture = {
        "net": a.net,
        "shortcut": "" if a.net in torch_nets.PHOTO else a.shortcut,
        "seed": a.seed,
        "lr": a.lr,
        "momentum": a.momentum,
        "weight_decay": a.weight_decay,
        "made_by": {"script": "tests/parity/nets.py", "torch": torch.__version__, "python": platform.python_version()},
        "fingerprints": {
            "data": safetensors_file.fingerprint(data),
            "init": safetensors_file.fingerprint(weights),
            "batches": safetensors_file.fingerprint(batches),
        },
        "float32_deviations": rounded(own, digits=3),
        "float64": rounded(right),
    }
    a.out.parent.mkdir(parents=True, exist_ok=True)
    a.out.write_text(text(fixture))
    print(f"{a.out}: float32 off by", "  ".join(f"{quantity} {off:.1e}" for quantity, off in own.items()))


def load(net, weights):
    """load_state_dict, every name and shape checked. Counts of batches, which only PyTorch keeps, stay at 0."""
    found = net.load_state_dict(weights, strict=False)
    missing = [name for name in found.missing_keys if not name.endswith(".num_batches_tracked")]
    if missing or found.unexpected_keys:
        raise SystemExit(f"the weights do not fit: missing {missing}, unexpected {found.unexpected_keys}")


if __name__ == "__main__":
    main()
