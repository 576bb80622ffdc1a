"""Limit how often a growing text is drawn again."""

import time
from collections.abc import Callable

MIN_INTERVAL = 0.05  # seconds: 20 updates a second leave room for the few that may not wait (25 is promised)
RENDER_S_PER_CHAR = 6e-6  # JupyterLab 4 renders Markdown at about 6 ms a kB, the whole text at every update
SHARE = 4  # drawing may take a quarter of the time; the page must stay alive


class RateLimiter:
    """Say when to draw again: at most 20 times a second, and less often as the text grows.

    >>> limiter = RateLimiter(clock=iter([0.0, 0.01, 0.06]).__next__)
    >>> [limiter.ready(10) for _ in range(3)]
    [True, False, True]

    A page draws the whole text at each update, so the time between two must grow with its length. This also
    keeps messages under the server's limit of 1 MB/s: 2 kB (Markdown and plain) for each 24 ms of waiting.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = float("-inf")

    def ready(self, n_chars: int) -> bool:
        """Whether a text of `n_chars` may be drawn now; if so, the caller must draw it."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + max(MIN_INTERVAL, SHARE * RENDER_S_PER_CHAR * n_chars)
        return True
