"""What a generation gives back: events while it runs, a reply when it has ended."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Unpack

from ..harmony.messages import Message, ToolCall
from .sampling import Sampling, SamplingOptions

if TYPE_CHECKING:
    from ..model import Model
    from ..views.attention import Attention
    from ..views.experts import Experts
    from ..views.inspection import Inspection, Span
    from ..views.lens import LogitLens

__all__ = ["Event", "FinishReason", "Kind", "Message", "Reply", "Stats", "TokenLogprob", "ToolCall"]

Kind = Literal["progress", "reasoning", "answer", "tool_call", "tool_result", "note", "done"]

FinishReason = Literal[
    "stop",  # the model ended its turn, or a token id of `stop` came
    "stop_string",  # a string of `stop` came
    "tool_calls",  # the turn ended in a call
    "length",  # max_tokens
    "context",  # no room for a further token
    "interrupted",  # Ctrl-C, or the notebook's stop
    "cancelled",  # cancel() or close()
    "error",  # an exception ended it
    "unfinished",  # still running
]


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token's natural log-probability under the model, before penalties and temperature."""

    token: int
    bytes: bytes
    logprob: float
    top: tuple[TokenLogprob, ...] = ()  # the likeliest tokens of the step, best first

    @property
    def text(self) -> str:
        """The token's text; U+FFFD where it holds a part of a character."""
        return self.bytes.decode("utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts and speeds of one generation.

    >>> reply.stats.n_new_tokens, reply.stats.decode_tok_s > 0
    (50, True)

    Times are seconds inside the engine and the sampler: what the caller does between two events is not
    counted. `gb_s` counts the bytes of weights, keys and values that had to be read.
    """

    n_prompt_tokens: int = 0
    n_cached_tokens: int = 0  # of the prompt, taken from an earlier generation
    n_new_tokens: int = 0
    n_decode_steps: int = 0  # forward calls after the prompt's
    prefill_s: float = 0.0
    decode_s: float = 0.0
    decode_bytes: int = 0

    @property
    def prefill_tok_s(self) -> float:
        """Prompt tokens computed a second; 0 where nothing was measured."""
        return _rate(self.n_prompt_tokens - self.n_cached_tokens, self.prefill_s)

    @property
    def decode_tok_s(self) -> float:
        """Tokens generated a second after the first."""
        return _rate(self.n_decode_steps, self.decode_s)

    @property
    def gb_s(self) -> float:
        """Gigabytes (1e9) read a second while generating."""
        return _rate(self.decode_bytes / 1e9, self.decode_s)


def _rate(amount: float, seconds: float) -> float:
    return amount / seconds if seconds > 0 else 0.0


class Origin:
    """The model that wrote a reply, for as long as someone else keeps it; a copy in a file knows none."""

    __slots__ = ("_model", "_source")

    def __init__(self, model: Model | None = None) -> None:
        self._model = None if model is None else weakref.ref(model)
        self._source = "" if model is None else model.source

    @property
    def model(self) -> Model:
        """The model; RuntimeError where it is gone or was never known."""
        model = None if self._model is None else self._model()
        if model is not None:
            return model
        if self._model is None:
            what = "a reply that was loaded from a file, or made by hand, has none"
        else:
            what = f"{self._source!r} is not there any more: nothing else kept it"
        raise RuntimeError(
            f"this needs the model that wrote the reply, but {what}; keep a model in a variable, as in "
            f"model = ossnb.load({self._source or '20b'!r}), and generate the reply again with its seed"
        )

    def __reduce__(self) -> tuple[type[Origin], tuple[()]]:
        return Origin, ()


@dataclass(frozen=True, slots=True)
class Reply:
    """One finished turn: everything the model wrote, and how to get it again.

    >>> str(model.generate("What is 2 + 2?", temperature=0))
    '2 + 2 = 4.'

    `text` is what the user is meant to see: the answer, with the model's preamble before it where there is
    one. `messages` are the turn's harmony messages, to be appended to a history. `tokens` are all generated
    ids, the one that ended the turn included. `notes` tell what was odd about the turn. `prompt_sha256` is
    the sha256 of the comma-joined prompt ids.
    """

    text: str
    reasoning: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish_reason: FinishReason = "unfinished"
    notes: tuple[str, ...] = ()
    stats: Stats = field(default_factory=Stats)
    sampling: Sampling = field(default_factory=Sampling)
    effort: str | None = None  # None for raw completions
    prompt_tokens: list[int] = field(default_factory=list)
    prompt_sha256: str = ""
    model: str = ""
    revision: str | None = None
    precision: str = ""
    origin: Origin = field(default_factory=Origin, repr=False, compare=False)

    @property
    def seed(self) -> int:
        """The seed that gives the same reply again."""
        assert self.sampling.seed is not None, "a reply's sampling always has its seed"
        return self.sampling.seed

    # ---- looking inside, by reading the reply again with its model ---------------------------------------

    def inspect(self, n_top: int = 8) -> Inspection:
        """Show every token with its probability and the `n_top` tokens the model found likeliest there.

        >>> round(float(reply.inspect().probabilities.min()), 3)
        0.608

        RuntimeError once the model is closed or gone.
        """
        from ..views.inspection import Inspection

        return Inspection.read(self, n_top)

    def spans(self, below: float = 0.3) -> list[Span]:
        """List the stretches of tokens that the model gave a probability of less than `below`.

        >>> reply.spans(below=0.9)[0].text
        '17'
        """
        return self.inspect(n_top=1).spans(below)

    def experts(self) -> Experts:
        """Show which experts read each token of the reply, in every layer.

        >>> reply.experts().ids.shape
        (4, 50, 2)
        """
        from ..views.experts import Experts

        return Experts.read(self)

    def attention(self, layer: int, head: int | None = None) -> Attention:
        """Show where each token of the reply looked, in one layer: one head, or the mean of all.

        >>> reply.attention(layer=-1, head=5).weights.shape
        (50, 114)
        """
        from ..views.attention import Attention

        return Attention.read(self, layer, head)

    def logit_lens(self, layers: Iterable[int] | None = None, n_top: int = 3) -> LogitLens:
        """Show what each layer (or those of `layers`) would have written in place of each token.

        >>> reply.logit_lens().decided[:3]
        array([0, 1, 1], dtype=int32)

        The output layer is computed for every layer and token: on a large model ask for some layers.
        """
        from ..views.lens import LogitLens

        return LogitLens.read(self, layers, n_top)

    def branch(self, at: int, text: str | Sequence[int], **sampling: Unpack[SamplingOptions]) -> Reply:
        """Write `text` (or token ids) in place of token `at` and what follows, and let the model go on.

        >>> reply.branch(41, "The").text
        'The answer is 42.'

        The new reply begins with the first `at` tokens of this one, whose keys and values are kept, and has
        its seed and settings but for those given. ValueError for a token that is not there.
        """
        return self.origin.model.stream_branch(self, at, text, **sampling).run()

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        speed = f"{self.stats.n_new_tokens} tokens, {self.stats.decode_tok_s:.1f} tok/s"
        return (
            f"Reply({self.text!r}, finish_reason={self.finish_reason!r}, seed={self.sampling.seed}, {speed})"
        )


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened while generating.

    >>> [event.text for event in model.stream("What is 2 + 2?", temperature=0) if event.kind == "answer"]
    ['2', ' +', ' ', '2', ' =', ' ', '4', '.']

    `kind` tells what `text` is: a further bit of "reasoning" or "answer", a whole "tool_call" (parsed in
    `tool_call`) or "tool_result", a "note" about an oddity. "progress" comes while a long prompt is read
    (`fraction`, 0 to 1; `text` says how long it takes, where that is long) and "done" at the end (`reply`).
    `token` is the id that completed the text, None where none did. The answer events, joined, are the reply's
    text; the reasoning events its reasoning.
    """

    kind: Kind
    text: str = ""
    token: int | None = None
    logprob: TokenLogprob | None = None
    tool_call: ToolCall | None = None
    fraction: float | None = None
    reply: Reply | None = None
