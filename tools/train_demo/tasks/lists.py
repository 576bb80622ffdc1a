# ruff: noqa: E501 - wordings are data and stay on one line
"""Sorting, reversing, and the largest and smallest of a few numbers."""

from __future__ import annotations

from random import Random

from wording import wording

from tasks.base import Answer

LISTS = {
    "sort": """
sort [these numbers|the numbers|this list|the list|these|] [from smallest to largest|in ascending order|ascending|]: {x}
sort {x} [from smallest to largest|in ascending order|ascending|]
[put|arrange|order|bring] [these numbers|the numbers|this list|these] in [order|ascending order|increasing order]: {x}
[put|arrange|order|sort] {x} in [order|ascending order|increasing order]
[can|could] you sort {x} [for me|]
order the numbers {x} [from small to large|from low to high|from smallest to biggest]
what is {x} sorted
sort [from low to high|from small to big|smallest first]: {x}
please sort the list [{x}]
[here are|these are|look at|see] [some|the|my|a few|] numbers: {x}. [please|can you|] [sort|order|arrange] them [from smallest to largest|in ascending order|]
given [the numbers|the list|] {x}, [sort|order] [them|it] [from smallest to largest|in ascending order|]
{x}: [sort|order|arrange] [them|these|the list] [please|]
take [the numbers|] {x} and [sort|order|arrange] them
my [numbers|list] [are|is] {x}, [now|please|] sort [them|it]
[what|how] [does|is] the list {x} [look|] [sorted|when it is sorted|in ascending order]
write {x} [sorted|in ascending order|from smallest to largest]
~ which order do {x} have when sorted from smallest to largest
~ i have the numbers {x}. sort them
~ sorted, please: {x}
""",
    "descending": """
sort [these numbers|the numbers|this list|the list|these|] [from largest to smallest|in descending order|descending]: {x}
sort {x} [from largest to smallest|in descending order|descending]
[put|arrange|order|bring] [these numbers|the numbers|this list|these] in [descending|decreasing] order: {x}
[put|arrange|order|sort] {x} in [descending|decreasing] order
[can|could] you sort {x} [from largest to smallest|in descending order|descending] [for me|]
order the numbers {x} [from large to small|from high to low|from biggest to smallest]
sort [from high to low|from big to small|largest first]: {x}
[here are|these are|look at|see] [some|the|my|a few|] numbers: {x}. [please|can you|] [sort|order|arrange] them [from largest to smallest|in descending order]
given [the numbers|the list|] {x}, [sort|order] [them|it] [from largest to smallest|in descending order]
{x}: [sort|order|arrange] [them|these] [from largest to smallest|in descending order|largest first]
take [the numbers|] {x} and [sort|order|arrange] them [from largest to smallest|in descending order]
my [numbers|list] [are|is] {x}, [now|please|] sort [them|it] [from largest to smallest|in descending order]
write {x} [in descending order|from largest to smallest]
which order do {x} have [from largest to smallest|in descending order]
~ i have the numbers {x}. sort them from largest to smallest
~ sorted in descending order, please: {x}
""",
    "reverse": """
reverse [this list|the list|these numbers|the numbers|]: {x}
reverse {x}
[can|could] you reverse [the list|the numbers|] {x} [for me|]
[write|give me|say|put] {x} [in reverse|in reverse order|backwards]
what is {x} [reversed|backwards|in reverse order]
turn [the list|] {x} around
[write|give me|say|put] [these numbers|this list] [in reverse|in reverse order|backwards]: {x}
[here are|these are|look at|see] [some|the|my|a few|] numbers: {x}. [please|can you|] [reverse|turn around] them
given [the numbers|the list|] {x}, [reverse|turn around] [them|it]
{x}: [reverse|turn around] [them|these|the list]
take [the numbers|] {x} and [reverse|turn around] them
my [numbers|list] [are|is] {x}, [now|please|] reverse [them|it]
[how does|what is] the list {x} [from the end|from last to first|backwards]
[write|say|give me] {x} from [last|the last] to [first|the first]
~ i have the numbers {x}. reverse them
~ from the last to the first, backwards: {x}
""",
    "max": """
[what is|what's|find|give me|tell me|] the [largest|biggest|highest|greatest|maximum] [number|value|one|] [of|in|among|from] {x}
[what is|what's|find|give me|tell me|] the [max|maximum] of {x}
which [number|one|of these|] is the [largest|biggest|highest|greatest]: {x}
[largest|biggest|highest|maximum|max] [number|value|] [of|in|:] {x}
which [number|one|of these|] is [largest|biggest|highest]: {x}
[can|could] you [find|tell me] the [largest|biggest|highest] [number|value|] in {x}
[here are|these are|look at|see] [some|the|my|a few|] numbers: {x}. [which|what] is the [largest|biggest|highest|maximum]
given [the numbers|the list|] {x}, [find|name|tell me] the [largest|biggest|highest] [number|one|]
{x}: [which|which one|what|which number] is [the|] [largest|biggest|highest]
from [the numbers|] {x} [pick|choose|take|name] the [largest|biggest|highest] [number|one|]
of [the numbers|] {x}, which [one|number|] is the [largest|biggest|highest]
my numbers are {x}, [tell me|name|what is] the [largest|biggest|highest] [one|number|]
~ i have the numbers {x}. which one is the largest
~ look at {x} and name the biggest number
""",
    "min": """
[what is|what's|find|give me|tell me|] the [smallest|lowest|least|minimum] [number|value|one|] [of|in|among|from] {x}
[what is|what's|find|give me|tell me|] the [min|minimum] of {x}
which [number|one|of these|] is the [smallest|lowest]: {x}
[smallest|lowest|minimum|min] [number|value|] [of|in|:] {x}
which [number|one|of these|] is [smallest|lowest]: {x}
[can|could] you [find|tell me] the [smallest|lowest] [number|value|] in {x}
[here are|these are|look at|see] [some|the|my|a few|] numbers: {x}. [which|what] is the [smallest|lowest|minimum]
given [the numbers|the list|] {x}, [find|name|tell me] the [smallest|lowest] [number|one|]
{x}: [which|which one|what|which number] is [the|] [smallest|lowest]
from [the numbers|] {x} [pick|choose|take|name] the [smallest|lowest] [number|one|]
of [the numbers|] {x}, which [one|number|] is the [smallest|lowest]
my numbers are {x}, [tell me|name|what is] the [smallest|lowest] [one|number|]
~ i have the numbers {x}. which one is the smallest
~ look at {x} and name the smallest number
""",
}  # fmt: skip


def lists(rng: Random, split: str) -> Answer:
    kind = rng.choice(("sort", "sort", "descending", "reverse", "max", "min"))
    top = rng.choice((9, 20, 20, 99, 99))
    xs = rng.sample(range(top + 1), rng.choice((3, 4, 4, 5)))
    joined = rng.choice((", ", ", ", ", ", " ", " and ")).join(map(str, xs))
    if " and " in joined or rng.random() < 0.2:
        joined = ", ".join(map(str, xs[:-1])) + f" and {xs[-1]}"
    if rng.random() < 0.1:
        joined = f"({', '.join(map(str, xs))})"
    user = wording(rng, LISTS[kind].replace("[{x}]", "({x})"), split, x=joined)
    listed = ", ".join(map(str, xs))
    if kind in ("max", "min"):
        name = "largest" if kind == "max" else "smallest"
        best, steps = xs[0], []
        pick = max if kind == "max" else min
        for x in xs[1:]:
            best = pick(best, x)
            steps.append(f"{x}: {name} so far {best}.")
        return Answer(
            user,
            [f"The {name} number is {best}.", f"{best} is the {name}."],
            f"Find the {name} of {listed}: {best}.",
            f"I look for the {name} of {listed}.\n{xs[0]}: {name} so far {xs[0]}.\n" + "\n".join(steps),
            str(best),
        )
    if kind == "reverse":
        out = xs[::-1]
        what = "Reversed"
    else:
        out = sorted(xs, reverse=kind == "descending")
        what = "Sorted"
    done = ", ".join(map(str, out))
    left, steps = list(xs), []
    for x in out:
        left.remove(x)
        steps.append(f"Next: {x}." + (f" Left: {', '.join(map(str, left))}." if left else ""))
    goal = {"sort": "smallest first", "descending": "largest first", "reverse": "last first"}[kind]
    return Answer(
        user,
        [f"{what}: {done}.", f"{done}."],
        f"{listed}, {goal}: {done}.",
        f"I order {listed}, {goal}.\n" + "\n".join(steps),
        done,
    )
