"""A panel: a lasting picture in the saved notebook, and a live view over it where there is a kernel."""

from __future__ import annotations

import uuid
from typing import Any

from ..page.output import Output, has_front_end
from ..page.terminal import safe_terminal
from .markup import Html


class Panel:
    """The base of a view: subclasses give `plain` and `html`, and `make_widget` if there is a live view.

    The picture is an output of its own, and readable with no kernel. A live view on the page hides the
    picture by its class.
    """

    def __init__(self) -> None:
        self._id = f"ossnb-{uuid.uuid4().hex}"
        self._output = Output()  # one, wherever it is shown: an update reaches all its places
        self._widget: Any = None
        self.leader: Panel | None = None  # whose selected token the live view shares

    def plain(self) -> str:
        """The panel as text."""
        raise NotImplementedError

    def html(self) -> Html:
        """The panel as HTML that needs nothing else."""
        raise NotImplementedError

    def make_widget(self) -> Any:
        """Make the live view; None where there is none."""
        return None

    @property
    def widget(self) -> Any:
        """The live view, a widget for a layout of your own; None for a panel without one."""
        if self._widget is None:
            self._widget = self.make_widget()
            hear_at_once(self._widget)
        return self._widget

    def follow(self, other: Panel) -> None:
        """Let both live views select the same token; the page does it, with no kernel in between."""
        self.leader = other

    def bundle(self) -> dict[str, str]:
        """The contents by MIME type, as saved in the notebook."""
        return {
            "text/html": Html.of("div", self.html(), class_=self._id),
            "text/plain": safe_terminal(self.plain()),
        }

    def refresh(self) -> None:
        """Show the changes, wherever the panel is on a page."""
        if has_front_end() and self._output.is_shown:  # a terminal would print it once more
            self._output.refresh(self.bundle())

    def _ipython_display_(self) -> None:
        if has_front_end() and self.widget is not None:
            if self.leader is not None:
                from ipywidgets import jslink

                jslink((self.leader.widget, "selected"), (self.widget, "selected"))
            _show(self.widget)
        self._output.show_here(self.bundle())

    def _display_(self) -> Any:
        """The object that marimo shows: the live view, if it is one of ours, else the picture."""
        from .live import LiveView

        if not isinstance(self.widget, LiveView):
            return self.html().page()
        self.widget.carry_all()
        return self.widget

    def _repr_html_(self) -> str:
        return self.bundle()["text/html"]

    def __repr__(self) -> str:
        return self.bundle()["text/plain"]


def _show(widget: Any) -> None:
    """Show a live view; where none can be, leave its place empty, since the picture is below."""
    from IPython.display import publish_display_data

    found = widget._repr_mimebundle_()
    data, metadata = found if isinstance(found, tuple) else (found, {})  # anywidget tells Colab more
    publish_display_data({**data, "text/plain": ""}, metadata)  # type: ignore[no-untyped-call]


def hear_at_once(widget: Any) -> None:
    """Let the reader's actions on a widget, and on those within it, be heard while a cell runs.

    JupyterLab asks for a thread beside the cell's. ipykernel 7.4 instead sends the message to the thread that
    wrote to the widget last, because that thread may wait for an answer; here it is the cell's. Nobody waits
    here.
    """
    comm: Any = getattr(widget, "comm", None)
    if comm is not None and hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = None
    for child in getattr(widget, "children", ()):
        hear_at_once(child)
