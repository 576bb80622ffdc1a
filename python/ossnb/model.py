"""Load a gpt-oss model and talk to it."""

from __future__ import annotations

import dataclasses
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from . import _core
from .checkpoint import demo, hub
from .checkpoint import layout as checkpoint
from .checkpoint import packed as derived
from .checkpoint.config import Config
from .checkpoint.safetensors import MappedFile
from .engine.prefix import PrefixCache
from .engine.shared import SharedEngine, Use
from .engine.trace import BLOCK, Tracing, check_kinds, check_layers
from .errors import CheckpointError, ContextFull
from .generation.aio import AsyncStream
from .generation.loop import PREFILL_CHUNK, Request, Stream
from .generation.record import Origin, Reply
from .generation.sampling import Sampling, SamplingOptions, with_sampling_options
from .harmony.messages import Prompt, as_messages
from .harmony.prompt import CALL, VOCAB_SIZE, Tokenizer, check_effort, read_vocabulary, render
from .system import machine

if TYPE_CHECKING:
    from .chat import Chat

Tools = Sequence[Mapping[str, Any]]

MIN_CONTEXT = 512  # tokens; a machine without memory for as many gets an error at the first prompt
PRECISIONS = ("exact", "fast")
KEPT_SEQUENCES = 8  # earlier generations whose keys and values stay at hand


def load(
    source: str | os.PathLike[str] | None = None,
    *,
    precision: str = "exact",
    threads: int | None = None,
    context: int | None = None,
    revision: str | None = None,
) -> Model:
    """Load a model: a hub id, "20b", "120b", a folder, or "demo", the small one that comes with the package.

    >>> model = ossnb.load("openai/gpt-oss-20b")  # downloads 13.8 GB  # doctest: +SKIP
    >>> print(model.generate("Why is the sky blue?"))  # of the 20b  # doctest: +SKIP

    Without a source: the model that OSSNB_MODEL names, else gpt-oss-20b if it was downloaded before, else the
    demo. The weights are mapped, not read into memory. `threads` None takes one a physical core; `context`
    None as many tokens as half of the free memory holds, at most what the model was made for; `revision` pins
    a hub revision. `precision` "exact" keeps the weights as stored and activations at float32 grade; "fast"
    rounds activations to int8 per 32 and reads the dense weights as int8 (about a byte for each, 1.3 GB for
    20b): packed once into the cache (OSSNB_CACHE, OSSNB_CACHE_LIMIT), mapped from then on;
    docs/NUMERICS.md compares them. CheckpointError for files that are missing or
    wrong, MemoryError where the context cannot fit, ValueError else.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be 'exact' or 'fast', got {precision!r}")
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise ValueError(f"threads must be an integer >= 1 or None, got {threads!r}")
    where = _locate(source, revision)
    opened = checkpoint.open_checkpoint(where.path, max_byte=_core.max_byte)
    if opened.n_bytes > machine.total_memory():
        warnings.warn(
            f"the weights, {_gb(opened.n_bytes)}, are larger than the memory, {_gb(machine.total_memory())}: "
            "they are read from the disk again and again, which is slow",
            stacklevel=2,
        )
    if opened.config.vocab_size == VOCAB_SIZE:
        read_vocabulary()
    threads = threads or machine.physical_cores()
    packed = derived.prepare(opened, precision, threads)
    tensors = opened.tensors.copy()
    for file in packed:
        tensors |= file.tensors
    core = _core.Model(
        dataclasses.asdict(opened.config),
        tensors,
        threads=threads,
        precision=precision,
    )
    return Model(
        core,
        opened.config,
        tensors=opened.tensors,
        files=[*opened.files, *packed],
        source=where.source,
        revision=where.revision,
        fingerprint=opened.fingerprint,
        precision=precision,
        context=fitting_context(opened.config, core.kv_bytes_per_token, context),
    )


def _locate(source: str | os.PathLike[str] | None, revision: str | None) -> hub.Resolved:
    named = False
    if source is None:
        source, notice = hub.default_source()
        if notice:
            print(notice, file=sys.stderr)
        named = os.environ.get("OSSNB_MODEL") == source
    if source != "demo":
        try:
            return hub.resolve(source, revision)
        except CheckpointError as error:
            if named:
                raise CheckpointError(f"OSSNB_MODEL names {source!r}: {error}") from error
            raise
    if revision is not None:
        raise ValueError(f"the embedded model has no revisions to choose from, got {revision!r}")
    path = demo.expand()
    return hub.Resolved(path, "demo", path.name.removeprefix("demo-"))


def fitting_context(config: Config, kv_bytes_per_token: int, context: int | None) -> int:
    """Check a wished context against the model and the free memory, or choose one for None."""
    limit, free = config.max_position_embeddings, machine.available_memory()
    if context is None:
        return min(limit, max(free // 2 // kv_bytes_per_token, MIN_CONTEXT))
    if isinstance(context, bool) or not isinstance(context, Integral) or not 2 <= context <= limit:
        raise ValueError(
            f"context must be an integer in 2..{limit} (max_position_embeddings), got {context!r}"
        )
    needed = int(context) * kv_bytes_per_token
    if needed > free:
        smaller = 1 << max((free // 2 // kv_bytes_per_token).bit_length() - 1, 1)
        raise MemoryError(
            f"KV cache for {context:,} tokens needs {_gb(needed)}, {_gb(free)} free; try context={smaller}"
        )
    return int(context)


def _gb(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB"


class Model:
    """A gpt-oss model, ready to generate.

    >>> model = ossnb.load("demo")
    >>> model.generate("What is 2 + 2?", temperature=0).text
    '2 + 2 = 4.'

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

        >>> model.generate("What is 2 + 2?", effort="low", seed=7).text
        '2 + 2 = 4.'

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

        >>> for event in model.stream("What is 2 + 2?", effort="low", seed=7): print(event.text, end="")
        2 + 2 = 4.

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

        >>> reply = await model.agenerate("What is 2 + 2?")

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

        >>> async for event in model.astream("2 + 2?", effort="low", seed=7): print(event.text, end="")
        2 + 2 = 4.

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

        >>> model.complete("Roses are red, violets", max_tokens=2, temperature=0).text
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

        >>> [e.text for e in model.stream_complete("Roses are red, violets", temperature=0, max_tokens=2)]
        [' are', ' blue', '']
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

        >>> chat = model.chat(instructions="Be brief.")
        >>> chat.say("What is 2 + 2?", temperature=0).text
        '2 + 2 = 4.'
        """
        from .chat import Chat

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

        >>> model.stream_branch(reply, 41, "The").run().text
        'The answer is 42.'

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

    # ---- numbers -----------------------------------------------------------------------------------------

    def logits(self, token_ids: Iterable[int]) -> NDArray[np.float32]:
        """Return the logits after every token, float32 [T, V].

        >>> model.logits([200006, 1428]).shape
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

        >>> sum(len(block) for block in model.logit_blocks(reply.prompt_tokens))
        64

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

        >>> model.trace("Roses are red", what="router")["experts"].shape
        (4, 4, 2)

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
                f"{what} of {n_tokens:,} tokens need {_gb(n_bytes)}, {_gb(free)} free; ask for fewer"
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

        >>> model.forget(); model.n_kept_bytes
        0
        """
        self._cache.clear()

    def close(self) -> None:
        """Free the memory; the model cannot be used any more. The end of a `with` does the same.

        >>> with ossnb.load("demo") as model: reply = model.generate("Hi")
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
