"""Tables of pandas and polars as documents: what columns there are, some rows, and figures of the columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .document import Text

N_ROWS = 10  # of the beginning
MOST_COLUMNS = 60
MOST_CHARS = 200  # of a value


def is_table(value: Any) -> bool:
    """Whether a value is a DataFrame or a Series of pandas or polars; neither is imported.

    >>> is_table([1, 2])
    False
    """
    module = type(value).__module__.partition(".")[0]
    return module in ("pandas", "polars") and type(value).__name__ in ("DataFrame", "Series", "LazyFrame")


def table_text(table: Any) -> Text:
    """Return a table's schema, its first rows, and figures of its columns.

    >>> import pandas as pd
    >>> print("\\n".join(table_text(pd.DataFrame({"a": [1, 2]})).lines[:5]))
    2 rows x 1 column, a DataFrame of pandas
    <BLANKLINE>
    # Columns
    a: int64
    <BLANKLINE>

    All of a table is `table.to_csv()` or `table.write_csv()`, in a file or as a text.
    """
    return Text.of_parts(_parts(table), gap=True)


def _parts(table: Any) -> Iterator[tuple[str, str]]:
    library, kind = type(table).__module__.partition(".")[0], type(table).__name__
    if kind == "LazyFrame":
        table = table.collect()
    if kind == "Series":
        table = table.to_frame()
    n_rows, n_columns = table.shape
    size = f"{_counted(n_rows, 'row')} x {_counted(n_columns, 'column')}"
    columns = list(table.columns)
    told = columns[:MOST_COLUMNS]
    types = [str(kind) for kind in list(table.dtypes)[:MOST_COLUMNS]]
    missing = _missing(table, library)
    lines = [
        f"{_plain(name)}: {kind}" + (f", {n:,} missing" if (n := missing[i]) else "")
        for i, (name, kind) in enumerate(zip(told, types, strict=True))
    ]
    if len(columns) > len(told):
        lines.append(f"... and {len(columns) - len(told):,} columns more")
    schema = "\n".join([f"{size}, a {kind} of {library}", "", "# Columns", *lines])
    yield "the columns", schema
    few = table.iloc[:, :MOST_COLUMNS] if library == "pandas" else table[:, :MOST_COLUMNS]
    n_shown = min(N_ROWS, n_rows)
    heading = f"# The first {_counted(n_shown, 'row')}" if n_shown < n_rows else "# All rows"
    yield "the first rows", f"{heading}\n{_rows(few.head(N_ROWS), library, told)}"
    if n_rows and n_columns:
        yield "the figures", f"# Figures of the columns\n{_figures(few, library)}"


def _rows(head: Any, library: str, columns: list[Any]) -> str:
    if library == "pandas":
        index = [_plain(name) for name in head.index]
        rows = [
            [i, *map(_plain, row)]
            for i, row in zip(index, head.itertuples(index=False, name=None), strict=True)
        ]
    else:
        rows = [["", *map(_plain, row)] for row in head.rows()]
    return "\n".join(" | ".join(row) for row in [["", *map(_plain, columns)], *rows])


def _figures(table: Any, library: str) -> str:
    try:
        told = table.describe(include="all") if library == "pandas" else table.describe()
    except Exception as error:  # of columns with lists or objects in them
        return f"there are none: {type(error).__name__}"
    if library == "pandas":
        return _rows(told, library, list(told.columns))
    return "\n".join(" | ".join(map(_plain, row)) for row in [told.columns, *told.rows()])


def _missing(table: Any, library: str) -> list[int]:
    try:
        counts = table.isna().sum() if library == "pandas" else table.null_count().row(0)
        return [int(n) for n in counts]
    except Exception:
        return [0] * table.shape[1]


def _plain(value: Any) -> str:
    """Return a value on one line; a float with as many digits as say something."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = " ".join(text.split()).replace("|", "¦")
    return text if len(text) <= MOST_CHARS else text[:MOST_CHARS] + "…"


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"
