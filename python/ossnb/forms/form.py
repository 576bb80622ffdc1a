"""What `schema=` takes, as one kind of thing: a Form."""

from __future__ import annotations

import enum
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from ..errors import Unparsed
from ..harmony.tokenizer import well_formed
from ..harmony.typed import faults, readable, schema_of
from ..system.fields import Fields
from ..system.text import shown, shown_value
from .grammar import accepts, choice_grammar, json_grammar, lark_grammar, regex_grammar

Kind = Literal["json", "choices", "regex", "lark"]
KINDS = get_args(Kind)
MOST_CHOICES = 1000

_LARK = re.compile(r"^\s*start\s*:", re.MULTILINE)
_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_ABOUT = {
    "json": "",
    "choices": "the whole answer is one of these texts",
    "regex": "the whole answer matches this regular expression",
    "lark": "the whole answer follows this Lark grammar",
}
_FITS = {"regex": "match the regular expression", "lark": "follow the Lark grammar"}


@dataclass(frozen=True, slots=True)
class Form:
    """A form that an answer is held to.

    >>> form_of(["yes", "no"]).parse("yes")
    'yes'

    `content` is plain JSON: a JSON schema, a list of texts, a regular expression or a Lark grammar. `source`
    is the type or the values that the answer becomes; a form from a file has none and gives plain JSON.
    `checked_after` names what is checked only in the finished answer. `is_read` says that a file had the
    form: answers were held to it before, also where an older file does not name what no grammar can hold.
    """

    kind: Kind
    content: Any = field(hash=False)
    name: str = "answer"
    about: str = ""
    checked_after: tuple[str, ...] = field(default=(), compare=False)
    source: Any = field(default=None, repr=False, compare=False)
    is_read: bool = field(default=False, repr=False, compare=False)

    @property
    def grammar(self) -> str:
        """The grammar of the answers that fit; ImportError without llguidance."""
        if self.kind == "json":
            checks_after = self.is_read or bool(self.checked_after)
            return json_grammar(closed(self.content), checks_after=checks_after)[0]
        if self.kind == "choices":
            return choice_grammar(tuple(self.content))
        return regex_grammar(self.content) if self.kind == "regex" else lark_grammar(self.content)

    @property
    def told(self) -> str:
        """What the model is told of the form, as it was trained to read it."""
        if self.kind == "json":
            body = json.dumps(closed(self.content), ensure_ascii=False)
        elif self.kind == "choices":
            body = json.dumps({"enum": list(self.content)}, ensure_ascii=False)
        else:
            body = str(self.content)
        about = " ".join((self.about or _ABOUT[self.kind]).split())
        return f"# Response Formats\n\n## {self.name}\n\n" + (f"// {about}\n" if about else "") + body

    def parse(self, text: str) -> Any:
        """Return the object that a whole answer stands for; Unparsed for a text that does not fit."""
        if self.kind == "json":
            return self._parse_json(text)
        if self.kind == "choices":
            if text not in self.content:
                raise Unparsed("the answer is none of the choices", text)
            return text if self.source is None else self.source[list(self.content).index(text)]
        if not self.fits(text):
            raise Unparsed(f"the answer does not {_FITS[self.kind]}", text)
        return text

    def fits(self, text: str) -> bool:
        """Whether a text is a whole answer, as far as a grammar can tell; Unparsed where there is none.

        >>> form_of(re.compile("[a-z]+!")).fits("yes!"), form_of(re.compile("[a-z]+!")).fits("yes")
        (True, False)
        """
        if self.kind == "choices":
            return text in self.content
        try:
            return accepts(self.grammar, text)
        except ValueError as error:  # the form of a file may be no grammar
            raise Unparsed(f"the answer cannot be compared with its form: {error}", text) from None

    def _parse_json(self, text: str) -> Any:
        read: Callable[[str], Any] = json.loads
        if self.source is not None:
            from pydantic import TypeAdapter

            read = TypeAdapter(readable(self.source)).validate_json
        try:
            return read(text)
        except (ValueError, RecursionError) as error:  # pydantic's is one
            told = f"the answer does not fit its schema ({shown(_why(error), 300)})"
            raise Unparsed(told, text) from None
        except Exception as error:  # a validator of the caller's may raise anything
            why = shown(" ".join(f"{type(error).__name__}: {error}".split()), 300)
            raise Unparsed(f"a validator of the schema failed on the answer ({why})", text) from error

    def to_dict(self) -> dict[str, Any]:
        """Return the form as plain JSON, without the type."""
        after = {"checked_after": list(self.checked_after)} if self.checked_after else {}
        return {"kind": self.kind, "content": self.content, "name": self.name, "about": self.about, **after}

    @classmethod
    def read(cls, fields: Fields) -> Form:
        """Check and read what `to_dict` wrote."""
        kind = fields.one_of("kind", KINDS)
        content = fields.any("content")
        wanted = {"json": dict, "choices": list, "regex": str, "lark": str}[kind]
        if not isinstance(content, wanted):
            raise ValueError(f"content of a {kind} must be a {wanted.__name__}, got {shown_value(content)}")
        after = tuple(fields.texts("checked_after")) if "checked_after" in fields else ()
        return cls(kind, content, fields.text("name"), fields.text("about"), after, is_read=True)


def form_of(schema: Any) -> Form | None:
    """Return what a caller gave as `schema` as a Form, checked; None for None.

    >>> form_of({"type": "object", "properties": {"a": {"type": "integer"}}}).parse('{"a": 1}')
    {'a': 1}

    It may be a pydantic model, a dataclass, a TypedDict, an enum, `Literal` or another type hint; a JSON
    schema as a dict; a list of choices; `re.compile(...)`; a Lark grammar as text; OpenAI's response_format.
    A ValueError names what no answer can be held to, ImportError comes without llguidance.
    """
    if isinstance(schema, Form):
        return schema
    form = _form(schema)
    if form is not None:
        _ = form.grammar
    return form


def _form(schema: Any) -> Form | None:
    if schema is None:
        return None
    if isinstance(schema, Mapping):
        return _of_dict(dict(schema))
    if isinstance(schema, re.Pattern):
        return _of_pattern(schema)
    if isinstance(schema, str):
        if _LARK.search(schema):
            return Form("lark", well_formed(schema))
        raise ValueError(
            f"schema: a text is a Lark grammar with a rule start, got {shown_value(schema)}; a regular "
            "expression is re.compile(...), and a few choices are a list"
        )
    if isinstance(schema, enum.EnumMeta):
        members: list[Any] = list(schema)
        return _of_choices([member.value for member in members], members, schema.__name__)
    if get_origin(schema) is Literal:
        return _of_choices(get_args(schema), list(get_args(schema)), "answer")
    if isinstance(schema, set | frozenset):  # whose order is another one in each process
        schema = sorted(schema, key=str)
    if isinstance(schema, list | tuple):
        return _of_choices(list(schema), list(schema), "answer")
    return _of_type(schema)


def _of_dict(schema: dict[str, Any]) -> Form | None:
    """A JSON schema, or OpenAI's response_format."""
    kind = schema.get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return Form("json", {"type": "object"})
    if kind == "json_schema":
        inner = schema.get("json_schema", schema)
        if not isinstance(inner, Mapping) or not isinstance(inner.get("schema"), Mapping):
            raise ValueError(
                "response_format: a json_schema must have json_schema={'name': ..., 'schema': {...}}, got "
                f"{shown_value(schema, 200)}"
            )
        name, about = str(inner.get("name") or "answer"), str(inner.get("description") or "")
        return Form("json", _plain(inner["schema"]), _NAME.sub("_", name), about)
    return Form("json", _plain(schema), _name_of(schema.get("title")), "")


def _of_pattern(pattern: re.Pattern[Any]) -> Form:
    if not isinstance(pattern.pattern, str) or pattern.flags != re.compile(pattern.pattern).flags:
        raise ValueError(
            f"schema: a regular expression must be text without flags, got {shown_value(pattern)}; write "
            "(?i) and its like into it, and [0-9] or [A-Za-z0-9_] for what re.ASCII makes of \\d or \\w"
        )
    return Form("regex", pattern.pattern)


def _of_choices(values: Iterable[Any], meant: list[Any], name: str) -> Form:
    """A few values: the answer is the text of one of them."""
    texts = [_text(value) for value in values]
    if not texts or len(set(texts)) < len(texts) or len(texts) > MOST_CHOICES or "" in texts:
        got = shown_value(texts) if len(texts) <= MOST_CHOICES else f"{len(texts):,} of them"
        raise ValueError(
            f"schema: choices must be 1 to {MOST_CHOICES} texts or numbers that differ, got {got}"
        )
    return Form("choices", texts, _name_of(name), source=tuple(meant))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return well_formed(str(value))
    if isinstance(value, bool | int | float) or value is None:
        return json.dumps(value)
    raise ValueError(f"schema: a choice must be a text or a number, got {shown_value(value)}")


def _of_type(kind: Any) -> Form:
    from pydantic import TypeAdapter

    try:
        if inspect.isroutine(kind) or kind is object:  # pydantic takes both
            raise TypeError("it says nothing of the answer")
        schema = schema_of(TypeAdapter(readable(kind)))
    except Exception as error:  # types may bring their own schemas, and these may raise anything
        why = shown(" ".join(str(error).split()) or type(error).__name__, 200)
        raise ValueError(
            f"schema must be a type of pydantic, a dataclass, a TypedDict, a JSON schema, choices, a regular "
            f"expression or a Lark grammar, got {shown_value(kind)} ({why})"
        ) from None
    name = _name_of(getattr(kind, "__name__", None))
    about = schema.pop("description", "")
    _, after = json_grammar(closed(schema), checks_after=True)
    return Form("json", schema, name, about, after, source=kind)


def _why(error: Exception) -> str:
    """Say what is wrong with an answer: pydantic's faults with their fields, without its address."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    told = "; ".join(f"{place}: {text}" if place else text for place, text in faults(error))
    return " ".join(told.split())


def _name_of(name: Any) -> str:
    return (_NAME.sub("_", name).strip("_") if isinstance(name, str) else "") or "answer"


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    try:
        plain: dict[str, Any] = json.loads(json.dumps(schema, allow_nan=False, default=dict))
    except RecursionError:
        raise ValueError(
            "schema: a JSON schema must have some 100 levels at most, got more; describe it with fewer"
        ) from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"schema: a JSON schema must be plain JSON, got something else ({error})") from None
    return plain


def plain(parsed: Any) -> Any:
    """Return a parsed answer as JSON has it: dicts, lists, texts and numbers.

    >>> plain(("a", 1))
    ['a', 1]
    """
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(parsed, fallback=str)


# Keywords that say something of an object. Those in place hold other schemas for the same object.
_IN_PLACE = frozenset({"$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"})
_OF_OBJECTS = _IN_PLACE | {
    "properties",
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "required",
    "minProperties",
    "maxProperties",
    "dependentRequired",
}
_OTHERS = _IN_PLACE | {"patternProperties", "unevaluatedProperties"}  # may name keys beside properties
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")  # schemas by name
_VALUES = ("enum", "const", "default", "examples")


def closed(schema: Any) -> Any:
    """Return a JSON schema whose objects have no other keys than those it names, where it does not say.

    >>> closed({"type": "object", "properties": {"a": {}}})["additionalProperties"]
    False

    Choices beside properties may have these as well. Another object that several schemas describe together,
    as the parts of allOf, stays open: each of them would forbid what the others name.
    """
    parts: set[str] = set()  # the places of schemas that describe an object together with others
    while True:
        n = len(parts)
        found = _closed(schema, "#", True, parts)
        if len(parts) == n:
            return found


def _closed(schema: Any, place: str, is_whole: bool, parts: set[str]) -> Any:
    """Close a schema at a place, which describes its objects alone if it `is_whole`. References to schemas
    that do not are added to `parts`."""
    if isinstance(schema, list):
        return [_closed(part, f"{place}/{n}", is_whole, parts) for n, part in enumerate(schema)]
    if not isinstance(schema, dict):
        return schema
    is_whole = is_whole and place not in parts
    says = _OF_OBJECTS & schema.keys()
    passes_on = is_whole and _one_describes(schema, says)
    if isinstance(target := schema.get("$ref"), str) and not passes_on:
        parts.add(target)
    found: dict[str, Any] = {}
    for key, value in schema.items():
        inner = passes_on if key in _IN_PLACE else True
        if key in _NAMED and isinstance(value, dict):
            found[key] = {
                name: _closed(part, f"{place}/{key}/{_escaped(name)}", inner, parts)
                for name, part in value.items()
            }
        else:
            found[key] = value if key in _VALUES else _closed(value, f"{place}/{key}", inner, parts)
    if is_whole and "properties" in says and not says & _OTHERS:
        found.setdefault("additionalProperties", False)
    for key in ("anyOf", "oneOf"):
        if is_whole and says == {"properties", key} | (says & {"required"}) and _are_plain(schema, key):
            found[key] = [_with_names(choice, schema["properties"]) for choice in found[key]]
    return found


def _are_plain(schema: Mapping[str, Any], choices: str) -> bool:
    """Whether choices say of an object only which keys it has, as the schema beside them does."""
    if not isinstance(schema[choices], list) or not isinstance(schema["properties"], dict):
        return False
    return all(
        isinstance(one, dict)
        and isinstance(one.get("properties", {}), dict)
        and _OF_OBJECTS & one.keys() <= {"properties", "required"}
        for one in schema[choices]
    )


def _with_names(choice: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Close a choice, which may have the keys of the schema beside it as well."""
    properties = {name: {} for name in names} | choice.get("properties", {})
    return {**choice, "properties": properties, "additionalProperties": False}


def _one_describes(schema: Mapping[str, Any], says: Set[str]) -> bool:
    """Whether one schema in place says all that a schema says of an object: that of a reference, the only
    part of an allOf, or any one choice."""
    parts = schema.get("allOf")
    has_one = isinstance(parts, list) and len(parts) == 1
    return len(says) == 1 and (has_one or not says.isdisjoint({"$ref", "anyOf", "oneOf"}))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
