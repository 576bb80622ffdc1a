"""What a forked child begins anew: of its parent's threads, only the one that forked lives on in it.

The other threads leave their locks locked, for ever. So a lock that guards something for a moment is a
`Guard`: a fork waits for it, and the child finds whole what it guards. Whatever a thread holds for long says
in `renew` how it begins in a child, and stands in the list of `renew_in_children`.
"""

from __future__ import annotations

import functools
import itertools
import os
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

PATIENCE_S = 10.0  # the longest that a fork waits for the guards; reading the vocabulary takes half a second

T = TypeVar("T")


class Living(Generic[T]):
    """The objects that were added and still exist, the oldest first.

    This is a WeakSet that runs no Python code when an object goes. An interrupt in such code is lost, and an
    interrupt that waited for a call of C++ to end strikes the first Python code that runs. It has no lock
    either, so a fork finds none that is locked.
    """

    def __init__(self) -> None:
        self._refs: dict[int, weakref.ref[T]] = {}
        self._numbers = itertools.count()

    def add(self, thing: T) -> None:
        number = next(self._numbers)
        # When the thing goes, C code alone calls pop(number, its reference).
        self._refs[number] = weakref.ref(thing, functools.partial(self._refs.pop, number))

    def __iter__(self) -> Iterator[T]:
        return iter([thing for ref in list(self._refs.values()) if (thing := ref()) is not None])


class Guard:
    """A lock that is held for a moment, and never while its holder takes another guard.

    >>> guard = Guard()
    >>> with guard.lock: pass

    The lock itself is C's: an interrupt cannot strike between taking it and the `with` that lets it go. The
    thread that holds it may take it once more: the handler of a signal, and what the collector ends, run in
    the middle of anything. So what it guards is replaced in one step, or says that somebody is at work in it.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        _guards.add(self)

    def renew(self) -> None:
        """Begin with a free lock."""
        self.lock = threading.RLock()


class Renewed(Protocol):
    """Something that a forked child begins anew."""

    def renew(self) -> None: ...


_guards: Living[Guard] = Living()
_things: Living[Renewed] = Living()
_waited_for = threading.local()  # `locks`: those that this thread took before it forked


def renew_in_children(thing: Renewed) -> None:
    """Have `thing.renew()` called in every forked child, the oldest thing first, as long as it exists."""
    _things.add(thing)


def _before_fork() -> None:
    _waited_for.locks = []
    deadline = time.monotonic() + PATIENCE_S
    for guard in _guards:
        lock = guard.lock
        if lock.acquire(timeout=max(deadline - time.monotonic(), 0)):
            _waited_for.locks.append(lock)


def _in_parent() -> None:
    for lock in _waited_for.locks:
        lock.release()


def _in_child() -> None:
    for thing in (*_guards, *_things):
        thing.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
