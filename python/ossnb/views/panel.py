"""A panel: a lasting picture in the saved notebook, and a live view over it where there is a kernel."""

from __future__ import annotations

import os
import uuid
from typing import Any

from ..page.output import NO_FORMULAS, Output, has_front_end
from ..page.terminal import safe_terminal
from ..system.files import expand_user, replacing
from .markup import Html
from .standalone import standalone


class Panel:
    """The base of a view: subclasses give `title`, `plain` and `html`; `make_widget` if a live view exists.

    The picture is an output of its own, and readable with no kernel. A live view on the page hides the
    picture by its class.
    """

    title = "A view"

    def __init__(self) -> None:
        self._id = f"ossnb-{uuid.uuid4().hex}"
        self._output = Output()  # one, wherever it is shown: an update reaches all its places
        self._widget: Any = None
        self._hides_special = False
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
            self._share_switch(self._widget)
            hear_at_once(self._widget)
        return self._widget

    @property
    def hides_special(self) -> bool:
        """Whether harmony's marks and headers are left out; the live view's switch and you may set it."""
        return self._hides_special

    @hides_special.setter
    def hides_special(self, hides: bool) -> None:
        if hides == self._hides_special:
            return
        self._hides_special = bool(hides)
        if (view := self._switched()) is not None:
            view.hides_special = self._hides_special
        self.refresh()

    def _switched(self) -> Any:
        """The live view that has the switch, where it was made."""
        return self._widget

    def _share_switch(self, view: Any) -> None:
        """Let the switch of a live view and this panel's be one."""
        if view is not None and view.has_trait("hides_special"):
            view.hides_special = self._hides_special
            view.observe(lambda change: setattr(self, "hides_special", change["new"]), "hides_special")

    def follow(self, other: Panel) -> None:
        """Let both live views select the same token and share the switch; the page does it, with no kernel in
        between."""
        self.leader = other
        self.hides_special = other.hides_special

    def bundle(self) -> dict[str, str]:
        """The contents by MIME type, as saved in the notebook."""
        return {
            "text/html": self._picture(),
            "text/plain": safe_terminal(self.plain()),
        }

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the view to a page of its own, which needs no network, no kernel and no other file.

        >>> reply.inspect().to_html("tokens.html")

        The page has the live view where a browser runs scripts, except for what needs the model; the sliders
        and the logit lens are pictures. A file of that name is replaced in one step.
        """
        file_path = expand_user(path, "the page")
        page = standalone(self.title, self._picture(), self._live())
        with replacing(file_path) as file:
            file.write(page.encode("utf-8", errors="replace"))

    def _picture(self) -> Html:
        """The lasting picture, by whose first class a live view hides it."""
        return Html.of("div", self.html(), class_=f"{self._id} {NO_FORMULAS}")

    def _live(self) -> Any:
        """The live view, where it is one of ours; None elsewhere."""
        from .live import LiveView

        return self.widget if isinstance(self.widget, LiveView) else None

    def refresh(self) -> None:
        """Show the changes, wherever the panel is on a page."""
        if has_front_end() and self._output.is_shown:  # a terminal would print it once more
            self._output.refresh(self.bundle())

    def _ipython_display_(self) -> None:
        if has_front_end() and self.widget is not None:
            if self.leader is not None:
                from ipywidgets import jslink

                for name in ("selected", "hides_special"):
                    jslink((self.leader.widget, name), (self.widget, name))
            _show(self.widget)
        self._output.show_here(self.bundle())

    def _display_(self) -> Any:
        """The object that marimo shows: the live view, if it is one of ours, else the picture."""
        live = self._live()
        if live is None:
            return self._picture().page()
        live.carry_all()
        return live

    def _repr_html_(self) -> str:
        return self.bundle()["text/html"]

    def __repr__(self) -> str:
        return self.bundle()["text/plain"]


def _show(widget: Any) -> None:
    """Show a live view; where none can be, leave its place empty, since the picture is below."""
    from IPython.display import publish_display_data

    publish_display_data(*live_bundle(widget))  # type: ignore[no-untyped-call]


def live_bundle(widget: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what shows a live view: data by MIME type, and metadata."""
    found = widget._repr_mimebundle_()
    data, metadata = found if isinstance(found, tuple) else (found, {})  # anywidget tells Colab more
    return {**data, "text/plain": ""}, metadata


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
