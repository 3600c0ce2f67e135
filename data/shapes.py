"""Draws data/shapes/ and data/shapes-new/: a tiny folder of pictures as people have them, for docs/your-pictures.md and tests.

    python3 data/shapes.py

Three classes (circle, cross, triangle) of 20 pictures each, and 9 new ones without a class. Sizes differ. Python's own
library alone; the same pictures on every machine.
"""

import random
import struct
import zlib
from pathlib import Path

HERE = Path(__file__).parent
CLASSES = ["circle", "cross", "triangle"]


def inside(kind, x, y):
    """Whether the shape `kind` of radius 1 covers (x, y)."""
    if kind == "circle":
        return 0.55 <= (x * x + y * y) ** 0.5 <= 1
    if kind == "cross":
        return max(abs(x), abs(y)) <= 1 and min(abs(x), abs(y)) <= 0.25
    return -0.8 <= y <= 0.8 and abs(x) <= (y + 0.8) / 1.6


def picture(kind, rng):
    """Rows of palette indices, and the palette: a shape somewhere, in some colour, on some ground."""
    width, height = rng.randint(24, 32), rng.randint(24, 32)
    radius = rng.uniform(0.28, 0.4) * min(width, height)
    cx, cy = (side / 2 + rng.uniform(-3, 3) for side in (width, height))
    ground = [rng.randint(0, 110) for _ in range(3)]
    ink = [rng.randint(150, 255) for _ in range(3)]
    rows = [[int(inside(kind, (x + 0.5 - cx) / radius, (y + 0.5 - cy) / radius)) for x in range(width)] for y in range(height)]
    return rows, [ground, ink]


def png(rows, palette):
    """A PNG file of palette indices, one bit a pixel."""
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    width, height = len(rows[0]), len(rows)
    packed = b""
    for row in rows:
        bits = "".join(map(str, row)).ljust(-(-width // 8) * 8, "0")
        packed += b"\0" + bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0))
        + chunk(b"PLTE", bytes(value for colour in palette for value in colour))
        + chunk(b"IDAT", zlib.compress(packed, 9))
        + chunk(b"IEND", b"")
    )


def write(path, kind, rng):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(*picture(kind, rng)))


rng = random.Random(1)
for kind in CLASSES:
    for number in range(20):
        write(HERE / "shapes" / "train" / kind / f"{number:02}.png", kind, rng)
for number in range(9):
    kind = CLASSES[number % 3]
    write(HERE / "shapes-new" / f"{kind}-{number // 3}.png", kind, rng)
