"""One output of a running cell: it is shown once and replaced from then on, where there is a page."""

import sys
import uuid
from collections.abc import Mapping
from typing import Any

from .terminal import safe_terminal

# Of a <pre>, in which no front end looks for formulas, that is to look like any other text.
RUNNING_TEXT = (
    "white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;font-family:inherit;background:none;"
    "color:inherit"
)
QUIET = "color:var(--jp-ui-font-color2,#767676);font-size:87%;font-family:var(--jp-ui-font-family,sans-serif)"


class Output:
    """A place in the cell; its `show` may be called as often as the page can draw (limiter.py)."""

    def __init__(self) -> None:
        self._display_id = uuid.uuid4().hex
        self._is_shown = False

    def show(self, data: Mapping[str, str], metadata: Mapping[str, Any] | None = None) -> None:
        """Show `data` (MIME type → text) in place of the earlier content."""
        self._publish(data, metadata, update=self._is_shown)

    def show_here(self, data: Mapping[str, str]) -> None:
        """Show `data` in the running cell; further calls of `show` change it wherever it stands."""
        self._publish(data, None, update=False)

    def _publish(self, data: Mapping[str, str], metadata: Mapping[str, Any] | None, update: bool) -> None:
        from IPython.display import publish_display_data

        # Terminals, and front ends that colour text, obey the escape sequences of plain text.
        plain = {kind: safe_terminal(text) for kind, text in data.items() if kind == "text/plain"}
        publish_display_data(  # type: ignore[no-untyped-call]
            {**data, **plain},
            dict(metadata or {}),
            transient={"display_id": self._display_id},
            update=update,
        )
        self._is_shown = True

    @property
    def is_shown(self) -> bool:
        """Whether it was shown anywhere."""
        return self._is_shown


def has_front_end(shell: Any = None) -> bool:
    """Whether a shell, or the one that runs, belongs to a kernel; a kernel's front end shows rich outputs."""
    if shell is None and (ipython := sys.modules.get("IPython")) is not None:
        shell = ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None
