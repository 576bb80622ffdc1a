"""Keys and values of earlier generations, kept so that a prompt is computed only from where it differs."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence as Seq
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .turns import Living

if TYPE_CHECKING:
    from .. import _core

Tokens = NDArray[np.int32]

_caches: Living[PrefixCache] = Living()


class PrefixCache:
    """Keep the last few sequences and fork the one that shares the longest prefix with a prompt.

    >>> cache.longest(tokens)  # what the model layer has of it  # doctest: +SKIP
    (<Sequence of 120 tokens>, 120)

    Several threads may use it. A kept sequence is never written to: what runs is always a fork of it.
    `max_bytes` counts blocks shared by two sequences twice, so the true use is lower.
    """

    def __init__(self, max_sequences: int, max_bytes: int) -> None:
        self._max_sequences = max_sequences
        self._max_bytes = max_bytes
        self._kept: list[tuple[Tokens, _core.Sequence]] = []  # least recently used first
        self._lock = threading.Lock()
        _caches.add(self)

    def longest(self, tokens: Tokens) -> tuple[_core.Sequence, int] | None:
        """Return a fork cut to the longest shared prefix, and its length; None where nothing is shared.

        The prompt's last token is never part of it: its logits choose the next one, so it must be computed
        again.
        """
        with self._lock:
            lengths = [shared_prefix(kept, tokens[:-1]) for kept, _ in self._kept]
            if not lengths or max(lengths) == 0:
                return None
            n = max(lengths)
            entry = self._kept.pop(lengths.index(n))
            self._kept.append(entry)
            fork = entry[1].fork()
        fork.rewind(n)
        return fork, n

    def keep(self, tokens: Seq[int], sequence: _core.Sequence) -> None:
        """Keep a sequence whose first `sequence.length` tokens are `tokens`; it must not be written to any
        more."""
        stored = np.asarray(tokens[: sequence.length], np.int32)
        if not len(stored):
            return
        with self._lock:
            # What is a prefix of the new one has no use of its own any more.
            self._kept = [(t, s) for t, s in self._kept if shared_prefix(t, stored) < len(t)]
            self._kept.append((stored, sequence))
            while len(self._kept) > 1 and (
                len(self._kept) > self._max_sequences or self.n_bytes > self._max_bytes
            ):
                del self._kept[0]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()

    def after_fork(self) -> None:
        """Begin with a free lock in a forked child: who held it may not have been copied."""
        self._lock = threading.Lock()

    @property
    def n_bytes(self) -> int:
        """Bytes of all kept sequences, shared blocks counted for each."""
        return sum(sequence.n_bytes for _, sequence in self._kept)

    def __len__(self) -> int:
        return len(self._kept)


def shared_prefix(a: Tokens, b: Tokens) -> int:
    """Return how many tokens `a` and `b` have in common at their beginning."""
    n = min(len(a), len(b))
    differ = a[:n] != b[:n]
    return int(differ.argmax()) if differ.any() else n


def _after_fork() -> None:
    _caches.after_fork()
    for cache in _caches:
        cache.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
