"""The loop: ask for a token, say what it means, repeat. It knows no engine, no lock and no thread."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..checkpoint.config import Config
from ..documents.citations import Citation
from ..documents.state import DocumentState
from ..engine.feed import Feed
from ..errors import CheckpointError
from ..forms.arguments import Arguments
from ..forms.held import Held
from ..harmony.legal import Turn, tools_told
from ..harmony.masks import Mask
from ..harmony.messages import Message, ToolCall
from ..harmony.parser import ENDS, Parser, Piece, Place
from ..harmony.prompt import end_of_thought
from ..harmony.stops import StopStrings
from ..harmony.tokenizer import CALL, ENDOFTEXT, RETURN, STOP_IDS, prompt_hash, token_bytes, well_formed
from ..system.text import counted
from .drafts import Drafts
from .loops import found_loop
from .question import Question
from .record import Event, FinishReason, Origin, Reply, Stats, TokenLogprob
from .sampling import Sampling


@dataclass(frozen=True, slots=True)
class Request:
    """A question, the prompt rendered from it, and the facts about the model that a generation needs."""

    question: Question  # its sampling has a seed
    prompt: list[int]
    context: int
    config: Config
    model: str = ""
    revision: str | None = None
    precision: str = "exact"
    device: str = "cpu"
    kv: str = "float32"
    notes: tuple[str, ...] = ()  # about the prompt
    origin: Origin = field(default_factory=Origin)
    drafts: Drafts = field(default_factory=Drafts)
    cite: Callable[[str], list[Citation]] | None = None  # finds what a text cites, where there are documents
    documents: tuple[DocumentState, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)  # texts in the prompt

    @property
    def sampling(self) -> Sampling:
        """The question's settings."""
        return self.question.sampling

    @property
    def effort(self) -> str | None:
        """The question's effort; None for raw text."""
        return self.question.effort

    @property
    def first_tokens(self) -> tuple[int, ...]:
        """The tokens of the reply that nobody chooses; the model goes on after them."""
        return self.question.first_tokens


class Reader(Protocol):
    """A reader gives tokens their meaning."""

    messages: list[Message]
    turn_over: bool

    @property
    def is_thinking(self) -> bool: ...
    @property
    def place(self) -> Place: ...
    @property
    def recipient(self) -> str | None: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    def push(self, token: int) -> list[Piece]: ...
    def finish(self) -> list[Piece]: ...
    def cut(self, n_chars: int) -> None: ...


class RawText:
    """Read tokens as nothing but text."""

    is_thinking = False
    place: Place = "text"
    recipient: str | None = None

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
    """One generation and its text so far: `feed` says what it wants next, `take` takes the answer.

    >>> while (feed := generation.feed()) is not None:  # a Stream does so  # doctest: +SKIP
    ...     events = generation.take(choose(feed))

    It asks for one token at a time. A caller holds a Stream, which brings feeds to the engine.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._reader: Reader = RawText() if request.effort is None else Parser()
        self._stops = StopStrings(request.sampling.stop_strings)
        usual = {RETURN, ENDOFTEXT} if request.effort is None else STOP_IDS
        of_a_fine_tune = set(request.config.eos_token_id) - STOP_IDS
        self.stop_ids = request.sampling.stop_ids | usual | of_a_fine_tune
        self._tokens = list(request.prompt)  # what was read, and at most one token more
        self._n_read = 0
        self._sampler = self._make_sampler()
        self._text, self._reasoning = _Text(), _Text()
        self._tool_calls: list[ToolCall] = []
        self._logprobs: list[TokenLogprob] = []
        form, n_vocab = request.question.form, request.config.vocab_size
        is_harmony = request.effort is not None and n_vocab > CALL
        tools = tools_told(request.prompt) if is_harmony else {}
        self._held = None if form is None else Held(form, n_vocab, has_tools=bool(tools))
        keeps_rules = is_harmony and request.sampling.keep_rules
        self._turn = Turn(tools, n_vocab, self.stop_ids) if keeps_rules else None
        self._arguments = Arguments(tools if keeps_rules else {}, n_vocab)
        self._draws_again = False  # the last choice broke the rules
        self._n_broken = 0  # choices that did
        self._n_unfit = 0  # choices that did not fit the arguments of a call
        self._n_decoded = self._decode_bytes = 0
        self._decode_s = 0.0
        self._n_reasoning = 0  # tokens of thoughts
        self._thought: list[int] = []  # the tokens of the open one
        self._hash = ""  # of the prompt, when somebody has asked
        self._notes = request.notes  # beside the reader's
        if form is not None and form.checked_after:
            note = f"checked only in the finished answer: {'; '.join(form.checked_after)}"
            self._notes = (*self._notes, note)
        self.wants_answer = False  # set it, from any thread, to end the thought
        self.n_cached = 0  # tokens of the prompt whose keys and values were there
        self.prefill_s = 0.0  # seconds of passes for the prompt so far
        self.n_drafted = 0  # tokens that passes read as a draft
        self.n_accepted = 0  # of them, those that saved a pass
        self._n_given = 0  # tokens of the reply that nobody chose
        self.on_logits: Callable[[NDArray[np.float32]], None] | None = None
        self.finish_reason: FinishReason | None = None  # why it ended; None while it goes on

    @property
    def tokens(self) -> Sequence[int]:
        """The prompt and the reply so far."""
        return self._tokens

    @property
    def n_written(self) -> int:
        """How many tokens of the reply it has."""
        return len(self._tokens) - len(self._request.prompt)

    def feed(self) -> Feed | None:
        """Return the next feed; None once the generation has ended."""
        if self.finish_reason is not None:
            return None
        if self._draws_again and self._turn is not None:
            at, mask = len(self._tokens), self._arguments.mask()
            chooser = self.chooser(at, self._turn.mask() if mask is None else mask)
            return Feed(at - 1, self._tokens[-1:], (chooser,))
        begun = self._request.first_tokens if self._n_read == 0 else ()
        tokens = [*self._tokens[self._n_read :], *begun]
        mask = None
        if self._held is not None:
            mask = self._held.mask_after(begun) if begun else self._held.mask()
        return Feed(self._n_read, tokens, (self.chooser(self._n_read + len(tokens), mask),))

    def chooser(self, position: int, mask: Mask | None = None) -> _core.Chooser:
        """Say how the token at a position is chosen."""
        return _core.Chooser(
            self._sampler,
            position,
            n_top=self._request.sampling.logprobs,
            mask=mask,
            keeps_logits=self.on_logits is not None,
        )

    def take(self, choices: Sequence[_core.Choice], seconds: float, n_bytes: int) -> Iterator[Event]:
        """Take the choices for the last feed and their cost; yield the events they mean."""
        if self._n_read == 0:
            self._n_read = len(self._tokens) + len(self._request.first_tokens)
            self.prefill_s = seconds
            yield from self._put(self._request.first_tokens)
        else:
            self._n_read = len(self._tokens)
            self._decode_s += seconds
            self._decode_bytes += n_bytes
            self._n_decoded += 1
        self._draws_again = self.finish_reason is None and not self._may_be(choices[0])
        if self.finish_reason is None and not self._draws_again:
            yield from self._append(choices[0])
            if self.finish_reason is None and (note := self._why_enough()) is not None:
                yield from self._end_thought(note)
            yield from self._put_the_only_ones()

    def end(self, reason: FinishReason) -> Iterator[Event]:
        """End here, for `reason` if there was no reason yet; yield the events that were still held back."""
        self.finish_reason = self.finish_reason or reason
        for piece in self._reader.finish():
            yield from self._events_of(piece, None)
        yield from self._answer(self._stops.flush(), None, None)

    # ---- tokens ------------------------------------------------------------------------------------------

    def _make_sampler(self) -> _core.Sampler:
        s, n_vocab = self._request.sampling, self._request.config.vocab_size
        assert s.seed is not None
        sampler = _core.Sampler(
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
        for token in self._request.first_tokens:
            sampler.accept(token)
        return sampler

    def _put(self, tokens: Sequence[int]) -> Iterator[Event]:
        """Write tokens that nobody chose, as if they had just been chosen; the next feed has them read."""
        for token in tokens:
            self._count(token)
            self._tokens.append(token)
            yield from self._say(token)
            self.finish_reason = self._reason_to_stop(token)
            if self.finish_reason is not None:
                return

    def _put_the_only_ones(self) -> Iterator[Event]:
        """Write the tokens that alone may come next; no head is computed for them, and one pass reads all."""
        while self._held is not None and self.finish_reason is None:
            if (token := self._held.only_one()) is None:
                return
            self._sampler.accept(token)
            self._n_given += 1
            if self._request.sampling.logprobs:
                self._logprobs.append(TokenLogprob(token, token_bytes(token), 0.0))
            yield from self._put([token])

    def _count(self, token: int) -> None:
        if self._reader.is_thinking and token not in ENDS:
            self._n_reasoning += 1
            self._thought.append(token)
        else:
            self._thought.clear()

    def _why_enough(self) -> str | None:
        """Say why the open thought ends here; None where it goes on, or where there is none."""
        if not self._reader.is_thinking:
            return None
        most = self._request.sampling.max_reasoning_tokens
        so_far = f"after {counted(self._n_reasoning, 'token')}"
        if self.wants_answer or (most is not None and self._n_reasoning >= most):
            return f"the thought was ended {so_far}"
        loop = found_loop(self._thought) if self._request.sampling.end_loops else None
        if loop is None:
            return None
        span = counted(loop.n_tokens, "token")
        return f"the thought wrote the same {span} {loop.times:,} times and was ended {so_far}"

    def _end_thought(self, note: str) -> Iterator[Event]:
        self._notes = (*self._notes, note)
        tokens = end_of_thought()
        for token in tokens:
            self._sampler.accept(token)
        n_before = self.n_written
        yield from self._put(tokens)
        self._n_given += self.n_written - n_before
        yield Event("note", note)

    def _may_be(self, choice: _core.Choice) -> bool:
        """Whether a choice keeps the rules of a turn, or is the best that there is. It is made without them
        and drawn again where it breaks one, so no choice that keeps them depends on them, nor does its
        probability."""
        if self._turn is None or self._held_here or self._draws_again or not choice.is_finite:
            return True
        keeps_turn = self._turn.may_be(choice.token)
        fits = self._arguments.may_be(choice.token)
        self._n_broken += not keeps_turn
        self._n_unfit += keeps_turn and not fits
        return keeps_turn and fits

    @property
    def _held_here(self) -> bool:
        """Whether the next token is held to the question's form."""
        return self._held is not None and self._held.is_here

    def _append(self, choice: _core.Choice) -> Iterator[Event]:
        token = choice.token
        if not choice.is_finite:
            raise CheckpointError(
                f"the logits after {len(self._tokens):,} tokens are no numbers (NaN or infinite), so the "
                f"weights of {self._request.model!r} are damaged, or not those of a gpt-oss: fetch them anew"
            )
        if self.on_logits is not None and choice.logits is not None:
            self.on_logits(choice.logits)
        self._sampler.accept(token)
        if choice.logprob is not None and self._request.sampling.logprobs:
            top = tuple(
                TokenLogprob(int(i), token_bytes(int(i)), float(p))
                for i, p in zip(choice.top_ids, choice.top_logprobs, strict=True)
            )
            self._logprobs.append(TokenLogprob(token, token_bytes(token), choice.logprob, top))
        self._count(token)
        self._tokens.append(token)
        yield from self._say(token)
        self.finish_reason = self._reason_to_stop(token)

    def _reason_to_stop(self, token: int) -> FinishReason | None:
        if token in self.stop_ids or self._reader.turn_over:
            messages = self._reader.messages
            return "tool_calls" if messages and messages[-1].tool_call is not None else "stop"
        if self._stops.found is not None:
            return "stop_string"
        if self.n_written == self._request.sampling.max_tokens:
            return "length"
        return "context" if len(self._tokens) >= self._request.context else None

    # ---- what the tokens mean ----------------------------------------------------------------------------

    def _say(self, token: int) -> list[Event]:
        """List the events that a token completes. One that ends the generation has no text of its own."""
        ends_message = token in ENDS and self._request.effort is not None
        if token in self.stop_ids and not ends_message:
            return []
        logprob = self._logprobs[-1] if self._logprobs else None
        if self._turn is not None:
            self._turn.take(token)
        pieces = self._reader.push(token)
        self._arguments.see(token, self._reader.recipient)
        if self._held is not None:
            self._held.see(token, self._reader.place)
        return [event for piece in pieces for event in self._events_of(piece, token, logprob)]

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

    @property
    def _told_broken(self) -> tuple[str, ...]:
        counts = (
            (self._n_broken, "broke the rules of harmony"),
            (self._n_unfit, "of a call did not fit its tool's arguments"),
        )
        return tuple(f"{counted(n, 'token')} {what} and came anew" for n, what in counts if n)

    @property
    def _prompt_sha256(self) -> str:
        if not self._hash:  # functools.cached_property of Python 3.11 has a lock, which a fork would copy
            self._hash = prompt_hash(self._request.prompt)
        return self._hash

    def reply(self) -> Reply:
        """Return the reply; while it is being written, the part so far, marked "unfinished".

        A reader may ask after every token: it costs copies of lists, and nothing is computed anew.
        """
        request = self._request
        n_prompt = len(request.prompt)
        return Reply(
            text=str(self._text),
            reasoning=str(self._reasoning),
            tool_calls=list(self._tool_calls),
            messages=list(self._reader.messages),
            tokens=self._tokens[n_prompt:],
            logprobs=list(self._logprobs),
            finish_reason=self.finish_reason or "unfinished",
            notes=(*self._reader.notes, *self._notes, *self._told_broken),
            stats=Stats(
                n_prompt_tokens=n_prompt,
                n_cached_tokens=min(self.n_cached, n_prompt),
                n_new_tokens=self.n_written,
                n_decode_steps=self._n_decoded - self.n_accepted,
                n_drafted_tokens=self.n_drafted,
                n_accepted_tokens=self.n_accepted,
                n_given_tokens=self._n_given,
                prefill_s=self.prefill_s,
                decode_s=self._decode_s,
                decode_bytes=self._decode_bytes,
            ),
            sampling=request.sampling,
            effort=request.effort,
            prompt_tokens=list(request.prompt),
            prompt_sha256=self._prompt_sha256,
            model=well_formed(request.model),  # a path may hold any bytes
            revision=request.revision,
            precision=request.precision,
            device=request.device,
            kv=request.kv,
            form=request.question.form,
            origin=request.origin,
        )


class _Text:
    """A text that grows. One thread appends to it, and others may read it meanwhile."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._begin = (0, "")  # so many pieces, joined: the next reader has only the new ones to join

    def append(self, piece: str) -> None:
        self._pieces.append(piece)

    def __str__(self) -> str:
        n, text = self._begin
        new = self._pieces[n:]
        text += "".join(new)
        self._begin = n + len(new), text
        return text
