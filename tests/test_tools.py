"""Tools as the model sees them: schemas as pydantic writes them, and schemas that are none."""

from __future__ import annotations

import copy
import enum
import re
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

import ossnb
from fakes import scripted_model
from ossnb.generation.question import Question
from ossnb.harmony.messages import Message
from ossnb.harmony.prompt import render
from ossnb.harmony.tokenizer import Tokenizer

TOKENIZER = Tokenizer()


def told(parameters, description="Do it.", name="f"):
    """What the model reads of a tool."""
    tool = {"name": name, "description": description, "parameters": parameters}
    text = TOKENIZER.decode(render([Message("user", "q")], tools=[tool]))
    return text.split("namespace functions {\n\n")[1].split("\n\n} // namespace functions")[0]


def told_of(schema, **others):
    """What it reads of one property."""
    lines = told({"type": "object", "properties": {"x": schema}, **others}).split("\n")
    return "\n".join(lines[2:-1])


class Unit(enum.IntEnum):
    METRE = 1
    FOOT = 2


class Mood(enum.StrEnum):
    GOOD = "good"
    BAD = "bad"


class Place(BaseModel):
    """A place on a map."""

    name: str = Field(min_length=1, description="what people\ncall it")
    near: list[Place] = []


class Arguments(BaseModel):
    count: Annotated[int, Field(ge=1, le=9, description="how many")] = 1
    limit: int | None = None
    key: int | str = "x"
    unit: Unit = Unit.METRE
    mood: Mood | None = None
    kind: Literal["one"]
    version: Literal[3] = 3
    where: Place | None = Field(None, description="where\n it is")
    prices: dict[str, float] = {}
    point: tuple[int, str]
    pair: tuple[int, int]
    day: Annotated[str, Field(json_schema_extra={"format": "date"})]
    code: Annotated[str, Field(pattern="^a", max_length=5)] = "a"
    names: list[str] | None = None
    gaps: list[int | None] = []
    moods: list[Mood] = []
    levels: list[Annotated[int, Field(ge=0)]] = []
    either: list[str] | bool | None = None
    mixed: Literal["a", 1, None] = "a"
    share: Annotated[float, Field(gt=0, lt=1)]
    anything: Any = None


GOLDEN = """\
// Do it.
type f = (_: {
// how many (1 to 9)
count?: number, // default: 1
limit?: number | null,
key?: number | string, // default: "x"
// one of 1, 2
unit?: number, // default: 1
mood?: "good" | "bad" | null,
kind: "one",
// always 3
version?: number, // default: 3
// where it is (A place on a map.)
//
where?: {
    // what people call it (at least 1 characters)
    name: string,
    // each: A place on a map.
    near?: {
        // what people call it (at least 1 characters)
        name: string,
        // each: A place on a map.
        near?: {
            // what people call it (at least 1 characters)
            name: string,
            near?: {
                }[], // default: []
            }[], // default: []
        }[], // default: []
    } | null,
// any keys, each number
//
prices?: {
    }, // default: {}
// in this order: integer, string; 2 items
point: Array<any>,
// 2 items
pair: number[],
// format date
day: string,
// at most 5 characters; matching ^a
code?: string, // default: "a"
names?: string[] | null,
// some may be null
gaps?: number[], // default: []
// a list of these
moods?: "good" | "bad"[], // default: []
// each: at least 0
levels?: number[], // default: []
either?:
 | string[]
 | boolean | null
,
// one of "a", 1
mixed?: string | number | null, // default: "a"
// above 0; below 1
share: number,
anything?: any,
}) => any;"""


def test_a_model_of_pydantic_is_told_in_full():
    assert told(Arguments.model_json_schema()) == GOLDEN


PROPERTIES = {
    "const without type": ({"const": "a"}, 'x?: "a",'),
    "enum without type": ({"enum": ["a", "b"]}, 'x?: "a" | "b",'),
    "enum with null": ({"type": ["string", "null"], "enum": ["a", None]}, 'x?: "a" | null,'),
    "enum with quotes": ({"enum": ['q"', "n\n"], "default": "n\n"}, 'x?: "q\\"" | "n\\n", // default: n\\n'),
    "const of true": ({"const": True}, "// always true\nx?: boolean,"),
    "const null": ({"const": None}, "// always null\nx?: any,"),
    "null": ({"type": "null"}, "// always null\nx?: any,"),
    "float enum": ({"enum": [0.5, 1.5]}, "// one of 0.5, 1.5\nx?: number,"),
    "oneOf with null": ({"oneOf": [{"type": "boolean"}, {"type": "null"}]}, "x?: boolean | null,"),
    "types": ({"type": ["integer", "string", "null"]}, "x?: number | string | null,"),
    "type list with array": (
        {"type": ["array", "null"], "items": {"type": "string"}},
        "x?: string[] | null,",
    ),
    "nullable": ({"type": "string", "nullable": True}, "x?: string | null,"),
    "allOf of one": (
        {"allOf": [{"$ref": "#/$defs/N"}], "description": "a number", "default": 3},
        "// a number (at least 2)\nx?: number, // default: 3",
    ),
    "allOf of two": (
        {"allOf": [{"$ref": "#/$defs/N"}, {"maximum": 5}]},
        "// an N (2 to 5)\nx?: number,",
    ),
    "reference with words of its own": (
        {"$ref": "#/$defs/N", "description": "mine"},
        "// mine (at least 2)\nx?: number,",
    ),
    "union of references": (
        {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "string"}]},
        "x?:\n | number // an N (at least 2)\n | string\n,",
    ),
    "nested union": (
        {"anyOf": [{"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"type": "string"}]},
        "x?:\n | number | null\n | string\n,",
    ),
    "dict of lists": (
        {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}},
        "// any keys, each array of integer\n//\nx?: {\n    },",
    ),
    "free dict": ({"type": "object", "additionalProperties": True}, "// any keys\n//\nx?: {\n    },"),
    "old tuple": (
        {"type": "array", "items": [{"type": "integer"}, {"type": "string"}]},
        "// in this order: integer, string\nx?: Array<any>,",
    ),
    "old bounds": ({"type": "integer", "minimum": 3, "exclusiveMinimum": True}, "// above 3\nx?: number,"),
    "multiple": ({"type": "integer", "multipleOf": 5}, "// a multiple of 5\nx?: number,"),
    "sizes": (
        {"type": "array", "items": {}, "minItems": 1, "maxItems": 3, "uniqueItems": True},
        "// 1 to 3 items; no two alike\nx?: any[],",
    ),
    "not": ({"type": "string", "not": {"const": "a"}}, '// not {"const": "a"}\nx?: string,'),
    "description of lines": ({"type": "string", "description": "one\n\n  two"}, "// one two\nx?: string,"),
    "title": ({"type": "string", "title": "X"}, "x?: string,"),
    "default null": ({"type": "string", "default": None}, "x?: string,"),
    "properties alone": (
        {"properties": {"y": {"type": "string"}}, "required": ["y"]},
        "x?: {\n    y: string,\n    },",
    ),
    "true": (True, "x?: any,"),
}


@pytest.mark.parametrize("case", PROPERTIES)
def test_a_property_is_told_in_full(case):
    schema, expected = PROPERTIES[case]
    before = copy.deepcopy(schema)
    defs = {"N": {"type": "integer", "minimum": 2, "description": "an N"}}
    assert told_of(schema, **{"$defs": defs}) == expected
    assert schema == before


def test_a_function_without_parameters_takes_none():
    for parameters in (None, {}, {"type": "object", "properties": {}, "title": "F"}):
        assert told(parameters) == "// Do it.\ntype f = () => any;"


def test_words_about_all_parameters_join_the_description():
    schema = {"type": "object", "properties": {"x": {"type": "string"}}, "description": "The\nplace."}
    assert told(schema).startswith("// Do it.\n// The place.\ntype f = (_: {\nx?: string,\n})")
    assert told(schema, description="The place.").startswith("// The place.\ntype f = (_: {\n")
    root = {"$ref": "#/$defs/P", "$defs": {"P": schema}}
    assert told(root) == told(schema)


def test_a_name_with_spaces_is_quoted_and_a_default_is_one_line():
    schema = {"type": "string", "default": 'a\n"b"', "examples": ["c\nd"]}
    assert told({"properties": {"first name": schema, "größe": {}}, "required": ["first name"]}) == (
        "// Do it.\ntype f = (_: {\n"
        '// Examples:\n// - "c\\nd"\n'
        '"first name": string, // default: "a\\n\\"b\\""\n'
        "größe?: any,\n}) => any;"
    )


def test_a_name_may_begin_with_a_digit():
    assert told(None, name="3d-view_2") == "// Do it.\ntype 3d-view_2 = () => any;"


def test_a_question_keeps_the_whole_schema():
    tool = {"type": "function", "function": {"name": "f", "parameters": Arguments.model_json_schema()}}
    (kept,) = Question.of("q", tools=[tool]).tools
    assert kept == tool
    assert kept is not tool


def deep(n, schema):
    for _ in range(n):
        schema = {"type": "object", "properties": {"x": schema}}
    return schema


circle = {"type": "object"}
circle["properties"] = {"x": circle}
doubling = {
    "$ref": "#/$defs/D0",
    "$defs": {
        **{
            f"D{i}": {"properties": {side: {"$ref": f"#/$defs/D{i + 1}"} for side in "lr"}} for i in range(40)
        },
        "D40": {"type": "integer"},
    },
}
BAD = {
    "surrogate": {"properties": {"x": {"description": "\ud800"}}},
    "surrogate in a name": {"properties": {"\udfff": {}}},
    "name of two lines": {"properties": {"x\ny": {}}},
    "name with another end of line": {"properties": {"x": {"properties": {"a\u2028b": {}}}}},
    "NaN": {"properties": {"x": {"default": float("nan")}}},
    "infinity": {"properties": {"x": {"maximum": float("inf")}}},
    "NumPy integer": {"properties": {"x": {"default": np.int64(3)}}},
    "NumPy array": {"properties": {"x": {"enum": np.arange(2)}}},
    "bytes": {"properties": {"x": {"default": b"x"}}},
    "set": {"required": {"x"}},
    "circle": circle,
    "deep": deep(60, {"type": "string"}),
    "very deep": deep(3000, {"type": "string"}),
    "deep default": {"properties": {"x": {"default": deep(60, {})}}},
    "doubling": doubling,
    "reference to nothing": {"properties": {"x": {"$ref": "#/$defs/X"}}},
    "reference elsewhere": {"properties": {"x": {"$ref": "https://example.org/x.json"}}},
    "reference that is no text": {"properties": {"x": {"$ref": 3}}},
    "properties a list": {"properties": ["x"]},
    "property a number": {"properties": {"x": 3}},
    "required a text": {"properties": {"x": {}}, "required": "x"},
    "unknown type": {"properties": {"x": {"type": "text"}}},
    "type a number": {"properties": {"x": {"type": 3}}},
    "type a dict": {"properties": {"x": {"type": {}}}},
    "enum a text": {"properties": {"x": {"enum": "ab"}}},
    "union a dict": {"properties": {"x": {"anyOf": {}}}},
    "allOf a text": {"properties": {"x": {"allOf": "x"}}},
    "allOf of lists": {"allOf": [{"properties": []}, {"properties": {}}]},
    "description a list": {"properties": {"x": {"description": ["x"]}}},
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_schema_is_refused_and_the_tool_named(case):
    tool = {"name": "my_tool", "parameters": BAD[case]}
    with pytest.raises(ValueError, match="tool 'my_tool': "):
        Question.of("q", tools=[tool])
    with pytest.raises(ValueError, match="tool 'my_tool': "):
        scripted_model("").chat(tools=[tool])


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([{"name": "f"}, {"type": "function", "function": {"name": "f"}}], "tool 'f': .* twice"),
        ([{"name": "python"}], "must be none of .* got 'python'"),
        ([{"name": "f", "description": 3}], "tool 'f': description must be a str, got int"),
        ([{"name": "f", "strict": np.bool_(True)}], "tool 'f': it must be plain JSON"),
        ([{"name": "f g"}], "letters, digits, _ and -, got 'f g'"),
        ([{"name": ""}], "letters, digits, _ and -, got ''"),
    ],
)
def test_tools_that_the_model_could_not_call_are_refused(tools, message):
    with pytest.raises(ValueError, match=message):
        Question.of("q", tools=tools)


def test_a_recursive_schema_is_cut():
    schema = {"$ref": "#/$defs/A", "$defs": {"A": {"properties": {"a": {"$ref": "#/$defs/A"}}}}}
    assert told(schema).count("a?: {") == 3
    loop = {"properties": {"x": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert "x?: {" in told(loop)


KEYS = [
    "type",
    "enum",
    "const",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "$defs",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
    "patternProperties",
    "propertyNames",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "title",
    "description",
    "default",
    "examples",
    "nullable",
    "not",
    "uniqueItems",
]
WORDS = ["string", "integer", "object", "array", "null", "#", "#/$defs/x", "#/properties/x", "x", "\ud800"]
schemas = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.sampled_from(WORDS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.just("x")), inner, max_size=5),
    ),
    max_leaves=25,
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(KEYS), schemas, max_size=5))
@settings(deadline=None, max_examples=300)
def test_any_schema_is_told_or_refused(schema):
    try:
        tools = Question.of("q", tools=[{"name": "f", "parameters": schema}]).tools
        text = TOKENIZER.decode(render([Message("user", "q")], tools=tools))
    except ValueError as error:
        text = str(error)
    assert "type f = (" in text or "tool 'f': " in text


@pytest.mark.parametrize("memory", [2_000_000_000, np.int64(2_000_000_000), "2 GB"])
def test_the_memory_of_python_is_a_size_or_a_number_of_bytes(memory):
    assert ossnb.python(memory=memory).name == "python"


@pytest.mark.parametrize(
    ("memory", "message"),
    [
        (10_000_000, "memory must be at least 500 MB, got 10000000"),
        (4e9, "memory must be a size such as '4 GB', or a number of bytes, got 4000000000.0"),
        (True, "memory must be a size such as '4 GB', or a number of bytes, got True"),
        (None, "memory must be a size such as '4 GB', or a number of bytes, got None"),
    ],
)
def test_what_is_no_memory_of_python_is_refused(memory, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ossnb.python(memory=memory)
