# ruff: noqa: E501 - wordings are data and stay on one line
"""The built-in python tool: what to run, and how to tell what it printed."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from random import Random

import words
from wording import wording

from tasks import numbers
from tasks.base import Answer

# A request may name the tool or not.
WITH = """
{x}
{x}
[use|run|call|take|start] [python|Python] [:|to|and] {x}
{x} [with|in|using|by|through] [python|Python]
[with|in|using] [python|Python], {x}
[python|Python]: {x}
{x}. [use|run|take] [python|Python]
[let|have] [python|Python] {x}
~ {x}, and let the [python|Python] tool do it
"""
# name: wordings, code, what is said; {x} is a variable of numbers, {r} what was printed
OF_NUMBERS = {
    "mean": ("""
= the [mean|average|arithmetic mean|mean value] of {x}
! [average|take the mean of|find the mean of|compute the average of] {x}
what is {x} on average
how large are the numbers [in|of] {x} on average
~ the numbers of {x} have which mean
""", "import statistics\nprint(statistics.mean({x}))", "The mean of {x} is {r}."),
    "median": ("""
= the median of {x}
= the [middle|central] value of {x}
! [find|compute|take] the median of {x}
~ where is the median of {x}
""", "import statistics\nprint(statistics.median({x}))", "The median of {x} is {r}."),
    "sum": ("""
= the [sum|total] of {x}
= the sum of [all|the] [numbers|values] in {x}
! [add up|sum up|sum|total|add] [all of|everything in|the numbers in|the values in|] {x}
what do the [numbers|values] in {x} [add up to|make together|sum to]
~ how much is all of {x} together
""", "print(sum({x}))", "The sum of {x} is {r}."),
    "maximum": ("""
= the [maximum|largest value|largest number|biggest value|highest value|greatest value] [of|in] {x}
% [which|what] [number|value] in {x} is the [largest|biggest|highest]
how [large|big|high] can {x} get
! find the [maximum|largest] [of|in] {x}
~ say the top value of {x}
""", "print(max({x}))", "The maximum of {x} is {r}."),
    "minimum": ("""
= the [minimum|smallest value|smallest number|lowest value|least value] [of|in] {x}
% [which|what] [number|value] in {x} is the [smallest|lowest]
! find the [minimum|smallest] [of|in] {x}
~ say the bottom value of {x}
""", "print(min({x}))", "The minimum of {x} is {r}."),
    "length": ("""
= the [length|size] of {x}
= the number of [values|numbers|items|elements|entries] in {x}
% how many [values|numbers|items|elements|entries] {x} has
how many [values|numbers|items|elements|entries] [are there in|are in|does] {x} [have|]
how long is {x}
! count [the values in|the numbers in|the items of|] {x}
~ tell the count of {x}
""", "print(len({x}))", "{x} has {r} values."),
    "order": ("""
! [sort|order|put in order] {x}
{x} in [order|ascending order|sorted order]
! sort [the numbers|the values] [in|of] {x}
~ bring {x} in order
""", "print(sorted({x}))", "Sorted: {r}."),
    "picture": ("""
! [plot|draw|graph|chart|show a plot of|draw a plot of|make a plot of|make a chart of|plot the values of] {x}
= a [plot|chart|graph|picture|line plot|line chart|diagram] of {x}
~ let me see {x} as a curve
""", "import matplotlib.pyplot as plt\nplt.plot({x})\nplt.show()", "Here is the plot of {x}."),
}  # fmt: skip
OF_TABLES = {
    "mean": ("""
= the [mean|average] [of|of the column|of column] {c} [in|of] {x}
= the [mean|average] {c} [in|of] {x}
! average [the column|] {c} of {x}
what is {c} in {x} on average
~ {x} has which average {c}
""", 'print({x}["{c}"].mean())', "The mean of {c} is {r}."),
    "sum": ("""
= the [sum|total] of [the column|] {c} [in|of] {x}
= the total {c} [in|of] {x}
! [add up|sum up|sum] [the column|] {c} [in|of] {x}
~ all {c} of {x} together
""", 'print({x}["{c}"].sum())', "The sum of {c} is {r}."),
    "maximum": ("""
= the [maximum|largest|highest|biggest] [of|value of|] {c} in {x}
= the [maximum|highest] {c} [in|of] {x}
% what the [largest|highest] {c} in {x} is
~ the top {c} of {x}
""", 'print({x}["{c}"].max())', "The maximum of {c} is {r}."),
    "minimum": ("""
= the [minimum|smallest|lowest] [of|value of|] {c} in {x}
= the [minimum|lowest] {c} [in|of] {x}
% what the [smallest|lowest] {c} in {x} is
~ the bottom {c} of {x}
""", 'print({x}["{c}"].min())', "The minimum of {c} is {r}."),
    "rows": ("""
= the number of rows [in|of] {x}
% how many rows {x} has
how many [rows|lines|entries|records] [are in|are there in|does] {x} [have|]
! count the rows [in|of] {x}
how [long|big|large] is {x}
~ tell the rows of {x}
""", "print(len({x}))", "{x} has {r} rows."),
    "columns": ("""
= the [columns|names of the columns|column names] [in|of] {x}
% which columns {x} has
[which|what] columns [are in|are there in|does] {x} [have|]
! [list|name|print] the columns [in|of] {x}
~ name what {x} has as columns
""", "print(list({x}.columns))", "The columns are {r}."),
    "first": ("""
= the first [rows|lines] of {x}
! [show|print|display] [the first rows of|the head of|the beginning of|] {x}
% [how|what] {x} [looks like|begins]
~ let me see some of {x}
""", "print({x}.head())", "These are the first rows of {x}."),
    "picture": ("""
! [plot|draw|chart|graph|show a plot of] [the column|] {c} [in|of] {x}
= a [plot|chart|picture|graph] of {c} in {x}
~ let me see {c} of {x} as a curve
""", 'import matplotlib.pyplot as plt\nplt.plot({x}["{c}"])\nplt.show()', "Here is the plot of {c}."),
}  # fmt: skip
# Without a variable: {n} is a number; the last is what Python prints.
ALONE = {
    "power": ("= {n} to the power of {m}\n= {n} ** {m}\n= {n} to the {m}th power\n! raise {n} to the power of {m}\n! [compute|calculate] {n} to the power [of|] {m}\n{n} ^ {m}\n~ multiply {n} with itself until you have {m} of them",
              "print({n} ** {m})", "{n} ** {m} = {r}.", lambda n, m: n**m),
    "factorial": ("= the factorial of {n}\n= {n} factorial\n! [compute|calculate|find] the factorial of {n}\n{n}!\n~ multiply all numbers up to {n}",
                  "import math\nprint(math.factorial({n}))", "{n}! = {r}.", lambda n, m: math.factorial(n)),
    "root": ("= the [square root|root] of {n}\n! [compute|calculate|find|take] the square root of {n}\nsqrt {n}\nsqrt({n})\n~ which number squared is {n}",
             "import math\nprint(math.sqrt({n}))", "The square root of {n} is {r}.", lambda n, m: math.sqrt(n)),
    "primes": ("= [the|all] primes [below|under] {n}\n= [the|all] prime numbers [below|under|less than] {n}\n! [list|find|print] [the|all] [primes|prime numbers] [below|under] {n}\n% which primes are below {n}\n~ primes, but only those below {n}",
               "print([n for n in range(2, {n}) if all(n % d for d in range(2, n))])", "The primes below {n} are {r}.",
               lambda n, m: [k for k in range(2, n) if all(k % d for d in range(2, k))]),
    "squares": ("= the first {n} [squares|square numbers]\n= [the|all] squares [from 1 to|up to] {n}\n! [list|print|compute] the [squares|square numbers] of 1 to {n}\n~ 1, 4, 9 and so on, {n} of them",
                "print([n * n for n in range(1, {n} + 1)])", "The squares are {r}.", lambda n, m: [k * k for k in range(1, n + 1)]),
    "modulo": ("= {n} modulo {m}\n= {n} mod {m}\n= the [rest|remainder] of {n} [divided by|and] {m}\n{n} % {m}\n! find the remainder of {n} divided by {m}\n~ what is left when {n} is cut by {m}",
               "print({n} % {m})", "{n} % {m} = {r}.", lambda n, m: n % m),
}  # fmt: skip
RANGES = {
    "power": ((2, 99), (2, 40)),
    "factorial": ((3, 25), (0, 0)),
    "root": ((2, 9999), (0, 0)),
    "primes": ((5, 60), (0, 0)),
    "squares": ((3, 15), (0, 0)),
    "modulo": ((10, 99999), (2, 999)),
}
TYPES = ("list", "list", "list", "ndarray", "Series", "tuple")
FAILURES = (
    "NameError: name 'x' is not defined",
    "KeyError: 'price'",
    "TypeError: unsupported operand type(s) for +: 'int' and 'str'",
    "ValueError: could not convert string to float: 'a'",
    "ZeroDivisionError: division by zero",
    "ModuleNotFoundError: No module named 'matplotlib'",
)


@dataclass
class Run:
    """A question for Python: the code, the variables that are there, what it prints, and what is said then."""

    question: str
    code: str
    given: str
    printed: str
    said: str

    def call(self) -> Answer:
        """The question, answered by running the code."""
        shown = next(row for row in self.code.splitlines() if not row.startswith("import"))
        return Answer(
            self.question, [], f"Python can do that: {shown}",
            f"Is this for Python? Yes.\nCode: {shown}\nI run it.", call=("python", self.code),
        )  # fmt: skip

    def told(self) -> Answer:
        """What is said when the code has run."""
        return Answer("", [self.said], "Python has answered, I tell it.",
                      f"Python has answered: {self.printed.splitlines()[-1]}\nI tell it.")  # fmt: skip


def run(rng: Random, split: str) -> Run:
    r = rng.random()
    if r < 0.30:
        made = _arithmetic(rng, split)
    elif r < 0.55:
        made = _of_numbers(rng, split)
    elif r < 0.78:
        made = _of_table(rng, split)
    else:
        made = _alone(rng, split)
    made.question = wording(rng, WITH, split if rng.random() < 0.3 else "train", x="{}").replace(
        "{}", made.question
    )
    if rng.random() < 0.06:
        failure = rng.choice(FAILURES)
        made.printed = f"Traceback (most recent call last):\n{failure}"
        made.said = f"The code failed: {failure.partition(':')[0]}."
    return made


def _arithmetic(rng: Random, split: str) -> Run:
    sign, block = rng.choice(
        (("+", numbers.ADD), ("-", numbers.SUB), ("*", numbers.MUL), ("*", numbers.MUL), ("/", numbers.DIV))
    )
    a, b = (rng.randint(0, rng.choice((99, 999, 9999, 99999))) for _ in "ab")
    if sign == "-" and a < b and rng.random() < 0.8:
        a, b = b, a
    if sign == "/":
        b = rng.randint(1, rng.choice((9, 99, 999)))
        a = a * b if rng.random() < 0.6 and a * b < 10**7 else a
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a / max(b, 1)}[sign]
    return Run(
        wording(rng, block, split, a=a, b=b),
        f"print({a} {sign} {b})",
        _sometimes_given(rng),
        str(value),
        f"{a} {sign} {b} = {value}.",
    )


def _of_numbers(rng: Random, split: str) -> Run:
    kind = rng.choice(list(OF_NUMBERS))
    block, code, said = OF_NUMBERS[kind]
    x, n = rng.choice(words.VARIABLES), rng.randint(2, 12)
    values = [rng.randint(0, rng.choice((9, 99, 999))) for _ in range(n)]
    if rng.random() < 0.3:
        values = [v / 10 for v in values]
    printed = {
        "mean": lambda: _mean(values), "median": lambda: statistics.median(values),
        "sum": lambda: round(sum(values), 2), "maximum": lambda: max(values), "minimum": lambda: min(values),
        "length": lambda: n, "order": lambda: sorted(values), "picture": lambda: _picture(rng),
    }[kind]()  # fmt: skip
    given = f"{x} ({rng.choice(TYPES)}, {n})"
    return Run(
        wording(rng, block, split, x=x),
        code.format(x=x),
        _and_others(rng, given),
        str(printed),
        said.format(x=x, r=printed),
    )


def _of_table(rng: Random, split: str) -> Run:
    kind = rng.choice(list(OF_TABLES))
    block, code, said = OF_TABLES[kind]
    x, c, n = rng.choice(words.TABLES), rng.choice(words.COLUMNS), rng.randint(2, 999)
    columns = [c, *rng.sample([name for name in words.COLUMNS if name != c], rng.randint(1, 3))]
    rng.shuffle(columns)
    value = rng.choice((rng.randint(0, 999), round(rng.random() * 100, rng.choice((1, 2)))))
    printed = {"rows": n, "columns": columns, "picture": _picture(rng)}.get(kind, value)
    if kind == "first":
        printed = (
            "  ".join(columns)
            + "\n"
            + "\n".join(f"{k}  " + "  ".join(str(rng.randint(0, 99)) for _ in columns) for k in range(3))
        )
    given = f"{x} (DataFrame, {n} × {len(columns)})"
    return Run(
        wording(rng, block, split, x=x, c=c),
        code.format(x=x, c=c),
        _and_others(rng, given),
        str(printed),
        said.format(x=x, c=c, r=printed),
    )


def _alone(rng: Random, split: str) -> Run:
    kind = rng.choice(list(ALONE))
    block, code, said, value = ALONE[kind]
    n, m = (rng.randint(*span) for span in RANGES[kind])
    if kind == "root" and rng.random() < 0.5:
        n = rng.randint(2, 99) ** 2
    printed = value(n, m)
    return Run(
        wording(rng, block, split, n=n, m=m),
        code.format(n=n, m=m),
        _sometimes_given(rng),
        str(printed),
        said.format(n=n, m=m, r=printed),
    )


def _mean(values: list[float]) -> float:
    mean = statistics.mean(values)
    return mean if len(str(mean)) < 8 else round(mean, 2)


def _picture(rng: Random) -> str:
    return f"[image/png {rng.randint(200, 900)}x{rng.randint(200, 900)} shown to the user]"


def _and_others(rng: Random, given: str) -> str:
    all_given = [given] if rng.random() < 0.6 else [given, _variable(rng)]
    rng.shuffle(all_given)
    return ", ".join(all_given)


def _variable(rng: Random) -> str:
    if rng.random() < 0.5:
        return f"{rng.choice(words.TABLES)} (DataFrame, {rng.randint(2, 999)} × {rng.randint(2, 9)})"
    return f"{rng.choice(words.VARIABLES)} ({rng.choice(TYPES)}, {rng.randint(2, 99)})"


def _sometimes_given(rng: Random) -> str:
    return _variable(rng) if rng.random() < 0.15 else ""
