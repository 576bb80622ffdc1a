"""The rows of a table, the prompt that a template makes of each, and its answer."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from ..generation.record import Reply
from ..harmony.messages import Prompt
from ..system.text import shown, shown_value

Template = str | Callable[[Any], Prompt] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one row: a reply, or the error that stands in its place.

    >>> answer = model.map(["Hi"], temperature=0)[0]
    >>> answer.number, answer.row, answer.error
    (0, 'Hi', None)
    """

    number: int  # of the row, from 0
    row: Any
    reply: Reply | None = None
    error: str | None = None

    @property
    def text(self) -> str:
        """The reply's text; "" where there is an error."""
        return "" if self.reply is None else self.reply.text

    def __str__(self) -> str:
        return self.text if self.error is None else self.error


def check_rows(rows: Any) -> None:
    """Raise TypeError for what has no rows.

    >>> check_rows(["a", "b"])
    """
    if type(rows).__name__ == "LazyFrame":
        raise TypeError("a LazyFrame of polars has no rows before it is computed; give map frame.collect()")
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        raise TypeError(
            f"map takes rows: a list, any other iterable, or a frame or column of pandas or polars; got "
            f"{shown_value(rows)}"
        )


def rows_of(rows: Any) -> list[Any]:
    """Return the rows of an iterable, a frame or a column; those of a frame are dicts.

    >>> rows_of(["a", "b"])
    ['a', 'b']

    Raises ValueError for a frame with two columns of one name. An error of the iterable itself gets a note
    that says how many rows came before it.
    """
    if hasattr(rows, "iter_rows"):  # polars
        return list(rows.iter_rows(named=True))
    if hasattr(rows, "columns") and hasattr(rows, "to_dict"):  # pandas
        for name, n in Counter(map(str, rows.columns)).items():
            if n > 1:
                raise ValueError(
                    f"the frame has {n} columns {shown(name)!r}, and a row can have only one of them: give "
                    "each column a name of its own"
                )
        return list(rows.to_dict("records"))
    found: list[Any] = []
    try:
        for row in rows:
            found.append(row)
    except Exception as error:
        error.add_note(f"map read its rows: row {len(found):,} raised this, and no row was asked")
        raise
    return found


def check_template(template: Template, rows: Any) -> None:
    """Raise TypeError for what is no template, ValueError for one that does not fit a frame's columns."""
    if template is not None and not isinstance(template, str) and not callable(template):
        raise TypeError(
            "a template is a text such as 'Translate: {title}', a function of a row, or None where the rows "
            f"are prompts; got {shown_value(template)}"
        )
    if not isinstance(template, str):
        return
    names = field_names(template)
    if not names:
        raise ValueError(
            f"the template {shown(template)!r} names nothing of a row, so that every row would ask the same: "
            "write {} where a row is one value, or the name of a column as in {title}"
        )
    if (columns := getattr(rows, "columns", None)) is None:
        return
    there = list(map(str, columns))
    for name in names:
        if not name:
            raise ValueError(
                "{} in a template stands for a row that is one value, and the frame has columns: write the "
                f"name of one into it ({', '.join(there)})"
            )
        if name not in there:
            raise ValueError(f"the template needs a column {name!r}, and the frame has: {', '.join(there)}")


def field_names(template: str) -> list[str]:
    """List the names in a template's braces, "" for braces without one; ValueError for braces that do not
    match.

    >>> field_names("{title}: {text}")
    ['title', 'text']
    """
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ValueError(f"the template {shown(template)!r} has a mistake: {error}; {{{{ writes {{") from None
    return [name.split(".")[0].split("[")[0] for name in fields]


class _Empty(Exception):
    """A field of a template has no value in this row."""


class _Filled(string.Formatter):
    """A text with the values of a row in its braces, none of which may be empty."""

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if isinstance(key, int) and args:
            return args[key]
        return kwargs[str(key)]  # a column may have a number as its name, as in a frame of numpy's

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        value, used = super().get_field(field_name, args, kwargs)
        if _is_empty(value):
            raise _Empty(field_name)
        return value, used


def _is_empty(value: Any) -> bool:
    """Whether a value is one that tables have where there is none."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # of pandas
        return True
    return isinstance(value, Real) and bool(value != value)  # NaN


def prompt_of(template: Template, row: Any) -> Prompt:
    """Return the prompt of one row.

    >>> prompt_of("{a} + {b}?", {"a": 1, "b": 2}), prompt_of("Spell {}.", "cat"), prompt_of(None, "Hi")
    ('1 + 2?', 'Spell cat.', 'Hi')

    Raises whatever a function raises, and ValueError for a row that lacks what the template needs, or has an
    empty value there (None, NaN): no prompt has the word "None" for it.
    """
    if template is None:
        prompt: Prompt = row
        return prompt
    if not isinstance(template, str):
        return template(row)
    values: tuple[Any, ...] = row if isinstance(row, tuple) else () if isinstance(row, Mapping) else (row,)
    named = {str(name): value for name, value in _named(row)}
    try:
        return _Filled().vformat(template, values, named)
    except _Empty as error:
        what = f"column {str(error)!r}" if named else "the value"
        raise ValueError(
            f"{what} is empty in this row; drop the row, or give a function as the template"
        ) from None
    except (KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
        has = f"it has {', '.join(named)}" if named else f"it is {shown_value(row)}"
        raise ValueError(
            f"the row does not fit the template ({type(error).__name__}: {error}); {has}"
        ) from None


def _named(row: Any) -> Iterable[tuple[Any, Any]]:
    """The values of a row with their names, where they have any: those of a dict or a named tuple."""
    if isinstance(row, Mapping):
        return row.items()
    return zip(getattr(row, "_fields", ()), row, strict=False) if isinstance(row, tuple) else ()
