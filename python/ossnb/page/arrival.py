"""Where the outputs of a running cell arrive: not every place can change an output that it has shown.

An ipywidgets `Output` takes up outputs as they are first sent, and so does IPython's `capture_output`.
Consoles print them. All of these ignore later updates, so an output must come to them complete.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import Enum
from typing import Any


class Arrival(Enum):
    """What a place does with an output that changes."""

    CHANGING = "shows every change"
    COMPLETE = "shows what comes first, and no change"
    IN_WIDGET = "shows no change, but is on a page that draws widgets, which may change"


def arrival(shell: Any) -> Arrival:
    """Tell where the outputs go of the request that a shell (None: none) runs now.

    >>> arrival(None)
    <Arrival.CHANGING: 'shows every change'>

    A front end that changes outputs names the cell that it runs. Of a front end that names none nothing is
    known, so its outputs come complete.
    """
    from IPython.core.displaypub import CapturingDisplayPublisher

    if isinstance(getattr(shell, "display_pub", None), CapturingDisplayPublisher):
        return Arrival.COMPLETE
    if not hasattr(shell, "get_parent"):
        return Arrival.CHANGING
    request: Mapping[str, Any] = shell.get_parent() or {}
    header, metadata = request.get("header") or {}, request.get("metadata") or {}
    is_named = bool(metadata.get("cellId")) or type(shell).__module__.startswith("google.colab")
    if _is_captured(header.get("msg_id")):
        is_on_page = is_named or header.get("msg_type") == "comm_msg"  # nbclient and consoles send neither
        return Arrival.IN_WIDGET if is_on_page else Arrival.COMPLETE
    return Arrival.CHANGING if is_named else Arrival.COMPLETE


def is_heard(shell: Any) -> bool:
    """Whether a page may be heard while its cell runs: the kernel must have threads beside the cell's.

    >>> is_heard(None)
    False

    Whether the page makes use of them is not known before a message comes.
    """
    info = getattr(getattr(shell, "kernel", None), "kernel_info", None)
    features = info.get("supported_features", ()) if isinstance(info, Mapping) else ()
    return "kernel subshells" in features and arrival(shell) is Arrival.CHANGING


def _is_captured(request_id: str | None) -> bool:
    """Whether an `Output` takes up what a request shows: it then has the request's id."""
    widgets = sys.modules.get("ipywidgets.widgets.widget")
    outputs = sys.modules.get("ipywidgets.widgets.widget_output")
    if not request_id or outputs is None:
        return False
    alive = list(getattr(widgets, "_instances", {}).values())
    return any(isinstance(one, outputs.Output) and one.msg_id == request_id for one in alive)


class Preview:
    """A widget that shows an output while it grows, where outputs are shown only when they are complete.

    >>> Preview().draw({"text/plain": "Once upon a"})  # in a callback of a widget  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._widget: Any = None

    def draw(self, data: Mapping[str, str], metadata: Mapping[str, Any]) -> None:
        """Show `data` (MIME type → text) in place of the earlier content."""
        from IPython.display import publish_display_data
        from ipywidgets import Output

        if self._widget is None:
            self._widget = Output()
            view = self._widget._repr_mimebundle_()
            publish_display_data({**view, "text/plain": ""})  # type: ignore[no-untyped-call]
        self._widget.outputs = (
            {"output_type": "display_data", "data": dict(data), "metadata": dict(metadata)},
        )

    def end(self) -> None:
        """Take up no room any more: the complete output follows. The widget stays, for pages loaded again."""
        if self._widget is not None:
            self._widget.outputs = ()
            self._widget.layout.display = "none"
