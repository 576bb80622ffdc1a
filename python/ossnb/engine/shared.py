"""The C++ engine as several threads share it: one call at a time, in the order they ask."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..checkpoint.safetensors import MappedFile
from ..errors import Busy
from .turns import PATIENCE_S, Living, Turn, Turns

T = TypeVar("T")

EXIT_S = 2.0  # how long the end of the process waits for a call that it has cancelled

_engines: Living[SharedEngine] = Living()
_uses: Living[Use] = Living()
_is_ending = False


class SharedEngine:
    """An engine with the turns of those who use it.

    >>> use = SharedEngine(core, files).use("reading a text")  # C++ objects  # doctest: +SKIP
    >>> use.forward([(use.sequence(), tokens, 1)]).shape  # C++ objects  # doctest: +SKIP
    (1, 201088)

    `files` hold the weights; before every call they are checked to be as long as they were. `patience_s` is
    how long a use waits for its first turn before it raises Busy; None waits for ever.
    """

    def __init__(self, core: _core.Model, files: Iterable[MappedFile] = ()) -> None:
        self.core = core
        self.files = list(files)
        self.patience_s: float | None = PATIENCE_S
        self.turns = Turns(
            "the model",
            "wait for it, stop it, or set model.patience_s to the seconds you want to wait (None: for ever)",
        )
        self._broken = ""
        _engines.add(self)

    def use(self, doing: str) -> Use:
        """Begin a use of the engine; `doing` tells others what it is for."""
        return Use(self, doing)

    def check_usable(self) -> None:
        """Raise where a call would hang or end the process."""
        if self._broken:
            raise Busy(self._broken)
        for file in self.files:
            file.check()

    def after_fork(self) -> None:
        """In a forked child the engine's own lock stays locked if another thread was computing."""
        turn = self.turns.after_fork()
        if turn is not None:
            self._broken = (
                f"this process was forked while the model was busy {turn}, and its copy of the engine waits "
                "for a thread that was not copied; load the model again in this process, fork while nothing "
                'runs, or use multiprocessing.get_context("spawn")'
            )


class Use:
    """What one generation, trace or reading sees of the engine. `doing` may be changed between two calls."""

    def __init__(self, engine: SharedEngine, doing: str) -> None:
        self._engine = engine
        self._core = engine.core
        self._turn = Turn(engine.turns, doing, engine.patience_s)
        self.cancel = _core.CancelFlag()
        self.call_s = 0.0  # seconds of the last call, without the wait for it
        _uses.add(self)

    def now(self, doing: str) -> None:
        """Tell those who wait what is going on."""
        self._turn.doing = doing

    @property
    def n_vocab(self) -> int:
        """Number of tokens the model knows."""
        return self._core.n_vocab

    @property
    def kernels(self) -> tuple[str, int]:
        """The instruction-set level that computes, and the number of threads."""
        return self._core.isa, self._core.threads

    def sequence(self) -> _core.Sequence:
        """Make an empty sequence."""
        return self._core.sequence()

    @property
    def bytes_touched(self) -> int:
        """Bytes that the last forward call had to read."""
        return self._core.bytes_touched

    def forward(self, batch: Sequence[tuple[_core.Sequence, NDArray[np.int32], int]]) -> NDArray[np.float32]:
        """Call _core.Model.forward when it is this use's turn; `cancel` ends the call and the wait."""
        return self._in_turn(lambda: self._core.forward(batch, self.cancel))

    def forward_screened(self, sequence: _core.Sequence, tokens: NDArray[np.int32]) -> _core.Screened:
        """Call _core.Model.forward_screened when it is this use's turn."""
        return self._in_turn(lambda: self._core.forward_screened(sequence, tokens, self.cancel))

    def choose(self, screened: _core.Screened, sampler: _core.Sampler, position: int) -> tuple[int, int]:
        """Call _core.Model.choose when it is this use's turn."""
        return self._in_turn(lambda: self._core.choose(screened, sampler, position))

    def trace(self, sequence: _core.Sequence, tokens: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
        """Call _core.Model.trace when it is this use's turn."""
        return self._in_turn(lambda: self._core.trace(sequence, tokens, self.cancel))

    def set_threads(self, n: int) -> None:
        """Change the number of threads between two calls of others."""

        def change() -> None:
            self._core.threads = n

        self._in_turn(change)

    def _in_turn(self, call: Callable[[], T]) -> T:
        with self._turn.held:
            if _is_ending and threading.current_thread() is not threading.main_thread():  # asked while held:
                raise _core.Cancelled("the process is ending")  # _end_calls sees this use, or is seen here
            self._engine.check_usable()
            if not self._turn.wait(self.cancel.is_set):
                raise _core.Cancelled("cancelled while it waited for its turn")
            began = time.perf_counter()
            result = call()
            self.call_s = time.perf_counter() - began
        self._turn.pass_on()
        return result

    @property
    def runs_elsewhere(self) -> bool:
        """Whether a call is under way, or waits for its turn, in another thread than this one."""
        return self._turn.held.locked() and self._turn.thread != threading.get_ident()


def _end_calls() -> None:
    """Before the process ends, end what other threads compute: a thread that comes back from the engine when
    the interpreter is gone would abort the process."""
    global _is_ending
    _is_ending = True
    running = [use for use in _uses if use.runs_elsewhere]
    for use in running:
        use.cancel.set()
    deadline = time.monotonic() + EXIT_S
    while any(use.runs_elsewhere for use in running) and time.monotonic() < deadline:
        time.sleep(0.005)


def _after_fork() -> None:
    global _uses
    _uses = Living()
    _engines.after_fork()
    for engine in _engines:
        engine.after_fork()


atexit.register(_end_calls)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
