"""Stop strings: they are found across the edges of tokens, and never shown, not even in part."""

from __future__ import annotations


class StopStrings:
    """Pass text on, but hold back the end that may begin a stop string.

    >>> stops = StopStrings(("END",))
    >>> [stops.feed(text) for text in ("a E", "N", "Nx ", "ENDING")]
    ['a ', '', 'ENNx ', '']

    Once a stop string is found, `found` has it, `n_dropped` is the number of characters from its beginning
    on, and all further text is swallowed.
    """

    def __init__(self, strings: tuple[str, ...]) -> None:
        self._strings = strings
        self._held = ""
        self.found: str | None = None
        self.n_dropped = 0

    def feed(self, text: str) -> str:
        """Take text; return the text that may be shown now."""
        if self.found is not None or not self._strings:
            return "" if self.found is not None else text
        self._held += text
        hits = [(at, s) for s in self._strings if (at := self._held.find(s)) >= 0]
        if hits:
            at, self.found = min(hits, key=lambda hit: (hit[0], -len(hit[1])))
            self.n_dropped = len(self._held) - at
        else:
            at = len(self._held) - max(map(self._overlap, self._strings))
        shown, self._held = self._held[:at], self._held[at:]
        return shown

    def flush(self) -> str:
        """Return the text that is held back: it can no longer become a stop string."""
        held, self._held = self._held, ""
        return held if self.found is None else ""

    def _overlap(self, string: str) -> int:
        """How many characters at the end of the held text are a beginning of `string`."""
        longest = min(len(string) - 1, len(self._held))
        return next((n for n in range(longest, 0, -1) if self._held.endswith(string[:n])), 0)
