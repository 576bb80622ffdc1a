"""The live views: one JavaScript module each, fed with texts and numbers, nothing to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

_STATIC = Path(__file__).parent / "static"


class TokensView(anywidget.AnyWidget):
    """Tokens with their alternatives; `selected` and `shade` follow what the reader does."""

    _esm = _STATIC / "tokens.js"

    twin = t.Unicode().tag(sync=True)  # the class of the picture this view stands in for
    tokens = t.List(t.Unicode()).tag(sync=True)
    probabilities = t.List(t.Float()).tag(sync=True)
    entropies = t.List(t.Float()).tag(sync=True)
    alternatives: t.List[Any] = t.List().tag(sync=True)
    branches: t.List[Any] = t.List().tag(sync=True)
    selected = t.Int(0).tag(sync=True)
    shade = t.Enum(["probability", "entropy"], default_value="probability").tag(sync=True)
    busy = t.Bool(False).tag(sync=True)
    error = t.Unicode().tag(sync=True)


class ExpertsView(anywidget.AnyWidget):
    """The experts of the selected token."""

    _esm = _STATIC / "experts.js"

    twin = t.Unicode().tag(sync=True)
    tokens = t.List(t.Unicode()).tag(sync=True)
    n_experts = t.Int().tag(sync=True)
    ids: t.List[Any] = t.List().tag(sync=True)
    weights: t.List[Any] = t.List().tag(sync=True)
    selected = t.Int(0).tag(sync=True)
