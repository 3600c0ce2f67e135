"""Reads and writes safetensors files with nothing but PyTorch.

The format: a little-endian u64, the length of the header; the header, JSON: for each tensor its type, shape and place
in the data, and text under `__metadata__`; the data.
"""

import ctypes
import hashlib
import json
import pathlib

import torch

DTYPES = {"U8": torch.uint8, "U32": torch.uint32, "I64": torch.int64, "F32": torch.float32}


def read(path):
    """(tensors by name, metadata)"""
    content = bytearray(pathlib.Path(path).read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (start + offset for offset in entry["data_offsets"])
        dtype = DTYPES[entry["dtype"]]
        flat = torch.frombuffer(content[begin:end], dtype=dtype) if end > begin else torch.empty(0, dtype=dtype)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors, metadata


def write(path, tensors, metadata=None):
    header, data = ({"__metadata__": metadata} if metadata else {}), b""
    for name, tensor in tensors.items():
        dtype = next(key for key, value in DTYPES.items() if value == tensor.dtype)
        part = raw(tensor)
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    encoded = json.dumps(header).encode()
    pathlib.Path(path).write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)


def raw(tensor):
    """The bytes of a tensor, the last dimension running fastest."""
    tensor = tensor.contiguous()
    return ctypes.string_at(tensor.data_ptr(), tensor.nbytes)


def fingerprint(tensors):
    """SHA-256 over name and bytes of every tensor, in order of name: what a file holds, whatever its metadata."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + b"\0" + raw(tensors[name]))
    return digest.hexdigest()
