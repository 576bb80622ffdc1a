"""The functions of a notebook that a cell lets the model call."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from ..generation.question import ready_tools
from ..tools.function import Function
from .options import suggestion


def functions_named(names: Iterable[str], variables: Mapping[str, Any]) -> list[Any]:
    """Return the functions of these names, ready for the model; a ValueError names what is none.

    >>> def weather(city: str): "Tell the weather."
    >>> functions_named(["weather"], {"weather": weather})
    [Function('weather')]
    """
    return list(ready_tools([_named(name, variables) for name in names]))


def function_names(variables: Mapping[str, Any]) -> list[str]:
    """List the names of the functions that a user has defined, for the completion."""
    return [
        name
        for name, value in variables.items()
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, Function))
    ]


def _named(name: str, variables: Mapping[str, Any]) -> Any:
    first, *rest = name.split(".")
    if first not in variables:
        known = function_names(variables)
        others = suggestion(first, known) if known else ", nor any other function"
        raise ValueError(f"--tool names functions of the notebook, and there is no {first!r}{others}")
    value = variables[first]
    for part in rest:
        if not hasattr(value, part):
            raise ValueError(f"--tool names functions of the notebook, and {name!r} has no {part!r}")
        value = getattr(value, part)
    return value
