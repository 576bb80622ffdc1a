"""Answers held to a schema: what is taken, what is told, what may be written, what comes out."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import pickle
import re
import subprocess
import sys
import time
from typing import Annotated, Literal, TypedDict

import numpy as np
import pytest
from pydantic import BaseModel, Field, field_validator

import ossnb
from fakes import Core, model_of, scripted_model
from ossnb.forms.form import Form, closed, form_of
from ossnb.forms.grammar import Matcher
from ossnb.generation.question import Question
from ossnb.harmony.messages import Message
from ossnb.harmony.prompt import render
from ossnb.harmony.tokenizer import CALL, CHANNEL, ENDOFTEXT, FIRST_SPECIAL, MESSAGE, RETURN, Tokenizer
from ossnb.saved.notebook import SavedAnswer
from ossnb.saved.record import record_of
from ossnb.saved.verify import verify

TOKENIZER = Tokenizer()


class Sky(enum.Enum):
    SUNNY = "sunny"
    RAINY = "rainy"


class City(BaseModel):
    """A city and its weather."""

    name: Annotated[str, Field(pattern="^[A-Z][a-z]{1,8}$")]
    degrees: Annotated[int, Field(ge=-50, le=50)]
    sky: Sky
    nearby: Annotated[list[Sky], Field(max_length=2)] = []


@dataclasses.dataclass
class Point:
    x: Annotated[int, Field(ge=0, le=99)]
    label: Literal["a", "b"] | None = None


class Row(TypedDict):
    title: Annotated[str, Field(max_length=2)]
    done: bool


class Person(BaseModel):
    child: Person | None = None
    age: Annotated[int, Field(ge=0, le=9)]


class Even(BaseModel):
    n: Annotated[int, Field(ge=0, le=9)]

    @field_validator("n")
    @classmethod
    def is_even(cls, n):
        if n % 2:
            raise ValueError("must be even")
        return n


SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99}, "b": {"enum": ["x", 'q"', "語"]}},
    "required": ["a", "b"],
}
LARK = 'start: NUMBER (" + " NUMBER)?\nNUMBER: /[0-9]{1,3}/'
PHONE = re.compile(r"^[0-9]{3}-[0-9]{4}$")

# Each form, and whether an object is one that it gives.
FORMS = {
    "pydantic": (City, lambda found: isinstance(found, City) and isinstance(found.sky, Sky)),
    "dataclass": (Point, lambda found: isinstance(found, Point) and 0 <= found.x <= 99),
    "TypedDict": (Row, lambda found: found.keys() == {"title", "done"}),
    "list of TypedDict": (
        Annotated[list[Row], Field(max_length=2)],
        lambda found: all(isinstance(row["done"], bool) for row in found),
    ),
    "enum": (Sky, lambda found: isinstance(found, Sky)),
    "Literal": (Literal["yes", "no", 3], lambda found: found in ("yes", "no", 3)),
    "choices": (["a b", 'quote"d', "back\\slash", "語 😀"], lambda found: isinstance(found, str)),
    "bool": (bool, lambda found: isinstance(found, bool)),
    "JSON schema": (SCHEMA, lambda found: 0 <= found["a"] <= 99 and found["b"] in ("x", 'q"', "語")),
    "recursive": (Person, lambda found: isinstance(found, Person)),
    "regex": (PHONE, lambda found: PHONE.fullmatch(found)),
    "lark": (LARK, lambda found: re.fullmatch(r"\d{1,3}( \+ \d{1,3})?", found)),
    "response_format": (
        {"type": "json_schema", "json_schema": {"name": "ab", "schema": SCHEMA, "strict": True}},
        lambda found: found.keys() == {"a", "b"},
    ),
}


def walk(grammar, seed, most=400):
    """Write a text by tokens that are drawn from those the mask allows."""
    matcher, draw, ids = Matcher(grammar), np.random.default_rng(seed), []
    for _ in range(most):
        mask = matcher.mask()
        words = np.flatnonzero(mask)
        if matcher.may_be(RETURN) and (len(words) == 1 or draw.random() < 0.5):
            return TOKENIZER.decode(ids)
        at = int(draw.choice(words[words < RETURN // 32]))
        token = 32 * at + int(draw.choice([bit for bit in range(32) if mask[at] >> bit & 1]))
        assert token < FIRST_SPECIAL
        ids.append(token)
        matcher.take(token)
    return None  # a walk may go on for ever where the form may


@pytest.mark.parametrize("name", FORMS)
def test_random_walks_under_the_mask_are_valid(name):
    schema, fits = FORMS[name]
    form = form_of(schema)
    grammar = form.grammar
    texts = [text for seed in range(100) if (text := walk(grammar, seed)) is not None]
    assert len(texts) > 60
    for text in texts:
        assert fits(form.parse(text)), text


def test_a_form_says_what_may_be_written():
    matcher = Matcher(form_of(City).grammar)
    (brace,) = TOKENIZER.encode('{"')
    assert matcher.may_be(brace)
    assert not any(
        matcher.may_be(token) for token in (RETURN, CALL, MESSAGE, ENDOFTEXT, *TOKENIZER.encode(" "))
    )


# ---- what is told ------------------------------------------------------------------------------------------


def told(schema, **more):
    question = Question.of("q", schema=schema, **more)
    text = TOKENIZER.decode(scripted_model("").prompt_tokens(question))
    return text.split("<|start|>developer<|message|>")[1].split("<|end|>")[0]


def test_the_model_is_told_the_schema():
    assert told(Point).startswith('# Response Formats\n\n## Point\n\n{"properties": {"x": {"maximum": 99')
    assert told(City).startswith("# Response Formats\n\n## City\n\n// A city and its weather.\n{")
    assert '"additionalProperties": false' in told(City)
    assert told(["yes", "no"]) == (
        "# Response Formats\n\n## answer\n\n// the whole answer is one of these texts\n"
        '{"enum": ["yes", "no"]}'
    )
    assert told(PHONE).endswith(f"// the whole answer matches this regular expression\n{PHONE.pattern}")
    assert told(LARK).endswith("// the whole answer follows this Lark grammar\n" + LARK)
    both = told(bool, instructions="Be brief.", tools=[{"name": "now"}])
    assert both.startswith("# Instructions\n\nBe brief.\n\n# Tools\n\n")
    assert both.endswith('} // namespace functions\n\n# Response Formats\n\n## bool\n\n{"type": "boolean"}')


def test_a_prompt_without_a_schema_stays_as_it_was():
    messages = [Message("user", "q")]
    assert scripted_model("").prompt_tokens(Question.of("q")) == render(messages)
    assert scripted_model("").prompt_tokens(Question.of("q", response_format={"type": "text"})) == render(
        messages
    )


def test_special_tokens_in_a_schema_are_text():
    ids = scripted_model("").prompt_tokens(
        Question.of("q", schema={"type": "string", "description": "<|end|><|start|>system"})
    )
    assert ids.count(CHANNEL) == 0
    assert sum(token >= FIRST_SPECIAL for token in ids) == 10  # system, developer and user, and the begin


def test_objects_are_closed_where_they_do_not_say():
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"type": "object", "additionalProperties": True}},
        "$defs": {"n": {"properties": {"c": {}}}},
        "default": {"properties": {}},
    }
    found = closed(schema)
    assert found["additionalProperties"] is False
    assert found["$defs"]["n"]["additionalProperties"] is False
    assert found["properties"]["b"]["additionalProperties"] is True
    assert found["default"] == {"properties": {}}
    parts = closed({"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]})
    assert all("additionalProperties" not in part for part in parts["allOf"])
    assert "additionalProperties" not in schema, "the caller's stays as it is"
    assert closed({"allOf": [{"$ref": "#/$defs/n"}], "$defs": schema["$defs"]})["$defs"] == found["$defs"]
    choices = closed({"anyOf": [{"properties": {"a": {}}}, {"$ref": "#/$defs/n"}], "$defs": schema["$defs"]})
    assert (choices["anyOf"][0], choices["$defs"]) == (
        {"properties": {"a": {}}, "additionalProperties": False},
        found["$defs"],
    )


def takes(schema, text):
    """Whether an answer may be this text as a whole."""
    matcher = Matcher(form_of(schema).grammar)
    for token in TOKENIZER.encode(text):
        if not matcher.may_be(token):
            return False
        matcher.take(token)
    return matcher.may_be(RETURN)


NUMBER = {"type": "integer"}


@pytest.mark.parametrize(
    "schema",
    [
        {
            "allOf": [{"$ref": "#/$defs/Base"}, {"properties": {"b": NUMBER}, "required": ["b"]}],
            "$defs": {"Base": {"properties": {"a": NUMBER}, "required": ["a"]}},
        },
        {
            "$ref": "#/$defs/Base",
            "properties": {"b": NUMBER},
            "required": ["b"],
            "$defs": {
                "Base": {"allOf": [{"$ref": "#/$defs/Root/properties/x"}, {"properties": {"c": {}}}]},
                "Root": {"properties": {"x": {"properties": {"a": NUMBER}, "required": ["a"]}}},
            },
        },
        {
            "properties": {"a": NUMBER},
            "required": ["a"],
            "anyOf": [{"properties": {"b": NUMBER}, "required": ["b"]}, {"properties": {"c": NUMBER}}],
        },
        {
            "properties": {"a": NUMBER},
            "anyOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/c"}],
            "$defs": {one: {"properties": {one: NUMBER}, "required": [one]} for one in ("b", "c")},
        },
        {
            "required": ["a", "b"],
            "anyOf": [{"allOf": [{"properties": {"a": NUMBER}}, {"anyOf": [{"properties": {"b": NUMBER}}]}]}],
        },
    ],
)
def test_an_object_that_several_schemas_describe_stays_open(schema):
    schema = {"type": "object", **schema}
    assert takes(schema, '{"a": 1, "b": 2}')
    assert not takes(schema, '{"a": "x", "b": 2}')


@pytest.mark.parametrize("choices", ["anyOf", "oneOf"])
def test_choices_beside_properties_have_these_too_and_no_others(choices):
    text = {"type": "string"}
    schema = {
        "properties": {"kind": NUMBER},
        "required": ["kind"],
        choices: [
            {"properties": {"email": text}, "required": ["email"]},
            {"properties": {"phone": text}, "required": ["phone"]},
        ],
    }
    schema = {"type": "object", **schema}
    assert takes(schema, '{"kind": 1, "email": "a"}')
    assert takes(schema, '{"kind": 1, "phone": "a"}')
    assert not takes(schema, '{"kind": 1}')
    assert not takes(schema, '{"kind": 1, "email": "a", "phone": "b"}')
    assert not takes(schema, '{"kind": 1, "email": "a", "more": 1}')
    either = {"type": "object", "properties": {"a": NUMBER, "b": NUMBER}}
    either["anyOf"] = [{"required": ["a"]}, {"required": ["b"]}]
    assert [takes(either, one) for one in ('{"b": 1}', '{"a": 1, "b": 2}', "{}", '{"b": 1, "c": 1}')] == [
        True,
        True,
        False,
        False,
    ]


# ---- answers -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo():
    return ossnb.load("demo")


@pytest.mark.parametrize("name", [name for name in FORMS if name not in ("recursive", "list of TypedDict")])
@pytest.mark.parametrize(
    "settings", [{"temperature": 0}, {"seed": 5}, {"max_reasoning_tokens": 0, "seed": 1}]
)
def test_the_embedded_model_answers_in_the_form(demo, name, settings):
    schema, fits = FORMS[name]
    reply = demo.generate("What is 17 + 25?", schema=schema, max_tokens=300, **settings)
    assert reply.finish_reason == "stop"
    assert fits(reply.parsed), reply.text
    again = ossnb.Reply.from_json(reply.to_json())
    assert again == reply
    if not isinstance(schema, type):
        assert again.parsed == reply.parsed or again.text == reply.text


def test_thoughts_are_free(demo):
    free = demo.generate("What is 17 + 25?", temperature=0)
    held = demo.generate("What is 17 + 25?", temperature=0, schema=re.compile("[0-9]+ is it"))
    assert free.reasoning
    assert held.reasoning
    assert held.text.endswith(" is it")


def raving(n_vocab=201088):
    """A model that would write anything: its logits are drawn anew for each token."""

    def logits_after(tokens):
        return np.random.default_rng(len(tokens)).normal(0, 3, n_vocab).astype(np.float32)

    return model_of(Core(logits_after, n_vocab))


@pytest.mark.parametrize("name", ["enum", "regex", "choices", "bool"])
def test_a_model_that_writes_anything_answers_in_the_form(name):
    schema, fits = FORMS[name]
    for seed in range(3):
        reply = raving().generate("?", schema=schema, seed=seed, max_reasoning_tokens=5, max_tokens=2000)
        assert reply.finish_reason == "stop"
        assert fits(reply.parsed)
        assert reply.tool_calls == []


def test_the_only_token_that_may_come_needs_no_step():
    reply = raving().generate(
        "?", schema=["a text of which the begin decides"], seed=1, max_reasoning_tokens=0
    )
    assert reply.text == "a text of which the begin decides"
    plain = raving().generate(
        "?", schema=re.compile("[a-z ]{33}"), seed=1, max_reasoning_tokens=0, logprobs=1
    )
    assert len(plain.text) == 33
    assert len(plain.logprobs) == plain.stats.n_new_tokens - 3, "the header of the answer was given"
    demo = ossnb.load("demo")
    held = demo.generate("?", schema=City, temperature=0, max_tokens=200)
    stats = held.stats
    assert stats.n_given_tokens > 0
    assert stats.n_decode_steps + stats.n_given_tokens == stats.n_new_tokens - 1, "all count as generated"


def test_forced_tokens_are_those_that_the_mask_would_choose(demo, monkeypatch):
    settings = {"schema": City, "seed": 3, "max_tokens": 200}
    fast = demo.generate("What is the weather in Rome?", **settings)
    monkeypatch.setattr("ossnb.forms.held.Held.only_one", lambda self: None)
    slow = demo.generate("What is the weather in Rome?", **settings)
    assert slow.tokens == fast.tokens
    assert slow.stats.n_decode_steps > fast.stats.n_decode_steps


def test_probabilities_are_those_among_what_may_be_written(demo):
    reply = demo.generate("Is 7 odd?", schema=["yes", "no"], temperature=0, logprobs=3)
    assert len(reply.logprobs) == len(reply.tokens)
    assert all(entry.logprob <= 0 for entry in reply.logprobs)
    (yes_or_no,) = [entry for entry in reply.logprobs if entry.text in ("yes", "no", "y", "n")][:1]
    assert {top.text for top in yes_or_no.top} <= {"yes", "no", "y", "n", "ye"}


def test_a_schema_and_functions_go_together(demo):
    def get_weather(city: str) -> str:
        """Get the current weather of a city."""
        return "sunny, 21 degrees"

    reply = demo.generate("What is the weather in Paris?", tools=[get_weather], schema=City, temperature=0)
    assert reply.steps[0].result == "sunny, 21 degrees"
    assert isinstance(reply.parsed, City)


def test_a_preamble_is_no_part_of_the_object():
    script = (
        "<|channel|>commentary<|message|>Let me see.<|end|><|start|>assistant<|channel|>final<|message|>yes"
    )
    reply = scripted_model(script).generate("?", schema=["yes", "no"], tools=[{"name": "now"}], seed=1)
    assert reply.text == "Let me see.\n\nyes"
    assert reply.parsed == "yes"


# ---- bad moments -------------------------------------------------------------------------------------------


def test_an_answer_that_is_cut_says_so_with_its_text(demo):
    reply = demo.generate("?", schema=City, temperature=0, max_reasoning_tokens=0, max_tokens=8)
    assert reply.finish_reason == "length"
    with pytest.raises(ossnb.Unparsed, match="ended by 'length' before it was whole; so far it is") as error:
        reply.parsed  # noqa: B018
    assert error.value.text.startswith('{"name"')
    with pytest.raises(ValueError, match="asked without a schema"):
        demo.generate("Hi", max_tokens=3).parsed  # noqa: B018


@pytest.mark.parametrize(
    ("schema", "stop", "text"),
    [
        ('start: "a" "-" "b"', ["-"], "a"),
        ({"const": 12345678}, ["678"], "12345"),
        (re.compile("[0-9]{2}-[0-9]{2}"), ["-"], "12"),
        (["left-right", "left"], ["ft-"], "le"),
        ({"const": 12345678}, TOKENIZER.encode("456"), "123"),
    ],
    ids=str,
)
def test_an_answer_that_stop_cuts_is_not_whole(schema, stop, text):
    whole = {"a": "a-b", "12": "12-34", "le": "left-right"}.get(text, "12345678")
    model = scripted_model(f"<|channel|>final<|message|>{whole}")
    assert model.generate("?", schema=schema, seed=1).parsed == (int(whole) if whole.isdecimal() else whole)
    cut = model.generate("?", schema=schema, stop=stop, seed=1)
    with pytest.raises(ossnb.Unparsed, match=f"before it was whole; so far it is '{text}'") as error:
        cut.parsed  # noqa: B018
    assert error.value.text == text


def test_an_answer_that_is_whole_where_stop_ends_it_is_whole():
    model = scripted_model("<|channel|>final<|message|>12-34")
    reply = model.generate("?", schema=re.compile("[0-9]{2}(-[0-9]{2})?"), stop=["-"], seed=1)
    assert reply.finish_reason == "stop_string"
    assert reply.parsed == "12"


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        (r"(x+x+)+y|x*", "x" * 40, "x" * 40 + "z"),  # backtracking would take years
        (r"[a-z&&[aeiou]]+", "aeo", "abc"),  # the syntax is that of the mask, and not Python's
        (r"^\d{2}$", "42", "421"),
    ],
)
def test_a_regular_expression_is_compared_as_the_mask_reads_it(pattern, fits, does_not):
    form = Form("regex", pattern)
    assert form.parse(fits) == fits
    with pytest.raises(ossnb.Unparsed, match="does not match the regular expression"):
        form.parse(does_not)


def test_a_text_that_does_not_follow_its_grammar_is_told():
    form = form_of('start: "a" ("-" "b")?')
    assert form.parse("a-b") == "a-b"
    with pytest.raises(ossnb.Unparsed, match="does not follow the Lark grammar") as error:
        form.parse("a-")
    assert error.value.text == "a-"


def test_a_saved_form_that_is_no_grammar_is_told_with_the_text():
    form = Form("regex", "(", is_read=True)
    with pytest.raises(ossnb.Unparsed, match=r"compared with its form: .* '\(' cannot be used") as error:
        form.parse("x")
    assert error.value.text == "x"


class Endless(BaseModel):
    next: Endless


class Ending(BaseModel):
    next: Endless | Ending | None


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        Endless,
        {"anyOf": [{"$ref": "#"}]},
        {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
        {"allOf": [{"$ref": "#/$defs/a~1b"}], "$defs": {"a/b": {"oneOf": [{"$ref": "#"}]}}},
    ],
    ids=str,
)
def test_a_schema_whose_recursion_has_no_end_is_refused_at_once(schema):
    with pytest.raises(ValueError, match="its recursion has no end; give a case that ends"):
        Question.of("q", schema=schema)


@pytest.mark.parametrize(
    "schema",
    [
        Ending,
        {"type": "object", "properties": {"x": {"$ref": "#"}}},
        {"type": "array", "items": {"$ref": "#"}},
        {"anyOf": [{"$ref": "#"}, {"type": "string"}]},
        {"type": ["object", "null"], "properties": {"x": {"$ref": "#"}}, "required": ["x"]},
        {"const": 3, "type": "integer"},
        {"type": "object", "properties": {"properties": {"type": "string"}}, "required": ["properties"]},
    ],
    ids=str,
)
def test_a_schema_whose_recursion_has_an_end_is_taken(schema):
    assert Question.of("q", schema=schema).form is not None


@pytest.mark.parametrize("schema", ['start: start "a"', 'start: "a" x\nx: x "b"'], ids=str)
def test_a_recursion_without_an_end_is_told_with_the_text(demo, schema):
    with pytest.raises(ossnb.Unparsed, match=r"a recursion has no end: give it a case that ends$") as error:
        demo.generate("?", schema=schema, temperature=0, max_reasoning_tokens=0)
    assert error.value.text == ("a" if "x" in schema else "")


def test_what_pydantic_alone_checks_is_told():
    form = form_of(Even)
    assert form.parse('{"n": 4}') == Even(n=4)
    with pytest.raises(ossnb.Unparsed, match=r"does not fit its schema \(n: Value error, must be even\)$"):
        form.parse('{"n": 3}')


class Inverse(BaseModel):
    n: Annotated[int, Field(ge=0, le=9)]

    @field_validator("n")
    @classmethod
    def has_one(cls, n):
        return 60 // n


def test_a_validator_may_raise_anything():
    with pytest.raises(
        ossnb.Unparsed, match=r"a validator of the schema failed .* \(ZeroDivisionError: "
    ) as error:
        form_of(Inverse).parse('{"n": 0}')
    assert error.value.text == '{"n": 0}'
    assert isinstance(error.value.__cause__, ZeroDivisionError)
    model = scripted_model('<|channel|>final<|message|>{"n": 0}')
    frame = model.map(["x"], schema=Inverse, seed=1, progress=False).to_frame("pandas")
    assert frame["answer"].tolist() == ['{"n": 0}']


SET_IN_A_PROCESS = """
import json
from ossnb.forms.form import form_of
print(json.dumps([form_of(kind(["red", "green", "blue", 3])).content for kind in (set, frozenset)]))
"""


def test_a_set_of_choices_has_the_same_order_in_every_process():
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        ran = subprocess.run(
            [sys.executable, "-c", SET_IN_A_PROCESS], env=environment, capture_output=True, check=True
        )
        assert json.loads(ran.stdout) == [["3", "blue", "green", "red"]] * 2
    assert form_of({"no", "yes"}).parse("yes") == "yes"


def test_flags_within_a_regular_expression_hold():
    form = form_of(re.compile("(?i)ab"))
    assert takes(form, "aB")
    assert form.parse("aB") == "aB"


def test_keywords_that_are_checked_afterwards_are_named(demo):
    reply = demo.generate("?", schema=set[Literal["a", "b"]], temperature=0, max_tokens=200)
    assert any(
        "checked only in the finished answer" in note and "uniqueItems" in note for note in reply.notes
    )
    assert reply.parsed <= {"a", "b"}


def nested(n):
    schema = {"type": "string"}
    for _ in range(n):
        schema = {"type": "object", "properties": {"x": schema}}
    return schema


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "string", "not": {"const": "a"}}, r"schema: no answer can be held to it: .*\"not\""),
        ({"type": "array", "uniqueItems": True}, r"no answer can be held to it: .*uniqueItems"),
        ({"type": "string", "format": "regex"}, "no answer can be held to it: Unknown format: regex"),
        ({"$ref": "#/$defs/x"}, "no answer can be held to it: Pointer '/\\$defs/x' does not exist"),
        ({"type": object}, "schema: a JSON schema must be plain JSON"),
        ({"properties": {"\udfff": {}}}, "no answer can be held to it: it must be Unicode text, got half a"),
        ({"enum": ["\ud800"]}, "no answer can be held to it: it must be Unicode text, got half a character"),
        (re.compile("a\ud800"), r"'a\\\\ud800' cannot be used: it must be Unicode text"),
        (nested(150), "no answer can be held to it: it must have some 100 levels at most, got more"),
        (nested(5000), "a JSON schema must have some 100 levels at most, got more"),
        (re.compile("(?=a)b"), r"the regular expression '\(\?=a\)b' cannot be used: .*look-around"),
        (re.compile("a", re.IGNORECASE), r"must be text without flags.* write \(\?i\)"),
        (re.compile(r"\d{4}", re.ASCII), r"must be text without flags.* \[0-9\] or .* re\.ASCII"),
        (re.compile(b"a"), "must be text without flags"),
        ('start: "a" | missing', 'the Lark grammar cannot be used: .*unknown name: "missing"'),
        (
            "yes|no",
            "a text is a Lark grammar with a rule start, got 'yes|no'; a regular expression is re.com",
        ),
        ([], "choices must be 1 to 1000 texts or numbers that differ"),
        (list(range(1500)), "choices must be 1 to 1000 texts or numbers that differ, got 1,500 of them$"),
        (["a", "a"], "choices must be 1 to 1000 texts or numbers that differ"),
        ([["a"]], "a choice must be a text or a number, got"),
        ([""], "choices must be 1 to 1000"),
        (lambda: 3, "schema must be a type of pydantic, a dataclass"),
        (object, "schema must be a type of pydantic, a dataclass"),
        (np.ndarray, "schema must be a type of pydantic, a dataclass"),
        (3, "schema must be a type of pydantic"),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, "a json_schema must have json_schema="),
    ],
)
def test_what_no_answer_can_be_held_to_is_refused_at_once(schema, message):
    with pytest.raises(ValueError, match=message):
        Question.of("q", schema=schema)


def test_two_forms_are_one_too_many():
    with pytest.raises(ValueError, match="an answer has one form"):
        Question.of("q", schema=bool, response_format={"type": "json_object"})
    with pytest.raises(ValueError, match="response_format must be a dict"):
        Question.of("q", response_format=bool)
    with pytest.raises(TypeError, match="here it is schema"):
        Question.of("q", json_schema=SCHEMA)


def test_without_the_library_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(ImportError, match=r'pip install "ossnb\[schema\]"'):
        Question.of("q", schema=re.compile("never seen before"))
    assert Question.of("q").form is None


def test_a_schema_of_60_fields_is_quick():
    fields = {f"field_{i}": {"type": "array", "items": {"type": "number"}, "maxItems": 10} for i in range(60)}
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    began = time.process_time()
    matcher = Matcher(form_of(schema).grammar)
    for token in TOKENIZER.encode('{"field_0": [1, 2], "field_1": '):
        assert matcher.may_be(token)
        matcher.take(token)
    assert time.process_time() - began < 8  # the vocabulary, if this test is the first


def test_an_answer_that_cannot_go_on_raises():
    matcher = Matcher(form_of(["yes"]).grammar)
    matcher.take(TOKENIZER.encode("no")[0])
    with pytest.raises(ValueError, match="cannot go on in the form of its schema"):
        matcher.mask()


# ---- as data, and all ways to ask --------------------------------------------------------------------------


def test_a_question_with_a_schema_is_a_value():
    question = Question.of("q", schema=City)
    assert question == Question.of("q", schema=City)
    assert question != Question.of("q", schema=Point)
    assert hash(question) == hash(Question.of("q", schema=City))
    again = pickle.loads(pickle.dumps(question))
    assert again == question
    assert again.form.parse('{"name": "Rome", "degrees": 1, "sky": "sunny"}').sky is Sky.SUNNY
    assert dataclasses.replace(question, effort="high").form == question.form


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kind", "x", "form.kind must be one of json, choices, regex, lark"),
        ("content", 3, "content of a json must be a dict, got 3"),
        ("name", 3, "form.name must be text"),
    ],
)
def test_a_damaged_form_is_named(field, value, message):
    reply = ossnb.Reply("x", form=form_of(SCHEMA), sampling=ossnb.Sampling(seed=1)).to_dict()
    reply["form"][field] = value
    with pytest.raises(ValueError, match=message):
        ossnb.Reply.from_dict(reply)


def test_a_chat_and_its_file_keep_the_schema(demo, tmp_path):
    chat = demo.chat(schema=["yes", "no"], temperature=0)
    assert chat.say("Is 7 odd?").parsed in ("yes", "no")
    chat.save(tmp_path / "c.json")
    again = ossnb.Chat.load(tmp_path / "c.json", demo)
    assert again.say("Is 8 odd?").parsed in ("yes", "no")
    assert chat.say("Say hello", schema=["hello"]).parsed == "hello"


SOME = set[Literal["a", "b"]]  # no grammar can hold an answer to uniqueItems


def older(form):
    """A form as files had it before they named what is checked afterwards."""
    return {name: value for name, value in form.items() if name != "checked_after"}


@pytest.mark.parametrize("is_older", [False, True])
def test_a_saved_chat_goes_on_with_what_is_checked_afterwards(tmp_path, is_older):
    model = scripted_model('<|channel|>final<|message|>["a"]')
    chat = model.chat(schema=SOME)
    assert chat.say("?").parsed == {"a"}
    chat.save(path := tmp_path / "c.json")
    content = json.loads(path.read_text())
    assert "uniqueItems" in str(content["form"]["checked_after"])
    if is_older:
        path.write_text(json.dumps({**content, "form": older(content["form"])}))
    for _ in range(2):  # what was read can be saved again
        chat = ossnb.Chat.load(path, model)
        assert chat.say("?").parsed == ["a"]
        chat.save(path)


@pytest.mark.parametrize("is_older", [False, True])
def test_an_answer_with_what_is_checked_afterwards_is_verified(is_older):
    model = scripted_model('<|channel|>final<|message|>["a"]')
    reply = model.generate("?", schema=SOME, seed=1)
    metadata = {**reply.to_dict(settings_only=True), **record_of(reply, "")}
    assert "uniqueItems" in str(metadata["form"]["checked_after"])
    if is_older:
        metadata["form"] = older(metadata["form"])
    (verdict,) = verify([SavedAnswer(1, "", metadata)], lambda facts: model)
    assert verdict.state == "identical", verdict.text


def test_a_form_from_a_file_names_what_is_checked_afterwards():
    reply = scripted_model('<|channel|>final<|message|>["a"]').generate("?", schema=SOME, seed=1)
    again = ossnb.Reply.from_json(reply.to_json())
    assert again == reply
    assert again.notes == reply.notes
    assert again.form.checked_after == form_of(SOME).checked_after
    assert "checked_after" not in form_of(SCHEMA).to_dict()
    damaged = reply.to_dict()
    damaged["form"]["checked_after"] = [3]
    with pytest.raises(ValueError, match=r"form\.checked_after must be a list of texts, got 3 at 0"):
        ossnb.Reply.from_dict(damaged)


def test_a_map_goes_on_from_a_file_whose_forms_are_older(tmp_path):
    model, path = scripted_model('<|channel|>final<|message|>["a"]'), tmp_path / "answers.jsonl"
    settings = {"schema": SOME, "seed": 1, "resume": path, "progress": False}
    model.map(["x", "y"], **settings).run()
    first, *rest = [json.loads(line) for line in path.read_text().splitlines()]
    for line in rest:
        line["reply"]["form"] = older(line["reply"]["form"])
    path.write_text("".join(json.dumps(line) + "\n" for line in (first, *rest)))
    before = path.read_bytes()
    assert [answer.text for answer in model.map(["x", "y"], **settings)] == ['["a"]'] * 2
    assert path.read_bytes() == before


def test_a_map_gives_a_frame_with_the_fields(demo, tmp_path):
    rows = [{"n": 17}, {"n": 25}]
    settings = {"schema": Point, "temperature": 0, "resume": tmp_path / "answers.jsonl"}
    answers = demo.map(rows, "What is {n} + 2?", **settings)
    frame = answers.to_frame("pandas")
    assert list(frame.columns)[:4] == ["n", "answer", "x", "label"]
    assert frame["x"].tolist() == [json.loads(text)["x"] for text in frame["answer"]]
    again = demo.map(rows, "What is {n} + 2?", **settings)
    assert again.to_frame("pandas")["x"].tolist() == frame["x"].tolist()
    choices = demo.map(["7", "8"], "Is {} odd?", schema=["yes", "no"], temperature=0).to_frame("pandas")
    assert set(choices["parsed"]) <= {"yes", "no"}


def test_samples_and_awaited_answers_are_held_too(demo):
    replies = demo.samples("Is 7 odd?", 2, schema=["yes", "no"], seed=1)
    assert all(reply.parsed in ("yes", "no") for reply in replies)


def test_a_form_made_by_hand_works_as_one():
    form = Form("choices", ["a", "b"])
    assert form_of(form) is form
    assert form.parse("a") == "a"
    with pytest.raises(ossnb.Unparsed, match="none of the choices"):
        form.parse("c")
    with pytest.raises(ossnb.Unparsed, match="does not match"):
        form_of(PHONE).parse("c")
    with pytest.raises(ossnb.Unparsed, match="does not fit its schema"):
        form_of(SCHEMA).parse("{")
