"""The drawings of the lasting pictures: colours and their legend, bars, maps. Inline style, light and dark.

The grammar: every colour has one meaning, and a legend in the view says it. Orange is unlikely. Blue is a
share: the more, the darker. Grey is what the model had before the settings. Violet and green are two sides
that differ. A number stands beside its bar. What is selected is framed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..page.output import QUIET
from .markup import Html, percent

UNLIKELY = "234,110,20"  # orange
SHARE = "30,110,230"  # blue
OWN = "128,128,128"  # grey
FIRST, SECOND = "150,80,200", "40,150,80"  # violet and green
FULL = 0.65  # the darkest shade: text on it can be read, on white and on black
BAR = 0.9  # the depth of a bar, on which there is no text

MONO = "font-family:var(--jp-code-font-family,monospace)"
_NUMBER = "text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap"
_WIDTH = "display:inline-block;min-width:4.9em"  # of a number, so that the bars begin below each other
_CELL = "padding:1px 0.5em 1px 0;border:none;background:none"
_SWATCH = "display:inline-block;height:0.8em;border-radius:2px;box-shadow:0 0 0 1px rgba(128,128,128,0.4)"
_ROWS = "background:none;border:none"


def shade(colour: str, share: float) -> str:
    """A background as dark as its share, 0 to 1."""
    return f"background:rgba({colour},{FULL * min(max(share, 0.0), 1.0):.2f})"


# ---- the legend --------------------------------------------------------------------------------------------


def ramp(colours: tuple[str, str], *labels: str) -> Html:
    """A part of a legend: shades between two colours, with a label at each end, and any others below it."""
    left, *middle, right = labels
    if colours[0] == colours[1]:
        stops = f"rgba({colours[0]},0),rgba({colours[1]},{FULL})"
    else:
        stops = (
            f"rgba({colours[0]},{FULL}),rgba({colours[0]},0),rgba({colours[1]},0),rgba({colours[1]},{FULL})"
        )
    style = f"{_SWATCH};width:7em;text-align:center;line-height:0.8em"
    style += f";background:linear-gradient(to right,{stops})"
    return _key([left, Html.of("span", " ".join(middle), style=style), right])


def swatch(colour: str, text: str, depth: float = BAR) -> Html:
    """A part of a legend: one colour and its meaning."""
    style = f"{_SWATCH};width:1.2em;background:rgba({colour},{depth:.2f})"
    return _key([Html.of("span", "", style=style), text])


def frame(text: str) -> Html:
    """A part of a legend: what a thin frame means."""
    return _key([Html.of("span", "", style=f"{_SWATCH};width:1.2em;{FRAME}"), text])


FRAME = "box-shadow:inset 0 0 0 1.5px currentColor"


def _key(parts: Sequence[str]) -> Html:
    inner = Html.joined(part if isinstance(part, Html) else Html.of("span", part) for part in parts)
    return Html.of("span", inner, style="display:inline-flex;align-items:center;gap:0.4em;margin-right:1.2em")


def legend(*keys: Html | str) -> Html:
    """The line that says what a view's colours mean, and a few words more."""
    inner = Html.joined(key if isinstance(key, Html) else Html.of("span", key) for key in keys)
    return note(inner)


def note(text: str) -> Html:
    """A quiet line of words about a view."""
    return Html.of("div", text, style=f"{QUIET};margin:0.3em 0;line-height:1.5")


# ---- what scrolls ------------------------------------------------------------------------------------------


def scrolling(content: Html, label: str, overflow: str = "auto") -> Html:
    """An area that scrolls sideways where it is narrow, by keys too."""
    return Html.of(
        "div",
        content,
        style=f"overflow-x:{overflow};padding:2px 2px 4px",
        tabindex="0",
        role="group",
        aria_label=label,
        data_lm_suppress_shortcuts="true",  # JupyterLab leaves the keys to what has the focus
    )


# ---- bars --------------------------------------------------------------------------------------------------


def bar(share: float, colour: str) -> Html:
    """A bar in a track of its own: it runs through no number."""
    reach = f"{100 * min(max(share, 0.0), 1.0):.1f}%"
    fill = Html.of(
        "span", "", style=f"display:block;height:100%;width:{reach};background:rgba({colour},{BAR})"
    )
    track = (
        "display:inline-block;vertical-align:-0.05em;width:min(8em,9vw);height:0.8em;margin-right:0.5em;"
        "border-radius:2px;overflow:hidden;background:rgba(128,128,128,0.15)"
    )
    return Html.of("span", fill, style=track)


def bar_table(heads: Sequence[str], rows: Sequence[BarRow], names: Sequence[str] = ("rank", "token")) -> Html:
    """A table of tokens: rank, text, and shares with their bars; `heads` are those of the shares' columns,
    and `names` those of the first two."""
    lead = [Html.of("th", text, style=f"{_CELL};font-weight:normal;text-align:left") for text in names]
    ends = [Html.of("th", text, style=f"{_CELL};font-weight:normal;text-align:right") for text in heads]
    lines = [Html.joined([*lead, *ends]), *(row.cells() for row in rows)]
    body = Html.joined(Html.of("tr", line, style=_ROWS) for line in lines)
    return Html.of("table", body, style="border-collapse:collapse;color:inherit;margin:0.4em 0;font-size:93%")


class BarRow:
    """A row of `bar_table`: `shares` are (share, its text, colour); `is_written` marks the token written."""

    def __init__(
        self, rank: str, label: str, shares: Sequence[tuple[float, str, str]], is_written: bool = False
    ) -> None:
        self.rank, self.label, self.shares, self.is_written = rank, label, shares, is_written

    def cells(self) -> Html:
        """The row's cells."""
        name = f"{self.label} ← written" if self.is_written else self.label
        weight = ";font-weight:bold" if self.is_written else ""
        return Html.joined(
            [
                Html.of("td", self.rank, style=f"{_CELL};{_NUMBER}"),
                Html.of("td", name, style=f"{_CELL};{MONO};white-space:pre;text-align:left{weight}"),
                *(
                    Html.of(
                        "td",
                        Html.joined([bar(share, colour), Html.of("span", text, style=_WIDTH)]),
                        style=f"{_CELL};{_NUMBER}",
                    )
                    for share, text, colour in self.shares
                ),
            ]
        )


# ---- maps --------------------------------------------------------------------------------------------------

_LEFT, _TOP = 58, 34  # room for the names of rows and columns


def heat_map(
    values: NDArray[np.float64],
    title: Callable[[int, int], str],
    labels: tuple[str, str],
    colours: tuple[str, str] = (SHARE, SHARE),
) -> Html:
    """An SVG of a matrix with names for rows and columns; `labels` are (of a column, of a row). The largest
    value has the darkest shade: in the first colour above zero, in the second below."""
    rows, columns = values.shape
    largest = float(np.abs(values).max()) or 1.0
    width, height = _cell_size(columns)
    cells = [
        _cell(int(r), int(c), float(values[r, c]) / largest, (width, height), title(int(r), int(c)), colours)
        for r, c in np.argwhere(values)
    ]
    right, bottom = _LEFT + columns * width, _TOP + rows * height
    outline = Html.of(
        "rect", "", x=_LEFT - 0.5, y=_TOP - 0.5, width=right - _LEFT + 1, height=bottom - _TOP + 1,
        fill="none", stroke="rgba(128,128,128,0.5)",
    )  # fmt: skip
    drawing = Html.of(
        "svg",
        Html.joined([outline, *_names(rows, columns, (width, height), labels), *cells]),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {right + 2} {bottom + 2}",
        width=right + 2,
        height=bottom + 2,
        style="display:block;max-width:none",
        role="img",
        aria_label=f"{labels[1]}s downward, {labels[0]}s across",
    )
    return scrolling(drawing, f"map of {labels[0]}s")


def _cell_size(columns: int) -> tuple[int, int]:
    return (44, 26) if columns <= 12 else (14, 16) if columns <= 48 else (7, 12)


def _names(rows: int, columns: int, size: tuple[int, int], labels: tuple[str, str]) -> list[Html]:
    """The names of rows and columns, as many as there is room for."""
    width, height = size
    step = 1 if width > 20 else 4 if width > 10 else 8
    text: dict[str, Any] = {"fill": "currentColor", "font_size": 11, "font_family": "sans-serif"}
    named = [Html.of("text", f"{labels[0]}s", x=_LEFT, y=12, **text)]
    named += [
        Html.of("text", str(c), x=_LEFT + (c + 0.5) * width, y=_TOP - 6, text_anchor="middle", **text)
        for c in range(0, columns, step)
    ]
    named += [
        Html.of("text", f"{labels[1]} {r}", x=0, y=_TOP + (r + 0.5) * height + 4, **text) for r in range(rows)
    ]
    return named


def _cell(
    row: int, column: int, value: float, size: tuple[int, int], title: str, colours: tuple[str, str]
) -> Html:
    colour = colours[0] if value > 0 else colours[1]
    return Html.of(
        "rect",
        Html.of("title", title),
        x=_LEFT + column * size[0],
        y=_TOP + row * size[1],
        width=size[0] - 1,
        height=size[1] - 1,
        fill=f"rgba({colour},{max(FULL * abs(value), 0.04):.2f})",
    )


def scale_labels(largest: float) -> tuple[str, str, str]:
    """The labels of a scale whose shade goes with the root of the share: its ends, and its middle."""
    return "0 %", percent(largest / 4), percent(largest)
