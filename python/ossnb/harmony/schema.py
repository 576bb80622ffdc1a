"""JSON schemas as gpt-oss is shown them.

The harmony library writes a function's parameters as a TypeScript type. It knows `type`, `enum` of strings,
`oneOf`, `nullable`, `items`, `properties` and `default`, and writes `any`, or nothing, for the rest. `shown`
rewrites a schema into these words: references are written out, and what has no type in TypeScript (limits,
patterns, formats) becomes a part of the description. The caller's schema stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..system.text import shown_value

MAX_DEPTH = 100  # levels of JSON; the library refuses some more
MAX_PARTS = 5000  # with all references written out
MAX_REPEATS = 2  # how often a schema is written out within itself

Schema = dict[str, Any]

_BARE = re.compile(r"[\w$@.#-](?:[^\s\"]*[^\s\"?])?")  # a property's name without quotes
_SCALARS = ("string", "integer", "number", "boolean")
_TYPES = (*_SCALARS, "array", "object", "null")
# What belongs to a field and not to its type; a reference or a union may have its own.
_OF_THE_FIELD = ("description", "default", "examples", "deprecated")
# What can only be told as it stands.
_TOLD = (
    *("not", "if", "then", "else", "contains", "dependentRequired", "dependentSchemas"),
    *("contentEncoding", "contentMediaType"),
)
_SIZES = (
    ("minLength", "maxLength", "characters"),
    ("minItems", "maxItems", "items"),
    ("minProperties", "maxProperties", "keys"),
)


def shown(schema: Mapping[str, Any]) -> Schema | None:
    """Rewrite a schema of parameters as the harmony library can show it; None for no parameters.

    >>> shown({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "title": "N"}}})
    {'type': 'object', 'properties': {'n': {'type': 'integer', 'description': 'at least 1'}}}

    A schema that is written out within itself is cut and becomes "object". A ValueError names what is no
    schema, is nested too deeply or grows too large.
    """
    try:
        found = _Reader(schema).read(schema)
        depth = _depth(found)
    except RecursionError:
        depth = MAX_DEPTH + 1
    if depth > MAX_DEPTH:
        raise ValueError(f"its schema must have at most {MAX_DEPTH} levels, got more")
    return found if found and found != {"type": "object", "properties": {}} else None


class _Reader:
    """One pass over a schema; `root` is where references point."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._n_parts = 0

    def read(self, node: Any, active: tuple[str, ...] = ()) -> Schema:
        """Rewrite one schema. `active` are the references that led here."""
        self._n_parts += 1
        if self._n_parts > MAX_PARTS:
            raise ValueError(
                f"its schema must have at most {MAX_PARTS} parts, references written out, got more"
            )
        if isinstance(node, bool):  # true: any value
            return {}
        node, active = self._resolved(_expect(node, Mapping, "a schema"), active)
        words: list[str] = []
        found = self._typed(node, words, active)
        words += _limits(node)
        return found | _of_the_field(node, words)

    # ---- references --------------------------------------------------------------------------------------

    def _resolved(
        self, node: Mapping[str, Any], active: tuple[str, ...]
    ) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """Put the schemas that `$ref` and `allOf` name in their place."""
        while "$ref" in node:
            ref = node["$ref"]
            if len(active) - len(set(active)) >= MAX_REPEATS and ref in active:
                return {"type": "object", "description": _text(node)}, active
            rest = {key: value for key, value in node.items() if key != "$ref"}
            node, active = {**self._target(ref), **rest}, (*active, ref)
        parts = node.get("allOf")
        if parts is None:
            return node, active
        merged: Schema = {}
        own = {key: value for key, value in node.items() if key != "allOf"}
        for part in (*_expect(parts, list, "allOf"), own):
            if not isinstance(part, bool):
                resolved, active = self._resolved(_expect(part, Mapping, "a schema of allOf"), active)
                merged = _merged(merged, resolved)
        return merged, active

    def _target(self, ref: Any) -> Mapping[str, Any]:
        """Return what a reference within the schema names."""
        target: Any = self._root if isinstance(ref, str) and ref.startswith("#") else None
        for step in str(ref).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            target = target.get(name) if isinstance(target, Mapping) else None
        if not isinstance(target, Mapping):
            raise ValueError(
                f"its schema must have all that it refers to, as '#/$defs/Name', got {ref!r:.80}"
            )
        return target

    # ---- types -------------------------------------------------------------------------------------------

    def _typed(self, node: Mapping[str, Any], words: list[str], active: tuple[str, ...]) -> Schema:
        for key in ("anyOf", "oneOf"):
            if key in node:
                branches = _expect(node[key], list, key)
                return self._union([self.read(b, active) for b in branches if b is not False], words)
        values = [node["const"]] if "const" in node else node.get("enum")
        types = _types(node)
        if values is not None:
            return _one_of(_expect(values, list, "enum"), "null" in types, words)
        kinds = [kind for kind in types if kind != "null"]
        is_nullable = len(kinds) < len(types)
        if len(kinds) > 1 and not set(kinds) <= set(_SCALARS):
            rest = {key: value for key, value in node.items() if key not in _OF_THE_FIELD}
            branches = [self.read({**rest, "nullable": False, "type": kind}, active) for kind in types]
            return self._union(branches, words)
        if kinds == ["object"]:
            found = self._object(node, words, active)
        elif kinds == ["array"]:
            found = self._array(node, words, active)
        elif not kinds:
            words += ["always null"] if is_nullable else []
            return {}
        else:
            found = {"type": kinds[0] if len(kinds) == 1 else kinds}
        return _nullable(found) if is_nullable else found

    def _union(self, branches: list[Schema], words: list[str]) -> Schema:
        """One of several types; null is no type of its own here."""
        others = [branch for branch in branches if branch != _NULL]
        is_nullable = len(others) < len(branches)
        flat = [part for branch in others for part in branch.pop("oneOf", [branch])]
        if all(branch.keys() == {"type"} and branch["type"] in _SCALARS for branch in flat) and len(flat) > 1:
            kinds = list(dict.fromkeys(branch["type"] for branch in flat))
            found: Schema = {"type": [k for k in kinds if k != "integer" or "number" not in kinds]}
            found["type"] = found["type"][0] if len(found["type"]) == 1 else found["type"]
        elif len(flat) == 1:
            found = dict(flat[0])
            words += [found.pop("description")] if "description" in found else []
        elif not flat:
            words += ["always null"] if is_nullable else []
            return {}
        else:
            for branch in flat:  # the library would write the words of these in the middle of their type
                if branch.get("type") in ("object", "array") and "description" in branch:
                    words.append(f"{branch['type']}: {branch.pop('description')}")
            found = {"oneOf": flat}
        return _nullable(found) if is_nullable else found

    def _object(self, node: Mapping[str, Any], words: list[str], active: tuple[str, ...]) -> Schema:
        found: Schema = {"type": "object"}
        names: dict[str, str] = {}
        if "properties" in node:
            properties = _expect(node["properties"], Mapping, "properties")
            names = {str(name): _name(str(name)) for name in properties}
            found["properties"] = {
                names[str(name)]: _as_field(self.read(value, active)) for name, value in properties.items()
            }
        if required := _expect(node.get("required", []), list, "required"):
            found["required"] = [names[name] for name in required if isinstance(name, str) and name in names]
        keys = "any further keys" if found.get("properties") else "any keys"
        others = node.get("additionalProperties")
        if isinstance(others, Mapping):
            words.append(f"{keys}, each {_brief(self.read(others, active))}")
        elif others is True:
            words.append(keys)
        patterns = _expect(node.get("patternProperties", {}), Mapping, "patternProperties")
        for pattern, value in patterns.items():
            words.append(f"keys matching {pattern}, each {_brief(self.read(value, active))}")
        if "propertyNames" in node:
            words.append(f"each key {_brief(self.read(node['propertyNames'], active))}")
        return found

    def _array(self, node: Mapping[str, Any], words: list[str], active: tuple[str, ...]) -> Schema:
        items, places = node.get("items"), node.get("prefixItems")
        if isinstance(items, list):  # as older drafts write a tuple
            items, places = node.get("additionalItems"), items
        if places is not None:
            each = [self.read(place, active) for place in _expect(places, list, "prefixItems")]
            if not each or any(place != each[0] for place in each):
                words.append(f"in this order: {', '.join(map(_brief, each))}")
                if isinstance(items, Mapping):
                    words.append(f"then any number of {_brief(self.read(items, active))}")
                return {"type": "array"}
            item = each[0]
        elif items is None or items is False:
            return {"type": "array"}
        else:
            item = self.read(items, active)
        if "oneOf" in item or isinstance(item.get("type"), list) or len(item.get("enum", ())) > 1:
            words.append("a list of these")  # "a" | "b"[] would be read otherwise
        if "nullable" in item:
            words.append("some may be null")
        if "description" in item:
            words.append(f"each: {item['description']}")
        return {"type": "array", "items": {k: v for k, v in item.items() if k not in _OF_THE_FIELD}}


_NULL: Schema = {"description": "always null"}


def _types(node: Mapping[str, Any]) -> list[str]:
    """List a schema's types; where it names none, they follow from what else it says."""
    given = node.get("type")
    types = list(given) if isinstance(given, list | tuple) else [] if given is None else [given]
    if unknown := [kind for kind in types if kind not in _TYPES]:
        raise ValueError(f"a type in its schema must be one of {', '.join(_TYPES)}, got {unknown[0]!r:.80}")
    if not types and node.keys() & {"properties", "additionalProperties", "patternProperties"}:
        types = ["object"]
    elif not types and node.keys() & {"items", "prefixItems"}:
        types = ["array"]
    return [*types, "null"] if types and node.get("nullable") is True and "null" not in types else types


def _one_of(values: list[Any], is_nullable: bool, words: list[str]) -> Schema:
    """Given values: a type of their own if all are text, else in words."""
    others = [value for value in values if value is not None]
    if not others:
        words.append("always null")
        return {}
    if all(isinstance(value, str) for value in others):
        found: Schema = {"type": "string", "enum": [_on_one_line(value) for value in others]}
    else:
        kinds = list(dict.fromkeys(map(_type_of, others)))
        found = {} if None in kinds else {"type": kinds[0] if len(kinds) == 1 else kinds}
        words.append(f"always {_json(others[0])}" if len(others) == 1 else f"one of {_listed(others)}")
    return _nullable(found) if found and (is_nullable or len(others) < len(values)) else found


def _type_of(value: Any) -> str | None:
    if isinstance(value, bool):
        return "boolean"
    names: dict[type, str] = {str: "string", int: "integer", float: "number"}
    return names.get(type(value))


def _nullable(found: Schema) -> Schema:
    if "oneOf" in found:
        return found | {"oneOf": [*found["oneOf"][:-1], _nullable(found["oneOf"][-1])]}
    if isinstance(found.get("type"), list):
        return found | {"type": list(dict.fromkeys([*found["type"], "null"]))}
    return found | {"nullable": True} if found else found


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> Schema:
    """Both schemas at once: all properties, what both require, and else the second's words."""
    merged = {**first, **second}
    if "properties" in first and "properties" in second:
        both = (_expect(one["properties"], Mapping, "properties") for one in (first, second))
        merged["properties"] = {name: value for properties in both for name, value in properties.items()}
    if "required" in first and "required" in second:
        merged["required"] = [
            name for one in (first, second) for name in _expect(one["required"], list, "required")
        ]
    return merged


# ---- words -----------------------------------------------------------------------------------------------


def _of_the_field(node: Mapping[str, Any], words: list[str]) -> Schema:
    """The description with the words that have no other place, the default, the examples."""
    told: Schema = {}
    description, aside = _text(node), "; ".join(" ".join(word.split()) for word in words)
    if description or aside:
        told["description"] = f"{description} ({aside})" if description and aside else description or aside
    if node.get("default") is not None:
        told["default"] = _on_one_line(node["default"])
    if isinstance(node.get("examples"), list) and node["examples"]:
        told["examples"] = [_on_one_line(example) for example in node["examples"]]
    return told


def _name(name: str) -> str:
    """Return a property's name as it begins a line: in quotes where it could be taken for more than a name,
    as one with spaces, which prompts have in lines of their own."""
    if not name.isprintable():
        raise ValueError(
            f"a property's name in its schema must be one line of printable text, got {shown_value(name)}"
        )
    return name if _BARE.fullmatch(name) else _json(name)


def _on_one_line(value: Any) -> Any:
    """Return a value that the library writes as JSON, but for a text, which it writes as it stands."""
    return _json(value)[1:-1] if isinstance(value, str) else value


def _text(node: Mapping[str, Any]) -> str:
    """Return the description on one line; the library would not mark a second one as a comment."""
    return " ".join(_expect(node.get("description") or "", str, "a description").split())


def _as_field(found: Schema) -> Schema:
    """A property whose words are written once: the library repeats an object's description, but no title."""
    if found.get("type") != "object" or "description" not in found:
        return found
    return {"title" if key == "description" else key: value for key, value in found.items()}


def _limits(node: Mapping[str, Any]) -> Iterable[str]:
    """Yield the limits that a type does not tell, in words."""
    low, high = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    if above is True:  # as older drafts write it
        low, above = None, low
    if below is True:
        high, below = None, high
    if low is not None and high is not None:
        yield f"{_json(low)} to {_json(high)}"
        low = high = None
    pairs = (("at least", low), ("above", above), ("at most", high), ("below", below))
    for word, limit in (*pairs, ("a multiple of", node.get("multipleOf"))):
        if limit is not None and limit is not False:
            yield f"{word} {_json(limit)}"
    for least_key, most_key, what in _SIZES:
        least, most = node.get(least_key), node.get(most_key)
        if least is not None and most is not None:
            yield f"{least} {what}" if least == most else f"{least} to {most} {what}"
        elif least or most is not None:
            yield f"at least {least} {what}" if least else f"at most {most} {what}"
    if "pattern" in node:
        yield f"matching {node['pattern']}"
    if "format" in node:
        yield f"format {node['format']}"
    if node.get("uniqueItems") is True:
        yield "no two alike"
    if node.get("deprecated") is True:
        yield "deprecated"
    for key in _TOLD:
        if key in node:
            yield f"{key} {_json(node[key])}"


def _brief(found: Schema) -> str:
    """A rewritten schema in a few words."""
    kind = found.get("type")
    if "oneOf" in found:
        text = " or ".join(map(_brief, found["oneOf"]))
    elif "enum" in found:
        text = " or ".join(f'"{value}"' for value in found["enum"])
    elif kind == "array":
        text = f"array of {_brief(found['items'])}" if "items" in found else "array"
    elif kind == "object" and found.get("properties"):
        each = (f"{name}: {_brief(value)}" for name, value in found["properties"].items())
        text = f"object {{{', '.join(each)}}}"
    else:
        text = " or ".join(kind) if isinstance(kind, list) else kind or "any value"
    text += " or null" if found.get("nullable") else ""
    words = found.get("description") or found.get("title")
    return f"{text} ({words})" if words else text


def _expect(value: Any, kind: type, what: str) -> Any:
    if kind is list and isinstance(value, tuple):
        value = list(value)
    if not isinstance(value, kind):
        wanted = "text" if kind is str else "a list" if kind is list else "a dict"
        raise ValueError(f"{what} in its schema must be {wanted}, got {type(value).__name__}")
    return value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _listed(values: list[Any]) -> str:
    return ", ".join(map(_json, values))


def _depth(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, parts), default=0)
