"""Documents as a question has them: which go whole into the prompt, and which are searched."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..harmony.messages import Message, tool_result
from ..harmony.tokenizer import Tokenizer
from ..system.arguments import integer
from ..system.text import counted, listed, shown_value
from . import store
from .browser import DEFINITION, NAME, Browser
from .document import Document, Text, safe_name, unique_names
from .embedding import Embedding, embedding_of
from .files import Found, Reader, left_out_text, read_path
from .index import Index
from .results import list_page
from .state import DocumentState
from .tables import is_table, table_text

WHOLE_SHARE = 2  # documents that go in whole take at most one part in so many of the context,
MOST_WHOLE = 16_384  # and at most so many tokens: a CPU reads them in minutes
MOST_CHARS = 100_000_000  # of all documents of a question
_CHARS_PER_TOKEN = 8  # a text that has more for each token of the budget is not counted, and searched


@dataclass(frozen=True, slots=True)
class Part:
    """What a prompt has of an item that was given: its name, whether whole or to be searched, and tokens."""

    name: str
    is_whole: bool
    n_tokens: int
    size: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Documents in a context of some size: the messages that show the whole ones, and what each item became.

    `notes` are for the user: what was left out.
    """

    messages: tuple[Message, ...]
    parts: tuple[Part, ...]
    notes: tuple[str, ...]

    @property
    def n_tokens(self) -> int:
        """How many tokens the documents take in the prompt."""
        return sum(part.n_tokens for part in self.parts)

    @property
    def named(self) -> dict[str, str]:
        """What the prompt shows of each whole document, by its name."""
        calls = [message.tool_call for message in self.messages[::2]]
        shown = [message.content for message in self.messages[1::2]]
        return {
            call.arguments["id"]: text for call, text in zip(calls, shown, strict=True) if call is not None
        }


class Documents:
    """Documents that a model may read: files, folders, tables and texts.

    >>> n_chars = Path("sky.md").write_text("# Sky\\n\\nThe sky over Zorn is green.\\n")
    >>> ossnb.Documents(["sky.md"]).names
    ['sky.md']

    `items` are paths, DataFrames of pandas or polars, and dicts of names with texts or DataFrames. A folder
    is all of its files that can be read. `reader` is a function of a path that returns a file's text, or None
    for the usual way. `whole` is how many tokens of documents may go whole into a prompt (default: half of
    the context, at most 16,384); 0 has all of them searched. `embeddings` is the folder of a model of static
    embeddings (model2vec), with which passages are found by their meaning too. Documents among the items
    bring their `whole` and `embeddings` with them. What was read stays as it is: make new Documents when
    files have changed. A ValueError says what cannot be read, a CheckpointError what is wrong with the
    folder.
    """

    def __init__(
        self,
        items: Any,
        *,
        reader: Reader | None = None,
        whole: int | None = None,
        embeddings: str | os.PathLike[str] | Embedding | None = None,
    ) -> None:
        if reader is not None and not callable(reader):
            raise ValueError(f"reader must be a function of a path, got {shown_value(reader)}")
        listed = _listed(items)
        self.whole = _brought("whole", listed) if whole is None else integer("whole", whole, 0)
        self.embeddings = _brought("embeddings", listed) if embeddings is None else embedding_of(embeddings)
        found = Found()
        for item in listed:
            _read(item, found, reader)
        if not found.documents:
            raise ValueError("docs names no document; give files, folders or tables, as in docs=['notes.md']")
        n_chars = sum(document.text.n_chars for document in found.documents)
        if n_chars > MOST_CHARS:
            raise ValueError(
                f"the documents have {n_chars / 1e6:,.0f} million characters, and a question may have "
                f"{MOST_CHARS / 1e6:,.0f}: give fewer files, or a smaller folder"
            )
        names = unique_names([document.name for document in found.documents])
        self.documents = tuple(replace(d, name=n) for d, n in zip(found.documents, names, strict=True))
        self.left_out = left_out_text(found.left_out)
        self._is_kept = found.is_kept
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._made_index: Index | None = None
        self._plans: dict[int, Plan] = {}

    @property
    def names(self) -> list[str]:
        """The documents' names, as the model is told them."""
        return [document.name for document in self.documents]

    @property
    def definition(self) -> Mapping[str, Any]:
        """The tool by which the model reads them."""
        return DEFINITION

    def index(self) -> Index:
        """Return the index of all passages, made at the first call."""
        with self._lock:
            if self._made_index is None:
                self._made_index = _index_of(self.documents, self.embeddings)
            return self._made_index

    def search(self, query: str, n: int = 5) -> list[tuple[str, str, str]]:
        """Return the passages that fit a query best, each with its document's name and its place.

        >>> ossnb.Documents({"sky": "The sky is green."}).search("green")
        [('sky', 'line 1', 'The sky is green.')]
        """
        if not isinstance(query, str):
            raise ValueError(f'query must be a text, as in search("price"), got {shown_value(query)}')
        found = []
        for hit in self.index().search(query, integer("n", n, 1)):
            document = self.documents[hit.document]
            text = "\n".join(document.text.lines[hit.first : hit.last + 1])
            found.append((document.name, document.place(hit.first, hit.last), text))
        return found

    def budget(self, context: int) -> int:
        """Return how many tokens of documents may go whole into a prompt."""
        most = context // WHOLE_SHARE
        return min(most, MOST_WHOLE if self.whole is None else self.whole)

    def plan(self, context: int) -> Plan:
        """Say what a prompt has of the documents in a context of so many tokens.

        >>> ossnb.Documents({"sky": "The sky is green."}).plan(4096).parts[0].is_whole
        True
        """
        if context not in self._plans:
            self._plans[context] = self._make_plan(context)
        return self._plans[context]

    def browser(self, context: int, history: Iterable[Message] = ()) -> Browser:
        """Return the browser of an answer: it has shown the whole documents, and what the history shows."""
        browser = Browser(self.documents, self.index, context)
        plan = self.plan(context)
        self._show(browser, [part.is_whole for part in plan.parts])
        browser.replay(history)
        return browser

    def placed(self, messages: Iterable[Message], context: int) -> list[Message]:
        """Return a conversation that begins with the documents, below its leading instructions.

        They are results of the model's browser, which have no authority, and they come first: so the next
        question about them finds them read.
        """
        messages = list(messages)
        is_leading = [message.role in ("system", "developer") for message in messages]
        n = (*is_leading, False).index(False)
        return [*messages[:n], *self.plan(context).messages, *messages[n:]]

    # ---- what goes in whole --------------------------------------------------------------------------------

    def _items(self) -> dict[str, list[int]]:
        """The documents' numbers by the item they came with."""
        items: dict[str, list[int]] = {}
        for n, document in enumerate(self.documents):
            items.setdefault(document.given or document.name, []).append(n)
        return items

    def _make_plan(self, context: int) -> Plan:
        items, budget = self._items(), self.budget(context)
        n_chars = {
            name: sum(self.documents[n].text.n_chars for n in numbers) for name, numbers in items.items()
        }
        whole: dict[str, int] = {}
        for name in sorted(items, key=lambda name: n_chars[name]):
            if n_chars[name] > budget * _CHARS_PER_TOKEN:
                break
            n_tokens = self._n_tokens(items[name])
            if n_tokens > budget:
                continue
            budget -= n_tokens
            whole[name] = n_tokens
        notes = [note for note in (self.left_out, _guessed(self.documents)) if note]
        if len(whole) < len(items):
            self.index()
        if not (self._is_kept and (self._made_index is None or self._made_index.is_kept)):
            notes.append(f"what was read of documents cannot be kept in {store.folder()}, and is read anew")
        flags = [name in whole for name in items]
        messages = self._show(Browser(self.documents, self.index, context), flags)
        n_list = Tokenizer().encode(messages[1].content) if len(whole) < len(items) else []
        parts = [
            Part(safe_name(name), name in whole, whole.get(name, 0), self._size(numbers))
            for name, numbers in items.items()
        ]
        if n_list:
            parts.append(Part("the list of documents", True, len(n_list), counted(len(n_list), "token")))
        return Plan(tuple(messages), tuple(parts), tuple(notes))

    def _show(self, browser: Browser, flags: list[bool]) -> list[Message]:
        """Have a browser show the whole documents, and first the list where others are to be searched."""
        numbers = [*self._items().values()]
        messages: list[Message] = []
        if not all(flags[: len(numbers)]):
            messages += _opened("documents", browser.show(list_page(self.documents), is_whole=True))
        for is_whole, some in zip(flags, numbers, strict=False):
            for n in some if is_whole else ():
                messages += _opened(self.documents[n].name, browser.show_document(n))
        return messages

    def _n_tokens(self, numbers: list[int]) -> int:
        browser = Browser(self.documents, self.index, 1)
        return sum(len(Tokenizer().encode(browser.show_document(n))) for n in numbers)

    def _size(self, numbers: list[int]) -> str:
        if len(numbers) == 1:
            return self.documents[numbers[0]].size
        return counted(len(numbers), "document")

    # ---- as a value ----------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Documents):
            return NotImplemented
        same = self.documents == other.documents and self.whole == other.whole
        return same and _digest(self.embeddings) == _digest(other.embeddings)

    def __hash__(self) -> int:
        return hash(tuple(document.digest for document in self.documents))

    def __len__(self) -> int:
        return len(self.documents)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in _MADE}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the documents' names, files, hashes and sizes, as a log keeps them, without their text."""
        return [DocumentState.of(document).to_dict() for document in self.documents]

    def __repr__(self) -> str:
        names = ", ".join(self.names[:5]) + (", ..." if len(self) > 5 else "")
        return f"Documents({counted(len(self), 'document')}: {names})"


def _guessed(documents: Iterable[Document]) -> str:
    """Say which documents were read with an encoding that is a guess."""
    names = [document.name for document in documents if document.text.is_guess]
    if len(names) < 2:
        wrong = "read as Western European; save it as UTF-8 if it looks wrong"
        return f"{names[0]} was {wrong}" if names else ""
    return (
        f"{len(names):,} documents were read as Western European ({listed(names, 3)}); save them as UTF-8 if "
        "they look wrong"
    )


_recent: dict[tuple[str, ...], Index] = {}  # each cell reads its documents anew, and mostly the same ones
_MOST_RECENT = 4


def _index_of(documents: tuple[Document, ...], embedding: Embedding | None) -> Index:
    key = (_digest(embedding), *(document.digest for document in documents))
    index = _recent.pop(key, None) or Index(documents, embedding)
    _recent[key] = index
    while len(_recent) > _MOST_RECENT:
        _recent.pop(next(iter(_recent)), None)
    return index


def _digest(embedding: Embedding | None) -> str:
    return "" if embedding is None else embedding.digest


def _brought(name: str, items: Iterable[Any]) -> Any:
    """Return a setting that Documents among the items have; a ValueError where they differ in it."""
    found = [getattr(item, name) for item in items if isinstance(item, Documents)]
    found = [one for one in found if one is not None]
    if len({one.digest if isinstance(one, Embedding) else one for one in found}) > 1:
        raise ValueError(
            f"the Documents in docs have different {name} ({', '.join(map(shown_value, found))}); say which "
            f"holds, as in Documents(..., {name}=...)"
        )
    return found[0] if found else None


_MADE = frozenset({"_lock", "_made_index", "_plans"})


def _opened(name: str, shown: str) -> list[Message]:
    """Return the call that opens a document, and its display, as a browser's turn has them."""
    call = json.dumps({"id": name}, ensure_ascii=False)
    asked = Message("assistant", call, "analysis", f"{NAME}.open", "code")
    return [asked, tool_result(f"{NAME}.open", shown)]


def documents_of(docs: Any) -> Documents | None:
    """Return documents as callers write them: Documents, or what they take; None for none."""
    return docs if docs is None or isinstance(docs, Documents) else Documents(docs)


def _listed(items: Any) -> list[Any]:
    if isinstance(items, str | os.PathLike | Mapping | Documents) or is_table(items):
        return [items]
    if isinstance(items, bytes) or not isinstance(items, Iterable):
        raise ValueError(
            "docs must be files, folders or tables, as in docs=['report.pdf', df], got "
            f"{shown_value(items, 100)}"
        )
    return list(items)


def _read(item: Any, found: Found, reader: Reader | None) -> None:
    if isinstance(item, Documents):
        found.documents += item.documents
    elif isinstance(item, str | os.PathLike):
        path = os.fspath(item)
        read_path(path if isinstance(path, str) else os.fsdecode(path), found, reader)
    elif isinstance(item, Mapping):
        for name, value in item.items():
            found.documents.append(_named(name, value))
    elif is_table(item):
        n = sum(document.name.startswith("table ") for document in found.documents)
        found.documents.append(_named(f"table {n + 1}", item))
    else:
        raise ValueError(
            f"docs takes paths, DataFrames, and dicts of names with texts, got {shown_value(item, 100)}"
        )


def _named(name: Any, value: Any) -> Document:
    if not isinstance(name, str) or not name:
        raise ValueError(f"a document's name must be text, got {shown_value(name)}")
    if is_table(value):
        text = table_text(value)
    elif isinstance(value, str):
        text = Text.of(value)
    else:
        raise ValueError(
            f"the document {shown_value(name)} must be a text or a DataFrame, got {shown_value(value, 100)}"
        )
    if text.is_empty:
        raise ValueError(f"the document {shown_value(name)} has no text")
    return Document.of_value(name, text)
