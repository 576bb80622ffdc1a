"""A generation's request to the engine; the loop and the scheduler both know it, and share nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import _core


@dataclass(frozen=True, slots=True)
class Feed:
    """The next step of a generation: read `tokens` from position `at` on, and make one choice for each of
    `choosers` after the last tokens. The sequence forgets the tokens that it held from `at` on."""

    at: int
    tokens: Sequence[int]
    choosers: tuple[_core.Chooser, ...] = ()
