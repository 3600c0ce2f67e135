"""Writes the made-up pictures that nets for photographs are compared on: 3 classes, 24 pictures of 3 x 64 x 64.

    python3 pictures.py OUT.safetensors

A pixel is a formula of picture, channel, row and column, in whole numbers; tests/chain/parity.rs has the same.
"""

import json
import sys

import torch

import safetensors_file

COUNT, CLASSES, SIDE = 24, 3, 64


def pixels():
    n, c, y, x = torch.meshgrid(*(torch.arange(k) for k in (COUNT, 3, SIDE, SIDE)), indexing="ij")
    wave = (y - 20 - n) * (y - 20 - n) * (1 + n % CLASSES) + (x - 11 - 2 * n) * (x - 11 - 2 * n) + 40 * c
    return (wave // 8 % 256).to(torch.uint8)


def main():
    tensors = {
        "train.images": pixels(),
        "train.labels": (torch.arange(COUNT) % CLASSES).to(torch.uint32),
        "test.images": torch.zeros(0, 3, SIDE, SIDE, dtype=torch.uint8),
        "test.labels": torch.zeros(0, dtype=torch.uint32),
    }
    metadata = {
        "name": "pictures",
        "classes": json.dumps([f"class {k}" for k in range(CLASSES)]),
        "mean": json.dumps([0.485, 0.456, 0.406]),
        "std": json.dumps([0.229, 0.224, 0.225]),
    }
    safetensors_file.write(sys.argv[1], tensors, metadata)


if __name__ == "__main__":
    main()
