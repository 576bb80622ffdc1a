"""Tools that `tools=[...]` and `--tool` know by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..system.text import shown_value
from .here import PythonHere
from .python import Python
from .tool import Tool

NAMED: dict[str, Callable[..., Tool]] = {"python": Python, "python:here": PythonHere}


def tool_named(name: str, **settings: Any) -> Tool:
    """Make the tool of a name; ValueError where there is none.

    >>> tool_named("python").names
    ('python',)
    """
    if name not in NAMED:
        raise ValueError(f"a tool named by a text is one of {', '.join(NAMED)}, got {shown_value(name)}")
    return NAMED[name](**settings)
