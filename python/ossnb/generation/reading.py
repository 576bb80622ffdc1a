"""A question about documents: what its prompt has of them, and the browser that reads on in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from ..documents.citations import Citation
from ..documents.state import MOST_KEPT, DocumentState
from ..harmony.messages import Message
from .question import Question

Cite = Callable[[str], list[Citation]]  # a text → what it cites


class Reading(NamedTuple):
    """A question with the browser among its tools, and what its answer has of the documents: what finds the
    citations, notes, the documents' states, and what the prompt shows of each."""

    question: Question
    cite: Cite | None = None
    notes: tuple[str, ...] = ()
    documents: tuple[DocumentState, ...] = ()
    named: Mapping[str, str] = MappingProxyType({})


def said_and_told(
    question: Question, messages: Sequence[Message], context: int
) -> tuple[Sequence[Message], Sequence[Mapping[str, Any]]]:
    """Return the messages and the tools of a prompt, with the question's documents before them.

    >>> question = Question.of("Hi", docs={"sky": "It is green."})
    >>> [message.role for message in said_and_told(question, question.messages, 4096)[0]]
    ['assistant', 'tool', 'user']
    """
    docs = question.docs
    if docs is None:
        return messages, question.tools
    return docs.placed(messages, context), [*question.tools, docs.definition]


def reading(question: Question, context: int) -> Reading:
    """Give a question about documents its browser; another one stays as it is."""
    docs = question.docs
    if docs is None:
        return Reading(question)
    browser = docs.browser(context, question.messages)
    live = (*question.toolkit.tools, browser) if question.toolkit.run else ()
    asked = replace(
        question,
        docs=None,
        tools=(*question.tools, docs.definition),
        toolkit=replace(question.toolkit, tools=live),
    )
    plan, states = docs.plan(context), tuple(map(DocumentState.of, docs.documents[:MOST_KEPT]))
    return Reading(asked, browser.citations, plan.notes, states, plan.named)
