"""The passages of documents, and which of them fit a query best: BM25, in NumPy, and vectors."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..system.progress import start_progress
from ..system.text import counted
from . import store
from .document import Document, Text
from .embedding import Embedding
from .terms import terms

K1, B = 1.2, 0.75  # of BM25: how soon more of a word counts no more, and how much a long passage loses
MIN_LINES, MOST_LINES = 12, 80  # of a passage, broken where the text breaks
MIN_CHARS, MOST_CHARS = 600, 2000
TELL_FROM_CHARS = 4_000_000  # some seconds of work
RANK_SHIFT = 60  # of the fusion of two rankings: how little the first places count more than the next
MOST_RANKED = 100  # places of a ranking that the fusion looks at
_Made = TypeVar("_Made")
_HEADING = re.compile(r"#{1,6} |(?:async )?def |class |function |export |\[(?:code|text)\]$|={3,}$|-{3,}$")


class Hit(NamedTuple):
    """A passage: the document by its number, the lines (first and last, counted from 0), and its score."""

    document: int
    first: int
    last: int
    score: float


class Passages(NamedTuple):
    """The passages of one document, with how often each of its terms is in them."""

    first: NDArray[np.int32]  # [passages] lines
    last: NDArray[np.int32]
    n_terms: NDArray[np.int32]
    words: tuple[str, ...]  # the document's terms
    passage: NDArray[np.int32]  # [postings]
    word: NDArray[np.int32]
    times: NDArray[np.int32]


class Index:
    """All passages of some documents.

    >>> documents = [Document.of("a.txt", "red apples\\ngreen pears")]
    >>> [(hit.first, hit.last) for hit in Index(documents).search("apple", 3)]
    [(0, 1)]

    With an `embedding` passages rank by their words and by their meaning, and both rankings are fused.
    """

    def __init__(self, documents: Sequence[Document], embedding: Embedding | None = None) -> None:
        self.is_kept = True  # what was made is there for the next process
        found = self._each(
            documents, "index", lambda n: _kept(documents[n]), lambda n: self._made(documents[n])
        )
        self._embedding = embedding
        self._vectors = None if embedding is None else self._all_vectors(documents, found, embedding)
        numbers: dict[str, int] = {}
        starts = np.cumsum([0, *(len(one.first) for one in found)])
        of_words = [
            np.fromiter((numbers.setdefault(w, len(numbers)) for w in one.words), np.int32, len(one.words))
            for one in found
        ]
        passage = [one.passage + start for one, start in zip(found, starts[:-1], strict=True)]
        word = [of[one.word] for one, of in zip(found, of_words, strict=True)]
        self._numbers = numbers
        self._document = np.repeat(np.arange(len(found)), [len(one.first) for one in found])
        self._first, self._last = _joined([one.first for one in found]), _joined([one.last for one in found])
        order = np.argsort(words := _joined(word), kind="stable")
        self._passage = _joined(passage)[order]
        self._count = _joined([one.times for one in found])[order]
        self._begins = np.searchsorted(words[order], np.arange(len(numbers) + 1))
        n_terms = _joined([one.n_terms for one in found]).astype(np.float64)
        mean = n_terms.mean() if len(n_terms) and n_terms.any() else 1.0
        self._norm = K1 * (1 - B + B * n_terms / mean)

    @property
    def n_passages(self) -> int:
        """How many passages there are."""
        return len(self._first)

    def search(self, query: str, most: int) -> list[Hit]:
        """Return the passages that fit best, the best one first; equal ones in the documents' order."""
        scores = self._word_scores(query)
        if self._embedding is not None and self._vectors is not None:
            scores = fused([scores, self._vectors @ self._embedding.vectors([query])[0]])
        best = np.argsort(-scores, kind="stable")[:most]
        return [
            Hit(int(self._document[i]), int(self._first[i]), int(self._last[i]), float(scores[i]))
            for i in best
            if scores[i] > 0
        ]

    def _word_scores(self, query: str) -> NDArray[np.float64]:
        scores = np.zeros(self.n_passages)
        for term, times in Counter(terms(query)).items():
            number = self._numbers.get(term)
            if number is None:
                continue
            part = slice(self._begins[number], self._begins[number + 1])
            at, count = self._passage[part], self._count[part]
            weight = np.log1p((self.n_passages - len(at) + 0.5) / (len(at) + 0.5))
            scores[at] += times * weight * count * (K1 + 1) / (count + self._norm[at])
        return scores

    def _each(
        self,
        documents: Sequence[Document],
        what: str,
        kept: Callable[[int], _Made | None],
        make: Callable[[int], _Made],
    ) -> list[_Made]:
        """Return what is kept of each document, by number, and make the rest.

        An interrupt keeps what is made.
        """
        n_left, progress, found = sum(one.text.n_chars for one in documents), None, list[_Made]()
        total = n_left
        try:
            for n, document in enumerate(documents):
                one = kept(n)
                if one is None and progress is None and n_left > TELL_FROM_CHARS:
                    text = f"making the {what} of {counted(len(documents), 'document')}, once"
                    progress = start_progress(text, total)
                found.append(make(n) if one is None else one)
                n_left -= document.text.n_chars
                if progress is not None:
                    progress.update(total - n_left)
        finally:
            if progress is not None:
                progress.close()
        return found

    def _all_vectors(
        self, documents: Sequence[Document], found: Sequence[Passages], embedding: Embedding
    ) -> NDArray[np.float32]:
        def make(n: int) -> NDArray[np.float32]:
            bounds, lines = zip(found[n].first, found[n].last, strict=True), documents[n].text.lines
            vectors = embedding.vectors(["\n".join(lines[first : last + 1]) for first, last in bounds])
            self.is_kept &= embedding.keep(documents[n].digest, vectors)
            return vectors

        def kept(n: int) -> NDArray[np.float32] | None:
            return embedding.kept(documents[n].digest, len(found[n].first))

        return _joined(self._each(documents, "vectors", kept, make))

    def _made(self, document: Document) -> Passages:
        made = make_passages(document.text)
        self.is_kept &= store.put(_name(document), _write(made))
        return made


def fused(rankings: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Fuse several scores of the same passages into one: what counts is the place that each gives a passage.

    >>> int(fused([np.array([9.0, 1.0, 0.0]), np.array([0.0, 0.3, 0.2])]).argmax())
    1
    """
    found = np.zeros(len(rankings[0]))
    for scores in rankings:
        order = np.argsort(-scores, kind="stable")[:MOST_RANKED]
        order = order[scores[order] > 0]
        found[order] += 1 / (RANK_SHIFT + 1 + np.arange(len(order)))
    return found


def _name(document: Document) -> str:
    return f"{document.digest}.{store.VERSION}.index.kept"


def _kept(document: Document) -> Passages | None:
    kept = _read(store.get(_name(document)))
    fits = kept is not None and (not len(kept.last) or int(kept.last[-1]) < len(document.text.lines))
    return kept if fits else None


def make_passages(text: Text) -> Passages:
    """Cut a text into passages, and count their terms."""
    words: dict[str, int] = {}
    bounds = [*passages(text)]
    n_terms: list[int] = []
    postings: list[tuple[int, int, int]] = []
    for n, (first, last) in enumerate(bounds):
        counts = Counter(terms("\n".join(text.lines[first : last + 1])))
        n_terms.append(sum(counts.values()))
        postings += [(n, words.setdefault(term, len(words)), times) for term, times in counts.items()]
    table = np.array(postings, np.int32).reshape(-1, 3)
    lines = np.array(bounds, np.int32).reshape(-1, 2)
    return Passages(
        lines[:, 0],
        lines[:, 1],
        np.array(n_terms, np.int32),
        tuple(words),
        table[:, 0],
        table[:, 1],
        table[:, 2],
    )


def passages(text: Text) -> Iterator[tuple[int, int]]:
    """Yield the first and the last line of each passage; it ends at a heading, a blank line or a page's end
    where there is one."""
    begins = {line for line, _ in text.places} if len(text.places) < len(text.lines) // 2 else set()
    first = n_chars = 0
    for n, line in enumerate(text.lines):
        n_lines = n - first
        is_long = n_lines >= MIN_LINES or n_chars >= MIN_CHARS
        is_break = not line.strip() or _HEADING.match(line) is not None
        is_full = n_lines >= MOST_LINES or n_chars + len(line) > MOST_CHARS
        if n_lines and (is_full or n in begins or (is_long and is_break)):
            yield first, n - 1
            first, n_chars = n, 0
        n_chars += len(line) + 1
    if first < len(text.lines):
        yield first, len(text.lines) - 1


def _joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(arrays) if arrays else np.zeros(0, np.int32)


def _write(made: Passages) -> bytes:
    file = io.BytesIO()
    arrays = {name: value for name, value in made._asdict().items() if name != "words"}
    np.savez(file, words=np.frombuffer("\n".join(made.words).encode(), np.uint8), **arrays)
    return file.getvalue()


def _read(content: bytes | None) -> Passages | None:
    """Read kept passages; None where they do not fit together."""
    if content is None:
        return None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            words = bytes(arrays["words"]).decode()
            found = Passages(
                **{name: arrays[name] for name in Passages._fields if name != "words"},
                words=tuple(words.split("\n")) if words else (),
            )
    except Exception:  # whatever a file may hold that has the right checksum
        return None
    n, n_words = len(found.first), len(found.words)
    fits = (
        len(found.last) == len(found.n_terms) == n
        and len(found.passage) == len(found.word) == len(found.times)
        and (not len(found.word) or (int(found.word.max()) < n_words and int(found.passage.max()) < n))
    )
    return found if fits else None
