"""The logit lens as a table: the model's likeliest words after each layer, in place of each token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..engine.kept import token_key
from ..engine.trace import check_layers
from ..generation.record import Reply
from ..harmony.tokenizer import token_bytes
from ..system.arguments import integer
from ..system.text import counted
from .drawing import FRAME, FULL, SHARE, frame, legend, ramp, scrolling
from .markup import Html, marked, percent, token_name, visible
from .panel import Panel
from .strip import marks

N_CELLS = 2400  # in one picture, some 150 bytes each
N_TOP = 3
N_NARROW = 4  # tokens that stand beside each other on any page

_TABLE = (
    "border-collapse:separate;border-spacing:2px;color:inherit;white-space:pre;margin:0;"
    "font-family:var(--jp-code-font-family,monospace)"
)
_CELL = "text-align:left;padding:2px 6px;border:none;border-radius:2px"
# The layers' names stay in sight while the tokens scroll by.
_NAME = (
    f"{_CELL};font-weight:normal;position:sticky;left:0;"
    "background:var(--jp-layout-color0,var(--vscode-editor-background,Canvas))"
)


class LogitLens(Panel):
    """The tokens that the layers in between would have written in place of the reply's tokens.

    >>> lens = reply.logit_lens()
    >>> lens.ids.shape, lens.decided[:3].tolist()
    ((4, 50, 3), [0, 1, 1])

    `layers` is [K]. `tokens` [T] are the reply's. `ids` int32 [K, T, n_top] are the likeliest tokens in place
    of each if the output layer came right after the layer, best first. `logprobs` [K, T, n_top] belong to
    them. Column t belongs to the pass that chose token t. `lens[10:20]` is the part of these tokens.
    """

    title = "What each layer would have written"

    def __init__(
        self,
        tokens: NDArray[np.int32],
        layers: NDArray[np.int32],
        ids: NDArray[np.int32],
        logprobs: NDArray[np.float32],
        first: int = 0,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.layers = layers
        self.ids = ids
        self.logprobs = logprobs
        self._first = first  # number of the first token in the reply

    @classmethod
    def read(cls, reply: Reply, layers: Iterable[int] | None = None, n_top: int = N_TOP) -> Self:
        """Read a reply that has tokens again with its model."""
        read = [*reply.prompt_tokens, *reply.tokens[:-1]]
        start = len(reply.prompt_tokens) - 1
        model = reply.origin.model
        chosen = check_layers(layers, model.config.num_hidden_layers)
        n_top = integer("n_top", n_top, 1, model.config.vocab_size)
        key = ("lens", *chosen, n_top, start, token_key(read))
        found = model.kept.get(key)
        if found is None:
            traced = model.trace(read, what="logit_lens", layers=chosen, start=start, n_top=n_top)
            found = model.kept.put(key, traced)
        tokens = np.asarray(reply.tokens, np.int32)
        return cls(tokens, found["layers"], found["lens_tokens"], found["lens_logprobs"])

    def __getitem__(self, part: slice) -> LogitLens:
        if not isinstance(part, slice) or not len(self.tokens[part]):
            raise ValueError(f"a part of {len(self.tokens)} tokens must be a non-empty slice, got {part!r}")
        first = self._first + part.indices(len(self.tokens))[0]
        return LogitLens(self.tokens[part], self.layers, self.ids[:, part], self.logprobs[:, part], first)

    @property
    def decided(self) -> NDArray[np.int32]:
        """The first layer from which all layers find the written token likeliest, [T]; -1 for none."""
        is_it = self.ids[:, :, 0] == self.tokens
        n_right = np.logical_and.accumulate(is_it[::-1], axis=0).sum(axis=0)
        first = (len(self.layers) - n_right).clip(max=len(self.layers) - 1)
        return np.where(n_right > 0, self.layers[first], -1).astype(np.int32)

    def table(self) -> list[dict[str, Any]]:
        """List one row for each layer and token, as `pandas.DataFrame` takes them.

        >>> list(reply.logit_lens().table()[0])
        ['layer', 'position', 'text', 'written', 'probability']
        """
        return [
            {
                "layer": int(self.layers[k]),
                "position": self._first + t,
                "text": _text(int(self.ids[k, t, 0])),
                "written": _text(int(self.tokens[t])),
                "probability": float(np.exp(self.logprobs[k, t, 0])),
            }
            for k, t in np.ndindex(*self.ids.shape[:2])
        ]

    # ---- the pictures ------------------------------------------------------------------------------------

    def plain(self) -> str:
        """The layer from which each token stood, as text."""
        rows = [
            f"{self._first + t:>5}  {token_name(token)} {_since(int(layer))}"
            for t, (token, layer) in enumerate(zip(self.tokens.tolist(), self.decided, strict=True))
        ]
        return "\n".join(
            [f"{counted(len(self.tokens), 'token')}, {counted(len(self.layers), 'layer')}", *rows]
        )

    def html(self) -> Html:
        """Layers downward, tokens across: darker where the layer was surer, framed where it was wrong."""
        unhidden = self._unhidden()
        shown = unhidden[: max(1, N_CELLS // len(self.layers))]
        written = [Html.of("th", "written", style=_NAME)]
        written += [
            Html.of(
                "th",
                marked(_text(int(self.tokens[t]))),
                style=f"{_CELL};background:none",
                title=f"token {self._first + t}: {_since(int(self.decided[t]))}",
            )
            for t in shown
        ]
        rows = [Html.joined(written), *(self._row(k, shown) for k in range(len(self.layers)))]
        lines = Html.joined(Html.of("tr", row, style="background:none") for row in rows)
        table = scrolling(
            Html.of("table", lines, style=_TABLE), "the likeliest token after each layer", "scroll"
        )
        keys = [ramp((SHARE, SHARE), "0 %", "100 % sure"), frame("another token than the one written")]
        return Html.joined([table, legend(*keys, self._left_out(shown, len(unhidden)))])

    def _unhidden(self) -> list[int]:
        special = set(marks(self.tokens.tolist())) if self.hides_special else ()
        return [t for t in range(len(self.tokens)) if t not in special]

    def _left_out(self, shown: list[int], n_unhidden: int) -> str:
        words = "The table scrolls sideways, by keys too." if len(shown) > N_NARROW else ""
        if len(shown) == n_unhidden:
            return words
        first, last = self._first + shown[0], self._first + shown[-1]
        return f"{words} Tokens {first} to {last} are in the picture; slice for others."

    def _row(self, k: int, shown: list[int]) -> Html:
        cells = [Html.of("th", f"layer {self.layers[k]}", style=_NAME)]
        for t in shown:
            ids, p = self.ids[k, t].tolist(), np.exp(self.logprobs[k, t])
            wrong = f";{FRAME}" if ids[0] != self.tokens[t] else ""
            title = "\n".join(f"{percent(q)} {token_name(i)}" for i, q in zip(ids, p, strict=True))
            style = f"{_CELL};background:rgba({SHARE},{FULL * float(p[0]):.2f}){wrong}"
            cells.append(Html.of("td", marked(_text(ids[0])), style=style, title=title))
        return Html.joined(cells)


def _text(token: int) -> str:
    return visible(token_bytes(token))


def _since(layer: int) -> str:
    return "was not the likeliest in the end" if layer < 0 else f"from layer {layer} on"
