"""Grammars that say which token may come next, by llguidance; it comes with the extra "schema"."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import threading
from collections.abc import Iterator, Mapping, Set
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Unparsed
from ..harmony.masks import Mask, allows
from ..harmony.tokenizer import FIRST_SPECIAL, RETURN, VOCAB_SIZE, Tokenizer, token_bytes, well_formed
from ..system.text import shown

if TYPE_CHECKING:
    import llguidance

# JSON as json.dumps writes it. With free whitespace a model may write line breaks for ever.
LAYOUT: dict[str, Any] = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
KEPT = 64  # compiled grammars

_HALF = "it must be Unicode text, got half a character (a lone surrogate); write whole characters"

_reader: list[threading.Thread] = []  # of the vocabulary


def library() -> Any:
    """Return llguidance; an ImportError says how to get it."""
    try:
        import llguidance
    except ImportError:
        raise ImportError(
            'schema= needs the package llguidance, which is not installed: pip install "ossnb[schema]"'
        ) from None
    return llguidance


def is_here() -> bool:
    """Whether llguidance is installed."""
    return importlib.util.find_spec("llguidance") is not None


def json_grammar(schema: Mapping[str, Any], *, checks_after: bool) -> tuple[str, tuple[str, ...]]:
    """Return the grammar of a JSON schema, and what of the schema it cannot hold an answer to.

    With `checks_after` the caller checks this in the answer; else it is a ValueError.

    >>> json_grammar({"type": "object"}, checks_after=False)[1]
    ()
    """
    return _json_grammar(json.dumps(schema, ensure_ascii=False), checks_after)


def regex_grammar(pattern: str) -> str:
    """Return the grammar of a regular expression, which the whole answer must match; ValueError for what is
    none, or looks around."""
    plain = pattern.removeprefix("^")
    plain = plain[:-1] if plain.endswith("$") and not plain.endswith("\\$") else plain
    what = f"schema: the regular expression {shown(pattern)!r} cannot be used"
    if well_formed(plain) != plain:
        raise ValueError(f"{what}: {_HALF}")
    grammar: str = library().LLMatcher.grammar_from_regex(plain)
    _checked(grammar, what)
    return grammar


def lark_grammar(text: str) -> str:
    """Return a grammar in Lark's form, checked; ValueError for what is none."""
    library()
    _checked(text, "schema: the Lark grammar cannot be used")
    return text


def choice_grammar(texts: tuple[str, ...]) -> str:
    """Return the grammar of a few texts, one of which is the whole answer."""
    return "start: " + " | ".join(json.dumps(text, ensure_ascii=False) for text in texts)


@functools.lru_cache(maxsize=KEPT)
def _json_grammar(schema: str, checks_after: bool) -> tuple[str, tuple[str, ...]]:
    what = "schema: no answer can be held to it"
    if well_formed(schema) != schema:
        raise ValueError(f"{what}: {_HALF}")
    options = {**LAYOUT, "lenient": True} if checks_after else LAYOUT
    try:
        grammar: str = library().LLMatcher.grammar_from_json_schema(schema, overrides=options)
    except ValueError as error:  # our JSON is well formed, so only its depth can be at fault
        raise ValueError(
            f"{what}: it must have some 100 levels at most, got more ({shown(str(error))}); describe it with "
            "fewer"
        ) from None
    after = _checked(grammar, what)
    if not _has_end(json.loads(schema)):
        raise ValueError(
            f"{what}: its recursion has no end; give a case that ends, as a field that may be left out"
        )
    return grammar, after


def _has_end(schema: Any) -> bool:
    """Whether a JSON schema that the library takes has a whole answer, or each has references for ever."""
    targets = {ref: _target(schema, ref) for ref in _references(schema)}
    ending: set[str] = set()
    while more := {ref for ref in targets.keys() - ending if _ends(targets[ref], ending)}:
        ending |= more
    return _ends(schema, ending)


def _ends(schema: Any, ending: Set[str]) -> bool:
    """Whether a schema has a whole answer, if only references in `ending` lead to one; in doubt it has."""
    if not isinstance(schema, dict) or schema.keys() & {"const", "enum"}:
        return True
    parts = [schema.get(key) for key in ("allOf", "anyOf", "oneOf")]
    every, *some = (part if part and isinstance(part, list) else [True] for part in parts)
    if "$ref" in schema and schema["$ref"] not in ending:
        return False
    if not all(_ends(one, ending) for one in every):
        return False
    if not all(any(_ends(one, ending) for one in choices) for choices in some):
        return False
    if schema.get("type") == "object" and isinstance(fields := schema.get("properties"), dict):
        return all(_ends(fields.get(name), ending) for name in schema.get("required", []))
    if schema.get("type") == "array" and schema.get("minItems", 0) > 0 and "prefixItems" not in schema:
        return _ends(schema.get("items"), ending)
    return True


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
        yield schema["$ref"]
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _references(part)


def _target(schema: Any, ref: str) -> Any:
    if ref != "#" and not ref.startswith("#/"):
        return None
    for step in ref.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        schema = schema.get(name) if isinstance(schema, dict) else None
    return schema


def _checked(grammar: str, what: str) -> tuple[str, ...]:
    is_error, told = library().LLMatcher.validate_grammar_with_warnings(grammar)
    if is_error:
        raise ValueError(f"{what}: {shown(' '.join(' '.join(told).split()), 500)}")
    return tuple(told)


def accepts(grammar: str, text: str) -> bool:
    """Whether a text is a whole answer in a grammar.

    >>> accepts(choice_grammar(("yes", "no")), "yes"), accepts(choice_grammar(("yes", "no")), "ye")
    (True, False)
    """
    matcher, tokens = _compiled(grammar).deep_copy(), Tokenizer().encode(text)
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


class Matcher:
    """What may come next in an answer, token by token.

    >>> matcher = Matcher(choice_grammar(("yes", "no")))
    >>> [matcher.may_be(token) for token in Tokenizer().encode("yes") + Tokenizer().encode("maybe")]
    [True, False]
    """

    def __init__(self, grammar: str) -> None:
        self._matcher = _compiled(grammar).deep_copy()
        self._mask: NDArray[np.int32] | None = None
        self._taken: list[int] = []

    def take(self, token: int) -> None:
        """Go on by a token that was written."""
        self._mask = None
        self._taken.append(token)
        self._matcher.consume_token(token)

    def mask(self, n_vocab: int = VOCAB_SIZE) -> Mask:
        """Return a bit for each token that may come; Unparsed, with what was written, where none may."""
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

        if self._mask is None:
            mask = allocate_token_bitmask(1, VOCAB_SIZE)
            fill_next_token_bitmask(self._matcher, mask, 0)
            self._mask = mask[0]
        if self._matcher.is_error() or not self._mask.any():
            raise self._no_way_on()
        words = np.zeros(-(-n_vocab // 32), np.uint32)
        n = min(len(words), len(self._mask))
        words[:n] = self._mask[:n].view(np.uint32)
        return words

    def _no_way_on(self) -> Unparsed:
        why = _fault(self._matcher)
        if why in ("", "NoExtensionBias"):
            why = "no text can follow, as where a recursion has no end: give it a case that ends"
        return Unparsed(
            f"the answer cannot go on in the form of its schema: {why}", Tokenizer().decode(self._taken)
        )

    def may_be(self, token: int) -> bool:
        """Whether a token may come next."""
        return allows(self.mask(), token)

    def only_one(self) -> int | None:
        """Return the token that must come next, if there is only one."""
        mask = self.mask()
        at = np.flatnonzero(mask)
        if len(at) != 1 or (word := int(mask[at[0]])) & (word - 1):
            return None
        return int(at[0]) * 32 + word.bit_length() - 1


def prepare() -> None:
    """Begin to read the vocabulary for grammars, which takes a second or two, in the background."""
    if _vocabulary.cache_info().currsize == 0 and not _reader:
        reader = threading.Thread(target=_vocabulary, name="ossnb, vocabulary for schemas", daemon=True)
        _reader.append(reader)
        with contextlib.suppress(RuntimeError):  # no more threads: it is read when it is needed
            reader.start()


@functools.lru_cache(maxsize=KEPT)
def _compiled(grammar: str) -> llguidance.LLMatcher:
    while _reader and _reader[-1].is_alive():  # in short steps, for an interrupt; a fork has no such thread
        _reader[-1].join(0.05)
    matcher: llguidance.LLMatcher = library().LLMatcher(_vocabulary(), grammar)
    if matcher.is_error():
        raise ValueError(f"the schema cannot be used: {_fault(matcher)}")
    return matcher


def _fault(matcher: llguidance.LLMatcher) -> str:
    """Return what a matcher finds wrong, without the state of the library, which follows it."""
    return shown(matcher.get_error().partition("<state>")[0].strip(), 500)


@functools.cache
def _vocabulary() -> llguidance.LLTokenizer:
    wrapper = library().TokenizerWrapper(_Vocabulary())
    found: llguidance.LLTokenizer = library().LLTokenizer(wrapper, n_vocab=VOCAB_SIZE, eos_token=[RETURN])
    return found


class _Vocabulary:
    """gpt-oss's vocabulary as llguidance wants it."""

    eos_token_id, bos_token_id = RETURN, None

    def __init__(self) -> None:
        self.tokens = [token_bytes(token) for token in range(VOCAB_SIZE)]
        self.special_token_ids = list(range(FIRST_SPECIAL, VOCAB_SIZE))

    def __call__(self, text: str) -> list[int]:
        return Tokenizer().encode(text)
