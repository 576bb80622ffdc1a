"""JSON schemas of Python's types, by pydantic. It takes 0.2 s to import, so it is imported at first use."""

from __future__ import annotations

import json
import sys
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

if TYPE_CHECKING:
    from pydantic import BaseModel, TypeAdapter, ValidationError


def readable(hint: Any) -> Any:
    """Return a type hint as pydantic reads it. Before Python 3.12 it takes TypedDict from typing_extensions
    only, although both say the same here.

    >>> readable(int)
    <class 'int'>
    """
    if sys.version_info >= (3, 12):
        return hint
    if is_typeddict(hint) and type(hint).__module__ == "typing":
        from typing_extensions import TypedDict

        fields = {name: readable(kind) for name, kind in get_type_hints(hint, include_extras=True).items()}
        optional = hint.__optional_keys__
        made: Any = TypedDict(  # type: ignore[misc]
            hint.__name__, {n: NotRequired[kind] if n in optional else kind for n, kind in fields.items()}
        )
        made.__doc__ = hint.__doc__
        return made
    origin, inner = get_origin(hint), get_args(hint)
    if origin is None or origin is Literal or not any(map(_has_typed_dict, inner)):
        return hint
    found = tuple(readable(one) for one in inner)
    return Union[found] if origin in (Union, UnionType) else origin[found]  # noqa: UP007


def _has_typed_dict(hint: Any) -> bool:
    return is_typeddict(hint) or any(map(_has_typed_dict, get_args(hint)))


def schema_of(model: type[BaseModel] | TypeAdapter[Any]) -> dict[str, Any]:
    """Return the JSON schema of a model or an adapter of pydantic, without titles, which repeat the names,
    and without defaults that JSON cannot hold, as infinity.

    >>> from pydantic import TypeAdapter
    >>> schema_of(TypeAdapter(list[int]))
    {'items': {'type': 'integer'}, 'type': 'array'}
    """
    from pydantic.json_schema import GenerateJsonSchema
    from pydantic_core import PydanticSerializationError

    class Untitled(GenerateJsonSchema):
        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

        def encode_default(self, dft: Any) -> Any:
            plain = super().encode_default(dft)
            try:
                json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()
            except (TypeError, ValueError, RecursionError) as error:
                raise PydanticSerializationError("it is no finite JSON") from error
            return plain

        def emit_warning(self, kind: Any, detail: str) -> None:
            """Say nothing: what is left out is the caller's own, and holds where the model gives none."""

    make: Any = getattr(model, "model_json_schema", None) or getattr(model, "json_schema", None)
    schema: dict[str, Any] = make(schema_generator=Untitled)
    parts = (schema, *schema.get("$defs", {}).values(), *schema.get("properties", {}).values())
    for part in parts:
        if isinstance(part, dict) and isinstance(part.get("title"), str):
            part.pop("title")
    return schema


def faults(error: ValidationError) -> list[tuple[str, str]]:
    """Return the place and the message of each fault that pydantic found, without values and addresses.

    >>> from pydantic import TypeAdapter, ValidationError
    >>> try: TypeAdapter(dict[str, int]).validate_python({"n": "many"})
    ... except ValidationError as error: print(faults(error)[0][0])
    n
    """
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [(".".join(map(str, one["loc"])), " ".join(one["msg"].split())) for one in found]
