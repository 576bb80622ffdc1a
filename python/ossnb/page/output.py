"""One output of a running cell: it is shown once and replaced from then on, where there is a page."""

import sys
import uuid
from collections.abc import Mapping
from typing import Any

from .arrival import Arrival, Preview, arrival
from .terminal import safe_terminal

# Of a <pre>, in which no front end looks for formulas, that is to look like any other text.
RUNNING_TEXT = (
    "white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;font-family:inherit;background:none;"
    "color:inherit"
)
QUIET = "color:var(--jp-ui-font-color2,#767676);font-size:87%;font-family:var(--jp-ui-font-family,sans-serif)"
# Classes of an element in which no page looks for formulas: in texts of models, files and servers a formula
# can be a link, and prices are none.
NO_FORMULAS = "tex2jax_ignore mathjax_ignore"
QUIETLY = f'style="{QUIET}" class="{NO_FORMULAS}"'  # the look of small print beside an answer


class Output:
    """A place in the cell; its `show` may be called as often as the page can draw (limiter.py)."""

    def __init__(self) -> None:
        self._display_id = uuid.uuid4().hex
        self._is_shown = False
        self._arrival: Arrival | None = None  # of `show`, known from its first call on
        self._preview = Preview()

    def show(
        self, data: Mapping[str, str], metadata: Mapping[str, Any] | None = None, *, is_last: bool = False
    ) -> None:
        """Show `data` (MIME type → text) in place of the earlier content.

        Some places cannot change what they show. They get the content that `is_last`, and no other.
        """
        if self._arrival is None:
            self._arrival = arrival(running_shell())
        if self._arrival is Arrival.CHANGING:
            self._publish(data, metadata, update=self._is_shown)
        elif is_last:
            self._preview.end()
            self._publish(data, metadata, update=False)
        elif self._arrival is Arrival.IN_WIDGET:
            self._preview.draw(_safe(data), metadata or {})

    def remove(self) -> None:
        """Leave nothing of the content; the place in the cell stays."""
        self._preview.end()
        if self._is_shown:
            self._publish({"text/html": "", "text/plain": ""}, None, update=True)

    def show_here(self, data: Mapping[str, str]) -> None:
        """Show `data`, complete, in the running cell; later calls of `refresh` change it wherever it is."""
        self._publish(data, None, update=False)

    def refresh(self, data: Mapping[str, str]) -> None:
        """Change what was shown, in all places that can change it."""
        self._publish(data, None, update=True)

    def _publish(self, data: Mapping[str, str], metadata: Mapping[str, Any] | None, update: bool) -> None:
        from IPython.display import publish_display_data

        publish_display_data(  # type: ignore[no-untyped-call]
            _safe(data),
            dict(metadata or {}),
            transient={"display_id": self._display_id},
            update=update,
        )
        self._is_shown = True

    @property
    def is_shown(self) -> bool:
        """Whether it was shown anywhere."""
        return self._is_shown


def _safe(data: Mapping[str, str]) -> dict[str, str]:
    """Terminals, and front ends that colour text, obey the escape sequences of plain text."""
    return {kind: safe_terminal(text) if kind == "text/plain" else text for kind, text in data.items()}


def running_shell() -> Any:
    """Return IPython's shell in this process; None where there is none."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)  # a thread may see half of an import
    return None if get_shell is None else get_shell()


def has_front_end(shell: Any = None) -> bool:
    """Whether a shell, or the one that runs, belongs to a kernel; a kernel's front end shows rich outputs."""
    return getattr(shell or running_shell(), "kernel", None) is not None
