"""How likely a model finds given tokens: each is chosen by force, and its log-probability is read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..errors import CheckpointError
from ..system.text import counted
from .feed import Feed
from .scheduler import Ride, Scheduler

ROWS = 64  # tokens of one feed: the head writes all logits of each, V * 4 bytes
FORCE = 1e30  # a bias that no logit comes near


class Scoring:
    """The log-probabilities of the tokens from `start` on, each given all tokens before it.

    >>> ride = model.scheduler.ride("reading a text")
    >>> Scoring(ride, [200006, 1428, 200008], 1).run().shape  # float32 [T - start]
    (2,)

    They are those of the untouched logits at temperature 1. The pass is the one that generations make: the
    prefix tree gives what is known, and scorings in several threads share passes.
    """

    def __init__(self, ride: Ride, tokens: Sequence[int], start: int) -> None:
        assert 1 <= start < len(tokens), "the first token has nothing before it"
        self._ride, self._tokens, self._start = ride, tokens, start

    def cancel(self) -> None:
        """End it, from any thread; `run` then raises Cancelled."""
        self._ride.cancel.set()

    def run(self) -> NDArray[np.float32]:
        """Read the tokens."""
        found: list[float] = []
        try:
            at = 0
            for first in range(self._start, len(self._tokens), ROWS):
                wanted = self._tokens[first : first + ROWS]
                end = first + len(wanted) - 1  # after the last token nobody asks
                choosers = tuple(self._forced(token, first + i) for i, token in enumerate(wanted))
                for _ in self._ride.read(Feed(at, self._tokens[at:end], choosers)):
                    pass
                found += map(_logprob, self._ride.choices)
                at = end
        finally:
            self._ride.leave()
        return np.asarray(found, np.float32)

    def _forced(self, token: int, position: int) -> _core.Chooser:
        sampler = _core.Sampler(n_vocab=self._ride.core.n_vocab, temperature=0.0, logit_bias={token: FORCE})
        return _core.Chooser(sampler, position, n_top=1)


def _logprob(choice: _core.Choice) -> float:
    if not choice.is_finite or choice.logprob is None:
        raise CheckpointError(
            "the logits of this text are no numbers (NaN or infinite), so the weights are damaged, or not "
            "those of a gpt-oss: fetch them anew"
        )
    return choice.logprob


def read_ahead(scheduler: Scheduler, tokens: Sequence[int]) -> int:
    """Read a prompt but for its last token, so that answers to it begin at once; return how many tokens were
    computed.

    >>> read_ahead(model.scheduler, [200006, 1428, 77944, 1428]) <= 3
    True
    """
    if len(tokens) < 2:
        return 0
    ride = scheduler.ride(f"reading ahead, {counted(len(tokens), 'token')}")
    try:
        for _ in ride.read(Feed(0, tokens[:-1])):
            pass
        return len(tokens) - 1 - ride.n_cached
    finally:
        ride.leave()
