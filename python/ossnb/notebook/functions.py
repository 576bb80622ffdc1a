"""The variables of a notebook that a cell names: tools to call, and the schema of the answer."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ..forms.form import Form, form_of
from ..generation.question import ready_tools
from ..system.text import did_you_mean, suggestion
from ..tools.named import NAMED, tool_named
from ..tools.tool import Tool, Toolbox


def tools_named(
    names: Iterable[str],
    variables: Mapping[str, Any],
    given: Iterable[str] = (),
    named: Callable[[str], Tool] = tool_named,
    hidden: Collection[str] = (),
) -> list[Any]:
    """Return the tools of these names, ready for the model; a ValueError names what is none.

    >>> def weather(city: str): "Tell the weather."
    >>> tools_named(["weather"], {"weather": weather})
    [Function('weather')]

    A variable's name means the variable; "python" and "python:here" are there without one, and `named` makes
    them. `given` are variables to hand over to python. `hidden` are the names of IPython's own variables.
    """
    tools = list(ready_tools([_named(name, variables, hidden) for name in names], named))
    if values := {name: _value(name, variables, "--give names variables") for name in given}:
        takers = [tool for tool in tools if isinstance(tool, Tool) and tool.name == "python"]
        if not takers:
            raise ValueError("--give hands variables over to python, and --tool does not name it")
        takers[0].give(values)
    return tools


def function_names(variables: Mapping[str, Any], hidden: Collection[str] = ()) -> list[str]:
    """List the names of tools, and of the functions that a user has defined, for the completion.

    >>> function_names({"weather": lambda: "rain", "n": 3})
    ['python', 'python:here', 'weather']

    `hidden` are the names of IPython's own variables, such as its `open`.
    """
    return [
        *NAMED,
        *(
            name
            for name, value in variables.items()
            if not name.startswith("_")
            and name not in hidden
            and (inspect.isfunction(value) or isinstance(value, Tool | Toolbox))
        ),
    ]


def schema_named(name: str, variables: Mapping[str, Any]) -> Form:
    """Return the form that a variable, or one of Python's own types, asks for; ValueError for what is none.

    >>> schema_named("words", {"words": ["yes", "no"]}).kind
    'choices'
    """
    own = {kind.__name__: kind for kind in (int, float, bool, dict, list)}
    found = form_of(_value(name, {**own, **variables}, "--schema names a variable of the notebook"))
    if found is None:
        raise ValueError(
            f"--schema names a variable with a type, a JSON schema or choices, and {name!r} is None"
        )
    return found


def _named(name: str, variables: Mapping[str, Any], hidden: Collection[str]) -> Any:
    if name in NAMED and not isinstance(variables.get(name), Tool):
        return name
    known = function_names(variables, hidden)
    return _value(name, variables, "--tool names functions of the notebook", known)


def _value(name: str, variables: Mapping[str, Any], what: str, known: Iterable[str] = ()) -> Any:
    """Return a variable, or an attribute of one; an error lists the names that are `known`."""
    first, *rest = name.split(".")
    if first not in variables:
        meant = suggestion(first, known, "names") if known else did_you_mean(first, _visible(variables))
        raise ValueError(f"{what}, and there is no {first!r}{meant}")
    value = variables[first]
    for part in rest:
        if not hasattr(value, part):
            raise ValueError(f"{what}, and {name!r} has no {part!r}")
        value = getattr(value, part)
    return value


def _visible(variables: Mapping[str, Any]) -> list[str]:
    return [name for name in variables if not name.startswith("_")]
