"""One line of progress for work that takes longer than a moment."""

from __future__ import annotations

import time

from ..engine.estimate import duration
from ..generation.record import Reply
from ..system.progress import Figures, Progress, start_progress
from ..system.text import counted

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


class Tally:
    """What a map has done so far, as its line of progress says it: rows, tokens a second, time left.

    >>> tally = Tally(3, is_shown=False)
    >>> tally.prepare(); tally.begin(0); tally.add(1, "ValueError: no"); tally.close()
    """

    def __init__(self, n_rows: int, is_shown: bool) -> None:
        self._n_rows, self._n_prepared, self._n_done, self._n_first, self._n_tokens = n_rows, 0, 0, 0, 0
        self._began: float | None = None  # when the first row was asked
        self._line = LateProgress(f"{counted(n_rows, 'row')} to answer", n_rows, self._figures, is_shown)

    def prepare(self) -> None:
        """Count a row whose question is being made."""
        self._n_prepared += 1
        self.tick()

    def begin(self, n_done: int) -> None:
        """Begin to ask; so many rows have their answers."""
        self._n_done = self._n_first = n_done
        self._began = time.monotonic()

    def add(self, n_rows: int, result: Reply | str) -> None:
        """Count an answer, and the rows that it is for."""
        self._n_done += n_rows
        self._n_tokens += result.stats.n_new_tokens if isinstance(result, Reply) else 0
        self.tick()

    def tick(self) -> None:
        """Show the figures of this moment."""
        self._line.tick(self._n_done)

    def close(self) -> None:
        """Leave the last state on the page."""
        self._line.close()

    def _figures(self, n_done: int) -> str:
        if self._began is None:
            return f"{self._n_prepared:,} of {counted(self._n_rows, 'question')} made"
        seconds = max(time.monotonic() - self._began, 1e-9)
        figures = f"{n_done:,} of {counted(self._n_rows, 'row')}"
        if (n_new := n_done - self._n_first) > 0:
            figures += f", {self._n_tokens / seconds:.1f} tok/s"
            if n_done < self._n_rows:
                figures += f", about {duration(seconds / n_new * (self._n_rows - n_done))} left"
        return figures
