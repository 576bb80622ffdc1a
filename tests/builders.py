"""Small checkpoint files for tests, whole and broken."""

import json
import struct
from pathlib import Path

import numpy as np

DTYPE_NAMES = {"uint16": "BF16", "uint8": "U8", "float32": "F32", "float16": "F16"}


def describe(tensors):
    """The header of a safetensors file with these arrays, in the given order."""
    header, at = {}, 0
    for name, tensor in tensors.items():
        end = at + tensor.nbytes
        dtype = DTYPE_NAMES[tensor.dtype.name]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    return header


def safetensors_bytes(header, data, *, pad=8):
    """A file from a header (a mapping, or raw bytes) and the data behind it."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    raw += b" " * (-len(raw) % pad)
    return struct.pack("<Q", len(raw)) + raw + data


def write_safetensors(path, tensors, *, pad=8):
    data = b"".join(tensor.tobytes() for tensor in tensors.values())
    Path(path).write_bytes(safetensors_bytes(describe(tensors), data, pad=pad))


def read_safetensors(path):
    """Header and data of a file."""
    raw = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def read_tensors(path):
    """Every tensor of a file, as writable arrays."""
    header, data = read_safetensors(path)
    dtypes = {name: np.dtype(dtype) for dtype, name in DTYPE_NAMES.items()}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], dtypes[entry["dtype"]]).reshape(entry["shape"]).copy()
    return tensors


def edit_tensors(folder, edit, file="model.safetensors"):
    """Rewrite a file after `edit(tensors)` changed its dict in place."""
    tensors = read_tensors(folder / file)
    edit(tensors)
    write_safetensors(folder / file, tensors)


def edit_header(folder, edit, file="model.safetensors"):
    """Rewrite a file's header after `edit(header)` changed it in place; the data stay as they are."""
    header, data = read_safetensors(folder / file)
    edit(header)
    (folder / file).write_bytes(safetensors_bytes(header, data))


def edit_json(path, **changes):
    """Change fields of a JSON file; `...` removes one, a dict is merged."""
    values = json.loads(path.read_text())
    for name, value in changes.items():
        if value is ...:
            del values[name]
        elif isinstance(value, dict) and isinstance(values.get(name), dict):
            merged = values[name] | value
            values[name] = {k: v for k, v in merged.items() if v is not ...}
        else:
            values[name] = value
    path.write_text(json.dumps(values))
