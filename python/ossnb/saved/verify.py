"""Write saved answers again, and compare: bit-identical, or diverged at which token, and why.

The notebook's own code is never run, and its file is read only. Each round of an answer is written again from
the tokens before it, which have documents and the results of tools in them. A document whose file has changed
is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from ..documents.links import cited_markdown
from ..documents.state import MOST_KEPT
from ..generation.question import Question
from ..generation.record import Event, Reply
from ..generation.stream import Stream
from ..harmony.parser import ENDS
from ..harmony.prompt import end_of_thought
from ..harmony.tokenizer import MESSAGE, START, Tokenizer, token_bytes
from ..system.text import counted, safe_terminal, shown, shown_value
from ..tools.step import Step
from ..version import __version__
from .notebook import SavedAnswer
from .record import Facts, Record, Round

State = Literal["identical", "diverged", "unverified"]

LOOK_EVERY = 64  # events between two looks at what was written
# An answer that ended so goes on if nobody stops it; one that ended otherwise ends by itself.
STOPPED = frozenset({"length", "context", "interrupted", "cancelled", "error", "unfinished", "tool_limit"})
_INSERTED = re.compile(r"\{\{\{\{|\{\{.*?\}\}|@\w+")


class Writer(Protocol):
    """The model as this room knows it; see Model."""

    source: str
    revision: str | None
    fingerprint: str
    precision: str

    @property
    def device(self) -> str: ...
    @property
    def kv(self) -> str: ...
    def ask(self, question: Question) -> Stream: ...


Live = Callable[[Step], Step]  # carries a call out anew


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one answer.

    >>> Verdict("cell 3", "diverged", 12, "it wrote “a” for “b”").text
    'DIVERGED    cell 3: at token 12: it wrote “a” for “b”'

    `at` is the token of the answer that differs first, from 0; of an identical one, how many tokens it has.
    `notes` say what else a reader should know, such as a prompt that was edited since.
    """

    where: str
    state: State
    at: int = 0
    why: str = ""
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The verdict on one line, and a line for each note."""
        told = {
            "identical": f"identical   {self.where}: {counted(self.at, 'token')}",
            "diverged": f"DIVERGED    {self.where}: at token {self.at:,}",
            "unverified": f"--          {self.where}",
        }[self.state]
        lines = [f"{told}: {self.why}" if self.why else told, *(f"            {n}" for n in self.notes)]
        return safe_terminal("\n".join(lines))

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain JSON."""
        return {
            "where": self.where,
            "state": self.state,
            "at": self.at,
            "why": self.why,
            "notes": list(self.notes),
        }


def verify(
    answers: Sequence[SavedAnswer],
    model_for: Callable[[Facts], Writer],
    live: Live | None = None,
) -> Iterator[Verdict]:
    """Write saved answers again, one after the other; yield a Verdict for each.

    >>> [verdict.state for verdict in verify([], lambda facts: model)]
    []

    `model_for` finds the model for a record's facts; a ValueError of it says why there is none. `live` calls
    the tools anew, and their results are compared; without it they are those of the record.
    """
    for answer in answers:
        try:
            yield _verdict(answer, model_for, live)
        except (ValueError, OSError, MemoryError, RuntimeError, ImportError) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            yield Verdict(answer.where, "unverified", why=shown(why, 500))


def summary(verdicts: Sequence[Verdict], n_in_all: int) -> str:
    """Count verdicts in one line.

    >>> summary([Verdict("cell 1", "identical", 9)], 2)
    '1 of 2 answers: 1 identical, 0 diverged, 0 not verified'
    """
    n = {state: sum(v.state == state for v in verdicts) for state in ("identical", "diverged", "unverified")}
    of = (
        f"{len(verdicts):,} of {n_in_all:,} answers"
        if len(verdicts) < n_in_all
        else (counted(n_in_all, "answer"))
    )
    return f"{of}: {n['identical']:,} identical, {n['diverged']:,} diverged, {n['unverified']:,} not verified"


def _verdict(answer: SavedAnswer, model_for: Callable[[Facts], Writer], live: Live | None) -> Verdict:
    if answer.metadata is None:
        raise ValueError(
            "it has no record of an answer: several (--n, --map), failed and unfinished ones keep none"
        )
    record = Record.read(answer.metadata)
    model = model_for(record.facts)
    reasons = differences(record.facts, model)
    if (changed := _changed_result(record, live)) is not None:
        return Verdict(answer.where, "diverged", *changed)
    notes = [why for document in record.documents if (why := document.change())]
    if notes and live is not None:
        return Verdict(answer.where, "diverged", why="; ".join(notes[:_MOST_CHANGES]))
    notes[_MOST_CHANGES:] = []
    n_done, texts = 0, list[str]()
    for one in record.rounds():
        written = _written_again(record, one, model)
        notes += written.notes
        if written.at is not None:
            why = "; ".join([written.why, *(reasons or [_no_reason(record.facts, model)])])
            return Verdict(answer.where, "diverged", n_done + written.at, why, tuple(notes))
        n_done += one.stop - one.start
        texts.append(written.text)
    notes += [*_edited(answer, record), *_shown_otherwise(answer, texts, record)]
    notes += [f"the same in spite of another setting: {why}" for why in reasons]
    return Verdict(answer.where, "identical", n_done, notes=tuple(notes))


_MOST_CHANGES = 5  # of documents, that a verdict tells


def _no_reason(facts: Facts, model: Writer) -> str:
    """Say what is left where nothing that may change an answer differs. A device may not change it."""
    told = facts.get("device")
    if not told or told == model.device:
        return (
            "model, precision, device and version are those of the record, so the record was changed, or "
            "this machine computes wrongly"
        )
    return (
        f"model, precision and version are those of the record, which was written on {shown(str(told))} and "
        f"checked on {model.device}: both promise the same bits, so the record was changed, or one of them "
        "computes wrongly"
    )


def differences(facts: Facts, model: Writer) -> list[str]:
    """List what differs between a record's facts and a model, each in words; [] where all is the same.

    The device is none of it: each promises the same bits.

    >>> differences({"model": "20b", "precision": "exact", "device": "cpu"}, model)[0]
    'the model is demo, in the record 20b'
    """
    ours = {
        "model": model.source,
        "fingerprint": model.fingerprint,
        "revision": model.revision,
        "precision": model.precision,
        "kv": model.kv,
        "ossnb": __version__,
    }
    words = {
        "fingerprint": "the weights are others",
        "kv": "the format of keys and values",
        "ossnb": "the version of ossnb",
    }
    found = []
    for name, now in ours.items():
        if name not in facts or facts[name] == now:
            continue
        if name == "fingerprint":
            found.append(words[name])
        else:
            what = words.get(name, f"the {name}")
            found.append(f"{what} is {now}, in the record {shown(str(facts[name]))}")
    return found


# ---- one round -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Written:
    """A round as it came again: its text, and where it differs first, if it does."""

    text: str
    at: int | None = None
    why: str = ""
    notes: tuple[str, ...] = ()


def _written_again(record: Record, one: Round, model: Writer) -> _Written:
    """Write a round again. A thought that somebody ended by hand ends there again, and a note says so."""
    expected = record.tokens[one.start : one.stop]
    is_stopped = not one.is_cut and record.finish_reason in STOPPED
    by_hand, begun = end_of_thought(), list[int]()
    notes: list[str] = []
    while True:
        reply = _run(record, one, model, begun, len(expected) + (not is_stopped), expected)
        at = _parting(reply.tokens, expected, ends_differ=one.is_cut)
        if at is None:
            return _Written(reply.text, notes=tuple(notes))
        if expected[at : at + len(by_hand)] != by_hand or at < len(begun):
            return _Written(reply.text, at, _in_words(reply.tokens, expected, at), tuple(notes))
        begun = expected[: at + len(by_hand)]
        notes.append(f"the thought was ended by hand after {counted(at, 'token')}, and so it was here")
        if len(begun) == len(expected):
            return _Written(reply.text, notes=tuple(notes))


def _run(
    record: Record, one: Round, model: Writer, begun: Sequence[int], most: int, expected: Sequence[int]
) -> Reply:
    """Write a round, up to `most` tokens, or until it differs."""
    changes: dict[str, Any] = {"max_tokens": most, "logprobs": 0}
    question = Question(
        effort=record.effort,
        sampling=replace(record.sampling, **changes),
        prompt=tuple(record.tokens[: one.start]),
        form=record.form,
        begun=tuple(begun),
    )
    stream, events = model.ask(question), list[Event]()
    for event in stream:
        events.append(event)
        if len(events) % LOOK_EVERY == 0 and _is_apart(stream.reply.tokens, expected):
            stream.close()
            break
    return stream.reply


def _is_apart(tokens: Sequence[int], expected: Sequence[int]) -> bool:
    n = min(len(tokens), len(expected))
    return list(tokens[:n]) != list(expected[:n])


def _parting(tokens: Sequence[int], expected: Sequence[int], *, ends_differ: bool) -> int | None:
    """Return the first place where two lists of tokens differ; None where they are the same."""
    for at, (a, b) in enumerate(zip(tokens, expected, strict=False)):
        is_last = ends_differ and at == len(expected) - 1 and a in ENDS
        if a != b and not is_last:
            return at
        if is_last:
            return None
    return None if len(tokens) == len(expected) else min(len(tokens), len(expected))


def _in_words(tokens: Sequence[int], expected: Sequence[int], at: int) -> str:
    def named(ids: Sequence[int]) -> str:
        return shown_value(token_bytes(ids[at]).decode("utf-8", "replace")) if at < len(ids) else "its end"

    return f"it wrote {named(tokens)}, in the record {named(expected)}"


# ---- what stands around an answer ------------------------------------------------------------------------


def _changed_result(record: Record, live: Live | None) -> tuple[int, str] | None:
    """Return the place and the words of the first result that is another one than the model read."""
    for step, (n_done, read) in zip(record.steps, record.results(), strict=False):
        if step.result != read:
            return n_done, f"the record of {shown(step.name)}'s result is not what the model read"
        if live is not None and (now := live(step)).result != read:
            got, had = shown_value(now.result, 100), shown_value(read, 100)
            return n_done, f"the tool {shown(step.name)} returns {got}, in the record {had}"
    return None


def _edited(answer: SavedAnswer, record: Record) -> list[str]:
    """Say so where the text of the cell is not in the prompt."""
    question = answer.question
    if question is None:
        return []
    said, at = _last_said(record), 0
    for part in _INSERTED.split(question):
        if (found := said.find(part.strip(), at)) < 0:
            return ["the cell was edited after its answer: the prompt of the record has another text"]
        at = found + len(part.strip())
    return []


def _last_said(record: Record) -> str:
    """The user's last message in the prompt; of raw text, all of it."""
    asked = record.tokens[: record.n_asked]
    user = [START, *Tokenizer().encode("user"), MESSAGE]
    begins = [at for at in range(len(asked)) if asked[at : at + len(user)] == user]
    return Tokenizer().decode(asked[begins[-1] + len(user) :] if begins else asked)


def _shown_otherwise(answer: SavedAnswer, texts: Sequence[str], record: Record) -> list[str]:
    """Say so where the notebook shows another text than the one that was written."""
    text = "\n\n".join(text for text in texts if text)
    if answer.plain is None or not text.strip():
        return []
    plain = answer.plain.partition("\ncalls ")[0]
    is_same = safe_terminal(text).endswith(plain) and len(plain) >= len(safe_terminal(texts[-1]).strip())
    if answer.markdown is not None and plain == answer.plain and safe_terminal(text) == text:
        shown_now, written = answer.markdown, cited_markdown(plain, record.citations)
        is_same = is_same and _without_targets(shown_now) == _without_targets(written)
        is_same = is_same and not _cites_others(record)
    return [] if is_same else ["the answer that the notebook shows was edited: the model wrote another"]


def _cites_others(record: Record) -> bool:
    """Whether a citation names a document that the answer did not have."""
    had = {document.name for document in record.documents}
    cited = {citation.document for citation in record.citations} - {None}
    return len(record.documents) < MOST_KEPT and not cited <= had


def _without_targets(markdown: str) -> str:
    """The Markdown without the files that citations lead to: they are named from the kernel's folder."""
    return re.sub(r'\]\(\./\S* "', '](./ "', markdown)
