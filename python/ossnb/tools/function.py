"""A callable as a tool: what the model is told of it, and the call itself."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, overload

from ..harmony.messages import FUNCTIONS, ToolCall
from ..harmony.prompt import read_tool
from ..system.text import shown_value
from .signature import Signature
from .tool import Tool

_UNNAMED = 'ossnb.tool(function, name="...") gives it one'


class Function(Tool):
    """A Python function that a model may call.

    >>> def add(a: int, b: int): return a + b
    >>> Function(add).run('{"a": 17, "b": 25}')
    42

    `definition` is the tool in OpenAI's form: the name, the description and the schema, from the function's
    type hints and docstring. Calling it calls the function. A ValueError says why a callable is no tool.
    """

    def __init__(
        self, function: Callable[..., Any], name: str | None = None, description: str | None = None
    ) -> None:
        if not callable(function):
            raise ValueError(
                f"a tool must be a function, or a dict with 'name', 'description' and 'parameters', got "
                f"{shown_value(function, 200)}"
            )
        if isinstance(function, Function):  # its own name and description hold where none are given
            old_name, old_description = function.given
            name, description = name or old_name, old_description if description is None else description
            function = function.function
        self.function: Callable[..., Any] = function
        self.given: tuple[str | None, str | None] = name, description  # in place of the function's own
        self.name = _name_of(function) if name is None else name
        told, of_parameters = _docstring(function)
        self.description = told if description is None else description
        definition: dict[str, Any] = {"name": self.name, "description": self.description}
        read_tool(definition)  # a name that cannot be called is told before anything else
        _check_kind(function, self.name)
        self._signature = Signature(function, self.name, of_parameters)
        if (schema := self._signature.schema()) is not None:
            definition["parameters"] = schema
        read_tool(definition)
        self.definition: dict[str, Any] = {"type": "function", "function": definition}
        if not isinstance(function, type):
            functools.update_wrapper(self, function, updated=())

    def bind(self, call: ToolCall) -> Callable[[], Any]:
        """Return the call with arguments as a model wrote them; BadArguments where they do not fit."""
        positional, named = self._signature.bind(call.raw)
        return functools.partial(self.function, *positional, **named)

    def run(self, raw: str) -> Any:
        """Call the function with arguments as a model wrote them; a coroutine comes back as it is.

        Raises BadArguments where they do not fit, and whatever the function raises.
        """
        return self.bind(ToolCall.parse(FUNCTIONS + self.name, raw))()

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self.function(*arguments, **keywords)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Function):
            return NotImplemented
        return self.function == other.function and self.definition == other.definition

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        return Function, (self.function, *self.given)

    def __repr__(self) -> str:
        return f"Function({self.name!r})"


@overload
def tool(
    function: Callable[..., Any], *, name: str | None = None, description: str | None = None
) -> Function: ...
@overload
def tool(
    function: None = None, *, name: str | None = None, description: str | None = None
) -> Callable[[Callable[..., Any]], Function]: ...
def tool(
    function: Callable[..., Any] | None = None, *, name: str | None = None, description: str | None = None
) -> Function | Callable[[Callable[..., Any]], Function]:
    """Make a function a tool with a name or a description of its own; it also works as a decorator.

    >>> half = ossnb.tool(lambda: 21, name="half_of_42", description="Half of 42")
    >>> half.name, half()
    ('half_of_42', 21)

    Plain functions need none of this: write tools=[function]. The name and the description that you leave out
    are the function's own. Raises ValueError for what is no tool: a name that is taken or not made of
    letters, digits, _ and -, a parameter without a type, a type that JSON cannot fill.
    """
    if function is None:
        return lambda decorated: Function(decorated, name, description)
    return Function(function, name, description)


def _name_of(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", None)
    if name == "<lambda>":
        raise ValueError(f"a lambda has no name for the model to call; {_UNNAMED}")
    if not isinstance(name, str):
        raise ValueError(
            f"a {type(function).__name__} has no name for the model to call, got "
            f"{shown_value(function)}; {_UNNAMED}"
        )
    return name


def _check_kind(function: Callable[..., Any], name: str) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ValueError(
            f"tool {name!r}: it yields its result bit by bit, and a call has one result; return a list"
        )


def _docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Return the description in a docstring of any usual style, and those of its parameters."""
    documented = _documented(function)
    # A class without words of its own would inherit those of pydantic, or be given its signature.
    doc = (
        inspect.cleandoc(documented.__doc__ or "")
        if isinstance(documented, type)
        else inspect.getdoc(documented)
    )
    if not doc or doc.startswith(f"{getattr(documented, '__name__', '')}("):
        return "", {}
    import docstring_parser

    try:
        parsed = docstring_parser.parse(doc)
    except docstring_parser.ParseError:
        return doc, {}
    texts = [parsed.short_description, parsed.long_description]
    told = {p.arg_name: " ".join(p.description.split()) for p in parsed.params if p.description}
    return "\n".join(text.strip() for text in texts if text), told


def _documented(function: Callable[..., Any]) -> Any:
    """What has the docstring of a callable: itself, what a partial calls, or an object's __call__."""
    if isinstance(function, functools.partial):
        return _documented(function.func)
    has_own = inspect.isroutine(function) or isinstance(function, type)
    return function if has_own else type(function).__call__
