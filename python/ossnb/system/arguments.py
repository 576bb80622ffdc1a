"""Checks of a caller's arguments: what is wrong is a ValueError before any work is done."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral, Rational, Real
from typing import Any

from .text import shown_value


def integer(name: str, value: Any, low: int, high: int | None = None, *, what: str = "") -> int:
    """Return an integer from `low` to `high`, of Python or NumPy; `what` tells what it counts.

    >>> integer("at", 3, 0, 5)
    3
    """
    expected = f">= {low}" if high is None else f"in {low}..{high}"
    told = f", {what}" if what else ""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name} must be an integer {expected}{told}, got {shown_value(value)}")
    if int(value) < low or (high is not None and int(value) > high):
        raise ValueError(f"{name} must be {expected}{told}, got {shown_value(value)}")
    return int(value)


def number(name: str, value: Any, expected: str, holds: Callable[[float], bool]) -> float:
    """Return a finite number for which `holds` is true, as a float; `expected` says so in words.

    >>> number("below", 0.5, "in (0, 1]", lambda x: 0 < x <= 1)
    0.5
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} must be a number {expected}, got {shown_value(value)}")
    try:
        found = float(value)
    except OverflowError:  # an integer or a fraction beyond every float
        found = math.inf
    if not math.isfinite(found) or not holds(found):
        is_endless = expected.startswith(">") and not isinstance(value, Rational) and not math.isfinite(found)
        finite = "finite and " if is_endless else ""
        raise ValueError(f"{name} must be {finite}{expected}, got {shown_value(value)}")
    return found
