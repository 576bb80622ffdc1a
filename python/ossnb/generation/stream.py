"""A generation on its way through the engine; its reader holds it as a Stream."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import NoReturn, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..engine.estimate import MEASURE_FIRST_S, duration, measured, pace, prefill_seconds
from ..engine.feed import Feed
from ..engine.scheduler import PASS_ROWS, Progress, Ride, Scheduler
from ..errors import Interrupted
from ..system.text import counted
from .ahead import Ahead
from .loop import Generation, Request
from .record import Event, FinishReason, Reply

TELL_FROM_S = 3.0  # how long reading a prompt takes, where it takes longer than this


class Way(Protocol):
    """A way from a question to its reply, as a Stream holds it: one Course, or Rounds of them.

    The generator of its events is not kept in it: that ends when the caller lets go of its Stream.
    """

    close_reason: FinishReason  # of a reader that closes the generator of the events
    on_logits: Callable[[NDArray[np.float32]], None] | None

    @property
    def so_far(self) -> Reply: ...
    def events(self) -> Generator[Event, None, None]: ...
    def end(self, reason: FinishReason) -> tuple[list[Event], Reply]: ...
    def cancel(self) -> None: ...
    def stop_thinking(self) -> None: ...


class Course:
    """A generation and its ride, from the first feed to the reply."""

    def __init__(
        self, scheduler: Scheduler, request: Request, on_end: Callable[[Reply], None] | None
    ) -> None:
        self.generation = Generation(request)
        self.ride: Ride = scheduler.ride("about to begin an answer")
        self._ahead = Ahead(self.ride, self.generation, request)
        self.reply: Reply | None = None
        self.close_reason: FinishReason = "cancelled"
        self._request = request
        self._on_end = on_end

    def events(self) -> Generator[Event, None, None]:
        """Generate."""
        generation, ride, ahead = self.generation, self.ride, self._ahead
        try:
            yield from (Event("note", note) for note in self._request.notes)
            while (feed := generation.feed()) is not None:
                if ride.cancel.is_set():
                    raise _core.Cancelled
                yield from self._read(feed)
                yield from generation.take(ahead.choices, ahead.seconds, ahead.n_bytes)
        except _core.Cancelled:
            generation.finish_reason = "cancelled"
        except GeneratorExit:
            self.end(self.close_reason)
            raise
        except KeyboardInterrupt:
            raise Interrupted(self.end("interrupted")[1]) from None
        except BaseException:
            self.end("error")
            raise
        events, reply = self.end("stop")
        yield from events
        yield Event("done", reply=reply)

    def end(self, reason: FinishReason) -> tuple[list[Event], Reply]:
        """Close the open message, keep the keys and values for the next prompt, make the reply; return the
        last events and the reply."""
        if self.reply is not None:
            return [], self.reply
        events = [*self.generation.end(reason)]
        self._ahead.leave()
        reply = self.reply = self.generation.reply()
        self._request.drafts.keep(reply.prompt_tokens, reply.tokens)
        if self._on_end is not None:
            self._on_end(reply)
        return events, reply

    @property
    def so_far(self) -> Reply:
        """The reply; while it is being written, the part so far."""
        return self.reply or self.generation.reply()

    @property
    def on_logits(self) -> Callable[[NDArray[np.float32]], None] | None:
        """The function that sees the logits of every choice."""
        return self.generation.on_logits

    @on_logits.setter
    def on_logits(self, see: Callable[[NDArray[np.float32]], None] | None) -> None:
        self.generation.on_logits = see

    def cancel(self) -> None:
        """End it from any thread."""
        self.ride.cancel.set()

    def stop_thinking(self) -> None:
        """End the thought from any thread."""
        self.generation.wants_answer = True

    def _read(self, feed: Feed) -> Iterator[Event]:
        for progress in self._ahead.read(feed):
            if feed.at > 0:
                self.ride.doing = f"writing an answer, {counted(self.generation.n_written, 'token')} so far"
                continue
            self.generation.n_cached, self.generation.prefill_s = self.ride.n_cached, progress.seconds
            self.ride.doing = f"reading a prompt, {progress.done:,} of {progress.last:,} tokens done"
            if progress.done > progress.first:
                yield Event("progress", self._time_left(progress), fraction=progress.done / progress.last)
            elif progress.last - progress.first > PASS_ROWS:
                yield from self._foretell(progress.first, progress.last)

    def _foretell(self, start: int, stop: int) -> Iterator[Event]:
        """Tell, before a long prompt is read, how long that takes."""
        known = pace(self.ride.core)
        seconds = self._estimate(start, stop) * (known or 1.0)
        if seconds < TELL_FROM_S:
            return
        text = f"{counted(stop - start, 'token')}"
        if known is None and seconds > MEASURE_FIRST_S:  # the first pass will tell
            yield Event("progress", text, fraction=start / stop)
            return
        text += f", about {duration(seconds)}"
        fast = self._estimate(start, stop, "fast") * (known or 1.0)
        if fast < 0.8 * seconds:
            text += f' (about {duration(fast)} in a model loaded with precision="fast")'
        yield Event("progress", text, fraction=start / stop)

    def _time_left(self, progress: Progress) -> str:
        """Say how long the rest takes: the estimate, corrected by the time spent so far; "" if short."""
        expected = self._estimate(progress.first, progress.done)
        left = self._estimate(progress.done, progress.last) * measured(
            self.ride.core, expected, progress.seconds
        )
        return f"about {duration(left)} left" if left >= 1 else ""

    def _estimate(self, start: int, stop: int, precision: str = "") -> float:
        request, core = self._request, self.ride.core
        precision = precision or request.precision
        return prefill_seconds(request.config, stop - start, start, precision, core.isa, core.threads)


class Stream:
    """The events of one generation, live and once; afterwards `reply` has the reply.

    >>> for event in model.stream("What is 2 + 2?", effort="low", seed=7): print(event.text, end="")
    The answer is 4.

    Nothing runs between two events. Leave the loop whenever you like: `close` (or the end of a `with`, or
    letting go of the stream) ends the generation, and `reply` has the text written so far. `cancel` does the
    same from another thread. An interrupt raises Interrupted, a KeyboardInterrupt with the partial reply;
    `reply` has it too. If you set `on_logits`, it is called with the logits [V] that each token is chosen
    from.
    """

    def __init__(self, way: Way) -> None:
        self._way = way
        self._events = way.events()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        return next(self._events)

    def run(self) -> Reply:
        """Generate to the end and return the reply; an interrupt raises Interrupted.

        >>> model.stream("What is 2 + 2?", temperature=0).run().text
        '2 + 2 = 4.'
        """
        try:
            for _ in self:
                pass
        except Interrupted:
            raise
        except KeyboardInterrupt:  # it came between two events
            self.close("interrupted")
            raise Interrupted(self.reply) from None
        return self.reply

    def text(self) -> Iterator[str]:
        """Iterate over the pieces of the answer alone, without the thought; then `reply` has everything.

        >>> for piece in model.stream("What is 17 + 25?", temperature=0).text(): print(piece, end="")
        17 + 25 = 42.
        """
        return (event.text for event in self if event.kind == "answer")

    def cancel(self) -> None:
        """End the generation from any thread; the loop over the events ends within about 20 ms, with
        "done"."""
        self._way.cancel()

    def stop_thinking(self) -> None:
        """End the thought after the token that is being written, and go on with the answer, from any thread.

        >>> stream = model.stream("What is 17 + 25?", temperature=0)
        >>> stream.stop_thinking(); stream.run().text
        '17 + 25 = 42.'

        Later thoughts of the turn end at once, too. `reply.notes` says it.
        """
        self._way.stop_thinking()

    def close(self, reason: FinishReason = "cancelled") -> None:
        """End the generation now, in the thread that loops over it; `reason` becomes the finish_reason."""
        self._way.close_reason = reason
        self._events.close()
        self._way.end(reason)  # if it had not begun

    @property
    def reply(self) -> Reply:
        """The reply; while it is being written, the part so far, marked "unfinished"."""
        return self._way.so_far

    @property
    def on_logits(self) -> Callable[[NDArray[np.float32]], None] | None:
        """The function that sees the logits of every choice."""
        return self._way.on_logits

    @on_logits.setter
    def on_logits(self, see: Callable[[NDArray[np.float32]], None] | None) -> None:
        self._way.on_logits = see

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream cannot be pickled, since it is computing; pickle its reply")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close("interrupted" if isinstance(error, KeyboardInterrupt) else "cancelled")
