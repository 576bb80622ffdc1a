"""A panel: a picture that lasts in the saved notebook, and where there is a kernel a live view over it."""

from __future__ import annotations

import uuid
from typing import Any

from ..notebook.output import Output
from .markup import Html


class Panel:
    """What a view shows; subclasses give `plain` and `html`, and `traits` if there is a live view.

    The picture is an output of its own, readable with no kernel; while a live view of it is on the page, the
    picture is out of sight (static/panel.js finds it by its class).
    """

    live: str | None = None  # the name of the live view's class in live.py

    def __init__(self) -> None:
        self._id = f"ossnb-{uuid.uuid4().hex}"
        self._output: Output | None = None
        self._widget: Any = None

    def plain(self) -> str:
        """The panel as text."""
        raise NotImplementedError

    def html(self) -> Html:
        """The panel as HTML that needs nothing else."""
        raise NotImplementedError

    def bundle(self) -> dict[str, str]:
        """MIME type to text, as saved in the notebook."""
        return {
            "text/html": Html.of("div", self.html(), class_=self._id),
            "text/plain": self.plain(),
        }

    def refresh(self) -> None:
        """Show what has changed, if the panel is on a page."""
        if self._output is not None:
            self._output.show(self.bundle())

    def _repr_html_(self) -> str:
        return self.bundle()["text/html"]

    def __repr__(self) -> str:
        return self.plain()
