"""The experts that read each token: numbers, a table, a heat map, and the difference between two replies."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..generation.record import Reply
from ..harmony.tokenizer import token_bytes
from ..system.text import counted, shown_value
from .drawing import FIRST, SECOND, SHARE, heat_map, legend, note, ramp
from .markup import Html, percent, visible
from .panel import Panel
from .steps import read_reply
from .strip import token_traits

N_BUSIEST = 3  # experts a layer, in the text


class Experts(Panel):
    """The experts that read each token of a reply, in every layer.

    >>> experts = reply.experts()
    >>> experts.ids.shape, experts.usage.shape
    ((4, 50, 2), (4, 8))

    `tokens` [T]; `ids` int32 [L, T, A] of the experts that read the token, likeliest first. Their `weights`
    [L, T, A] add up to 1. Row t belongs to the pass that read token t and chose the next. `experts[10:20]` is
    the part of these tokens.
    """

    title = "The experts of a reply"

    def __init__(
        self,
        tokens: NDArray[np.int32],
        ids: NDArray[np.int32],
        weights: NDArray[np.float32],
        n_experts: int,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.ids = ids
        self.weights = weights
        self.n_experts = n_experts

    @classmethod
    def read(cls, reply: Reply) -> Self:
        """Take the experts of a reply that has tokens; `read_reply` reads it where nothing is kept."""
        read, n_experts = read_reply(reply, with_experts=True), reply.origin.model.config.num_local_experts
        return cls(read["tokens"], read["experts"], read["expert_weights"], n_experts)

    def __getitem__(self, part: slice) -> Experts:
        if not isinstance(part, slice) or not len(self.tokens[part]):
            raise ValueError(f"a part of {len(self.tokens)} tokens must be a non-empty slice, got {part!r}")
        return Experts(self.tokens[part], self.ids[:, part], self.weights[:, part], self.n_experts)

    @property
    def by_expert(self) -> NDArray[np.float32]:
        """The weight of every expert for every token, [L, T, E]; zero for experts that were not asked."""
        dense = np.zeros((*self.ids.shape[:2], self.n_experts), np.float32)
        np.put_along_axis(dense, self.ids.astype(np.int64), self.weights, axis=2)
        return dense

    @property
    def usage(self) -> NDArray[np.float64]:
        """The share of each expert in its layer's work, [L, E]; rows add up to 1."""
        return np.asarray(self.by_expert.mean(axis=1, dtype=np.float64))

    def table(self) -> list[dict[str, Any]]:
        """List one row for each layer, token and expert, as `pandas.DataFrame` takes them.

        >>> [row["expert"] for row in reply.experts().table() if row["position"] == 33 and row["layer"] == 3]
        [7, 1]
        """
        texts = [visible(token_bytes(int(token))) for token in self.tokens]
        return [
            {
                "layer": layer,
                "position": t,
                "token": int(self.tokens[t]),
                "text": texts[t],
                "expert": int(self.ids[layer, t, a]),
                "weight": float(self.weights[layer, t, a]),
            }
            for layer, t, a in np.ndindex(*self.ids.shape)
        ]

    def difference(self, other: Experts) -> ExpertsDifference:
        """Compare with another reply, or another part, of the same model; see ExpertsDifference."""
        if not isinstance(other, Experts):
            raise ValueError(f"other must be an Experts, as reply.experts() gives, got {shown_value(other)}")
        if self.usage.shape != other.usage.shape:
            raise ValueError(
                f"both must be of one model, got layers, experts {self.usage.shape} and {other.usage.shape}"
            )
        return ExpertsDifference(self.usage - other.usage)

    # ---- the pictures ------------------------------------------------------------------------------------

    def plain(self) -> str:
        """The busiest experts of each layer as text."""
        n_layers, n_tokens, active = self.ids.shape
        size = f"{counted(n_tokens, 'token')}, {counted(n_layers, 'layer')}"
        head = f"{size}, {active} of {self.n_experts} experts a token"
        return "\n".join([head, *_busiest(self.usage)])

    def html(self) -> Html:
        """The share of work of every expert, layers downward."""
        usage = self.usage
        picture = heat_map(
            usage, lambda i, e: f"layer {i}, expert {e}: {percent(usage[i, e])}", ("expert", "layer")
        )
        _, n_tokens, active = self.ids.shape
        head = f"The experts of {counted(n_tokens, 'token')}, {active} of {self.n_experts} a token"
        scale = ramp((SHARE, SHARE), "0 %", percent(float(usage.max())))
        return Html.joined([note(head), picture, legend(scale, "of a layer's work")])

    def make_widget(self) -> Any:
        """Make the live heat map."""
        from .live import ExpertsView

        return ExpertsView(twin=self._id, **self._traits())

    def _traits(self) -> dict[str, Any]:
        tokens = token_traits(self.tokens.tolist())
        n_shown = len(tokens["tokens"])
        ids, weights = (part.transpose(1, 0, 2)[:n_shown] for part in (self.ids, self.weights))
        return {
            **tokens,
            "n_experts": self.n_experts,
            "ids": ids.tolist(),  # token, layer, choice
            "weights": np.round(weights.astype(np.float64), 4).tolist(),
        }


class ExpertsDifference(Panel):
    """The work that experts did more (above zero) or less in one reply than in another.

    `values` [L, E] are differences of usage; the rows add up to 0.
    """

    title = "The experts of two replies"

    def __init__(self, values: NDArray[np.float64]) -> None:
        super().__init__()
        self.values = values

    @property
    def distance(self) -> NDArray[np.float64]:
        """The share of each layer's work that went to other experts, [L], 0 to 1."""
        return np.asarray(np.abs(self.values).sum(axis=1) / 2)

    def plain(self) -> str:
        """The difference of each layer, as text."""
        head = f"{percent(float(self.distance.mean()))} of the work went to other experts"
        return "\n".join([head, *(f"layer {i:>3}  {percent(float(d))}" for i, d in enumerate(self.distance))])

    def html(self) -> Html:
        """The differences, layers downward."""
        values = self.values
        picture = heat_map(
            values,
            lambda i, e: f"layer {i}, expert {e}: {100 * values[i, e]:+.1f} points",
            ("expert", "layer"),
            (FIRST, SECOND),
        )
        head = f"{percent(float(self.distance.mean()))} of the work went to other experts"
        most = f"{100 * float(np.abs(values).max()):.1f} points"
        scale = ramp((FIRST, SECOND), f"first +{most}", f"second +{most}")
        return Html.joined([note(head), picture, legend(scale)])


def _busiest(usage: NDArray[np.float64]) -> list[str]:
    lines = []
    for layer, shares in enumerate(usage):
        best = np.argsort(-shares, kind="stable")[:N_BUSIEST]
        lines.append(f"layer {layer:>3}  " + ", ".join(f"expert {e} {percent(shares[e])}" for e in best))
    return lines
