"""One line of progress for work that takes longer than a moment."""

from __future__ import annotations

import time

from ..system.progress import Figures, Progress, start_progress

MOMENT_S = 1.0


class LateProgress:
    """A progress that shows itself only where the work takes longer than a moment.

    >>> line = LateProgress("3 rows to answer", 3, str)
    >>> line.tick(1); line.close()
    """

    def __init__(self, text: str, total: int, figures: Figures, is_shown: bool = True) -> None:
        self.began = time.monotonic()
        self._shown_as = (text, total, figures)
        self._is_shown = is_shown
        self._line: Progress | None = None

    @property
    def seconds(self) -> float:
        """How long the work has taken."""
        return time.monotonic() - self.began

    def tick(self, done: int) -> None:
        """Say how much is done; call it as often as you like."""
        if self._line is None and self._is_shown and self.seconds > MOMENT_S:
            self._line = start_progress(*self._shown_as)
        if self._line is not None:
            self._line.update(done)

    def close(self) -> None:
        """Leave the last state on the page."""
        if self._line is not None:
            self._line.close()
