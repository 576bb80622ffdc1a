"""What a part of the campaign found."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

Value = int | float | str


@dataclass
class Figures:
    """The number of trials, what went wrong in which of them, and what was measured."""

    n: int
    failures: list[str] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)


def spread(seconds: list[float]) -> str:
    """Write times as their median, the 95th percentile and the longest."""
    if len(seconds) < 2:
        return "too few to say"
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    return f"median {statistics.median(seconds):.3f} s, p95 {p95:.3f} s, longest {max(seconds):.3f} s"
