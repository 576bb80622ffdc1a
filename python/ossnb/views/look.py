"""The one door to the views from below: Reply.inspect() and its like call the model, and it calls here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..generation.record import Reply
from .answers import AnswersAfter
from .attention import Attention
from .experts import Experts
from .inspection import Inspection
from .lens import LogitLens
from .sources import Sources


class Look:
    """The views of one reply, each computed by the model that wrote it.

    >>> Look(reply).inspect(n_top=1).plain().split(",")[0]
    '50 tokens'
    """

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def inspect(self, n_top: int) -> Inspection:
        """Show every token with its probability; see Reply.inspect."""
        return Inspection.read(self.reply, n_top)

    def experts(self) -> Experts:
        """Show which experts read each token; see Reply.experts."""
        return Experts.read(self.reply)

    def attention(self, layer: int, head: int | None) -> Attention:
        """Show where each token looked; see Reply.attention."""
        return Attention.read(self.reply, layer, head)

    def logit_lens(self, layers: Iterable[int] | None, n_top: int) -> LogitLens:
        """Show what each layer would have written; see Reply.logit_lens."""
        return LogitLens.read(self.reply, layers, n_top)

    def answers_after(self, ns: Iterable[int] | None) -> AnswersAfter:
        """Show the answers after parts of the thought; see Reply.answers_after."""
        return AnswersAfter.read(self.reply, ns)

    def sources(self, layers: Iterable[int] | None, named: Mapping[str, str] | None) -> Sources:
        """Show which parts of the prompt the answer looked at; see Reply.sources."""
        return Sources.read(self.reply, layers, named)
