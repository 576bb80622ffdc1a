# ruff: noqa: E501 - wordings are data and stay on one line
"""Python one-liners."""

from __future__ import annotations

from random import Random

from wording import wording

from tasks.base import Answer

ASK = """
= [python|Python] [code|a line of code|a one-liner|an expression] [to|that can|that should] {d}
= a [short|little|small|] [python|Python] [snippet|one-liner|expression] to {d}
= the [python|Python] [code|way|expression|line] to {d}
! {d} in [python|Python]
! {d} [with|using] [one line of|] [python|Python]
! [write|show] [python|Python] [code|] [to|that can] {d}
% how to {d} in [python|Python]
% how [i|you|we] can {d} [in|with|using] [python|Python]
[python|Python], {d}
[python|Python]: {d}
[python|Python] {d}
[python|Python] - [how to|] {d}
[code|coding] question: {d} in [python|Python]
{d}, [python|Python]
[i work with|i use|i learn|i write|working in] [python|Python]. how [do i|can i|to] {d}
[what|which] [line|code|expression] [lets me|would|will] {d} in [python|Python]
[one|a single] line [please|], [python|Python], {d}
[write|give me|show me|make|create|i need|i want] a [python|Python] one-liner [that|to] {d}
[write|give me|show me|make|i need|i want] [a|some|the] [python|Python] [code|line|expression|program|snippet] [that|to] {d}
[in|with|using] [python|Python], {d}
[in|with|using] [python|Python], how [do i|do you|can i|to] {d}
how [do i|do you|can i|can you|would you|to] {d} in [python|Python]
[python|Python] one-liner [to|that]: {d}
[python|Python] [code|line|] to {d}
{d} in [python|Python]
{d} [with|using] [python|Python]
[can|could] you {d} in [python|Python]
one line of [python|Python] [to|that] {d}
[what is|what's] the [python|Python] [code|line|one-liner|expression|way] to {d}
~ i am learning [python|Python] and want to {d}
~ please show a short [python|Python] line which can {d}
~ my [python|Python] program should {d}. what do i write
"""
SNIPPETS = {
    "s[::-1]": ("[reverse|turn around] [a|the|] string [s|]", "[print|get|return] [a|the] string s [backwards|reversed|in reverse]"),
    "xs[::-1]": ("[reverse|turn around] [a|the|] list [xs|]", "[get|return] [a|the] list xs [backwards|reversed|in reverse]"),
    "sum(xs)": ("[sum|add up|total] [a|the|] list [xs|]", "[sum|add|add up] [all|the] [numbers|elements|items] [in|of] [a|the] list [xs|]",
                "[get|find|compute] the [sum|total] of [a|the] list [xs|]"),
    "max(xs)": ("[find|get] the [maximum|largest number|biggest number|largest element] [in|of] [a|the] list [xs|]",),
    "min(xs)": ("[find|get] the [minimum|smallest number|smallest element] [in|of] [a|the] list [xs|]",),
    "sorted(xs)": ("sort [a|the|] list [xs|] [of numbers|]", "[put|bring] [a|the] list [xs|] in order"),
    "sorted(xs, reverse=True)": ("sort [a|the|] list [xs|] [in descending order|from largest to smallest|in reverse order]",),
    "len(xs)": ("[get|find] the length of [a|the] list [xs|]", "count the [items|elements] [in|of] [a|the] list [xs|]"),
    "len(s)": ("[get|find] the length of [a|the] string [s|]", "count the [characters|letters] [in|of] [a|the] string [s|]"),
    "sum(xs) / len(xs)": ("[find|get|compute|calculate] the [average|mean] of [a|the] list [xs|]", "[average|take the average of] [a|the] list [xs|]"),
    "[x * x for x in xs]": ("square [all|the|every] [numbers|number|items|elements] [in|of] [a|the] list [xs|]", "[get|make|compute] the squares of [a|the] list [xs|]"),
    "[x for x in xs if x % 2 == 0]": ("[keep|find|get|select|filter] [all|only|] the even numbers [in|of|from] [a|the] list [xs|]",),
    "[x for x in xs if x % 2]": ("[keep|find|get|select|filter] [all|only|] the odd numbers [in|of|from] [a|the] list [xs|]",),
    "list(range(1, 11))": ("[make|create|get] a list [of the numbers|with the numbers|] from [1 to 10|one to ten]", "count from 1 to 10"),
    'print("Hello, world!")': ('print ["Hello, world!"|hello world|Hello, world]', "say [hello world|hello to the world]"),
    "list(set(xs))": ("remove [all|the|] duplicates from [a|the] list [xs|]", "[get|find] the unique [items|elements|values] [in|of] [a|the] list [xs|]"),
    "s.upper()": ("[make|turn|convert] [a|the] string [s|] [uppercase|upper case|to uppercase|into uppercase]", "[change|put] [a|the] string [s|] [to|in] upper case"),
    "s.lower()": ("[make|turn|convert] [a|the] string [s|] [lowercase|lower case|to lowercase|into lowercase]",),
    "s.split()": ("split [a|the] string [s|] into words", "[get|list] the words [in|of] [a|the] string [s|]"),
    "len(s.split())": ("count the words [in|of] [a|the] string [s|]",),
    '", ".join(xs)': ("join [a|the] list [xs|] [of strings|] with commas",),
    "s == s[::-1]": ("[check|test] [if|whether] [a|the] string [s|] is a palindrome",),
    "n % 2 == 0": ("[check|test] [if|whether] [a|the] number [n|] is even",),
    "xs[0]": ("[get|return|take] the first [item|element] of [a|the] list [xs|]",),
    "xs[-1]": ("[get|return|take] the last [item|element] of [a|the] list [xs|]",),
    "a, b = b, a": ("swap [two variables|a and b|two variables a and b|the variables a and b]",),
    "import random; random.choice(xs)": ("[pick|choose|get] a random [item|element] [from|of] [a|the] list [xs|]",),
    'open("file.txt").read()': ("read [a|the] [text|] file", "[get|load] the text of a file"),
}  # fmt: skip


def python(rng: Random, split: str) -> Answer:
    code = rng.choice(list(SNIPPETS))
    what = wording(rng, rng.choice(SNIPPETS[code]), "train")
    return Answer(
        wording(rng, ASK, split, d=what),
        [f"```python\n{code}\n```"],
        f"A Python one-liner: {code}",
        f"Language: Python.\nTask: {what}.\nCode: {code}",
        code,
    )
