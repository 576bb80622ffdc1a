"""What views have read of replies, kept for the next view within a limit of memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


class _Item(NamedTuple):
    key: tuple[Any, ...]
    arrays: Arrays
    n_bytes: int


class Kept:
    """Named arrays by key, at most `max_bytes` of them; those used longest ago go first.

    >>> kept = Kept(max_bytes=1 << 20)
    >>> kept.put(("a",), {"x": np.zeros(3)})["x"].shape, kept.get(("b",))
    ((3,), None)

    The arrays become read-only, since several views share them. The items are one tuple that is replaced
    whole, so threads need no lock: at worst one of them reads anew.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._items: tuple[_Item, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Bytes of all arrays."""
        return sum(item.n_bytes for item in self._items)

    def get(self, key: tuple[Any, ...]) -> Arrays | None:
        """Return the arrays of a key, or None."""
        items = self._items
        for item in items:
            if item.key == key:
                self._items = (*(other for other in items if other is not item), item)
                return item.arrays
        return None

    def put(self, key: tuple[Any, ...], arrays: Arrays) -> Arrays:
        """Keep arrays, unless they exceed the limit by themselves, and return them."""
        for array in arrays.values():
            array.setflags(write=False)
        items = [item for item in self._items if item.key != key]
        items.append(_Item(key, arrays, sum(array.nbytes for array in arrays.values())))
        while sum(item.n_bytes for item in items) > self.max_bytes:
            items.pop(0)
        self._items = tuple(items)
        return arrays

    def clear(self) -> None:
        """Forget all."""
        self._items = ()


def token_key(tokens: list[int]) -> bytes:
    """Return token ids as a key that takes 4 bytes a token."""
    return np.asarray(tokens, np.int32).tobytes()
