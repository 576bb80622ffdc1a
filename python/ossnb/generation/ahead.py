"""Reading ahead: a pass reads the last token and a draft behind it, and chooses a token after each.

The noise of a choice is keyed by seed and position, and a row's bits do not depend on the rows beside it. So
the choice after a drafted token is the one that plain decoding makes, if all tokens before it were right. The
generation asks for one token at a time as ever, and never learns of a draft. What it asks for is either
there already, from the last pass, or takes a pass. So whatever ends or turns it between two tokens (a stop,
a limit, a cancel, a reader that leaves) acts as it does without drafts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import takewhile

from .. import _core
from ..engine.feed import Feed
from ..engine.scheduler import Progress, Ride
from .drafts import Drafter
from .loop import Generation, Request

DRAFTED_ROWS = 32  # in one pass, of all generations that take part in it


class Ahead:
    """The way of a generation's feeds through the engine, with drafts."""

    def __init__(self, ride: Ride, generation: Generation, request: Request) -> None:
        self.ride = ride
        self.choices: list[_core.Choice] = []  # the answer to the last feed
        self.seconds = 0.0  # of passes for it
        self.n_bytes = 0  # that they had to read
        self._generation = generation
        sampling = request.sampling
        self._end = min(request.context, len(request.prompt) + (sampling.max_tokens or request.context))
        self._drafter: Drafter | None = None
        has_form = request.question.form is not None  # a mask depends on the tokens before it
        if sampling.drafts is not False and not sampling.has_penalties and not has_form:
            self._drafter = Drafter(request.drafts, always=sampling.drafts is True)
        # (position, drafted token that was right, choice after)
        self._ready: deque[tuple[int, int, _core.Choice]] = deque()
        self._n_sure = 0  # tokens that are read or being read and are no draft

    def read(self, feed: Feed) -> Iterator[Progress]:
        """Have a feed read, as Ride.read does; it takes no pass where a draft was right."""
        self._n_sure = feed.at + len(feed.tokens)
        if self._has_ready(feed):
            self.choices, self.seconds, self.n_bytes = [self._ready.popleft()[2]], 0.0, 0
            self._generation.n_accepted += 1
            return
        self._ready.clear()
        draft = self._draft(feed)
        choosers = (self._generation.chooser(self._n_sure + i + 1) for i in range(len(draft)))
        yield from self.ride.read(Feed(feed.at, [*feed.tokens, *draft], (*feed.choosers, *choosers)))
        self.choices = self.ride.choices[:1]
        self.seconds, self.n_bytes = self.ride.seconds, self.ride.n_bytes
        if self._drafter is not None and feed.at > 0:
            self._check(feed, draft)

    def leave(self) -> None:
        """End the ride. What was read of a draft beyond the generation's own tokens is not kept."""
        self._ready.clear()
        self._drafter = None  # its list of places is as long as the text
        self.ride.leave(self._n_sure)

    def _has_ready(self, feed: Feed) -> bool:
        if not self._ready or (feed.at, *feed.tokens) != self._ready[0][:2]:
            return False
        return self._generation.on_logits is None or self._ready[0][2].logits is not None

    def _draft(self, feed: Feed) -> list[int]:
        if self._drafter is None or feed.at == 0:
            return []
        most = min(self._end - self._n_sure - 1, DRAFTED_ROWS // self.ride.n_aboard)
        draft = self._drafter.draft(self._generation.tokens, most)
        return [*takewhile(lambda token: token not in self._generation.stop_ids, draft)]  # nothing follows

    def _check(self, feed: Feed, draft: list[int]) -> None:
        """Compare a draft with the choices."""
        assert self._drafter is not None
        if len(feed.tokens) == 1 and self.ride.n_aboard == 1:
            self._drafter.time(1 + len(draft), self.seconds)
        if not draft:
            return
        self._generation.n_drafted += len(draft)
        pairs = zip(draft, self.ride.choices, self.ride.choices[1:], strict=False)
        for at, (token, before, choice) in enumerate(pairs, self._n_sure):
            if token != before.token:
                break
            self._ready.append((at, token, choice))
        self._drafter.learn(len(draft), len(self._ready))
