"""A gpt-oss model: what may be asked of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from types import TracebackType
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from . import _core
from .chat import Chat
from .checkpoint.config import Config
from .checkpoint.safetensors import MappedFile
from .engine.prefix import PrefixCache
from .engine.shared import SharedEngine, Use
from .engine.trace import BLOCK, Tracing, check_kinds, check_layers
from .errors import ContextFull
from .generation.aio import AsyncStream
from .generation.loop import PREFILL_CHUNK, Request, Stream
from .generation.record import Origin, Reply
from .generation.sampling import Sampling, SamplingOptions, with_sampling_options
from .harmony.messages import Prompt, Tools, as_messages
from .harmony.prompt import check_effort, render
from .harmony.tokenizer import CALL, Tokenizer
from .system import machine
from .system.progress import size_text
from .views.look import Look

KEPT_SEQUENCES = 8  # earlier generations whose keys and values stay at hand


class Model:
    """A gpt-oss model, ready to generate.

    >>> model = ossnb.load("demo")  # doctest: +SKIP
    >>> model.generate("What is 2 + 2?", temperature=0).text  # doctest: +SKIP
    '4'

    Several threads may use one model: their forward calls take turns in the order they are asked for, and
    each generation works on a fork of its own of the kept keys and values. Who does not get a first turn
    within `patience_s` seconds gets Busy, which names what is going on. A prompt that begins like an earlier
    one, with its reply, is computed only from where they part; the result is the same, bit for bit.
    """

    def __init__(
        self,
        core: _core.Model,
        config: Config,
        *,
        tensors: Mapping[str, NDArray[Any]] | None = None,
        files: Iterable[MappedFile] = (),
        source: str = "",
        revision: str | None = None,
        fingerprint: str = "",
        precision: str = "exact",
        context: int | None = None,
    ) -> None:
        self._engine: SharedEngine | None = SharedEngine(core, files)
        self.config = config
        self.tensors = dict(tensors or {})  # HF name → mapped, read-only array; bf16 as uint16
        self.source = source
        self.revision = revision
        self.fingerprint = fingerprint
        self.precision = precision
        self.context = config.max_position_embeddings if context is None else context
        self.tokenizer = Tokenizer()
        self._origin = Origin(self)
        self._cache = PrefixCache(KEPT_SEQUENCES, max_bytes=self.context * core.kv_bytes_per_token // 2)

    @property
    def core(self) -> _core.Model:
        """The C++ engine itself, without turns; RuntimeError once the model is closed."""
        return self._open_engine().core

    def _open_engine(self) -> SharedEngine:
        if self._engine is None:
            raise RuntimeError(f"the model {self.source!r} was closed; load it again")
        return self._engine

    @property
    def threads(self) -> int:
        """Threads the engine computes with; may be set. The results do not depend on it."""
        return self.core.threads

    @threads.setter
    def threads(self, n: int) -> None:
        self._open_engine().use("changing the number of threads").set_threads(n)

    @property
    def patience_s(self) -> float | None:
        """Seconds that a generation waits for its first turn before it raises Busy; None: as long as it
        takes."""
        return self._open_engine().patience_s

    @patience_s.setter
    def patience_s(self, seconds: float | None) -> None:
        self._open_engine().patience_s = seconds

    # ---- answers -----------------------------------------------------------------------------------------

    @with_sampling_options
    def generate(
        self,
        prompt_or_messages: Prompt,
        instructions: str | None = None,
        effort: str = "medium",
        *,
        tools: Tools | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> Reply:
        """Answer a prompt, or the last of a list of messages, and return the whole reply.

        >>> model.generate("What is 2 + 2?", effort="low", seed=7).text  # doctest: +SKIP
        '4'

        Messages are dicts as for OpenAI (role, content, tool_calls, ...) or Message objects, such as
        `reply.messages`. `instructions` is what others name the system prompt; `effort` is low, medium or
        high. `tools` are functions as JSON schemas; a call the model wants is in `reply.tool_calls`, none is
        executed. `max_tokens` None goes on until the model ends or the context is full (finish_reason
        "context"). `stop` takes strings, looked for in the answer's text, and token ids. The same `seed`
        gives the same text; without one a seed is drawn and told in `reply.seed`. An interrupt raises
        Interrupted, with the partial reply in `.reply`. ContextFull if the prompt leaves no room for an
        answer, ValueError for settings out of range.
        """
        stream = self.stream(prompt_or_messages, instructions, effort, tools=tools, **sampling)
        return stream.run()

    @with_sampling_options
    def stream(
        self,
        prompt_or_messages: Prompt,
        instructions: str | None = None,
        effort: str = "medium",
        *,
        tools: Tools | None = None,
        on_end: Callable[[Reply], None] | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> Stream:
        """Answer as `generate` does, event by event.

        >>> for event in model.stream("Tell me a story"): print(event.text, end="")  # doctest: +SKIP
        Once upon a time

        Returns an iterator of Event with `reply`, `close` and `cancel`. `on_end` is called once with the
        reply, however the generation ends.
        """
        self._check_harmony()
        check_effort(effort)
        settings = Sampling.of(sampling)
        messages = as_messages(prompt_or_messages)
        tokens = render(messages, instructions=instructions, effort=effort, tools=tools)
        return self._start(tokens, settings, effort, on_end)

    @with_sampling_options
    async def agenerate(
        self,
        prompt_or_messages: Prompt,
        instructions: str | None = None,
        effort: str = "medium",
        *,
        tools: Tools | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> Reply:
        """Answer as `generate` does, for `await`: the event loop goes on, an interrupt or a cancel ends it.

        >>> reply = await model.agenerate("What is 2 + 2?")  # doctest: +SKIP

        Several at once are answered one after the other. A cancelled one raises CancelledError with the
        partial reply in `.reply`; after a timeout, that is the TimeoutError's `__cause__`. To have the
        partial reply at hand in any case: `stream = model.astream(...)`, `await stream.run()`.
        """
        stream = self.astream(prompt_or_messages, instructions, effort, tools=tools, **sampling)
        return await stream.run()

    @with_sampling_options
    def astream(
        self,
        prompt_or_messages: Prompt,
        instructions: str | None = None,
        effort: str = "medium",
        *,
        tools: Tools | None = None,
        on_end: Callable[[Reply], None] | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> AsyncStream:
        """Answer as `stream` does, for `async for`.

        >>> async for event in model.astream("Hi"): print(event.text, end="")  # doctest: +SKIP
        Hello!

        Returns an AsyncStream with `reply`, `run`, `cancel` and `aclose`; leaving the loop ends it. `on_end`
        is called in a thread.
        """
        return AsyncStream(
            lambda: self.stream(
                prompt_or_messages, instructions, effort, tools=tools, on_end=on_end, **sampling
            )
        )

    @with_sampling_options
    def complete(self, prompt: str | Iterable[int], **sampling: Unpack[SamplingOptions]) -> Reply:
        """Continue raw text, or token ids, without harmony; everything written is `reply.text`.

        >>> model.complete("Roses are red, violets", max_tokens=20).text  # doctest: +SKIP
        ' are blue'

        Ends at "<|return|>", "<|endoftext|>", `stop`, `max_tokens` or the end of the context.
        """
        return self.stream_complete(prompt, **sampling).run()

    @with_sampling_options
    def stream_complete(
        self,
        prompt: str | Iterable[int],
        *,
        on_end: Callable[[Reply], None] | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> Stream:
        """Continue raw text as `complete` does, event by event; every text is an "answer" event.

        >>> for event in model.stream_complete("Roses are red,"): print(event.text, end="")  # doctest: +SKIP
        """
        settings = Sampling.of(sampling)
        tokens = self.tokenizer.encode(prompt) if isinstance(prompt, str) else prompt
        return self._start(self._token_ids(tokens), settings, None, on_end)

    @with_sampling_options
    def chat(
        self,
        instructions: str | None = None,
        *,
        effort: str = "medium",
        tools: Tools | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> Chat:
        """Begin a conversation that remembers its turns.

        >>> chat = model.chat(instructions="Be brief.")  # doctest: +SKIP
        >>> chat.say("Hello").text  # doctest: +SKIP
        'Hi!'
        """
        return Chat(self, instructions, effort=effort, tools=tools, **sampling)

    def stream_branch(
        self,
        reply: Reply,
        at: int,
        text: str | Sequence[int],
        *,
        on_end: Callable[[Reply], None] | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> Stream:
        """Go on from the middle of a reply as `Reply.branch` does, event by event.

        >>> model.stream_branch(reply, 17, " not").run().text  # doctest: +SKIP

        The events begin with the tokens that stay. `logprobs` are not recorded: `inspect` has them.
        """
        if isinstance(at, bool) or not isinstance(at, Integral) or not 0 <= at <= len(reply.tokens):
            raise ValueError(f"at must be in 0..{len(reply.tokens)}, a token of the reply, got {at!r}")
        replacement = self.tokenizer.encode(text) if isinstance(text, str) else text
        begun = [*reply.tokens[:at], *self._token_ids(replacement)]
        settings = dataclasses.replace(reply.sampling, **{**sampling, "logprobs": 0})
        return self._start(reply.prompt_tokens, settings, reply.effort, on_end, begun)

    def _start(
        self,
        tokens: list[int],
        settings: Sampling,
        effort: str | None,
        on_end: Callable[[Reply], None] | None,
        begun: Sequence[int] = (),
    ) -> Stream:
        settings.check_vocabulary(self.config.vocab_size)
        n_tokens = len(tokens) + len(begun)
        if n_tokens >= self.context:
            most = self.config.max_position_embeddings
            raise ContextFull(
                f"the prompt has {n_tokens:,} tokens and the context holds {self.context:,}: shorten it, or "
                + "start a new chat"
                + (f", or load with more context (<= {most:,})" if self.context < most else "")
            )
        request = Request(
            tokens,
            settings.with_seed(),
            effort,
            self.context,
            self.config,
            self.source,
            self.revision,
            self.precision,
            list(begun),
            self._origin,
        )
        return Stream(self._open_engine(), self._cache, request, on_end)

    def _check_harmony(self) -> None:
        if self.config.vocab_size <= CALL:
            raise ValueError(
                f"this model's vocabulary has {self.config.vocab_size:,} tokens, harmony needs ids up to "
                f"{CALL:,}; use complete() or logits() with token ids"
            )

    def look(self, reply: Reply) -> Look:
        """Open the views of a reply that this model wrote; `reply.inspect()` and its like come here."""
        return Look(reply)

    # ---- numbers -----------------------------------------------------------------------------------------

    def logits(self, token_ids: Iterable[int]) -> NDArray[np.float32]:
        """Return the logits after every token, float32 [T, V].

        >>> model.logits([200006, 1428]).shape  # doctest: +SKIP
        (2, 201088)

        Every position is computed. MemoryError if the array does not fit (T * V * 4 bytes), ValueError for a
        token out of range, ContextFull for more tokens than the context holds.
        """
        tokens = np.asarray(self._token_ids(token_ids), np.int32)
        self._check_room("logits", len(tokens), len(tokens) * self.config.vocab_size * 4)
        logits = np.empty((len(tokens), self.config.vocab_size), np.float32)
        use = self._open_engine().use(f"computing the logits of {len(tokens):,} tokens")
        sequence = use.sequence()
        for start in range(0, len(tokens), PREFILL_CHUNK):
            chunk = tokens[start : start + PREFILL_CHUNK]
            logits[start : start + len(chunk)] = use.forward([(sequence, chunk, len(chunk))])
        return logits

    def logit_blocks(self, token_ids: Iterable[int], start: int = 0) -> Iterator[NDArray[np.float32]]:
        """Yield the logits after each token from position `start` on, a few rows [<= 64, V] at a time.

        >>> for block in model.logit_blocks(reply.prompt_tokens): print(block.max())  # doctest: +SKIP

        What comes before `start` is taken from kept keys and values where there are some.
        """
        tokens = np.asarray(self._token_ids(token_ids), np.int32)
        self._check_room("logits", len(tokens), BLOCK * self.config.vocab_size * 4)
        use = self._open_engine().use(f"computing the logits of {len(tokens):,} tokens")
        sequence = self._read(use, tokens[:start])
        for at in range(start, len(tokens), BLOCK):
            block = tokens[at : at + BLOCK]
            yield use.forward([(sequence, block, len(block))])

    def trace(
        self,
        prompt: str | Iterable[int],
        *,
        what: str | Iterable[str] = ("router",),
        layers: Iterable[int] | None = None,
        start: int = 0,
        n_top: int = 5,
    ) -> dict[str, NDArray[Any]]:
        """Read a text and return what the layers did with it, as named arrays.

        >>> model.trace("Roses are red", what="router")["experts"].shape  # doctest: +SKIP
        (24, 3, 4)

        `prompt` is raw text or token ids, such as `reply.prompt_tokens + reply.tokens`; rows are of its
        tokens from position `start` on, T of them, and `layers` (K; None: all) names the layers. Always
        there: "tokens" [T] and "layers" [K]. `what` adds, row t being of the pass that read token t:

        - "router": "router_logits" [K, T, E], the chosen "experts" int32 [K, T, A], likeliest first, and
          their "expert_weights" [K, T, A], which add up to 1
        - "attention": [K, heads, T, S], how much of its attention a token gives to each of the S tokens up to
          the last; what a row lacks to 1 went to the head's sink. Computed anew in float32
        - "hidden": the residual stream, "embedding" [T, D] and "hidden" [K, T, D] after each layer
        - "logit_lens": the `n_top` tokens the output layer would find likeliest after each layer,
          "lens_tokens" int32 [K, T, n_top] with "lens_logprobs" [K, T, n_top]
        - "logits": [T, V]

        float32 where nothing else is said. ValueError for a name or a number that does not exist, ContextFull
        for more tokens than the context holds, MemoryError if the arrays would not fit.
        """
        kinds, chosen = check_kinds(what), check_layers(layers, self.config.num_hidden_layers)
        encoded = self.tokenizer.encode(prompt) if isinstance(prompt, str) else prompt
        tokens = np.asarray(self._token_ids(encoded), np.int32)
        tracing = Tracing(self.config, kinds, chosen, len(tokens), start, n_top)
        self._check_room("arrays", len(tokens), tracing.n_bytes)
        use = self._open_engine().use(f"tracing {len(tokens):,} tokens")
        return tracing.run(use, self.tensors, self._read(use, tokens[: tracing.first]), tokens)

    def _read(self, use: Use, tokens: NDArray[np.int32]) -> _core.Sequence:
        """Return a sequence that holds `tokens`, computed only as far as no kept one does."""
        probe = np.append(tokens, np.int32(0))  # the cache leaves out the last token of what it is asked for
        sequence, n_cached = self._cache.longest(probe) or (use.sequence(), 0)
        for at in range(n_cached, len(tokens), PREFILL_CHUNK):
            use.forward([(sequence, tokens[at : at + PREFILL_CHUNK], 0)])
        return sequence

    def _check_room(self, what: str, n_tokens: int, n_bytes: int) -> None:
        if n_tokens > self.context:
            raise ContextFull(f"{n_tokens:,} tokens are more than the context holds, {self.context:,}")
        if n_bytes > (free := machine.available_memory()):
            raise MemoryError(
                f"{what} of {n_tokens:,} tokens need {size_text(n_bytes)}, {size_text(free)} free; "
                "ask for fewer"
            )

    def _token_ids(self, ids: Iterable[int]) -> list[int]:
        """Check token ids given by the caller, or made of a text for a model with a smaller vocabulary."""
        if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
            raise ValueError(f"token ids must be a sequence of integers, got {type(ids).__name__}")
        tokens = list(ids)
        if not tokens:
            raise ValueError("there must be at least one token, got none")
        for i, token in enumerate(tokens):
            if isinstance(token, bool) or not isinstance(token, Integral):
                raise ValueError(f"token id {i} must be an integer, got {token!r}")
            if not 0 <= token < self.config.vocab_size:
                raise ValueError(
                    f"token id {i} must be in 0..{self.config.vocab_size - 1} (vocab_size), got {token}"
                )
        return [int(token) for token in tokens]

    # ---- life --------------------------------------------------------------------------------------------

    @property
    def n_kept_bytes(self) -> int:
        """Bytes of keys and values kept from earlier generations; `forget` frees them."""
        return self._cache.n_bytes

    def forget(self) -> None:
        """Free the keys and values kept from earlier generations.

        >>> model.forget(); model.n_kept_bytes  # doctest: +SKIP
        0
        """
        self._cache.clear()

    def close(self) -> None:
        """Free the memory; the model cannot be used any more. The end of a `with` does the same.

        >>> with ossnb.load("demo") as model: print(model.generate("Hi"))  # doctest: +SKIP
        """
        self.forget()
        self.tensors.clear()
        self._engine = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        c = self.config
        size = f"{c.num_hidden_layers} layers, {c.num_local_experts} experts"
        if self._engine is None:
            return f"Model({self.source!r}, {size}, closed)"
        return (
            f"Model({self.source!r}, {size}, precision={self.precision!r}, threads={self.threads}, "
            f"context={self.context:,})"
        )
