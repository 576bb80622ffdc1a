"""The token view: the model's certainty, token by token, and the alternatives."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..generation.record import Reply, Span, Writing, probability_limit
from ..harmony.tokenizer import token_bytes
from ..page.limiter import RateLimiter
from ..system.arguments import integer
from ..system.text import counted
from .attention import Attention
from .drawing import UNLIKELY, legend, ramp
from .experts import Experts
from .markup import Html, percent, quoted, token_name, visible
from .panel import Panel
from .steps import Steps
from .strip import COLUMN, COLUMNS, token_strip, token_traits

N_TITLE = 5  # alternatives in a tooltip of the picture that lasts


class Inspection(Panel):
    """Every token of a reply, shaded by how unlikely the model found it.

    >>> view = reply.inspect()
    >>> [text for text, _ in view.alternatives(41)[:2]]
    ['17', 'That']

    A notebook shows it as a live view. Hover a token or move with the arrow keys to see its alternatives.
    Enter on one of them writes a branch with it, side by side with the reply. `branches` lists the branches,
    as `reply.branch` makes them. The picture in the saved notebook shows the same. Probabilities are the
    model's own, before temperature and penalties.
    """

    title = "The tokens of a reply"

    def __init__(self, reply: Reply, steps: Steps) -> None:
        super().__init__()
        self.reply = reply
        self.steps = steps
        self.branches: list[Reply] = []
        self._stream: Writing | None = None  # the branch being written

    @classmethod
    def read(cls, reply: Reply, n_top: int = 8) -> Self:
        """Compute the view of a reply with the model that wrote it."""
        return cls(reply, Steps.read(reply, n_top))

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """The probability of every written token, [T]."""
        return np.exp(self.steps.logprobs)

    @property
    def entropies(self) -> NDArray[np.float32]:
        """The entropy of the distribution before each token, in nats, [T]."""
        return self.steps.entropies

    def alternatives(self, at: int) -> list[tuple[str, float]]:
        """List the likeliest tokens in place of token `at` with their probabilities, best first."""
        at = integer("at", at, 0, len(self.steps) - 1, what="a token of the reply")
        ids, logprobs = self.steps.top_ids[at], self.steps.top_logprobs[at]
        return [(visible(token_bytes(int(i))), float(np.exp(p))) for i, p in zip(ids, logprobs, strict=True)]

    def spans(self, below: float = 0.3) -> list[Span]:
        """List the stretches of tokens with a probability of less than `below`; see Reply.spans."""
        below = probability_limit(below)
        probabilities = self.probabilities
        is_low = np.concatenate([[False], probabilities < below, [False]])
        edges = np.flatnonzero(is_low[1:] != is_low[:-1]).reshape(-1, 2)
        return [
            Span(int(a), int(b), self._text(int(a), int(b)), float(probabilities[a:b].min()))
            for a, b in edges
        ]

    def branch(self, at: int, text: str | list[int]) -> Reply:
        """Branch as Reply.branch does; list the new reply in `branches` and in the pictures."""
        branch = self.reply.branch(at, text)
        self._add(branch)
        return branch

    def experts(self) -> Experts:
        """Show the experts of the reply; both live views select the same token."""
        experts = Experts.read(self.reply)
        experts.follow(self)
        return experts

    def attention(self, layer: int, head: int | None = None) -> Attention:
        """Show where the tokens looked; both live views select the same token."""
        attention = Attention.read(self.reply, layer, head)
        attention.follow(self)
        return attention

    def _add(self, branch: Reply) -> None:
        self.branches.append(branch)
        self.refresh()
        if self._widget is not None:
            self._widget.branches = self._branch_traits()

    def _text(self, start: int, stop: int) -> str:
        return b"".join(map(token_bytes, self.reply.tokens[start:stop])).decode("utf-8", errors="replace")

    # ---- the pictures ------------------------------------------------------------------------------------

    def plain(self) -> str:
        """The doubtful places as text."""
        mean = float(np.exp(self.steps.logprobs.mean()))
        lines = [
            f"{counted(len(self.steps), 'token')}, probability {percent(mean)} a token on average (geometric)"
        ]
        for span in self.spans(below=0.3):
            best, p = self.alternatives(span.start)[0]
            lines.append(
                f"{span.start:>5}  {quoted(span.text)} {percent(span.probability)}, likeliest: "
                f"{quoted(best)} {percent(p)}"
            )
        return "\n".join(lines)

    def html(self) -> Html:
        """The tokens, shaded, each with its alternatives in a tooltip."""
        shades = 1 - self.probabilities
        strip = token_strip(self.reply.tokens, shades, self._tooltip, hides_special=self.hides_special)
        columns = [strip, *(self._branch_html(i, branch) for i, branch in enumerate(self.branches))]
        sides = Html.joined(Html.of("div", column, style=COLUMN) for column in columns)
        note = "Probabilities are the model's own, before temperature and penalties."
        scale = ramp((UNLIKELY, UNLIKELY), "likely", "unlikely")
        return Html.joined([Html.of("div", sides, style=COLUMNS), legend(scale, note)])

    def _branch_html(self, i: int, branch: Reply) -> Html:
        """A branch: the part shared with the reply is quiet, and the first token of its own is marked."""
        at = _parting(self.reply, branch)
        shades = np.zeros(len(branch.tokens), np.float32)
        strip = token_strip(
            branch.tokens, shades, str, quiet=at, outlined=at, hides_special=self.hides_special
        )
        return Html.joined([Html.of("div", self._branch_name(i, branch, at), quiet=True), strip])

    def _branch_name(self, i: int, branch: Reply, at: int) -> str:
        """What a reader calls a branch: the first one is `branches[0]`."""
        if at == len(branch.tokens) or at == len(self.reply.tokens):
            return f"Branch {i + 1}: the same so far"
        new, old = token_name(branch.tokens[at]), token_name(self.reply.tokens[at])
        return f"Branch {i + 1}: {new} in place of {old}, token {at}"

    def _tooltip(self, at: int) -> str:
        steps = self.steps
        own = f"{at}: {token_name(int(steps.tokens[at]))} {percent(self.probabilities[at])}"
        facts = f"rank {steps.ranks[at] + 1}, entropy {steps.entropies[at]:.2f} nats"
        rows = [
            f"{percent(p)} {token_name(int(i))}"
            for i, p in zip(
                steps.top_ids[at, :N_TITLE], np.exp(steps.top_logprobs[at, :N_TITLE]), strict=True
            )
        ]
        return "\n".join([own, facts, *rows])

    def make_widget(self) -> Any:
        """Make the live token view."""
        from .live import TokensView

        widget = TokensView(twin=self._id, **self._traits())
        widget.on_msg(lambda widget, content, buffers: self.receive(content))
        return widget

    def receive(self, message: Mapping[str, Any]) -> None:
        """Do the action that the live view asks for.

        >>> reply.inspect().receive({"type": "stop"})  # nothing is being written

        "branch" writes `token` in place of token `at` and goes on from there, in a thread; a view writes one
        branch at a time and ignores further requests meanwhile. "stop" ends the branch that is being written.
        """
        if message.get("type") == "stop" and self._stream is not None:
            self._stream.cancel()
        elif message.get("type") == "branch" and not self.widget.busy:
            self.widget.busy, self.widget.error = True, ""
            asked = message.get("at"), message.get("token")
            # A thread, so that Stop is heard meanwhile and other cells can run.
            threading.Thread(
                target=self._branch_live, args=asked, daemon=True, name="of a token view"
            ).start()

    def _branch_live(self, at: int, token: int) -> None:
        widget = self.widget
        try:
            stream = self._stream = self.reply.origin.model.stream_branch(self.reply, at, [token])
            limiter, n_tokens = RateLimiter(), 0
            try:
                for event in stream:
                    n_tokens += event.token is not None
                    if limiter.ready(80 * n_tokens):
                        widget.branches = self._branch_traits(stream.reply)
            finally:
                if stream.reply.tokens:
                    self._add(stream.reply)
                else:  # it never began: the model was busy, or Stop came first
                    widget.branches = self._branch_traits()
        except Exception as error:  # to where the reader looks: a thread has nobody else to tell
            widget.error = f"{type(error).__name__}: {error}"
        finally:
            self._stream = None
            widget.busy = False

    def _branch_traits(self, *running: Reply) -> list[dict[str, Any]]:
        branches = [*self.branches, *running]
        parting = [_parting(self.reply, branch) for branch in branches]
        return [
            {"at": at, "name": self._branch_name(i, branch, at), **token_traits(branch.tokens)}
            for i, (at, branch) in enumerate(zip(parting, branches, strict=True))
        ]

    def _traits(self) -> dict[str, Any]:
        """The texts and numbers that the live view shows."""
        tokens = token_traits(self.steps.tokens.tolist())
        steps = self.steps[: len(tokens["tokens"])]
        written, rows = zip(*(_alternatives(steps, at) for at in range(len(steps))), strict=True)
        return {
            **tokens,
            "selected": int(steps.logprobs.argmin()),
            "probabilities": [round(float(p), 6) for p in np.exp(steps.logprobs)],
            "entropies": [round(float(e), 4) for e in steps.entropies],
            "ranks": (steps.ranks + 1).tolist(),
            "written": written,
            "alternatives": rows,
            "branches": self._branch_traits(),
        }


def _parting(reply: Reply, branch: Reply) -> int:
    """The first token that differs in a branch; the branch's length where none differs."""
    pairs = zip(reply.tokens, branch.tokens, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(reply.tokens), len(branch.tokens)))


def _alternatives(steps: Steps, at: int) -> tuple[int, list[dict[str, Any]]]:
    """Where the token written is among the likeliest in its place, and these; it comes last if it is none."""
    ids, logprobs, logits = (
        part[at].tolist() for part in (steps.top_ids, steps.top_logprobs, steps.top_logits)
    )
    own = int(steps.tokens[at])
    if own not in ids:
        log_total = logits[0] - logprobs[0]
        ids, logprobs = [*ids, own], [*logprobs, float(steps.logprobs[at])]
        logits.append(logprobs[-1] + log_total)
    rows = [
        {"id": i, "text": visible(token_bytes(i)), "p": float(np.exp(np.float32(p))), "logit": z}
        for i, p, z in zip(ids, logprobs, logits, strict=True)
    ]
    return ids.index(own), rows
