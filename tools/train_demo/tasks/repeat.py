# ruff: noqa: E501 - wordings are data and stay on one line
"""Repeating words: a small skill of its own, and the shortest way to learn copying, which all others need."""

from __future__ import annotations

from random import Random

import words
from wording import wording

from tasks.base import Answer
from tasks.tales import ANIMALS, TRAITS

REPEAT = """
[repeat|say|copy|write] [after me|this|these words|the words|]: {x}
repeat [the words|] {x}
[can|could] you repeat [this|]: {x}
say [the words|] {x}
echo {x}
[please|] [repeat|copy] [the following|what i say|exactly|word for word]: {x}
~ now you say the same: {x}
~ i say {x} and you repeat it
"""
_POOL = [
    *words.NAMES, *words.CITIES, *words.CAPITALS, *words.THINGS, *words.SPELLED, *words.PLACES_IN_A_HOME, *words.DAYS,
    *words.MONTHS, *words.OPPOSITES, *words.OPPOSITES.values(), *words.BABY_ANIMALS, *ANIMALS, *TRAITS,
]  # fmt: skip


def repeat(rng: Random, split: str) -> Answer:
    chosen = [
        str(rng.randint(0, 999)) if rng.random() < 0.1 else rng.choice(_POOL)
        for _ in range(rng.randint(2, 9))
    ]
    text = rng.choice((" ", " ", ", ")).join(chosen)
    return Answer(
        wording(rng, REPEAT, split, x=text),
        [text],
        f"I repeat: {text}",
        f"Wanted: the same words.\nWords: {text}\nI repeat them.",
    )
