"""What a reply shows of itself: the way from Reply.inspect() and its like to the views."""

from __future__ import annotations

from collections.abc import Iterable

from ..generation.record import Reply
from .attention import Attention
from .experts import Experts
from .inspection import Inspection
from .lens import LogitLens


class Look:
    """The views of one reply; Reply's methods of these names tell what they show."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def inspect(self, n_top: int) -> Inspection:
        """Show tokens with their probabilities."""
        return Inspection.read(self._reply, n_top)

    def experts(self) -> Experts:
        """Show which experts read each token."""
        return Experts.read(self._reply)

    def attention(self, layer: int, head: int | None) -> Attention:
        """Show where each token looked."""
        return Attention.read(self._reply, layer, head)

    def logit_lens(self, layers: Iterable[int] | None, n_top: int) -> LogitLens:
        """Show what each layer would have written."""
        return LogitLens.read(self._reply, layers, n_top)
