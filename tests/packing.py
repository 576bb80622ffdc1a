"""Packed copies of matrices, as _core.packings() makes them."""

import dataclasses
from functools import cache
from pathlib import Path

from ossnb import _core
from ossnb.checkpoint.layout import open_checkpoint

FOLDER = Path(__file__).parent / "data" / "tiny_a" / "hf"


@cache
def packing(name: str) -> _core.Packing:
    """The packing of that name: how it packs does not depend on a model's shape."""
    config = dataclasses.asdict(open_checkpoint(FOLDER).config)
    found = {p.name: p for precision in ("exact", "fast") for p in _core.packings(config, precision)}
    return found[name]


def pack_q6(w, threads=1):
    """(tiles, norms)"""
    arrays = packing("screen").pack(w, threads)
    return arrays[".q6"], arrays[".q6_norms"]


def pack_bf12(w, threads=1):
    """(tiles, table of high bytes, listed weights); None where packing does not pay"""
    arrays = packing("bf12_attention").pack(w, threads)
    return tuple(arrays[f".bf12{part}"] for part in ("", "_high", "_rare")) if ".bf12" in arrays else None
