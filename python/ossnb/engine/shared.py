"""The C++ engine, shared by several threads: one call at a time, in order of asking. In scheduler.py
generations share a call."""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..checkpoint.safetensors import MappedFile
from ..errors import Busy, DeviceError
from ..system.forks import Living, renew_in_children
from .turns import PATIENCE_S, Turn, Turns

T = TypeVar("T")

EXIT_S = 2.0  # how long the end of the process waits for a call that it has cancelled

_uses: Living[Use] = Living()
_is_ending = False


class SharedEngine:
    """An engine with the turns of its users.

    >>> reading = model.engine.reading("a text")
    >>> reading.logits(reading.sequence(), np.array([200006, 1428], np.int32)).shape
    (2, 201088)

    `files` hold the weights; every call first checks that they are as long as they were. A use waits
    `patience_s` seconds for its first turn and then raises Busy; None waits for ever.
    """

    def __init__(self, core: _core.Model, files: Iterable[MappedFile] = ()) -> None:
        self.core = core
        self.files = list(files)
        self.patience_s: float | None = PATIENCE_S
        self.turns = Turns(
            "the model",
            "wait for it, stop it, or set model.patience_s to the seconds you want to wait (None: for ever)",
        )
        self._cut_off = ""
        renew_in_children(self)

    def reading(self, doing: str) -> Reading:
        """Begin to read a text; `doing` tells others its purpose."""
        return Reading(self, doing)

    def set_threads(self, n: int) -> None:
        """Change the number of threads, between two calls of other threads."""

        def change() -> None:
            self.core.threads = n

        Use(self, "changing the number of threads").in_turn(change)
        self.warn_of_missing_threads(n)

    def warn_of_missing_threads(self, wanted: int) -> None:
        """Warn where the system started fewer threads than `wanted`; the engine computes with what it got."""
        if (got := self.core.threads) < wanted:
            warnings.warn(
                f"the system started {got} of {wanted} threads, and the model computes with them. A limit "
                "on threads, processes or memory is reached: see `ulimit -u`, `ulimit -v`, and the cgroup's "
                "pids.max",
                stacklevel=4,
            )

    def check_usable(self) -> None:
        """Raise where a call would hang or end the process. Hold the lock of a turn when you call it: then
        either `_end_calls` sees that turn, or this check sees `_end_calls`."""
        if _is_ending and threading.current_thread() is not threading.main_thread():
            raise _core.Cancelled("the process is ending")
        self.check_whole()
        self.check_files()

    def check_files(self) -> None:
        """Raise CheckpointError where a file of weights is not whole. Look before a call, and again after it:
        what was computed from a file that shrank meanwhile is wrong."""
        for file in self.files:
            file.check()

    def check_whole(self) -> None:
        """Raise Busy in a child that was forked within a call: even the books of the blocks may be locked."""
        if self._cut_off:
            raise Busy(self._cut_off)

    @property
    def is_whole(self) -> bool:
        """Whether `check_whole` passes."""
        return not self._cut_off

    def renew(self) -> None:
        """In a forked child the engine's own lock stays locked if another thread was computing."""
        if (turn := self.turns.cut_off) is not None:
            self._cut_off = (
                f"this process was forked while the model was busy {turn}, and its copy of the engine waits "
                "for a thread that was not copied; load the model again in this process, fork while nothing "
                'runs, or use multiprocessing.get_context("spawn")'
            )


@contextlib.contextmanager
def device_errors(device: str, core: _core.Model | None = None) -> Iterator[None]:
    """Turn a failure of the device, which C++ raises as a plain RuntimeError, into a DeviceError.

    It says whether the model on `core` can still be used; None, where there is no model yet.
    """
    try:
        yield
    except RuntimeError as error:
        if type(error) is not RuntimeError:  # Busy, a cancel: not the device's
            raise
        rest = "; the model is still usable" if core is not None and _answers(core) else ""
        raise DeviceError(f"the device {device!r} failed: {error}{rest}") from error


def _answers(core: _core.Model) -> bool:
    """Whether a device still does what it is asked: it takes a block of keys and values."""
    kv = core.kv
    try:
        kv.release([kv.make_from(np.zeros(kv.block_bytes, np.uint8))])
    except MemoryError:
        return True
    except RuntimeError:
        return False
    return True


class Use(Turn):
    """A turn at the engine. `doing` tells waiting threads what goes on; it may change between two calls."""

    def __init__(self, engine: SharedEngine, doing: str) -> None:
        engine.check_whole()
        super().__init__(engine.turns, doing, engine.patience_s)
        self.engine = engine
        self.core = engine.core
        self.cancel = _core.CancelFlag()
        _uses.add(self)

    def in_turn(self, call: Callable[[], T]) -> T:
        """Call when it is this use's turn; `cancel` ends the wait."""
        with self.held:
            self.engine.check_usable()
            if not self.wait(self.cancel.is_set):
                raise _core.Cancelled("cancelled while it waited for its turn")
            with device_errors(self.core.device, self.core):
                result = call()
            self.engine.check_files()
        self.pass_on()
        return result

    @property
    def runs_elsewhere(self) -> bool:
        """Whether a call is under way, or waits for its turn, in another thread than this one."""
        return self.held.locked() and self.thread != threading.get_ident()


class Reading(Use):
    """A text that is read for its logits, or for a trace of the layers."""

    def sequence(self) -> _core.Sequence:
        """Make an empty sequence."""
        return self.core.sequence()

    def read(self, sequence: _core.Sequence, tokens: NDArray[np.int32]) -> None:
        """Append tokens to a sequence; nobody wants their logits."""
        self.in_turn(lambda: self.core.step([(sequence, tokens, 0)], [], self.cancel))

    def logits(
        self, sequence: _core.Sequence, tokens: NDArray[np.int32], out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Append tokens to a sequence and return the logits after each, [T, V], in `out` if it is given."""
        return self.in_turn(lambda: self.core.logits([(sequence, tokens, len(tokens))], self.cancel, out))

    def trace(self, sequence: _core.Sequence, tokens: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
        """Append tokens to a sequence and return a trace of the layers, as _core.Model.trace does."""
        return self.in_turn(lambda: self.core.trace(sequence, tokens, self.cancel))


def _end_calls() -> None:
    """End the calls of other threads before the process ends: a thread that comes back from the engine when
    the interpreter is gone would abort the process."""
    global _is_ending
    _is_ending = True
    running = [use for use in _uses if use.runs_elsewhere]
    for use in running:
        use.cancel.set()
    deadline = time.monotonic() + EXIT_S
    while any(use.runs_elsewhere for use in running) and time.monotonic() < deadline:
        time.sleep(0.005)


atexit.register(_end_calls)
