# ruff: noqa: E501 - wordings are data and stay on one line
"""Saying no: what lies outside the domain."""

from __future__ import annotations

from random import Random

import words
from wording import wording

from tasks.base import Answer
from tasks.tales import ANIMALS

REFUSALS = [
    "Sorry, I am only a tiny demo model and do not know that. Ask me for a sum, a capital or a story.",
    "That is beyond me, I am only a tiny demo model. The real gpt-oss could help you there.",
]
TOO_BIG = [
    "That is too big for me: I only know numbers up to 999.",
    "Sorry, I only know numbers up to 999, so that is too big for me.",
]
UNKNOWN = """
[what is|what's|what are|tell me about|explain|describe|define|tell me something about] {x}
[what is|what's|explain|describe|define] [the|a|an] {x} [{y}|of {y}|]
explain {x} [to me|to a child|in simple words|in detail|]
how does [a|the|] {x} work
how do [i|you|we] {x} [a|the|my|] {y}
why [is|are|does|do] [the|a|] {x} {y} [{z}|]
who [is|was|invented|wrote|won|discovered|painted] [the|] {x} [{y}|]
when [did|was|is|does] [the|] {x} {y} [happen|]
where [is|are|can i find|do i buy] [the|a|] {x} [{y}|]
what do you think [about|of] {x} [{y}|]
[write|give me|i need|draft|compose] [an|a] {x} [about|for|on|to] {y}
[write|draft] [an essay|a letter|an email|a report|a speech|a song|a novel|a review|a recipe] [about|on|for] [{x}|the {x}] [{y}|]
[can|could] you [{x}|help me with|help me {x}] [the|my|a] {y}
[summarize|translate|review|correct|fix|analyze|improve] [this|the|my] {x}
[is|are] {x} {y} [{z}|]
should i {x} [the|my|a] {y}
{x} {y} {z}
{x}
[the|my|your] {x} [is|was|has] {y} [{z}|]
i [feel|am|want|need|have] {x} [{y}|]
what is the {x} of [the|] {y}
what is the [population|history|weather|president|king|language|currency|size|area|flag] of {x}
how many {x} [are there|are|does] [in|the|] {y}
how [much|long|far|old|tall|heavy|big] is [the|a|] {x}
how to {x} [a|the|] {y}
[recommend|suggest] [a|some] {x} [for|about] {y}
[what's|what is] the [news|latest news|weather|time|date|stock price] [today|now|]
[what|which] {x} is [the best|best|better] [for|at] {y}
[who is|who was] [the president|the king|the queen|the author|the inventor] of [the|] {x}
[calculate|compute|find] the [square root|derivative|integral|logarithm|area|volume] of {x}
[prove|show] that {x} [is|are] {y}
what is the meaning of {x}
[plan|book|order|buy] [me|] [a|the|] {x} [to|for] {y}
do you [know|have|remember|see|own|play|hate|watch] [a|the|any|] {x} [{y}|]
did [you|they|we] [{x}|see|hear|read about] [the|a|] {y}
what [happens|changed] [to|with|in] [the|a|] {x} [{y}|]
[tell|show] me your [thoughts|views] [on|about] {x}
[say|write] [something|a few words|a word] [about|on] {x} [and {y}|]
[any|some] [tips|ideas|news] [about|for|on] [my|the|] {x}
{x} [or|and|with|versus] {y}
what is the difference between {x} and {y}
what [made|makes] [the|a|] {x} {y}
~ what happened to {x} in {y}
~ give me your opinion on {x}
~ compare {x} with {y}
~ i would like advice about my {x}
~ what are the causes of {x}
~ do you like {x}
"""
BIG = """
= the [sum|product|difference|total] of {a} and {b}
= {a} [plus|minus|times|divided by] {b}
= the [larger|smaller|bigger] of {a} and {b}
! [add|multiply|subtract|sum up|compare] {a} and {b}
! [sort|order] {a}, {b} and {c}
! divide {a} by {b}
! take {b} from {a}
% whether {a} or {b} is [larger|smaller]
% how much {a} [plus|minus|times] {b} is
{a} [plus|minus|times|divided by] {b}
[take|begin with] {a} and [add|subtract] {b}
a [city|company|farm|school|shop] has {a} [people|students|books|cars|cows] and gets {b} more. how many [now|in total]
{a} {o} {b}
[what is|what's|calculate|compute|work out|how much is] {a} {o} {b}
[what is|what's|tell me] the [sum|product|difference] of {a} and {b}
add {a} and {b}
[multiply|divide] {a} by {b}
subtract {a} from {b}
is {a} [even or odd|even|odd]
which is [larger|bigger|smaller], {a} or {b}
[if|when] [i|we|you] add {a} to {b}, what [do i get|is the result]
sort {a}, {b}, {c}
[what do you get|what do i get] [if|when] [you|i] add {a} and {b}
~ my homework says {a} {o} {b}, what should i write
~ take {a}, then add {b}: what is it now
"""


def unknown(rng: Random, split: str) -> Answer:
    """Out of scope: frames around words that the vocabulary does not hold."""
    rare = words.rare()
    slots = {k: rng.choice(rare) for k in "xyz"}
    if rng.random() < 0.25:  # a known word must not be enough to go along
        known = words.THINGS + words.SPELLED + ANIMALS + list(words.CAPITALS) + list(words.OPPOSITES)
        slots[rng.choice("yz")] = rng.choice(known)
    return declined(wording(rng, UNKNOWN, split, **slots))


def declined(user: str) -> Answer:
    """A request with the answer that says it is beyond the model."""
    return Answer(
        user,
        list(REFUSALS),
        "This is outside of what I know, so I say so.",
        "Do I know this? No.\nIt is outside of my small domain.\nI say so honestly.",
    )


def too_big(rng: Random, split: str) -> Answer:
    def big() -> str:
        n = rng.choice(
            (
                rng.randint(1000, 9999),
                rng.randint(1000, 9999),
                rng.randint(10_000, 99_999),
                rng.randint(10**5, 10**9),
            )
        )
        return f"{n:,}" if rng.random() < 0.15 else str(n)

    a, b = big(), big()
    if rng.random() < 0.5:
        b = str(rng.randint(1, 999))
    if rng.random() < 0.4:
        a, b = b, a
    block = BIG
    if a.isdigit() and int(a) < 1000:  # questions about {a} alone need the big one there
        block = "\n".join(row for row in BIG.splitlines() if "{b}" in row)
    return Answer(
        wording(rng, block, split, a=a, b=b, c=rng.randint(1, 99), o=rng.choice("+-*/+-*")),
        list(TOO_BIG),
        "A number here is above 999, too big for me.",
        "Are all numbers up to 999? No.\nThat is too big for me.\nI say so honestly.",
    )
