"""The live views: one JavaScript module each; it gets texts and numbers, and nothing to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

_STATIC = Path(__file__).parent / "static"


def module(name: str) -> str:
    """Return the one ES module of a view: the code that all share, and its own."""
    return "".join((_STATIC / f"{part}.js").read_text(encoding="utf-8") for part in ("strip", name))


class LiveView(anywidget.AnyWidget):
    """Tokens; the reader has `selected` one. `special` are the positions of harmony's marks and headers."""

    twin = t.Unicode().tag(sync=True)  # the class of the picture this view stands in for
    tokens = t.List(t.Unicode()).tag(sync=True)
    special = t.List(t.Int()).tag(sync=True)
    n_left_out = t.Int(0).tag(sync=True)  # tokens after these
    selected = t.Int(0).tag(sync=True)
    hides_special = t.Bool(False).tag(sync=True)  # whether those positions are left out
    has_kernel = t.Bool(True).tag(sync=True)  # whether somebody hears what is sent


class TokensView(LiveView):
    """Tokens with their alternatives; `shade` follows the reader's choice."""

    _esm = module("tokens")

    probabilities = t.List(t.Float()).tag(sync=True)
    entropies = t.List(t.Float()).tag(sync=True)
    ranks = t.List(t.Int()).tag(sync=True)  # of the tokens written, from 1 on
    written = t.List(t.Int()).tag(sync=True)  # where each is among its alternatives
    alternatives: t.List[Any] = t.List().tag(sync=True)
    branches: t.List[Any] = t.List().tag(sync=True)
    shade = t.Enum(["probability", "entropy"], default_value="probability").tag(sync=True)
    busy = t.Bool(False).tag(sync=True)
    error = t.Unicode().tag(sync=True)


class ExpertsView(LiveView):
    """The experts of the selected token."""

    _esm = module("experts")

    n_experts = t.Int().tag(sync=True)
    ids: t.List[Any] = t.List().tag(sync=True)
    weights: t.List[Any] = t.List().tag(sync=True)


class AttentionView(LiveView):
    """The places where the reply's selected token looked; `tokens` begin with the prompt's `n_prompt`."""

    _esm = module("attention")

    label = t.Unicode().tag(sync=True)
    n_prompt = t.Int().tag(sync=True)
    weights = t.Bytes().tag(sync=True)  # float32 [T, S], row after row


class CompareView(LiveView):
    """Replies side by side; `selected` is one of their differences, which `replies` have in `parts`."""

    _esm = module("compare")

    label = t.Unicode().tag(sync=True)
    replies: t.List[Any] = t.List().tag(sync=True)


class DistributionView(LiveView):
    """The distributions that an answer's T tokens were drawn from, as the settings make them.

    The page weighs them itself. `answer` is a number, another one for every answer. Bytes are rows of T:
    `logits` float32 [T, K], `seen` uint8 [T, K], `rest` float32 [T, 3 + 3 bins]: the log of the total, how
    many of the other tokens count for the repetition penalty, and counts, means and edges of their histogram.
    """

    _esm = module("distribution")

    answer = t.Int().tag(sync=True)
    labels: t.List[Any] = t.List().tag(sync=True)  # of the likeliest tokens, [T][bars]
    logits = t.Bytes().tag(sync=True)
    seen = t.Bytes().tag(sync=True)
    rest = t.Bytes().tag(sync=True)
    written = t.List(t.Int()).tag(sync=True)  # where each token is among its K; K where it is not
    written_labels = t.List(t.Unicode()).tag(sync=True)  # those of the tokens written
    threshold = t.Float().tag(sync=True)  # of the shares that are called unlikely
    temperature = t.Float(1.0).tag(sync=True)
    top_k = t.Int(0).tag(sync=True)
    top_p = t.Float(1.0).tag(sync=True)
    min_p = t.Float(0.0).tag(sync=True)
    repetition_penalty = t.Float(1.0).tag(sync=True)
