"""The servers of tools, in one background thread: one event loop, and one task a server.

A task enters a server's client and leaves it, since a client may not be left by another task. A forked child
has no such thread: there a server begins anew with its next call, and the parent's stays as it is.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import functools
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..system.forks import Guard, Living, renew_in_children
from .outcome import cut

T = TypeVar("T")

POLL_S = 0.05
CLOSE_S = 8.0  # a server that ignores its end is killed within this time
MOST_LOGGED = 600  # characters of a server's own words in an error


class Connection:
    """A server and the tools that it has: `start` begins it, `call` calls one, `close` ends it.

    `connect(log)` returns the client of the package mcp, not entered yet. `log` is the file for what the
    server writes on standard error.
    """

    def __init__(self, name: str, connect: Callable[[Any], Any], timeout: float) -> None:
        self.name = name
        self._connect = connect
        self._timeout = timeout
        self._forget()
        renew_in_children(self)
        _open.add(self)

    def _forget(self) -> None:
        self._client: Any = None
        self._task: concurrent.futures.Future[None] | None = None
        self._stop: asyncio.Event | None = None
        self._log: Any = None
        self._turn = threading.Lock()  # to start it: the rows of a map call at once

    def renew(self) -> None:
        """Begin anew in a forked child: the parent's server is not ours."""
        self._forget()

    @property
    def is_open(self) -> bool:
        """Whether the server is connected, as far as one knows."""
        return self._client is not None and self._task is not None and not self._task.done()

    def start(self) -> list[Any]:
        """Start the server and return its tools; a ValueError says why there are none."""
        ready: concurrent.futures.Future[list[Any]] = concurrent.futures.Future()
        self._stop = None  # that of the server before
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        task = self._task = _run(self._serve(ready, self._log))
        deadline = time.monotonic() + self._timeout
        try:
            while not ready.done():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"it did not answer within {self._timeout:g} s")
                concurrent.futures.wait([ready], POLL_S)  # in short steps, for an interrupt
            return ready.result()
        except BaseException as error:
            task.cancel()
            said = self._said()
            if isinstance(error, Exception):
                raise ValueError(
                    f"the server {self.name!r} could not be started: {_why(error)}{said}"
                ) from None
            raise

    async def _serve(self, ready: concurrent.futures.Future[list[Any]], log: Any) -> None:
        mine = None
        try:
            async with self._connect(log) as client:
                tools, cursor = list[Any](), None
                while True:
                    page = await client.list_tools(cursor=cursor)
                    tools += page.tools
                    if not (cursor := page.next_cursor) or len(tools) > 10_000:
                        break
                self._stop = asyncio.Event()
                self._client = mine = client
                ready.set_result(tools)
                await self._stop.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(_first(error))
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            if self._client is mine:  # and not that of a server started since
                self._client = None

    def begin(self, name: str, arguments: dict[str, Any]) -> concurrent.futures.Future[Any]:
        """Begin a call of a tool; a server that has ended is started anew."""
        with self._turn:
            if not self.is_open:
                self.start()
            client = self._client
        return _run(client.call_tool(name, arguments))

    def lost(self, error: BaseException) -> str:
        """Return in words why a call failed, and end a connection that is of no more use."""
        said = ""
        if type(error).__name__ != "MCPError" or "closed" in str(error).lower():
            said = f"; the server {self.name!r} is started anew by the next call{self._said()}"
            self.close()
        return f"{_why(error)}{said}"

    def close(self) -> None:
        """End the server, and wait for that."""
        concurrent.futures.wait(self.begin_to_close(), CLOSE_S)

    def begin_to_close(self) -> list[concurrent.futures.Future[None]]:
        """Have the server end, and return what to wait for."""
        task, stop = self._task, self._stop
        self._client = None
        if task is None or task.done():
            return []
        if stop is None or not _call_soon(stop.set):
            task.cancel()
        return [task]

    def forgotten(self) -> None:
        """End the server of an object that nobody keeps any more, and wait for nothing."""
        if self._stop is not None:
            _call_soon(self._stop.set)

    def _said(self) -> str:
        """The last words of the server on standard error."""
        try:
            self._log.flush()
            self._log.seek(0)
            text = " ".join(cut(self._log.read()[-MOST_LOGGED:]).text.split())
        except (AttributeError, OSError, ValueError):
            return ""
        return f" (it said: {text})" if text else ""


def _first(error: BaseException) -> Exception:
    """The first cause in a group of errors, as the package's tasks raise them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, Exception) else RuntimeError(type(error).__name__)


def _why(error: BaseException) -> str:
    found = _first(error)
    text = " ".join(cut(str(found), 500).text.split())
    return (
        text if isinstance(found, TimeoutError) and text else f"{type(found).__name__}: {text}".rstrip(": ")
    )


# ---- the thread --------------------------------------------------------------------------------------------


class _Hub:
    """The thread with the loop; it begins with the first server."""

    def __init__(self) -> None:
        self.guard = Guard()
        self.loop: asyncio.AbstractEventLoop | None = None
        renew_in_children(self)

    def renew(self) -> None:
        self.loop = None

    def running(self) -> asyncio.AbstractEventLoop:
        with self.guard.lock:
            if self.loop is None:
                loop = asyncio.new_event_loop()
                threading.Thread(target=loop.run_forever, name="ossnb, servers of tools", daemon=True).start()
                self.loop = loop
            return self.loop


@functools.cache
def _hub() -> _Hub:
    return _Hub()


_open: Living[Connection] = Living()


def _run(work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    return asyncio.run_coroutine_threadsafe(work, _hub().running())


def _call_soon(work: Callable[[], None]) -> bool:
    loop = _hub().loop
    try:
        if loop is not None:
            loop.call_soon_threadsafe(work)
        return loop is not None
    except RuntimeError:  # the loop was closed
        return False


@atexit.register
def _close_all() -> None:
    """End all servers at once: each may take its time."""
    ending = [task for connection in _open for task in connection.begin_to_close()]
    concurrent.futures.wait(ending, CLOSE_S)
