"""The loop: read the prompt, choose a token, say what it means, again.

Named so, and not generate.py, because `ossnb.generate` is the function.
"""

from __future__ import annotations

import codecs
import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..checkpoint.config import Config
from ..engine.estimate import duration, prefill_seconds
from ..engine.prefix import PrefixCache
from ..engine.shared import SharedEngine
from ..errors import CheckpointError, Interrupted
from ..harmony.messages import Message, ToolCall
from ..harmony.parser import ENDS, Parser, Piece
from ..harmony.prompt import ENDOFTEXT, RETURN, STOP_IDS, prompt_hash, token_bytes
from ..harmony.stops import StopStrings
from .record import Event, FinishReason, Origin, Reply, Stats, TokenLogprob
from .sampling import Sampling

Logits = NDArray[np.float32] | _core.Screened  # after the last token: all of them [V], or their bounds

PREFILL_CHUNK = 512  # tokens of a prompt in one forward call
TELL_FROM_S = 3.0  # how long reading a prompt takes, where it takes longer than this


@dataclass(frozen=True, slots=True)
class Request:
    """What to generate, and from which model; `effort` None asks for raw text without harmony.

    `begun` are tokens of the reply that are written already; the model goes on from there.
    """

    prompt: list[int]
    sampling: Sampling
    effort: str | None
    context: int
    config: Config
    model: str = ""
    revision: str | None = None
    precision: str = "exact"
    begun: list[int] = field(default_factory=list)
    origin: Origin = field(default_factory=Origin)


class Reader(Protocol):
    """What gives tokens their meaning."""

    messages: list[Message]
    turn_over: bool

    @property
    def notes(self) -> tuple[str, ...]: ...
    def push(self, token: int) -> list[Piece]: ...
    def finish(self) -> list[Piece]: ...
    def cut(self, n_chars: int) -> None: ...


class RawText:
    """Read tokens as nothing but text."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.turn_over = False
        self.notes: tuple[str, ...] = ()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> list[Piece]:
        text = self._decoder.decode(token_bytes(token))
        return [Piece("answer", text)] if text else []

    def finish(self) -> list[Piece]:
        text = self._decoder.decode(b"", final=True)
        return [Piece("answer", text)] if text else []

    def cut(self, n_chars: int) -> None:
        self._decoder.reset()


class Generation:
    """One run of the loop, and what it has written so far. Its Stream is what a caller holds."""

    def __init__(
        self,
        engine: SharedEngine,
        cache: PrefixCache,
        request: Request,
        on_end: Callable[[Reply], None] | None = None,
    ) -> None:
        self._engine = engine.use("about to begin an answer")
        self._cache = cache
        self._request = request
        self._on_end = on_end
        self._reader: Reader = RawText() if request.effort is None else Parser()
        self._stops = StopStrings(request.sampling.stop_strings)
        self._stop_ids = request.sampling.stop_ids | (
            {RETURN, ENDOFTEXT} if request.effort is None else STOP_IDS
        )
        self._tokens = list(request.prompt)  # what the sequence holds, and at most one token more
        self._sequence: _core.Sequence | None = None
        self._sampler = self._make_sampler()
        # One token is wanted and no more is told of it: it can be found without all logits.
        self._screens = (
            engine.core.has_screen and not request.sampling.logprobs and not self._sampler.needs_all_logits
        )
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._tool_calls: list[ToolCall] = []
        self._logprobs: list[TokenLogprob] = []
        self._n_cached = self._n_decode_steps = self._decode_bytes = 0
        self._prefill_s = self._decode_s = 0.0
        self.on_logits: Callable[[NDArray[np.float32]], None] | None = None
        self._close_reason: FinishReason = "cancelled"
        self._reply: Reply | None = None
        self.cancel = self._engine.cancel

    def close(self, events: Generator[Event, None, None], reason: FinishReason) -> None:
        """End it where it is; nothing if it has ended. `events` is what `run` returned."""
        self._close_reason = reason
        events.close()
        if self._reply is None:  # it had not begun
            self._end(reason)

    @property
    def reply(self) -> Reply:
        """The reply, or what there is of it."""
        return self._reply or self._make_reply("unfinished")

    # ---- the loop ----------------------------------------------------------------------------------------

    def run(self) -> Generator[Event, None, None]:
        """Generate. The generator is not kept here: it ends when its Stream is let go of."""
        try:
            logits = yield from self._read_prompt()
            reason = yield from self._write(logits)
        except _core.Cancelled:
            reason = "cancelled"
        except GeneratorExit:
            self._end(self._close_reason)
            raise
        except KeyboardInterrupt:
            self._end("interrupted")
            raise Interrupted(self.reply) from None
        except BaseException:
            self._end("error")
            raise
        yield from self._end(reason)
        yield Event("done", reply=self._reply)

    def _read_prompt(self) -> Generator[Event, None, Logits]:
        """Compute the prompt, and what was begun, from where it differs from earlier ones; return the last
        logits."""
        prompt = np.asarray([*self._request.prompt, *self._request.begun], np.int32)
        self._sequence, self._n_cached = self._cache.longest(prompt) or (self._engine.sequence(), 0)
        yield from self._foretell(self._n_cached, len(prompt))
        for start in range(self._n_cached, len(prompt), PREFILL_CHUNK):
            stop = min(start + PREFILL_CHUNK, len(prompt))
            self._engine.now(f"reading a prompt, {start:,} of {len(prompt):,} tokens done")
            if stop < len(prompt):
                self._engine.forward([(self._sequence, prompt[start:stop], 0)])
            else:
                logits = self._forward(prompt[start:stop])
            self._prefill_s += self._engine.call_s
            if stop < len(prompt):
                yield Event("progress", self._time_left(stop, len(prompt)), fraction=stop / len(prompt))
        return logits

    def _foretell(self, start: int, stop: int) -> Iterator[Event]:
        """Tell how long it takes to read a long prompt, before it is read."""
        if stop - start <= PREFILL_CHUNK or (seconds := self._estimate(start, stop)) < TELL_FROM_S:
            return
        text = f"{stop - start:,} tokens, about {duration(seconds)}"
        fast = self._estimate(start, stop, "fast")
        if fast < 0.8 * seconds:
            text += f' (about {duration(fast)} in a model loaded with precision="fast")'
        yield Event("progress", text, fraction=start / stop)

    def _time_left(self, start: int, stop: int) -> str:
        """How long the rest takes: the estimate, put right by what the tokens so far took; "" if short."""
        expected = self._estimate(self._n_cached, start)
        left = self._estimate(start, stop) * self._prefill_s / expected
        return f"about {duration(left)} left" if left >= 1 else ""

    def _estimate(self, start: int, stop: int, precision: str = "") -> float:
        request, (isa, threads) = self._request, self._engine.kernels
        precision = precision or request.precision
        return prefill_seconds(request.config, stop - start, start, precision, isa, threads)

    def _forward(self, ids: NDArray[np.int32]) -> Logits:
        """Append tokens to the sequence and return the logits after the last."""
        assert self._sequence is not None
        if self._screens and self.on_logits is None:
            return self._engine.forward_screened(self._sequence, ids)
        return np.asarray(self._engine.forward([(self._sequence, ids, 1)])[0])

    def _write(self, logits: Logits) -> Generator[Event, None, FinishReason]:
        """Choose tokens until one of the reasons to stop."""
        n_prompt = len(self._request.prompt)
        for token in self._request.begun:
            self._sampler.accept(token)
            self._tokens.append(token)
            yield from self._say(token)
            if (reason := self._reason_to_stop(token)) is not None:
                return reason
        while True:
            if self.on_logits is not None and not isinstance(logits, _core.Screened):
                self.on_logits(logits)
            began = time.perf_counter()
            token = self._choose(logits)
            self._decode_s += time.perf_counter() - began
            yield from self._say(token)
            if (reason := self._reason_to_stop(token)) is not None:
                return reason
            self._engine.now(f"writing an answer, {len(self._tokens) - n_prompt:,} tokens so far")
            logits = self._forward(np.array([token], np.int32))
            self._decode_s += self._engine.call_s
            self._n_decode_steps += 1
            self._decode_bytes += self._engine.bytes_touched

    def _make_sampler(self) -> _core.Sampler:
        s, n_vocab = self._request.sampling, self._engine.n_vocab
        assert s.seed is not None
        return _core.Sampler(
            n_vocab=n_vocab,
            temperature=s.temperature,
            top_k=min(s.top_k, n_vocab),
            top_p=s.top_p,
            min_p=s.min_p,
            repetition_penalty=s.repetition_penalty,
            presence_penalty=s.presence_penalty,
            frequency_penalty=s.frequency_penalty,
            logit_bias=s.logit_bias,
            seed=s.seed,
            prompt=np.asarray(self._request.prompt, np.int32),
        )

    def _choose(self, logits: Logits) -> int:
        n_top, position = self._request.sampling.logprobs, len(self._tokens)
        if isinstance(logits, _core.Screened):
            token, n_bytes = self._engine.choose(logits, self._sampler, position)
            self._decode_bytes += n_bytes
            is_number = logits.is_finite
        else:
            token, logprob, top_ids, top_logprobs = self._sampler.sample(logits, position, n_top)
            is_number = math.isfinite(logits[token])
        if not is_number:
            raise CheckpointError(
                f"the logits after {position:,} tokens are no numbers (NaN or infinite), so the weights of "
                f"{self._request.model!r} are damaged, or not those of a gpt-oss: fetch them anew"
            )
        self._sampler.accept(token)
        if n_top:
            top = tuple(
                TokenLogprob(int(i), token_bytes(int(i)), float(p))
                for i, p in zip(top_ids, top_logprobs, strict=True)
            )
            self._logprobs.append(TokenLogprob(token, token_bytes(token), logprob, top))
        self._tokens.append(token)
        return token

    def _reason_to_stop(self, token: int) -> FinishReason | None:
        n_new = len(self._tokens) - len(self._request.prompt)
        if token in self._stop_ids or self._reader.turn_over:
            messages = self._reader.messages
            return "tool_calls" if messages and messages[-1].tool_call is not None else "stop"
        if self._stops.found is not None:
            return "stop_string"
        if n_new == self._request.sampling.max_tokens:
            return "length"
        if len(self._tokens) >= self._request.context:
            return "context"
        return "cancelled" if self.cancel.is_set() else None

    # ---- what the tokens mean ----------------------------------------------------------------------------

    def _say(self, token: int) -> list[Event]:
        """List the events that a token completes. One that ends the generation has no text of its own."""
        ends_message = token in ENDS and self._request.effort is not None
        if token in self._stop_ids and not ends_message:
            return []
        logprob = self._logprobs[-1] if self._logprobs else None
        return [
            event for piece in self._reader.push(token) for event in self._events_of(piece, token, logprob)
        ]

    def _events_of(
        self, piece: Piece, token: int | None, logprob: TokenLogprob | None = None
    ) -> Iterator[Event]:
        if piece.kind == "answer":
            had_stopped = self._stops.found is not None
            text = self._stops.feed(piece.text)
            if self._stops.found is not None and not had_stopped:
                self._reader.cut(self._stops.n_dropped)
            yield from self._answer(text, token, logprob)
            return
        if piece.kind == "note":
            yield Event("note", piece.text, token, logprob)
            return
        yield from self._answer(self._stops.flush(), token, logprob)
        if piece.kind == "reasoning":
            self._reasoning.append(piece.text)
            yield Event("reasoning", piece.text, token, logprob)
        elif piece.call is not None:
            self._tool_calls.append(piece.call)
            yield Event("tool_call", piece.text, token, logprob, tool_call=piece.call)

    def _answer(self, text: str, token: int | None, logprob: TokenLogprob | None) -> Iterator[Event]:
        if text:
            self._text.append(text)
            yield Event("answer", text, token, logprob)

    # ---- the end -----------------------------------------------------------------------------------------

    def _end(self, reason: FinishReason) -> list[Event]:
        """Close what is open, keep the sequence for the next prompt, make the reply; return the last
        events."""
        events = [event for piece in self._reader.finish() for event in self._events_of(piece, None)]
        events += self._answer(self._stops.flush(), None, None)
        if self._sequence is not None:
            self._cache.keep(self._tokens, self._sequence)
        self._reply = self._make_reply(reason)
        if self._on_end is not None:
            self._on_end(self._reply)
        return events

    def _make_reply(self, reason: FinishReason) -> Reply:
        request = self._request
        n_prompt = len(request.prompt)
        return Reply(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            tool_calls=list(self._tool_calls),
            messages=list(self._reader.messages),
            tokens=self._tokens[n_prompt:],
            logprobs=list(self._logprobs),
            finish_reason=reason,
            notes=self._reader.notes,
            stats=Stats(
                n_prompt_tokens=n_prompt,
                n_cached_tokens=min(self._n_cached, n_prompt),
                n_new_tokens=len(self._tokens) - n_prompt,
                n_decode_steps=self._n_decode_steps,
                prefill_s=self._prefill_s,
                decode_s=self._decode_s,
                decode_bytes=self._decode_bytes,
            ),
            sampling=request.sampling,
            effort=request.effort,
            prompt_tokens=list(request.prompt),
            prompt_sha256=prompt_hash(request.prompt),
            model=request.model,
            revision=request.revision,
            precision=request.precision,
            origin=request.origin,
        )


class Stream:
    """The events of one generation, live, once; `reply` afterwards.

    >>> for event in model.stream("What is 2 + 2?", effort="low", seed=7): print(event.text, end="")
    2 + 2 = 4.

    Nothing runs between two events. Leave the loop whenever you like: `close` (or the end of a `with`, or
    letting go of the stream) ends the generation and `reply` has what was written. `cancel` does so from
    another thread. An interrupt raises Interrupted, a KeyboardInterrupt with the partial reply; it is in
    `reply` too. `on_logits`, where it is set, is called with the logits [V] that each token is chosen from.
    """

    def __init__(
        self,
        engine: SharedEngine,
        cache: PrefixCache,
        request: Request,
        on_end: Callable[[Reply], None] | None = None,
    ) -> None:
        self._generation = Generation(engine, cache, request, on_end)
        self._events = self._generation.run()

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

    def cancel(self) -> None:
        """End the generation from any thread; the loop over the events ends within about 20 ms, with
        "done"."""
        self._generation.cancel.set()

    def close(self, reason: FinishReason = "cancelled") -> None:
        """End the generation now, in the thread that loops over it; `reason` becomes the finish_reason."""
        self._generation.close(self._events, reason)

    @property
    def reply(self) -> Reply:
        """The reply; what there is of it, "unfinished", while it is being written."""
        return self._generation.reply

    @property
    def on_logits(self) -> Callable[[NDArray[np.float32]], None] | None:
        """What sees the logits of every choice."""
        return self._generation.on_logits

    @on_logits.setter
    def on_logits(self, see: Callable[[NDArray[np.float32]], None] | None) -> None:
        self._generation.on_logits = see

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close("interrupted" if isinstance(error, KeyboardInterrupt) else "cancelled")
