"""A panel: a picture that lasts in the saved notebook, and where there is a kernel a live view over it."""

from __future__ import annotations

import uuid
from typing import Any

from ..page.output import Output, has_front_end
from .markup import Html


class Panel:
    """What a view shows; subclasses give `plain` and `html`, and `make_widget` if there is a live view.

    The picture is an output of its own, readable with no kernel. A live view puts it out of sight while it is
    on the page itself, by its class.
    """

    def __init__(self) -> None:
        self._id = f"ossnb-{uuid.uuid4().hex}"
        self._outputs: list[Output] = []
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
        """MIME type to text, as saved in the notebook."""
        return {
            "text/html": Html.of("div", self.html(), class_=self._id),
            "text/plain": self.plain(),
        }

    def refresh(self) -> None:
        """Show what has changed, wherever the panel is on a page."""
        if has_front_end():  # a terminal would print it once more
            for output in self._outputs:
                output.show(self.bundle())

    def _ipython_display_(self) -> None:
        if has_front_end() and self.widget is not None:
            if self.leader is not None:
                from ipywidgets import jslink

                jslink((self.leader.widget, "selected"), (self.widget, "selected"))
            _show(self.widget)
        output = Output()
        output.show(self.bundle())
        self._outputs.append(output)

    def _display_(self) -> Any:
        """What marimo shows: the live view, if it is one of ours, else the picture."""
        from .live import LiveView

        return self.widget if isinstance(self.widget, LiveView) else self.html().page()

    def _repr_html_(self) -> str:
        return self.bundle()["text/html"]

    def __repr__(self) -> str:
        return self.plain()


def _show(widget: Any) -> None:
    """Show a live view; where none can be, nothing stands in its place, since the picture is below."""
    from IPython.display import publish_display_data

    found = widget._repr_mimebundle_()
    data, metadata = found if isinstance(found, tuple) else (found, {})  # anywidget tells Colab more
    publish_display_data({**data, "text/plain": ""}, metadata)  # type: ignore[no-untyped-call]


def hear_at_once(widget: Any) -> None:
    """Let what the reader does to a widget, and to those within, be heard while a cell runs.

    JupyterLab asks for a thread beside the cell's. ipykernel 7.4 sends it to the one that wrote to the widget
    last instead, for those who wait there for an answer, and that is the cell's. Nobody waits here.
    """
    comm: Any = getattr(widget, "comm", None)
    if comm is not None and hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = None
    for child in getattr(widget, "children", ()):
        hear_at_once(child)
