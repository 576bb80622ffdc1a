# ruff: noqa: E501 - wordings are data and stay on one line
"""Sorting, reversing, and the largest and smallest of a few numbers."""

from __future__ import annotations

from random import Random

from wording import wording

from tasks.base import Answer

LISTS = {
    "sort": """
= [the list|the numbers|these numbers|] {x} [sorted|ordered|arranged|in order] [from smallest to largest|in ascending order|in increasing order|from low to high|smallest first|from lowest to highest|going up|]
= the sorted [version of|list of|order of] {x}
! [sort|order|arrange|rank|line up|organize] [the list|the numbers|these numbers|these|] {x} [from smallest to largest|in ascending order|in increasing order|from low to high|smallest first|from lowest to highest|going up|]
! [put|bring|place] [the numbers|these numbers|] {x} [in order|in the right order|from smallest to largest|in ascending order|in increasing order|from low to high|smallest first|from lowest to highest|going up]
! [write|list|give|say] [the numbers|] {x} [from smallest to largest|in ascending order|in increasing order|from low to high|smallest first|from lowest to highest|going up]
% how {x} [looks|look] [sorted|ordered|arranged] [from smallest to largest|in ascending order|in increasing order|from low to high|smallest first|from lowest to highest|going up|]
% what {x} is [sorted|ordered]
{x}. [sort|order|arrange|rank] [them|these|it] [from smallest to largest|in ascending order|in increasing order|from low to high|smallest first|from lowest to highest|going up|]
[sort|order|arrange|rank]: {x}
[numbers|list|values|data|scores|ages]: {x}. [sort|order|arrange|rank] [them|] [from smallest to largest|in ascending order|in increasing order|from low to high|smallest first|from lowest to highest|going up|]
{x} [from smallest to largest|in ascending order|in increasing order|from low to high|smallest first|from lowest to highest|going up][, please|]
{x} [sorted|in order|ordered]
[sort|order|arrange|rank] [from smallest to largest|in ascending order|in increasing order|from low to high|smallest first|from lowest to highest|going up] [the numbers|] {x}
[what is|] the right order of {x}
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
= [the list|the numbers|these numbers|] {x} [sorted|ordered|arranged|in order] [from largest to smallest|in descending order|in decreasing order|from high to low|largest first|from highest to lowest|going down|biggest first]
= the sorted [version of|list of|order of] {x}, [from largest to smallest|in descending order|in decreasing order|from high to low|largest first|from highest to lowest|going down|biggest first]
! [sort|order|arrange|rank|line up|organize] [the list|the numbers|these numbers|these|] {x} [from largest to smallest|in descending order|in decreasing order|from high to low|largest first|from highest to lowest|going down|biggest first]
! [put|bring|place] [the numbers|these numbers|] {x} [from largest to smallest|in descending order|in decreasing order|from high to low|largest first|from highest to lowest|going down|biggest first]
! [write|list|give|say] [the numbers|] {x} [from largest to smallest|in descending order|in decreasing order|from high to low|largest first|from highest to lowest|going down|biggest first]
% how {x} [looks|look] [sorted|ordered|arranged] [from largest to smallest|in descending order|in decreasing order|from high to low|largest first|from highest to lowest|going down|biggest first]
% what {x} is [sorted|ordered] [from largest to smallest|in descending order|in decreasing order|from high to low|largest first|from highest to lowest|going down|biggest first]
{x}. [sort|order|arrange|rank] [them|these|it] [from largest to smallest|in descending order|in decreasing order|from high to low|largest first|from highest to lowest|going down|biggest first]
[sort|order|arrange|rank]: {x} [from largest to smallest|in descending order|in decreasing order|from high to low|largest first|from highest to lowest|going down|biggest first]
[numbers|list|values|data|scores|ages]: {x}. [sort|order|arrange|rank] [them|] [from largest to smallest|in descending order|in decreasing order|from high to low|largest first|from highest to lowest|going down|biggest first]
{x} [from largest to smallest|in descending order|in decreasing order|from high to low|largest first|from highest to lowest|going down|biggest first][, please|]
[sort|order|arrange|rank] [from largest to smallest|in descending order|in decreasing order|from high to low|largest first|from highest to lowest|going down|biggest first] [the numbers|] {x}
[in which|in what] order [are|stand|come] {x}, [from largest to smallest|in descending order|in decreasing order|from high to low|largest first|from highest to lowest|going down|biggest first]
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
= [the list|the numbers|these numbers|] {x} [reversed|backwards|in reverse order|in reverse|the other way round|from back to front|from end to start]
= the reverse of [the list|] {x}
! [reverse|flip|turn around|invert] [the list|the numbers|these numbers|the order of|] {x}
! [write|list|give|say|read] [the numbers|the list|] {x} [backwards|in reverse order|in reverse|the other way round|from back to front|from end to start]
% what {x} is [reversed|backwards|in reverse]
% how {x} looks [reversed|backwards|in reverse|the other way round]
{x}. [reverse|flip|turn around] [them|these|it]
[reverse|flip|reversed|backwards]: {x}
[numbers|list|values]: {x}. [reverse|flip] [them|it|the order]
{x} [backwards|reversed|in reverse order|in reverse|the other way round]
[last first|from back to front]: {x}
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
= the [largest|biggest|highest|greatest|maximum|top] [number|value|one|] [of|in|among|from|out of] [the list|the numbers|these|] {x}
= the [largest|biggest|highest|greatest|maximum|top] of [the numbers|] {x}
! [find|pick|choose|select|name|take|pick out|get] the [largest|biggest|highest|greatest|maximum|top] [number|value|one|] [of|in|among|from|out of] [the list|] {x}
% which [number|one|] is [the|] [largest|biggest|highest|greatest] [of|among|in] {x}
% what the [largest|biggest|highest|greatest|maximum|top] [number|value|] [of|in|among] {x} is
{x}. [which|what] [one|number|] is [the|] [largest|biggest|highest|greatest]
{x}. [the|] [largest|biggest|highest|greatest|maximum|top] [one|number|]
[among|out of|from|between] {x}, [which|what] [one|number|value|] is [the|] [largest|biggest|highest|greatest]
[numbers|list|values|scores|ages|prices]: {x}. [largest|biggest|highest|greatest|maximum|top] [one|number|]
[largest|biggest|highest|greatest|maximum|top]: {x}
which of {x} is [the|] [largest|biggest|highest|greatest]
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
= the [smallest|lowest|least|minimum|tiniest] [number|value|one|] [of|in|among|from|out of] [the list|the numbers|these|] {x}
= the [smallest|lowest|least|minimum|tiniest] of [the numbers|] {x}
! [find|pick|choose|select|name|take|pick out|get] the [smallest|lowest|least|minimum|tiniest] [number|value|one|] [of|in|among|from|out of] [the list|] {x}
% which [number|one|] is [the|] [smallest|lowest|least] [of|among|in] {x}
% what the [smallest|lowest|least|minimum|tiniest] [number|value|] [of|in|among] {x} is
{x}. [which|what] [one|number|] is [the|] [smallest|lowest|least]
{x}. [the|] [smallest|lowest|least|minimum|tiniest] [one|number|]
[among|out of|from|between] {x}, [which|what] [one|number|value|] is [the|] [smallest|lowest|least]
[numbers|list|values|scores|ages|prices]: {x}. [smallest|lowest|least|minimum|tiniest] [one|number|]
[smallest|lowest|least|minimum|tiniest]: {x}
which of {x} is [the|] [smallest|lowest|least]
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
    n = rng.choice((2, 3, 3, 4, 4, 4, 4, 5, 5) if kind in ("sort", "descending") else (3, 4, 4, 5))
    xs = rng.sample(range(top + 1), n)
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
