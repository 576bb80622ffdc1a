"""Ways to spoil a checkpoint's folder. Each takes a random generator and the folder, and changes a thing."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from builders import read_safetensors, safetensors_bytes

ESCAPES = "\x1b[2J all fine: model verified"
NUMBERS = [
    0,
    -1,
    1,
    2,
    3,
    31,
    33,
    511,
    513,
    2**31,
    2**32,
    2**53,
    2**63,
    2**64,
    10**30,
    0.5,
    1e-320,
    1e39,
    1e308,
]
TEXTS = [
    "",
    "x",
    "\0",
    "\ud800",
    "a\nb",
    "a\u202eb",
    "../model",
    "/dev/zero",
    "٣",
    ESCAPES,
    "é" * 300,
    "9" * 5000,
]
OTHERS: list[Any] = [None, True, False, [], {}, [[]], [None], {"a": {}}, float("nan"), float("inf")]


def value(rng: random.Random) -> Any:
    """Draw something that may stand in a JSON file."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(NUMBERS)
    if kind < 0.65:
        return rng.choice(TEXTS)
    if kind < 0.9:
        return rng.choice(OTHERS)
    return [value(rng) for _ in range(rng.randint(1, 4))]


def spoiled_json(rng: random.Random, values: Any) -> Any:
    """Change one place of a JSON value, at any depth."""
    if isinstance(values, dict) and values and rng.random() < 0.85:
        name = rng.choice([*values])
        if (kind := rng.random()) < 0.1:
            return {k: v for k, v in values.items() if k != name}
        if kind < 0.25:
            return {(rng.choice(TEXTS) if k == name else k): v for k, v in values.items()}
        return values | {name: spoiled_json(rng, values[name])}
    if isinstance(values, list) and values and rng.random() < 0.85:
        at = rng.randrange(len(values))
        return [spoiled_json(rng, item) if i == at else item for i, item in enumerate(values)]
    return value(rng)


def spoiled_text(rng: random.Random, raw: bytes) -> bytes:
    """Damage a text or a header as bytes."""
    at = rng.randrange(max(len(raw), 1))
    return rng.choice(
        [
            raw[:at],
            raw[:at] + rng.randbytes(4) + raw[at:],
            raw[:at] + rng.randbytes(1) + raw[at + 1 :],
            raw[:at] + raw[at:] * 2,
            b"[" * 100_000,
            b'{"a":' * 100_000,
            raw.replace(b'"', b"'"),
            b"\xff\xfe" + raw,
            raw.replace(b":", b":" + b"9" * 5000, 1),
            b"{" + raw[1:-1] + b"," + raw[1:],
        ]
    )


def a_json_file(rng: random.Random, folder: Path) -> None:
    path = rng.choice(sorted(folder.glob("*.json")))
    changed = spoiled_json(rng, json.loads(path.read_text()))
    path.write_bytes(json.dumps(changed).encode())


def bytes_of_a_json_file(rng: random.Random, folder: Path) -> None:
    path = rng.choice(sorted(folder.glob("*.json")))
    path.write_bytes(spoiled_text(rng, path.read_bytes()))


def a_header(rng: random.Random, folder: Path) -> None:
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    header, data = read_safetensors(path)
    path.write_bytes(safetensors_bytes(spoiled_json(rng, header), data))


def an_entry(rng: random.Random, folder: Path) -> None:
    """Give a tensor another place, type or shape, or one that is another's."""
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    header, data = read_safetensors(path)
    one, other = rng.choice([*header]), rng.choice([*header])
    field = rng.choice(["dtype", "shape", "data_offsets"])
    if rng.random() < 0.5:
        header[one][field] = header[other][field]
    elif field == "dtype":
        header[one][field] = rng.choice(["F32", "F16", "U8", "BF16", "F8_E5M2", "bf16", *TEXTS])
    else:
        header[one][field] = [n + rng.choice([-1, 1, 2**62, -(2**63)]) for n in header[one][field]]
    path.write_bytes(safetensors_bytes(header, data))


def a_name(rng: random.Random, folder: Path) -> None:
    """Rename, add or drop a tensor."""
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    header, data = read_safetensors(path)
    name = rng.choice([*header])
    new = rng.choice([*TEXTS, name.replace("layers.0", "layers." + "9" * 5000), name + "x", name.upper()])
    if rng.random() < 0.5:
        header[new] = header.pop(name)
    else:
        header[new] = {"dtype": "U8", "shape": [0], "data_offsets": [len(data), len(data)]}
    path.write_bytes(safetensors_bytes(header, data))


def bytes_of_a_header(rng: random.Random, folder: Path) -> None:
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    header, data = read_safetensors(path)
    path.write_bytes(safetensors_bytes(spoiled_text(rng, json.dumps(header).encode()), data))


def the_length_of_a_header(rng: random.Random, folder: Path) -> None:
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    length = rng.choice([0, 1, 7, 2**20, 10**8, 10**8 + 1, 2**40, 2**63, 2**64 - 1])
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])


def a_size(rng: random.Random, folder: Path) -> None:
    """Cut a file, empty it, or make it longer."""
    path = rng.choice(sorted(folder.iterdir()))
    size = path.stat().st_size
    os.truncate(path, rng.choice([0, 1, 8, size // 2, size - 1, size + 1, 2**34]))


def weights(rng: random.Random, folder: Path) -> None:
    """Write random bytes over some weights, so that scales are too large and numbers are none."""
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    header, data = read_safetensors(path)
    at = rng.randrange(len(data))
    n = rng.choice([1, 100, 10_000])
    changed = data[:at] + rng.choice([rng.randbytes(n), b"\xff" * n]) + data[at + n :]
    path.write_bytes(safetensors_bytes(header, changed[: len(data)]))


def a_file(rng: random.Random, folder: Path) -> None:
    """Put something in a file's place that is no file, or another file."""
    path = rng.choice(sorted(folder.iterdir()))
    path.unlink()
    kind = rng.randrange(6)
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        os.mkfifo(path)
    elif kind == 2:
        path.symlink_to(path.name)
    elif kind == 3:
        path.symlink_to("/dev/zero")
    elif kind == 4:
        path.symlink_to(rng.choice(sorted(folder.iterdir())).name)


def another_file(rng: random.Random, folder: Path) -> None:
    """Add a file that may be taken for one of the model's."""
    names = ["model.safetensors", "x.safetensors", f"{ESCAPES}.safetensors", "model.safetensors.index.json"]
    names += ["adapter_config.json", "original", "model.gguf", "pytorch_model.bin", "tokenizer_config.json"]
    path = folder / rng.choice(names)
    if not path.exists():
        path.write_bytes(rng.choice([b"", b"{}", b"[]", struct.pack("<Q", 2) + b"{}", rng.randbytes(100)]))


MUTATIONS: list[Callable[[random.Random, Path], None]] = [
    a_json_file,
    a_json_file,
    a_json_file,
    bytes_of_a_json_file,
    a_header,
    an_entry,
    an_entry,
    a_name,
    bytes_of_a_header,
    the_length_of_a_header,
    a_size,
    weights,
    a_file,
    another_file,
]
