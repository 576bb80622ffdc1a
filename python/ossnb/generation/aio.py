"""Generations for `await` and `async for`: they run in a thread, so the event loop never stands still."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar, cast

from ..engine.scheduler import IN_FLIGHT
from ..engine.turns import Turn, Turns, here, wait_forever_here
from .record import Event, Reply
from .stream import Stream

HEARTBEAT_S = 0.05  # a kernel delivers the interrupt of an `await` when its loop wakes, and not before
SETTLE_S = 10.0  # for a call of the engine that was told to stop; it takes 20 ms, on a busy machine seconds

T = TypeVar("T")


def _new_queue() -> Turns:
    return Turns("the queue of awaited answers", "await fewer at a time", IN_FLIGHT)


# More answers queue up: a hundred of them at once would only fill the memory with keys and values. Those that
# the functions of one await have a queue of their own, since that one keeps its place until they end.
_queue = _new_queue()
_own_queue = contextvars.ContextVar[Turns]("ossnb, the queue of what an answer's functions await")


class _Worker:
    """A thread that makes one call after the other. It starts with the first and waits in between."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._is_ending = False
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def make(self, call: Callable[[], None]) -> None:
        """Make a call, which must not raise, in the thread."""
        before = self._thread
        if before is None or self._is_ending or not before.is_alive():  # or a fork left it behind
            self._calls, self._is_ending = queue.SimpleQueue(), False
            work = self._calls, before
            self._thread = threading.Thread(target=_work, args=work, name=self._name, daemon=True)
            self._thread.start()
        self._calls.put(call)

    def end(self) -> None:
        """End the thread after its call; a later call starts another, which waits for that end."""
        self._is_ending = True
        self._calls.put(None)


def _work(calls: queue.SimpleQueue[Callable[[], None] | None], before: threading.Thread | None) -> None:
    wait_forever_here()  # whoever awaits can be cancelled, and blocks nobody
    if before is not None and before.is_alive():
        before.join()  # its last call may load a model that nobody waits for any more
    while (call := calls.get()) is not None:
        call()
        del call  # while it waits, it holds no stream


class AsyncStream:
    """The events of one generation, for `async for`; `reply` has the text written, whatever ended it.

    >>> async for event in model.astream("What is 2 + 2?", effort="low", seed=7): print(event.text, end="")
    The answer is 4.

    The model runs in one thread of the stream, and only while you wait for an event. So the event loop stays
    free, and nothing runs once you leave the loop. `await stream.run()` gives the whole reply. When the task
    is cancelled (by a timeout or a kernel's interrupt), the engine's call ends first. The CancelledError then
    has the partial reply in `.reply`, and the stream has it too. Wrong arguments raise at the first `await`.
    """

    def __init__(self, start: Callable[[], Stream]) -> None:
        self._start = start
        self._stream: Stream | None = None
        self._step: asyncio.Future[Any] | None = None
        self._is_awaited = False
        self._is_cancelled = threading.Event()
        self._wants_answer = threading.Event()
        self._worker = _Worker(f"ossnb, awaited in {here()}")
        weakref.finalize(self, self._worker.end).atexit = False

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream cannot be pickled, since it is computing; pickle its reply")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self._in_thread(self._next_event)
        if event is None:
            self._worker.end()
            raise StopAsyncIteration
        return event

    async def run(self) -> Reply:
        """Generate to the end and return the reply. Several runs at once share the engine's passes, 16 of
        them at a time."""
        reply = await self._in_thread(self._run)
        self._worker.end()
        return reply

    async def text(self) -> AsyncIterator[str]:
        """Iterate over the pieces of the answer alone, as Stream.text does, for `async for`.

        >>> async for piece in model.astream("What is 17 + 25?", temperature=0).text(): print(piece, end="")
        17 + 25 = 42.
        """
        async for event in self:
            if event.kind == "answer":
                yield event.text

    def cancel(self) -> None:
        """End the generation, from any thread; it ends with "done" within about 20 ms."""
        self._is_cancelled.set()
        if self._stream is not None:
            self._stream.cancel()

    def stop_thinking(self) -> None:
        """End the thought and go on with the answer, from any thread, as Stream.stop_thinking does.

        >>> stream = model.astream("What is 17 + 25?", temperature=0)
        >>> stream.stop_thinking(); (await stream.run()).text
        '17 + 25 = 42.'
        """
        self._wants_answer.set()
        if self._stream is not None:
            self._stream.stop_thinking()

    async def aclose(self) -> None:
        """End the generation now; `reply` has the text written so far."""
        self.cancel()
        await self._settle()

    @property
    def reply(self) -> Reply:
        """The reply; while it is being written, the part so far, marked "unfinished"."""
        if self._stream is not None:
            return self._stream.reply
        return Reply("", finish_reason="cancelled" if self._is_cancelled.is_set() else "unfinished")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # ---- in the thread -------------------------------------------------------------------------------------

    def _open(self) -> Stream | None:
        """Start the stream; this turns the prompt into tokens, and may have to load a model first."""
        if self._stream is None and not self._is_cancelled.is_set():
            stream = self._start()
            if self._is_cancelled.is_set():  # meanwhile; before anybody can see it unfinished
                stream.close()
            self._stream = stream
            if self._is_cancelled.is_set():  # since then, and `cancel` may have found no stream
                stream.close()
            if self._wants_answer.is_set():
                stream.stop_thinking()
        return self._stream

    def _next_event(self) -> Event | None:
        stream = self._open()
        return None if stream is None else next(stream, None)

    def _run(self) -> Reply:
        stream, turn = self._open(), Turn(_own_queue.get(_queue), "waiting")
        if stream is not None:
            with turn.held:
                if turn.wait(self._is_cancelled.is_set):
                    _own_queue.set(_new_queue())  # this call has a copy of the context for itself
                    for _ in stream:
                        pass
            turn.pass_on()
            stream.close()  # if it was cancelled before it began
        return self.reply

    # ---- in the event loop ---------------------------------------------------------------------------------

    async def _in_thread(self, function: Callable[[], T]) -> T:
        if self._is_awaited:
            raise RuntimeError("another task is waiting for this stream already; give each task its own")
        loop = asyncio.get_running_loop()
        self._step = step = loop.create_future()
        context = contextvars.copy_context()  # a notebook finds in it the cell to which a print belongs

        def call() -> None:
            result, error = None, None
            try:
                result = context.run(function)
            except BaseException as raised:  # handed to the task below
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(_settle_step, step, result, error)

        self._is_awaited = True
        try:
            self._worker.make(call)
            while not step.done():
                await asyncio.wait([step], timeout=HEARTBEAT_S)
        except asyncio.CancelledError as error:
            self.cancel()
            await self._settle()
            error.reply = self.reply  # type: ignore[attr-defined]
            error.add_note("what the model had written is in the .reply of this error")
            raise error.with_traceback(None) from None  # asyncio's frames would tell nobody anything
        except BaseException:  # the loop itself is ending
            self.cancel()
            self._worker.end()
            raise
        finally:
            self._is_awaited = False
        if step.exception() is not None:
            self._worker.end()
        return cast(T, step.result())

    async def _settle(self) -> None:
        """Wait until the thread has left the engine, and close the stream; do not wait for a model that is
        still loading."""
        deadline = time.monotonic() + SETTLE_S
        while self._stream is not None and self._step is not None and not self._step.done():
            if time.monotonic() > deadline:
                break
            await asyncio.wait([self._step], timeout=HEARTBEAT_S)
        if self._stream is not None and (self._step is None or self._step.done()):
            self._stream.close()
        self._worker.end()


def _settle_step(step: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if step.done():
        return
    if error is None:
        step.set_result(result)
    else:
        step.set_exception(error)
        step.exception()  # a task that was cancelled does not look at it any more, and that is no oversight
