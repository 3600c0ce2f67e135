"""What torchvision makes of parts of images, for the tests of crates/kernels and crates/learner.

    python3 tests/parity/resized_crops.py > tests/parity/fixtures/resized_crops.json

- `crops`: `resized_crop` of byte tensors, antialiased, for boxes that shrink, enlarge and do both. Images are made by the
  formula of `image`, which the test repeats.
- `centres`: where `center_crop` begins.
- `draws`: mean and deviation of what `RandomResizedCrop.get_params` draws, over 200,000 draws from seed 1.

Needs torch and torchvision; their versions are recorded.
"""

import json
import math

import torch
import torchvision
from torchvision.transforms import RandomResizedCrop, functional

DRAWS = 200_000

# channels, height and width of the image; top, left, height and width of the part; side that is seen
CROPS = [
    ((1, 9, 11), (0, 0, 9, 11), 5),
    ((3, 40, 30), (3, 2, 31, 27), 16),
    ((3, 40, 30), (10, 5, 6, 9), 16),
    ((2, 24, 50), (1, 7, 20, 13), 17),
    ((1, 64, 64), (0, 0, 64, 64), 24),
    ((1, 12, 12), (4, 4, 1, 1), 6),
    ((1, 33, 17), (2, 1, 30, 15), 15),
]

CENTRES = [(8, 8), (9, 8), (10, 8), (11, 8), (12, 8), (13, 8), (14, 8), (15, 8), (256, 224), (161, 128)]

# Square, upright, wide, and so wide that no try may fit.
SIZES = [(160, 160), (96, 60), (48, 90), (20, 200)]


def image(channels, height, width):
    """Byte i is the top byte of i * i * 2654435761 modulo 2^32, in the order [C, H, W]."""
    count = channels * height * width
    values = [(i * i * 2654435761) % (1 << 32) >> 24 for i in range(count)]
    return torch.tensor(values, dtype=torch.uint8).reshape(channels, height, width)


def crop(shape, part, side):
    pixels = functional.resized_crop(image(*shape), *part, [side, side], antialias=True)
    return {"shape": shape, "part": part, "side": side, "pixels": pixels.flatten().tolist()}


def centre(stored, seen):
    ramp = torch.arange(stored).repeat(stored, 1)
    return {"stored": stored, "seen": seen, "start": int(functional.center_crop(ramp, [seen, seen])[0, 0])}


def moments(values):
    mean = sum(values) / len(values)
    return {"mean": mean, "deviation": math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))}


def draws(height, width):
    torch.manual_seed(1)
    blank = torch.zeros(1, height, width, dtype=torch.uint8)
    drawn = [RandomResizedCrop.get_params(blank, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(DRAWS)]
    areas = [h * w / (height * width) for _, _, h, w in drawn]
    ratios = [math.log(w / h) for _, _, h, w in drawn]
    return {
        "height": height,
        "width": width,
        "area": moments(areas),
        "area_squared": moments([area**2 for area in areas]),
        "log_ratio": moments(ratios),
        "log_ratio_squared": moments([ratio**2 for ratio in ratios]),
        "top": moments([top for top, _, _, _ in drawn]),
        "left": moments([left for _, left, _, _ in drawn]),
    }


def main():
    found = {
        "made_by": f"torch {torch.__version__}, torchvision {torchvision.__version__}",
        "crops": [crop(*case) for case in CROPS],
        "centres": [centre(*case) for case in CENTRES],
        "draws": [draws(*size) for size in SIZES],
    }
    text = json.dumps(found, indent=1)
    # A line for each list of numbers.
    lines, inside = [], False
    for line in text.split("\n"):
        if inside:
            lines[-1] += line.strip() if line.strip().startswith("]") else line.strip() + " "
        else:
            lines.append(line)
        if line.rstrip().endswith("["):
            inside = not line.strip().startswith(('"crops"', '"centres"', '"draws"'))
        elif line.strip().startswith("]"):
            inside = False
    print("\n".join(line.replace(" ]", "]") for line in lines))


if __name__ == "__main__":
    main()
