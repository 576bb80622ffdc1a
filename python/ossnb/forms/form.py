"""What `schema=` takes, as one kind of thing: a Form."""

from __future__ import annotations

import enum
import inspect
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from ..errors import Unparsed
from ..harmony.tokenizer import well_formed
from ..harmony.typed import faults, readable, schema_of
from ..system.fields import Fields
from ..system.text import shown, shown_value
from .grammar import choice_grammar, json_grammar, lark_grammar, regex_grammar

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


@dataclass(frozen=True, slots=True)
class Form:
    """A form that an answer is held to.

    >>> form_of(["yes", "no"]).parse("yes")
    'yes'

    `content` is plain JSON: a JSON schema, a list of texts, a regular expression or a Lark grammar. `source`
    is the type or the values that the answer becomes; a form from a file has none and gives plain JSON.
    `checked_after` names what is checked only in the finished answer.
    """

    kind: Kind
    content: Any = field(hash=False)
    name: str = "answer"
    about: str = ""
    checked_after: tuple[str, ...] = field(default=(), compare=False)
    source: Any = field(default=None, repr=False, compare=False)

    @property
    def grammar(self) -> str:
        """The grammar of the answers that fit; ImportError without llguidance."""
        if self.kind == "json":
            return json_grammar(closed(self.content), checks_after=bool(self.checked_after))[0]
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
        try:
            if self.kind == "json" and self.source is not None:
                from pydantic import TypeAdapter

                return TypeAdapter(readable(self.source)).validate_json(text)
            if self.kind == "json":
                return json.loads(text)
        except (ValueError, RecursionError) as error:  # pydantic's is one
            raise Unparsed(f"the answer does not fit its schema ({shown(_why(error), 300)})", text) from None
        if self.kind == "choices":
            if text not in self.content:
                raise Unparsed("the answer is none of the choices", text)
            return text if self.source is None else self.source[list(self.content).index(text)]
        if self.kind == "regex" and not re.fullmatch(self.content, text):
            raise Unparsed("the answer does not match the regular expression", text)
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return the form as plain JSON, without the type."""
        return {"kind": self.kind, "content": self.content, "name": self.name, "about": self.about}

    @classmethod
    def read(cls, fields: Fields) -> Form:
        """Check and read what `to_dict` wrote."""
        kind = fields.one_of("kind", KINDS)
        content = fields.any("content")
        wanted = {"json": dict, "choices": list, "regex": str, "lark": str}[kind]
        if not isinstance(content, wanted):
            raise ValueError(f"content of a {kind} must be a {wanted.__name__}, got {shown_value(content)}")
        return cls(kind, content, fields.text("name"), fields.text("about"))


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
    if isinstance(schema, list | tuple | set | frozenset):
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
    if not isinstance(pattern.pattern, str) or pattern.flags & ~(re.UNICODE | re.ASCII):
        raise ValueError(
            f"schema: a regular expression must be text without flags, got {shown_value(pattern)}; write "
            "(?i) and its like into it"
        )
    return Form("regex", pattern.pattern)


def _of_choices(values: Iterable[Any], meant: list[Any], name: str) -> Form:
    """A few values: the answer is the text of one of them."""
    texts = [_text(value) for value in values]
    if not texts or len(set(texts)) < len(texts) or len(texts) > MOST_CHOICES or "" in texts:
        raise ValueError(
            f"schema: choices must be 1 to {MOST_CHOICES} texts or numbers that differ, got "
            f"{shown_value(texts)}"
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
        plain: dict[str, Any] = json.loads(well_formed(json.dumps(schema, allow_nan=False, default=dict)))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"schema: a JSON schema must be plain JSON, got something else ({error})") from None
    return plain


def plain(parsed: Any) -> Any:
    """Return a parsed answer as JSON has it: dicts, lists, texts and numbers.

    >>> plain(("a", 1))
    ['a', 1]
    """
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(parsed, fallback=str)


def closed(schema: Any, *, is_whole: bool = True) -> Any:
    """Return a JSON schema whose objects have no other keys than those it names, where it does not say.

    >>> closed({"type": "object", "properties": {"a": {}}})["additionalProperties"]
    False
    """
    if isinstance(schema, list):
        return [closed(part, is_whole=is_whole) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {}
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions", "patternProperties"):
            found[key] = {n: closed(part) for n, part in value.items()} if isinstance(value, dict) else value
        elif key in ("enum", "const", "default", "examples"):
            found[key] = value
        else:  # the parts of allOf describe one object, which none of them may close
            found[key] = closed(value, is_whole=key != "allOf")
    has_keys = "properties" in schema and not {"patternProperties", "allOf"} & schema.keys()
    if is_whole and has_keys:
        found.setdefault("additionalProperties", False)
    return found
