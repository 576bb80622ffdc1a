"""Turns: several threads may want one thing, and it serves one of them, or a few, at a time.

An interrupt may strike between any two lines of Python. So nothing here has to be undone after one: a turn
counts for as long as its lock is held, and a `with` statement of the caller lets the lock go.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import weakref
from collections.abc import Callable

from ..errors import Busy
from ..system.forks import Guard, renew_in_children

PATIENCE_S = 5.0  # a wait without a sign of life; longer ones look like a hang
POLL_S = 0.02
AWAY_S = 0.005  # how long whoever shares turns may be away, between two of them, while it is owed time

_this_thread = threading.local()


class Bell:
    """Wakes one thread that waits for it.

    A threading.Event holds a lock of its own while a thread sets it or waits for it. An interrupt at that
    moment leaves the lock locked, or unlocks another thread's. A Bell is a single lock: unlocked means rung.
    """

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        """Wake the thread that waits, or the next one that will."""
        with contextlib.suppress(RuntimeError):  # it was rung already
            self._silence.release()

    def wait(self, seconds: float) -> None:
        """Wait until the bell rings, at most so long."""
        self._silence.acquire(timeout=seconds)


class Turn:
    """One use of something shared, such as a generation; it takes its turn again and again.

    >>> with turn.held:  # a turn is inside the engine  # doctest: +SKIP
    ...     turn.wait()
    ...     logits = core.forward(batch)

    `doing` tells waiting threads what is going on; between two turns of one use, others get theirs.
    """

    is_shared = False  # whether one turn serves all of this kind that wait

    def __init__(self, turns: Turns, doing: str, patience_s: float | None = PATIENCE_S) -> None:
        self.doing = doing
        self.held = threading.Lock()
        self.bell = Bell()
        self.thread = threading.get_ident()
        self.place = here()
        self.began = time.monotonic()
        self._turns = turns
        self._patience_s = None if getattr(_this_thread, "is_patient", False) else patience_s
        self._had_one = False
        self.served_since: float | None = None  # None between two turns
        renew_in_children(self)

    def wait(self, is_over: Callable[[], bool] = lambda: False) -> bool:
        """Wait until all earlier turns are done; return False if `is_over` came true first, so that nothing
        is left to wait for.

        Call it with `held` locked. Raises Busy if others shut it out longer than the patience before its
        first turn, and at once if that can never come. Later turns wait as long as it takes, so that nothing
        begun is lost. Who shares turns with the one ahead is not shut out: the next one serves both.
        """
        shut_out = time.monotonic()  # since then
        if self.thread != threading.get_ident():  # a stream may be begun in one thread and read in another
            self.thread, self.place = threading.get_ident(), here()
        self._turns.add(self)
        while (ahead := self._turns.ahead_of(self)) is not None:
            if ahead.thread == self.thread:
                raise Busy(
                    f"{self._turns.name} is busy {ahead}, and this call runs inside of that, as the "
                    "handler of a signal does; ask again when it is over"
                )
            patience_s = None if self._had_one else self._patience_s
            if self.is_shared and ahead.is_shared:
                shut_out = time.monotonic()
            elif patience_s is not None and time.monotonic() - shut_out > patience_s:
                raise Busy(f"{self._turns.name} is busy {ahead}; {self._turns.cure}")
            if is_over():
                return False
            self.bell.wait(POLL_S)
        self.had_one()
        self.served_since = time.monotonic()
        return not is_over()

    def had_one(self) -> None:
        """Note that it had a turn, or was served within another's; now it waits as long as it takes."""
        self._had_one = True

    def pass_on(self) -> None:
        """Wake the next turn. It would soon look for itself, so an error may skip this call."""
        self._turns.remove(self)

    def renew(self) -> None:
        """Begin anew in a forked child: the thread that held the turn may not have been copied."""
        self.held, self.bell = threading.Lock(), Bell()

    def __str__(self) -> str:
        return f"in {self.place}: {self.doing}, for {time.monotonic() - self.began:.0f} s"


class Turns:
    """The turns of one thing; `name` and `cure` go into the message of Busy. It has one place, or several,
    and serves as many turns at a time.

    A turn that shuts out those who share theirs owes them its time: they have as much before the next such
    turn. So a text that is read for its logits, piece by piece, leaves half of the time to answers.
    """

    def __init__(self, name: str, cure: str, n_places: int = 1) -> None:
        self.name = name
        self.cure = cure
        self.n_places = n_places
        self._guard = Guard()  # of the queue
        self._queue: list[Turn] = []  # in the order they asked; the first that are still held have theirs
        self.cut_off: Turn | None = None  # the turn that was served when this process was forked
        self._last_shared: tuple[weakref.ref[Turn], float] | None = None  # the turn, and when it ended
        self._owed_s = 0.0  # to shared turns
        renew_in_children(self)

    def add(self, turn: Turn) -> None:
        with self._guard.lock:
            self._queue = [*(t for t in self._queue if t is not turn), turn]

    def ahead_of(self, turn: Turn) -> Turn | None:
        """Return a turn that is served now; None if `turn` is one of them."""
        with self._guard.lock:
            queue = self._queue = [t for t in self._queue if t.held.locked()]
            served = self._served(queue)
            return None if turn in served or not served else served[-1]

    def remove(self, turn: Turn) -> None:
        with self._guard.lock:
            queue = self._queue = [t for t in self._queue if t is not turn]
            self._account(turn, any(other.is_shared for other in queue))
            for served in self._served(queue):
                served.bell.ring()

    def _served(self, queue: list[Turn]) -> list[Turn]:
        if self.n_places > 1:
            return queue[: self.n_places]
        first = self._first(queue)
        return [] if first is None else [first]

    def _first(self, queue: list[Turn]) -> Turn | None:
        """Return the turn to serve: the first one, or one that is shared while these are owed time."""
        if not queue or queue[0].is_shared or self._owed_s == 0:
            return queue[0] if queue else None
        if (shared := next((turn for turn in queue if turn.is_shared), None)) is not None:
            return shared
        if self._last_shared is not None and time.monotonic() - self._last_shared[1] < AWAY_S:
            away = self._last_shared[0]()
            if away is not None and away.thread != queue[0].thread:
                return away
        self._owed_s = 0.0  # nobody wants it
        return queue[0]

    def _account(self, turn: Turn, are_shut_out: bool) -> None:
        """Note how long a turn took that ends, and whether those who share turns waited for it."""
        if (since := turn.served_since) is None:
            return
        turn.served_since, now = None, time.monotonic()
        if turn.is_shared:
            self._owed_s = max(0.0, self._owed_s - (now - since))
            self._last_shared = weakref.ref(turn), now
        elif are_shut_out:
            self._owed_s += now - since

    def waiting(self) -> list[Turn]:
        """List the turns that are served or wait, in the order they asked."""
        with self._guard.lock:
            return [turn for turn in self._queue if turn.held.locked()]

    def renew(self) -> None:
        """Begin anew in a forked child, before the turns do: only one of their threads lives on."""
        held = [t for t in self._queue if t.held.locked()]
        self.cut_off, self._queue = (held[0] if held else None), []
        self._last_shared, self._owed_s = None, 0.0


def wait_forever_here() -> None:
    """Let turns that begin in this thread wait as long as it takes: no user sits in front of it."""
    _this_thread.is_patient = True


def here() -> str:
    """Say where this code runs, in the user's words: "cell [12]", or the name of the thread."""
    thread = threading.current_thread()
    is_main = thread is threading.main_thread()
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is not None and (is_main or thread.name.startswith("subshell")):
        return f"cell [{shell.execution_count}]"
    return "the main thread" if is_main else f"the thread {thread.name!r}"
