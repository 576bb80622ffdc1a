"""A model: its answers, and the views into its layers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar, Unpack

import numpy as np
from numpy.typing import NDArray

from . import _core, log
from .chat import Chat
from .checkpoint.config import Config
from .checkpoint.safetensors import MappedFile
from .devices.choice import host_room
from .engine import cache_file
from .engine.cache_file import CacheKey, KeptFile
from .engine.kept import Kept
from .engine.prefix import PrefixTree
from .engine.scheduler import PASS_ROWS, Scheduler
from .engine.shared import Reading, SharedEngine
from .engine.trace import BLOCK, Tracing, check_kinds, check_layers
from .errors import ContextFull
from .generation.asking import Asking
from .generation.drafts import Drafts
from .generation.keywords import takes
from .generation.loop import Request
from .generation.question import DEFAULT_EFFORT, QUESTION_DEFAULTS, Question, QuestionOptions, as_token_ids
from .generation.reading import reading, said_and_told
from .generation.record import Look, Origin, Reply
from .generation.rounds import Rounds
from .generation.stream import Course, Stream
from .harmony.messages import Message
from .harmony.overflow import drop_oldest
from .harmony.prompt import drop_old_analysis, render
from .harmony.tokenizer import CALL, Tokenizer, fewest_tokens
from .many.asking import AskingMany
from .system import machine
from .system.arguments import integer
from .system.files import check_place, expand_user, size_of
from .system.progress import size_text
from .system.text import counted

KEPT_BYTES = 64 << 20  # of what views have read of replies
ANSWER_SHARE = 4  # one part in so many of the context is left for an answer where turns are left out


T = TypeVar("T")


def _cache_path(path: Any) -> Path:
    return expand_user(path, "the file of kept keys and values").absolute()


def _kv_bytes(kv_memory: int | str | None, room: int | None) -> int:
    """How many bytes of keys and values are kept; `room` is a card's, which has no more to give."""
    if room is not None:
        return room if kv_memory is None else min(room, _kv_bytes(kv_memory, None))
    if kv_memory is None:
        return host_room()
    n_bytes = size_of("kv_memory", kv_memory)
    if n_bytes is None or n_bytes < 0:
        raise ValueError(f"kv_memory must be bytes >= 0, a size such as '4 GB', or None, got {kv_memory!r}")
    return n_bytes


class Model(Asking, AskingMany):
    """A gpt-oss model, ready to generate.

    >>> model = ossnb.load("demo")
    >>> model.generate("What is 2 + 2?", temperature=0).text
    '2 + 2 = 4.'

    Several threads may use one model: their answers are written together, in shared passes, and each has the
    bits that it has alone. Views and logits take turns. Each generation works on its own fork of the kept
    keys and values. A call that other work shuts out for
    `patience_s` seconds raises Busy, and the message names the work that is going on. A prompt may begin like
    an earlier prompt and its reply: then only the part that differs is computed. The result is the same, bit
    for bit.

    `source` is its name, `revision` its revision on the hub, `config` the fields of its config.json. A prompt
    and its answer may have `context` tokens. `precision` is "exact" or "fast". `tokenizer` turns text into
    token ids and back.
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
        weights: str = "",
        precision: str = "exact",
        context: int | None = None,
        kv_memory: int | str | None = None,
        kv_room: int | None = None,
    ) -> None:
        self.config = config
        self.tensors = dict(tensors or {})  # HF name → mapped, read-only array; bf16 as uint16
        self.source = source
        self.revision = revision
        self.fingerprint = fingerprint
        self.precision = precision
        self.context = config.max_position_embeddings if context is None else context
        self.tokenizer = Tokenizer()
        self._weights = weights  # which bytes the files have
        self._kept_file: KeptFile | None = None
        self.kept = Kept(KEPT_BYTES)  # what views have read of replies
        self.drafts = Drafts()  # what drafts are made of, and what they cost
        self._origin = Origin(self)
        engine = SharedEngine(core, files)
        self._scheduler: Scheduler | None = Scheduler(engine, PrefixTree(core, _kv_bytes(kv_memory, kv_room)))

    @property
    def scheduler(self) -> Scheduler:
        """The passes of the engine and the kept keys and values; raises RuntimeError for a closed model."""
        if self._scheduler is None:
            raise RuntimeError(f"the model {self.source!r} was closed; load it again")
        return self._scheduler

    @property
    def engine(self) -> SharedEngine:
        """The C++ engine and its turns, for measurements; raises RuntimeError once the model is closed."""
        return self.scheduler.engine

    @property
    def device(self) -> str:
        """The device that computes: "cpu", or "cuda:0" and so on.

        >>> ossnb.load("demo", device="cpu").device
        'cpu'
        """
        return self.engine.core.device

    @property
    def kv(self) -> str:
        """How keys and values are kept: "float32", "bf16" or "int8".

        >>> ossnb.load("demo", kv="bf16").kv
        'bf16'
        """
        return self.engine.core.kv_format

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of keys and values that a token of a prompt or reply needs.

        >>> ossnb.load("demo", kv="bf16").kv_bytes_per_token
        1024
        """
        return self.engine.core.kv_bytes_per_token

    @property
    def threads(self) -> int:
        """Threads the engine computes with; the results do not depend on it. You may set it, to at most 4 for
        each of the machine's cores; ValueError for more.

        >>> model.threads = 1
        """
        return self.engine.core.threads

    @threads.setter
    def threads(self, n: int) -> None:
        self.engine.set_threads(machine.check_threads(n))

    @property
    def patience_s(self) -> float | None:
        """Seconds that a generation waits behind work that shuts it out before it raises Busy; None waits as
        long as it takes. Other answers do not count: it shares their passes.

        >>> model.patience_s = 60
        """
        return self.engine.patience_s

    @patience_s.setter
    def patience_s(self, seconds: float | None) -> None:
        self.engine.patience_s = seconds

    # ---- answers -----------------------------------------------------------------------------------------

    def ask(self, question: Question, *, on_end: Callable[[Reply], None] | None = None) -> Stream:
        """Answer a question, event by event; all other ways to generate go through this one.

        >>> model = ossnb.load("demo")
        >>> model.ask(ossnb.Question.of("What is 2 + 2?", effort="low", seed=7)).run().text
        'The answer is 4.'

        Returns an iterator of Event with `reply`, `run`, `close` and `cancel`. `on_end` is called once with
        the reply, however the generation ends. Raises ContextFull if the prompt leaves no room for an answer,
        ValueError for a token that the model's vocabulary does not have.
        """
        if not isinstance(question, Question):
            raise TypeError(
                f"ask takes a Question, got {type(question).__name__}; Question.of(...) makes one, and "
                "generate(...) takes a prompt as it is"
            )
        question.sampling.check_vocabulary(self.config.vocab_size)
        asked, notes = self._within_context(question)
        prompt = self.prompt_tokens(asked)
        first = self.token_ids(question.first_tokens) if question.first_tokens else []
        self.check_context(len(prompt) + len(first), question=question)
        read = reading(asked, self.context)
        request = Request(
            dataclasses.replace(read.question, sampling=question.sampling.with_seed()),
            prompt,
            context=self.context,
            config=self.config,
            model=self.source,
            revision=self.revision,
            precision=self.precision,
            device=self.device,
            kv=self.kv,
            notes=(*notes, *read.notes),
            origin=self._origin,
            drafts=self.drafts,
            cite=read.cite,
            documents=read.documents,
            named=read.named,
        )

        def ended(reply: Reply) -> None:
            try:
                if on_end is not None:
                    on_end(reply)
            finally:
                log.keep(question, reply)

        way = Rounds if question.toolkit.carries_out or read.cite is not None else Course
        return Stream(way(self.scheduler, request, ended))

    def _within_context(self, question: Question) -> tuple[Question, tuple[str, ...]]:
        """Leave out the oldest turns of a conversation that has no room, where the question wants that."""
        if question.overflow != "drop_oldest" or question.prompt is not None:
            return question, ()
        share = self.context // ANSWER_SHARE
        most = self.context - min(question.sampling.max_tokens or share, share)

        def count(messages: Sequence[Message]) -> int:
            return len(self._rendered(question, messages))

        rest, n = drop_oldest(question.messages, count, most)
        if not n:
            return question, ()
        note = (
            f"the oldest {counted(n, 'turn')} of the conversation {'was' if n == 1 else 'were'} left out "
            f"({counted(len(question.messages) - len(rest), 'message')}): the context holds "
            f"{self.context:,} tokens, and an answer needs room"
        )
        return dataclasses.replace(question, messages=tuple(rest)), (note,)

    def prompt_tokens(self, question: Question) -> list[int]:
        """Return the tokens of a question's prompt; a conversation is rendered first.

        >>> len(model.prompt_tokens(ossnb.Question.of("What is 2 + 2?")))
        64
        """
        if isinstance(question.prompt, str):
            self.check_context(fewest_tokens([question.prompt]), "at least ")
            return self.token_ids(self.tokenizer.encode(question.prompt))
        if question.prompt is not None:
            return self.token_ids(question.prompt)
        assert question.effort is not None, "a conversation always has an effort"
        self._check_harmony()
        texts = (message.content for message in drop_old_analysis(question.messages))
        n_fewest = fewest_tokens((*texts, question.instructions or ""))
        self.check_context(n_fewest, "at least ", question=question)
        return self._rendered(question, question.messages)

    def _rendered(self, question: Question, messages: Sequence[Message]) -> list[int]:
        said, tools = said_and_told(question, messages, self.context)
        return render(
            said,
            instructions=question.instructions,
            effort=question.effort or DEFAULT_EFFORT,
            tools=tools,
            form="" if question.form is None else question.form.told,
        )

    def check_context(self, n_tokens: int, about: str = "", question: Question | None = None) -> None:
        """Raise ContextFull where a prompt of so many tokens leaves no room for an answer to a question."""
        if n_tokens < self.context:
            return
        most, cures = self.config.max_position_embeddings, ["shorten it"]
        if question is not None and question.prompt is None and len(question.messages) > 1:
            cures.append("start a new chat")
            if question.overflow != "drop_oldest":
                cures.append('leave out its oldest turns with overflow="drop_oldest"')
        if self.context < most:
            cures.append(f"load with more context (<= {most:,})")
        advice = f"{', '.join(cures[:-1])}, or {cures[-1]}" if len(cures) > 1 else cures[0]
        raise ContextFull(
            f"the prompt has {about}{n_tokens:,} tokens and the context holds {self.context:,}: {advice}"
        )

    @takes(QUESTION_DEFAULTS)
    def chat(
        self,
        instructions: str | None = None,
        *,
        effort: str | None = "medium",
        **options: Unpack[QuestionOptions],
    ) -> Chat:
        """Begin a conversation that remembers its turns.

        >>> chat = ossnb.load("demo").chat(instructions="Be brief.")
        >>> chat.say("What is 2 + 2?", seed=7).text
        '2 + 2 = 4.'
        """
        return Chat(self, instructions, effort=effort, **options)

    def _check_harmony(self) -> None:
        if self.config.vocab_size <= CALL:
            raise ValueError(
                f"this model's vocabulary has {self.config.vocab_size:,} tokens, harmony needs ids up to "
                f"{CALL:,}; use complete() or logits() with token ids"
            )

    def look(self, reply: Reply) -> Look:
        """Open the views of a reply that this model wrote; Reply.inspect() and its like go through here."""
        from .views.look import Look as Views

        return Views(reply)

    # ---- numbers -----------------------------------------------------------------------------------------

    def logits(self, token_ids: Iterable[int]) -> NDArray[np.float32]:
        """Return the logits after every token, float32 [T, V].

        >>> model.logits([200006, 1428]).shape
        (2, 201088)

        Every position is computed. Raises MemoryError if the array does not fit (T * V * 4 bytes), ValueError
        for a token out of range, ContextFull for more tokens than the context holds.
        """
        tokens = np.asarray(self.token_ids(token_ids), np.int32)
        self._check_room("logits", len(tokens), len(tokens) * self.config.vocab_size * 4)
        logits = np.empty((len(tokens), self.config.vocab_size), np.float32)
        reading = self.engine.reading(f"computing the logits of {counted(len(tokens), 'token')}")
        sequence = reading.sequence()
        for start in range(0, len(tokens), PASS_ROWS):
            chunk = tokens[start : start + PASS_ROWS]
            reading.logits(sequence, chunk, logits[start : start + len(chunk)])
        return logits

    def logit_blocks(self, token_ids: Iterable[int], start: int = 0) -> Iterator[NDArray[np.float32]]:
        """Yield the logits after each token from position `start` on, a few rows [<= 64, V] at a time.

        >>> sum(len(block) for block in model.logit_blocks(reply.prompt_tokens))
        64

        The part before `start` is taken from kept keys and values where there are some.
        """
        tokens = np.asarray(self.token_ids(token_ids), np.int32)
        start = integer("start", start, 0, len(tokens), what="a place among the tokens")
        self._check_room("logits", len(tokens), BLOCK * self.config.vocab_size * 4)
        reading = self.engine.reading(f"computing the logits of {counted(len(tokens), 'token')}")
        return self._blocks(reading, tokens, start, reading.logits)

    def trace_blocks(self, token_ids: Iterable[int], start: int = 0) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield all arrays of the layers for each token from position `start` on, a few rows (n <= 64) at a
        time.

        >>> block = next(model.trace_blocks(reply.prompt_tokens))
        >>> block["logits"].shape, block["experts"].shape
        ((64, 201088), (4, 64, 2))

        They are "logits" [n, V], "hidden" [L + 1, n, D], where row 0 is the embedding, and "router_logits"
        [L, n, E], "experts" int32 and "expert_weights" [L, n, A]. `trace` keeps and joins some of them.
        Errors as for `logits`.
        """
        tokens = np.asarray(self.token_ids(token_ids), np.int32)
        start = integer("start", start, 0, len(tokens), what="a place among the tokens")
        row = self.config.vocab_size + (self.config.num_hidden_layers + 1) * self.config.hidden_size
        self._check_room("arrays", len(tokens), BLOCK * row * 4)
        reading = self.engine.reading(f"tracing {counted(len(tokens), 'token')}")
        return self._blocks(reading, tokens, start, reading.trace)

    def _blocks(
        self,
        reading: Reading,
        tokens: NDArray[np.int32],
        start: int,
        read: Callable[[_core.Sequence, NDArray[np.int32]], T],
    ) -> Iterator[T]:
        sequence = self._read(reading, tokens[:start])
        for at in range(start, len(tokens), BLOCK):
            yield read(sequence, tokens[at : at + BLOCK])

    def trace(
        self,
        prompt: str | Iterable[int],
        *,
        what: str | Iterable[str] = ("router",),
        layers: Iterable[int] | None = None,
        start: int = 0,
        n_top: int = 5,
    ) -> dict[str, NDArray[Any]]:
        """Read a text and return a trace of the layers' work on it, as named arrays.

        >>> model.trace("Roses are red", what="router")["experts"].shape
        (4, 4, 2)

        `prompt` is raw text or token ids, such as `reply.prompt_tokens + reply.tokens`. The rows belong to
        its T tokens from position `start` on. `layers` names the K layers; None names all. The result always
        has "tokens" [T] and "layers" [K]. `what` adds the arrays below; row t belongs to the pass that read
        token t:

        - "router": "router_logits" [K, T, E], the chosen "experts" int32 [K, T, A], likeliest first, and
          their "expert_weights" [K, T, A], which add up to 1
        - "attention": [K, heads, T, S], how much of its attention a token gives to each of the S tokens up to
          the last; the head's sink took the rest to 1. The weights are computed anew in float32
        - "hidden": the residual stream, "embedding" [T, D] and "hidden" [K, T, D] after each layer
        - "logit_lens": the `n_top` tokens the output layer would find likeliest after each layer,
          "lens_tokens" int32 [K, T, n_top] with "lens_logprobs" [K, T, n_top]
        - "logits": [T, V]

        Arrays are float32 where nothing else is said. Raises ValueError for a name or a number that does not
        exist, ContextFull for more tokens than the context holds, MemoryError if the arrays would not fit.
        """
        kinds, chosen = check_kinds(what), check_layers(layers, self.config.num_hidden_layers)
        if isinstance(prompt, str):
            if not prompt:
                raise ValueError("prompt must be text or token ids to read, got ''")
            self._check_room("arrays", fewest_tokens([prompt]), 0)
        encoded = self.tokenizer.encode(prompt) if isinstance(prompt, str) else prompt
        tokens = np.asarray(self.token_ids(encoded), np.int32)
        tracing = Tracing(self.config, kinds, chosen, len(tokens), start, n_top)
        self._check_room("arrays", len(tokens), tracing.n_bytes)
        reading = self.engine.reading(f"tracing {counted(len(tokens), 'token')}")
        found = tracing.run(reading, self.tensors, self._read(reading, tokens[: tracing.first]), tokens)
        self.engine.check_files()  # the weights were read beside the passes, too
        return found

    def _read(self, reading: Reading, tokens: NDArray[np.int32]) -> _core.Sequence:
        """Return a sequence that holds `tokens`; only the part that no kept sequence holds is computed."""
        sequence, n_cached = self.scheduler.tree.longest(tokens) or (reading.sequence(), 0)
        for at in range(n_cached, len(tokens), PASS_ROWS):
            reading.read(sequence, tokens[at : at + PASS_ROWS])
        return sequence

    def _check_room(self, what: str, n_tokens: int, n_bytes: int) -> None:
        if n_tokens > self.context:
            raise ContextFull(f"{n_tokens:,} tokens are more than the context holds, {self.context:,}")
        if n_bytes > (free := machine.available_memory()):
            raise MemoryError(
                f"{what} of {n_tokens:,} tokens need {size_text(n_bytes)}, {size_text(free)} free; "
                "ask for fewer"
            )

    def token_ids(self, ids: Iterable[int]) -> list[int]:
        """Check token ids from a caller or a text; a small model's vocabulary may lack some."""
        tokens, n_vocab = list(as_token_ids(ids)), self.config.vocab_size
        for i, token in enumerate(tokens):
            if not 0 <= token < n_vocab:
                raise ValueError(f"token_ids[{i}] must be in 0..{n_vocab - 1} (vocab_size), got {token}")
        return tokens

    # ---- life --------------------------------------------------------------------------------------------

    @property
    def n_kept_bytes(self) -> int:
        """Bytes of keys and values kept from earlier prompts and replies; `forget` frees them.

        >>> reply = model.generate("What is 2 + 2?"); model.n_kept_bytes > 0
        True
        """
        return self.scheduler.tree.n_bytes

    @property
    def cache_key(self) -> CacheKey:
        """What kept keys and values come from, as a file of them says it."""
        return CacheKey.of(self.engine.core, self.source, self.fingerprint, self._weights, self.precision)

    def save_cache(self, path: str | os.PathLike[str] | None = None) -> int:
        """Write the kept keys and values into a file, for another process; return its size in bytes.

        >>> reply = model.generate("What is 2 + 2?", temperature=0)
        >>> model.save_cache("kept.ossnb") == os.path.getsize("kept.ossnb")
        True

        `ossnb.load(..., cache="kept.ossnb")` reads it. Without a path it goes to the file that `load` was
        given. The file appears whole or not at all. Raises OSError where it cannot be written, ValueError
        without any path.
        """
        if path is None and self._kept_file is None:
            raise ValueError("save_cache needs a path, since the model was loaded without cache=")
        where = self._kept_file.path if path is None and self._kept_file else _cache_path(path)
        return cache_file.save(where, self.scheduler, self.cache_key)

    def load_cache(self, path: str | os.PathLike[str]) -> int:
        """Read keys and values that `save_cache` wrote; return for how many tokens some were added.

        >>> n_bytes = model.save_cache("kept.ossnb"); model.forget()
        >>> model.load_cache("kept.ossnb") == model.n_kept_bytes // model.kv_bytes_per_token
        True

        What was used last comes first, as far as `kv_memory` goes. Raises CheckpointError for a file that is
        missing or damaged, or of another model, precision or `kv`. A file that was written on another device
        is read.
        """
        return cache_file.read(_cache_path(path), self.scheduler, self.cache_key)

    def keep_in(self, path: str | os.PathLike[str]) -> None:
        """Read a file of kept keys and values, where it is there, and write it back at the end.

        >>> model.keep_in("kept.ossnb")

        The end is that of the model, when it is closed or nobody has it any more, or of the process.
        `load(..., cache=path)` does this. What another model of this process has for the file comes first.
        Raises ValueError where the file cannot be written, CheckpointError for one that does not fit.
        """
        where = _cache_path(path)
        check_place(where, "the file of kept keys and values")
        cache_file.write_back(where, self.cache_key)
        if os.path.lexists(where):
            self.load_cache(where)
        if self._kept_file is not None:
            self._kept_file.end()
        self._kept_file = KeptFile(where, self.scheduler, self.cache_key)

    def forget(self) -> None:
        """Free the keys and values kept from earlier prompts and replies, what views have read of them, and
        the replies that drafts are made of.

        >>> model.forget(); model.n_kept_bytes
        0
        """
        self.engine.check_whole()
        self.scheduler.tree.clear()
        self.kept.clear()
        self.drafts.clear()

    def close(self) -> None:
        """Free the memory; you cannot use the model any more. The end of a `with` does the same.

        >>> with ossnb.load("demo") as model: reply = model.generate("Hi")
        """
        if self._scheduler is not None and self.engine.is_whole:
            if self._kept_file is not None:
                self._kept_file.end()
            self.forget()
        self._kept_file = None
        self.tensors.clear()
        self._scheduler = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a model cannot be pickled, since its weights are mapped from files. Send its name, and load it "
            f"there: ossnb.load({self.source!r}). Replies and questions can be pickled. A chat has save, and "
            "Chat.load"
        )

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __repr__(self) -> str:
        c = self.config
        size = f"{c.num_hidden_layers} layers, {c.num_local_experts} experts"
        if self._scheduler is None:
            return f"Model({self.source!r}, {size}, closed)"
        return (
            f"Model({self.source!r}, {size}, precision={self.precision!r}, device={self.device!r}, "
            f"threads={self.threads}, context={self.context:,})"
        )
