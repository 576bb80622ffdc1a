"""A call in a thread of its own: it can be waited for with a limit, and left behind."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from ..engine.turns import POLL_S, wait_forever_here
from .tool import Stoppable

SETTLE_S = 0.1  # for a coroutine that was told to end
STOP_S = 10.0  # for a call that can be ended from outside


class TookTooLong(Exception):
    """A call did not end within its time."""


class Stopped(Exception):
    """Nobody wants the result of a call any more."""


class Raised(Exception):
    """A call raised an error, which is the `error` of this one: it must not be taken for one of ours."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()  # it may have no text
        self.error = error


class Here:
    """A call in this thread, as Work has one in its own: for what belongs to the user's thread.

    >>> Here(lambda: 6 * 7, "an example").wait(seconds=5)
    42
    """

    def __init__(
        self, call: Callable[[], Any], name: str, then: Callable[[Any], Any] = lambda value: value
    ) -> None:
        self._call = call
        self._then = then

    def wait(self, seconds: float, is_over: Callable[[], bool] = lambda: False) -> Any:
        """Return the result of the call; errors and ends come as those of Work."""
        call, done, why = self._call, threading.Event(), list[BaseException]()

        def watch() -> None:
            deadline = time.monotonic() + seconds
            while not done.wait(POLL_S):
                if is_over() or time.monotonic() > deadline:
                    why.append(Stopped() if is_over() else TookTooLong())
                    if isinstance(call, Stoppable):
                        call.stop(f"it took longer than {seconds:g} s")
                    return

        watcher = threading.Thread(target=watch, name="ossnb, a call's limit", daemon=True)
        try:
            watcher.start()
            value = self._carry_out()
        except KeyboardInterrupt:
            raise (why[0] if why else KeyboardInterrupt) from None
        finally:
            try:
                done.set()
                if watcher.is_alive():
                    watcher.join()
            except KeyboardInterrupt:  # the watcher's own, for a call that had just ended, or the user's
                if not why:
                    raise
        if why and isinstance(why[0], Stopped):
            raise why[0]
        return value

    def _carry_out(self) -> Any:
        try:
            return self._then(self._call())
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise Raised(error) from error


class Work:
    """A call that runs in a daemon thread, once it is waited for.

    >>> Work(lambda: 6 * 7, "an example").wait(seconds=5)
    42

    A coroutine that it returns is run to its end, in an event loop of the thread. `then` makes the result of
    what was returned, in the thread too.
    """

    def __init__(
        self, call: Callable[[], Any], name: str, then: Callable[[Any], Any] = lambda value: value
    ) -> None:
        self._done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._task: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._call = call
        self._begins = threading.Lock()  # taken once: by the thread, or by an end that comes before it
        self._is_left = False
        context = contextvars.copy_context()  # a notebook finds in it the cell to which a print belongs

        def work() -> None:
            wait_forever_here()  # the call may ask the model, and its own limit is the patience
            if not self._begins.acquire(blocking=False):
                return
            try:
                self._done.put((context.run(self._finish, call, then), None))
            except BaseException as error:  # SystemExit too: it is the call's and not ours
                self._done.put((None, error))

        self._thread = threading.Thread(target=work, name=f"ossnb, the tool {name}", daemon=True)

    def wait(self, seconds: float, is_over: Callable[[], bool] = lambda: False) -> Any:
        """Return the result of the call.

        An error of the call comes as a Raised. A call that is Stoppable is ended by an interrupt and after so
        many seconds, and its result is returned. Another one runs on in its thread, and its result is lost; a
        coroutine is cancelled. Then an interrupt is raised on, and TookTooLong is raised after the seconds.
        Stopped is raised once `is_over` is true. No call begins after its end.
        """
        deadline = time.monotonic() + seconds
        try:
            self._thread.start()
            while True:
                with contextlib.suppress(Empty):  # in short steps: an interrupt may wake another thread
                    return self._result(self._done.get(timeout=POLL_S))
                if is_over():
                    raise Stopped
                if time.monotonic() > deadline:
                    raise TookTooLong
        except (KeyboardInterrupt, Stopped, TookTooLong) as reason:
            if self._begins.acquire(blocking=False):  # it has not begun, so that nothing is to be ended
                raise
            if not isinstance(self._call, Stoppable):
                self._leave()
                raise
            return self._stop(self._call, reason, seconds)

    def _stop(self, call: Stoppable, reason: BaseException, seconds: float) -> Any:
        """End a call from outside; return its result, or raise the reason again."""
        is_late = isinstance(reason, TookTooLong)
        call.stop(f"it took longer than {seconds:g} s" if is_late else "the user stopped this call")
        deadline = time.monotonic() + STOP_S
        while time.monotonic() < deadline:
            with contextlib.suppress(Empty):
                done = self._done.get(timeout=POLL_S)
                break
        else:
            raise reason
        if isinstance(reason, Stopped):
            raise reason
        return self._result(done)

    def _result(self, done: tuple[Any, BaseException | None]) -> Any:
        value, error = done
        if error is not None:
            raise Raised(error)
        return value

    def _leave(self) -> None:
        self._is_left = True  # for a task that there may be in a moment
        if self._task is not None:
            loop, task = self._task
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                loop.call_soon_threadsafe(task.cancel)
            with contextlib.suppress(Empty):
                self._done.get(timeout=SETTLE_S)

    def _finish(self, call: Callable[[], Any], then: Callable[[Any], Any]) -> Any:
        value = call()
        return then(asyncio.run(self._await(value)) if inspect.isawaitable(value) else value)

    async def _await(self, value: Any) -> Any:
        task: asyncio.Task[Any] = asyncio.ensure_future(value)
        self._task = asyncio.get_running_loop(), task
        if self._is_left:
            task.cancel()
        return await task
