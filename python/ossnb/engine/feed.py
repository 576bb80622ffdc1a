"""What a generation asks for: the one thing that the loop and the scheduler both know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import _core


@dataclass(frozen=True, slots=True)
class Feed:
    """What a generation wants next: to read `tokens` from position `at` on, and choices after the last of
    them, one for each of `choosers`. What the sequence held from `at` on is forgotten."""

    at: int
    tokens: Sequence[int]
    choosers: tuple[_core.Chooser, ...] = ()
