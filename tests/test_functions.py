"""Functions as tools: what the model reads of them, how its arguments reach them, and what is no tool."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import io
import itertools
import math
import pickle
import re
import threading
from collections.abc import Callable
from typing import Annotated, Any, Literal, Optional, TypedDict

import numpy as np
import pytest
from pydantic import BaseModel, Field

import ossnb
from fakes import scripted_model
from ossnb.generation.question import Question
from ossnb.harmony.messages import Message, ToolCall
from ossnb.harmony.prompt import render
from ossnb.harmony.tokenizer import Tokenizer
from ossnb.tools.function import Function
from ossnb.tools.signature import BadArguments
from ossnb.tools.toolkit import Calls, Toolkit

TOKENIZER = Tokenizer()


def told(function):
    """What the model reads of a function."""
    question = Question.of("q", tools=[function])
    text = TOKENIZER.decode(render([Message("user", "q")], tools=question.tools))
    return text.split("namespace functions {\n\n")[1].split("\n\n} // namespace functions")[0]


class Unit(enum.Enum):
    CELSIUS = "c"
    FAHRENHEIT = "f"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 9


@dataclasses.dataclass
class Point:
    """A place on the map."""

    x: float
    y: float = 0.0


class Row(TypedDict):
    name: str
    price: float


class Place(BaseModel):
    name: str = Field(min_length=1, description="what people call it")
    near: list[Place] = []


def scalars(a: int, b: float, c: str, d: bool): ...
def optional(a: int | None, b: Optional[str] = None, c: int | str = 3): ...  # noqa: UP045
def defaults(a: int = 3, b: str = "x", c: list[str] = [], d: Unit = Unit.CELSIUS): ...  # noqa: B006
def choices(a: Literal["x", "y"], b: Unit, c: Level = Level.LOW): ...
def dated(day: datetime.date, at: datetime.datetime | None = None): ...
def pointed(at: Point, row: Row): ...
def listed(rows: list[Row], other: Row | None = None): ...
def placed(place: Place): ...
def keyed(prices: dict[str, float], pair: tuple[int, str], anything: Any): ...
def limited(
    n: Annotated[int, Field(ge=1, le=9, description="how many")], s: str = Field("a", pattern="^a")
): ...
def nothing(): ...
def odd_names(schema: int, model_config: int, copy: int, _hidden: int, json: int): ...
async def waits(seconds: float): ...


GOLDEN = {
    scalars: "(_: {\na: number,\nb: number,\nc: string,\nd: boolean,\n})",
    optional: "(_: {\na: number | null,\nb?: string | null,\nc?: number | string, // default: 3\n})",
    defaults: (
        '(_: {\na?: number, // default: 3\nb?: string, // default: "x"\n'
        'c?: string[], // default: []\nd?: "c" | "f", // default: c\n})'
    ),
    choices: '(_: {\na: "x" | "y",\nb: "c" | "f",\n// one of 1, 9\nc?: number, // default: 1\n})',
    dated: "(_: {\n// format date\nday: string,\n// format date-time\nat?: string | null,\n})",
    pointed: (
        "(_: {\n// A place on the map.\n//\nat: {\n    x: number,\n    y?: number, // default: 0.0\n    },\n"
        "row: {\n    name: string,\n    price: number,\n    },\n})"
    ),
    listed: (
        "(_: {\nrows: {\n    name: string,\n    price: number,\n    }[],\nother?: {\n    name: string,\n"
        "    price: number,\n    } | null,\n})"
    ),
    placed: (
        "(_: {\nplace: {\n    // what people call it (at least 1 characters)\n    name: string,\n"
        "    near?: {\n        // what people call it (at least 1 characters)\n        name: string,\n"
        "        near?: {\n            // what people call it (at least 1 characters)\n"
        "            name: string,\n            near?: {\n                }[], // default: []\n"
        "            }[], // default: []\n        }[], // default: []\n    },\n})"
    ),
    keyed: (
        "(_: {\n// any keys, each number\n//\nprices: {\n    },\n// in this order: integer, string; 2 items\n"
        "pair: Array<any>,\nanything: any,\n})"
    ),
    limited: '(_: {\n// how many (1 to 9)\nn: number,\n// matching ^a\ns?: string, // default: "a"\n})',
    nothing: "()",
    odd_names: (
        "(_: {\nschema: number,\nmodel_config: number,\ncopy: number,\n_hidden: number,\njson: number,\n})"
    ),
    waits: "(_: {\nseconds: number,\n})",
}


@pytest.mark.parametrize("function", GOLDEN, ids=lambda function: function.__name__)
def test_the_model_reads_the_types(function):
    assert told(function) == f"type {function.__name__} = {GOLDEN[function]} => any;"


DOCSTRINGS = {
    "google": """Tell the weather.

    It comes from a station.

    Args:
        city: The city,
            or a village.
        days (int, optional): How many days. Defaults to 1.

    Returns:
        What the sky does.
    """,
    "numpy": """Tell the weather.

    It comes from a station.

    Parameters
    ----------
    city : str
        The city,
        or a village.
    days : int, optional
        How many days. Defaults to 1.

    Returns
    -------
    str
        What the sky does.
    """,
    "rest": """Tell the weather.

    It comes from a station.

    :param city: The city,
        or a village.
    :param int days: How many days. Defaults to 1.
    :returns: What the sky does.
    """,
}


@pytest.mark.parametrize("style", DOCSTRINGS)
def test_docstrings_of_each_style_are_read(style):
    def weather(city: str, days: int = 1): ...

    weather.__doc__ = DOCSTRINGS[style]
    assert told(weather) == (
        "// Tell the weather.\n// It comes from a station.\ntype weather = (_: {\n"
        "// The city, or a village.\ncity: string,\n// How many days. Defaults to 1.\n"
        "days?: number, // default: 1\n}) => any;"
    )


def test_what_the_hint_says_goes_before_the_docstring():
    def f(a: Annotated[int, Field(description="of the hint")], b: int):
        """Do it.

        Args:
            a: of the docstring
            b: of the docstring
        """

    text = told(f)
    assert "// of the hint\na: number" in text
    assert "// of the docstring\nb: number" in text


# ---- arguments ---------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "default", [math.inf, -math.inf, math.nan, object(), b"\xff", "\ud800", print, {"a": object()}]
)
def test_a_default_that_json_cannot_hold_is_not_told_and_holds(default):
    def f(a: Any = default, b: int = 3):
        return a

    function = Function(f)
    properties = function.definition["function"]["parameters"]["properties"]
    assert "default" not in properties["a"]
    assert properties["b"]["default"] == 3
    assert function.run("{}") is default
    assert Question.of("q", tools=[f]).tools


@pytest.mark.parametrize(
    "make",
    [
        lambda: itertools.count(),
        lambda: (n for n in itertools.count()),
        lambda: map(str, itertools.count()),
        lambda: {"found": [1, (itertools.repeat(1),)]},
        lambda: io.StringIO("a"),
        lambda: counted_later(),
    ],
)
def test_a_result_that_may_have_no_end_is_refused(make):
    calls = Calls(Toolkit((ossnb.tool(make, name="f"),)), ["f"])
    step = calls.carry_out(ToolCall.parse("functions.f", "{}"))
    assert re.match(r"ValueError: a result must be a value, got a \w+, which may have no end", step.error)
    assert step.result == f"error: {step.error}"


async def counted_later():
    for n in itertools.count():
        yield n


def test_arguments_reach_the_function_as_its_types():
    def f(at: Point, unit: Unit, day: datetime.date, place: Place, n: int = 7, *, many: set[int]):
        return at, unit, day, place, n, many

    raw = '{"at": {"x": 1}, "unit": "f", "day": "2026-11-29", "place": {"name": "Rome"}, "many": [3, 3, 4]}'
    found = Function(f).run(raw)
    assert found == (Point(1.0), Unit.FAHRENHEIT, datetime.date(2026, 11, 29), Place(name="Rome"), 7, {3, 4})


def test_what_the_model_leaves_out_is_the_functions_own_default():
    kept = [1]

    def f(a: list[int] = kept, b: int = Field(5, ge=1), /, c: str = "c"):
        return a, b, c

    a, b, c = Function(f).run("{}")
    assert a is kept
    assert (b, c) == (5, "c")
    assert Function(f).run('{"b": 2, "c": "d"}') == (kept, 2, "d")
    assert Function(nothing).run("") is None


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ('{"a": "x", "b": 1, "d": true}', "a: Input should be a valid integer"),
        ('{"a": "x", "b": 1, "d": true}', "c: Field required"),
        ('{"a": 1, "b": 1, "c": "", "d": true, "e": 2}', "e: Extra inputs are not permitted"),
        ('{"a": 1, "b"', "Invalid JSON: EOF while parsing"),
        ("[1]", "Input should be an object"),
        ("null", "Input should be an object"),
        ("", "a: Field required"),
        ("{" * 5000, "Invalid JSON: "),
    ],
)
def test_arguments_that_do_not_fit_are_told_line_by_line(raw, message):
    with pytest.raises(BadArguments) as error:
        Function(scalars).run(raw)
    assert any(line.startswith(message) for line in str(error.value).splitlines()), error.value


def test_no_more_than_some_faults_are_told():
    def f(n: list[int]): ...

    with pytest.raises(BadArguments, match="and 90 more"):
        Function(f).run('{"n": [' + ", ".join(['"x"'] * 100) + "]}")


def test_a_function_that_changes_its_arguments_changes_nothing_else():
    def f(names: list[str]):
        names.append("mine")
        return len(names)

    function = Function(f)
    assert [function.run('{"names": ["a"]}') for _ in range(2)] == [2, 2]


# ---- kinds of callables ------------------------------------------------------------------------------------


class Shop:
    def price(self, of: str) -> float:
        """Tell the price."""
        return 2.5

    def __call__(self, of: str) -> str:
        """Sell it."""
        return of


def test_methods_partials_objects_and_lambdas_with_a_name():
    assert told(Shop().price) == "// Tell the price.\ntype price = (_: {\nof: string,\n}) => any;"
    assert "// Sell it.\ntype sell" in told(ossnb.tool(Shop(), name="sell"))
    half = ossnb.tool(functools.partial(scalars, 1, 2.0), name="half")
    assert told(half) == "type half = (_: {\nc: string,\nd: boolean,\n}) => any;"
    assert told(ossnb.tool(lambda: 3, name="three", description="Three.")).startswith("// Three.\ntype three")
    assert told(Point).startswith("// A place on the map.\ntype Point = (_: {\nx: number")


def test_a_decorated_function_is_still_the_function():
    @ossnb.tool
    def plain(a: int) -> int:
        """Add one."""
        return a + 1

    @ossnb.tool(name="other", description="Another one.")
    def renamed(a: int) -> int:
        return a + 2

    assert (plain(1), renamed(1)) == (2, 3)
    assert (plain.__name__, plain.__doc__) == ("plain", "Add one.")
    assert told(renamed).startswith("// Another one.\ntype other = ")
    assert ossnb.tool(plain, name="again").name == "again"


def test_a_question_with_functions_is_a_value():
    question = Question.of("q", tools=[choices, {"name": "now"}], max_rounds=3)
    assert question == Question.of("q", tools=[choices, {"name": "now"}], max_rounds=3)
    assert question != Question.of("q", tools=[choices, {"name": "now"}], max_rounds=4)
    assert pickle.loads(pickle.dumps(question)) == question
    later = dataclasses.replace(question, effort="high")
    assert later.toolkit == question.toolkit
    assert later.tools == question.tools
    assert [function.name for function in later.toolkit.tools] == ["choices"]
    assert dataclasses.replace(question, tools=({"name": "now"},)).toolkit.tools == ()


def no_type(a, b: int): ...
def star(*words: str): ...
def stars(**words: str): ...
def thread(a: int, t: threading.Thread): ...
def callback(f: Callable[[int], int]): ...
def array(a: np.ndarray): ...
def unknown(a: Missing): ...  # noqa: F821
def yields(a: int):
    yield a


async def yields_later(a: int):
    yield a


def python(code: str): ...


def spaced(a: int): ...


spaced.__name__ = "two words"


def divides(a: 1 / 0): ...
def no_name(a: math.nothing): ...
def counts(a: [][0]): ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (divides, r"tool 'divides': its parameters cannot be read \(division by zero\); wrap it in a fun"),
        (no_name, r"tool 'no_name': its parameters cannot be read \(.* no attribute 'nothing'\)"),
        (counts, r"tool 'counts': its parameters cannot be read \(list index out of range\)"),
        (no_type, r"tool 'no_type': parameter 'a' has no type; write one, as in a: str"),
        (star, r"tool 'star': \*words takes any number .* write the parameters out, or take one list"),
        (stars, r"tool 'stars': \*\*words takes any number .* write the parameters out"),
        (thread, r"tool 'thread': parameter 't' \(threading.Thread\) has a type that JSON cannot fill; take"),
        (callback, r"tool 'callback': parameter 'f' \(.*Callable.*\) has a type that JSON cannot fill"),
        (array, r"tool 'array': parameter 'a' \(numpy.ndarray\) has a type that JSON cannot fill"),
        (unknown, r"tool 'unknown': its type hints name 'Missing', which is not known"),
        (yields, r"tool 'yields': it yields its result bit by bit, .* return a list"),
        (yields_later, r"tool 'yields_later': it yields its result"),
        (python, r"a tool's name must be none of .*, got 'python'"),
        (spaced, r"a tool's name must be letters, digits, _ and -, got 'two words'"),
        (lambda: 3, r'a lambda has no name .*; ossnb.tool\(function, name="..."\) gives it one'),
        (functools.partial(scalars), r"a partial has no name for the model to call"),
        (Shop(), r"a Shop has no name for the model to call"),
        (min, r"tool 'min': its parameters cannot be read .* wrap it in a function of your own"),
        (3, r"a tool must be a function, or a dict with 'name', .*, got 3"),
        ("weather", r"a tool named by a text is one of python, python:here, got 'weather'"),
        (None, r"a tool must be a function, or a dict .*, got None"),
    ],
)
def test_what_is_no_tool_is_told_in_a_sentence(function, message):
    with pytest.raises(ValueError, match=message):
        Question.of("q", tools=[function])
    with pytest.raises(ValueError, match=message):
        scripted_model("").chat(tools=[function])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tools": scalars}, r"tools must be a list of functions or dicts, got function; write tools=\[sca"),
        ({"tools": [scalars, scalars]}, "tool 'scalars': each tool must have a name of its own"),
        ({"tools": [scalars, {"name": "scalars"}]}, "tool 'scalars': each tool must have a name of its own"),
        ({"tools": [scalars], "max_rounds": 0}, "max_rounds must be >= 1, got 0"),
        ({"tools": [scalars], "timeout": 0}, "timeout must be a number of seconds > 0"),
        ({"tools": [scalars], "timeout": float("nan")}, "timeout must be a number of seconds > 0"),
        ({"tools": [scalars], "on_step": 3}, "on_step must be a function of a step, got 3"),
        ({"tools": [scalars], "approve": "yes"}, 'approve must be "ask", or a function of a call'),
        ({"tools": [scalars], "run_tools": "no"}, "run_tools must be True or False, got 'no'"),
        (
            {"timeout": 30},
            "timeout is the time of one call of a tool, and tools has none that is carried out;",
        ),
    ],
)
def test_settings_of_calls_are_checked_at_the_door(options, message):
    with pytest.raises(ValueError, match=message):
        Question.of("q", **options)


def test_peers_names_are_told():
    with pytest.raises(TypeError, match="here it is max_rounds"):
        Question.of("q", tools=[scalars], max_steps=3)
    with pytest.raises(TypeError, match="the model chooses"):
        Question.of("q", tools=[scalars], tool_choice="auto")
