"""Variables that are handed over to a session of its own: as bytes, which only that session reads."""

from __future__ import annotations

import io
import keyword
import pickle
from collections.abc import Mapping
from typing import Any

from ..system.progress import size_text
from ..system.text import shown, shown_value

MOST_BYTES = 500_000_000
_OTHER = "give its data instead: a DataFrame, an array, a dict, a list, text"


def pickled(variables: Mapping[str, Any]) -> dict[str, bytes]:
    """Return variables as bytes; a ValueError names one that cannot be handed over, and says what to do.

    >>> sorted(pickled({"x": [1, 2, 3]}))
    ['x']
    """
    if not isinstance(variables, Mapping):
        raise ValueError(
            f'give must be a dict of names and values, as in give={{"df": df}}, got {shown_value(variables)}'
        )
    found: dict[str, bytes] = {}
    n_left = MOST_BYTES
    for name, value in variables.items():
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"give takes names of variables, got {shown_value(name)}")
        found[name] = _pickled(name, value, n_left)
        n_left -= len(found[name])
    return found


def told(name: str, value: Any) -> str:
    """Return a variable as the model is told of it: its name, type and size.

    >>> told("x", [1, 2, 3]), told("table", np.zeros((2, 3)))
    ('x (list, 3)', 'table (ndarray, 2 × 3)')
    """
    kind, shape = shown(type(value).__name__), getattr(value, "shape", None)
    if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape):
        size = " × ".join(map(str, shape))
    else:
        size = str(len(value)) if isinstance(value, list | tuple | dict | set | str | bytes) else ""
    return f"{name} ({', '.join(part for part in (kind, size) if part)})"


class _Bytes(io.BytesIO):
    """Bytes in memory, up to a limit."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, data: Any) -> int:
        if self.tell() + memoryview(data).nbytes > self._most:
            raise _TooMuch
        return super().write(data)


class _TooMuch(Exception):
    pass


class _OfThisNotebook(Exception):
    pass


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        is_named = isinstance(value, type) or hasattr(value, "__qualname__")
        if is_named and getattr(value, "__module__", "") == "__main__":
            raise _OfThisNotebook(shown(str(getattr(value, "__qualname__", "?"))))
        return NotImplemented


def _pickled(name: str, value: Any, most: int) -> bytes:
    data = _Bytes(most)
    try:
        _Pickler(data, protocol=5).dump(value)
    except _TooMuch:
        raise ValueError(
            f"{name} cannot be handed over: all variables together may have {size_text(MOST_BYTES)}; give a "
            "part of it, as a sample of its rows"
        ) from None
    except _OfThisNotebook as defined:
        raise ValueError(
            f"{name} cannot be handed over: it needs {defined}, which is defined in this notebook or script, "
            f"and another process does not have that; {_OTHER}"
        ) from None
    except Exception as error:  # what a value's own code raises
        raise ValueError(
            f"{name} cannot be handed over: a {shown(type(value).__name__)} has no form as bytes "
            f"({shown(str(error), 200)}); {_OTHER}"
        ) from None
    return data.getvalue()
