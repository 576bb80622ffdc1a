"""The arguments of a call: whatever fits the type that the prompt tells may come, in any order and layout."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ossnb
from ossnb.forms.arguments import Arguments, arguments_grammar
from ossnb.forms.grammar import accepts
from ossnb.harmony.legal import tools_told
from ossnb.harmony.prompt import render
from ossnb.harmony.tokenizer import CALL, END, MESSAGE, RETURN, Tokenizer
from test_legal import torn_model

N_VOCAB = 201088


def told_of(schema, description=""):
    tool = {"name": "f", "description": description, "parameters": schema}
    return tools_told(render([], tools=[tool]))["functions.f"]


def fields(required=(), **properties):
    return {"type": "object", "properties": properties, "required": list(required)}


TEXT, NUMBER, WHOLE, YES_OR_NO = ({"type": kind} for kind in ("string", "number", "integer", "boolean"))
PLACE = fields(["lat"], lat=NUMBER, note=TEXT)
ODD_NAMES = ("a b", "a-b", "what?", "a:b", "}", "//", '"', "ü", "}) => any;", "|x")

# A schema → calls that fit what is told of it, and calls that do not.
CASES = {
    "order and layout": (
        fields(["a"], a=WHOLE, b=NUMBER),
        ['{"a": 1}', '{"a":1,"b":-2.5e3}', ' {\n "b" : 0 ,\n "a" : 1 }\n', '{"b": 1, "b": 2, "a": 3}'],
        [
            '{"b": 1}',
            "{}",
            '{"a": "1"}',
            '{"a": 1',
            '{"a": 1}}',
            '{"a": 1,}',
            '{"c": 1}',
            '{"a": 01}',
            "1",
            "",
        ],
    ),
    "texts": (
        fields(["t"], t=TEXT),
        ['{"t": ""}', '{"t": "é\\n\\u00e9\\\\ {\\"x\\"}"}', '{"t": "😀"}'],
        ['{"t": "a\nb"}', '{"t": "\\x"}', "{'t': 'a'}", '{"t": null}'],
    ),
    "given values": (
        fields(["u"], u={"enum": ["c", "é", 'a"b\\']}),
        ['{"u": "c"}', '{"u": "é"}', '{"u": "\\u00e9"}', json.dumps({"u": 'a"b\\'})],
        ['{"u": "d"}', '{"u": c}', '{"u": ["c"]}'],
    ),
    "what may be missing or null": (
        fields(a={"anyOf": [WHOLE, {"type": "null"}], "default": 5}, b=TEXT),
        ["{}", '{"a": null}', '{"b": "x", "a": 1}'],
        ['{"b": null}', '{"a": "x"}', "null"],
    ),
    "objects and lists": (
        fields(["where"], where=PLACE, grid={"type": "array", "items": {"type": "array", "items": WHOLE}}),
        [
            '{"where": {"note": "x", "lat": 1}, "grid": [[1, 2], [], [3]]}',
            '{"grid": [], "where": {"lat": 1}}',
        ],
        ['{"where": {"note": "x"}}', '{"where": {"lat": 1, "x": 2}}', '{"where": {"lat": 1}, "grid": [1]}'],
    ),
    "one of several": (
        fields(x={"anyOf": [{**PLACE, "description": "here"}, {"type": "array", "items": TEXT}, WHOLE]}),
        ['{"x": {"lat": 1}}', '{"x": ["a"]}', '{"x": 3}'],
        ['{"x": {}}', '{"x": "a"}', '{"x": true}'],
    ),
    "a list of given values": (
        fields(x={"type": "array", "items": {"enum": ["a", "b"]}}),
        ['{"x": ["a", "b"]}', '{"x": []}'],
        ['{"x": {}}', '{"x": 1}'],
    ),
    "anything": (
        fields(x={}, y={"type": "object"}),
        ['{"x": [1, {"a": null}], "y": {"b": [true]}}'],
        ['{"y": []}'],
    ),
    "values of no type": (
        fields(x={"enum": ["a", {"b": 1}]}),
        ['{"x": {"b": 1}}', '{"x": "a"}'],
        ['{"y": 1}'],
    ),
    "lists with gaps": (
        fields(x={"type": "array", "items": {"type": ["integer", "null"]}}),
        ['{"x": [1, null]}'],
        ['{"x": null}', '{"x": ["a"]}'],
    ),
    "further keys": (
        {**fields(["a"], a=WHOLE), "additionalProperties": True},
        ['{"a": 1, "z": "x"}', '{"z": {}, "a": 1}'],
        ['{"a": 1', "[1]"],
    ),
    "odd names": (
        fields(**dict.fromkeys(ODD_NAMES, WHOLE)),
        [json.dumps({name: 1}) for name in ODD_NAMES],
        ['{"what": 1}', '{"a": 1}'],
    ),
    "many required": (
        fields([f"k{n}" for n in range(40)], **{f"k{n}": WHOLE for n in range(40)}),
        [json.dumps({f"k{n}": n for n in range(40)}), json.dumps({f"k{n}": n for n in reversed(range(40))})],
        ['{"k40": 1}', '{"k1": "x"}'],
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("description", ["", "Does it.\nIn two lines; type f = (_: {"])
def test_what_fits_a_type_may_come_and_nothing_else(case, description):
    schema, fitting, others = CASES[case]
    grammar = arguments_grammar(told_of(schema, description))
    assert [text for text in fitting if not accepts(grammar, text)] == []
    assert [text for text in others if accepts(grammar, text)] == []


@pytest.mark.parametrize(
    "told", ["", "() => any;", "(_: {", "(_: {\na: strange,\n}) => any;", '(_: {\n"a: 1,']
)
def test_what_is_no_type_holds_nothing(told):
    assert arguments_grammar(told) is None
    arguments = Arguments({"functions.f": told}, N_VOCAB)
    arguments.see(MESSAGE, "functions.f")
    assert arguments.mask() is None
    assert arguments.may_be(END)


# Schemas with an instance of each: what fits is never refused, or a legal call would change.


def list_of(both, n_items):
    schema, value = both
    return {"type": "array", "items": schema}, [value] * n_items


def object_of(given):
    """Fields by name, schema and value, whether they are required, and whether they are there if not."""
    schema = fields(
        [name for name, _, is_required, _ in given if is_required],
        **{name: both[0] for name, both, _, _ in given},
    )
    return schema, {name: both[1] for name, both, is_required, is_there in given if is_required or is_there}


SCALARS = st.one_of(
    st.text(max_size=8).map(lambda text: (TEXT, text)),
    st.integers(-(10**6), 10**6).map(lambda n: (WHOLE, n)),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda x: (NUMBER, x)),
    st.booleans().map(lambda yes: (YES_OR_NO, yes)),
    st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4).map(
        lambda texts: ({"enum": texts}, texts[0])
    ),
    st.just(({"anyOf": [TEXT, {"type": "null"}]}, None)),
)
NAMES = st.text('abäß:?}-_ /"', min_size=1, max_size=5)


def objects_of(inner):
    one = st.tuples(NAMES, inner, st.booleans(), st.booleans())
    return st.lists(one, max_size=4, unique_by=lambda field: field[0]).map(object_of)


VALUES = st.recursive(
    SCALARS, lambda inner: st.builds(list_of, inner, st.integers(0, 3)) | objects_of(inner), max_leaves=8
)


@settings(max_examples=60, deadline=None)
@given(objects_of(VALUES), st.randoms(use_true_random=False))
def test_every_call_that_fits_its_schema_may_come(both, rng):
    schema, value = both
    grammar = arguments_grammar(told_of(schema))
    if grammar is None:
        assert not schema["properties"]
        return
    for _ in range(3):
        layout = {"indent": rng.choice([None, 2]), "ensure_ascii": rng.random() < 0.5}
        assert accepts(grammar, json.dumps(shuffled(value, rng), **layout))


def shuffled(value, rng: random.Random):
    if isinstance(value, list):
        return [shuffled(item, rng) for item in value]
    if not isinstance(value, dict):
        return value
    names = list(value)
    rng.shuffle(names)
    return {name: shuffled(value[name], rng) for name in names}


# ---- in a turn ---------------------------------------------------------------------------------------------


def seen(told, text):
    arguments = Arguments({"functions.f": told}, N_VOCAB)
    arguments.see(MESSAGE, "functions.f")
    for token in Tokenizer().encode(text):
        arguments.see(token, "functions.f")
    return arguments


def test_a_call_ends_when_its_arguments_are_whole():
    told = told_of(fields(["a"], a=WHOLE))
    half, whole = seen(told, '{"a": 1'), seen(told, '{"a": 1}')
    assert (half.may_be(CALL), whole.may_be(CALL)) == (False, True)
    assert not any(whole.may_be(token) for token in (RETURN, END, *Tokenizer().encode("x")))
    bits = np.unpackbits(whole.mask().view(np.uint8), bitorder="little")
    assert {CALL} < set(np.flatnonzero(bits)), "and blanks"
    assert len(bits) == N_VOCAB


def test_what_somebody_put_there_ends_the_hold_and_the_next_call_is_held_again():
    arguments = seen(told_of(fields(["a"], a=WHOLE)), "{]")
    assert arguments.mask() is None
    arguments.see(CALL, None)
    arguments.see(MESSAGE, "functions.f")
    assert not arguments.may_be(Tokenizer().encode("]")[0])
    arguments.see(MESSAGE, "functions.g")
    assert arguments.mask() is None, "of a tool that nobody told of"


HEADER = "<|channel|>commentary to=functions.half <|constrain|>json<|message|>"


def torn(arguments, then):
    """A model that wants to call with some arguments, and likes the tokens of others second best."""
    return torn_model(*(HEADER + text + "<|call|>" for text in (arguments, then)))


HALF = {"name": "half", "parameters": fields(["n"], n=NUMBER)}


def test_arguments_that_do_not_fit_come_anew():
    reply = torn('{"m": 4}', '{"n": 4}').generate("Hi", tools=[HALF], seed=1, max_tokens=40)
    assert [call.arguments for call in reply.tool_calls] == [{"n": 4}]
    assert "1 token of a call did not fit its tool's arguments and came anew" in reply.notes
    free = torn('{"m": 4}', '{"n": 4}').generate("Hi", tools=[HALF], seed=1, max_tokens=40, keep_rules=False)
    assert [call.arguments for call in free.tool_calls] == [{"m": 4}]


@pytest.mark.parametrize("text", ['{"n": 4}', '{\n  "n": 4.5\n}', '{"n":-1e3}'])
def test_a_call_that_fits_has_the_same_bits_with_and_without(text):
    ruled, free = (
        torn(text, "").generate("Hi", tools=[HALF], seed=1, keep_rules=keeps, temperature=1.0, logprobs=2)
        for keeps in (True, False)
    )
    assert (ruled.tokens, ruled.logprobs, ruled.notes) == (free.tokens, free.logprobs, ())
    assert ruled.tool_calls[0].raw == text


def test_a_branch_and_a_rendered_prompt_hold_calls_as_the_question_did():
    model = torn('{"m": 4}', '{"n": 4}')
    reply = model.generate("Hi", tools=[HALF], seed=1, max_tokens=40)
    again = model.ask(ossnb.Question.branch(reply, 3, reply.tokens[3:4])).run()
    assert again.tokens == reply.tokens


def test_without_llguidance_calls_come_as_they_are(monkeypatch):
    monkeypatch.setattr("ossnb.forms.arguments.is_here", lambda: False)
    reply = torn('{"m": 4}', '{"n": 4}').generate("Hi", tools=[HALF], seed=1, max_tokens=40)
    assert [call.arguments for call in reply.tool_calls] == [{"m": 4}]
    assert reply.notes == ()
