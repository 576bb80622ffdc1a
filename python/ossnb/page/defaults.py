"""Settings for the `%%oss` cells that do not give their own; `%oss effort` and the sliders put them here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_defaults: dict[str, Any] = {}


def cell_defaults(raw: bool = False) -> dict[str, Any]:
    """Return the keyword arguments that every cell begins with; raw text has no effort.

    >>> cell_defaults()
    {}
    """
    return {name: value for name, value in _defaults.items() if not (raw and name == "effort")}


def set_cell_defaults(settings: Mapping[str, Any]) -> None:
    """Let later cells begin with these keyword arguments of `model.stream`; an empty mapping undoes this."""
    _defaults.clear()
    _defaults.update(settings)


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return settings on one line.

    >>> settings_text({"temperature": 0.7, "effort": "low"})
    'temperature=0.7, effort=low'
    """
    return ", ".join(f"{name}={value}" for name, value in settings.items())
