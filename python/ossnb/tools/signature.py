"""A function's signature as a model of pydantic, which gives its schema and checks its arguments.

pydantic takes 0.2 s to import, so it is imported at the first function.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from ..harmony.tokenizer import well_formed
from ..harmony.typed import faults, readable, schema_of
from ..system.text import shown

if TYPE_CHECKING:
    from pydantic import BaseModel

MOST_ERRORS = 10  # that a model is told of one call

_NO_PLACE: dict[Any, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


class BadArguments(ValueError):
    """Arguments that do not fit a function; the message is for the model that wrote them."""


class Signature:
    """The parameters of a function.

    >>> def weather(city: str, days: int = 1): "Tell the weather."
    >>> signature = Signature(weather, "weather", {"city": "where"})
    >>> signature.bind('{"city": "Paris"}')
    ([], {'city': 'Paris'})

    `told` are descriptions from elsewhere, which those of the type hints go before. Raises ValueError for a
    parameter that no JSON can fill.
    """

    def __init__(self, function: Callable[..., Any], name: str, told: dict[str, str]) -> None:
        self._parameters = _parameters(function, name)
        self._fields = {f"p{n}": parameter for n, parameter in enumerate(self._parameters)}
        self._model = self._make_model(function, name, told)

    def schema(self) -> dict[str, Any] | None:
        """Return the JSON schema of the arguments; None where there are none."""
        return schema_of(self._model) if self._parameters else None

    def bind(self, raw: str) -> tuple[list[Any], dict[str, Any]]:
        """Check the arguments that a model wrote, and return them as the function takes them.

        What the model left out is left out: the function's own defaults hold. A BadArguments has one line for
        each fault.
        """
        from pydantic import ValidationError

        try:
            found = self._model.model_validate_json(raw if raw.strip() else "{}")
        except ValidationError as error:
            raise BadArguments(_told_errors(error)) from None
        positional: list[Any] = []
        named: dict[str, Any] = {}
        gap: list[Any] = []  # defaults of parameters before a later one that has no name
        for field, parameter in self._fields.items():
            is_given = field in found.model_fields_set or _is_field(parameter.default)
            value = getattr(found, field) if is_given else parameter.default
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                gap.append(value)
                if is_given:
                    positional += gap
                    gap = []
            elif is_given:
                named[parameter.name] = value
        return positional, named

    def _make_model(self, function: Callable[..., Any], name: str, told: dict[str, str]) -> type[BaseModel]:
        from pydantic import ConfigDict, create_model

        config = ConfigDict(extra="forbid", arbitrary_types_allowed=False, defer_build=False)
        try:
            fields: dict[str, Any] = {
                field: _field(parameter, told.get(parameter.name))
                for field, parameter in self._fields.items()
            }
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model: type[BaseModel] = create_model(name, __config__=config, **fields)
                names = getattr(inspect.unwrap(function), "__globals__", {})
                model.model_rebuild(_types_namespace=names)
                schema_of(model)
        except Exception as error:  # types may bring their own schemas, and these may raise anything
            culprit = self._culprit(told) or f"a parameter ({shown(str(error) or type(error).__name__, 200)})"
            raise ValueError(
                f"tool {name!r}: {culprit} has a type that JSON cannot fill; take text, numbers, lists, "
                "dicts, enums, dataclasses or pydantic models"
            ) from None
        return model

    def _culprit(self, told: dict[str, str]) -> str:
        """Name the parameter whose type is at fault; "" where each alone is well."""
        from pydantic import create_model

        for parameter in self._parameters:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    field: Any = _field(parameter, told.get(parameter.name))
                    schema_of(create_model("Probe", p=field))
            except Exception:
                kind = shown(inspect.formatannotation(parameter.annotation), 200)
                return f"parameter {parameter.name!r} ({kind})"
        return ""


def _parameters(function: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError as error:
        raise ValueError(
            f"tool {name!r}: its type hints name {error.name!r}, which is not known where it was defined; "
            "define that at the top level, before the function"
        ) from None
    except Exception as error:  # a hint that is text is run as code
        why = shown(str(error) or type(error).__name__, 200)
        raise ValueError(
            f"tool {name!r}: its parameters cannot be read ({why}); wrap it in a function of your own, with "
            "type hints"
        ) from None
    for parameter in signature.parameters.values():
        if star := _NO_PLACE.get(parameter.kind):
            raise ValueError(
                f"tool {name!r}: {star}{parameter.name} takes any number of arguments, which a schema cannot "
                f"name; write the parameters out, or take one list, as in {parameter.name}: list[str]"
            )
        if parameter.annotation is inspect.Parameter.empty:
            raise ValueError(
                f"tool {name!r}: parameter {parameter.name!r} has no type; write one, as in "
                f"{parameter.name}: str"
            )
    return list(signature.parameters.values())


def _field(parameter: inspect.Parameter, told: str | None) -> Any:
    """Return a parameter as a field of pydantic: (type, default). What the hint says goes before `told`."""
    from pydantic import Field

    hint, metadata = readable(parameter.annotation), []
    if get_origin(hint) is Annotated:
        hint, *metadata = get_args(hint)
    default = parameter.default
    if _is_field(default):
        metadata.append(default)
        default = inspect.Parameter.empty
    before = [Field(description=told)] if told else []
    annotation = Annotated[(hint, *before, *metadata, Field(alias=parameter.name))]  # type: ignore[valid-type]
    if default is inspect.Parameter.empty:
        return annotation
    return annotation, default


def _is_field(default: Any) -> bool:
    """Whether a default is pydantic's Field(...), which has the default in it."""
    return type(default).__name__ == "FieldInfo" and type(default).__module__ == "pydantic.fields"


def _told_errors(error: Any) -> str:
    """Say, one line for each, what is wrong with arguments."""
    found = faults(error)
    lines = [f"{shown(place)}: {text}" if place else text for place, text in found[:MOST_ERRORS]]
    if len(found) > MOST_ERRORS:
        lines.append(f"and {len(found) - MOST_ERRORS} more")
    return well_formed("\n".join(lines))
