"""JPEG files in many encodings, and the pixels that libjpeg-turbo (through Pillow, with its defaults) reads out of them.

    python3 tests/parity/jpegs.py tests/parity/fixtures/jpegs

Files that Pillow can write are its own; component order, sampling, restart marks and colour marks that it cannot write
come from the small encoder below. `pixels.txt` has a line for each file: its name, width, height, channels and the SHA-256
of its pixels, row by row. Files named `bad-*` are damaged: their line has in place of the numbers what must be said.
Made with Pillow 13.0.0 (libjpeg-turbo 3.2.0) and numpy 2.4.6, seed 1.
"""

import hashlib
import io
import pathlib
import sys

import numpy as np
from PIL import Image

RANDOM = np.random.default_rng(1)


def picture(width, height, channels):
    """Smooth colours with edges and some noise, [height, width, channels]."""
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for channel in range(channels):
        smooth = 128 + 90 * np.sin(x / (3 + channel) + channel) * np.cos(y / (4 + channel))
        edges = np.where((x // 5 + y // 7 + channel) % 2 == 0, 40, -40)
        planes.append(smooth + edges + RANDOM.normal(0, 12, (height, width)))
    return np.stack(planes, -1).clip(0, 255).astype(np.uint8)


def by_pillow(mode, size, **options):
    array = picture(*size, len(mode))
    image = Image.fromarray(array[:, :, 0] if mode == "L" else array, mode)
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


# ---------------------------------------------------------------------------------------------- an encoder of any order
ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))


def tables_of_pillow():
    """The example tables of T.81, annex K, as Pillow writes them: {(class, number): {symbol: (length, code)}}, segments."""
    content, at, tables, segments = by_pillow("RGB", (8, 8), quality=50), 2, {}, b""
    while content[at + 1] != 0xDA:
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        if content[at + 1] == 0xC4:
            segments += content[at : at + 2 + length]
            body = content[at + 4 : at + 2 + length]
            while body:
                kind, counts, body, code, codes = body[0], body[1:17], body[17:], 0, {}
                for bits, count in enumerate(counts, 1):
                    for symbol in body[:count]:
                        codes[symbol] = (bits, code)
                        code += 1
                    body, code = body[count:], code << 1
                tables[kind >> 4, kind & 15] = codes
        at += 2 + length
    return tables, segments


CODES, CODE_SEGMENTS = tables_of_pillow()
COSINES = np.array([[np.cos((2 * x + 1) * u * np.pi / 16) * (0.5**0.5 if u == 0 else 1) / 2 for x in range(8)] for u in range(8)])


class Bits:
    """Bits of a scan, with zeros behind 0xff."""

    def __init__(self):
        self.out, self.bits = bytearray(), ""

    def add(self, length, value):
        self.bits += format(value, f"0{length}b") if length else ""
        while len(self.bits) >= 8:
            byte, self.bits = int(self.bits[:8], 2), self.bits[8:]
            self.out += bytes([byte, 0] if byte == 0xFF else [byte])

    def number(self, codes, zeros, value):
        size = int(abs(value)).bit_length()
        self.add(*codes[zeros << 4 | size])
        self.add(size, value if value >= 0 else value + (1 << size) - 1)

    def end(self):
        self.add(-len(self.bits) % 8, (1 << (-len(self.bits) % 8)) - 1)


def encode(planes, sampling, ids, *, step=6, interleaved=True, restart=0, app=b""):
    """`planes` [height, width] each at full size; `sampling` (h, v) each; `app`: segments before the header."""
    height, width = planes[0].shape
    most = max(h for h, _ in sampling), max(v for _, v in sampling)
    units = -(-width // (8 * most[0])), -(-height // (8 * most[1]))
    components = []
    for plane, (h, v) in zip(planes, sampling):
        padded = np.pad(plane, [(0, units[1] * most[1] * 8 - height), (0, units[0] * most[0] * 8 - width)], "edge")
        down, across = most[1] // v, most[0] // h
        small = padded.reshape(padded.shape[0] // down, down, padded.shape[1] // across, across).mean((1, 3)) - 128
        blocks = small.reshape(small.shape[0] // 8, 8, small.shape[1] // 8, 8).transpose(0, 2, 1, 3)
        components.append(np.rint(COSINES @ blocks @ COSINES.T / step).astype(int))

    quant = b"\xff\xdb\0\x43\0" + bytes([step] * 64)
    fields = b"".join(bytes([i, h << 4 | v, 0]) for i, (h, v) in zip(ids, sampling))
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    frame = b"\xff\xc0" + (8 + len(fields)).to_bytes(2, "big") + b"\x08" + size + bytes([len(ids)]) + fields
    interval = b"\xff\xdd\0\4" + restart.to_bytes(2, "big") if restart else b""
    out = b"\xff\xd8" + app + quant + frame + CODE_SEGMENTS + interval
    for scan in [range(len(ids))] if interleaved else [[at] for at in range(len(ids))]:
        out += b"\xff\xda" + (6 + 2 * len(scan)).to_bytes(2, "big") + bytes([len(scan)])
        out += b"".join(bytes([ids[at], 0]) for at in scan) + b"\0\x3f\0"
        out += scan_bits(components, sampling, (width, height), most, units, list(scan), restart)
    return out + b"\xff\xd9"


def scan_bits(components, sampling, size, most, units, scan, restart):
    if len(scan) == 1:
        (h, v), at = sampling[scan[0]], scan[0]
        columns = -(-(-(-size[0] * h // most[0])) // 8)
        rows = -(-(-(-size[1] * v // most[1])) // 8)
        order = [[(at, row, column)] for row in range(rows) for column in range(columns)]
    else:
        order = [
            [(at, y * sampling[at][1] + j, x * sampling[at][0] + i)
             for at in scan for j in range(sampling[at][1]) for i in range(sampling[at][0])]
            for y in range(units[1]) for x in range(units[0])
        ]
    out, bits, last = b"", Bits(), {}
    for number, unit in enumerate(order):
        if restart and number and number % restart == 0:
            bits.end()
            out += bytes(bits.out) + bytes([0xFF, 0xD0 + (number // restart - 1) % 8])
            bits, last = Bits(), {}
        for at, row, column in unit:
            values = components[at][row, column].reshape(64)[ZIGZAG]
            bits.number(CODES[0, 0], 0, int(values[0]) - last.get(at, 0))
            last[at] = int(values[0])
            zeros = 0
            for value in values[1:]:
                if value == 0:
                    zeros += 1
                    continue
                while zeros > 15:
                    bits.add(*CODES[1, 0][0xF0])
                    zeros -= 16
                bits.number(CODES[1, 0], zeros, int(value))
                zeros = 0
            if zeros:
                bits.add(*CODES[1, 0][0])
    bits.end()
    return out + bytes(bits.out)


JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"


def adobe(transform):
    return b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])


def files():
    size = (35, 29)
    for quality in (1, 30, 90, 100):
        for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
            name = f"q{quality}-{subsampling.replace(':', '')}"
            yield name, by_pillow("RGB", size, quality=quality, subsampling=subsampling)
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        name = subsampling.replace(":", "")
        yield f"progressive-{name}", by_pillow("RGB", size, quality=85, subsampling=subsampling, progressive=True)
        yield f"optimized-{name}", by_pillow("RGB", size, quality=60, subsampling=subsampling, optimize=True)
        yield f"restart-{name}", by_pillow("RGB", size, quality=80, subsampling=subsampling, restart_marker_blocks=2)
    yield "progressive-restart", by_pillow("RGB", size, quality=80, progressive=True, restart_marker_blocks=3)
    yield "progressive-q100", by_pillow("RGB", size, quality=100, progressive=True)
    yield "grey", by_pillow("L", size, quality=80)
    yield "grey-progressive", by_pillow("L", size, quality=80, progressive=True)
    yield "cmyk", by_pillow("CMYK", size, quality=80)
    yield "cmyk-progressive", by_pillow("CMYK", size, quality=80, progressive=True)
    yield "rgb-kept", by_pillow("RGB", size, quality=80, keep_rgb=True)
    for side in (1, 2, 3, 7, 8, 9, 16, 17):
        yield f"side{side}-420", by_pillow("RGB", (side, 19 - side), quality=80, subsampling="4:2:0")
    yield "side4-422", by_pillow("RGB", (4, 5), quality=80, subsampling="4:2:2")

    # Samplings as (h, v) of the three components.
    samplings = {
        "444": [(1, 1)] * 3,
        "422": [(2, 1), (1, 1), (1, 1)],
        "420": [(2, 2), (1, 1), (1, 1)],
        "440": [(1, 2), (1, 1), (1, 1)],
        "411": [(4, 1), (1, 1), (1, 1)],
        "410": [(4, 2), (1, 1), (1, 1)],
        "mixed": [(2, 2), (2, 1), (1, 2)],
        "chroma": [(1, 1), (2, 2), (1, 1)],
        "twice": [(2, 1)] * 3,
    }
    planes = list(picture(*size, 3).transpose(2, 0, 1))
    four = list(picture(*size, 4).transpose(2, 0, 1))
    ids = [1, 2, 3]
    for name, sampling in samplings.items():
        yield f"interleaved-{name}", encode(planes, sampling, ids, app=JFIF)
        yield f"apart-{name}", encode(planes, sampling, ids, app=JFIF, interleaved=False)
        yield f"apart-restart-{name}", encode(planes, sampling, ids, app=JFIF, interleaved=False, restart=3)
    yield "no-marks", encode(planes, samplings["420"], ids)
    yield "odd-names", encode(planes, samplings["444"], [7, 9, 200])
    yield "named-rgb", encode(planes, samplings["444"], list(b"RGB"))
    yield "adobe-rgb", encode(planes, samplings["444"], ids, app=adobe(0))
    yield "adobe-ycc", encode(planes, samplings["420"], ids, app=adobe(1))
    yield "jfif-and-adobe", encode(planes, samplings["444"], ids, app=JFIF + adobe(0))
    yield "cmyk-no-marks", encode(four, [(1, 1)] * 4, [1, 2, 3, 4])
    yield "cmyk-adobe", encode(four, [(1, 1)] * 4, [1, 2, 3, 4], app=adobe(0), interleaved=False)
    yield "ycck", encode(four, [(1, 1)] * 4, [1, 2, 3, 4], app=adobe(2))
    yield "ycck-420", encode(four, [(2, 2), (1, 1), (1, 1), (2, 2)], [1, 2, 3, 4], app=adobe(2), restart=2)
    yield "grey-sampled", encode(planes[:1], [(2, 2)], [1], app=JFIF)


def damaged():
    whole = by_pillow("RGB", (35, 29), quality=80, subsampling="4:4:4", restart_marker_blocks=2)
    scan = whole.index(b"\xff\xda") + 14
    mark = whole.index(b"\xff\xd1")
    yield "bad-end", "without its end mark", whole[:-2]
    yield "bad-half", "without its end mark", whole[: (scan + len(whole)) // 2]
    yield "bad-restart", "restart mark", whole[:mark] + b"\xff\xd3" + whole[mark + 2 :]
    yield "bad-lost-restart", "", whole[:mark] + whole[mark + 2 :]
    yield "bad-left-over", "left over", whole[:-2] + b"\1\2\3" + whole[-2:]
    plain = encode(list(picture(35, 29, 3).transpose(2, 0, 1)), [(1, 1)] * 3, [1, 2, 3], app=JFIF, interleaved=False)
    last = plain.rindex(b"\xff\xda")
    yield "bad-lost-scan", "scans are missing", plain[:last] + b"\xff\xd9"
    yield "bad-second-scan", "scans out of order", plain[:-2] + plain[last:]
    progressive = by_pillow("RGB", (35, 29), quality=80, progressive=True)
    last = progressive.rindex(b"\xff\xda")
    yield "bad-lost-refinement", "scans are missing", progressive[:last] + b"\xff\xd9"
    frame = whole.index(b"\xff\xc0")
    yield "bad-arithmetic", "arithmetic coding", whole[: frame + 1] + b"\xc9" + whole[frame + 2 :]
    yield "bad-twelve-bits", "12 bits", whole[: frame + 4] + b"\x0c" + whole[frame + 5 :]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, content in files():
        (folder / f"{name}.jpg").write_bytes(content)
        image = Image.open(io.BytesIO(content))
        image = image if image.mode == "L" else image.convert("RGB")
        pixels = np.asarray(image)
        channels = 1 if pixels.ndim == 2 else 3
        lines.append(f"{name} {image.width} {image.height} {channels} {hashlib.sha256(pixels.tobytes()).hexdigest()}")
    for name, why, content in damaged():
        (folder / f"{name}.jpg").write_bytes(content)
        lines.append(f"{name} {why}".strip())
    (folder / "pixels.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
