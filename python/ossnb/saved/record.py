"""The record of an answer: what its metadata hold, so that it can be written again token by token.

A reply's settings are there (`Reply.to_dict(settings_only=True)`). The record adds the tokens: `asked` is the
prompt of the question, `written` is all that follows it. An answer in rounds has the results of its tools
between what the model wrote, in the tokens themselves. So each round can be written again from its own
prompt, and no tool has to run.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..documents.citations import Citation
from ..documents.state import DocumentState
from ..forms.form import Form
from ..generation.record import Reply, check_version
from ..generation.sampling import Sampling, SamplingOptions
from ..harmony.prompt import EFFORTS
from ..harmony.tokenizer import CALL, END, MESSAGE, START, Tokenizer
from ..system.fields import Fields
from ..tools.step import Step

MOST_BYTES = 4 << 20  # of the tokens of one answer: a million, more than any context

Facts = Mapping[str, str | None]


def record_of(reply: Reply, fingerprint: str) -> dict[str, Any]:
    """Return what a notebook keeps of a reply beside its settings; {} for a reply without tokens.

    >>> sorted(record_of(reply, "f3a9"))
    ['asked', 'fingerprint', 'written']
    """
    if not reply.tokens:
        return {}
    tokens = [*reply.prompt_tokens, *reply.tokens]
    n = n_asked(reply.prompt_tokens) if reply.steps else len(reply.prompt_tokens)
    return {"fingerprint": fingerprint, "asked": packed(tokens[:n]), "written": packed(tokens[n:])}


def packed(tokens: Sequence[int]) -> str:
    """Return token ids as one short line of text.

    >>> unpacked(packed([200005, 17196]), "written")
    [200005, 17196]
    """
    return base64.b64encode(zlib.compress(np.asarray(tokens, "<i4").tobytes(), 9)).decode()


def unpacked(text: str, name: str) -> list[int]:
    """Return the token ids of `packed`; a ValueError says that the text is damaged."""
    try:
        unzip = zlib.decompressobj()
        raw = unzip.decompress(base64.b64decode(text, validate=True), MOST_BYTES)
        if unzip.unconsumed_tail or not unzip.eof or len(raw) % 4:
            raise ValueError
        return [int(token) for token in np.frombuffer(raw, "<i4")]
    except (ValueError, binascii.Error, zlib.error):
        raise ValueError(f"{name} is damaged: it holds no token ids") from None


def n_asked(prompt: Sequence[int]) -> int:
    """Return how many tokens of a prompt come before the first thing the model wrote after the last question.

    >>> n_asked([200006, 1428, 200008, 13225, 200007, 200006, 173781, 200005])  # <|start|>user ...
    7
    """
    user, assistant = Tokenizer().encode("user"), Tokenizer().encode("assistant")
    starts = [at for at, token in enumerate(prompt) if token == START]
    last = max((at for at in starts if [*prompt[at + 1 : at + 1 + len(user)]] == user), default=None)
    for at in starts:
        if last is not None and at > last and [*prompt[at + 1 : at + 1 + len(assistant)]] == assistant:
            return at + 1 + len(assistant)
    return len(prompt)


@dataclass(frozen=True, slots=True)
class Round:
    """What the model wrote in one go: tokens `start` to `stop` of the record. Where `is_cut`, its last token
    stands for any end, and results follow."""

    start: int
    stop: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Record:
    """An answer that can be written again: the settings, all tokens, the rounds, the steps, the documents,
    what it cites, and the facts that the text depends on."""

    tokens: list[int]
    n_asked: int
    sampling: Sampling
    effort: str | None
    form: Form | None
    steps: tuple[Step, ...]
    documents: tuple[DocumentState, ...]
    citations: tuple[Citation, ...]
    finish_reason: str
    facts: Facts  # model, fingerprint, revision, precision, device, kv, ossnb

    @classmethod
    def read(cls, metadata: Mapping[str, Any]) -> Record:
        """Check and read the metadata of an answer; a ValueError says what is missing or damaged."""
        fields = check_version(dict(metadata))
        if "written" not in fields:
            raise ValueError(
                f"it was saved by ossnb {metadata.get('ossnb', '?')} without its tokens; run the cell again"
            )
        asked, written = (unpacked(fields.text(name), name) for name in ("asked", "written"))
        if not asked or not written:
            raise ValueError("asked and written must hold tokens, and one of them holds none")
        settings = fields.object("sampling").known(SamplingOptions.__annotations__)
        return cls(
            tokens=[*asked, *written],
            n_asked=len(asked),
            sampling=Sampling.from_dict({**settings, "seed": fields.any("seed")}),
            effort=fields.one_of("effort", (None, *EFFORTS)),
            form=Form.read(fields.object("form")) if "form" in fields else None,
            steps=tuple(Step.read(step) for step in fields.objects("steps")) if "steps" in fields else (),
            documents=tuple(map(DocumentState.read, fields.objects("documents")))
            if "documents" in fields
            else (),
            citations=tuple(map(Citation.read, fields.objects("citations"))) if "citations" in fields else (),
            finish_reason=fields.text("finish_reason"),
            facts=_facts(fields, metadata),
        )

    def rounds(self) -> list[Round]:
        """List what the model wrote, in its order."""
        found, start = [], self.n_asked
        while (cut := self._next_call(start)) is not None:
            found.append(Round(start, cut[0], is_cut=True))
            start = cut[1]
        return [*found, Round(start, len(self.tokens), is_cut=False)]

    def results(self) -> list[tuple[int, str]]:
        """List the results between the rounds as the model read them, each with the number of tokens that the
        model had written before it."""
        found: list[tuple[int, str]] = []
        rounds, n_written = self.rounds(), 0
        for before, after in pairwise(rounds):
            n_written += before.stop - before.start
            between = self.tokens[before.stop : after.start]
            begins = [at + 1 for at, token in enumerate(between) if token == MESSAGE]
            found += [(n_written, Tokenizer().decode(between[at : between.index(END, at)])) for at in begins]
        return found

    def _next_call(self, start: int) -> tuple[int, int] | None:
        """Return where the round from `start` on ends by a call with results, and where the next begins."""
        tokens, assistant = self.tokens, Tokenizer().encode("assistant")
        for at in range(start, len(tokens) - 1):
            if tokens[at] != CALL or tokens[at + 1] != START:
                continue
            begin = at + 1
            while begin < len(tokens) and tokens[begin] == START:
                if tokens[begin + 1 : begin + 1 + len(assistant)] == assistant:
                    return at + 1, begin + 1 + len(assistant)
                if END not in tokens[begin:]:
                    break
                begin = tokens.index(END, begin) + 1
            raise ValueError("written is damaged: the results of a call do not lead to a further answer")
        return None


def _facts(fields: Fields, metadata: Mapping[str, Any]) -> Facts:
    return {
        "model": fields.text("model"),
        "fingerprint": fields.text("fingerprint"),
        "revision": fields.optional_text("revision"),
        "precision": fields.text("precision"),
        "device": fields.text("device"),
        "kv": fields.text("kv") if "kv" in fields else "float32",
        "ossnb": str(metadata.get("ossnb", "")),
    }
