"""Replies as a table, to compare runs."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from ..harmony.prompt import only_question
from ..harmony.tokenizer import well_formed
from ..system.text import shown_value
from .figures import SPEEDS, Stats
from .keywords import takes
from .record import Reply
from .sampling import SAMPLING_DEFAULTS

LIBRARIES = ("pandas", "polars")
_PLAIN = (int, float, str, bytes, list, tuple, dict)  # what null does not stand for
ALWAYS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "max_tokens",
)  # other settings stand where one was changed
# Types that both libraries have: seeds are beyond int64, and integers stay integers beside a missing one.
_SOURCE = ("model", "revision", "precision", "device", "kv", "effort")
TYPES = {"seed": "UInt64", "max_tokens": "Int64", "mean_logprob": "Float64"}


@takes()
def to_frame(replies: Iterable[Reply] | Mapping[str, Reply] | Reply, *, library: str | None = None) -> Any:
    """Return replies as a table of pandas or polars, a row for each, to compare runs.

    >>> runs = [model.generate("What is 75 + 48?", effort=effort, seed=1) for effort in ("low", "medium")]
    >>> ossnb.to_frame(runs, library="pandas")[["effort", "text"]]
       effort            text
    0     low  75 + 48 = 113.
    1  medium  75 + 48 = 123.

    The columns are question (if the conversation had only one), text, reasoning, tool_calls (their names),
    finish_reason, the counts, seconds and speeds of Stats (tokens a second, GB a second), mean_logprob (where
    the question asked for logprobs), the model, its settings and the seed, notes, and tokens (their ids). A
    setting that no reply changed has no column, except the usual ones. A dict of replies gives a first column
    "name" with its keys. `library` is "pandas" or "polars"; None takes the one that is imported already, else
    one that is installed. Raises ImportError if there is neither, TypeError for what is no reply.
    """
    chosen, named = chosen_library(library), _named(replies)
    columns = _columns([reply for _, reply in named])
    if isinstance(replies, Mapping):
        columns = {"name": [name for name, _ in named], **columns}
    return table(columns, chosen, TYPES)


def table(columns: Mapping[str, list[Any]], library: str, types: Mapping[str, str]) -> Any:
    """Return columns as a table of a library, those of `types` with a type that both libraries have.

    >>> table({"seed": [7]}, "polars", {"seed": "UInt64"}).columns
    ['seed']
    """
    if library == "polars":
        import polars

        made = {name: _series(values) for name, values in columns.items() if name not in types}
        made |= {name: polars.Series(columns[name], dtype=getattr(polars, types[name])) for name in types}
        return polars.DataFrame({name: made[name] for name in columns})
    import pandas

    typed = {name: pandas.array(columns[name], dtype=kind) for name, kind in types.items()}
    return pandas.DataFrame({**columns, **typed})


def _series(values: list[Any]) -> Any:
    """Return values as a column of polars; those that have no type in common become texts.

    polars itself loses some there: a number beside a dict becomes null, and a dict in a text its keys.
    """
    import polars

    with contextlib.suppress(Exception):  # half a character, among others
        series = polars.Series(values, strict=False)
        is_text = series.dtype == polars.String
        if not any(
            (is_text and not isinstance(value, str)) or (is_null and isinstance(value, _PLAIN))
            for value, is_null in zip(values, series.is_null(), strict=True)
            if value is not None
        ):
            return series
    return polars.Series([None if value is None else well_formed(str(value)) for value in values])


def chosen_library(library: str | None) -> str:
    """Return the library for tables: the one named, else one that is imported, else one that is installed.

    >>> chosen_library("pandas")
    'pandas'
    """
    if library is not None and library not in LIBRARIES:
        raise ValueError(f"library must be 'pandas', 'polars' or None, got {shown_value(library)}")
    wanted = LIBRARIES if library is None else (library,)
    here = [name for name in wanted if sys.modules.get(name) is not None]  # imported already
    here += [name for name in wanted if name not in sys.modules and importlib.util.find_spec(name)]
    if here:
        return here[0]
    raise ImportError(
        f"to_frame needs {' or '.join(wanted)}, which is not installed here: pip install {wanted[0]}; "
        "reply.to_dict() needs neither"
    )


def _named(replies: Any) -> list[tuple[Any, Reply]]:
    if isinstance(replies, Reply):
        replies = [replies]
    if isinstance(replies, str | bytes) or not isinstance(replies, Iterable):
        raise TypeError(f"to_frame takes a list of replies, or a dict of them, got {shown_value(replies)}")
    named = [*replies.items()] if isinstance(replies, Mapping) else [*enumerate(replies)]
    for name, reply in named:
        if not isinstance(reply, Reply):
            raise TypeError(
                f"to_frame takes replies, got {shown_value(reply)} at {shown_value(name)}; generate(...) and "
                "Reply.from_dict(...) give one"
            )
    return named


def _columns(replies: list[Reply]) -> dict[str, list[Any]]:
    counts = [field.name for field in fields(Stats)]
    changed = [
        name
        for name, default in (SAMPLING_DEFAULTS | {"logit_bias": {}, "stop": ()}).items()
        if name != "seed" and (name in ALWAYS or any(getattr(r.sampling, name) != default for r in replies))
    ]
    rows = [
        {
            "question": only_question(reply.prompt_tokens) or None,
            "text": reply.text,
            "reasoning": reply.reasoning,
            "tool_calls": [call.name for call in reply.tool_calls],
            "finish_reason": reply.finish_reason,
            **asdict(reply.stats),
            **{name: getattr(reply.stats, name) for name in SPEEDS},
            "mean_logprob": _mean([token.logprob for token in reply.logprobs]),
            **{name: getattr(reply, name) for name in _SOURCE},
            "seed": reply.sampling.seed,
            **{name: _plain(getattr(reply.sampling, name)) for name in changed},
            "notes": list(reply.notes),
            "prompt_sha256": reply.prompt_sha256,
            "tokens": list(reply.tokens),
        }
        for reply in replies
    ]
    head = ["question", "text", "reasoning", "tool_calls", "finish_reason", *counts, *SPEEDS, "mean_logprob"]
    middle = [*_SOURCE, "seed", *changed]
    return {
        name: [row[name] for row in rows] for name in [*head, *middle, "notes", "prompt_sha256", "tokens"]
    }


def _mean(numbers: list[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


def _plain(value: Any) -> Any:
    """A setting as both libraries take it: words for what is no number."""
    if isinstance(value, Mapping):
        return ", ".join(f"{token}: {bias:g}" for token, bias in value.items())
    return ", ".join(map(repr, value)) if isinstance(value, tuple) else value
