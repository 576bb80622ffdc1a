"""What an answer looked at: the spans of its prompt, by the attention of its tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..engine.kept import token_key
from ..engine.spread import Spread, spread
from ..engine.trace import check_layers
from ..generation.record import Reply
from ..harmony.parts import Part, parts_of
from ..system.arguments import integer
from ..system.text import counted, shown, shown_value
from .drawing import SHARE, BarRow, bar_table, legend, note, ramp, scale_labels, scrolling
from .markup import Html, marked, percent
from .panel import Panel
from .strip import MAX_TOKENS, token_strip, token_traits

OWN = "the answer itself"
SINK = "no token (sinks)"
CAVEAT = (
    "Attention says where the layers looked while they read the answer's tokens. It does not say why the "
    "model wrote them: a layer may look and take nothing, and layers carry on what others have read. Marks "
    "and the first tokens get much of it everywhere."
)


class Sources(Panel):
    """The shares of attention that an answer's tokens gave to the parts of the prompt.

    >>> sources = reply.sources()
    >>> [part.name for part in sources.parts]
    ['system message', 'question', 'begin of the answer', 'the answer itself']

    `parts` are K spans of the prompt's tokens, and at last the answer itself. `shares` [K] is the mean over
    all tokens, layers and heads, `by_token` [T, K] that over layers and heads, and `by_head` [L, heads, K]
    that over the T tokens of the reply; `layers` [L] names the layers. `heat` has the mean for each token of
    the prompt. What is missing to 1 went to the heads' sinks. All are float32. The live view shows the shares
    for all of the answer or a token of it, in all layers and heads or in one.
    """

    title = "What the answer looked at"

    def __init__(
        self, tokens: list[int], answer: list[int], parts: list[Part], layers: list[int], found: Spread
    ) -> None:
        super().__init__()
        self.tokens = tokens  # of the prompt
        self.answer = answer
        self.parts = parts
        self.layers = np.asarray(layers, np.int32)
        self.by_token, self.by_head, self.heat = found.by_token, found.by_head, found.heat
        self._each = found.each

    @classmethod
    def read(
        cls, reply: Reply, layers: Iterable[int] | None = None, named: Mapping[str, str] | None = None
    ) -> Self:
        """Read a reply that has tokens again with its model. `named` are texts to tell apart in the prompt,
        by name; those that its cell inserted are known. ValueError for a text that is not in it."""
        model = reply.origin.model
        chosen = [*dict.fromkeys(check_layers(layers, model.config.num_hidden_layers))]
        prompt = list(reply.prompt_tokens)
        own = _checked(named)
        parts = parts_of(prompt, {shown(n): text for n, text in {**reply.named, **own}.items()})
        found_names = {part.name for part in parts if part.kind == "named"}
        if missing := next((name for name in own if shown(name) not in found_names), None):
            raise ValueError(
                f"named must be texts of the prompt, and that of {shown_value(missing)} is not in it: "
                f"{shown_value(own[missing])}"
            )
        tokens = [*prompt, *reply.tokens]
        bounds = [part.start for part in parts] + [len(prompt), len(tokens)]
        key = ("sources", tuple(chosen), tuple(bounds), token_key(tokens))
        if (kept := model.kept.get(key)) is None:
            found = spread(
                lambda: model.trace_blocks(tokens),
                model.tensors,
                model.config,
                chosen,
                len(tokens),
                len(prompt),
                bounds,
            )
            kept = model.kept.put(key, {field.name: getattr(found, field.name) for field in fields(found)})
        parts = [*parts, Part(len(prompt), len(tokens), "text", OWN)]
        return cls(prompt, list(reply.tokens), parts, chosen, Spread(**kept))

    @property
    def shares(self) -> NDArray[np.float32]:
        """The share of each part, [K]."""
        return np.asarray(self.by_token.mean(axis=0))

    @property
    def sinks(self) -> float:
        """The share that went to no token."""
        return max(float(1 - self.shares.sum()), 0.0)

    def share(self, name: str) -> float:
        """Return the share of all parts of this name; ValueError where there is none.

        >>> 0 < reply.sources().share("question") < 1
        True
        """
        found = [i for i, part in enumerate(self.parts) if part.name == name]
        if not found:
            names = ", ".join(dict.fromkeys(part.name for part in self.parts))
            raise ValueError(f"name must be a part of the prompt, of {names}; got {shown_value(name)}")
        return float(self.shares[found].sum())

    def strongest(self, n: int = 8) -> list[tuple[str, float]]:
        """List the parts with the largest shares: (name, share), parts of one name together.

        >>> [name for name, share in reply.sources().strongest(2)]
        ['the answer itself', 'system message']
        """
        names = dict.fromkeys(part.name for part in self.parts)
        ranked = sorted(((name, self.share(name)) for name in names), key=lambda one: -one[1])
        return ranked[: integer("n", n, 1)]

    def rows(self) -> list[tuple[str, int, float]]:
        """List (name, number of tokens, share) in the order of the prompt, parts of one name together.

        >>> [(name, n) for name, n, share in reply.sources().rows()][:2]
        [('system message', 50), ('question', 12)]
        """
        sizes = {name: sum(p.stop - p.start for p in self.parts if p.name == name) for name in self._names()}
        return [(name, n, self.share(name)) for name, n in sizes.items()]

    def _names(self) -> list[str]:
        return list(dict.fromkeys(part.name for part in self.parts))

    def plain(self) -> str:
        """The shares as text."""
        rows = [
            f"{percent(share):>8}  {marked(name)} ({counted(n, 'token')})" for name, n, share in self.rows()
        ]
        return "\n".join([self._head(), *rows, f"{percent(self.sinks):>8}  {SINK}", CAVEAT])

    def html(self) -> Html:
        """The shares as bars, and the prompt, darker where the answer looked more."""
        densest = max((share / n for _, n, share in self.rows() if n), default=1.0) or 1.0
        bars = [
            BarRow(
                f"{n:,}",
                marked(name),
                [(share, percent(share), SHARE), (share / n / densest, percent(share / n), SHARE)],
            )
            for name, n, share in self.rows()
        ]
        bars.append(BarRow("", SINK, [(self.sinks, percent(self.sinks), SHARE)]))
        table = bar_table(["of the attention", "for each token"], bars, ("tokens", "part"))
        first = max(0, len(self.tokens) - MAX_TOKENS)
        heat = self.heat[first:]
        top = float(heat.max()) if len(heat) else 0.0
        names = {at: part.name for part in self.parts for at in range(part.start, part.stop)}
        strip = token_strip(
            self.tokens[first:],
            np.sqrt(heat / max(top, 1e-9)),  # small shares must be seen too
            lambda i: f"{first + i}, {names.get(first + i, '')}: {percent(heat[i])}",
            colour=SHARE,
            hides_special=self.hides_special,
        )
        scale = ramp((SHARE, SHARE), *scale_labels(top))
        lines = [
            note(self._head()),
            scrolling(table, "shares"),
            strip,
            legend(scale, "of the attention"),
            note(CAVEAT),
        ]
        if first:
            left = percent(self.heat[:first].sum())
            lines.insert(2, note(f"{first:,} tokens before these, with {left}, are not shown"))
        return Html.joined(lines)

    def make_widget(self) -> Any:
        """Make the live view."""
        from .live import SourcesView

        answer, first = token_traits(self.answer), max(0, len(self.tokens) - MAX_TOKENS)
        prompt = token_traits(self.tokens[first:])
        names, n_shown = self._names(), len(answer["tokens"])
        place = {at: names.index(p.name) for p in self.parts for at in range(p.start, p.stop)}
        return SourcesView(
            twin=self._id,
            label=self._head(),
            caveat=CAVEAT,
            **answer,
            prompt=prompt["tokens"],
            prompt_special=prompt["special"],
            n_before=first,
            places=[place.get(at, 0) for at in range(first, len(self.tokens))],
            heat=self.heat[first:].astype("<f4").tobytes(),
            names=[marked(name) for name in names],
            sizes=[n for _, n, _ in self.rows()],
            layers=self.layers.tolist() if len(self._each) else [],
            n_heads=self._each.shape[1],
            shares=self._by_name(self.by_token[:n_shown]),
            each=self._by_name(self._each[:, :, :n_shown]),
        )

    def _by_name(self, shares: NDArray[np.float32]) -> bytes:
        """Add up the shares [..., K] of parts of one name; float32 [..., names], row after row."""
        found = [
            shares[..., [part.name == name for part in self.parts]].sum(axis=-1) for name in self._names()
        ]
        return np.stack(found, axis=-1).astype("<f4").tobytes()

    def _head(self) -> str:
        n_heads = self.by_head.shape[1]
        layers = counted(len(self.layers), "layer")
        return f"{counted(len(self.by_token), 'token')} of the answer, mean of {layers} with {n_heads} heads"


def _checked(named: Any) -> dict[str, str]:
    if named is None:
        return {}
    if not isinstance(named, Mapping) or not all(
        isinstance(name, str) and isinstance(text, str) for name, text in named.items()
    ):
        raise ValueError(
            f"named must be texts of the prompt by name, as {{'df': str(df)}}, got {shown_value(named)}"
        )
    return dict(named)
