"""The results of a generation: events while it runs, a reply when it has ended."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, Unpack, get_args

import numpy as np
from numpy.typing import NDArray

from ..checkpoint.config import Config
from ..documents.citations import Citation
from ..documents.links import cited_markdown
from ..documents.state import DocumentState
from ..engine.kept import Kept
from ..errors import Unparsed
from ..forms.form import Form
from ..harmony.messages import Message, ToolCall, messages_from_json, messages_to_json
from ..harmony.parser import ENDS, places_of_thought
from ..harmony.prompt import EFFORTS, answer_header, end_of_thought
from ..harmony.tokenizer import well_formed
from ..system.arguments import integer, number
from ..system.fields import Fields
from ..system.text import counted, shown_value
from ..tools.step import Step
from ..version import __version__
from .figures import Stats, TokenLogprob
from .sampling import Sampling, SamplingOptions

__all__ = [
    "Citation",
    "DocumentState",
    "Event",
    "FinishReason",
    "Kind",
    "Message",
    "Reply",
    "Stats",
    "Step",
    "TokenLogprob",
    "ToolCall",
]

FORMAT, VERSION = "ossnb reply", 1  # of replies as JSON

Kind = Literal["progress", "reasoning", "answer", "tool_call", "tool_result", "citation", "note", "done"]

FinishReason = Literal[
    "stop",  # the model ended its turn, or a token id of `stop` came
    "stop_string",  # a string of `stop` came
    "tool_calls",  # the turn ended in a call, which is the caller's to carry out
    "tool_limit",  # max_rounds, or the same call again and again
    "length",  # max_tokens
    "context",  # no room for a further token
    "interrupted",  # Ctrl-C, or the notebook's stop
    "cancelled",  # cancel() or close()
    "error",  # an exception ended it
    "unfinished",  # still running
]


class Writing(Protocol):
    """A reply while it is written: its events, once, and its text so far; see Stream."""

    on_logits: Callable[[NDArray[np.float32]], None] | None

    @property
    def reply(self) -> Reply: ...
    def __iter__(self) -> Iterator[Event]: ...
    def run(self) -> Reply: ...
    def cancel(self) -> None: ...
    def stop_thinking(self) -> None: ...
    def close(self, reason: FinishReason = "cancelled") -> None: ...


class Look(Protocol):
    """A reply seen from within. The views make it, in a room above this one."""

    def inspect(self, n_top: int) -> Any: ...
    def experts(self) -> Any: ...
    def attention(self, layer: int, head: int | None) -> Any: ...
    def logit_lens(self, layers: Iterable[int] | None, n_top: int) -> Any: ...
    def answers_after(self, ns: Iterable[int] | None) -> Any: ...
    def sources(self, layers: Iterable[int] | None, named: Mapping[str, str] | None) -> Any: ...


class Author(Protocol):
    """The model as replies, their views and conversations know it; see Model."""

    source: str
    revision: str | None
    config: Config
    tensors: dict[str, NDArray[Any]]
    kept: Kept

    @property
    def device(self) -> str: ...
    def ask(self, question: Any, *, on_end: Callable[[Reply], None] | None = None) -> Any: ...  # a Stream
    def stream(self, prompt: str, /, *args: Any, **settings: Any) -> Writing: ...
    def look(self, reply: Reply) -> Look: ...
    def stream_branch(
        self, reply: Reply, at: int, text: str | Sequence[int], /, *args: Any, **sampling: Any
    ) -> Writing: ...
    def logit_blocks(self, token_ids: Iterable[int], start: int = 0) -> Iterator[NDArray[np.float32]]: ...
    def trace_blocks(self, token_ids: Iterable[int], start: int = 0) -> Iterator[dict[str, NDArray[Any]]]: ...
    def trace(
        self,
        prompt: str | Iterable[int],
        *,
        what: str | Iterable[str] = ...,
        layers: Iterable[int] | None = None,
        start: int = 0,
        n_top: int = 5,
    ) -> dict[str, NDArray[Any]]: ...


class Origin:
    """The model that wrote a reply, as long as someone else keeps it; a reply from a file has no model."""

    __slots__ = ("_model", "_source")

    def __init__(self, model: Author | None = None) -> None:
        self._model = None if model is None else weakref.ref(model)
        self._source = "" if model is None else model.source

    @property
    def model(self) -> Author:
        """The model; raises RuntimeError where it is gone or was never known."""
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
class Span:
    """A stretch of tokens, `start` to `stop` (exclusive) of `reply.tokens`, and its least probability."""

    start: int
    stop: int
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Reply:
    """One finished turn: everything the model wrote, and the settings that give it again.

    >>> str(model.generate("What is 2 + 2?", temperature=0))
    '2 + 2 = 4.'

    `text` is the text for the user: the answer, with the model's preamble before it where there is one.
    `messages` are the turn's harmony messages; append them to a history. `tokens` are all generated ids,
    including the one that ended the turn. `notes` tell the oddities of the turn. `prompt_sha256` is the
    sha256 of the comma-joined prompt ids.

    Where functions were called, `steps` has each call with its result, and `tool_calls` only those that still
    want one. Text, reasoning, messages, notes and stats are those of all rounds. The tokens are those of the
    last round, and `prompt_tokens` ends with the earlier rounds and the results. `citations` are the places
    of documents that the text cites, and `documents` the name, sha256 and size of each document.
    """

    text: str
    reasoning: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    documents: list[DocumentState] = field(default_factory=list)
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
    device: str = ""
    kv: str = "float32"
    form: Form | None = None
    named: dict[str, str] = field(default_factory=dict, repr=False, compare=False)  # texts in the prompt
    origin: Origin = field(default_factory=Origin, repr=False, compare=False)

    @property
    def seed(self) -> int:
        """The seed that gives the same reply again."""
        assert self.sampling.seed is not None, "a reply's sampling always has its seed"
        return self.sampling.seed

    @property
    def parsed(self) -> Any:
        """The answer as the object of its `schema`: an instance of a type, what JSON has, a choice, a text.

        >>> model.generate("Is 7 odd?", schema=["yes", "no"], temperature=0).parsed in ("yes", "no")
        True

        A reply from a file has no type, and gives what JSON has. Raises Unparsed, with the text, for an
        answer that was cut before it was whole, ValueError for one that was asked without a schema.
        """
        if self.form is None:
            raise ValueError("the answer was asked without a schema; generate(..., schema=...) takes one")
        finals = [m for m in self.messages if m.role == "assistant" and m.channel in ("final", None)]
        text = next((m.content for m in reversed(finals) if not m.is_call), "")
        may_be_whole = self.finish_reason in ("stop", "stop_string")
        ended_itself = self.finish_reason == "stop" and (not self.tokens or self.tokens[-1] in ENDS)
        if not may_be_whole or not (ended_itself or self.form.fits(text)):  # `stop` may cut it anywhere
            where = f"the answer ended by {self.finish_reason!r} before it was whole"
            raise Unparsed(f"{where}; so far it is {shown_value(text, 200)}", text)
        return self.form.parse(text)

    # ---- looking inside, by reading the reply again with its model ---------------------------------------

    def _look(self) -> Look:
        """The one door upward: the model that wrote the reply opens the views."""
        if not self.tokens:
            raise ValueError("the reply has no tokens to look at")
        return self.origin.model.look(self)

    def inspect(self, n_top: int = 8) -> Any:
        """Show every token with its probability and the `n_top` tokens the model found likeliest there.

        >>> round(float(reply.inspect().probabilities.min()), 3)
        0.763

        Returns an Inspection (views/inspection.py). RuntimeError once the model is closed or gone.
        """
        return self._look().inspect(n_top)

    def spans(self, below: float = 0.3) -> list[Span]:
        """List the stretches of tokens that the model gave a probability of less than `below`.

        >>> reply.spans(below=0.9)[0].text
        '17'
        """
        below = probability_limit(below)  # before the reply is read
        found: list[Span] = self.inspect(n_top=1).spans(below)
        return found

    def experts(self) -> Any:
        """Show which experts read each token of the reply, in every layer.

        >>> reply.experts().ids.shape == (4, len(reply.tokens), 2)
        True

        Returns an Experts (views/experts.py). RuntimeError as for `inspect`.
        """
        return self._look().experts()

    def attention(self, layer: int, head: int | None = None) -> Any:
        """Show where each token of the reply looked, in one layer: one head, or the mean of all.

        >>> reply.attention(layer=3, head=5).weights.shape[0] == len(reply.tokens)
        True

        Returns an Attention (views/attention.py). RuntimeError as for `inspect`.
        """
        return self._look().attention(layer, head)

    def logit_lens(self, layers: Iterable[int] | None = None, n_top: int = 3) -> Any:
        """Show what each layer (or those of `layers`) would have written in place of each token.

        >>> reply.logit_lens().decided[:3]
        array([0, 1, 1], dtype=int32)

        The output layer is computed for every layer and token, so on a large model ask for some layers only.
        Returns a LogitLens (views/lens.py). RuntimeError as for `inspect`.
        """
        return self._look().logit_lens(layers, n_top)

    def sources(self, layers: Iterable[int] | None = None, named: Mapping[str, str] | None = None) -> Any:
        """Show which parts of the prompt the reply's tokens attended to: instructions, turns, variables.

        >>> round(reply.sources().share("question"), 2)
        0.14

        `named` gives names to texts of the prompt, as {"df": str(df)}; what a cell's `{{expr}}` inserted has
        its name already. `layers` None takes all. Returns Sources (views/sources.py), with the shares for
        each layer, head and token. The whole prompt is read again, a long one several times.
        ValueError for other values, RuntimeError as for `inspect`.
        """
        return self._look().sources(layers, named)

    def branch(self, at: int, text: str | Sequence[int], **sampling: Unpack[SamplingOptions]) -> Reply:
        """Write `text` (or token ids) in place of token `at` and what follows, and let the model go on.

        >>> reply.branch(41, "The").text
        'The answer is 42.'

        The new reply begins with the first `at` tokens of this one; their keys and values are kept. It has
        the seed and settings of this reply, except those you give. Raises ValueError for a token that is not
        there.
        """
        return self.origin.model.stream_branch(self, at, text, **sampling).run()

    def answer_after(self, n: int, **sampling: Unpack[SamplingOptions]) -> Reply:
        """Return what the answer would have been, had the thought stopped after `n` tokens.

        >>> reply.answer_after(0).text
        '17 + 25 = 42.'

        It is the reply that `max_reasoning_tokens=n` gives with this reply's seed and settings. Settings that
        you give replace them. Raises ValueError for more tokens than the thought has.
        """
        return self.branch(*self.cut_after(n), **sampling)

    def cut_after(self, n: int) -> tuple[int, list[int]]:
        """Return the branch that ends the thought after `n` tokens: its place, and the tokens it begins with.

        >>> reply.cut_after(0)[0]
        0
        """
        places = places_of_thought(self.tokens)
        n = integer("n", n, 0, len(places), what="a number of the thought's tokens")
        return (0, answer_header()) if n == 0 else (places[n - 1] + 1, end_of_thought())

    def answers_after(self, ns: Iterable[int] | None = None) -> Any:
        """Show what the answer would have been, had the thought stopped after each of `ns` tokens.

        >>> [answer.text for answer in reply.answers_after([0, 32]).answers.values()]
        ['17 + 25 = 42.', '17 + 25 = 42.']

        All are written at the same time; each is `answer_after(n)`. Without `ns` nine places stand over the
        whole thought. A notebook shows a slider over the thought. Returns an AnswersAfter (views/answers.py).
        Raises ValueError for more tokens than the thought has, RuntimeError as `inspect` does.
        """
        return self._look().answers_after(ns)

    # ---- as JSON -----------------------------------------------------------------------------------------

    def to_dict(self, *, settings_only: bool = False) -> dict[str, Any]:
        """Return the reply as plain JSON; `from_dict` reads it again.

        >>> reply = ossnb.load("demo").generate("What is 2 + 2?", "Be brief.", seed=7)
        >>> ossnb.Reply.from_dict(reply.to_dict()) == reply
        True

        `ossnb run --json` prints it. `settings_only` leaves out the prompt and the text. It keeps the
        settings that give the same answer again, the steps, and how the answer ended; a saved notebook has
        this part in the metadata of an answer. A seed that JavaScript would round is text. The model itself
        is only named.
        """
        sampling = self.sampling.to_dict()
        settings = {
            "format": FORMAT,
            "version": VERSION,
            "ossnb": __version__,
            "model": self.model,
            "revision": self.revision,
            "precision": self.precision,
            "device": self.device,
            "effort": self.effort,
            "seed": sampling.pop("seed"),
            "sampling": sampling,
            "prompt_sha256": self.prompt_sha256,
            "finish_reason": self.finish_reason,
            **({} if self.kv == "float32" else {"kv": self.kv}),
            **({} if self.form is None else {"form": self.form.to_dict()}),
            **({"steps": [step.to_dict() for step in self.steps]} if self.steps else {}),
            **({"citations": [one.to_dict() for one in self.citations]} if self.citations else {}),
            **({"documents": [one.to_dict() for one in self.documents]} if self.documents else {}),
        }
        if settings_only:
            return settings
        written = {
            "text": self.text,
            "reasoning": self.reasoning,
            "tool_calls": [call.to_dict() for call in self.tool_calls],
            "messages": messages_to_json(self.messages),
            "tokens": list(self.tokens),
            "notes": list(self.notes),
        }
        return {
            **written,
            **settings,
            "prompt_tokens": list(self.prompt_tokens),
            "logprobs": [logprob.to_dict() for logprob in self.logprobs],
            "stats": self.stats.to_dict(),
        }

    def to_json(self, indent: int | None = None) -> str:
        """Return the reply as JSON text, on one line unless you give an `indent`.

        >>> reply = ossnb.load("demo").generate("What is 2 + 2?", seed=7)
        >>> ossnb.Reply.from_json(reply.to_json()) == reply
        True

        It is what `to_dict` returns. The text is ready for a UTF-8 file, also where a name holds other bytes.
        """
        return well_formed(json.dumps(self.to_dict(), ensure_ascii=False, indent=indent))

    @classmethod
    def from_json(cls, text: str | bytes) -> Reply:
        """Check and read the output of `to_json`, as `from_dict` does; ValueError for what is no JSON.

        >>> ossnb.Reply.from_json('{"format": "a diary"}')
        Traceback (most recent call last):
        ValueError: format must be "ossnb reply", got 'a diary'
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"a reply must be JSON, as to_json() writes it: {error}") from None
        except TypeError:
            raise TypeError(f"from_json takes text, got {shown_value(text)}") from None
        return cls.from_dict(content)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Reply:
        """Check and read the output of `to_dict`; the reply has no model any more, so no views.

        >>> ossnb.Reply.from_dict({"format": "ossnb reply", "version": 2})
        Traceback (most recent call last):
        ValueError: version 2 of a reply was written by a newer ossnb; this one reads version 1

        A field that a newer ossnb has added is left out, and a note says so. A ValueError names a field that
        is missing or wrong, the value it must have and the value it has.
        """
        fields = check_version(content)
        if "text" not in fields:
            raise ValueError(
                "a reply must have text, which is missing; a record of settings_only, as in a notebook's "
                "metadata, is no whole reply"
            )
        seed, settings, stats = fields.any("seed"), fields.object("sampling"), fields.object("stats")
        steps = list(fields.objects("steps")) if "steps" in fields else []
        cited = list(fields.objects("citations")) if "citations" in fields else []
        documents = list(fields.objects("documents")) if "documents" in fields else []
        form = fields.object("form") if "form" in fields else None
        calls, logprobs = list(fields.objects("tool_calls")), list(fields.objects("logprobs"))
        reply = cls(
            text=fields.text("text"),
            reasoning=fields.text("reasoning"),
            tool_calls=[ToolCall.parse(call.text("recipient"), call.text("raw")) for call in calls],
            steps=[Step.read(step) for step in steps],
            citations=[Citation.read(one) for one in cited],
            documents=[DocumentState.read(one) for one in documents],
            messages=messages_from_json(fields.any("messages")),
            tokens=fields.integers("tokens"),
            logprobs=[TokenLogprob.read(logprob) for logprob in logprobs],
            finish_reason=fields.one_of("finish_reason", get_args(FinishReason)),
            notes=tuple(fields.texts("notes")),
            stats=Stats.read(stats),
            sampling=Sampling.from_dict({**settings.known(SamplingOptions.__annotations__), "seed": seed}),
            effort=fields.one_of("effort", (None, *EFFORTS)),
            prompt_tokens=fields.integers("prompt_tokens"),
            prompt_sha256=fields.text("prompt_sha256"),
            model=fields.text("model"),
            revision=fields.optional_text("revision"),
            precision=fields.text("precision"),
            device=fields.text("device"),
            kv=fields.text("kv") if "kv" in fields else "float32",
            form=None if form is None else Form.read(form),
        )
        for call in calls:
            call.skip("name", "arguments")  # they follow from the rest
        parts = (
            fields,
            settings,
            stats,
            *([] if form is None else [form]),
            *calls,
            *steps,
            *cited,
            *documents,
            *logprobs,
        )
        unknown = [name for part in parts for name in part.unread()]
        notes = (f"{name} comes from a newer ossnb and was left out" for name in unknown)
        return replace(reply, notes=(*reply.notes, *notes))

    def __str__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str | None:
        """The answer for a notebook that shows a reply; None, and so the repr, where it is empty."""
        return cited_markdown(self.text, self.citations) if self.text.strip() else None

    def __repr__(self) -> str:
        speed = f"{counted(self.stats.n_new_tokens, 'token')}, {self.stats.decode_tok_s:.1f} tok/s"
        return (
            f"Reply({self.text!r}, finish_reason={self.finish_reason!r}, seed={self.sampling.seed}, {speed})"
        )


def probability_limit(below: Any) -> float:
    """Return the limit for `spans`, checked."""
    return number("below", below, "in (0, 1], a probability", lambda x: 0 < x <= 1)


def check_version(content: Any) -> Fields:
    """Return the fields of a reply as JSON if this ossnb can read them; a ValueError says why not."""
    fields = Fields(content, "a reply")
    if (found := fields.text("format")) != FORMAT:
        raise ValueError(f'format must be "{FORMAT}", got {shown_value(found)}')
    if (version := fields.integer("version", 1)) > VERSION:
        raise ValueError(
            f"version {version} of a reply was written by a newer ossnb; this one reads version {VERSION}"
        )
    fields.skip("ossnb")
    return fields


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a generation.

    >>> [event.text for event in model.stream("What is 2 + 2?", temperature=0) if event.kind == "answer"]
    ['2', ' +', ' ', '2', ' =', ' ', '4', '.']

    `kind` tells what `text` is: a further bit of "reasoning" or "answer", a whole "tool_call" (parsed in
    `tool_call`), the "tool_result" of a tool that was called (with its Step in `step`), a "citation" that the
    answer has completed (in `citation`), a "note" about an oddity. "progress" comes while a long prompt is
    read: `fraction` is 0 to 1, and `text` says how long it takes, where that is long. "done" comes at the
    end, with `reply`. `token` is the id that completed the text, or None. The answer events, joined, are the
    reply's text; the reasoning events, joined, are its reasoning.
    """

    kind: Kind
    text: str = ""
    token: int | None = None
    logprob: TokenLogprob | None = None
    tool_call: ToolCall | None = None
    step: Step | None = None
    citation: Citation | None = None
    fraction: float | None = None
    reply: Reply | None = None
